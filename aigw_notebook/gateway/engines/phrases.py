"""A text spoken phrase by phrase: early sound, in small pieces that know how much of the text is said by their end."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...audio.resample import Resampler
from .base import Sound, Voice
from .spoken_text import SpokenText, spoken_text
from .timbre import Timbre, timbre_of
from .weights import letter_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Mark", "Phrase", "PhraseVoice", "estimated_marks", "phrases"]

Floats: TypeAlias = "NDArray[np.float32]"
Mark: TypeAlias = "tuple[float, int]"
"""By this second of a phrase, so many of its characters have been spoken."""

MAX_PHRASE = 180  # characters spoken in one go: bounds the wait for the first sound
FIRST_PHRASE = 100  # the same, for the first
SLICE_S = 0.5  # resampled in one go
MIN_PIECE_S, MAX_PIECE_S = 0.02, 0.08
MIN_SPEED, MAX_SPEED = 0.5, 2.0
QUIET = 0.01  # of full scale: silence before the first word and after the last


@dataclass(frozen=True, slots=True)
class Phrase:
    """The sound of a phrase, and when its characters have been spoken; the last mark is the end of both."""

    samples: Floats
    sample_rate: int
    marks: list[Mark]


class PhraseVoice(Voice):
    """A voice that makes a phrase at a time. What it cannot say it gives as a phrase without samples."""

    @abstractmethod
    def phrase(self, text: str, *, timbre: Timbre, pace: float) -> Phrase:
        """The sound of one phrase, `pace` times as fast as usual, before the timbre's `size` is applied to it."""

    def say(self, text: str, *, sample_rate: int, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """Pieces of 20 to some 100 ms, most of them a word or a part of one."""
        timbre, spoken = timbre_of(voice), spoken_text(text)
        pace = timbre.pace * min(MAX_SPEED, max(MIN_SPEED, speed)) / timbre.size
        last: Sound | None = None
        for start, end in phrases(spoken.text):
            phrase = self.phrase(spoken.text[start:end], timbre=timbre, pace=pace)
            resampler = Resampler(timbre.played_at(phrase.sample_rate), sample_rate)
            for sound in _pieces(phrase, resampler, spoken, start):
                if last is not None:
                    yield last
                last = sound
        if last is not None:
            yield Sound(last.pcm16, len(text))


_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”’')\]]*\s+|\n\s*")
_NO_END = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e|No)|\b[A-Z])\.$")
_CLAUSE_END = re.compile(r"(?<=[,;:—–])\s+")
_SPACE = re.compile(r"\s+")


def phrases(text: str) -> Iterator[tuple[int, int]]:
    """From where to where each part lies that is spoken in one go: a sentence, or less of a long one."""
    start, longest = 0, FIRST_PHRASE
    for end in _sentence_ends(text):
        while end - start > longest:
            cut = _cut(text, start, start + longest)
            yield start, cut
            start, longest = cut, MAX_PHRASE
        if text[start:end].strip():
            yield start, end
            longest = MAX_PHRASE
        start = end


def _sentence_ends(text: str) -> Iterator[int]:
    for found in _SENTENCE_END.finditer(text):
        after = text[found.end() : found.end() + 1]
        if "\n" in found.group() or not (after.islower() or _NO_END.search(text, 0, found.start())):
            yield found.end()
    yield len(text)


def _cut(text: str, start: int, end: int) -> int:
    """Where to cut a phrase that would be too long: at the last comma, else at the last space, else anywhere."""
    for pattern in (_CLAUSE_END, _SPACE):
        ends = [found.end() for found in pattern.finditer(text, start + (end - start) // 4, end)]
        if ends:
            return ends[-1]
    return end


# --------------------------------------------------------------------------------------------------------- pieces


def _pieces(phrase: Phrase, resampler: Resampler, spoken: SpokenText, start: int) -> Iterator[Sound]:
    """The phrase at the asked rate, cut where words end. It begins at character `start` of the spoken text."""
    if not len(phrase.samples):
        return
    scale = phrase.sample_rate / resampler.source_rate * resampler.target_rate
    places, chars = [0.0, *(time_s * scale for time_s, _ in phrase.marks)], [0, *(char for _, char in phrase.marks)]
    cuts = _cuts(places, resampler.target_rate)
    ready, made = bytearray(), 0
    for chunk in _resampled(phrase, resampler):
        ready += (np.clip(chunk, -1, 1) * 32767).astype("<i2").tobytes()
        while cuts and len(ready) >= 2 * (cuts[0] - made):
            size, made = 2 * (cuts[0] - made), cuts.pop(0)
            char = int(float(np.interp(made + 0.5, places, chars)) + 1e-6)
            yield Sound(bytes(ready[:size]), spoken.end_char(start + char))
            del ready[:size]
    if ready:
        yield Sound(bytes(ready), spoken.end_char(start + chars[-1]))


def _resampled(phrase: Phrase, resampler: Resampler) -> Iterator[Floats]:
    step = round(SLICE_S * phrase.sample_rate)
    for at in range(0, len(phrase.samples), step):
        yield resampler.process(phrase.samples[at : at + step])
    yield resampler.flush()


def _cuts(ends: list[float], sample_rate: int) -> list[int]:
    """The sample numbers at which pieces end: at ends of words where that makes no crumbs, and often enough."""
    least, most = round(MIN_PIECE_S * sample_rate), round(MAX_PIECE_S * sample_rate)
    cuts, at = [], 0
    for end in map(round, ends):
        while end - at > most + least:
            at += most
            cuts.append(at)
        if end - at >= least:
            cuts.append(end)
            at = end
    return cuts


def estimated_marks(samples: Floats, sample_rate: int, text: str) -> list[Mark]:
    """When the characters have been spoken, weighed out over what is not silence before and after them."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    first, last = (loud[0] / sample_rate, loud[-1] / sample_rate) if len(loud) else (0.0, len(samples) / sample_rate)
    ends = list(accumulate(letter_weights(text.rstrip(" \n.!?…"))))
    scale = (last - first) / max(1.0, ends[-1] if ends else 1.0)
    marks = [(float(first), 0), *((float(first + scale * end), char) for char, end in enumerate(ends, start=1))]
    return [*marks, (len(samples) / sample_rate, len(text))]
