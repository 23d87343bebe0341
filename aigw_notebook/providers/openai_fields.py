"""OpenAI Realtime: the fields of a server message, checked as they are read.

Each reader returns the value or raises `TypeError` (`KeyError` for one that is missing), which the codec turns into a
`RawEvent`. Token counts alone are read leniently.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from ..events import RateLimit, Usage

__all__ = [
    "integer",
    "item_fields",
    "json_object",
    "number",
    "number_or_none",
    "out_of_band",
    "rate_limit",
    "text",
    "text_or_none",
    "usage",
]


def text(value: Any) -> str:
    """The string."""
    if type(value) is str:
        return value
    raise TypeError("not a string")


def text_or_none(value: Any) -> str | None:
    """The string; None for null."""
    return None if value is None else text(value)


def integer(value: Any) -> int:
    """The integer; a boolean is none."""
    if type(value) is int:
        return value
    raise TypeError("not an integer")


def number(value: Any) -> float:
    """The finite number; a boolean is none."""
    if type(value) is int or (type(value) is float and isfinite(value)):
        return value
    raise TypeError("not a number")


def number_or_none(value: Any) -> float | None:
    """The finite number; None for null."""
    return None if value is None else number(value)


def json_object(value: Any) -> dict[str, Any]:
    """The JSON object."""
    if isinstance(value, dict):
        return value
    raise TypeError("not an object")


def out_of_band(response: dict[str, Any]) -> bool:
    """Whether a response object says that it belongs to no conversation: its `conversation_id` is there and null."""
    return response.get("conversation_id", "") is None


def item_fields(message: dict[str, Any]) -> dict[str, Any]:
    """The fields that `ItemAdded` and `ItemDone` share."""
    item = json_object(message["item"])
    return {
        "item_id": text(item["id"]),
        "previous_item_id": text_or_none(message.get("previous_item_id")),
        "kind": text(item["type"]),
        "role": text_or_none(item.get("role")),
        "status": text_or_none(item.get("status")),
    }


def rate_limit(limit: dict[str, Any]) -> RateLimit:
    """One entry of `rate_limits.updated`."""
    remaining, most = number_or_none(limit.get("remaining")), number_or_none(limit.get("limit"))
    return RateLimit(
        name=text(limit["name"]),
        limit=None if most is None else int(most),
        remaining=None if remaining is None else int(remaining),
        reset_s=number_or_none(limit.get("reset_seconds")),
    )


def usage(wire: Any) -> Usage | None:
    """Tokens by modality, None where nothing was counted.

    A count that cannot be read is left out: it must not hide the end of a response.
    """
    if not isinstance(wire, dict):
        return None
    given = _part(wire, "input_token_details")
    cached = _part(given, "cached_tokens_details")
    made = _part(wire, "output_token_details")
    return Usage(
        input_tokens=_count(wire, "input_tokens"),
        output_tokens=_count(wire, "output_tokens"),
        input_text_tokens=_count(given, "text_tokens"),
        input_audio_tokens=_count(given, "audio_tokens"),
        input_image_tokens=_count(given, "image_tokens"),
        cached_tokens=_count(given, "cached_tokens"),
        cached_text_tokens=_count(cached, "text_tokens"),
        cached_audio_tokens=_count(cached, "audio_tokens"),
        output_text_tokens=_count(made, "text_tokens"),
        output_audio_tokens=_count(made, "audio_tokens"),
    )


def _part(wire: dict[str, Any], key: str) -> dict[str, Any]:
    value = wire.get(key)
    return value if isinstance(value, dict) else {}


def _count(wire: dict[str, Any], key: str) -> int | None:
    value = wire.get(key)
    return value if type(value) is int else None
