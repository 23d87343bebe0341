"""Base64 cut out of text and put back, byte for byte: a message is kept as its words and its sound apart."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from ..providers.base64text import encode

__all__ = ["Part", "cut", "digest", "joined"]

SPAN = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}")
"""What may be base64, in the standard or the URL-safe alphabet; shorter spans are not worth a blob."""


class Part(NamedTuple):
    """A blob that stands in a text: at which character, which one, and in which way of writing (a key of `_WAYS`)."""

    at: int
    digest: str
    way: str


def digest(data: bytes) -> str:
    """The name of a blob: the same for the same bytes."""
    return blake2b(data, digest_size=16).hexdigest()


def cut(text: str, keep: Callable[[bytes], str]) -> tuple[str, list[Part]]:
    """The text without its base64, and where what was.

    Each piece of decoded base64 is handed to `keep`, which gives its name. Only what is written again exactly as it
    stood is cut.
    """
    words: list[str] = []
    parts: list[Part] = []
    end = length = 0
    for match in SPAN.finditer(text):
        found = _decoded(match[0])
        if found is None:
            continue
        way, data = found
        words.append(text[end : match.start()])
        length += match.start() - end
        end = match.end()
        parts.append(Part(length, keep(data), way))
    words.append(text[end:])
    return "".join(words), parts


def joined(body: str, parts: Sequence[Part], blob: Callable[[str], bytes]) -> str:
    """The text as it was before `cut`."""
    pieces: list[str] = []
    end = 0
    for at, name, way in parts:
        pieces += (body[end:at], _WAYS[way](blob(name)))
        end = at
    return "".join([*pieces, body[end:]])


def _urlsafe(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii")


_WAYS: dict[str, Callable[[bytes], str]] = {
    "s": encode,
    "u": _urlsafe,
    "s0": lambda data: b64encode(data).decode("ascii").rstrip("="),
    "u0": lambda data: _urlsafe(data).rstrip("="),
}
"""The ways of writing base64: standard and URL-safe, padded and (0) not."""

_STANDARD = str.maketrans("-_", "+/")


def _decoded(span: str) -> tuple[str, bytes] | None:
    """How the span is written and what it stands for; None when it is not base64, or not written in a known way."""
    bare = span.rstrip("=")
    if len(bare) % 4 == 1:
        return None
    urlsafe = "-" in bare or "_" in bare
    data = a2b_base64(bare.translate(_STANDARD) + "=" * (-len(bare) % 4))
    way = ("u" if urlsafe else "s") + ("0" if len(span) % 4 else "")
    return (way, data) if _WAYS[way](data) == span else None
