"""The official SDK's types, and the sheet where it has none, as a judge of what ElevenLabs and its clients say.

The SDK has types for streamed text to speech and for a conversation's first message; `sheet_elevenlabs` has the others.
Fields that the service has and the SDK's types lack are in `OPENING_EXTRAS` and, for speech, `isFinal` beside audio and
`audio: null` beside `isFinal`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.providers.base import Codec, Message
from tests.judging import Judge, WhatFollows, audio_bytes, check_parallel, check_samples, conform, parsed, text_of
from tests.sheet_elevenlabs import CLIENT, SERVER

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK names what websockets gives up
    from elevenlabs import types as sdk
    from elevenlabs.types.close_socket import CloseSocket
    from elevenlabs.types.conversation_initiation_client_data_request_input import (
        ConversationInitiationClientDataRequestInput as Opening,
    )
    from elevenlabs.types.keep_context_alive import KeepContextAlive

__all__ = ["ClientJudge", "ServerJudge"]

SPEECH = "elevenlabs/v1/text-to-speech/"
MULTI = "/multi-stream-input"
FRAME_BYTES = 1024 * 1024
"""The SDK hangs up on a longer frame of speech."""

OPENING_EXTRAS = {"type", "tool_mock_config"}
"""Fields of a conversation's first message that the SDK's type of it lacks; its own client sends the first of them."""

OVERRIDE_EXTRAS: Mapping[str, type] = {"text_only": bool}
"""The same of `conversation_config_override`: the SDK's own client puts this one there."""

CONVERSATION_EXTRAS: Mapping[str, type] = {"client_events": list}
"""The same of `conversation_config_override.conversation`."""


class SpeechError(BaseModel):
    """An error of a voice's. The SDK has no type for it; its client looks for `message`."""

    message: str
    error: str
    code: Literal[1008, 1011]


class ServerJudge:
    """The service's side of a connection: an agent, or a voice. An agent's route may turn out to be a voice's."""

    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake
        self._judge: Judge | None = _Voice(handshake) if handshake.route.startswith(SPEECH) else None

    def check(self, frame: Message) -> None:
        """Raises unless the frame may come here."""
        message = parsed(text_of(frame))
        if self._judge is None:
            self._judge = _Agent() if "type" in message else _Voice(self._handshake)
        self._judge.check(frame)


class _Agent:
    """A conversation: metadata first and once, and nothing more of an answer that was interrupted."""

    def __init__(self) -> None:
        self._format = ""
        self._cut_id = 0
        self._ended = False

    def check(self, frame: Message) -> None:
        message = parsed(frame)
        kind = message["type"]
        content = self._content(message)
        is_due = (kind == "conversation_initiation_metadata") != bool(self._format) or kind == "error"
        if self._ended or not is_due:
            raise ValueError("the metadata come first and once, and an error last")
        self._ended = kind == "error"
        handler = _AGENT_CHECKS.get(kind)
        if handler is not None:
            handler(self, content)

    @staticmethod
    def _content(message: dict[str, Any]) -> dict[str, Any]:
        name, shape = SERVER[message["type"]]
        if message.keys() != {"type", *([name] if name is not None else [])}:
            raise ValueError(f"a message of this type has the fields type and {name}")
        content: dict[str, Any] = message[name] if name is not None else {}
        if shape is not None:
            conform(shape, content)
        return content

    def _on_metadata(self, content: Mapping[str, Any]) -> None:
        self._format = content["agent_output_audio_format"]

    def _on_audio(self, content: Mapping[str, Any]) -> None:
        if content["event_id"] <= self._cut_id:
            raise ValueError("audio of an answer that was interrupted")
        check_samples(audio_bytes(content["audio_base_64"]), self._format.partition("_")[0])
        if "alignment" in content:
            check_parallel(*content["alignment"].values())

    def _on_interruption(self, content: Mapping[str, Any]) -> None:
        self._cut_id = content["event_id"]


_AGENT_CHECKS = {
    "conversation_initiation_metadata": _Agent._on_metadata,
    "audio": _Agent._on_audio,
    "interruption": _Agent._on_interruption,
}


class _Voice:
    """Streamed text to speech: audio in whole samples, and after the end of a context nothing until it is new."""

    def __init__(self, handshake: Handshake) -> None:
        self._multi = handshake.route.endswith(MULTI)
        self._encoding = handshake.query.get("output_format", "pcm").partition("_")[0]
        self._answers = WhatFollows()

    def check(self, frame: Message) -> None:
        if len(text_of(frame)) >= FRAME_BYTES:
            raise ValueError("a frame that the SDK would not take")
        message = parsed(frame)
        self._answers.go_on("answer")
        if "error" in message:
            conform(SpeechError, message)
            self._answers.end("answer")
        elif message.get("isFinal"):
            self._on_final(message)
        else:
            self._on_audio(message)

    def _on_final(self, message: dict[str, Any]) -> None:
        if message.pop("audio", None) is not None:
            raise ValueError("audio in the final frame")
        conform(sdk.FinalOutputMulti if self._multi else sdk.FinalOutput, message)
        if not self._multi:
            self._answers.end("answer")

    def _on_audio(self, message: dict[str, Any]) -> None:
        if message.pop("isFinal", None) not in (None, False):
            raise ValueError("isFinal is neither null nor false beside audio")
        if ("contextId" in message) != self._multi:
            raise ValueError("contextId is there where there are several contexts, and only there")
        conform(sdk.AudioOutputMulti if self._multi else sdk.AudioOutput, message)
        check_samples(audio_bytes(message["audio"]), self._encoding)
        for name in ("alignment", "normalizedAlignment"):
            if message.get(name) is not None:
                check_parallel(*message[name].values())


class ClientJudge:
    """A client's side of a connection, by the codec's protocol."""

    def __init__(self, codec: Codec) -> None:
        names = {kind.__name__ for kind in type(codec).__mro__}
        self._check = next(check for name, check in _CLIENTS.items() if name in names)
        self._number = 0

    def check(self, frame: Message) -> None:
        """Raises unless the frame is text and a message that may be said here."""
        self._check(parsed(text_of(frame)), self._number == 0)
        self._number += 1


def _check_to_agent(message: dict[str, Any], first: bool) -> None:
    kind = message.pop("type", None)
    if first != (kind == "conversation_initiation_client_data"):
        raise ValueError("the conversation's first message comes first and once")
    if first:
        _check_opening(message)
    elif kind is None:
        if message.keys() != {"user_audio_chunk"}:
            raise ValueError("a message without a type is a piece of audio and nothing else")
        audio_bytes(message["user_audio_chunk"])
    else:
        conform(CLIENT[kind], message)


def _check_opening(message: dict[str, Any]) -> None:
    known = {name: value for name, value in message.items() if name not in OPENING_EXTRAS}
    override = known.get("conversation_config_override", {})
    for place, extras in ((override, OVERRIDE_EXTRAS), (override.get("conversation", {}), CONVERSATION_EXTRAS)):
        for name, kind in extras.items():
            if not isinstance(place.pop(name, kind()), kind):
                raise ValueError(f"{name} is no {kind.__name__}")
    conform(Opening, known)


def _check_to_voice(message: dict[str, Any], first: bool) -> None:
    if message == {"text": ""}:
        return
    conform(sdk.InitializeConnection if first else sdk.SendText, message)


def _check_to_voices(message: dict[str, Any], first: bool) -> None:
    """A message of several contexts, by the field that only its kind has."""
    kind = next((kind for name, kind in _BY_FIELD.items() if name in message), None)
    if kind is None:
        kind = _BY_TEXT.get(message.get("text", ""), sdk.SendTextMulti)
    conform(kind, message)


_BY_FIELD: Mapping[str, type[BaseModel]] = {
    "close_socket": CloseSocket,
    "close_context": sdk.CloseContext,
    "flush": sdk.FlushContext,
}
_BY_TEXT: Mapping[str, type[BaseModel]] = {"": KeepContextAlive, " ": sdk.InitializeConnectionMulti}

_CLIENTS = {
    "ElevenLabsCodec": _check_to_agent,
    "StreamCodec": _check_to_voice,
    "MultiStreamCodec": _check_to_voices,
}
