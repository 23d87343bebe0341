"""The official ElevenLabs SDK, unmodified: whole conversations, sync and async, and streamed speech."""

from __future__ import annotations

import asyncio
import functools
import json
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests.frames import FrameTap
from tests.sdk.calling import on_a_loop
from tests.speech import spoken, understood

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK names what websockets gives up
    from elevenlabs.client import ElevenLabs
    from elevenlabs.conversational_ai import conversation as module
    from elevenlabs.conversational_ai.conversation import (
        AsyncAudioInterface,
        AsyncConversation,
        AudioInterface,
        ClientTools,
        Conversation,
        ConversationInitiationData,
    )
    from elevenlabs.core.api_error import ApiError
    from elevenlabs.types import VoiceSettings

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.filterwarnings("ignore:ConnectionClosed.code is deprecated:DeprecationWarning"),  # the SDK's use
]

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
ADD = {
    "name": "add",
    "description": "Add two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
VARIABLES = {"client_tools": json.dumps([ADD])}


@pytest.fixture
def public() -> Iterator[LocalGateway]:
    """A gateway without a token: the SDK has no place for one."""
    with LocalGateway(pace=AT_ONCE, authentication=False) as running:
        yield running


@pytest.fixture
def client(public: LocalGateway) -> Iterator[ElevenLabs]:
    with httpx.Client() as http:
        yield ElevenLabs(api_key="xi", base_url=f"{public.url}/elevenlabs".replace("ws:", "http:"), httpx_client=http)


class Speaker(AudioInterface):
    """What the SDK calls the sound card."""

    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.cuts = 0
        self.feed: Callable[[bytes], None] | None = None

    def start(self, input_callback: Callable[[bytes], None]) -> None:
        self.feed = input_callback

    def stop(self) -> None:
        self.feed = None

    def output(self, audio: bytes) -> None:
        self.played.append(audio)

    def interrupt(self) -> None:
        self.cuts += 1

    def understood(self) -> str:
        return understood(b"".join(self.played))


class Talk:
    """A conversation of the SDK's with all that it called back."""

    def __init__(self, client: ElevenLabs, agent_id: str = "agent_1", **named: Any) -> None:
        self.said: list[str] = []
        self.heard: list[str] = []
        self.corrected: list[tuple[str, str]] = []
        self.latencies: list[int] = []
        self.letters: list[str] = []
        self.gone: list[Any] = []
        self.speaker = Speaker()
        self.sdk = Conversation(
            client,
            agent_id,
            **{"requires_auth": False, "audio_interface": self.speaker, **named},
            callback_agent_response=self.said.append,
            callback_user_transcript=self.heard.append,
            callback_agent_response_correction=lambda original, corrected: self.corrected.append((original, corrected)),
            callback_latency_measurement=self.latencies.append,
            callback_audio_alignment=lambda alignment: self.letters.extend(alignment.chars),
            callback_disconnect=self.gone.append,
        )

    def __enter__(self) -> Talk:
        self.sdk.start_session()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sdk.end_session()
        assert (self.sdk.wait_for_session_end() or "").startswith("conv_") or self.gone


def until(check: Callable[[], Any], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)


@pytest.mark.parametrize("requires_auth", [False, True])
def test_a_whole_conversation(client: ElevenLabs, requires_auth: bool) -> None:
    tools = ClientTools()
    tools.register("add", lambda given: str(given["a"] + given["b"]))
    opening = ConversationInitiationData(dynamic_variables=VARIABLES)
    with Talk(client, requires_auth=requires_auth, client_tools=tools, config=opening) as talk:
        until(lambda: talk.said and talk.speaker.understood() == "hello! how can i help you?" and talk.speaker.feed)
        assert "".join(talk.letters) == talk.said[0] == "Hello! How can I help you?"
        talk.speaker.played.clear()
        assert talk.speaker.feed is not None
        talk.speaker.feed(spoken("what is 2 plus 3", silence_ms=800))
        until(lambda: talk.speaker.understood() == "2 + 3 is 5.")
        assert talk.heard == ["what is 2 plus 3"] and talk.said[-1] == "2 + 3 is 5."
        talk.sdk.send_contextual_update("The user reads page 3.")
        talk.sdk.register_user_activity()
        talk.sdk.send_user_message("Use add with a 20 and b 22.")
        until(lambda: "42" in talk.said[-1])
        assert talk.gone == []
    assert talk.gone[0].reason == "user"


def test_a_private_agent_lets_in_whoever_has_a_signed_url(client: ElevenLabs) -> None:
    with Talk(client, "agent_private", requires_auth=True) as talk:
        until(lambda: talk.said)
    with Talk(client, "agent_private", requires_auth=False) as talk:
        until(lambda: talk.gone)
    assert talk.gone[0].close_code == 3000 and talk.said == []


def test_the_agent_is_interrupted() -> None:
    pace = Pace(first_token_ms=0, audio_speed=2)
    with LocalGateway(pace=pace, authentication=False) as slow, httpx.Client() as http:
        base = f"{slow.url}/elevenlabs".replace("ws:", "http:")
        talking = ElevenLabs(api_key="xi", base_url=base, httpx_client=http)
        override = {"agent": {"first_message": "This is a long greeting that goes on and on until somebody stops it."}}
        with Talk(talking, config=ConversationInitiationData(conversation_config_override=override)) as talk:
            until(lambda: talk.speaker.played and talk.speaker.feed)
            assert talk.speaker.feed is not None
            talk.speaker.feed(spoken("what is 2 plus 3", silence_ms=800))
            until(lambda: talk.corrected and talk.said[-1] == "2 + 3 is 5.")
            original, corrected = talk.corrected[0]
            assert original == override["agent"]["first_message"] and corrected.endswith("...")
            assert talk.speaker.cuts == 1


def test_the_latency_is_measured_by_pings(client: ElevenLabs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigw_notebook.gateway.emulators.elevenlabs_agent.PING_MS", 50.0)
    with Talk(client) as talk:
        until(lambda: any(isinstance(ms, int) for ms in talk.latencies))


def test_a_conversation_in_writing(client: ElevenLabs) -> None:
    with Talk(client, audio_interface=None) as talk:
        until(lambda: talk.said)
        talk.sdk.send_user_message("What is 17 times 3?")
        until(lambda: "51" in talk.said[-1])
        assert talk.speaker.played == []


def test_a_refused_override_ends_the_session(client: ElevenLabs) -> None:
    opening = ConversationInitiationData(conversation_config_override={"tts": {"voice_id": "v"}})
    with Talk(client, "agent_locked", config=opening) as talk:
        until(lambda: talk.gone)
    assert talk.gone[0].close_code == 1008 and "voice_id is not allowed" in talk.gone[0].close_reason


def test_the_gateway_route_with_its_token_and_key(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    class Routed(Conversation):
        def _get_wss_url(self) -> str:
            return f"{gateway.url}/elevenlabs?agent_id=agent_private"

    offered = ["xi-api-key.any", f"cf-aig-authorization.{gateway.token}"]
    monkeypatch.setattr(module, "connect", functools.partial(module.connect, subprotocols=offered))
    said: list[str] = []
    with httpx.Client() as http:
        sdk = ElevenLabs(api_key="xi", base_url="http://127.0.0.1:1", httpx_client=http)
        talk = Routed(sdk, "agent_private", requires_auth=False, callback_agent_response=said.append)
        talk.start_session()
        until(lambda: said)
        talk.end_session()
        talk.wait_for_session_end()


class AsyncSpeaker(AsyncAudioInterface):
    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.feed: Callable[[bytes], Awaitable[None]] | None = None

    async def start(self, input_callback: Callable[[bytes], Awaitable[None]]) -> None:
        self.feed = input_callback

    async def stop(self) -> None:
        self.feed = None

    async def output(self, audio: bytes) -> None:
        self.played.append(audio)

    async def interrupt(self) -> None:
        self.played.clear()


@on_a_loop
async def test_the_async_conversation(client: ElevenLabs) -> None:
    said: list[str] = []
    heard: list[str] = []

    async def respond(text: str) -> None:
        said.append(text)

    async def hear(text: str) -> None:
        heard.append(text)

    speaker = AsyncSpeaker()
    talk = AsyncConversation(
        client,
        "agent_1",
        requires_auth=True,
        audio_interface=speaker,
        callback_agent_response=respond,
        callback_user_transcript=hear,
    )
    await talk.start_session()
    while not (said and speaker.feed):
        await asyncio.sleep(0.005)
    await speaker.feed(spoken("what is 2 plus 3", silence_ms=800))
    while "2 + 3 is 5." not in said:
        await asyncio.sleep(0.005)
    await talk.send_user_message("What is 17 times 3?")
    while "51" not in said[-1]:
        await asyncio.sleep(0.005)
    await talk.end_session()
    assert heard == ["what is 2 plus 3"] and (await talk.wait_for_session_end() or "").startswith("conv_")


class AsyncTalk:
    """An async conversation of the SDK's with all that it called back."""

    def __init__(self, client: ElevenLabs, agent_id: str = "agent_1", **named: Any) -> None:
        self.said: list[str] = []
        self.corrected: list[tuple[str, str]] = []
        self.gone: list[Any] = []
        self.speaker = AsyncSpeaker()
        self.sdk = AsyncConversation(
            client,
            agent_id,
            **{"requires_auth": False, "audio_interface": self.speaker, **named},
            callback_agent_response=self._say,
            callback_agent_response_correction=self._correct,
            callback_disconnect=self._go,
        )

    async def _say(self, text: str) -> None:
        self.said.append(text)

    async def _correct(self, original: str, corrected: str) -> None:
        self.corrected.append((original, corrected))

    async def _go(self, details: Any) -> None:
        self.gone.append(details)

    async def __aenter__(self) -> AsyncTalk:
        await self.sdk.start_session()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.sdk.end_session()
        await self.sdk.wait_for_session_end()


async def come(check: Callable[[], Any]) -> None:
    """Wait until it is so; the test's own limit ends the wait."""
    while not check():
        await asyncio.sleep(0.005)


@on_a_loop
async def test_the_async_conversation_calls_tools_and_tells_of_their_errors(client: ElevenLabs) -> None:
    async def add(given: dict[str, Any]) -> str:
        return str(given["a"] + given["b"])

    tools = ClientTools()
    tools.register("add", add, is_async=True)
    opening = ConversationInitiationData(dynamic_variables=VARIABLES)
    async with AsyncTalk(client, client_tools=tools, config=opening) as talk:
        await come(lambda: talk.said)
        await talk.sdk.send_contextual_update("The user reads page 3.")
        await talk.sdk.register_user_activity()
        await talk.sdk.send_user_message("Use add with a 20 and b 22.")
        await come(lambda: "42" in talk.said[-1])
        assert talk.gone == []


@on_a_loop
async def test_a_tool_that_fails_is_an_answer_too(client: ElevenLabs, frames: FrameTap) -> None:
    def add(given: dict[str, Any]) -> str:
        raise ArithmeticError("too hard")

    tools = ClientTools()
    tools.register("add", add)
    opening = ConversationInitiationData(dynamic_variables=VARIABLES)
    async with AsyncTalk(client, client_tools=tools, config=opening) as talk:
        await come(lambda: talk.said)
        before = len(talk.said)
        await talk.sdk.send_user_message("Use add with a 20 and b 22.")
        await come(lambda: any("agent_tool_response" in str(frame) for frame in frames.server))
        await come(lambda: len(talk.said) > before and "42" not in talk.said[-1])
    (told,) = (json.loads(frame) for frame in frames.server if '"agent_tool_response"' in str(frame))
    assert told["agent_tool_response"]["is_error"] is True


@on_a_loop
async def test_the_async_agent_is_interrupted() -> None:
    with LocalGateway(pace=Pace(first_token_ms=0, audio_speed=2), authentication=False) as slow, httpx.Client() as http:
        base = f"{slow.url}/elevenlabs".replace("ws:", "http:")
        talking = ElevenLabs(api_key="xi", base_url=base, httpx_client=http)
        words = "This is a long greeting that goes on and on until somebody stops it."
        opening = ConversationInitiationData(conversation_config_override={"agent": {"first_message": words}})
        async with AsyncTalk(talking, config=opening) as talk:
            await come(lambda: talk.speaker.played and talk.speaker.feed)
            assert talk.speaker.feed is not None
            await talk.speaker.feed(spoken("what is 2 plus 3", silence_ms=800))
            await come(lambda: talk.corrected and talk.said[-1] == "2 + 3 is 5.")
    ((original, corrected),) = talk.corrected
    assert original == words and corrected.endswith("...")


@on_a_loop
async def test_a_refused_override_ends_the_async_session(client: ElevenLabs) -> None:
    opening = ConversationInitiationData(conversation_config_override={"tts": {"voice_id": "v"}})
    async with AsyncTalk(client, "agent_locked", config=opening) as talk:
        await come(lambda: talk.gone)
    assert talk.gone[0].close_code == 1008 and talk.said == []


@pytest.mark.parametrize("agent_id", ["agent_unknown", "agent_private"])
def test_an_agent_that_lets_nobody_in(client: ElevenLabs, agent_id: str) -> None:
    with Talk(client, agent_id) as talk:
        until(lambda: talk.gone)
    assert talk.gone[0].close_code == 3000 and talk.said == []


# --------------------------------------------------------------------------------------------------- text to speech


@pytest.fixture
def speech(client: ElevenLabs, public: LocalGateway) -> Any:
    client.text_to_speech._ws_base_url = f"{public.url}/elevenlabs"
    return client.text_to_speech


def test_streamed_speech(speech: Any) -> None:
    text = iter(["Hello there, ", "friend. ", "This is a longer piece of text that will be spoken in several parts."])
    settings = VoiceSettings(speed=1.0, stability=0.5)
    pieces = speech.convert_realtime(
        "v1", text=text, model_id="eleven_flash_v2_5", output_format="pcm_16000", voice_settings=settings
    )
    heard = understood(b"".join(pieces))
    assert heard == "hello there, friend. this is a longer piece of text that will be spoken in several parts."


def test_the_default_format_is_refused_in_band(speech: Any) -> None:
    with pytest.raises(ApiError) as refused:
        list(speech.convert_realtime("v1", text=iter(["Hello."])))
    assert refused.value.status_code == 1008 and refused.value.body["error"] == "unsupported_output_format"


def test_a_voice_that_is_not_there(speech: Any) -> None:
    with pytest.raises(ApiError) as refused:
        list(speech.convert_realtime("unknown", text=iter(["Hello."]), output_format="pcm_16000"))
    assert refused.value.body["error"] == "voice_id_does_not_exist"


def test_streamed_speech_with_the_gateways_token(gateway: LocalGateway) -> None:
    with httpx.Client() as http:
        speech: Any = ElevenLabs(api_key="xi", base_url="http://127.0.0.1:1", httpx_client=http).text_to_speech
        speech._ws_base_url = f"{gateway.url}/elevenlabs"
        headers = {"additional_headers": {"cf-aig-authorization": f"Bearer {gateway.token}"}}
        pieces = speech.convert_realtime(
            "v1", text=iter(["Hello."]), output_format="pcm_16000", request_options=headers
        )
        assert understood(b"".join(pieces)) == "hello."


def test_a_key_that_is_refused_in_band(public: LocalGateway) -> None:
    with httpx.Client() as http:
        speech: Any = ElevenLabs(api_key="invalid", base_url="http://127.0.0.1:1", httpx_client=http).text_to_speech
        speech._ws_base_url = f"{public.url}/elevenlabs"
        with pytest.raises(ApiError) as refused:
            list(speech.convert_realtime("v1", text=iter(["Hello."]), output_format="pcm_16000"))
    assert refused.value.status_code == 1008 and refused.value.body["error"] == "invalid_api_key"


@pytest.mark.parametrize(("name", "sample_rate"), [("pcm_8000", 8_000), ("pcm_24000", 24_000), ("pcm_44100", 44_100)])
def test_streamed_speech_in_other_formats(speech: Any, name: str, sample_rate: int) -> None:
    pieces = speech.convert_realtime("v1", text=iter(["Hello there."]), output_format=name)
    assert understood(b"".join(pieces), sample_rate) == "hello there."
