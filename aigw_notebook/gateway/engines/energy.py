"""When the user speaks and when the turn is over, by loudness alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = ["Edge", "EnergyDetector", "Started", "Stopped"]

FRAME_MS = 20
MIN_ACTIVE_FRAMES, RECENT_FRAMES = 3, 4
"""Speech has begun when so many of the last frames are loud: a click is not speech."""

QUIET_DBFS = -90.0
FLOOR_START_DBFS = -60.0
FLOOR_MAX_DBFS = -30.0
FLOOR_RISE_DB = 0.05  # per frame: 2.5 dB a second
FLOOR_FALL = 0.3  # of the distance, per frame


@dataclass(frozen=True, slots=True)
class Started:
    """Speech began; `at_ms` is its first sound less the prefix padding."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The turn is over; `at_ms` is its last sound plus the silence that decided it."""

    at_ms: int


Edge: TypeAlias = Started | Stopped


class EnergyDetector:
    """Finds the turns in a stream of audio. Times are in ms of audio fed since the detector's first byte, `origin_ms`.

    `threshold` runs from 0 (the least sound counts) to 1 (only loud speech does); the loudness it stands for adapts
    to the noise of the room. Whoever feeds it need not keep to frames.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 200,
        origin_ms: float = 0.0,
    ) -> None:
        self.sample_rate = sample_rate
        self.threshold = threshold
        self.prefix_padding_ms = prefix_padding_ms
        self.silence_duration_ms = silence_duration_ms
        self.speaking = False
        self._origin_ms = origin_ms
        self._frame_bytes = 2 * (sample_rate * FRAME_MS // 1000)
        self._rest = b""
        self._frames = 0
        self._floor_dbfs = FLOOR_START_DBFS
        self._recent = [False] * RECENT_FRAMES
        self._silent_frames = 0

    def feed(self, pcm16: bytes) -> list[Edge]:
        """The beginnings and ends of speech that `pcm16` (little-endian mono) brought, in order."""
        data = self._rest + pcm16
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        if not whole:
            return []
        frames = np.frombuffer(data[:whole], dtype="<i2").reshape(-1, self._frame_bytes // 2).astype(np.float32)
        power = (frames**2).mean(axis=1) / 32768**2
        levels = np.maximum(10 * np.log10(power + 1e-12), QUIET_DBFS)
        return [edge for level in levels.tolist() if (edge := self._step(level)) is not None]

    def _step(self, level_dbfs: float) -> Edge | None:
        active = level_dbfs > self._limit_dbfs()
        self._frames += 1
        self._follow_floor(level_dbfs)
        self._recent = [*self._recent[1:], active]
        return self._while_speaking(active) if self.speaking else self._while_silent()

    def _limit_dbfs(self) -> float:
        """The level above which a frame is loud: at the default threshold -42 dBFS or 12 dB over the noise."""
        return max(-56.0 + 28.0 * self.threshold, self._floor_dbfs + 6.0 + 12.0 * self.threshold)

    def _follow_floor(self, level_dbfs: float) -> None:
        if level_dbfs > self._floor_dbfs:
            self._floor_dbfs = min(FLOOR_MAX_DBFS, self._floor_dbfs + FLOOR_RISE_DB)
        else:
            self._floor_dbfs += FLOOR_FALL * (level_dbfs - self._floor_dbfs)

    def _while_silent(self) -> Edge | None:
        if sum(self._recent) < MIN_ACTIVE_FRAMES:
            return None
        self.speaking, self._silent_frames = True, 0
        first = self._frames - RECENT_FRAMES + self._recent.index(True)
        return Started(round(max(0.0, self._origin_ms + first * FRAME_MS - self.prefix_padding_ms)))

    def _while_speaking(self, active: bool) -> Edge | None:
        self._silent_frames = 0 if active else self._silent_frames + 1
        if self._silent_frames * FRAME_MS < max(self.silence_duration_ms, FRAME_MS):
            return None
        self.speaking, self._recent = False, [False] * RECENT_FRAMES
        return Stopped(round(self._origin_ms + self._frames * FRAME_MS))
