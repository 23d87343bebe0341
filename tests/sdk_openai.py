"""The official SDK's own types as a judge of what an emulator says, and of what a client does.

The union is discriminated by `type`, so that a fault is one precise error. Values are taken strictly ("0" is no number)
and unknown fields are refused, save those which the service is known to send and the SDK's types leave out.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from pydantic import Field, TypeAdapter

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.providers.base import Codec, Message
from tests.judging import audio_bytes, check_samples, text_of

__all__ = ["ClientJudge", "ServerJudge", "check_client_event", "check_server_event"]

SERVER: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])
CLIENT: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeClientEvent, Field(discriminator="type")])

SESSION_EXTRAS = ("id", "object", "expires_at")
"""On every session object of the service; the SDK reuses its type for requests there."""

OBFUSCATED = ("delta",)
"""Events whose type ends so may carry `obfuscation`, random padding."""


class ServerJudge:
    """The service's side of a connection. Audio is whole samples of the format that the session has."""

    def __init__(self, handshake: Handshake) -> None:
        self._encoding = "pcm"

    def check(self, frame: Message) -> None:
        """Raises unless the frame is text and an event as the SDK has it."""
        event = check_server_event(text_of(frame))
        sound = event.get("session", {}).get("audio", {}).get("output", {}).get("format", {})
        self._encoding = sound.get("type", f"audio/{self._encoding}").removeprefix("audio/")
        if event["type"] == "response.output_audio.delta":
            check_samples(audio_bytes(event["delta"]), self._encoding)


class ClientJudge:
    """A client's side of a connection."""

    def __init__(self, codec: Codec) -> None:
        """Nothing of the codec matters."""

    def check(self, frame: Message) -> None:
        """Raises unless the frame is text and an event as the SDK has it."""
        check_client_event(text_of(frame))


def check_server_event(raw: str) -> dict[str, Any]:
    """The event in one text frame. Raises `pydantic.ValidationError` if the SDK's types refuse it."""
    SERVER.validate_json(raw, strict=True)
    event: dict[str, Any] = json.loads(raw)
    SERVER.validate_python(_known(event), extra="forbid")
    return event


def check_client_event(raw: str) -> dict[str, Any]:
    """The event in one text frame of a client. Raises `pydantic.ValidationError` if the SDK's types refuse it."""
    CLIENT.validate_json(raw, strict=True)
    CLIENT.validate_json(raw, extra="forbid")
    event: dict[str, Any] = json.loads(raw)
    return event


def _known(event: dict[str, Any]) -> dict[str, Any]:
    """The event without the fields that the SDK does not know but the service sends."""
    known = dict(event)
    if event["type"].endswith(OBFUSCATED):
        known.pop("obfuscation", None)
    if event["type"].startswith("session."):
        known["session"] = {name: value for name, value in event["session"].items() if name not in SESSION_EXTRAS}
    return known
