"""OpenAI Realtime: the fields of a server message, checked as they are read.

Token counts alone are read leniently; all else raises as the readers of `reading` do.
"""

from __future__ import annotations

from typing import Any

from ..events import RateLimit, Usage
from .reading import json_object, number_or_none, text, text_or_none

__all__ = [
    "item_fields",
    "out_of_band",
    "rate_limit",
    "usage",
]


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
