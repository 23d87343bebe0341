"""Two gateways in a row: what a client says reaches the emulator behind both byte for byte, and the other way round."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, InvalidStatus

import aigw_notebook as aigw
from aigw_notebook.errors import Unauthorized, UpstreamRefused
from aigw_notebook.events import AppendAudio, ClearAudio, RateLimits
from aigw_notebook.gateway import Upstream
from aigw_notebook.gateway.emulators import openai as emulator_module
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.gateway.server import GatewayServer
from tests.frames import FrameTap
from tests.sdk.calling import MODEL, call, deltas, letters, on_a_loop, one, options, sound, understood

pytestmark = pytest.mark.sdk

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
NEAR_TOKEN = "planted-near-token-0123456789"
FAR_TOKEN = "planted-far-token-9876543210"
WRONG_TOKEN = "planted-wrong-token-5555555"
KEY = "sk-planted-key-1234567890"
THREE_MIB = bytes(range(256)) * (3 * 4096)
WORDS = 'Repeat after me: naïve 🎉 \u2028 "quoted" \\ done'


@dataclass
class Chain:
    """`near` relays to `far`, which emulates. The notes of all that passes at both ends."""

    near: LocalGateway
    far: LocalGateway
    said: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    reached: list[str | bytes] = field(default_factory=list)
    asked: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def requests(self) -> str:
        """All that the far gateway was asked with, as one text."""
        return repr(self.asked)


def as_bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else bytes(frame)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    far = LocalGateway(pace=AT_ONCE, token=FAR_TOKEN, account="acct", gateway="far")
    made = Chain(near=far, far=far)
    _note_the_far_gateway(monkeypatch, made)
    with far, LocalGateway(token=NEAR_TOKEN, upstreams=Upstream(url=far.url, token=FAR_TOKEN)) as made.near:
        _note_the_clients_socket(monkeypatch, made)
        yield made


def _note_the_clients_socket(monkeypatch: pytest.MonkeyPatch, chain: Chain) -> None:
    """Frames of sockets that are connected to the near gateway; the near gateway's own one leads to the far one."""
    send, recv, port = ClientConnection.send, ClientConnection.recv, chain.near.address[1]

    async def noted_send(self: ClientConnection, message: Any, *more: Any, **named: Any) -> None:
        if self.remote_address[1] == port:
            chain.said.append(as_bytes(message))
        await send(self, message, *more, **named)

    async def noted_recv(self: ClientConnection, *more: Any, **named: Any) -> Any:
        message = await recv(self, *more, **named)
        if self.remote_address[1] == port:
            chain.heard.append(as_bytes(message))
        return message

    monkeypatch.setattr(ClientConnection, "send", noted_send)
    monkeypatch.setattr(ClientConnection, "recv", noted_recv)


def _note_the_far_gateway(monkeypatch: pytest.MonkeyPatch, chain: Chain) -> None:
    class Noting(emulator_module.OpenAIEmulator):
        def receive(self, message: str | bytes) -> None:
            chain.reached.append(message)
            super().receive(message)

    admit = GatewayServer._admit

    async def noted_admit(self: GatewayServer, connection: Any, request: Any) -> Any:
        if self._settings.token == FAR_TOKEN:
            chain.asked.append((request.path, list(request.headers.raw_items())))
        return await admit(self, connection, request)

    monkeypatch.setattr(emulator_module, "EMULATOR", Noting)
    monkeypatch.setattr(GatewayServer, "_admit", noted_admit)


def check_equal(chain: Chain, frames: FrameTap) -> None:
    """Every frame is the same at both ends, in order, and a text frame at both."""
    assert chain.said and chain.said == [as_bytes(frame) for frame in chain.reached]
    assert chain.heard and chain.heard == [as_bytes(frame) for frame in frames.server]
    assert all(isinstance(frame, str) for frame in [*chain.reached, *frames.server])


def check_credentials(chain: Chain, *, key: str) -> None:
    """The far gateway was shown its own token once and the provider's key, and the near one's token nowhere."""
    asked = chain.requests()
    assert asked.count(FAR_TOKEN) == len(chain.asked) == 1
    assert key in asked and NEAR_TOKEN not in asked


# ------------------------------------------------------------------------------------------------- the official SDK


@on_a_loop
async def test_the_sdk_through_two_gateways(chain: Chain, frames: FrameTap) -> None:
    async with call(chain.near, client={"api_key": KEY}) as client:
        events = await client.ask("What is the capital of Portugal?")
        transcript = deltas(events, "response.output_audio_transcript.delta")
        assert "Lisbon" in transcript and understood(sound(events)) == letters(transcript)
        await client.configure(output_modalities=["text"], audio={"input": {"turn_detection": None}})
        await client.ask(WORDS)
        await client.sdk.input_audio_buffer.append(audio=b64encode(THREE_MIB).decode())
        await client.sdk.input_audio_buffer.commit()
        item = one(await client.until("conversation.item.done"), "conversation.item.done").item
        await client.sdk.conversation.item.retrieve(item_id=item.id)
        kept = (await client.until("conversation.item.retrieved"))[-1].item.content[0]
        assert kept.audio == b64encode(THREE_MIB).decode()
    check_equal(chain, frames)
    assert max(map(len, chain.said)) > len(THREE_MIB) * 4 // 3 < max(map(len, chain.heard))
    check_credentials(chain, key=KEY)


@on_a_loop
async def test_the_sdk_with_subprotocols_through_two_gateways(chain: Chain, frames: FrameTap) -> None:
    offered = ["realtime", f"openai-insecure-api-key.{KEY}", f"cf-aig-authorization.{NEAR_TOKEN}"]
    connecting = {"websocket_connection_options": {"subprotocols": offered}}
    async with call(chain.near, client={"default_headers": {"Authorization": ""}}, **connecting) as client:
        assert client.sdk._connection.subprotocol == "realtime"
        await client.ask("Hello", output_modalities=["text"])
    check_equal(chain, frames)
    check_credentials(chain, key=KEY)


@on_a_loop
async def test_odd_frames_pass_as_they_are(chain: Chain, frames: FrameTap) -> None:
    async with call(chain.near) as client:
        for frame in ("{not json", '{ "type" :  "response.cancel" }', b"\x00\xff"):
            await client.sdk._connection.send(frame)
            await client.refused()
    assert chain.reached == ["{not json", '{ "type" :  "response.cancel" }', b"\x00\xff"]
    assert chain.heard == [as_bytes(frame) for frame in frames.server]


@on_a_loop
async def test_the_sdk_sees_the_far_close_code(chain: Chain) -> None:
    async with AsyncOpenAI(**options(chain.near)) as sdk, sdk.realtime.connect(model="gpt-5.5") as connection:
        assert (await connection.recv()).error.code == "invalid_model"  # type: ignore[union-attr]
        with pytest.raises(ConnectionClosedError) as ended:
            await connection.recv()
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4000, "invalid_request_error.invalid_model")


@pytest.fixture
def unwelcome(chain: Chain) -> Iterator[LocalGateway]:
    """A gateway that shows the far one a wrong token."""
    upstream = Upstream(url=chain.far.url, token=WRONG_TOKEN)
    with LocalGateway(token=NEAR_TOKEN, upstreams=upstream) as running:
        yield running


@on_a_loop
async def test_the_sdk_sees_the_far_refusal(unwelcome: LocalGateway) -> None:
    async with AsyncOpenAI(**options(unwelcome)) as sdk:
        with pytest.raises(InvalidStatus) as refused:
            await sdk.realtime.connect(model=MODEL).enter()
    answer = refused.value.response
    assert answer.status_code == 401
    assert json.loads(answer.body or b"")["error"] == [{"code": 2009, "message": "Unauthorized"}]
    shown = f"{answer.headers!r}{answer.body!r}"
    assert not [token for token in (NEAR_TOKEN, FAR_TOKEN, WRONG_TOKEN) if token in shown]


# ------------------------------------------------------------------------------------------------- our own session


def connect(gateway: LocalGateway, **named: Any) -> aigw.Connection:
    settings = {"gateway": gateway.url, "token": NEAR_TOKEN, "api_key": KEY, "quiet": True}
    return aigw.connect("openai", **{**settings, **named})


def everything_logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


@pytest.mark.parametrize("auth", ["header", "subprotocol"])
def test_our_session_through_two_gateways(
    chain: Chain, frames: FrameTap, caplog: pytest.LogCaptureFixture, auth: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client", "websockets.server", "aigw_notebook", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    with connect(chain.near, auth=auth, turn_detection="manual") as session:
        turn = session.ask("What is the capital of Portugal?")
        assert "Lisbon" in turn.text and turn.audio is not None
        spoken = session.ask(audio=turn.audio)
        assert letters(spoken.user_text) == letters(turn.text)
        assert session.ask(WORDS, modalities=["text"]).status == "completed"
        session.send(AppendAudio(data=THREE_MIB))
        session.send(ClearAudio())
        quiet = threading.Event()
        session.core.add_sink(lambda event: quiet.set() if isinstance(event, RateLimits) else None)
        assert session.ask("Hello", modalities=["text"]).status == "completed"
        assert quiet.wait(10)
        kept = f"{session!r}{session.records}{session.core.endpoint!r}"
    check_equal(chain, frames)
    assert frames.client and chain.said == [as_bytes(frame) for frame in frames.client]
    assert max(map(len, chain.said)) > len(THREE_MIB) * 4 // 3
    check_credentials(chain, key=KEY)
    shown = kept + everything_logged(caplog)
    assert not [secret for secret in (NEAR_TOKEN, FAR_TOKEN, KEY) if secret in shown]


def test_our_session_sees_the_far_close_code(chain: Chain) -> None:
    with pytest.raises(UpstreamRefused, match="choose another") as caught:
        connect(chain.near, model="gpt-5.5").open()
    assert (caught.value.close_code, caught.value.reason) == (4000, "invalid_request_error.invalid_model")


def test_our_session_sees_the_far_refusal(unwelcome: LocalGateway) -> None:
    with pytest.raises(Unauthorized) as caught:
        connect(unwelcome).open()
    assert (caught.value.status, caught.value.code) == (401, 2009)
