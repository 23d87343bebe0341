"""What a run of audio bytes means: encoding, rate, and how long it lasts.

Audio travels with its format everywhere in this package; a duration is never worked out from a byte count alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigurationError

__all__ = [
    "ALAW_8K",
    "PCM16_8K",
    "PCM16_16K",
    "PCM16_24K",
    "PCM16_44K",
    "PCM16_48K",
    "ULAW_8K",
    "AudioFormat",
    "Encoding",
]

Encoding = Literal["pcm16", "ulaw", "alaw", "float32"]

_BYTES_PER_SAMPLE: dict[str, int] = {"pcm16": 2, "ulaw": 1, "alaw": 1, "float32": 4}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Encoding and rate of mono audio. PCM is little-endian; `sample_rate` is in Hz."""

    encoding: Encoding = "pcm16"
    sample_rate: int = 24_000

    def __post_init__(self) -> None:
        if self.encoding not in _BYTES_PER_SAMPLE:
            raise ConfigurationError(
                f"unknown audio encoding {self.encoding!r}: use one of {', '.join(_BYTES_PER_SAMPLE)}"
            )
        if not 1_000 <= self.sample_rate <= 384_000:
            raise ConfigurationError(f"sample rate {self.sample_rate} Hz is outside 1000 to 384000")

    @property
    def bytes_per_sample(self) -> int:
        return _BYTES_PER_SAMPLE[self.encoding]

    def duration_ms(self, data: bytes | bytearray | memoryview | int) -> float:
        """Milliseconds that `data` (or that many bytes) lasts."""
        size = data if isinstance(data, int) else len(data)
        return size * 1000.0 / (self.bytes_per_sample * self.sample_rate)

    def byte_count(self, duration_ms: float) -> int:
        """Bytes that `duration_ms` takes, rounded down to a whole sample.

        For whole samples of data, `byte_count(duration_ms(data))` is `len(data)`: a millionth of a sample is forgiven.
        """
        return int(duration_ms * self.sample_rate / 1000.0 + 1e-6) * self.bytes_per_sample

    def __str__(self) -> str:
        return f"{self.encoding} {self.sample_rate} Hz"


PCM16_8K = AudioFormat("pcm16", 8_000)
PCM16_16K = AudioFormat("pcm16", 16_000)
PCM16_24K = AudioFormat("pcm16", 24_000)
PCM16_44K = AudioFormat("pcm16", 44_100)
PCM16_48K = AudioFormat("pcm16", 48_000)
ULAW_8K = AudioFormat("ulaw", 8_000)
ALAW_8K = AudioFormat("alaw", 8_000)
