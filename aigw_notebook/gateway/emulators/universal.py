"""AI Gateway's own WebSocket API, which is not realtime, emulated: requests for text, several at a time.

Wire facts: `docs/protocol/universal.md`. Whatever provider a request names, the local engines answer it, in the form of
chat completions or, where the endpoint is a model's path, of Workers AI. What the service says to a message that it
cannot read is a guess: an error in the odd form in which it was seen to report a provider's, without the request's id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...providers.base import Ids, Message
from ..engines.base import Reply, Said
from .base import Handshake
from .schedule import ROUNDS_A_WAKE
from .stage import JsonObject, StagedEmulator, Steps, waited_for

__all__ = ["EMULATOR", "UniversalEmulator"]

JSON = "application/json"
EVENTS = "text/event-stream"
CHAT = "chat/completions"
ROLES = ("user", "assistant", "system", "tool")

MAX_OPEN = 32
"""Requests that may be open at once; a limit of the emulator's own."""

GUESSED_UNREADABLE = (2019, "Bad format: send universal.create with provider, endpoint and a query object")
GUESSED_NO_ENDPOINT = (7003, "No such endpoint: the emulator serves chat/completions and the paths of models (@…)")
GUESSED_TOO_MANY = (2003, "Rate limited")
GUESSED_FAILED = (2005, "Provider internal error")


class _Refused(Exception):
    """A request that is answered with an error: code and words."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One request for text."""

    event_id: str
    model: str
    by_path: bool
    stream: bool
    conversation: tuple[Said, ...]
    instructions: str


class UniversalEmulator(StagedEmulator):
    """One connection. Answers to several requests are interleaved; `eventId` says whose a message is."""

    routes: ClassVar[tuple[str, ...]] = ("",)

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._open = 0

    def open(self) -> None:
        """The service says nothing before it is asked."""

    def receive(self, message: Message) -> None:
        if self._ended:
            return
        try:
            if self._open >= MAX_OPEN:
                raise _Refused(*GUESSED_TOO_MANY)
            self._schedule.start(self._answer(_request(message, self.ids)))
            self._open += 1
        except _Refused as refused:
            self._fail(*refused.args)
        self._schedule.run()

    def wake(self) -> None:
        self._schedule.run(ROUNDS_A_WAKE)

    # -------------------------------------------------------------------------------------------------- answers

    def _answer(self, request: _Request) -> Steps:
        try:
            if self.pace.first_token_ms:
                yield self.clock() + self.pace.first_token_ms
            responder = self.engines.responder
            reply = yield from waited_for(
                self._stage, lambda: responder.answer(request.conversation, instructions=request.instructions)
            )
            if isinstance(reply, Reply):
                yield from (self._stream if request.stream else self._whole)(request, reply.text)
                reported = _usage(request, reply.text)
                self.usage.add(reported["prompt_tokens"], reported["completion_tokens"])
            else:
                self._fail(*GUESSED_FAILED)
        finally:
            self._open -= 1

    def _whole(self, request: _Request, text: str) -> Steps:
        form = _whole_by_path if request.by_path else _whole_chat
        self._say("universal.created", self._metadata(request, JSON), form(request, text))
        yield from ()

    def _stream(self, request: _Request, text: str) -> Steps:
        metadata = self._metadata(request, EVENTS)
        chunk = _chunk_by_path if request.by_path else _chunk_chat
        self._say("universal.created", metadata)
        for piece, wait_ms in zip(_pieces(text), self.pace.text_waits_ms(), strict=False):
            self._say("universal.stream", {"eventId": request.event_id}, chunk(request, piece, None))
            yield self.clock() + wait_ms
        self._say("universal.stream", {"eventId": request.event_id}, chunk(request, "", _usage(request, text)))
        self._say("universal.done", metadata)

    def _metadata(self, request: _Request, kind: str) -> JsonObject:
        return {
            "cacheStatus": "MISS",
            "eventId": request.event_id,
            "logId": self.ids("log_"),
            "step": "0",
            "contentType": kind,
        }

    def _fail(self, code: int, words: str) -> None:
        error = {"result": None, "success": False, "errors": [{"code": code, "message": words}], "messages": []}
        self._say("universal.created", {"contentType": JSON}, error)

    def _say(self, kind: str, metadata: JsonObject, response: JsonObject | None = None) -> None:
        told = {} if response is None else {"response": response}
        self._stage.say({"type": kind, "metadata": metadata, **told})


# -------------------------------------------------------------------------------------------------------- requests


def _request(message: Message, ids: Ids) -> _Request:
    request = _object(_parsed(message), "request")
    query, endpoint = _object(request, "query"), request.get("endpoint")
    if not isinstance(request.get("provider"), str) or not isinstance(endpoint, str):
        raise _Refused(*GUESSED_UNREADABLE)
    by_path = endpoint.startswith("@")
    if not by_path and not endpoint.strip("/").endswith(CHAT):
        raise _Refused(*GUESSED_NO_ENDPOINT)
    said = tuple(_said(query))
    event_id = request.get("eventId")
    return _Request(
        event_id=event_id if isinstance(event_id, str) else ids("ev_"),
        model=endpoint if by_path else str(query.get("model") or "unnamed"),
        by_path=by_path,
        stream=query.get("stream") is True,
        conversation=tuple(each for each in said if each.role != "system"),
        instructions="\n".join(each.text for each in said if each.role == "system"),
    )


def _parsed(message: Message) -> JsonObject:
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict) or parsed.get("type") != "universal.create":
        raise _Refused(*GUESSED_UNREADABLE)
    return parsed


def _object(value: JsonObject, name: str) -> JsonObject:
    found = value.get(name)
    if not isinstance(found, dict):
        raise _Refused(*GUESSED_UNREADABLE)
    return found


def _said(query: Mapping[str, Any]) -> Iterator[Said]:
    """What was said so far: `messages`, or one `prompt`."""
    messages = query.get("messages")
    if messages is None and isinstance(query.get("prompt"), str):
        messages = [{"role": "user", "content": query["prompt"]}]
    if not isinstance(messages, list) or not messages:
        raise _Refused(*GUESSED_UNREADABLE)
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            raise _Refused(*GUESSED_UNREADABLE)
        yield Said(role=role, text=_content(message.get("content")))


def _content(content: Any) -> str:
    """A text, or a list of parts of which some hold text."""
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


# ----------------------------------------------------------------------------------------------------------- forms


def _pieces(text: str) -> Iterator[str]:
    words = text.split(" ")
    return (f" {word}" if number else word for number, word in enumerate(words))


def _usage(request: _Request, text: str) -> JsonObject:
    """Tokens, counted as words."""
    asked = sum(len(said.text.split()) for said in request.conversation) + len(request.instructions.split())
    answered = len(text.split())
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _whole_by_path(request: _Request, text: str) -> JsonObject:
    result = {"response": text, "usage": _usage(request, text)}
    return {"result": result, "success": True, "errors": [], "messages": []}


def _chunk_by_path(request: _Request, piece: str, usage: JsonObject | None) -> JsonObject:
    return {"response": piece} if usage is None else {"response": piece, "usage": usage}


def _whole_chat(request: _Request, text: str) -> JsonObject:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_head(request, "chat.completion"), "choices": [choice], "usage": _usage(request, text)}


def _chunk_chat(request: _Request, piece: str, usage: JsonObject | None) -> JsonObject:
    delta = {"content": piece} if usage is None else {}
    choice = {"index": 0, "delta": delta, "finish_reason": None if usage is None else "stop"}
    told = {} if usage is None else {"usage": usage}
    return {**_head(request, "chat.completion.chunk"), "choices": [choice], **told}


def _head(request: _Request, kind: str) -> JsonObject:
    return {"id": f"chatcmpl-{request.event_id}", "object": kind, "created": 0, "model": request.model}


EMULATOR = UniversalEmulator
