"""Fal: a picture for a prompt, drawn without any model. The same prompt and seed give the same bytes.

It is a symmetric pattern of coloured squares, and its metadata says where it comes from.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from hashlib import sha256

import numpy as np

__all__ = ["SIZES", "draw", "seed_of"]

SIZES: Mapping[str, tuple[int, int]] = {
    "square": (512, 512),
    "square_hd": (1024, 1024),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
"""The provider's names for sizes, with width and height."""

CELLS = 8
COMMENT = "Drawn by the local emulator of aigw-notebook from the prompt's hash: not a model's answer."


def seed_of(prompt: str) -> int:
    """A seed for a request that names none."""
    return int.from_bytes(sha256(prompt.encode("utf-8", "surrogatepass")).digest()[:4])


def draw(prompt: str, seed: int, width: int, height: int) -> bytes:
    """A PNG file of that size."""
    digest = sha256(f"{seed} {prompt}".encode("utf-8", "surrogatepass")).digest()
    random = np.random.default_rng(list(digest))
    colours = random.integers(32, 224, size=(4, 3), dtype=np.uint8)
    half = random.integers(0, 4, size=(CELLS, CELLS // 2))
    cells = colours[np.concatenate([half, half[:, ::-1]], axis=1)]
    rows = np.arange(height) * CELLS // height
    columns = np.arange(width) * CELLS // width
    return _png(cells[rows][:, columns])


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """RGB pixels as a PNG file (PNG specification, third edition): every line without a filter."""
    height, width = pixels.shape[:2]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"tEXt", b"Comment\0" + COMMENT.encode("latin-1")),
        (b"IDAT", zlib.compress(lines.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
