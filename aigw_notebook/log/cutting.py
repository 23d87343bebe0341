"""Base64 cut out of text and put back, byte for byte: a message is kept as its words and its sound apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from ..recording_file.spans import base64_in, written

__all__ = ["Part", "cut", "digest", "joined"]


class Part(NamedTuple):
    """A blob that stands in a text: at which character, which one, and in which form (see `spans.written`)."""

    at: int
    digest: str
    form: str


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
    for found in base64_in(text):
        words.append(text[end : found.start])
        length += found.start - end
        end = found.end
        parts.append(Part(length, keep(found.data), found.form))
    words.append(text[end:])
    return "".join(words), parts


def joined(body: str, parts: Sequence[Part], blob: Callable[[str], bytes]) -> str:
    """The text as it was before `cut`."""
    pieces: list[str] = []
    end = 0
    for at, name, form in parts:
        pieces += (body[end:at], written(blob(name), form))
        end = at
    return "".join([*pieces, body[end:]])
