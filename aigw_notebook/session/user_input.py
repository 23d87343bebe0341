"""What a caller may hand in as a question: pictures and sound, in the forms notebooks hold them."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..audio.formats import AudioFormat
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..audio.clip import Clip

__all__ = ["AudioRing", "audio_chunks", "encoded_image", "read_audio"]

CHUNK_MS = 100

PLACES_KEPT = 6_000
"""Of sent pieces, 20 ms each in the ring's two minutes."""


def encoded_image(image: Any) -> bytes:
    """A PNG or JPEG file's bytes of `image`: a path, such bytes, a PIL image, or an array.

    Arrays are height x width (grey), or height x width x 3 or 4, of uint8 or of floats from 0 to 1.
    """
    if isinstance(image, str | Path):
        path = Path(image)
        if not path.is_file():
            raise ConfigurationError(f"there is no image file {str(path)!r}; give a path to a PNG or JPEG")
        image = path.read_bytes()
    if isinstance(image, bytes | bytearray):
        data = bytes(image)
        if data[:8] == b"\x89PNG\r\n\x1a\n" or data[:3] == b"\xff\xd8\xff":
            return data
        raise ConfigurationError("the image is neither PNG nor JPEG; convert it first")
    if hasattr(image, "save") and hasattr(image, "mode"):
        buffer = BytesIO()
        image.save(buffer, format="PNG")
        return buffer.getvalue()
    return _png(image)


def _png(array: Any) -> bytes:
    import numpy as np

    pixels = np.asarray(array)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.size == 0:
        raise ConfigurationError(f"an image array must be height x width (x 3 or 4), not of shape {np.shape(array)}")
    if pixels.dtype.kind == "f":
        pixels = np.round(np.clip(pixels, 0.0, 1.0) * 255.0)
    elif pixels.dtype != np.uint8:
        raise ConfigurationError(f"an image array must be uint8, or floats from 0 to 1, not {pixels.dtype}")
    pixels = pixels.astype(np.uint8)
    height, width, channels = pixels.shape
    colour_type = {1: 0, 3: 2, 4: 6}[channels]
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, data) for name, data in chunks)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def read_audio(audio: Any, sample_rate: int | None) -> Clip | Iterable[Any] | AsyncIterable[Any]:
    """`audio` as a clip, or as it is when it is a stream of chunks. Raises `ConfigurationError` for anything else."""
    from ..audio.clip import Clip

    streamed = isinstance(audio, AsyncIterable) or (
        isinstance(audio, Iterable) and not isinstance(audio, str | bytes | bytearray | tuple | Clip | Path)
    )
    if streamed and not hasattr(audio, "__array__") and not isinstance(audio, list):
        return cast("Iterable[Any] | AsyncIterable[Any]", audio)
    return Clip.from_any(audio, sample_rate=sample_rate)


async def audio_chunks(
    audio: Clip | Iterable[Any] | AsyncIterable[Any], target: AudioFormat, *, sample_rate: int | None
) -> AsyncIterator[bytes]:
    """`audio` in the `target` format, in pieces of about 100 ms, or as a stream yields them.

    A stream's chunks are bytes in `target`, unless `sample_rate` says that they are PCM16 of another rate; or arrays,
    which need `sample_rate`. A plain iterable is read on the loop: it must not block.
    """
    from ..audio.clip import Clip

    if isinstance(audio, Clip):
        data = audio.converted(target).data
        size = target.byte_count(CHUNK_MS)
        for start in range(0, len(data), size):
            yield data[start : start + size]
        return
    convert = StreamConverter(target)
    if isinstance(audio, AsyncIterable):
        async for chunk in audio:
            yield convert(chunk, sample_rate)
    else:
        for chunk in audio:
            yield convert(chunk, sample_rate)
    yield convert.flush()


class StreamConverter:
    """Chunks of microphone audio to one format, whatever they come in; carries its state from chunk to chunk."""

    def __init__(self, target: AudioFormat) -> None:
        self.target = target
        self._source = target
        self._converter: Any = None

    def __call__(self, chunk: Any, sample_rate: int | None) -> bytes:
        if isinstance(chunk, bytes | bytearray | memoryview):
            source = AudioFormat("pcm16", sample_rate) if sample_rate else self.target
            data = bytes(chunk)
        else:
            from ..audio.clip import Clip

            clip = Clip.from_any(chunk, sample_rate=sample_rate)
            source, data = clip.format, clip.data
        if source == self.target:
            return self.flush() + data
        return self._convert(data, source)

    def _convert(self, data: bytes, source: AudioFormat) -> bytes:
        from ..audio.convert import Converter

        rest = b""
        if self._converter is None or source != self._source:
            rest = self.flush()
            self._source, self._converter = source, Converter(source, self.target)
        return rest + bytes(self._converter.process(data))

    def flush(self) -> bytes:
        """What the conversion still holds; it starts anew afterwards."""
        if self._converter is None:
            return b""
        rest = bytes(self._converter.flush())
        self._converter = None
        return rest


class AudioRing:
    """The newest microphone audio, addressed by its place in all that was ever sent."""

    def __init__(self, format: AudioFormat, *, keep_ms: float = 120_000.0) -> None:
        self.format = format
        self._limit = format.byte_count(keep_ms)
        self._data = bytearray()
        self._dropped = 0
        self._sent: deque[tuple[float, float]] = deque(maxlen=PLACES_KEPT)  # (end in the audio, when), both in ms

    @property
    def length_ms(self) -> float:
        """How much was ever sent."""
        return self.format.duration_ms(self._dropped + len(self._data))

    def append(self, data: bytes, now_ms: float) -> None:
        """Add what is just being sent; beyond the limit the oldest is let go."""
        self._data += data
        self._sent.append((self.length_ms, now_ms))
        excess = len(self._data) - self._limit
        if excess > 0:
            del self._data[:excess]
            self._dropped += excess

    def spoken_ms(self, at_ms: float) -> float | None:
        """When the sound `at_ms` into all that was sent was spoken; None for what was not sent.

        A piece was spoken just before it was sent, and after the piece before it was.
        """
        earlier_ms = 0.0
        for end_ms, now_ms in self._sent:
            if at_ms <= end_ms:
                return max(earlier_ms, now_ms - (end_ms - at_ms))
            earlier_ms = now_ms
        return None

    def between(self, start_ms: float, end_ms: float) -> bytes:
        """The audio from `start_ms` to `end_ms` of all that was sent, as far as it is still kept."""
        start = max(0, self.format.byte_count(start_ms) - self._dropped)
        end = max(0, self.format.byte_count(end_ms) - self._dropped)
        return bytes(self._data[start:end])
