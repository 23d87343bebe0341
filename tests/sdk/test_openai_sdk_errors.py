"""What the official SDK sees when something is wrong: the error event, and the close if that ends the session."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from aigw_notebook.gateway.emulators import openai as emulator_module
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests.sdk.calling import MODEL, Call, call, deltas, letters, on_a_loop, one, options, spoken, types

pytestmark = pytest.mark.sdk

SLOW = Pace(first_token_ms=0, text_delta_ms=1_000, audio_speed=0.5)


@pytest.fixture
def slow_gateway() -> Any:
    with LocalGateway(pace=SLOW) as running:
        yield running


async def refusal(connecting: Any) -> tuple[Any, int, str]:
    """The only event of a session that is refused after the upgrade, and how it is closed."""
    async with connecting as connection:
        event = await connection.recv()
        assert event.type == "error"
        with pytest.raises(ConnectionClosedError) as ended:
            async for _ in connection:
                raise AssertionError("something followed the refusal")
        assert ended.value.rcvd is not None
        return event.error, ended.value.rcvd.code, ended.value.rcvd.reason


# --------------------------------------------------------------------------------------------- refused at the start


@on_a_loop
async def test_the_beta_client(gateway: LocalGateway) -> None:
    async with AsyncOpenAI(**options(gateway)) as sdk:
        connecting = sdk.beta.realtime.connect(model=MODEL, extra_headers=options(gateway)["default_headers"])
        error, code, reason = await refusal(connecting)
        assert (error.code, code) == ("beta_api_shape_disabled", 4000)
        assert reason == "invalid_request_error.beta_api_shape_disabled"
        assert error.message.startswith("The Realtime Beta API is no longer supported.")


@on_a_loop
async def test_a_bad_key(gateway: LocalGateway) -> None:
    async with AsyncOpenAI(**options(gateway, api_key="planted-bad-key-0123456789")) as sdk:
        error, code, reason = await refusal(sdk.realtime.connect(model=MODEL))
    assert (error.code, code, reason) == ("invalid_api_key", 3000, "invalid_request_error.invalid_api_key")
    assert "planted" not in error.message


@on_a_loop
async def test_a_bad_key_as_a_subprotocol(gateway: LocalGateway) -> None:
    subprotocols = ["realtime", "openai-insecure-api-key.bad", f"cf-aig-authorization.{gateway.token}"]
    async with AsyncOpenAI(**options(gateway, default_headers={"Authorization": ""})) as sdk:
        connecting = sdk.realtime.connect(model=MODEL, websocket_connection_options={"subprotocols": subprotocols})  # type: ignore[typeddict-item]
        error, code, _ = await refusal(connecting)
    assert (error.code, code) == ("invalid_api_key", 3000)


@on_a_loop
async def test_no_key_where_one_is_required(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(emulator_module.OpenAIEmulator):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named, require_key=True)

    monkeypatch.setattr(emulator_module, "EMULATOR", Strict)
    headers = {**options(gateway)["default_headers"], "Authorization": ""}
    async with AsyncOpenAI(**options(gateway, default_headers=headers)) as sdk:
        error, code, reason = await refusal(sdk.realtime.connect(model=MODEL))
    assert (error.code, code, reason) == (None, 3000, "invalid_request_error")
    assert error.message == "Missing bearer or basic authentication in header"


@pytest.mark.parametrize(
    ("model", "expected"),
    [("gpt-5.5", "invalid_model"), ("gpt-realtime-whisper", "invalid_model"), ("", "missing_model")],
)
@on_a_loop
async def test_a_bad_model(gateway: LocalGateway, model: str, expected: str) -> None:
    async with AsyncOpenAI(**options(gateway)) as sdk:
        error, code, reason = await refusal(sdk.realtime.connect(model=model))
    assert (error.code, code, reason) == (expected, 4000, f"invalid_request_error.{expected}")


@pytest.mark.parametrize("headers", [{}, {"cf-aig-authorization": "Bearer wrong"}])
@on_a_loop
async def test_a_gateway_token_that_is_wrong_or_missing(gateway: LocalGateway, headers: dict[str, str]) -> None:
    async with AsyncOpenAI(**options(gateway, default_headers=headers)) as sdk:
        with pytest.raises(InvalidStatus) as refused:
            await sdk.realtime.connect(model=MODEL).enter()
    assert refused.value.response.status_code == 401


# ------------------------------------------------------------------------------------------- refused in the session


REFUSED: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "missing session.type": (
        {"type": "session.update", "session": {"instructions": "Be brief."}},
        "missing_required_parameter",
        "session.type",
    ),
    "unknown parameter": (
        {"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}},
        "unknown_parameter",
        "session.temperature",
    ),
    "unknown type": ({"type": "response.text.create"}, "invalid_value", "type"),
    "bad enum": (
        {"type": "session.update", "session": {"type": "realtime", "tool_choice": "maybe"}},
        "invalid_value",
        "session.tool_choice",
    ),
    "low rate": (
        {
            "type": "session.update",
            "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}},
        },
        "integer_below_min_value",
        "session.audio.input.format.rate",
    ),
    "no type": ({"audio": "AAAA"}, "invalid_event", "type"),
    "commit empty": ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
    "cancel nothing": ({"type": "response.cancel"}, "response_cancel_not_active", None),
    "truncate nothing": (
        {"type": "conversation.item.truncate", "item_id": "none", "content_index": 0, "audio_end_ms": 0},
        "item_truncate_invalid_item_id",
        "item_id",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@on_a_loop
async def test_a_message_that_is_refused_ends_nothing(gateway: LocalGateway, case: str) -> None:
    message, code, param = REFUSED[case]
    async with call(gateway) as client:
        await client.sdk.send({**message, "event_id": "mine"})  # type: ignore[misc, arg-type, typeddict-item]
        error = await client.refused()
        assert (error.type, error.code, error.param) == ("invalid_request_error", code, param)
        assert error.event_id == "mine" and error.message
        await goes_on(client)


async def goes_on(client: Call) -> None:
    events = await client.ask("Say hello", output_modalities=["text"])
    assert letters(deltas(events, "response.output_text.delta")) == "hello"


@pytest.mark.parametrize(
    ("frame", "code"),
    [("{not json", "invalid_json"), ("[]", "invalid_event"), ("", "invalid_json"), (b"{}", "invalid_event")],
)
@on_a_loop
async def test_a_frame_that_is_no_event_ends_nothing(gateway: LocalGateway, frame: str | bytes, code: str) -> None:
    async with call(gateway) as client:
        await client.sdk._connection.send(frame)
        assert (await client.refused()).code == code
        await goes_on(client)


@on_a_loop
async def test_a_refused_update_changes_nothing(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        before = await client.configure(instructions="Before.")
        session: Any = {"type": "realtime", "instructions": "After.", "modalities": ["text"]}
        await client.sdk.session.update(session=session)
        assert (await client.refused()).param == "session.modalities"
        assert (await client.configure()).session == before.session


@on_a_loop
async def test_too_little_audio_is_counted(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(audio={"input": {"turn_detection": None}})
        await client.sdk.input_audio_buffer.append(audio=b64encode(bytes(48 * 60)).decode())
        await client.sdk.input_audio_buffer.commit()
        assert "only has 60.00ms" in (await client.refused()).message


@on_a_loop
async def test_a_second_answer_beside_the_first(slow_gateway: LocalGateway) -> None:
    async with call(slow_gateway) as client:
        await client.configure(output_modalities=["text"])
        await client.say({"type": "input_text", "text": "Tell me a story"})
        await client.sdk.response.create()
        first = (await client.until("response.created"))[-1].response.id
        await client.sdk.response.create(event_id="second")
        error = await client.refused()
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "second")
        assert f"in progress: {first}." in error.message
        await client.sdk.response.create(response={"conversation": "none", "input": []})
        assert (await client.until("response.created"))[-1].response.conversation_id is None


@on_a_loop
async def test_truncation_that_cannot_be(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        said = one(await client.ask("Say hello"), "response.done").response.output[0]
        await client.sdk.conversation.item.truncate(item_id=said.id, content_index=0, audio_end_ms=100_000)
        error = await client.refused()
        assert "is already shorter than 100000ms" in error.message and error.param == "audio_end_ms"
        asked = await client.say({"type": "input_text", "text": "Hi"})
        await client.sdk.conversation.item.truncate(item_id=asked, content_index=0, audio_end_ms=0)
        error = await client.refused()
        assert error.code == "unsupported_content_type"
        assert error.message == "Only model output audio messages can be truncated"


@on_a_loop
async def test_the_voice_is_locked_once_it_was_heard(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(audio={"output": {"voice": "cedar"}})
        await client.ask("Say hello")
        await client.sdk.session.update(session={"type": "realtime", "audio": {"output": {"voice": "marin"}}})
        assert (await client.refused()).code == "cannot_update_voice"


# ------------------------------------------------------------------------------------------------------------ the end


@on_a_loop
async def test_an_expired_session_ends_quietly(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(emulator_module.OpenAIEmulator):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named, session_limit_s=0.1)

    monkeypatch.setattr(emulator_module, "EMULATOR", Short)
    async with call(gateway) as client:
        events = [event async for event in client.sdk]
        assert types(events) == ["error"] and events[0].error.code == "session_expired"
        ended = client.sdk._connection
        sentence = "Your session hit the maximum duration of 60 minutes."
        assert (ended.close_code, ended.close_reason) == (1001, sentence)
        assert events[0].error.message == sentence


@on_a_loop
async def test_the_gateway_stops_in_mid_answer(slow_gateway: LocalGateway) -> None:
    async with call(slow_gateway) as client:
        await client.say({"type": "input_text", "text": "Tell me a story"})
        await client.sdk.response.create()
        await client.until("response.output_audio.delta")
        stopping = asyncio.create_task(asyncio.to_thread(slow_gateway.stop))
        async for event in client.sdk:
            assert event.type.startswith("response.output_audio")
        assert client.sdk._connection.close_code == 1001
        await stopping


@on_a_loop
async def test_the_client_leaves_in_mid_sentence(slow_gateway: LocalGateway) -> None:
    async with call(slow_gateway) as client:
        await client.stream(spoken("tell me a"))
        await client.sdk.close(code=1000, reason="enough")
        assert client.sdk._connection.close_code == 1000
    async with call(slow_gateway) as client:
        assert client.created.session.id


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
def test_the_waiting_client_is_refused_too(gateway: LocalGateway) -> None:
    with OpenAI(**options(gateway)) as sdk, sdk.realtime.connect(model="gpt-5.5") as connection:
        assert connection.recv().error.code == "invalid_model"  # type: ignore[union-attr]
        with pytest.raises(ConnectionClosedError) as ended:
            connection.recv()
        assert ended.value.rcvd is not None and ended.value.rcvd.code == 4000
