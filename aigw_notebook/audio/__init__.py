"""Audio as bytes and arrays: formats, conversion, resampling, clips. No devices, no I/O but WAV files.

The names below load on first use. The functions `convert.convert` and `resample.resample` are imported from their
modules, whose names they share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .formats import (
    ALAW_8K,
    PCM16_8K,
    PCM16_16K,
    PCM16_24K,
    PCM16_44K,
    PCM16_48K,
    ULAW_8K,
    AudioFormat,
    Encoding,
)

if TYPE_CHECKING:
    from .clip import Clip
    from .convert import Converter, as_samples, from_samples, mixdown, to_samples
    from .resample import Resampler
    from .wav import read_wav, write_wav

__all__ = [
    "ALAW_8K",
    "PCM16_8K",
    "PCM16_16K",
    "PCM16_24K",
    "PCM16_44K",
    "PCM16_48K",
    "ULAW_8K",
    "AudioFormat",
    "Clip",
    "Converter",
    "Encoding",
    "Resampler",
    "as_samples",
    "from_samples",
    "mixdown",
    "read_wav",
    "to_samples",
    "write_wav",
]

_HOMES = {
    "Clip": "clip",
    "Converter": "convert",
    "Resampler": "resample",
    "as_samples": "convert",
    "from_samples": "convert",
    "mixdown": "convert",
    "read_wav": "wav",
    "to_samples": "convert",
    "write_wav": "wav",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
