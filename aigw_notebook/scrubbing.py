"""No secret stays in a session's lines: what is written, saved or handed on has gone through here."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .endpoint.redaction import redact
from .events.plain import from_plain, to_plain
from .lines import Line

__all__ = ["HIDDEN", "scrub", "scrub_line", "scrub_message"]

HIDDEN = "***"
"""What stands in place of a secret; a line that holds it is one that was scrubbed."""

SHORTEST_IN_BYTES = 8
"""Shorter secrets are not looked for in binary messages: sound would hold them by chance."""

_SOUND = re.compile(r'(?<=")[A-Za-z0-9+/_-]{400,}={0,2}(?=")')
"""Base64 that is a whole JSON string. It is not searched for what only looks like a credential."""

_SECRET_NAME = re.compile(
    r"(?:^|[-_])(?:token|secret|authorization|password|passwd|credentials?|jwt)$|[-_]key$|apikey$"
    r"|(?-i:[a-z](?:Key|Token|Secret|Password|Credentials?|Authorization)$)",
    re.IGNORECASE,
)
_SECRET_FIELD = re.compile(r'(?:key|token|secret|authorization|passw(?:or)?d|credentials?|jwt)"\s*:\s*"', re.IGNORECASE)


def scrub(lines: Iterable[Line], secrets: Sequence[str] = ()) -> list[Line]:
    """The lines without a secret, and events without their `raw`, which the messages hold."""
    return [_bare(scrub_line(line, secrets)) for line in lines]


def scrub_line(line: Line, secrets: Sequence[str] = ()) -> Line:
    """The line without a secret; the very same line where it held none.

    Hidden are `secrets` wherever they stand, the fields of JSON that are credentials by their name, and whatever
    `redact` takes for a credential. Sound is left alone, unless it is one of `secrets`.
    """
    clean = _SCRUBBERS.get(line.kind, _plain_value)(line.value, secrets)
    return line if clean is line.value else line._replace(value=clean)


def scrub_message(message: str | bytes, secrets: Sequence[str] = ()) -> str | bytes:
    """A message of the socket without a secret; the very same one where it held none. JSON stays JSON."""
    if isinstance(message, str):
        return _text(message, secrets)
    if message[:1] in (b"{", b"["):
        try:
            text = message.decode()
        except UnicodeDecodeError:
            return _binary(message, secrets)
        clean = _text(text, secrets)
        return message if clean is text else clean.encode()
    return _binary(message, secrets)


def _text(text: str, secrets: Sequence[str]) -> str:
    searched = text if any(secret in text for secret in secrets) else _SOUND.sub("", text)
    redacted = redact(searched, secrets)
    if redacted == searched and not _SECRET_FIELD.search(searched):
        return text
    try:
        parsed = json.loads(text)
    except ValueError:
        return text if redacted == searched else redact(text, secrets)
    clean = _value(parsed, secrets)
    if clean == parsed:
        return text
    return json.dumps(clean, ensure_ascii=False, separators=(",", ":"))


def _without_known(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, HIDDEN)
    return text


def _binary(message: bytes, secrets: Sequence[str]) -> bytes:
    clean = message
    for secret in secrets:
        if len(secret) >= SHORTEST_IN_BYTES:
            clean = clean.replace(secret.encode(), HIDDEN.encode())
    return message if clean == message else clean


def _value(value: Any, secrets: Sequence[str]) -> Any:
    """A JSON value without a secret; equal to `value` where it held none."""
    if isinstance(value, str):
        return value if _is_sound(value) and value not in secrets else redact(value, secrets)
    if isinstance(value, dict):
        return {_without_known(name, secrets): _field(name, inner, secrets) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_value(inner, secrets) for inner in value)
    return value


def _field(name: Any, value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str) and value and isinstance(name, str) and _SECRET_NAME.search(name):
        return HIDDEN
    return _value(value, secrets)


def _is_sound(text: str) -> bool:
    return len(text) >= 400 and _SOUND.fullmatch(f'"{text}"', 1, len(text) + 1) is not None


def _plain_value(value: Any, secrets: Sequence[str]) -> Any:
    clean = _value(value, secrets)
    return value if clean == value else clean


def _event(event: Any, secrets: Sequence[str]) -> Any:
    plain = to_plain(event)
    clean = _value(plain, secrets)
    return event if clean == plain else from_plain(clean)


def _voice(value: Any, secrets: Sequence[str]) -> Any:
    return value


_SCRUBBERS: dict[str, Callable[[Any, Sequence[str]], Any]] = {
    "received": scrub_message,
    "sent": scrub_message,
    "event": _event,
    "voice": _voice,
}


def _bare(line: Line) -> Line:
    if line.kind != "event" or getattr(line.value, "raw", None) is None:
        return line
    return line._replace(value=dataclasses.replace(line.value, raw=None))
