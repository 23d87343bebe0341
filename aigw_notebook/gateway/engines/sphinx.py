"""Listening by PocketSphinx: English, small, quick, with words while they are spoken; it errs in one word of seven.

The model is the one inside the package; nothing is downloaded. A decoder belongs to one turn at a time.
"""

from __future__ import annotations

import weakref
from functools import cached_property
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np

from ...errors import MissingExtra
from .base import EngineInfo, Listener
from .intake import MIN_VOICED_MS, RATE, Floats, Intake, version_of
from .sphinx_decoder import Decoder, new_decoder

__all__ = ["SphinxListener", "is_installed"]

INSTALL = "pip install 'aigw-notebook[local]'"
BETTER = "pip install 'aigw-notebook[local-stt]'"

MAX_LIVE = 4
"""So many turns are listened to at once as they are spoken; further ones at their end, one after the other."""

PIECE = RATE // 10  # samples given to the decoder in one go

MOANS = frozenset({"ah", "eh", "er", "hm", "hmm", "huh", "mm", "oh", "ooh", "uh", "um"})
"""What it makes of music and sighs: a turn of these alone has no words."""

LEVELS = "40,3,-1,0,0,0,0,0,0,0,0,0,0"
"""What the model expects of a microphone: each turn begins with it, so that none depends on the one before."""


def is_installed() -> bool:
    """Whether the package is there; it is not imported for that."""
    return find_spec("pocketsphinx") is not None


class SphinxListener(Listener):
    """The recognizer. The package is imported and its model loaded by the first call."""

    def __init__(self) -> None:
        if not is_installed():
            raise MissingExtra(f"local speech recognition is not installed: {INSTALL}")
        self._decoders = _Decoders()

    @cached_property
    def about(self) -> EngineInfo:  # type: ignore[override]
        """The package's version and licence."""
        note = "local, not the provider's model: English, errs in one word of seven"
        return EngineInfo(
            job="listening",
            name="PocketSphinx",
            version=version_of("pocketsphinx"),
            licence="BSD-2-Clause",
            note=note,
            install=BETTER,
        )

    def warm_up(self) -> None:
        """Load the model."""
        if (decoder := self._decoders.take()) is not None:
            self._decoders.give_back(decoder)

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        """The words, in lower case and without punctuation."""
        turn = self.listen(sample_rate=sample_rate)
        turn.hear(pcm16)
        return turn.finish()

    def listen(self, *, sample_rate: int) -> _Turn:
        """The words as the decoder knows them so far; its first come some two seconds after they were said."""
        return _Turn(self._decoders, Intake(sample_rate))


class _Decoders:
    """Decoders for `MAX_LIVE` turns at once, each made when it is first needed, and one for all who come too late."""

    def __init__(self) -> None:
        self.late = Lock()
        self._lock = Lock()
        self._free: list[Decoder] = []
        self._made = 0
        self._late_one: Decoder | None = None

    def take(self) -> Decoder | None:
        """A decoder to be given back; None when all are in use."""
        with self._lock:
            if self._free:
                return self._free.pop()
            if self._made == MAX_LIVE:
                return None
            self._made += 1
        return new_decoder(RATE)

    def give_back(self, decoder: Decoder) -> None:
        self._free.append(decoder)

    def late_one(self) -> Decoder:
        """Whoever holds the lock `late` may use it."""
        if self._late_one is None:
            self._late_one = new_decoder(RATE)
        return self._late_one


class _Turn:
    """One turn. The decoder gets nothing before there is speech: in silence it hears words too."""

    def __init__(self, decoders: _Decoders, intake: Intake) -> None:
        self._decoders = decoders
        self._intake = intake
        self._waiting: list[Floats] = []
        self._decoder: Decoder | None = None
        self._give_back: weakref.finalize[Any, Any] | None = None

    def hear(self, pcm16: bytes) -> str:
        """The words so far."""
        self._waiting.append(self._intake.feed(pcm16))
        if self._intake.voiced_ms < MIN_VOICED_MS:
            return ""
        if self._decoder is None and (decoder := self._decoders.take()) is not None:
            self._decoder = decoder
            self._give_back = weakref.finalize(self, self._decoders.give_back, decoder)
            decoder.begin(LEVELS)
        return self._decode(self._decoder) if self._decoder is not None else ""

    def finish(self) -> str:
        """The words of the turn; another search over all of it makes them better than the last provisional ones."""
        self._waiting.append(self._intake.end())
        if self._intake.voiced_ms < MIN_VOICED_MS:
            return ""
        if self._decoder is not None:
            words = self._end(self._decoder)
            self._decoder = None
            if self._give_back is not None:
                self._give_back()
            return words
        with self._decoders.late:
            decoder = self._decoders.late_one()
            decoder.begin(LEVELS)
            return self._end(decoder)

    def _end(self, decoder: Decoder) -> str:
        self._decode(decoder)
        decoder.end()
        words = decoder.words()
        return "" if MOANS.issuperset(words.split()) else words

    def _decode(self, decoder: Decoder) -> str:
        samples = np.concatenate(self._waiting) if self._waiting else np.zeros(0, np.float32)
        self._waiting.clear()
        pcm16 = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        for at in range(0, len(pcm16), 2 * PIECE):
            decoder.process(pcm16[at : at + 2 * PIECE])
        return decoder.words()
