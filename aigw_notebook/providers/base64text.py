"""Base64 as wire messages carry it: strict, and fast where the optional `pybase64` is installed (extra `fast`).

Audio is most of what a spoken session sends, and decoding it most of what a delta costs.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import a2b_base64
from importlib import import_module
from typing import Any

__all__ = ["decode", "encode"]


def _fast() -> Any:
    try:
        return import_module("pybase64")
    except ImportError:
        return None


_pybase64 = _fast()


def decode(text: str) -> bytes:
    """The bytes that `text` stands for. Raises `ValueError` for anything that is not plain, padded base64."""
    if _pybase64 is None:
        if len(text) % 4:
            raise ValueError("base64 text comes in fours")
        return a2b_base64(text, strict_mode=True)
    data: bytes = _pybase64.b64decode(text, validate=True)
    return data


def encode(data: bytes) -> str:
    """`data` as base64 text, padded, without line breaks."""
    if _pybase64 is None:
        return b64encode(data).decode("ascii")
    text: str = _pybase64.b64encode_as_string(data)
    return text
