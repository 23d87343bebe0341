"""The official Deepgram SDK, unmodified, in conversations with the embedded gateway: listen v1, listen v2, speak v1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import (
    ListenV1Configure,
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)
from deepgram.listen.v2.types import ListenV2Configure, ListenV2Connected, ListenV2ForceEndTurn, ListenV2TurnInfo
from deepgram.speak.v1.types import SpeakV1Metadata, SpeakV1Text
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests.sdk.calling import on_a_loop
from tests.speech import spoken, understood

# The SDK imports names of `websockets` that are deprecated there.
pytestmark = [pytest.mark.sdk, pytest.mark.filterwarnings(r"ignore:websockets\.:DeprecationWarning")]

RATE = 16_000
CHUNK_BYTES = 3_200  # 100 ms


def quiet(seconds: float) -> bytes:
    return bytes(2 * int(RATE * seconds))


def client(gateway: LocalGateway) -> DeepgramClient:
    base = f"{gateway.url}/deepgram"
    environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
    return DeepgramClient(api_key="local", environment=environment)


def options(gateway: LocalGateway) -> Any:
    return {"additional_headers": {"cf-aig-authorization": f"Bearer {gateway.token}"}}


def talk(socket: Any, audio: bytes) -> None:
    for start in range(0, len(audio), CHUNK_BYTES):
        socket.send_media(audio[start : start + CHUNK_BYTES])


def until(socket: Any, wanted: Any) -> list[Any]:
    """Messages up to and with the first for which `wanted` holds; every one of a type that the SDK knows."""
    messages: list[Any] = []
    while not messages or not wanted(messages[-1]):
        messages.append(socket.recv())
        assert not isinstance(messages[-1], dict), f"the SDK does not know {messages[-1]}"
    return messages


def is_a(kind: type[Any]) -> Any:
    return lambda message: isinstance(message, kind)


def is_called(kind: str) -> Any:
    """Whether a message has that type: of two messages with the same fields the SDK may make one class."""
    return lambda message: getattr(message, "type", None) == kind


@contextmanager
def listening(gateway: LocalGateway, **parameters: Any) -> Iterator[Any]:
    asked: Any = {"model": "nova-3", "encoding": "linear16", "sample_rate": RATE, **parameters}
    with client(gateway).listen.v1.connect(**asked, request_options=options(gateway)) as socket:
        yield socket


@contextmanager
def turning(gateway: LocalGateway, **parameters: Any) -> Iterator[Any]:
    asked: Any = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": RATE, **parameters}
    with client(gateway).listen.v2.connect(**asked, request_options=options(gateway)) as socket:
        yield socket


@contextmanager
def speaking(gateway: LocalGateway, **parameters: Any) -> Iterator[Any]:
    asked: Any = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": RATE, **parameters}
    with client(gateway).speak.v1.connect(**asked, request_options=options(gateway)) as socket:
        yield socket


# ---------------------------------------------------------------------------------------------------------- listen


def test_a_stream_is_transcribed_to_its_end(gateway: LocalGateway) -> None:
    asked = {"interim_results": True, "vad_events": True, "endpointing": 300, "utterance_end_ms": 1000}
    with listening(gateway, **asked) as socket:
        talk(socket, spoken("the quick brown fox") + quiet(1.5) + spoken("jumps"))
        socket.send_keep_alive()
        socket.send_close_stream()
        messages = until(socket, is_a(ListenV1Metadata))
        with pytest.raises(ConnectionClosedOK):
            socket.recv()
    kinds = {type(message) for message in messages}
    assert kinds == {ListenV1Results, ListenV1SpeechStarted, ListenV1UtteranceEnd, ListenV1Metadata}
    results = [message for message in messages if isinstance(message, ListenV1Results)]
    finals = [r.channel.alternatives[0].transcript for r in results if r.is_final]
    assert [text for text in finals if text] == ["the quick brown fox", "jumps"]
    assert any(not r.is_final for r in results)
    assert {r.metadata.model_info.name for r in results} == {"nova-3"}


def test_a_flush_brings_what_is_pending(gateway: LocalGateway) -> None:
    with listening(gateway) as socket:
        talk(socket, spoken("hello there"))
        socket.send_finalize()
        last = until(socket, lambda message: message.from_finalize)[-1]
    assert last.channel.alternatives[0].transcript == "hello there"
    assert [word.punctuated_word for word in last.channel.alternatives[0].words] == ["hello", "there"]


def test_a_wrong_gateway_token_is_refused_with_401(gateway: LocalGateway) -> None:
    wrong: Any = {"additional_headers": {"cf-aig-authorization": "Bearer wrong"}}
    with pytest.raises(InvalidStatus) as refused:
        with client(gateway).listen.v1.connect(model="nova-3", request_options=wrong):
            pass
    assert refused.value.response.status_code == 401


# ------------------------------------------------------------------------------------------------------------ flux


def test_turns_are_told_as_they_come_and_go(gateway: LocalGateway) -> None:
    with turning(gateway, eager_eot_threshold=0.4) as socket:
        talk(socket, spoken("the quick brown fox") + quiet(1.0) + spoken("yes") + quiet(1.0))
        messages = until(socket, lambda message: getattr(message, "event", "") == "EndOfTurn")
        messages += until(socket, lambda message: getattr(message, "event", "") == "EndOfTurn")
        socket.send_close_stream()
    assert isinstance(messages[0], ListenV2Connected)
    told = [message for message in messages if isinstance(message, ListenV2TurnInfo) and message.event != "Update"]
    assert [(turn.event, turn.transcript) for turn in told if turn.event != "StartOfTurn"] == [
        ("EagerEndOfTurn", "the quick brown fox"),
        ("EndOfTurn", "the quick brown fox"),
        ("EagerEndOfTurn", "yes"),
        ("EndOfTurn", "yes"),
    ]
    assert [message.sequence_id for message in messages] == list(range(len(messages)))
    assert told[-1].trigger == "model" and told[-1].turn_index == 1


def test_a_turn_is_ended_by_hand_and_thresholds_are_changed(gateway: LocalGateway) -> None:
    with turning(gateway) as socket:
        talk(socket, spoken("stop here"))
        socket.send_force_end_turn(ListenV2ForceEndTurn())
        last = until(socket, lambda message: getattr(message, "event", "") == "EndOfTurn")[-1]
        socket.send_configure(ListenV2Configure(thresholds={"eot_threshold": 0.9}))
        changed = until(socket, lambda message: message.type.startswith("Configure"))[-1]
    assert (last.transcript, last.trigger) == ("stop here", "manual")
    assert changed.type == "ConfigureSuccess" and changed.thresholds.eot_threshold == 0.9


def test_flux_is_refused_without_a_sample_rate(gateway: LocalGateway) -> None:
    with pytest.raises(InvalidStatus) as refused, turning(gateway, sample_rate=None):
        pass
    assert refused.value.response.status_code == 400


# ----------------------------------------------------------------------------------------------------------- speak


def test_text_is_spoken_when_it_is_flushed(gateway: LocalGateway) -> None:
    with speaking(gateway) as socket:
        socket.send_text(SpeakV1Text(text="Hello there."))
        socket.send_flush()
        messages = until(socket, is_called("Flushed"))
        socket.send_close()
        with pytest.raises(ConnectionClosedOK):
            socket.recv()
    assert isinstance(messages[0], SpeakV1Metadata) and messages[0].model_name == "aura-2-thalia-en"
    sound = b"".join(message for message in messages if isinstance(message, bytes))
    assert understood(sound) == "hello there."


def test_speech_is_cleared_in_its_midst() -> None:
    with LocalGateway(pace=Pace(first_token_ms=0, audio_speed=1.0)) as gateway, speaking(gateway) as socket:
        socket.send_text(SpeakV1Text(text="A sentence that takes longer to say than anybody waits for it to end."))
        socket.send_flush()
        until(socket, is_a(bytes))
        socket.send_clear()
        messages = until(socket, is_called("Cleared"))
    assert not any(is_called("Flushed")(message) for message in messages)


# ---------------------------------------------------------------------------------------------- errors and silence


def test_what_is_no_message_is_an_error_and_ends_nothing(gateway: LocalGateway) -> None:
    with listening(gateway) as socket:
        socket._websocket.send("{nonsense")
        (error,) = until(socket, is_called("Error"))
        talk(socket, spoken("hello there"))
        socket.send_finalize()
        last = until(socket, lambda message: getattr(message, "from_finalize", False))[-1]
    assert error.variant == "SchemaError"
    assert last.channel.alternatives[0].transcript == "hello there"


def test_a_silent_stream_is_closed_unless_it_is_kept_alive(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigw_notebook.gateway.emulators.deepgram_listen.IDLE_MS", 100.0)
    with listening(gateway) as socket:
        talk(socket, quiet(0.1))
        with pytest.raises(ConnectionClosedError) as ended:
            while True:
                socket.recv()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1011 and "NET-0001" in ended.value.rcvd.reason


def test_keyterms_are_changed_in_mid_stream(gateway: LocalGateway) -> None:
    with listening(gateway) as socket:
        socket.send_configure(ListenV1Configure(keyterms=["fox"]))
        (told,) = until(socket, lambda message: message.type.startswith("Configure"))
    assert told.type == "ConfigureSuccess" and told.keyterms == ["fox"]


def test_flux_ends_at_what_it_does_not_know(gateway: LocalGateway) -> None:
    with turning(gateway) as socket:
        until(socket, is_a(ListenV2Connected))
        socket._websocket.send('{"type": "KeepAlive"}')
        (error,) = until(socket, is_called("Error"))
        with pytest.raises(ConnectionClosed):
            socket.recv()
    assert error.sequence_id == 1


def test_a_flush_too_many_is_warned_of(gateway: LocalGateway) -> None:
    with speaking(gateway) as socket:
        for _ in range(21):
            socket.send_text(SpeakV1Text(text="A."))
            socket.send_flush()
        messages = until(socket, lambda message: is_called("Flushed")(message) and message.sequence_id == 19)
    assert [message.sequence_id for message in messages if is_called("Flushed")(message)] == list(range(20))
    assert [message.code for message in messages if is_called("Warning")(message)] != []


# ------------------------------------------------------------------------------------------------ the async client


def async_client(gateway: LocalGateway) -> AsyncDeepgramClient:
    base = f"{gateway.url}/deepgram"
    environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
    return AsyncDeepgramClient(api_key="local", environment=environment)


async def receive(socket: Any, wanted: Any) -> list[Any]:
    """Like `until`, of the async client."""
    messages: list[Any] = []
    while not messages or not wanted(messages[-1]):
        messages.append(await socket.recv())
        assert not isinstance(messages[-1], dict), f"the SDK does not know {messages[-1]}"
    return messages


@on_a_loop
async def test_the_async_client_listens(gateway: LocalGateway) -> None:
    asked: Any = {"model": "nova-3", "encoding": "linear16", "sample_rate": RATE, "request_options": options(gateway)}
    async with async_client(gateway).listen.v1.connect(**asked) as socket:
        await socket.send_media(spoken("hello there"))
        await socket.send_keep_alive()
        await socket.send_finalize()
        last = (await receive(socket, lambda message: message.from_finalize))[-1]
        await socket.send_close_stream()
        await receive(socket, is_a(ListenV1Metadata))
    assert last.channel.alternatives[0].transcript == "hello there"


@on_a_loop
async def test_the_async_client_takes_turns(gateway: LocalGateway) -> None:
    asked: Any = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": RATE}
    async with async_client(gateway).listen.v2.connect(**asked, request_options=options(gateway)) as socket:
        await socket.send_media(spoken("yes", silence_ms=1_000))
        messages = await receive(socket, lambda message: getattr(message, "event", "") == "EndOfTurn")
        await socket.send_close_stream()
    assert messages[-1].transcript == "yes"
    assert [message.sequence_id for message in messages] == list(range(len(messages)))


@on_a_loop
async def test_the_async_client_speaks(gateway: LocalGateway) -> None:
    asked: Any = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": RATE}
    async with async_client(gateway).speak.v1.connect(**asked, request_options=options(gateway)) as socket:
        await socket.send_text(SpeakV1Text(text="Hello there."))
        await socket.send_flush()
        messages = await receive(socket, is_called("Flushed"))
    assert understood(b"".join(message for message in messages if isinstance(message, bytes))) == "hello there."
