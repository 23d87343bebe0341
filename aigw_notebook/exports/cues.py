"""The words of a session with the times at which they are heard, in pieces of a subtitle's length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ..records import Entry
from ..transcript import Transcript
from .placing import Placed, placed

__all__ = ["Cue", "TimedWord", "cues", "timed_words"]

MOST_CHARACTERS = 84
"""Of one cue: two lines of a subtitle."""

READING_MS_PER_CHARACTER = 60.0
SHORTEST_MS = 700.0
"""How long written words stand: nobody speaks them."""

SENTENCE = re.compile(r"\S.*?(?:[.!?…。！？]+[\"')\]]*(?=\s|$)|$)", re.DOTALL)


class Cue(NamedTuple):
    """Words of one side from `start_ms` to `end_ms` of the session. `told`: the provider told when they are spoken;
    else they have a share of their row's time, by length.
    """

    start_ms: float
    end_ms: float
    role: str
    text: str
    told: bool


class TimedWord(NamedTuple):
    """A word and when it is spoken, in ms from the first sample of its row."""

    start_ms: float
    end_ms: float
    text: str


def cues(transcript: Transcript) -> list[Cue]:
    """All that was said, by its beginning. Of an answer that was cut short only what was heard, where that is known."""
    sounds = {id(sound.entry): sound for sound in placed(transcript)}
    said = [e for e in list(transcript.entries) if e.role in ("user", "assistant") and e.kind in ("text", "audio")]
    found = [cue for entry in said for cue in _of_row(entry, sounds.get(id(entry)))]
    return sorted(found, key=lambda cue: cue.start_ms)


def _of_row(entry: Entry, sound: Placed | None) -> Iterator[Cue]:
    text = entry.text if entry.heard_text is None else entry.heard_text
    if not text or not text.strip():
        return
    words = list(timed_words(entry)) if sound is not None else []
    if sound is not None and words:
        for start_ms, end_ms, line in _lines(words, sound.play_ms):
            yield Cue(sound.start_ms + start_ms, sound.start_ms + end_ms, entry.role, line, True)
        return
    start_ms = entry.start_ms if sound is None else sound.start_ms
    length_ms = max(SHORTEST_MS, READING_MS_PER_CHARACTER * len(text)) if sound is None else sound.play_ms
    for begin, end, line in _shares(text, length_ms):
        yield Cue(start_ms + begin, start_ms + end, entry.role, line, False)


def _shares(text: str, length_ms: float) -> Iterator[tuple[float, float, str]]:
    """The sentences of `text`, each with its share of the time."""
    lines = [piece for sentence in SENTENCE.findall(text) for piece in _folded(" ".join(sentence.split()))]
    places = [0]
    for line in lines:
        places.append(places[-1] + len(line))
    for line, (begin, end) in zip(lines, pairwise(places), strict=True):
        yield length_ms * begin / places[-1], length_ms * end / places[-1], line


def _folded(sentence: str) -> list[str]:
    """The sentence in lines of at most a cue's length, broken between words."""
    lines = [""]
    for word in sentence.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) > MOST_CHARACTERS and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line for line in lines if line]


def _lines(words: list[TimedWord], play_ms: float) -> Iterator[tuple[float, float, str]]:
    """The words in cues, each ended by a sentence's end or a cue's length. What begins after `play_ms` is left out."""
    line: list[TimedWord] = []
    for word in words:
        if word.start_ms >= play_ms:
            break
        if line and sum(len(w.text) + 1 for w in line) + len(word.text) > MOST_CHARACTERS:
            yield _joined(line, play_ms)
            line = []
        line.append(word)
        if word.text.rstrip("\"')]").endswith((".", "!", "?", "…", "。", "！", "？")):
            yield _joined(line, play_ms)
            line = []
    if line:
        yield _joined(line, play_ms)


def _joined(line: list[TimedWord], play_ms: float) -> tuple[float, float, str]:
    return line[0].start_ms, max(line[0].start_ms, min(line[-1].end_ms, play_ms)), " ".join(w.text for w in line)


def timed_words(entry: Entry) -> Iterator[TimedWord]:
    """The words whose times the provider told, in order; characters are put together to words, of several events."""
    characters: list[TimedWord] = []
    for timing in entry.timings:
        parts = [TimedWord(*part) for part in zip(timing.start_ms, timing.end_ms, timing.words, strict=True)]
        if timing.unit == "character":
            characters += parts
        elif timing.unit == "word":
            yield from (part._replace(text=part.text.strip()) for part in parts if part.text.strip())
    yield from _words(characters)


def _words(characters: list[TimedWord]) -> Iterator[TimedWord]:
    word: list[TimedWord] = []
    for character in [*characters, TimedWord(0.0, 0.0, " ")]:
        if not character.text.isspace():
            word.append(character)
        elif word:
            yield TimedWord(word[0].start_ms, word[-1].end_ms, "".join(c.text for c in word))
            word = []
