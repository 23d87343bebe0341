"""FLAC of one channel of 16 bits, decoded without a library: slower than with one, but a recording opens everywhere.

The format is RFC 9639. Checksums are not looked at: a recording has its own of the decoded bytes.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from operator import mul

__all__ = ["decoded"]

STREAM, STREAMINFO_BYTES = b"fLaC", 34
BITS = 16
SYNC = 0b11111111111110
LONGEST_FRAME_BYTES = 1 << 18
"""More than 65,535 samples as they are, which no frame is longer than."""

_FIXED: tuple[tuple[int, ...], ...] = ((), (1,), (-1, 2), (1, -3, 3), (-1, 4, -6, 4))
"""What a sample is expected to be, by how many before it are looked at: their weights, the oldest first."""


def decoded(stored: bytes, most: int) -> bytes:
    """The samples as PCM16, all of them or a little more than `most` bytes. Raises `ValueError` for anything else."""
    at, longest = _first_frame(stored)
    samples = array("h")
    try:
        while at < len(stored) and 2 * len(samples) <= most:
            bits = _Bits(stored[at : at + longest])
            samples.extend(_frame(bits))
            at += bits.bytes_read
    except OverflowError as error:
        raise ValueError("a sample out of range") from error
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


class _Bits:
    """Bytes as a row of bits, read from the left. As text, since Python finds a character faster than a bit."""

    def __init__(self, data: bytes) -> None:
        self._text = f"{int.from_bytes(data):0{8 * len(data)}b}" if data else ""
        self._at = 0

    @property
    def bytes_read(self) -> int:
        """Whole bytes up to here."""
        return -(-self._at // 8)

    def fill(self) -> None:
        """Go on with the next whole byte."""
        self._at = 8 * self.bytes_read

    def take(self, count: int) -> int:
        """The number that the next bits are."""
        begin, self._at = self._at, self._at + count
        if self._at > len(self._text):
            raise ValueError("the sound ends too early")
        return int(self._text[begin : self._at], 2) if count else 0

    def signed(self, count: int) -> int:
        """The same in two's complement."""
        value = self.take(count)
        return value - (1 << count) if count and value >> (count - 1) else value

    def zeros(self) -> int:
        """How many zeros come before the next one, which is read too."""
        begin, self._at = self._at, self._text.index("1", self._at) + 1
        return self._at - 1 - begin

    def folded(self, count: int, low: int) -> list[int]:
        """So many numbers in Rice code with `low` lower bits each."""
        text, at = self._text, self._at
        found = []
        for _ in range(count):
            one = text.index("1", at)
            value = (one - at) << low
            at = one + 1 + low
            if low:
                value |= int(text[one + 1 : at], 2)
            found.append((value >> 1) ^ -(value & 1))
        self._at = at
        return found


def _first_frame(stored: bytes) -> tuple[int, int]:
    """Where the first frame begins, and how many bytes the longest may have."""
    info = stored[8 : 8 + STREAMINFO_BYTES]
    if stored[:4] != STREAM or len(info) < STREAMINFO_BYTES or stored[4] & 0x7F:
        raise ValueError("this is no FLAC")
    channels_and_bits = int.from_bytes(info[12:14]) >> 4 & 0xFF
    if channels_and_bits != BITS - 1:
        raise ValueError("FLAC of other than one channel of 16 bits")
    at, is_last = 4, False
    while not is_last:
        header = stored[at : at + 4]
        if len(header) < 4:
            raise ValueError("the sound ends too early")
        is_last = bool(header[0] & 0x80)
        at += 4 + int.from_bytes(header[1:])
    return at, int.from_bytes(info[7:10]) or LONGEST_FRAME_BYTES


def _frame(bits: _Bits) -> list[int]:
    if bits.take(14) != SYNC:
        raise ValueError("no frame where one should be")
    bits.take(2)
    size_code, rate_code, channels, bits_code = bits.take(4), bits.take(4), bits.take(4), bits.take(4)
    if channels or bits_code not in (0b0000, 0b1000):
        raise ValueError("FLAC of other than one channel of 16 bits")
    first = bits.take(8)
    for _ in range(8 - (first ^ 0xFF).bit_length() - 1):  # the frame's number, written as UTF-8 writes a character
        bits.take(8)
    size = _block_size(bits, size_code)
    bits.take({12: 8, 13: 16, 14: 16}.get(rate_code, 0) + 8)
    samples = _subframe(bits, size)
    bits.fill()
    bits.take(16)
    return samples


def _block_size(bits: _Bits, code: int) -> int:
    if code in (6, 7):
        return bits.take(8 * (code - 5)) + 1
    if code == 0:
        raise ValueError("a block of no length")
    return 192 if code == 1 else 576 << (code - 2) if code < 6 else 256 << (code - 8)


def _subframe(bits: _Bits, size: int) -> list[int]:
    kind, has_wasted = bits.take(7), bits.take(1)
    wasted = bits.zeros() + 1 if has_wasted else 0
    width = BITS - wasted
    if kind == 0:
        samples = [bits.signed(width)] * size
    elif kind == 1:
        samples = [bits.signed(width) for _ in range(size)]
    else:
        samples = _predicted(bits, kind, size, width)
    return [sample << wasted for sample in samples] if wasted else samples


def _predicted(bits: _Bits, kind: int, size: int, width: int) -> list[int]:
    if 8 <= kind <= 12:
        weights: Sequence[int] = _FIXED[kind - 8]
        samples, shift = [bits.signed(width) for _ in weights], 0
    elif kind >= 32:
        order = kind - 31
        samples = [bits.signed(width) for _ in range(order)]
        precision, shift = bits.take(4) + 1, bits.signed(5)
        weights = [bits.signed(precision) for _ in range(order)][::-1]
    else:
        raise ValueError("a kind of block that is not there")
    if shift < 0:
        raise ValueError("a shift to the wrong side")
    order = len(weights)
    for missed in _residuals(bits, size, order):
        expected = sum(map(mul, weights, samples[-order:])) >> shift if order else 0
        samples.append(expected + missed)
    return samples


def _residuals(bits: _Bits, size: int, order: int) -> list[int]:
    """By how much each sample but the first few is not what was expected."""
    method, partitions = bits.take(2), bits.take(4)
    if method > 1:
        raise ValueError("a code that is not there")
    width = 4 + method
    found: list[int] = []
    for number in range(1 << partitions):
        count = (size >> partitions) - (0 if number else order)
        low = bits.take(width)
        if low == (1 << width) - 1:
            plain = bits.take(5)
            found += [bits.signed(plain) for _ in range(count)]
        else:
            found += bits.folded(count, low)
    return found
