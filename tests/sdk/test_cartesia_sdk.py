"""The official Cartesia SDK, unmodified, sync and async, in conversation with the embedded gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from cartesia import AsyncCartesia, Cartesia, omit
from cartesia.types import websocket_response as sdk
from websockets.exceptions import InvalidStatus

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests import speech
from tests.sdk.calling import on_a_loop

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.filterwarnings(
        "ignore:connect.. must be used as a context manager:DeprecationWarning"
    ),  # the SDK's use
]

VOICE = {"mode": "id", "id": "any-voice"}
RAW: Any = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}
CONTEXT: dict[str, Any] = {"model_id": "sonic-3.5", "voice": VOICE, "output_format": RAW, "timeout": 10}
MODELS: dict[str, Any] = {
    "chunk": sdk.Chunk,
    "flush_done": sdk.FlushDone,
    "done": sdk.Done,
    "timestamps": sdk.Timestamps,
    "phoneme_timestamps": sdk.PhonemeTimestamps,
    "error": sdk.Error,
}


def options(gateway: LocalGateway) -> dict[str, Any]:
    return {"api_key": "sk_car_x", "websocket_base_url": f"{gateway.url}/cartesia"}


def token(gateway: LocalGateway) -> dict[str, Any]:
    return {"extra_headers": {"cf-aig-authorization": f"Bearer {gateway.token}"}}


@contextmanager
def connected(gateway: LocalGateway, **named: Any) -> Iterator[Any]:
    with Cartesia(**options(gateway)) as client, client.tts.websocket_connect(**{**token(gateway), **named}) as socket:
        yield socket


def strict(events: list[Any]) -> list[Any]:
    """The events, each held to the SDK's own type: the SDK itself checks nothing."""
    for event in events:
        MODELS[event.type].model_validate(event.model_dump(exclude_unset=True), strict=True)
    return events


def understood(events: list[Any]) -> str:
    data = b"".join(event.audio for event in events if event.type == "chunk")
    return speech.understood(data)


def test_a_context_of_several_inputs_with_times_and_a_flush(gateway: LocalGateway) -> None:
    with connected(gateway) as socket:
        context = socket.context(**CONTEXT, add_timestamps=True)
        context.push("Hi there. ")
        context.push("", flush=True)
        context.push("Bye.")
        context.no_more_inputs()
        events = strict(list(context.receive()))
    kinds = [event.type for event in events]
    assert kinds[-1] == "done" and kinds.count("flush_done") == 1
    flushed = kinds.index("flush_done")
    assert understood(events[:flushed]) == "hi there." and understood(events[flushed:]) == "bye."
    assert {event.flush_id for event in events[:flushed]} == {1}
    assert {event.flush_id for event in events[flushed + 1 : -1]} == {2}
    words = [word for event in events if event.type == "timestamps" for word in event.word_timestamps.words]
    assert words == ["Hi", "there.", "Bye."]


def test_the_defaults_of_the_sdk(gateway: LocalGateway) -> None:
    with connected(gateway) as socket:
        context = socket.context(voice=VOICE, timeout=10)
        context.push("Hello.")
        context.no_more_inputs()
        events = strict(list(context.receive()))
    assert events[-1].type == "done"
    assert sum(len(event.audio) for event in events if event.type == "chunk") == pytest.approx(
        6 * 65 * 44.1 * 4, rel=0.01
    )


def test_the_older_way_of_one_request(gateway: LocalGateway) -> None:
    with Cartesia(**options(gateway)) as client:
        socket = client.tts.websocket_connect(**token(gateway)).enter()
        try:
            context = socket.context(**CONTEXT)
            context.send(transcript="Once.", model_id="sonic-3.5", voice=VOICE, output_format=RAW, continue_=False)
            assert understood(strict(list(context.receive()))) == "once."
        finally:
            socket.close()


def test_several_contexts_on_one_socket(gateway: LocalGateway) -> None:
    with connected(gateway) as socket:
        contexts = [socket.context(**CONTEXT) for _ in range(3)]
        for number, context in enumerate(contexts):
            context.push(f"Answer number {number}.")
            context.no_more_inputs()
        for number, context in enumerate(contexts):
            events = strict(list(context.receive()))
            assert understood(events) == f"answer number {number}." and events[-1].type == "done"


def test_phonemes(gateway: LocalGateway) -> None:
    with connected(gateway) as socket:
        context = socket.context(**CONTEXT, add_phoneme_timestamps=True)
        context.push("Yes.")
        context.no_more_inputs()
        events = strict(list(context.receive()))
    found = [event.phoneme_timestamps for event in events if event.type == "phoneme_timestamps"]
    assert "".join("".join(times.phonemes) for times in found) == "yes"


@pytest.mark.parametrize(("version", "text"), [("2026-08-14", "Invalid model: "), ("2025-11-04", "None: None")])
def test_an_error_ends_the_context_and_not_the_socket(gateway: LocalGateway, version: str, text: str) -> None:
    with connected(gateway, extra_query={"cartesia_version": version}) as socket:
        bad = socket.context(**{**CONTEXT, "model_id": "sonic-unknown"})
        bad.push("Hello.")
        (error,) = strict(list(bad.receive()))
        assert error.type == "error" and error.error.startswith(text) and error.status_code == 400
        good = socket.context(**CONTEXT)
        good.push("Hello.")
        good.no_more_inputs()
        assert understood(strict(list(good.receive()))) == "hello."


def test_a_cancelled_answer_ends_early() -> None:
    with LocalGateway(pace=Pace(first_token_ms=0, audio_speed=2)) as slow, connected(slow) as socket:
        context = socket.context(**CONTEXT)
        context.push("A very long answer that nobody wants to hear to its end, as it goes on for ever and ever.")
        context.no_more_inputs()
        heard = []
        for event in context.receive():
            heard.append(event)
            if len(heard) == 2:
                context.cancel()
        assert strict(heard)[-1].type == "done" and len(heard) < 12


def test_the_key_in_the_query_and_no_header(gateway: LocalGateway) -> None:
    headers = {**token(gateway)["extra_headers"], "Authorization": omit, "cartesia-version": omit}
    query = {"cartesia_version": "2024-06-10", "api_key": "sk_car_x"}
    with connected(gateway, extra_headers=headers, extra_query=query) as socket:
        context = socket.context(**CONTEXT)
        context.push("Hello.")
        context.no_more_inputs()
        assert understood(strict(list(context.receive()))) == "hello."


def test_the_token_as_subprotocol(gateway: LocalGateway) -> None:
    offer = {"subprotocols": [f"cf-aig-authorization.{gateway.token}"]}
    with connected(gateway, extra_headers={}, websocket_connection_options=offer) as socket:
        context = socket.context(**CONTEXT)
        context.push("Hello.")
        context.no_more_inputs()
        assert strict(list(context.receive()))[-1].type == "done"


def test_another_services_key_is_refused(gateway: LocalGateway) -> None:
    with Cartesia(**{**options(gateway), "api_key": "sk_other"}) as client:
        with pytest.raises(InvalidStatus, match="401"), client.tts.websocket_connect(**token(gateway)):
            pass


@on_a_loop
async def test_the_async_client(gateway: LocalGateway) -> None:
    async with AsyncCartesia(**options(gateway)) as client:
        async with client.tts.websocket_connect(**token(gateway)) as socket:
            first, second = (socket.context(**CONTEXT, add_timestamps=True) for _ in range(2))
            await first.push("The first answer.")
            await second.push("The second answer.")
            await first.no_more_inputs()
            await second.no_more_inputs()
            for context, words in ((second, "the second answer."), (first, "the first answer.")):
                events = strict([event async for event in context.receive()])
                assert understood(events) == words and events[-1].type == "done"


@asynccontextmanager
async def connected_async(gateway: LocalGateway, **named: Any) -> AsyncIterator[Any]:
    async with AsyncCartesia(**options(gateway)) as client:
        async with client.tts.websocket_connect(**{**token(gateway), **named}) as socket:
            yield socket


@on_a_loop
async def test_the_async_client_flushes(gateway: LocalGateway) -> None:
    async with connected_async(gateway) as socket:
        context = socket.context(**CONTEXT, add_timestamps=True, add_phoneme_timestamps=True)
        await context.push("Hi there. ")
        await context.push("", flush=True)
        await context.push("Bye.")
        await context.no_more_inputs()
        events = strict([event async for event in context.receive()])
    flushed = [event.type for event in events].index("flush_done")
    assert understood(events[:flushed]) == "hi there." and understood(events[flushed:]) == "bye."
    assert {event.type for event in events} == MODELS.keys() - {"error"}


@on_a_loop
async def test_the_async_client_cancels_one_answer_and_hears_the_next() -> None:
    with LocalGateway(pace=Pace(first_token_ms=0, audio_speed=2)) as slow:
        async with connected_async(slow) as socket:
            first, second = socket.context(**CONTEXT), socket.context(**CONTEXT)
            await first.push("A very long answer that nobody wants to hear to its end, as it goes on and on.")
            await first.no_more_inputs()
            async for event in first.receive():
                assert strict([event])[0].type == "chunk"
                break
            await first.cancel()
            await second.push("Short.")
            await second.no_more_inputs()
            events = strict([event async for event in second.receive()])
    assert understood(events) == "short." and events[-1].type == "done"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_id": "sonic-unknown"}, "Invalid model"),
        ({"output_format": {**RAW, "container": "wav"}}, "output_format"),
        ({"output_format": {**RAW, "sample_rate": 7}}, "output_format"),
    ],
)
@on_a_loop
async def test_the_async_client_is_told_what_is_wrong(
    gateway: LocalGateway, changed: dict[str, Any], words: str
) -> None:
    async with connected_async(gateway) as socket:
        bad = socket.context(**{**CONTEXT, **changed})
        await bad.push("Hello.")
        (error,) = strict([event async for event in bad.receive()])
        assert error.status_code == 400 and words in error.error
        good = socket.context(**CONTEXT)
        await good.push("Hello.")
        await good.no_more_inputs()
        assert understood(strict([event async for event in good.receive()])) == "hello."
