"""Where bytes lie that were cut out of a line, and base64 that is written again exactly as it stood."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable
from typing import Any, NamedTuple

from ..providers.base64text import encode

__all__ = ["SHORTEST", "Found", "Span", "as_span", "base64_in", "written"]

SHORTEST = 64
"""Characters of base64 that are worth being cut out."""

_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{SHORTEST},}}={{0,2}}")
_STANDARD = str.maketrans("-_", "+/")


class Span(NamedTuple):
    """`length` bytes at `offset` of the track with that number; in a file a list of these three."""

    track: int
    offset: int
    length: int


class Found(NamedTuple):
    """Base64 in a text: from character `start` to `end`, the bytes, and how it is written (a key of `_FORMS`)."""

    start: int
    end: int
    data: bytes
    form: str


def base64_in(text: str) -> list[Found]:
    """All base64 in `text` that can be written again exactly as it stands there."""
    if len(text) < SHORTEST:
        return []
    found = ((match, _decoded(match[0])) for match in _BASE64.finditer(text))
    return [Found(match.start(), match.end(), *decoded) for match, decoded in found if decoded is not None]


def written(data: bytes, form: str) -> str:
    """`data` as base64 in that form. Raises `KeyError` for a form that this version does not know."""
    return _FORMS[form](data)


def _urlsafe(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii")


_FORMS: dict[str, Callable[[bytes], str]] = {
    "": encode,
    "url": _urlsafe,
    "bare": lambda data: b64encode(data).decode("ascii").rstrip("="),
    "url-bare": lambda data: _urlsafe(data).rstrip("="),
}


def _decoded(text: str) -> tuple[bytes, str] | None:
    bare = text.rstrip("=")
    if len(bare) % 4 == 1:
        return None
    data = a2b_base64(bare.translate(_STANDARD) + "=" * (-len(bare) % 4))
    alphabet = "url" if "-" in bare or "_" in bare else ""
    form = f"{alphabet}-bare".strip("-") if len(text) % 4 else alphabet
    return (data, form) if _FORMS[form](data) == text else None


def as_span(value: Any) -> Span:
    """The span that a file's list holds. Raises `ValueError` or `TypeError` where it holds none."""
    span = Span(*value)
    if not all(type(number) is int and number >= 0 for number in span):
        raise ValueError("a span is three counts")
    return span
