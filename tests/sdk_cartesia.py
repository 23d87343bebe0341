"""The official SDK's types as a judge of what the Cartesia emulator says and the codec sends.

What the service says or takes besides is in `LegacyError`, `OLD_REQUEST_FIELDS` and `EmbeddedVoice`. A voice may be a
plain id since version 2026-08-14, which the SDK's type of a socket's request does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from cartesia.types import websocket_response as sdk
from cartesia.types.generation_request import GenerationRequest
from cartesia.types.websocket_client_event import CancelContextRequest
from pydantic import BaseModel

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.providers.base import Codec, Message
from tests.judging import WhatFollows, audio_bytes, check_parallel, conform, parsed, text_of

__all__ = ["ClientJudge", "ServerJudge", "check_client", "check_server"]

SERVER: Mapping[str, type[BaseModel]] = {
    "chunk": sdk.Chunk,
    "flush_done": sdk.FlushDone,
    "done": sdk.Done,
    "timestamps": sdk.Timestamps,
    "phoneme_timestamps": sdk.PhonemeTimestamps,
    "error": sdk.Error,
}
LAST = {"done", "error"}
"""What ends a context; these, and no others, say `done`."""

STRUCTURED_ERRORS = "2026-03-01"
OLD_REQUEST_FIELDS = ("duration", "locale", "normalization")
"""Fields of a request that the service takes and the SDK's type of it lacks: one is gone there, two are for HTTP."""

FRAME_BYTES = 1024 * 1024
"""The SDK hangs up on a longer frame."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class LegacyError(BaseModel):
    """An error of the versions before `STRUCTURED_ERRORS`, and of versions that do not exist."""

    type: Literal["error"]
    done: Literal[True]
    status_code: int
    error: str
    context_id: str | None = None


class EmbeddedVoice(BaseModel):
    """A voice of the versions before 2025-04-16."""

    mode: Literal["embedding"]
    embedding: list[float]


class ServerJudge:
    """The service's side of a connection."""

    def __init__(self, handshake: Handshake) -> None:
        query, headers = handshake.query, handshake.headers
        version = query.get("cartesia_version") or headers.get("cartesia-version") or STRUCTURED_ERRORS
        self._is_legacy = version < STRUCTURED_ERRORS or _DATE.fullmatch(version) is None
        self._contexts = WhatFollows()
        self._flushes: dict[str, int] = {}

    def check(self, frame: Message) -> None:
        """Raises unless the frame may come here."""
        text = text_of(frame)
        if len(text) >= FRAME_BYTES:
            raise ValueError("a frame that the SDK would not take")
        message = parsed(text)
        check_server(message, is_legacy=self._is_legacy)
        self._check_order(message)

    def _check_order(self, message: Mapping[str, Any]) -> None:
        name = message.get("context_id")
        if message["type"] in LAST:
            self._contexts.end(name)
            return
        self._contexts.go_on(name)
        if message["flush_id"] != self._flushes.setdefault(str(name), 1):
            raise ValueError("flush_id is not the number of the flushes so far, and 1")
        self._flushes[str(name)] += message["type"] == "flush_done"


class ClientJudge:
    """A client's side of a connection."""

    def __init__(self, codec: Codec) -> None:
        """Nothing of the codec matters."""

    def check(self, frame: Message) -> None:
        """Raises unless the frame is text and a request as the SDK has it."""
        check_client(parsed(text_of(frame)))


def check_server(message: Mapping[str, Any], *, is_legacy: bool = False) -> None:
    """Raises when the SDK's types refuse this message of the service's."""
    kind = message["type"]
    conform(LegacyError if kind == "error" and is_legacy else SERVER[kind], message)
    if message["done"] is not (kind in LAST):
        raise ValueError("`done` says whether a context ends")
    if kind == "chunk":
        audio_bytes(message["data"])
    for times in (message.get("word_timestamps"), message.get("phoneme_timestamps")):
        if times is not None:
            check_parallel(*times.values())


def check_client(message: Mapping[str, Any]) -> None:
    """Raises when the SDK's types refuse this message of a client's."""
    if "cancel" in message:
        conform(CancelContextRequest, message)
        return
    known = {name: value for name, value in message.items() if name not in OLD_REQUEST_FIELDS}
    voice = known.get("voice")
    if isinstance(voice, dict) and "embedding" in voice:
        conform(EmbeddedVoice, voice)
        voice = "embedded"
    if isinstance(voice, str):
        known["voice"] = {"mode": "id", "id": voice}
    conform(GenerationRequest, known)
