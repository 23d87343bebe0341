"""Reading what a provider sent: a frame as a JSON object, and its fields, checked as they are read.

Each reader of a field returns the value or raises `TypeError` (`KeyError` for one that is missing), which a codec turns
into a `RawEvent`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeAlias

from ..errors import LocalProtocolError, RemoteProtocolError
from . import base64text
from .base import Message

__all__ = [
    "WireObject",
    "audio",
    "encode",
    "encode_audio",
    "integer",
    "json_object",
    "merge",
    "number",
    "number_or_none",
    "numbers",
    "parse_object",
    "text",
    "text_or_none",
    "texts",
]

WireObject: TypeAlias = dict[str, Any]


def parse_object(message: Message) -> WireObject:
    """The JSON object in a frame. Raises `RemoteProtocolError` for anything else."""
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("the provider sent a frame that is not JSON: reconnect") from error
    if type(parsed) is not dict:
        raise RemoteProtocolError("the provider sent JSON that is not an object: reconnect")
    return parsed


def encode(message: Mapping[str, Any]) -> str:
    """The message as a text frame; `LocalProtocolError` if it holds what JSON cannot."""
    try:
        return json.dumps(message, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"the message is not JSON ({error}): use plain dicts, lists, text, numbers") from error


def encode_audio(data: bytes) -> str:
    """Audio as base64 text."""
    return base64text.encode(data)


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


def json_object(value: Any) -> WireObject:
    """The JSON object."""
    if isinstance(value, dict):
        return value
    raise TypeError("not an object")


def texts(value: Any) -> tuple[str, ...]:
    """The list of strings."""
    if isinstance(value, list):
        return tuple(text(each) for each in value)
    raise TypeError("not a list")


def numbers(value: Any) -> tuple[float, ...]:
    """The list of finite numbers."""
    if isinstance(value, list):
        return tuple(number(each) for each in value)
    raise TypeError("not a list")


def audio(value: Any) -> bytes:
    """The bytes of base64 text."""
    return base64text.decode(text(value))


def merge(base: WireObject, over: Mapping[str, Any]) -> WireObject:
    """`base` with `over` copied over it, object by object; lists and values are replaced."""
    for key, value in over.items():
        below = base.get(key)
        base[key] = merge(below if isinstance(below, dict) else {}, value) if isinstance(value, Mapping) else value
    return base
