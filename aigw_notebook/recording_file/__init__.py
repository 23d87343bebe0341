"""A recording as one portable file, `.aigw`: a zip of readable lines and of sound that is stored once.

The format is told in docs/recording.md.
"""

from __future__ import annotations

from .packing import pack, write
from .unpacking import read, unpack

__all__ = ["pack", "read", "unpack", "write"]
