"""Fal's frames by its protocol's sheet: its SDK has no types for them.

An answer is `start`, its body in any number of frames, `end`; the answers come in the order of the requests. A body is
read as its `Content-Type` says. What is in a JSON body is the app's own affair.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.providers.base import Codec, Message
from tests.judging import WhatFollows, conform, parsed, text_of

__all__ = ["ClientJudge", "ServerJudge"]

Status = Annotated[int, Field(ge=200, le=599)]


class Start(BaseModel):
    """The control frame before a body."""

    type: Literal["start"]
    request_id: str
    status: Status
    headers: dict[str, str]


class End(BaseModel):
    """The control frame after it."""

    type: Literal["end"]
    request_id: str
    status: Status
    time_to_first_byte_seconds: Annotated[float, Field(ge=0)]


class ServerJudge:
    """The service's side of a connection."""

    def __init__(self, handshake: Handshake) -> None:
        self._answer: dict[str, Any] | None = None
        self._body: list[Message] = []
        self._answers = WhatFollows()

    def check(self, frame: Message) -> None:
        """Raises unless the frame may come here."""
        meta = _meta(frame)
        if self._answer is None:
            self._start(meta)
        elif meta is not None and (meta["type"], meta["request_id"]) == ("end", self._answer["request_id"]):
            self._end(meta)
        elif not frame:
            raise ValueError("a frame without content")
        else:
            self._body.append(frame)

    def _start(self, meta: dict[str, Any] | None) -> None:
        if meta is None:
            raise ValueError("part of an answer before its start")
        conform(Start, meta)
        UUID(meta["request_id"])
        self._answers.go_on(meta["request_id"])
        self._answer, self._body = meta, []

    def _end(self, meta: dict[str, Any]) -> None:
        assert self._answer is not None
        answer, self._answer = self._answer, None
        self._answers.end(meta["request_id"])
        conform(End, meta)
        if meta["status"] != answer["status"]:
            raise ValueError("the status at the end is not that of the start")
        kind = next(value for name, value in answer["headers"].items() if name.lower() == "content-type")
        BODIES[kind.partition(";")[0]](self._body)


class ClientJudge:
    """A client's side: the body of an HTTP request in each frame."""

    def __init__(self, codec: Codec) -> None:
        """Nothing of the codec matters."""

    def check(self, frame: Message) -> None:
        """Raises unless the frame is a JSON object in text."""
        parsed(text_of(frame))


def _meta(frame: Message) -> dict[str, Any] | None:
    """The frame as the official client knows control frames: text, a JSON object, with both fields."""
    try:
        message = parsed(text_of(frame))
    except ValueError:
        return None
    return message if {"type", "request_id"} <= message.keys() else None


def _check_json(body: list[Message]) -> None:
    message = parsed("".join(map(text_of, body)))
    if not message:
        raise ValueError("an answer without content")


def _check_events(body: list[Message]) -> None:
    """Server-sent events: each is lines that begin with `data: `, and an empty one."""
    text = "".join(map(text_of, body))
    if not text.endswith("\n\n"):
        raise ValueError("the last event does not end")
    for event in text.removesuffix("\n\n").split("\n\n"):
        if not event.startswith("data: "):
            raise ValueError("an event without data")
        json.loads(event.removeprefix("data: "))


def _check_wav(body: list[Message]) -> None:
    """A whole WAV file of binary frames: its header counts its bytes, and its samples are whole."""
    if any(isinstance(frame, str) for frame in body):
        raise ValueError("text in a file of sound")
    data = b"".join(frame for frame in body if isinstance(frame, bytes))
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE" or int.from_bytes(data[4:8], "little") != len(data) - 8:
        raise ValueError("the WAV file is not whole")
    if len(data) % 2:
        raise ValueError("the WAV file ends within a sample")


BODIES = {"application/json": _check_json, "text/event-stream": _check_events, "audio/wav": _check_wav}
