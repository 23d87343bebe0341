"""The official SDK as a judge of what an emulator says, and as an oracle of what a client would.

Private names of the SDK that are used: `live.ws_connect` and `_live_converters._LiveServerMessage_from_mldev`. Its own
`LiveClientMessage` lacks what `SETUP_EXTRAS` names; what a client sends for a wish is compared with what the SDK's
client sends for the same wish besides.
"""

from __future__ import annotations

import json
import warnings
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google import genai
from google.genai import _live_converters, live, types
from websockets.asyncio.client import connect

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.providers.base import Codec, Message
from tests.judging import audio_bytes, check_samples, parsed

__all__ = ["ClientJudge", "ServerJudge", "camel", "check_server_frame", "plain_sockets", "sdk_sends"]

TOP = {
    "setupComplete",
    "serverContent",
    "toolCall",
    "toolCallCancellation",
    "usageMetadata",
    "goAway",
    "sessionResumptionUpdate",
    "voiceActivity",
    "voiceActivityDetectionSignal",
}
VOICE_ACTIVITY = {"type", "audioOffset"}
OPAQUE = {
    *("args", "response", "properties", "labels", "parametersJsonSchema", "responseJsonSchema"),
    *("default", "example", "defs", "enum"),
}

SETUP_EXTRAS: dict[str, Any] = {"realtimeInputConfig": types.RealtimeInputConfig}
"""Fields of a setup that the service takes and the SDK's client sends, and that the SDK's own type of it lacks."""

AUDIO_TYPE = "audio/pcm;rate=24000"


class ServerJudge:
    """The service's side of a connection: binary frames, `setupComplete` first and once, audio in whole samples."""

    def __init__(self, handshake: Handshake) -> None:
        self._is_set_up = False

    def check(self, frame: Message) -> None:
        """Raises unless the frame is a message as the SDK has it, and may come here."""
        if not isinstance(frame, bytes):
            raise ValueError("a text frame: the service sends binary frames")
        message = check_server_frame(frame)
        if ("setupComplete" in message) == self._is_set_up:
            raise ValueError("setupComplete comes first and once")
        self._is_set_up = True
        for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", ()):
            self._check_part(part)

    def _check_part(self, part: dict[str, Any]) -> None:
        if "inlineData" in part:
            if part["inlineData"]["mimeType"] != AUDIO_TYPE:
                raise ValueError(f"the service speaks {AUDIO_TYPE}")
            check_samples(audio_bytes(part["inlineData"]["data"]), "pcm")


class ClientJudge:
    """A client's side of a connection. That the setup comes first and once is what the emulator itself insists on."""

    def __init__(self, codec: Codec) -> None:
        """Nothing of the codec matters."""

    def check(self, frame: Message) -> None:
        """Raises unless the frame is a message as the SDK has it."""
        message = parsed(frame)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an unknown word of an enumeration only warns
            for name, kind in SETUP_EXTRAS.items():
                if name in message.get("setup", {}):
                    kind.model_validate_json(json.dumps(message["setup"].pop(name)))
            types.LiveClientMessage.model_validate_json(json.dumps(message))


def check_server_frame(raw: str | bytes) -> dict[str, Any]:
    """The message in one frame. Raises unless the SDK keeps all of it: no name dropped, no unknown word."""
    message: dict[str, Any] = json.loads(raw)
    kinds = message.keys() - {"usageMetadata"}
    if not message or message.keys() - TOP or len(kinds) > 1:
        raise ValueError(f"a frame holds one message the SDK knows, not {sorted(message)}")
    if message.get("voiceActivity", {}).keys() - VOICE_ACTIVITY:
        raise ValueError("voiceActivity has another field than type and audioOffset")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an unknown word of an enumeration only warns
        types.LiveServerMessage.model_validate(_live_converters._LiveServerMessage_from_mldev(message))
    return message


def camel(value: Any) -> Any:
    """What a client sends with every name in camelCase and the bytes in standard base64; user data as it is."""
    if isinstance(value, list):
        return [camel(part) for part in value]
    if not isinstance(value, dict):
        return value
    named = {_camel_name(key): part for key, part in value.items()}
    plain = {key: part if key in OPAQUE else camel(part) for key, part in named.items()}
    if isinstance(plain.get("data"), str):
        data = plain["data"].replace("-", "+").replace("_", "/")
        plain["data"] = b64decode(data + "=" * (-len(data) % 4))
    return plain


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


@contextmanager
def plain_sockets() -> Iterator[None]:
    """The SDK's client on ws:// addresses: it forces wss:// and hands over a TLS context, whatever its base URL."""

    def open_plainly(uri: str, **named: Any) -> Any:
        named.pop("ssl", None)
        return connect("ws" + uri.removeprefix("wss"), proxy=None, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "ws_connect", open_plainly)
        yield


class _FakeSocket:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def __aenter__(self) -> _FakeSocket:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def send(self, message: str) -> None:
        self.sent.append(json.loads(message))

    async def recv(self, decode: bool | None = None) -> bytes:
        return b'{"setupComplete": {}}'

    async def close(self) -> None:
        return None


async def sdk_sends(model: str, config: types.LiveConnectConfig, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What the SDK's client sends for this config and these calls of its session, in camelCase."""
    socket = _FakeSocket()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "ws_connect", lambda uri, **named: socket)
        client = genai.Client(api_key="k", http_options={"api_version": "v1beta"})
        async with client.aio.live.connect(model=model, config=config) as session:
            for name, named in calls:
                await getattr(session, name)(**named)
    return [camel(message) for message in socket.sent]
