"""Sound inside a page: WAV files as data URIs within a budget, and waveforms."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

from ..audio.clip import Clip
from ..audio.formats import AudioFormat
from ..errors import ConfigurationError
from ..records import Entry

__all__ = ["Sounds", "waveform"]

HEADER_BYTES = 64
"""More than the header of a WAV file of any encoding."""

PREVIEWS: tuple[AudioFormat | None, ...] = (None, AudioFormat("ulaw", 16_000), AudioFormat("ulaw", 8_000))
"""What the sound of a page is written as, best first; None: as it is."""

BAR_MS = 10.0
FEWEST_BARS = 32
MOST_BARS = 160
PAGE_BARS = 20_000
"""Of all waveforms of a page together: a bar takes some ten characters."""

HALF_HEIGHT = 16
"""Of a waveform, in its own units."""


class Embedded(NamedTuple):
    """A row's sound as it stands in the page."""

    uri: str
    wave: str


class Sounds:
    """The sound of some rows in at most `budget_bytes` of base64 text.

    All of it as it is, if that fits; else as a preview of less quality; else the newest of the smallest preview.
    `preview` says which one was taken.
    """

    def __init__(self, entries: Sequence[Entry], budget_bytes: int) -> None:
        spoken = [entry for entry in entries if entry.audio_ms]
        fitting = (form for form in PREVIEWS if sum(_size(entry, form) for entry in spoken) <= budget_bytes)
        self.preview = next(fitting, PREVIEWS[-1])
        self._bars = min(MOST_BARS, max(FEWEST_BARS, PAGE_BARS // max(1, len(spoken))))
        self._embedded = {id(entry) for entry in _newest(spoken, self.preview, budget_bytes)}
        self.left_out = len(spoken) - len(self._embedded)
        self.count = len(self._embedded)

    def of(self, entry: Entry) -> Embedded | None:
        """The sound of that row; None where it has none, is left out, is no longer kept, or cannot be read."""
        data = b"".join(entry.audio) if id(entry) in self._embedded else b""
        clip = Clip(data, entry.format) if entry.format is not None else None
        if not clip:
            return None
        try:
            return self._written(clip, entry.heard_ms)
        except ConfigurationError:
            return None

    def _written(self, clip: Clip, heard_ms: float | None) -> Embedded:
        target = _target(clip.format, self.preview)
        wav = (clip if target is None else clip.converted(target)).to_wav()
        bars = max(FEWEST_BARS, min(self._bars, round(clip.duration_ms / BAR_MS)))
        wave = waveform(clip, bars=bars, heard_ms=heard_ms)
        return Embedded(f"data:audio/wav;base64,{b64encode(wav).decode('ascii')}", wave)


def _newest(spoken: list[Entry], form: AudioFormat | None, budget_bytes: int) -> list[Entry]:
    found: list[Entry] = []
    for entry in reversed(spoken):
        budget_bytes -= _size(entry, form)
        if budget_bytes < 0:
            break
        found.append(entry)
    return found


def _target(own: AudioFormat, form: AudioFormat | None) -> AudioFormat | None:
    """What sound of a format becomes: never more samples than there are."""
    return None if form is None else AudioFormat(form.encoding, min(form.sample_rate, own.sample_rate))


def _size(entry: Entry, form: AudioFormat | None) -> int:
    """Characters of base64 that a row's sound takes."""
    if entry.format is None or not entry.audio_ms:
        return 0
    target = _target(entry.format, form) or entry.format
    samples = entry.audio_ms * target.sample_rate / 1000
    return -(-(round(samples * min(2, target.bytes_per_sample)) + HEADER_BYTES) // 3) * 4


def waveform(clip: Clip, *, bars: int, heard_ms: float | None = None) -> str:
    """The outline of a sound as an SVG image of so many bars; what comes after `heard_ms` is of class `aigw-unheard`.

    Bars are scaled to the loudest, so that a quiet voice can be seen too.
    """
    levels = _levels(clip, bars)
    heard = len(levels) if heard_ms is None else round(len(levels) * heard_ms / clip.duration_ms)
    path = f'<path d="{_bars(levels[:heard], 0)}"/>'
    if heard < len(levels):
        path += f'<path class="aigw-unheard" d="{_bars(levels[heard:], heard)}"/>'
    box = f"0 {-HALF_HEIGHT} {2 * len(levels)} {2 * HALF_HEIGHT}"
    return f'<svg viewBox="{box}" preserveAspectRatio="none" aria-hidden="true">{path}</svg>'


def _levels(clip: Clip, bars: int) -> list[float]:
    """The peak of each of so many stretches, 1.0 the loudest of all; fewer where there are fewer samples."""
    import numpy as np

    samples = np.abs(clip.to_numpy())
    starts = np.unique(np.linspace(0, len(samples), bars, endpoint=False).astype(int))
    peaks = np.maximum.reduceat(samples, starts)
    return [float(peak) for peak in peaks / max(1e-3, float(peaks.max()))]


def _bars(levels: list[float], first: int) -> str:
    tall = ((2 * (first + n) + 1, max(0.5, level * (HALF_HEIGHT - 1))) for n, level in enumerate(levels))
    return "".join(f"M{x} {-half:.1f}V{half:.1f}" for x, half in tall)
