"""How one local voice stands in for many of a provider's: each name has its own pitch, resonance and pace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

__all__ = ["OWN", "TIMBRES", "Timbre", "timbre_of"]


@dataclass(frozen=True, slots=True)
class Timbre:
    """How one voice differs from the engine's own: factors of its pitch, of its resonances and of its pace."""

    pitch: float = 1.0
    size: float = 1.0
    pace: float = 1.0

    def played_at(self, sample_rate: int) -> int:
        """What sound of `sample_rate` is played at for this size: a rate that has much in common with usual ones."""
        return round(sample_rate * self.size / 300) * 300 if self.size != 1 else sample_rate


OWN = Timbre()
SHADES, SHADE = 7, 0.015
TIMBRES = (
    Timbre(1.00, 1.00, 1.00),
    Timbre(0.66, 0.88, 0.97),
    Timbre(1.10, 1.04, 1.03),
    Timbre(0.60, 0.85, 1.02),
    Timbre(0.92, 0.96, 0.96),
    Timbre(0.74, 0.90, 1.05),
    Timbre(1.18, 1.00, 0.98),
    Timbre(0.84, 0.94, 1.04),
    Timbre(0.95, 1.06, 1.00),
    Timbre(0.70, 0.94, 0.94),
    Timbre(1.04, 1.09, 1.05),
)


def timbre_of(voice: str) -> Timbre:
    """The timbre that stands for a provider's voice: always the same for one name, "" is the engine's own.

    Names that share one of `TIMBRES` still differ a little in pitch.
    """
    if not voice:
        return OWN
    shade, number = divmod(crc32(voice.encode()), len(TIMBRES))
    timbre = TIMBRES[number]
    return replace(timbre, pitch=timbre.pitch * (1 + SHADE * (shade % SHADES - SHADES // 2)))
