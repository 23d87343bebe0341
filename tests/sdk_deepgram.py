"""The official SDK's own types as a judge of what the Deepgram emulators say and the codecs send.

Each service has its own table by `type`. Values are taken strictly and unknown fields are refused, however deep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepgram.listen.v1 import types as listen
from deepgram.listen.v2 import types as flux
from deepgram.speak.v1 import types as speak
from pydantic import BaseModel

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.providers.base import Codec, Message
from tests.judging import check_samples, conform, parsed

__all__ = ["CLIENT", "SERVER", "ClientJudge", "ServerJudge", "check_client", "check_server"]

Table = Mapping[str, type[BaseModel]]

SERVER: Mapping[str, Table] = {
    "listen": {
        "Results": listen.ListenV1Results,
        "Metadata": listen.ListenV1Metadata,
        "SpeechStarted": listen.ListenV1SpeechStarted,
        "UtteranceEnd": listen.ListenV1UtteranceEnd,
        "ConfigureSuccess": listen.ListenV1ConfigureSuccess,
        "ConfigureFailure": listen.ListenV1ConfigureFailure,
        "Error": listen.ListenV1Error,
    },
    "flux": {
        "Connected": flux.ListenV2Connected,
        "TurnInfo": flux.ListenV2TurnInfo,
        "ConfigureSuccess": flux.ListenV2ConfigureSuccess,
        "ConfigureFailure": flux.ListenV2ConfigureFailure,
        "Warning": flux.ListenV2Warning,
        "Error": flux.ListenV2FatalError,
    },
    "speak": {
        "Metadata": speak.SpeakV1Metadata,
        "Flushed": speak.SpeakV1Flushed,
        "Cleared": speak.SpeakV1Cleared,
        "Warning": speak.SpeakV1Warning,
    },
}
CLIENT: Mapping[str, Table] = {
    "listen": {
        "KeepAlive": listen.ListenV1KeepAlive,
        "Finalize": listen.ListenV1Finalize,
        "CloseStream": listen.ListenV1CloseStream,
        "Configure": listen.ListenV1Configure,
    },
    "flux": {
        "CloseStream": flux.ListenV2CloseStream,
        "ForceEndTurn": flux.ListenV2ForceEndTurn,
        "Configure": flux.ListenV2Configure,
    },
    "speak": {
        "Speak": speak.SpeakV1Text,
        "Flush": speak.SpeakV1Flush,
        "Clear": speak.SpeakV1Clear,
        "Close": speak.SpeakV1Close,
    },
}


FIRST = {"flux": "Connected", "speak": "Metadata"}
"""What a service says before all else."""

ROUTES: Mapping[str, str] = {"v1/listen": "listen", "v2/listen": "flux", "v1/speak": "speak"}
MODELS: Mapping[str, str] = {"nova": "listen", "flux": "flux", "aura": "speak"}
"""Which service is behind a path of Deepgram's own, and behind the beginning of a model's name at Workers AI."""


class ServerJudge:
    """The service's side of a connection. Only `speak` sends binary frames; a flush of audio is whole samples."""

    def __init__(self, handshake: Handshake) -> None:
        name = handshake.query.get("model", "").rpartition("/")[2]
        path = handshake.route.partition("/")[2]
        self._service = ROUTES.get(path) or MODELS[name.partition("-")[0]]
        self._encoding = handshake.query.get("encoding", "linear16")
        self._audio = b""
        self._number = 0
        self._ended = False

    def check(self, frame: Message) -> None:
        """Raises unless the frame may come here."""
        if self._ended:
            raise ValueError("something after the metadata that end a transcription")
        self._check_first(frame)
        if isinstance(frame, bytes):
            self._on_audio(frame)
            return
        message = parsed(frame)
        check_server(self._service, message)
        self._check_order(message)

    def _check_first(self, frame: Message) -> None:
        first = FIRST.get(self._service)
        if not self._number and first is not None and (isinstance(frame, bytes) or parsed(frame)["type"] != first):
            raise ValueError(f"the first frame of {self._service} is {first}")
        self._number += 1

    def _on_audio(self, frame: bytes) -> None:
        if self._service != "speak" or not frame:
            raise ValueError("audio where none is said")
        self._audio += frame

    def _check_order(self, message: Mapping[str, Any]) -> None:
        if self._service == "flux" and message["sequence_id"] != self._number - 1:
            raise ValueError("sequence_id does not count the messages from 0")
        if message["type"] == "Flushed":
            check_samples(self._audio, self._encoding)
            self._audio = b""
        self._ended = self._service == "listen" and message["type"] == "Metadata"


class ClientJudge:
    """A client's side of a connection. Only those that listen are sent binary frames, none of them empty."""

    def __init__(self, codec: Codec) -> None:
        names = [kind.__module__.rpartition("_")[2] for kind in type(codec).__mro__]
        self._service = next(name for name in names if name in CLIENT)
        self._encoding = {"pcm16": "linear16"}.get(codec.input_format.encoding, "")

    def check(self, frame: Message) -> None:
        """Raises unless the frame is one that the service takes."""
        if isinstance(frame, str):
            check_client(self._service, parsed(frame))
        elif self._service == "speak" or not frame:
            raise ValueError("audio where none is taken, or a frame without any: that would end the connection")
        else:
            check_samples(frame, self._encoding)


def check_server(service: str, message: Mapping[str, Any]) -> None:
    """Raises when the SDK's types refuse this message of the service's."""
    _check(SERVER[service], message)


def check_client(service: str, message: Mapping[str, Any]) -> None:
    """Raises when the SDK's types refuse this message of a client's."""
    _check(CLIENT[service], message)


def _check(table: Table, message: Mapping[str, Any]) -> None:
    conform(table[message["type"]], message)
