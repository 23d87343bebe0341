"""G.711: 16-bit samples to and from the 8-bit codes of telephony, exactly.

Codes and levels follow ITU-T G.711 (11/1988), tables 1a to 2b, in integer arithmetic. Mu-law works on the upper 14 bits
of a sample and A-law on the upper 13; each level is given back on the 16-bit scale. Each direction is one table lookup.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["decode_alaw", "decode_ulaw", "encode_alaw", "encode_ulaw"]

_ULAW_BIAS = 33
_ULAW_PEAK = 8158  # the largest 14-bit magnitude below the virtual decision value 8159


def encode_ulaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The mu-law code of each sample."""
    return _ulaw_codes()[_indices(samples)]


def decode_ulaw(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The sample that each mu-law code stands for."""
    return _ulaw_levels()[codes]


def encode_alaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The A-law code of each sample."""
    return _alaw_codes()[_indices(samples)]


def decode_alaw(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The sample that each A-law code stands for."""
    return _alaw_levels()[codes]


def _indices(samples: NDArray[np.int16]) -> NDArray[np.uint16]:
    import numpy as np

    return np.ascontiguousarray(samples, dtype=np.int16).view(np.uint16)


def _all_samples() -> NDArray[np.int32]:
    """All 65536 samples, in the order of their unsigned bit patterns."""
    import numpy as np

    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _segments(magnitudes: NDArray[np.int32], first_end: int) -> NDArray[Any]:
    """The segment, 0 to 7, of each magnitude; segment n ends at `(first_end + 1) * 2**n - 1`."""
    import numpy as np

    ends = ((first_end + 1) << np.arange(8)) - 1
    return np.searchsorted(ends, magnitudes)


@cache
def _ulaw_codes() -> NDArray[np.uint8]:
    import numpy as np

    samples = _all_samples() >> 2
    magnitudes = np.minimum(np.abs(samples), _ULAW_PEAK) + _ULAW_BIAS
    segments = _segments(magnitudes, 63)
    codes = segments << 4 | (magnitudes >> (segments + 1)) & 0x0F
    return np.asarray(codes ^ np.where(samples < 0, 0x7F, 0xFF), dtype=np.uint8)


@cache
def _ulaw_levels() -> NDArray[np.int16]:
    import numpy as np

    codes = ~np.arange(256) & 0xFF
    magnitudes = ((2 * (codes & 0x0F) + _ULAW_BIAS) << (codes >> 4 & 7)) - _ULAW_BIAS
    return (np.where(codes & 0x80, -magnitudes, magnitudes) * 4).astype(np.int16)


@cache
def _alaw_codes() -> NDArray[np.uint8]:
    import numpy as np

    samples = _all_samples() >> 3
    magnitudes = np.where(samples < 0, ~samples, samples)
    segments = _segments(magnitudes, 31)
    codes = segments << 4 | (magnitudes >> np.maximum(segments, 1)) & 0x0F
    return np.asarray(codes ^ np.where(samples < 0, 0x55, 0xD5), dtype=np.uint8)


@cache
def _alaw_levels() -> NDArray[np.int16]:
    import numpy as np

    codes = np.arange(256) ^ 0x55
    steps, segments = 2 * (codes & 0x0F) + 1, codes >> 4 & 7
    magnitudes = np.where(segments == 0, steps, (steps + 32) << np.maximum(segments - 1, 0))
    return (np.where(codes & 0x80, magnitudes, -magnitudes) * 8).astype(np.int16)
