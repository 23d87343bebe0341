"""The official SDK's Live client, unmodified, in conversations with the embedded gateway. Every frame is judged."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

import pytest
import trustme
from google import genai
from google.genai import errors, types
from google.genai.live import AsyncSession
from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aigw_notebook.gateway.emulators import google as emulator_module
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests.gateway.emulators.google_driver import understood
from tests.sdk_google import plain_sockets
from tests.speech import letters, spoken

pytestmark = pytest.mark.sdk

MODEL = "gemini-3.8-live"
SPEAKS: dict[str, Any] = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
LIMIT_S = 30.0
SLOW = Pace(first_token_ms=0, text_delta_ms=1_000, audio_speed=0.5)
"""So slow that what the client says while an answer runs comes while it runs."""

ADD = types.FunctionDeclaration(
    name="add",
    description="Add two numbers.",
    behavior=types.Behavior.BLOCKING,
    parameters=types.Schema(
        type=types.Type.OBJECT,
        properties={
            "the_first": types.Schema(type=types.Type.INTEGER),
            "the_second": types.Schema(type=types.Type.INTEGER),
        },
        required=["the_first", "the_second"],
    ),
)


@pytest.fixture(autouse=True)
def without_tls() -> Iterator[None]:
    """Plain sockets for the SDK."""
    with plain_sockets():
        yield


@pytest.fixture
def slow_gateway() -> Iterator[LocalGateway]:
    with LocalGateway(pace=SLOW) as running:
        yield running


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**fixtures: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(LIMIT_S):
                await test(**fixtures)

        asyncio.run(bounded())

    return run


def client_of(gateway: LocalGateway, **options: Any) -> genai.Client:
    base = f"{gateway.url.replace('ws:', 'http:')}/google"
    token = {"cf-aig-authorization": f"Bearer {gateway.token}"}
    return genai.Client(api_key="AIza-local", http_options={"base_url": base, "headers": token, **options})


@asynccontextmanager
async def live(
    gateway: LocalGateway, *, model: str = MODEL, client: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[AsyncSession]:
    """An open session that speaks with its words beside; `config` changes that."""
    settings = types.LiveConnectConfig(**{**SPEAKS, **config})
    async with client_of(gateway, **(client or {})).aio.live.connect(model=model, config=settings) as session:
        yield session


async def heard(session: AsyncSession) -> list[types.LiveServerMessage]:
    """The messages up to the end of the turn, as the SDK sees it."""
    return [message async for message in session.receive()]


async def ask(session: AsyncSession, text: str) -> list[types.LiveServerMessage]:
    await say(session, text)
    return await heard(session)


async def say(session: AsyncSession, text: str) -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))


async def stream(session: AsyncSession, pcm16: bytes, *, rate: int = 16_000) -> None:
    for start in range(0, len(pcm16), 1_280):
        blob = types.Blob(data=pcm16[start : start + 1_280], mime_type=f"audio/pcm;rate={rate}")
        await session.send_realtime_input(audio=blob)


def words(messages: list[types.LiveServerMessage], name: str = "output_transcription") -> str:
    found = [getattr(m.server_content, name) for m in messages if m.server_content]
    return "".join(each.text or "" for each in found if each)


def sound(messages: list[types.LiveServerMessage]) -> bytes:
    return b"".join(message.data or b"" for message in messages)


def flags(messages: list[types.LiveServerMessage]) -> list[str]:
    names = ("interrupted", "generation_complete", "turn_complete")
    return [name for m in messages if m.server_content for name in names if getattr(m.server_content, name)]


# ------------------------------------------------------------------------------------------------------- the turns


@on_a_loop
async def test_a_text_turn_says_what_its_transcript_says(gateway: LocalGateway) -> None:
    async with live(gateway, system_instruction="Be kind.") as session:
        messages = await ask(session, "What is the capital of Portugal?")
        assert "Lisbon" in words(messages)
        assert understood(sound(messages)) == letters(words(messages))
        assert flags(messages) == ["generation_complete", "turn_complete"]
        usage = messages[-1].usage_metadata
        assert usage is not None and usage.total_token_count == usage.prompt_token_count + usage.response_token_count
        (made,) = usage.response_tokens_details
        assert made.modality == "AUDIO" and made.token_count == usage.response_token_count > 0
        assert "capital" in words(await ask(session, "What did I just say?"))


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@on_a_loop
async def test_every_api_version(gateway: LocalGateway, version: str) -> None:
    base = {"base_url": f"{gateway.url.replace('ws:', 'http:')}/google/", "api_version": version}
    async with live(gateway, client=base) as session:
        assert "4" in words(await ask(session, "What is 2 plus 2?"))


@on_a_loop
async def test_the_gateways_token_as_subprotocol(gateway: LocalGateway) -> None:
    offered = {"subprotocols": [f"cf-aig-authorization.{gateway.token}"]}
    async with live(gateway, client={"headers": {}, "async_client_args": offered}) as session:
        assert "4" in words(await ask(session, "What is 2 plus 2?"))


@on_a_loop
async def test_a_voice_turn_that_the_service_ends(gateway: LocalGateway) -> None:
    async with live(gateway, input_audio_transcription={}) as session:
        await stream(session, bytes(32 * 200) + spoken("what is 2 plus 2?", silence_ms=800))
        messages = await heard(session)
        assert letters(words(messages, "input_transcription")) == "whatis2plus2"
        assert "4" in words(messages) and understood(sound(messages)) == letters(words(messages))


@on_a_loop
async def test_an_audio_turn_that_the_microphones_end_ends(gateway: LocalGateway) -> None:
    async with live(gateway, input_audio_transcription={}) as session:
        await stream(session, spoken("what is 3 plus 4?", 24_000), rate=24_000)
        await session.send_realtime_input(audio_stream_end=True)
        messages = await heard(session)
        assert letters(words(messages, "input_transcription")) == "whatis3plus4" and "7" in words(messages)


@on_a_loop
async def test_push_to_talk(gateway: LocalGateway) -> None:
    detection = {"automatic_activity_detection": {"disabled": True}}
    async with live(gateway, input_audio_transcription={}, realtime_input_config=detection) as session:
        await session.send_realtime_input(activity_start=types.ActivityStart())
        await stream(session, spoken("what is 3 plus 5?", silence_ms=900) + spoken("please"))
        await session.send_realtime_input(activity_end=types.ActivityEnd())
        messages = await heard(session)
        assert letters(words(messages, "input_transcription")) == "whatis3plus5please" and "8" in words(messages)


@on_a_loop
async def test_written_input_in_realtime_and_a_picture(gateway: LocalGateway) -> None:
    async with live(gateway) as session:
        await session.send_realtime_input(video=types.Blob(data=b"\xff\xd8\xff..", mime_type="image/jpeg"))
        await session.send_realtime_input(text="What do you see?")
        assert "picture" in words(await heard(session))


@on_a_loop
async def test_the_model_that_writes_down_what_it_hears(gateway: LocalGateway) -> None:
    writes = {"response_modalities": ["TEXT"], "output_audio_transcription": None}
    async with live(gateway, model="gemini-3.5-transcribe-live", **writes) as session:
        await stream(session, spoken("the quick brown fox"))
        await session.send_realtime_input(audio_stream_end=True)
        assert "".join(message.text or "" for message in await heard(session)) == "the quick brown fox"


# ------------------------------------------------------------------------------------------------------------ tools


@on_a_loop
async def test_a_function_call_with_its_result(gateway: LocalGateway) -> None:
    async with live(gateway, tools=[{"function_declarations": [ADD]}, {"google_search": {}}]) as session:
        await say(session, "Add 4 and 5, please")
        messages = []
        async for message in session.receive():
            messages.append(message)
            if message.tool_call:
                (called,) = message.tool_call.function_calls
                assert called.args == {"the_first": 4, "the_second": 5}
                result = types.FunctionResponse(id=called.id, name=called.name, response={"the_sum": 9})
                await session.send_tool_response(function_responses=result)
        assert "the sum is 9" in words(messages) and flags(messages) == ["generation_complete", "turn_complete"]


@on_a_loop
async def test_a_call_for_which_the_model_does_not_wait(gateway: LocalGateway) -> None:
    function = ADD.model_copy(update={"behavior": types.Behavior.NON_BLOCKING})
    async with live(gateway, tools=[{"function_declarations": [function]}]) as session:
        messages = await ask(session, "Add 4 and 5")
        (called,) = next(message.tool_call.function_calls for message in messages if message.tool_call)
        assert flags(messages) == ["generation_complete", "turn_complete"]
        response = {"output": 9, "scheduling": "WHEN_IDLE"}
        result = types.FunctionResponse(id=called.id, name="add", response=response)
        await session.send_tool_response(function_responses=result)
        assert "9" in words(await heard(session))


@on_a_loop
async def test_an_interruption_takes_a_call_back(gateway: LocalGateway) -> None:
    async with live(gateway, tools=[{"function_declarations": [ADD]}]) as session:
        await say(session, "Add 4 and 5")
        async for message in session.receive():
            if message.tool_call:
                ids = [call.id for call in message.tool_call.function_calls]
                break
        messages = await ask(session, "What is 2 plus 2?")
        assert messages[0].tool_call_cancellation.ids == ids
        assert flags(messages) == ["interrupted", "turn_complete"]
        assert "4" in words(await heard(session))


# --------------------------------------------------------------------------------------------------- interruptions


@on_a_loop
async def test_the_user_interrupts_by_speaking(slow_gateway: LocalGateway) -> None:
    async with live(slow_gateway, input_audio_transcription={}) as session:
        await say(session, "Tell me a story")
        messages = []
        async for message in session.receive():
            messages.append(message)
            if message.data and len(messages) < 5:
                await stream(session, spoken("stop"))
        assert flags(messages) == ["interrupted", "turn_complete"]
        assert messages[-1].usage_metadata is not None


@on_a_loop
async def test_a_message_interrupts_and_a_voice_that_may_not_does_not(slow_gateway: LocalGateway) -> None:
    async with live(slow_gateway, realtime_input_config={"activity_handling": "NO_INTERRUPTION"}) as session:
        await say(session, "Tell me a story")
        receiving = session.receive()
        async for message in receiving:
            if message.data:
                break
        await stream(session, spoken("stop"))
        await say(session, "Say yes.")
        assert flags([message async for message in receiving]) == ["interrupted", "turn_complete"]


# ------------------------------------------------------------------------------------------------------ resumption


@on_a_loop
async def test_a_session_taken_up_again(gateway: LocalGateway) -> None:
    resumption = types.SessionResumptionConfig()
    async with live(gateway, session_resumption=resumption) as session:
        await ask(session, "My name is Ada.")
        update = (await ask(session, "Hello"))[0].session_resumption_update
        assert update is not None and update.resumable and update.new_handle
    resumption = types.SessionResumptionConfig(handle=update.new_handle)
    async with live(gateway, session_resumption=resumption) as session:
        assert "Ada" in words(await ask(session, "What is my name?"))


@on_a_loop
async def test_a_session_changed_while_it_runs(gateway: LocalGateway) -> None:
    async with live(gateway) as session:
        await session._ws.send('{"contextUpdate": {"systemInstruction": {"parts": [{"text": "Use capital letters"}]}}}')
        assert words(await ask(session, "Say hello")) == "HELLO"


@on_a_loop
async def test_a_session_that_is_told_to_go_is_taken_up_again(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(emulator_module.GoogleEmulator):
        limit_s = 1.0

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named, session_limit_s=self.limit_s, warning_s=self.limit_s / 2)

    monkeypatch.setattr(emulator_module, "EMULATOR", Short)
    told: list[types.LiveServerMessage] = []
    async with live(gateway, session_resumption=types.SessionResumptionConfig()) as session:
        await say(session, "My name is Ada.")
        with pytest.raises(errors.APIError) as ended:
            while True:
                async for message in session.receive():
                    told.append(message)
    (leaving,) = (message.go_away for message in told if message.go_away)
    assert leaving.time_left == "0.5s" and ended.value.code == 1011
    Short.limit_s = 600.0
    handle = next(m.session_resumption_update.new_handle for m in told if m.session_resumption_update)
    async with live(gateway, session_resumption=types.SessionResumptionConfig(handle=handle)) as session:
        assert "Ada" in words(await ask(session, "What is my name?"))


# ---------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("model", "config", "code", "reason"),
    [
        ("gemini-2.5-flash", {}, 1008, "models/gemini-2.5-flash is not found for API version v1beta"),
        (MODEL, {"session_resumption": {"handle": "stale"}}, 1008, "Requested entity was not found."),
        (MODEL, {"response_modalities": ["TEXT"]}, 1007, "Request contains an invalid argument."),
        (
            MODEL,
            {"speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Bob"}}}},
            1007,
            "Request contains an invalid argument.",
        ),
        (
            MODEL,
            {
                "response_modalities": ["TEXT"],
                "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}},
            },
            1007,
            "Cannot extract voices from a non-audio request.",
        ),
    ],
)
@on_a_loop
async def test_a_refused_setup(
    gateway: LocalGateway, model: str, config: dict[str, Any], code: int, reason: str
) -> None:
    with pytest.raises(errors.APIError) as raised:
        async with live(gateway, model=model, **config):
            raise AssertionError("the setup was taken")
    assert raised.value.code == code and str(raised.value.details).startswith(reason)


@on_a_loop
async def test_an_error_in_a_session_ends_it(gateway: LocalGateway) -> None:
    async with live(gateway) as session:
        result = types.FunctionResponse(id="nobody", name="add", response={"output": 1})
        await session.send_tool_response(function_responses=result)
        with pytest.raises(errors.APIError) as raised:
            await heard(session)
        assert raised.value.code == 1008


@on_a_loop
async def test_a_wrong_token_and_an_unknown_path(gateway: LocalGateway) -> None:
    with pytest.raises(InvalidStatus) as raised:
        async with live(gateway, client={"headers": {"cf-aig-authorization": "Bearer wrong"}}):
            raise AssertionError("the token was taken")
    assert raised.value.response.status_code == 401
    with pytest.raises(InvalidStatus) as raised:
        async with live(gateway, client={"api_version": "v9"}):
            raise AssertionError("the path was served")
    assert raised.value.response.status_code == 400


# -------------------------------------------------------------------------------------------------------- over TLS


@asynccontextmanager
async def behind_tls(gateway: LocalGateway) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """A TLS front for the gateway: its address and a context that trusts it."""
    authority = trustme.CA()
    own, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(own)
    authority.configure_trust(trusting)

    async def pass_on(client: ServerConnection) -> None:
        assert client.request is not None
        url = f"ws://{gateway.url.split('/')[2]}{client.request.path}"
        token = {"cf-aig-authorization": f"Bearer {gateway.token}"}
        async with dial(url, additional_headers=token, proxy=None) as upstream:
            back = asyncio.create_task(_copy(upstream, client))
            await _copy(client, upstream)
            back.cancel()

    async with serve(pass_on, "127.0.0.1", 0, ssl=own) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"https://localhost:{port}/v1/{'/'.join(gateway.url.split('/')[4:])}/google", trusting


async def _copy(source: Any, target: Any) -> None:
    try:
        async for message in source:
            await target.send(message)
    except ConnectionClosed:
        return


@on_a_loop
async def test_the_sdk_with_nothing_replaced_over_tls(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.genai.live.ws_connect", dial)  # what it is without `plain_sockets`
    async with behind_tls(gateway) as (base, context):
        options = {"base_url": base, "async_client_args": {"ssl": context}}
        client = genai.Client(api_key="AIza-local", http_options=options)
        async with client.aio.live.connect(model=MODEL, config=types.LiveConnectConfig(**SPEAKS)) as session:
            assert "4" in words(await ask(session, "What is 2 plus 2?"))
