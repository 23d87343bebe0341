"""Between audio bytes of any format and float samples, whole or in chunks.

Samples are float32 mono, full scale is 1.0, and a 16-bit value v is v / 32768 exactly; so formats of one rate convert
without loss as far as the target encoding can hold the value. An incomplete last sample is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from . import g711
from .formats import AudioFormat
from .resample import Resampler

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Converter", "as_samples", "convert", "from_samples", "mixdown", "to_samples"]

_INTEGER_SCALES = {"uint8": (128, 1 / 128), "int16": (0, 1 / 32768), "int32": (0, 1 / 2147483648)}


def to_samples(data: bytes | bytearray | memoryview, format: AudioFormat) -> NDArray[np.float32]:
    """Float32 mono samples in [-1, 1], in an array of the caller's own.

    Float audio beyond full scale is clipped; NaN in it raises `ConfigurationError`.
    """
    whole = memoryview(data).cast("B")
    whole = whole[: len(whole) - len(whole) % format.bytes_per_sample]
    return as_samples(_DECODERS[format.encoding](whole))


def from_samples(samples: ArrayLike, format: AudioFormat) -> bytes:
    """The bytes of these samples in `format`. Samples beyond full scale are clipped, never scaled.

    Takes what `as_samples` takes and raises what it raises.
    """
    return _ENCODERS[format.encoding](as_samples(samples))


def convert(data: bytes | bytearray | memoryview, source: AudioFormat, target: AudioFormat) -> bytes:
    """The same sound in another format. Equal formats give the bytes back."""
    converter = Converter(source, target)
    return converter.process(data) + converter.flush()


class Converter:
    """Converts a stream from one format to another, chunk by chunk.

    Chunks may have any length and may end in the middle of a sample. What `process` and `flush` give, joined, is the
    same as `convert` gives for the chunks joined. Not for use from two threads at once.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source = source
        self.target = target
        self._resampler = Resampler(source.sample_rate, target.sample_rate)
        self._partial = b""

    def process(self, data: bytes | bytearray | memoryview) -> bytes:
        """Whole samples in the target format, as far as they are certain; may be empty."""
        pending = self._partial + bytes(data)
        end = len(pending) - len(pending) % self.source.bytes_per_sample
        self._partial = pending[end:]
        whole = pending[:end]
        if self.source == self.target:
            return whole
        return from_samples(self._resampler.process(to_samples(whole, self.source)), self.target)

    def flush(self) -> bytes:
        """The rest of the stream. The converter is then as new."""
        self._partial = b""
        return from_samples(self._resampler.flush(), self.target)


def as_samples(array: ArrayLike) -> NDArray[np.float32]:
    """Float32 mono samples in [-1, 1] of any array of audio, in an array of the caller's own.

    Integers are taken as uint8 (128 is silence), int16 or int32 of full scale; floats as they are, clipped. Channels
    are averaged as `mixdown` does. Raises `ConfigurationError` for another type, more than two dimensions, or NaN.
    """
    import numpy as np

    mono = mixdown(_scaled(np.asarray(array)))
    if np.isnan(mono).any():
        raise ConfigurationError("the audio samples hold NaN: replace them first, for instance by numpy.nan_to_num()")
    return np.asarray(np.clip(mono, -1.0, 1.0).astype(np.float32))


def mixdown(samples: NDArray[Any], *, axis: int | None = None) -> NDArray[Any]:
    """One channel, the mean of all. `axis` holds the channels: by default the shorter one, of two equal ones the last.

    One-dimensional samples come back as they are.
    """
    import numpy as np

    if samples.ndim == 1:
        return samples
    if samples.ndim != 2:
        raise ConfigurationError(f"audio of {samples.ndim} dimensions: pass one dimension, or samples and channels")
    if axis is None:
        axis = 0 if samples.shape[0] < samples.shape[1] else 1
    with np.errstate(over="ignore", invalid="ignore"):  # infinities may cancel out to NaN, which callers refuse
        return np.asarray(samples.mean(axis=axis, dtype=np.float64))


def _scaled(array: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if array.dtype.kind == "f" or array.size == 0:
        return array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32, copy=False)
    if array.dtype.name not in _INTEGER_SCALES:
        raise ConfigurationError(f"audio samples of type {array.dtype}: pass int16, or floats in [-1, 1]")
    silence, scale = _INTEGER_SCALES[array.dtype.name]
    return (array.astype(np.float64) - silence) * scale


def _decode(codes: Callable[[NDArray[Any]], NDArray[Any]], dtype: str) -> Callable[[memoryview], NDArray[Any]]:
    def decode(data: memoryview) -> NDArray[Any]:
        import numpy as np

        return codes(np.frombuffer(data, dtype=dtype))

    return decode


def _encode_pcm16(samples: NDArray[np.float32]) -> bytes:
    return _pcm16(samples).astype("<i2").tobytes()


def _pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    import numpy as np

    return np.asarray(np.minimum(np.rint(samples * np.float32(32768)), 32767), dtype=np.int16)


def _identity(array: NDArray[Any]) -> NDArray[Any]:
    return array


_DECODERS: dict[str, Callable[[memoryview], NDArray[Any]]] = {
    "pcm16": _decode(_identity, "<i2"),
    "ulaw": _decode(g711.decode_ulaw, "u1"),
    "alaw": _decode(g711.decode_alaw, "u1"),
    "float32": _decode(_identity, "<f4"),
}

_ENCODERS: dict[str, Callable[[NDArray[np.float32]], bytes]] = {
    "pcm16": _encode_pcm16,
    "ulaw": lambda samples: g711.encode_ulaw(_pcm16(samples)).tobytes(),
    "alaw": lambda samples: g711.encode_alaw(_pcm16(samples)).tobytes(),
    "float32": lambda samples: samples.astype("<f4").tobytes(),
}
