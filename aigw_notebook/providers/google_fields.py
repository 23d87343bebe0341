"""Gemini Live: the fields of a server message, checked as they are read.

The wire is proto3 JSON: a name may come in camelCase or snake_case, a 64-bit number as a string, bytes in either base64
alphabet, and what is zero, false or empty is left out. Readers raise `TypeError`, `KeyError` or `ValueError` for what
they cannot read, which the codec turns into a `RawEvent`. Token counts alone are read leniently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..audio.formats import AudioFormat
from ..errors import ConfigurationError
from ..events import Usage
from . import base64text
from .base import Message
from .reading import WireObject, json_object, parse_object, text

__all__ = ["audio_format", "data", "duration_ms", "objects", "parse", "usage"]

DEFAULT_RATE = 24_000
"""Of spoken output whose MIME type names no rate."""

OPAQUE = frozenset({"args"})
"""What lies below these names is the caller's own: its names are left as they are."""

_URL_SAFE = str.maketrans("-_", "+/")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")
_RATE = re.compile(r"\brate=(\d{1,9})\b")
_SNAKE = re.compile(r"_([a-z0-9])")


def parse(message: Message) -> tuple[WireObject, WireObject]:
    """The message as it was sent, and with all its names in camelCase. Raises `RemoteProtocolError`."""
    sent = parse_object(message)
    plain = ("_" not in message) if isinstance(message, str) else (b"_" not in message)
    try:
        return sent, sent if plain else _camel(sent)
    except RecursionError:
        return sent, sent


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(part) for part in value]
    if not isinstance(value, dict):
        return value
    named = {_SNAKE.sub(lambda found: found.group(1).upper(), key): part for key, part in value.items()}
    return {key: part if key in OPAQUE else _camel(part) for key, part in named.items()}


def objects(value: Any) -> list[WireObject]:
    """The list of JSON objects."""
    if isinstance(value, list):
        return [json_object(each) for each in value]
    raise TypeError("not a list")


def data(value: Any) -> bytes:
    """The bytes, from standard or URL-safe base64, with its padding or without."""
    encoded = text(value)
    try:
        return base64text.decode(encoded)
    except ValueError:
        plain = encoded.translate(_URL_SAFE)
        return base64text.decode(plain + "=" * (-len(plain) % 4))


def audio_format(mime_type: str) -> AudioFormat | None:
    """The format that `audio/pcm;rate=…` names; None for what is no PCM, or none that can be played."""
    kind, _, parameters = mime_type.partition(";")
    if kind.strip().lower() != "audio/pcm":
        return None
    rate = _RATE.search(parameters)
    try:
        return AudioFormat("pcm16", int(rate.group(1)) if rate else DEFAULT_RATE)
    except ConfigurationError:
        return None


def duration_ms(value: Any) -> float | None:
    """Milliseconds of a duration such as "9.500s"; None for what is none."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(found.group(1)) * 1000.0 if found else None


def usage(wire: Any) -> Usage | None:
    """Tokens by modality. Thoughts count as output and what tools brought in as input, so that the total holds.

    Where a list of modalities is given, one that is not in it had none.
    """
    if not isinstance(wire, dict):
        return None
    given, made, cached = (_by_modality(wire.get(f"{name}TokensDetails")) for name in ("prompt", "response", "cache"))
    return Usage(
        input_tokens=_sum(wire, "promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens=_sum(wire, "responseTokenCount", "thoughtsTokenCount"),
        input_text_tokens=_of(given, "TEXT"),
        input_audio_tokens=_of(given, "AUDIO"),
        input_image_tokens=_of(given, "IMAGE", "VIDEO"),
        cached_tokens=_sum(wire, "cachedContentTokenCount"),
        cached_text_tokens=_of(cached, "TEXT"),
        cached_audio_tokens=_of(cached, "AUDIO"),
        output_text_tokens=_of(made, "TEXT"),
        output_audio_tokens=_of(made, "AUDIO"),
    )


def _sum(wire: Mapping[str, Any], *names: str) -> int | None:
    counts = [count for name in names if (count := _count(wire.get(name))) is not None]
    return sum(counts) if counts else None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if type(value) is int else None


def _by_modality(details: Any) -> dict[str, int]:
    entries = [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []
    return {str(entry.get("modality")).upper(): _count(entry.get("tokenCount")) or 0 for entry in entries}


def _of(counts: Mapping[str, int], *modalities: str) -> int | None:
    return sum(counts.get(name, 0) for name in modalities) if counts else None
