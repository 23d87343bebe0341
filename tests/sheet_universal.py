"""The frames of AI Gateway's own WebSocket API by its sheet; answers in the form of chat completions by OpenAI's types.

A streamed answer is `universal.created`, its pieces, `universal.done`; answers may be interleaved. An error has no id.
"""

from __future__ import annotations

from typing import Any, Literal

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, ConfigDict, create_model

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.providers.base import Codec, Message
from tests.judging import conform, parsed, text_of

__all__ = ["ClientJudge", "ServerJudge"]

STRICT = ConfigDict(extra="forbid", strict=True)
METADATA: type[BaseModel] = create_model(
    "Metadata",
    __config__=STRICT,
    cacheStatus=(Literal["HIT", "MISS"], ...),
    eventId=(str, ...),
    logId=(str, ...),
    step=(str, ...),
    contentType=(Literal["application/json", "text/event-stream"], ...),
)
REQUEST: type[BaseModel] = create_model(
    "Request",
    __config__=STRICT,
    eventId=(str, ...),
    provider=(str, ...),
    endpoint=(str, ...),
    headers=(dict[str, str], ...),
    query=(dict[str, Any], ...),
)


class ServerJudge:
    """The gateway's side of a connection."""

    def __init__(self, handshake: Handshake) -> None:
        self._streams: dict[str, dict[str, Any]] = {}

    def check(self, frame: Message) -> None:
        """Raises unless the frame may come here."""
        message = parsed(text_of(frame))
        {"universal.created": self._created, "universal.stream": self._stream, "universal.done": self._done}[
            message["type"]
        ](message)

    def _created(self, message: dict[str, Any]) -> None:
        metadata = message["metadata"]
        if metadata == {"contentType": "application/json"}:
            if message["response"]["success"] is not False or not message["response"]["errors"]:
                raise ValueError("an answer without an id that is no error")
            return
        conform(METADATA, metadata)
        if ("response" in message) != (metadata["contentType"] == "application/json"):
            raise ValueError("the content type is not that of the answer")
        if "response" not in message:
            self._streams[metadata["eventId"]] = metadata
        elif "choices" in message["response"]:
            conform(ChatCompletion, message["response"])
        elif not isinstance(message["response"]["result"]["response"], str):
            raise ValueError("an answer without words")

    def _stream(self, message: dict[str, Any]) -> None:
        [event_id] = message["metadata"].values()
        if event_id not in self._streams:
            raise ValueError("a piece of no answer")
        chunk = message["response"]
        if "choices" in chunk:
            conform(ChatCompletionChunk, chunk)
        elif not isinstance(chunk["response"], str):
            raise ValueError("a piece without words")

    def _done(self, message: dict[str, Any]) -> None:
        if self._streams.pop(message["metadata"]["eventId"]) != message["metadata"]:
            raise ValueError("the metadata at the end is not that of the start")


class ClientJudge:
    """A client's side: one request in each frame."""

    def __init__(self, codec: Codec) -> None:
        self._seen: set[str] = set()

    def check(self, frame: Message) -> None:
        """Raises unless the frame is a request with an id of its own."""
        message = parsed(text_of(frame))
        if message.keys() != {"type", "request"} or message["type"] != "universal.create":
            raise ValueError("no request")
        conform(REQUEST, message["request"])
        if message["request"]["eventId"] in self._seen:
            raise ValueError("an id that was used before")
        self._seen.add(message["request"]["eventId"])
