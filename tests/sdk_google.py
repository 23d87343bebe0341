"""The official SDK as a judge of what an emulator says, and as an oracle of what a client would.

Private names of the SDK that are used: `live.ws_connect` and `_live_converters._LiveServerMessage_from_mldev`. Its own
`LiveClientMessage` is no judge of client frames (it has no `realtimeInputConfig`), so these are compared with what its
client sends for the same wish.
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

from aigw_notebook.gateway.emulate import Conversation
from aigw_notebook.gateway.emulators.base import Close

__all__ = ["camel", "check_server_frame", "judged_frames", "plain_sockets", "sdk_sends"]

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


@contextmanager
def judged_frames() -> Iterator[list[dict[str, Any]]]:
    """Every frame that an emulator sends meanwhile, checked by `check_server_frame` at the end."""
    frames: list[str | bytes] = []
    send = Conversation._send

    def noting(conversation: Conversation, output: Any) -> Any:
        if not isinstance(output, Close):
            frames.append(output)
        return send(conversation, output)

    checked: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Conversation, "_send", noting)
        yield checked
    assert all(isinstance(frame, bytes) for frame in frames), "the service sends binary frames"
    checked += [check_server_frame(frame) for frame in frames]
