"""The bytes of a session, each piece stored once: the speech of one side as one track, the rest in another."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ..audio.formats import AudioFormat
from ..errors import ConfigurationError
from . import flac
from .spans import Span

__all__ = ["REST", "Track", "Tracks", "decoded", "encoded"]

REST = "audio/rest"
"""The track of bytes that are no known speech: pictures, sound in odd formats."""

LOOKED_AROUND = 8 << 20
"""Bytes of a track, ahead and back, in which a piece is looked for that does not follow the one before. What a provider
marks as speech ends before what was sent last, and may have begun two minutes ago."""

NOMINAL_RATE = 24_000
"""Written into FLAC of bytes whose rate is not known; nothing reads it."""

_BLOCK_FRAMES = 1 << 16


@dataclass(slots=True)
class Track:
    """Joined bytes under one name, to which the file adds how they are stored; `sample_rate` is that of PCM16, 0 for
    anything else. `cursor` is where the messages have got to in it.
    """

    name: str
    number: int
    sample_rate: int = 0
    data: bytearray = field(default_factory=bytearray, repr=False)
    cursor: int = 0

    def describe(self, codec: str) -> dict[str, Any]:
        """What the manifest says of it; the checksum is that of the bytes as they were."""
        digest = sha256(self.data).hexdigest()
        return {"name": self.member(codec), "codec": codec, "bytes": len(self.data), "sha256": digest}

    def member(self, codec: str) -> str:
        """The name in the file: what is FLAC is called so, and can be played as it is."""
        return f"{self.name}.{'flac' if codec == 'flac' else 'raw'}"


class Tracks:
    """The tracks of a file that is being written.

    First all sound is kept whose meaning is known (`keep`), in order; then `place` finds the bytes of messages in it.
    """

    def __init__(self) -> None:
        self.all: list[Track] = []
        self._by_name: dict[str, Track] = {}
        self._known: dict[bytes, Span] = {}

    def keep(self, data: bytes, side: str, format: AudioFormat) -> None:
        """The next piece of sound of that side."""
        if data:
            is_pcm = format.encoding == "pcm16"
            name = f"audio/{side}-{format.encoding}-{format.sample_rate}"
            self._append(self._track(name, format.sample_rate if is_pcm else 0), data)

    def keep_marked(self, data: bytes, side: str, format: AudioFormat) -> None:
        """Sound of that side which is a part of what was kept before; where it is not, it is kept now."""
        if self._found(data) is None:
            self.keep(data, side, format)

    def rewind(self) -> None:
        """All is kept: the messages come, from the first."""
        for track in self.all:
            track.cursor = 0

    def place(self, data: bytes) -> Span:
        """Where these bytes are stored, from now on if they were nowhere."""
        return self._found(data) or self._append(self._track(REST, 0), data)

    def _found(self, data: bytes) -> Span | None:
        for track in self.all:
            if track.name != REST:
                at = track.cursor
                if track.data[at : at + len(data)] == data:
                    return self._advance(track, at, len(data))
        known = self._known.get(_digest(data))
        if known is not None:
            track = self.all[known.track]
            return self._advance(track, known.offset, known.length)
        return self._found_near(data)

    def _found_near(self, data: bytes) -> Span | None:
        for track in self.all:
            if track.name != REST:
                begin, end = max(0, track.cursor - LOOKED_AROUND), track.cursor + len(data) + LOOKED_AROUND
                at = track.data.find(data, begin, end)
                if at >= 0:
                    return self._advance(track, at, len(data))
        return None

    def _advance(self, track: Track, offset: int, length: int) -> Span:
        track.cursor = max(track.cursor, offset + length)
        return Span(track.number, offset, length)

    def _append(self, track: Track, data: bytes) -> Span:
        span = Span(track.number, len(track.data), len(data))
        track.data += data
        self._known.setdefault(_digest(data), span)
        return span

    def _track(self, name: str, sample_rate: int) -> Track:
        track = self._by_name.get(name)
        if track is None:
            track = self._by_name[name] = Track(name, len(self.all), sample_rate)
            self.all.append(track)
        return track


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()


# ------------------------------------------------------------------------------------------------------- the codecs


def encoded(track: Track) -> tuple[str, bytes]:
    """The codec and the stored bytes of a track: FLAC for PCM16 where `soundfile` is installed, else deflated.

    The rest, which may be sound that no event told of, is stored as what is smaller.
    """
    data = bytes(track.data)
    may_be_sound = data and (track.sample_rate or track.name == REST)
    small = _flac(data, track.sample_rate or NOMINAL_RATE) if may_be_sound else None
    if small is not None and track.sample_rate:
        return "flac", small
    deflated = zlib.compress(data, 6)
    return ("flac", small) if small is not None and len(small) < len(deflated) else ("deflate", deflated)


def decoded(codec: str, stored: bytes, size: int) -> bytes:
    """`size` bytes of a track. Raises `ValueError` where it does not hold just these, `ConfigurationError` for a codec
    that this version does not know.
    """
    if codec not in _DECODERS:
        raise ConfigurationError(f"the recording has sound in the codec {codec!r}: upgrade aigw-notebook")
    data = _DECODERS[codec](stored, size)
    if len(data) != size:
        raise ValueError("a track is shorter or longer than it says")
    return data


def _flac(data: bytes, sample_rate: int) -> bytes | None:
    """As FLAC; None where that cannot be done without loss, or not at all."""
    try:
        import numpy as np
        import soundfile
    except ImportError:
        return None
    samples = np.frombuffer(data + bytes(len(data) % 2), "<i2")
    out = io.BytesIO()
    try:
        soundfile.write(out, samples, sample_rate, format="FLAC", subtype="PCM_16", compression_level=1.0)
    except soundfile.SoundFileError:
        return None
    stored = out.getvalue()
    return stored if _from_flac(stored, len(data)) == data else None


def _from_flac(stored: bytes, size: int) -> bytes:
    try:
        import soundfile
    except ImportError:
        return _exactly(flac.decoded(stored, size), size)
    data = bytearray()
    try:
        with soundfile.SoundFile(io.BytesIO(stored)) as sound:
            while len(data) <= size + 1 and len(block := sound.read(_BLOCK_FRAMES, dtype="int16")):
                data += block.astype("<i2").tobytes()
    except soundfile.SoundFileError as error:
        raise ValueError("the sound cannot be decoded") from error
    return _exactly(bytes(data), size)


def _exactly(data: bytes, size: int) -> bytes:
    """The data without the byte that fills its last sample, where one does."""
    return data[:size] if len(data) == size + size % 2 else data


def _inflated(stored: bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(stored, size + 1)
    except zlib.error as error:
        raise ValueError("the sound cannot be inflated") from error


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {"flac": _from_flac, "deflate": _inflated}
