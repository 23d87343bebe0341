"""A piece of sound that knows its format, plays in a notebook and converts to what others want."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import ConfigurationError
from .convert import as_samples, convert, from_samples, to_samples
from .formats import AudioFormat
from .wav import read_wav, write_wav

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    ClipSource: TypeAlias = "Clip | bytes | bytearray | memoryview | str | PathLike[str] | ArrayLike"

__all__ = ["Clip"]

_HTML_BUDGET = 2_000_000  # characters of one output; about 31 s at 24 kHz
_LEVEL_WINDOW_MS = 10.0
_LOUDEST_FLOAT = 4.0  # a float array with a peak above this holds integers, not samples in [-1, 1]
_COMPRESSED_SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".webm"})


@dataclass(frozen=True, slots=True, repr=False)
class Clip:
    """Mono sound: its bytes and what they mean. Immutable; equal when bytes and format are.

    `len(clip)` counts samples, so an empty clip is false. In a notebook a clip shows itself as a player.
    """

    data: bytes
    format: AudioFormat

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes | bytearray | memoryview):
            raise ConfigurationError("Clip(data, format) takes bytes: use Clip.from_any for arrays and files")
        object.__setattr__(self, "data", bytes(self.data))

    @classmethod
    def from_any(cls, source: ClipSource, *, sample_rate: int | None = None) -> Clip:
        """A clip of whatever holds sound: a WAV path, WAV bytes, an array, `(array, rate)`, or a clip.

        An array holds int16 (or uint8, int32) or floats in [-1, 1], in one channel or several, and needs `sample_rate`
        in Hz. Float arrays make float32 clips, integers pcm16; several channels are averaged. What knows its own rate
        needs no `sample_rate`.

        Raises `ConfigurationError` for a missing or contradicting rate, an unreadable file, or sound it cannot read.
        """
        for types, read in _READERS:
            if isinstance(source, types):
                return _with_rate(read(source), sample_rate)
        if sample_rate is None:
            raise ConfigurationError("an array does not say how fast it plays: pass its sample_rate= in Hz")
        return _from_array(source, sample_rate)

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.format.sample_rate

    @property
    def duration_ms(self) -> float:
        """How long the clip plays."""
        return len(self) * 1000.0 / self.sample_rate

    def to_numpy(self) -> NDArray[np.float32]:
        """Float32 samples in [-1, 1], in an array of the caller's own."""
        return to_samples(self.data, self.format)

    def to_wav(self) -> bytes:
        """The clip as a WAV file: mu-law and A-law as they are, everything else as 16-bit PCM."""
        clip = self if self.format.bytes_per_sample == 1 else self.converted(AudioFormat("pcm16", self.sample_rate))
        return write_wav(clip.data, clip.format)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the clip as a WAV file and return its path. An existing file is replaced."""
        target = Path(path).expanduser()
        if target.suffix.lower() in _COMPRESSED_SUFFIXES:
            raise ConfigurationError(f"a clip is saved as WAV, not as {target.suffix}: use a name that ends in .wav")
        target.write_bytes(self.to_wav())
        return target

    def converted(self, format: AudioFormat) -> Clip:
        """The same sound in another format; the clip itself if it has that format."""
        return self if format == self.format else Clip(convert(self.data, self.format, format), format)

    def cut(self, end_ms: float, *, start_ms: float = 0.0) -> Clip:
        """The part from `start_ms` up to `end_ms`, in whole samples; as much of it as there is."""
        start, end = (self.format.byte_count(max(0.0, ms)) for ms in (start_ms, end_ms))
        return Clip(self.data[start:end], self.format)

    def first_audible_ms(self, threshold_dbfs: float = -50.0) -> float | None:
        """When sound is first heard: the time of the first sample at which the level exceeds the threshold.

        The level at a sample is the root mean square of the 10 ms that end with it, in dB of full scale (a full-scale
        sine has -3). None if it never does.
        """
        import numpy as np

        window = max(1, round(self.sample_rate * _LEVEL_WINDOW_MS / 1000.0))
        energy = np.cumsum(np.square(self.to_numpy(), dtype=np.float64))
        energy[window:] -= energy[:-window].copy()
        audible = np.flatnonzero(energy > window * 10 ** (threshold_dbfs / 10))
        return float(audible[0]) * 1000.0 / self.sample_rate if len(audible) else None

    def __len__(self) -> int:
        return len(self.data) // self.format.bytes_per_sample

    def __repr__(self) -> str:
        return f"<Clip {self.duration_ms / 1000:.2f} s, {self.format}>"

    def _repr_html_(self) -> str:
        wav_bytes = len(self) * min(2, self.format.bytes_per_sample)
        if not self:
            return "<em>An empty clip.</em>"
        if wav_bytes * 4 // 3 > _HTML_BUDGET:
            return (
                f"<em>A clip of {self.duration_ms / 1000:.0f} s is too large to play here: write it to a file with "
                '<code>.save("clip.wav")</code>, or show a part with <code>.cut(30_000)</code>.</em>'
            )
        return f'<audio controls src="data:audio/wav;base64,{b64encode(self.to_wav()).decode()}"></audio>'


def _with_rate(clip: Clip, sample_rate: int | None) -> Clip:
    if sample_rate not in (None, clip.sample_rate):
        raise ConfigurationError(
            f"this sound has {clip.sample_rate} Hz, not {sample_rate}: leave out sample_rate=, and use "
            ".converted(AudioFormat(...)) to change it"
        )
    return clip


def _from_wav(data: bytes) -> Clip:
    format_, sound = read_wav(data)
    return Clip(sound, format_)


def _from_path(path: str | PathLike[str]) -> Clip:
    try:
        data = Path(path).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"cannot read {path!s:.200}: {reason}; pass the path of a WAV file") from None
    return _from_wav(data)


def _from_pair(pair: tuple[Any, ...]) -> Clip:
    """A clip of (array, rate), or of (rate, array) as some libraries have it."""
    rates = [part for part in pair if isinstance(part, int | float) or getattr(part, "shape", None) == ()]
    if len(pair) != 2 or len(rates) != 1:
        raise ConfigurationError("a tuple must be (array, rate), the rate a whole number of Hz")
    return _from_array(pair[0] if rates[0] is pair[1] else pair[1], rates[0])


def _from_array(array: Any, sample_rate: int) -> Clip:
    import numpy as np

    values = np.asarray(array)
    is_float = values.dtype.kind == "f"
    if is_float and values.size and np.abs(values).max() > _LOUDEST_FLOAT:
        raise ConfigurationError("these float samples go far beyond [-1, 1]: scale them, or pass them as int16")
    format_ = AudioFormat("float32" if is_float else "pcm16", int(sample_rate))
    return Clip(from_samples(as_samples(values), format_), format_)


_READERS: tuple[tuple[Any, Callable[[Any], Clip]], ...] = (
    (Clip, lambda clip: clip),
    ((bytes, bytearray, memoryview), _from_wav),
    ((str, PathLike), _from_path),
    (tuple, _from_pair),
)
