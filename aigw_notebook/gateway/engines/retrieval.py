"""Which entry of the FAQ a question means: words, their concepts and pieces of words, weighed and compared."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TypeAlias

from .faq import Entry, entries
from .words import STOP_WORDS, concepts, content_words, stems

__all__ = ["Found", "Index", "faq_index"]

Feature: TypeAlias = tuple[str, str]
"""Kind and text; the kinds are those of `_WEIGHTS`."""

GRAM = 4
_WEIGHTS = {"word": 1.0, "concept": 0.8, "piece": 0.3, "pair": 0.35, "small": 0.15}
"""Kind of feature → its weight: words, what they stand for, pieces of them, neighbours, and words without meaning."""

ENTRY_SHARE = 0.3
"""How much the entry as a whole counts beside its nearest wording."""

MIN_CORRECTED = 5
"""Shorter stems are not corrected: too many others are one letter away."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and how near it is to the question: 1 is the same words, 0 nothing in common."""

    entry: Entry
    score: float


class Index:
    """Finds entries; built once, then safe to ask from any thread."""

    def __init__(self, known: Sequence[Entry]) -> None:
        self.known = tuple(known)
        phrases = [(number, text) for number, entry in enumerate(self.known) for text in (entry.title, *entry.aliases)]
        wordings = [stems(text) for _, text in phrases]
        self._vocabulary = frozenset(word for words in wordings for word in words)
        self._near = _neighbours(self._vocabulary)
        self._idf = _idf(_features(words).keys() for words in wordings)
        self._unseen = max(self._idf.values())
        self._phrases = _Vectors([number for number, _ in phrases], [self._weighed(words) for words in wordings])
        wholes = [[w for (n, _), words in zip(phrases, wordings, strict=True) if n == i for w in words]
                  for i in range(len(self.known))]  # fmt: skip
        self._wholes = _Vectors(range(len(self.known)), [self._weighed(words, damped=True) for words in wholes])

    def find(self, question: str, count: int = 3) -> list[Found]:
        """The nearest entries, best first; those with nothing in common are left out."""
        words = [self._corrected(word) for word in stems(question)]
        meant = content_words(words)
        if not meant:
            return []
        vector = self._weighed(words)
        phrase, whole = self._phrases.nearest(vector), self._wholes.nearest(vector)
        scores = {n: (1 - ENTRY_SHARE) * phrase.get(n, 0.0) + ENTRY_SHARE * whole.get(n, 0.0) for n in whole}
        best = sorted(scores, key=lambda n: (-scores[n], n))[:count]
        known = math.sqrt(sum(word in self._vocabulary for word in meant) / len(meant))
        return [Found(self.known[n], known * scores[n]) for n in best]

    def _corrected(self, word: str) -> str:
        if word in self._vocabulary or len(word) < MIN_CORRECTED:
            return word
        near = (self._near[cut] for cut in _cuts(word) if cut in self._near)
        return next((known for known in near if known[0] == word[0]), word)

    def _weighed(self, words: Sequence[str], *, damped: bool = False) -> dict[Feature, float]:
        """Unit vector of a text. `damped`: a feature that many wordings share counts by the root of how often."""
        weights = {
            feature: _WEIGHTS[feature[0]] * (math.sqrt(count) if damped else 1.0) * self._idf.get(feature, self._unseen)
            for feature, count in _features(words).items()
        }
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {feature: weight / length for feature, weight in weights.items()}


class _Vectors:
    """Vectors by feature, to be compared with one other at once."""

    def __init__(self, owners: Iterable[int], vectors: Sequence[dict[Feature, float]]) -> None:
        self._owners = tuple(owners)
        self._holders: dict[Feature, list[tuple[int, float]]] = defaultdict(list)
        for number, vector in enumerate(vectors):
            for feature, weight in vector.items():
                self._holders[feature].append((number, weight))

    def nearest(self, vector: dict[Feature, float]) -> dict[int, float]:
        """The best cosine of every owner that has anything in common with `vector`."""
        cosines: dict[int, float] = defaultdict(float)
        for feature, weight in vector.items():
            for number, held in self._holders.get(feature, ()):
                cosines[number] += weight * held
        best: dict[int, float] = {}
        for number, cosine in cosines.items():
            owner = self._owners[number]
            best[owner] = max(cosine, best.get(owner, 0.0))
        return best


def _features(words: Sequence[str]) -> dict[Feature, int]:
    """Feature → how often it occurs."""
    return Counter(_named(words))


def _named(words: Sequence[str]) -> Iterator[Feature]:
    for word in words:
        if word in STOP_WORDS:
            yield "small", word
            continue
        yield "word", word
        yield from (("concept", concept) for concept in concepts(word))
        padded = f" {word} "
        yield from (("piece", padded[i : i + GRAM]) for i in range(max(1, len(padded) - GRAM + 1)))
    yield from (("pair", f"{first} {second}") for first, second in pairwise(words))


def _idf(texts: Iterable[Iterable[Feature]]) -> dict[Feature, float]:
    seen = [set(text) for text in texts]
    counts = Counter(feature for text in seen for feature in text)
    return {feature: math.log(1 + len(seen) / count) for feature, count in counts.items()}


def _cuts(word: str) -> Iterator[str]:
    """The word and what is left of it when one letter is missing."""
    yield word
    yield from (word[:i] + word[i + 1 :] for i in range(len(word)))


def _neighbours(vocabulary: Iterable[str]) -> dict[str, str]:
    """What is left of a known word → the word, so that words one letter apart are found without comparing all."""
    return {cut: word for word in sorted(vocabulary) if len(word) >= MIN_CORRECTED for cut in _cuts(word)}


@cache
def faq_index() -> Index:
    """The index of the toolkit's own FAQ, built at the first call (some ten milliseconds)."""
    return Index(entries())
