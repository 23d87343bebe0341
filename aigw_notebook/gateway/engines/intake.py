"""What recognizers take in: audio of any rate as 16 kHz samples, with a count of what in it can be speech."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...audio.resample import Resampler
from .bands import BandDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_TURN_S", "MIN_VOICED_MS", "RATE", "Floats", "GrowingTurn", "Intake", "version_of"]

Floats: TypeAlias = "NDArray[np.float32]"

RATE = 16_000

MIN_VOICED_MS = 200.0
"""A turn with less sound than this has no words in it: a short "hi" has a quarter of a second."""

MAX_TURN_S = 600
"""So much of one turn is listened to; what comes after is not heard."""

PIECE_MS = 600
GROWTH = 0.25
"""A growing turn is made out again after so much new audio, and after this share of it: so the work stays linear."""


class Intake:
    """The audio of one turn at 16 kHz. Odd bytes, rates and lengths are put right here.

    `voiced_ms` counts the sound that can be speech; 0 while nothing in it has changed as speech does.
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = Resampler(sample_rate, RATE)
        self._detector = BandDetector(RATE, silence_duration_ms=1000 * MAX_TURN_S)
        self._rest = b""
        self._left = 2 * sample_rate * MAX_TURN_S

    @property
    def voiced_ms(self) -> float:
        return 10.0 * self._detector.active_frames if self._detector.speaking else 0.0

    def feed(self, pcm16: bytes) -> Floats:
        """The samples that are certain by now."""
        data = self._rest + pcm16[: self._left]
        self._left -= len(data) - len(self._rest)
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        return self._take(self._resampler.process(np.frombuffer(data[:whole], dtype="<i2") / np.float32(32768)))

    def end(self) -> Floats:
        """The last few samples."""
        return self._take(self._resampler.flush())

    def _take(self, samples: Floats) -> Floats:
        self._detector.feed((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return samples


class GrowingTurn:
    """A turn made out anew as it grows, by a recognizer that knows whole pieces of audio only."""

    def __init__(self, transcribe: Callable[[bytes], str], sample_rate: int) -> None:
        self._transcribe = transcribe
        self._audio = bytearray()
        self._piece = 2 * (sample_rate * PIECE_MS // 1000)
        self._most = 2 * sample_rate * MAX_TURN_S
        self._next = self._piece
        self._words = ""

    def hear(self, pcm16: bytes) -> str:
        """The words as they were made out last."""
        self._audio += pcm16[: self._most - len(self._audio)]
        if len(self._audio) >= self._next:
            self._words = self._transcribe(bytes(self._audio))
            self._next = len(self._audio) + max(self._piece, int(GROWTH * len(self._audio)))
        return self._words

    def finish(self) -> str:
        """The words of all of it."""
        return self._transcribe(bytes(self._audio))


def version_of(package: str) -> str:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
