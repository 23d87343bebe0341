"""Both sides of a session as one sound file, on the session's clock: left is the user, right the model."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, TypeAlias

from ..audio.convert import Converter
from ..audio.formats import AudioFormat
from ..errors import ConfigurationError, MissingExtra
from ..transcript import Transcript
from .placing import Placed, placed

if TYPE_CHECKING:
    from ..audio.clip import Clip

__all__ = ["Sides", "save_audio"]

Sides: TypeAlias = Literal["both", "user", "model"]

ROLES: dict[str, tuple[str, ...]] = {"both": ("user", "assistant"), "user": ("user",), "model": ("assistant",)}

BLOCK_MS = 1_000
"""Worked on at once: memory is that of one row's sound, however long the session."""

MOST_BYTES = 0xFFFFFFFF - 36
"""Of sound in a WAV file: its sizes are 32-bit numbers."""


class _Writer(Protocol):
    def write(self, frames: bytes) -> None:
        """Take the next frames, 16-bit PCM, channels interleaved."""

    def close(self) -> None:
        """Finish the file."""


def save_audio(
    transcript: Transcript,
    fetch: Callable[[str], Clip | None],
    path: str | PathLike[str],
    *,
    sides: Sides = "both",
) -> Path:
    """Write the sound of a session and return the path. `fetch` gives the sound of an `audio_ref`.

    The file begins when the session was opened; what lies between the sounds is silence. It has the highest rate of
    its parts, 16 bits, and a channel for each side. `.wav` or `.flac` (extra `flac`). Raises `ConfigurationError` when
    nothing was spoken, for another suffix, or where the sound is too long for a WAV file.
    """
    if sides not in ROLES:
        raise ConfigurationError(f"sides={sides!r} is none of {', '.join(ROLES)}")
    target = Path(path).expanduser()
    sounds = [sound for sound in placed(transcript) if sound.entry.role in ROLES[sides]]
    if not sounds:
        raise ConfigurationError("nothing was spoken by these sides of the session; records and text are there")
    rate = max(sound.entry.format.sample_rate for sound in sounds if sound.entry.format is not None)
    lanes = [_Lane([s for s in sounds if s.entry.role == role], fetch, rate) for role in ROLES[sides]]
    frames = round(max(sound.start_ms + sound.play_ms for sound in sounds) * rate / 1000)
    writer = _writer(target, rate, len(lanes), frames)
    try:
        for block in _blocks(lanes, frames, rate):
            writer.write(block)
    finally:
        writer.close()
    return target


def _blocks(lanes: list[_Lane], frames: int, rate: int) -> Iterator[bytes]:
    import numpy as np

    size = rate * BLOCK_MS // 1000
    for start in range(0, frames, size):
        count = min(size, frames - start)
        channels = [np.frombuffer(lane.read(count), "<i2") for lane in lanes]
        yield np.stack(channels, axis=1).tobytes()


class _Lane:
    """One channel, read from its beginning on: silence, and each sound at its place."""

    def __init__(self, sounds: list[Placed], fetch: Callable[[str], Clip | None], rate: int) -> None:
        self._format = AudioFormat("pcm16", rate)
        self._pieces = self._all(sounds, fetch)
        self._held = bytearray()

    def read(self, frames: int) -> bytes:
        """The next so many samples, silence after the last sound."""
        size = 2 * frames
        while len(self._held) < size:
            piece = next(self._pieces, None)
            self._held += bytes(size - len(self._held)) if piece is None else piece
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    def _all(self, sounds: list[Placed], fetch: Callable[[str], Clip | None]) -> Iterator[bytes]:
        done = 0
        for sound in sounds:
            start = self._format.byte_count(sound.start_ms)
            for piece in _silence(start - done):
                yield piece
            done = max(done, start)
            for piece in self._sound(sound, fetch(sound.audio_ref)):
                done += len(piece)
                yield piece

    def _sound(self, sound: Placed, clip: Clip | None) -> Iterable[bytes]:
        """A row's sound as far as it is played; silence where it is no longer kept."""
        if clip is None:
            yield from _silence(self._format.byte_count(sound.play_ms))
            return
        data = clip.data[: clip.format.byte_count(sound.play_ms)]
        converter = Converter(clip.format, self._format)
        step = clip.format.byte_count(BLOCK_MS)
        for at in range(0, len(data), step):
            yield converter.process(data[at : at + step])
        yield converter.flush()


def _silence(size: int) -> Iterator[bytes]:
    for at in range(0, size, 1 << 16):
        yield bytes(min(1 << 16, size - at))


# ---------------------------------------------------------------------------------------------------------- the files


def _writer(path: Path, rate: int, channels: int, frames: int) -> _Writer:
    if path.suffix.lower() == ".wav":
        return _WavWriter(path, rate, channels, frames)
    if path.suffix.lower() == ".flac":
        return _flac_writer(path, rate, channels)
    raise ConfigurationError(f"the sound of a session is saved as .wav or .flac, not as {path.suffix or path.name!r}")


class _WavWriter:
    """A WAV file of 16-bit PCM, written as it comes; its length is known before."""

    def __init__(self, path: Path, rate: int, channels: int, frames: int) -> None:
        width, size = 2 * channels, 2 * channels * frames
        if size > MOST_BYTES:
            raise ConfigurationError("this session is too long for one WAV file: save it as .flac, or one side of it")
        self._file: BinaryIO = path.open("wb")
        form = struct.pack("<HHIIHH", 1, channels, rate, rate * width, width, 16)
        self._file.write(b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<I", 16) + form)
        self._file.write(b"data" + struct.pack("<I", size))

    def write(self, frames: bytes) -> None:
        self._file.write(frames)

    def close(self) -> None:
        self._file.close()


def _flac_writer(path: Path, rate: int, channels: int) -> _Writer:
    try:
        import soundfile
    except ImportError:
        raise MissingExtra("FLAC needs soundfile: pip install 'aigw-notebook[flac]', or save as .wav") from None
    return _FlacWriter(soundfile.SoundFile(path, "w", rate, channels, format="FLAC", subtype="PCM_16"))


class _FlacWriter:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, frames: bytes) -> None:
        self._file.buffer_write(frames, dtype="int16")

    def close(self) -> None:
        self._file.close()
