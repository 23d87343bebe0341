"""The official SDK's own types as a judge of what the Deepgram emulators say and the codecs send.

Each service has its own table by `type`. Values are taken strictly and unknown fields are refused, however deep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from deepgram.listen.v1 import types as listen
from deepgram.listen.v2 import types as flux
from deepgram.speak.v1 import types as speak
from pydantic import BaseModel

__all__ = ["CLIENT", "SERVER", "check_client", "check_server"]

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


def check_server(service: str, message: Mapping[str, Any]) -> None:
    """Raises when the SDK's types refuse this message of the service's."""
    _check(SERVER[service], message)


def check_client(service: str, message: Mapping[str, Any]) -> None:
    """Raises when the SDK's types refuse this message of a client's."""
    _check(CLIENT[service], message)


def _check(table: Table, message: Mapping[str, Any]) -> None:
    read = table[message["type"]].model_validate_json(json.dumps(message), strict=True)
    unknown = list(_unknown(read))
    assert not unknown, f"{message['type']} has unknown fields {unknown}"


def _unknown(value: Any) -> Iterator[str]:
    """Fields that the types do not have: they let any in, and keep them aside."""
    if isinstance(value, BaseModel):
        yield from (value.model_extra or {}).keys()
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name))
    elif isinstance(value, list):
        for each in value:
            yield from _unknown(each)
