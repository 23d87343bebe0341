"""Gemini Live: frames as the service reads and writes them: proto3 JSON, lenient in, pretty-printed binary out."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, ClassVar

from ...providers.base import Message
from .stage import JsonObject

__all__ = ["INVALID", "Frames", "Refusal", "bytes_of", "parse_client_frame"]

INVALID = "Request contains an invalid argument."
MAX_REASON_BYTES = 123  # of a close frame; the service cuts its texts there
MAX_NESTING = 100

OPAQUE = frozenset(
    {
        *("args", "response", "properties", "labels", "parametersJsonSchema", "responseJsonSchema"),
        *("default", "example", "defs", "enum"),
    }
)
"""What lies below these names is the user's own: its names are left as they are."""

_URL_SAFE = str.maketrans("-_", "+/")


class Refusal(Exception):
    """A client message that the service does not take: it closes the connection with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore")


def parse_client_frame(message: Message) -> JsonObject:
    """The message in a frame, text or binary, with every name in camelCase and no null. Raises `Refusal`."""
    try:
        parsed = _camel(json.loads(message, parse_constant=_refuse_constant), MAX_NESTING)
    except (ValueError, RecursionError):
        raise Refusal(1007, "Invalid JSON payload received.") from None
    if not isinstance(parsed, dict):
        raise Refusal(1007, "Invalid JSON payload received. The message is not an object.")
    return parsed


def _camel(value: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_camel(part, depth - 1) for part in value]
    if not isinstance(value, dict):
        return value
    named = {_camel_name(key): part for key, part in value.items() if part is not None}
    return {key: part if key in OPAQUE else _camel(part, depth - 1) for key, part in named.items()}


def _camel_name(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), name)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def bytes_of(encoded: str) -> bytes:
    """The bytes of base64 in either alphabet, padded or not. Raises `Refusal`."""
    plain = encoded.translate(_URL_SAFE).rstrip("=")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise Refusal(1007, INVALID) from None


class Frames:
    """Writes server messages. `text` sends them in text frames instead of the service's binary ones."""

    AUDIO_TYPE: ClassVar[str] = "audio/pcm;rate=24000"

    def __init__(self, put: Callable[[Message], None], *, text: bool) -> None:
        self._put = put
        self._text = text
        blob = {"mimeType": self.AUDIO_TYPE, "data": "@"}
        frame = _pretty({"serverContent": {"modelTurn": {"role": "model", "parts": [{"inlineData": blob}]}}})
        self._head, self._tail = frame.split("@")

    def send(self, **message: Any) -> None:
        """Queue one message; what is None is left out."""
        self._write(_pretty({key: value for key, value in message.items() if value is not None}))

    def audio(self, data: bytes) -> None:
        """Queue a piece of spoken answer: nearly all of the traffic, from a prebuilt frame."""
        self._write(f"{self._head}{b64encode(data).decode('ascii')}{self._tail}")

    def _write(self, frame: str) -> None:
        self._put(frame if self._text else frame.encode())


def _pretty(message: JsonObject) -> str:
    return json.dumps(message, indent=2, ensure_ascii=False) + "\n"
