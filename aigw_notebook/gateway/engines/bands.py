"""When the user speaks and when the turn is over, by what stands out of the noise and changes as speech does.

Every 10 ms the sound is taken apart into 24 bands. In each, the noise is the least that was there of late. Sound is
what stands out in some bands at once, so that a voice is found in a loud room. Speech is sound that also changes its
colour from one moment to the next: a held tone, a struck chord, a fan that starts and the keys of a keyboard do not.
Music with a melody does, and so do other people: neither is told from the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["BandDetector", "Edge", "Started", "Stopped"]

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

FRAMES_PER_S = 100
FRAME_MS = 1000 / FRAMES_PER_S
BANDS, LOWEST_HZ, HIGHEST_HZ = 24, 120.0, 7_000.0
TOP_BANDS = 8
"""How loud a frame is, is told by so many of its bands: those that stand out most."""

QUIET_DB = -100.0
FLOOR_FRAMES, SMOOTH_FRAMES, FLOOR_BIAS_DB = 150, 6, 3.0
"""The noise is the least of the last 1.5 s, smoothed; the least of a noise lies so much below its mean."""

MOST_DB = 30.0
HYSTERESIS_DB = 3.0
MIN_ACTIVE_FRAMES, RECENT_FRAMES = 9, 12
"""Sound has begun when so many of the last frames are active: a click is none."""

MIN_SOUND_FRAMES = 3
"""A shorter sound does not put off the end of a turn."""

NOW_FRAMES, BEFORE_FRAMES, MIN_CHANGE_DB = 4, 8, 4.0
"""Speech changes: by so much, on average over the bands that sound, between a moment and another 80 ms before."""

MIN_BAND_DB, MIN_BANDS, MOST_STEP_DB = 9.0, 6, 20.0
"""A band takes part from so much over the noise on; fewer bands count as so many, larger steps as so large."""

EARLIER = BEFORE_FRAMES + NOW_FRAMES - 1
SETTLED_FRAMES = EARLIER + 2
"""A sound's beginning is no change: both moments lie after it."""

BLOCK = 200  # frames looked at in one go: bounds memory


@dataclass(frozen=True, slots=True)
class Started:
    """Speech began; `at_ms` is its first sound less the prefix padding."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The turn is over; `at_ms` is its last sound plus the silence that decided it."""

    at_ms: int


Edge: TypeAlias = Started | Stopped


class BandDetector:
    """Finds the turns in a stream of audio. Times are in ms of audio fed since the detector's first byte, `origin_ms`.

    `threshold` runs from 0 (the least sound counts) to 1 (only loud speech does). `silence_duration_ms` may be changed
    between two calls. Whoever feeds it need not keep to frames.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        threshold: float = 0.5,
        prefix_padding_ms: float = 300,
        silence_duration_ms: float = 200,
        origin_ms: float = 0.0,
    ) -> None:
        self.prefix_padding_ms = prefix_padding_ms
        self.silence_duration_ms = silence_duration_ms
        self.speaking = False
        self.active_frames = 0
        self._origin_ms = origin_ms
        self._spectra = _Spectra(sample_rate, least_db=-90.0 + 30.0 * threshold)
        self._on_db = 6.0 + 6.0 * threshold
        self._frames = 0
        self._active = False
        self._recent = [False] * RECENT_FRAMES
        self._onset: int | None = None
        self._changed = False
        self._sounding = self._silent = 0

    @property
    def silent_ms(self) -> float:
        """How long it has been silent, for whoever ends the turn by another rule."""
        return self._silent * self._spectra.frame_ms

    def feed(self, pcm16: bytes) -> list[Edge]:
        """The beginnings and ends of speech that `pcm16` (little-endian mono) brought, in order."""
        found = []
        for levels, changes in self._spectra.feed(pcm16):
            for level_db, change_db in zip(levels.tolist(), changes.tolist(), strict=True):
                if (edge := self._step(level_db, change_db)) is not None:
                    found.append(edge)
        return found

    def _step(self, level_db: float, change_db: float) -> Edge | None:
        self._active = level_db >= (self._on_db - HYSTERESIS_DB if self._active else self._on_db)
        self.active_frames += self._active
        self._recent = [*self._recent[1:], self._active]
        self._frames += 1
        return self._while_speaking() if self.speaking else self._while_silent(change_db)

    def _while_silent(self, change_db: float) -> Edge | None:
        if not any(self._recent):
            self._onset, self._changed = None, False
        elif self._onset is None:
            self._onset = self._frames - 1
        settled = self._onset is not None and self._frames - self._onset > SETTLED_FRAMES
        self._changed |= settled and change_db >= MIN_CHANGE_DB and self._recent[0]
        if self._onset is None or not self._changed or sum(self._recent) < MIN_ACTIVE_FRAMES:
            return None
        self.speaking, self._silent, self._sounding = True, 0, 0
        return Started(round(max(0.0, self._time_ms(self._onset) - self.prefix_padding_ms)))

    def _while_speaking(self) -> Edge | None:
        self._sounding = self._sounding + 1 if self._active else 0
        self._silent = 0 if self._sounding >= MIN_SOUND_FRAMES else self._silent + 1
        if self.silent_ms < max(self.silence_duration_ms, FRAME_MS):
            return None
        self.speaking, self._recent = False, [False] * RECENT_FRAMES
        self._onset, self._changed, self._active = None, False, False
        return Stopped(round(self._time_ms(self._frames)))

    def _time_ms(self, frame: int) -> float:
        return self._origin_ms + frame * self._spectra.frame_ms


class _Spectra:
    """Samples in; for every frame out: how far it stands out of the noise, and how much it differs from just before.

    Both depend on the last frames only, so that they are the same however the input is cut.
    """

    def __init__(self, sample_rate: int, least_db: float) -> None:
        self._hop = max(1, sample_rate // FRAMES_PER_S)
        self.frame_ms = 1000 * self._hop / sample_rate
        self._least_db = least_db
        self._window, self._weights = _filters(sample_rate, self._hop)
        self._bytes = b""
        self._samples = np.zeros(self._hop)
        self._power = np.full((EARLIER, BANDS), 10 ** (QUIET_DB / 10))
        self._smooth_db = np.full((FLOOR_FRAMES - 1, BANDS), QUIET_DB)
        self._over_db = np.zeros((EARLIER, BANDS))

    def feed(self, pcm16: bytes) -> Iterator[tuple[Numbers, Numbers]]:
        data = self._bytes + pcm16
        whole = len(data) - len(data) % (2 * self._hop)
        self._bytes = data[whole:]
        samples = np.frombuffer(data[:whole], dtype="<i2") / 32768
        size = BLOCK * self._hop
        return (self._block(samples[at : at + size]) for at in range(0, len(samples), size))

    def _block(self, samples: Numbers) -> tuple[Numbers, Numbers]:
        joined = np.concatenate([self._samples, samples])
        frames = sliding_window_view(joined, 2 * self._hop)[:: self._hop] * self._window
        spectra = np.abs(np.fft.rfft(frames, 2 * len(self._weights) - 2, axis=1)) ** 2
        power = np.concatenate([self._power, spectra @ self._weights + 10 ** (QUIET_DB / 10)])
        over_db = np.concatenate([self._over_db, self._over_noise_db(power)])
        self._samples, self._power, self._over_db = joined[-self._hop :], power[-EARLIER:], over_db[-EARLIER:]
        levels = np.partition(over_db[EARLIER:], BANDS - TOP_BANDS, axis=1)[:, -TOP_BANDS:].mean(axis=1)
        return levels, _changes_db(power, over_db)

    def _over_noise_db(self, power: Numbers) -> Numbers:
        """For the new frames, in each band. `power` begins `EARLIER` frames before them."""
        smooth_db = _db(_means(power[EARLIER + 1 - SMOOTH_FRAMES :], SMOOTH_FRAMES))
        smooth_db = np.concatenate([self._smooth_db, smooth_db])
        self._smooth_db = smooth_db[1 - FLOOR_FRAMES :]
        least_db = sliding_window_view(smooth_db, FLOOR_FRAMES, axis=0).min(axis=2)
        noise_db = np.maximum(least_db + FLOOR_BIAS_DB, self._least_db)
        return np.asarray(np.clip(_db(power[EARLIER:]) - noise_db, 0, MOST_DB))


def _changes_db(power: Numbers, over_db: Numbers) -> Numbers:
    """How much the colour of each frame but the first `EARLIER` differs from that before; loudness does not count."""
    count = len(power) - EARLIER
    moments_db = _db(_means(power, NOW_FRAMES))
    sounds = _means(over_db, NOW_FRAMES) > MIN_BAND_DB
    sounds = sounds[-count:] | sounds[:count]
    steps = np.clip(moments_db[-count:] - moments_db[:count], -MOST_STEP_DB, MOST_STEP_DB)
    bands = sounds.sum(axis=1)
    common = (steps * sounds).sum(axis=1) / np.maximum(bands, 1)
    return np.asarray((np.abs(steps - common[:, None]) * sounds).sum(axis=1) / np.maximum(bands, MIN_BANDS))


def _means(rows: Numbers, count: int) -> Numbers:
    """The mean of every `count` rows that follow each other."""
    total = rows[count - 1 :].copy()
    for back in range(1, count):
        total += rows[count - 1 - back : -back]
    return total / count


def _db(power: Numbers) -> Numbers:
    return np.asarray(10 * np.log10(power))


@lru_cache(maxsize=8)
def _filters(sample_rate: int, hop: int) -> tuple[Numbers, Numbers]:
    """The analysis window, two hops long, and the weight of each line of the spectrum (rows) in each band."""
    window = np.hanning(2 * hop + 1)[:-1]
    lines = 1 << (2 * hop - 1).bit_length()
    hertz = np.arange(lines // 2 + 1) * sample_rate / lines
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.45 * sample_rate), BANDS + 1)
    weights = ((hertz[:, None] >= edges[:-1]) & (hertz[:, None] < edges[1:])).astype(np.float64)
    for band in np.flatnonzero(weights.sum(axis=0) == 0):
        weights[np.abs(hertz - edges[band]).argmin(), band] = 1
    return window, weights * (2 / (lines * (window**2).sum()))
