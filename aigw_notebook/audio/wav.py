"""WAV files in memory: read whatever is common, write what the formats of this package need.

Written from Microsoft's and IBM's "Multimedia Programming Interface and Data Specifications 1.0" (1991) and the later
`WAVE_FORMAT_EXTENSIBLE`. The standard library's `wave` reads and writes PCM only, so it is not used.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from . import g711
from .convert import from_samples, mixdown
from .formats import AudioFormat, Encoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_wav", "write_wav"]

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_TAGS: dict[str, int] = {"pcm16": _PCM, "float32": _FLOAT, "alaw": _ALAW, "ulaw": _ULAW}
_UNKNOWN_SIZE = 0xFFFFFFFF

_OTHER_FILES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"ID3", "MP3"),
    (0, b"\xff\xfb", "MP3"),
    (0, b"\xff\xf3", "MP3"),
    (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (4, b"ftyp", "MP4"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (0, b"FORM", "AIFF"),
    (0, b"RF64", "RF64"),
    (0, b"RIFX", "big-endian RIFX"),
)


def read_wav(data: bytes | bytearray | memoryview) -> tuple[AudioFormat, bytes]:
    """The format of a WAV file and its sound, mixed down to one channel.

    One channel of 16-bit PCM, 32-bit float, mu-law or A-law comes back byte for byte. Otherwise 8 and 16 bits and the
    laws become pcm16, and deeper samples float32. A header that was never finished (sizes 0 or 0xFFFFFFFF, as streams
    have) and a file cut short give the sound there is. Raises `ConfigurationError` for anything else.
    """
    data = bytes(data)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ConfigurationError(_not_wav(data))
    layout: _Layout | None = None
    for name, chunk in _chunks(data):
        if name == b"fmt ":
            layout = _Layout.parse(chunk)
        elif name == b"data" and layout is not None:
            return layout.mono(chunk)
    raise ConfigurationError("this WAV file has no format or no sound in it: record or export it again")


def write_wav(data: bytes, format: AudioFormat) -> bytes:
    """A WAV file of one channel that holds these bytes as they are; an incomplete last sample is left out."""
    width = format.bytes_per_sample
    data = data[: len(data) - len(data) % width]
    tag, rate = _TAGS[format.encoding], format.sample_rate
    header = struct.pack("<HHIIHH", tag, 1, rate, rate * width, width, 8 * width)
    body = _chunk(b"fmt ", header)
    if tag != _PCM:  # other tags ask for an extension size and for the number of samples
        body = _chunk(b"fmt ", header + b"\0\0") + _chunk(b"fact", struct.pack("<I", len(data) // width))
    body += _chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of the file. A data chunk whose size was never filled in goes to the end of the file.

    A size of 0 is true where the size of the whole file is, and a placeholder otherwise.
    """
    (file_size,) = struct.unpack_from("<I", data, 4)
    finished = abs(file_size + 8 - len(data)) <= 1
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"data" and (size == _UNKNOWN_SIZE or (size == 0 and not finished)):
            size = len(data)
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _not_wav(data: bytes) -> str:
    for at, mark, kind in _OTHER_FILES:
        if data[at : at + len(mark)] == mark:
            return f"this is {kind} audio and only WAV can be read: convert it first, for instance with ffmpeg"
    return "these bytes are not a WAV file: pass an array with its sample_rate=, or raw audio as Clip(data, format)"


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a `fmt ` chunk says."""

    tag: int
    channels: int
    sample_rate: int
    bits: int

    @classmethod
    def parse(cls, chunk: bytes) -> _Layout:
        if len(chunk) < 16:
            raise ConfigurationError("the format of this WAV file is cut short: record or export it again")
        tag, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
        if tag == _EXTENSIBLE and len(chunk) >= 26:
            (tag,) = struct.unpack_from("<H", chunk, 24)  # the first field of the sub-format's GUID
        return cls(tag, channels, sample_rate, bits)

    def mono(self, chunk: bytes) -> tuple[AudioFormat, bytes]:
        width = (self.bits + 7) // 8
        kind = _KINDS.get((self.tag, width))
        if kind is None or self.channels == 0:
            raise ConfigurationError(
                f"this WAV file holds {self.channels} channels of {self.bits} bits in coding {self.tag:#x}, "
                "which cannot be read: export it as 16-bit PCM"
            )
        whole = chunk[: len(chunk) - len(chunk) % (width * self.channels)]
        if self.channels == 1 and kind.same is not None:
            return AudioFormat(kind.same, self.sample_rate), whole
        target = AudioFormat(kind.otherwise, self.sample_rate)
        samples = kind.decode(whole).reshape(-1, self.channels)
        return target, from_samples(mixdown(samples, axis=1), target)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of sample is read: `same` is the encoding that takes its bytes as they are."""

    same: Encoding | None
    otherwise: Encoding
    decode: Callable[[bytes], NDArray[Any]]


def _decode_pcm8(data: bytes) -> NDArray[Any]:
    import numpy as np

    return (np.frombuffer(data, "u1") - 128.0) / 128.0


def _decode_pcm16(data: bytes) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(data, "<i2") / 32768.0


def _decode_pcm24(data: bytes) -> NDArray[Any]:
    import numpy as np

    padded = np.zeros((len(data) // 3, 4), np.uint8)
    padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return _decode_pcm32(padded.tobytes())


def _decode_pcm32(data: bytes) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(data, "<i4") / 2147483648.0


def _decode_float32(data: bytes) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(data, "<f4").astype(np.float64)


def _decode_float64(data: bytes) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(data, "<f8")


def _decode_ulaw(data: bytes) -> NDArray[Any]:
    import numpy as np

    return g711.decode_ulaw(np.frombuffer(data, np.uint8)) / 32768.0


def _decode_alaw(data: bytes) -> NDArray[Any]:
    import numpy as np

    return g711.decode_alaw(np.frombuffer(data, np.uint8)) / 32768.0


_KINDS: dict[tuple[int, int], _Kind] = {
    (_PCM, 1): _Kind(None, "pcm16", _decode_pcm8),
    (_PCM, 2): _Kind("pcm16", "pcm16", _decode_pcm16),
    (_PCM, 3): _Kind(None, "float32", _decode_pcm24),
    (_PCM, 4): _Kind(None, "float32", _decode_pcm32),
    (_FLOAT, 4): _Kind("float32", "float32", _decode_float32),
    (_FLOAT, 8): _Kind(None, "float32", _decode_float64),
    (_ULAW, 1): _Kind("ulaw", "pcm16", _decode_ulaw),
    (_ALAW, 1): _Kind("alaw", "pcm16", _decode_alaw),
}
