"""Writing server events: one `event_id` each; deltas from prebuilt parts, since they are nearly all of the traffic."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any

from ...providers.base import Ids
from ..engines.base import Engines
from .base import Output, Pace
from .schedule import Schedule

__all__ = ["Deltas", "Wire", "dumps"]

dumps = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Wire:
    """What every part of one emulated connection works with. `put` queues an output for the driver."""

    put: Callable[[Output], None]
    ids: Ids
    clock: Callable[[], float]
    pace: Pace
    engines: Engines
    schedule: Schedule

    def event(self, kind: str, **fields: Any) -> None:
        """Queue one server event."""
        self.put(dumps({"type": kind, "event_id": self.ids("event_"), **fields}))

    def error(
        self,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        client_event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        """Queue an `error` event; by itself it ends nothing."""
        error = {"type": kind, "code": code, "message": message, "param": param, "event_id": client_event_id}
        self.event("error", error=error)


class Deltas:
    """Writes the delta events of one content part: only the event id and the delta differ."""

    __slots__ = ("_head", "_ids", "_put", "_tail")

    def __init__(self, wire: Wire, kind: str, **place: Any) -> None:
        self._put = wire.put
        self._ids = wire.ids
        self._head = f'{{"type":"{kind}","event_id":"'
        self._tail = f'",{dumps(place)[1:-1]},"delta":'

    def text(self, piece: str) -> None:
        """Queue the next piece of text."""
        self._put(f"{self._head}{self._ids('event_')}{self._tail}{encode_basestring_ascii(piece)}}}")

    def audio(self, data: bytes) -> None:
        """Queue the next piece of audio."""
        self._put(f'{self._head}{self._ids("event_")}{self._tail}"{b64encode(data).decode("ascii")}"}}')
