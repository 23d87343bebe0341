"""From a message to its events, with nothing in them that a peer may have quoted of the caller's credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ..endpoint import redact
from ..errors import RemoteProtocolError
from ..events import AnyServerEvent, InputTranscriptFailed, ResponseDone, SessionClosed, SessionError
from ..providers.base import Codec, Message

__all__ = ["read", "without_secrets"]

_Event = TypeVar("_Event")

_QUOTES: Mapping[type, tuple[str, ...]] = {
    InputTranscriptFailed: ("code", "message"),
    ResponseDone: ("error_code", "error_message"),
    SessionClosed: ("reason",),
    SessionError: ("code", "message"),
}
"""Where a peer complains in its own words, and so may repeat what it was shown. What a model says is not searched."""


def read(codec: Codec, message: Message, secrets: Sequence[str]) -> Sequence[AnyServerEvent]:
    """The events in one message, in order; a message that cannot be read is a `SessionError`."""
    try:
        events = codec.receive(message)
    except RemoteProtocolError as error:
        events = (SessionError(message=str(error), code="malformed_message"),)
    for event in events:
        if type(event) in _QUOTES:
            return [without_secrets(each, secrets) for each in events]
    return events


def without_secrets(event: _Event, secrets: Sequence[str]) -> _Event:
    """`event`, with the given secrets and all that looks like a credential hidden where a peer complains in it.

    `raw` stays as it came; it is in no repr and no record.
    """
    given = {name: getattr(event, name) for name in _QUOTES.get(type(event), ())}
    changed: dict[str, Any] = {name: redact(text, secrets) for name, text in given.items() if text}
    return replace(event, **changed) if changed else event  # type: ignore[type-var]
