"""The emulated agent against the wire fixtures and the sheet: turns, interruption, tools, limits, refusals."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from itertools import pairwise
from typing import Any

import pytest

from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.gateway.emulators.elevenlabs import ElevenLabsEmulator
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Listener, Reply, Said, ToolRequest
from tests import speech
from tests.emulation import IN_REAL_TIME, Frame, Player
from tests.wire import flow, flow_names

NOT_ASKED = {"others", "unreadable", "verbatim_audio", "telephone_formats", "text_only_stop_first"}
"""Flows that show what the service may also send, or how; the emulator has one way of its own."""

SILENT = {"conversation_config_override": {"agent": {"first_message": ""}}}


def player(agent_id: str = "agent_1", *, query: dict[str, str] | None = None, **options: Any) -> Player:
    handshake = {"query": {"agent_id": agent_id, **(query or {})}, **options.pop("handshake", {})}
    return Player(ElevenLabsEmulator, "elevenlabs", handshake=handshake, **options)


def begun(opening: dict[str, Any] = SILENT, **options: Any) -> Player:
    """A conversation that has begun; what the agent says first has been taken."""
    client = player(**options)
    client.send(type="conversation_initiation_client_data", **opening)
    client.wait(5_000 if options.get("pace") else 0)
    client.take()
    return client


def say(client: Player, text: str) -> None:
    client.send(type="user_message", text=text)
    client.wait()


def spoken(text: str, silence_ms: int = 800) -> bytes:
    return speech.spoken(text, silence_ms=silence_ms)


def stream(client: Player, data: bytes) -> None:
    for start in range(0, len(data), 3_200):
        client.send(user_audio_chunk=b64encode(data[start : start + 3_200]).decode())
    client.wait()


def understood(frames: list[Frame]) -> str:
    data = b"".join(b64decode(f["audio_event"]["audio_base_64"]) for f in frames if f["type"] == "audio")
    return speech.understood(data)


def numbers(frames: list[Frame]) -> list[int]:
    """The event ids, a run of one as one."""
    found = [next(iter(set(f) - {"type"})) for f in frames]
    ids = [f[name]["event_id"] for f, name in zip(frames, found, strict=True) if "event_id" in f[name]]
    return [a for a, b in pairwise([*ids, 0]) if a != b]


# ------------------------------------------------------------------------------------------------------ fixtures


class Scripted(Listener):
    """Answers as the flow needs it, and hears the same words in whatever it is played."""

    instant = True

    def __init__(self, name: str) -> None:
        calls = tuple(ToolRequest(name="get_weather", arguments={"city": city}) for city in ("Lisbon", "Porto"))
        self.first = Reply(tools=calls) if name == "tools" else Reply(text="Yes, of course I can do that.")

    def answer(self, conversation: list[Said], **options: Any) -> Reply:
        return Reply(text="Sunny, rain.") if any(said.role == "tool" for said in conversation) else self.first

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        return "The quick fox."


@pytest.mark.parametrize("name", [name for name in flow_names("elevenlabs") if name not in NOT_ASKED])
def test_a_flow_is_answered_with_the_same_messages_in_the_same_order(name: str) -> None:
    lines = flow("elevenlabs", name)
    scripted = Scripted(name)
    engines = Engines(responder=scripted, voice=default_engines().voice, listener=scripted)
    client = player(pace=IN_REAL_TIME, engines=engines, handshake=lines[0].handshake or {})
    calls: dict[str, str] = {}
    for line, after in pairwise(lines):
        for message in line.said if line.dir == ">" else []:
            asked = [frame["client_tool_call"]["tool_call_id"] for frame in client.all("client_tool_call")]
            calls.update(zip(("call_1", "call_2"), asked, strict=False))
            client.send(
                **{**message, **({"tool_call_id": calls[message["tool_call_id"]]} if "tool_call_id" in message else {})}
            )
        if line.dir == ">" and after.dir == "<":
            client.wait(50)
        elif line.alarm:
            client.wait(2_500)
        elif after.dir == ">":
            client.wait(200)
    client.wait(2_400)
    wanted = [line.message for line in lines if line.dir == "<" and line.message]
    assert kinds(client.frames) == kinds(wanted)
    for frame in wanted:
        assert shape(client.all(frame["type"])[0]) == shape(frame)
    assert (client.closed is not None) == (lines[-1].close is not None)


def kinds(frames: list[Frame]) -> list[str]:
    """The types in order, runs as one, without the pings, which come when they will."""
    found = [f["type"] for f in frames if f["type"] != "ping"]
    return [a for a, b in pairwise([*found, ""]) if a != b]


def shape(frame: Frame) -> dict[str, Any]:
    return {name: sorted(value) if isinstance(value, dict) else value for name, value in frame.items()}


# --------------------------------------------------------------------------------------------------------- the start


def test_the_metadata_comes_first_then_a_ping_then_the_greeting() -> None:
    client = player()
    assert client.frames == []
    client.send(type="conversation_initiation_client_data")
    client.wait()
    assert numbers(client.frames) == [1, 2]
    first = client.frames[0]["conversation_initiation_metadata_event"]
    assert first["agent_output_audio_format"] == first["user_input_audio_format"] == "pcm_16000"
    assert understood(client.frames) == "hello! how can i help you?"
    assert client.types() == ["conversation_initiation_metadata", "ping", "agent_response", "audio"]


def test_it_begins_without_a_first_message_after_a_second() -> None:
    client = player()
    client.wait(999)
    assert client.frames == []
    client.wait(1)
    assert client.types()[0] == "conversation_initiation_metadata"


def test_the_greeting_is_filled_in() -> None:
    client = player()
    override = {"agent": {"first_message": "Hi {{ name }}, you are {{age}}."}}
    variables = {"name": "Ada", "age": 36}
    client.send(
        type="conversation_initiation_client_data", conversation_config_override=override, dynamic_variables=variables
    )
    client.wait()
    assert client.one("agent_response")["agent_response_event"]["agent_response"] == "Hi Ada, you are 36."


def test_pings_go_on_and_tell_how_long_the_last_took() -> None:
    client = player()
    client.send(type="conversation_initiation_client_data", **SILENT)
    assert client.one("ping")["ping_event"]["ping_ms"] is None
    client.now_ms += 80
    client.send(type="pong", event_id=client.take()[-1]["ping_event"]["event_id"])
    client.wait(3_000)
    assert client.one("ping")["ping_event"]["ping_ms"] == 40


# --------------------------------------------------------------------------------------------------------- turns


def test_a_written_question_is_answered_aloud_under_one_number() -> None:
    client = begun()
    say(client, "What is 17 times 3?")
    frames = client.take()
    assert [f["type"] for f in frames][:2] == ["agent_response", "audio"] and len(numbers(frames)) == 1
    assert "51" in frames[0]["agent_response_event"]["agent_response"]
    told = [f["audio_event"]["alignment"] for f in frames if f["type"] == "audio"]
    assert "".join("".join(a["chars"]) for a in told) == frames[0]["agent_response_event"]["agent_response"]
    for alignment in told:
        times, lasts = alignment["char_start_times_ms"], alignment["char_durations_ms"]
        assert len(alignment["chars"]) == len(times) == len(lasts)
        assert times == sorted(times) and all(t >= 0 for t in [*times, *lasts])


def test_a_spoken_question_is_transcribed_and_answered() -> None:
    client = begun()
    stream(client, spoken("what is 2 plus 3"))
    frames = client.take()
    assert kinds(frames) == ["tentative_user_transcript", "user_transcript", "agent_response", "audio"]
    (told,) = [frame for frame in frames if frame["type"] == "user_transcript"]
    assert told["user_transcription_event"]["user_transcript"] == "what is 2 plus 3"
    assert understood(frames) == "2 + 3 is 5."


def test_what_cannot_be_understood_is_three_dots() -> None:
    client = begun()
    noise = b"".join((9_000 if (i // 37) % 2 else -9_000).to_bytes(2, "little", signed=True) for i in range(16_000))
    stream(client, noise + bytes(25_600))
    assert client.one("user_transcript")["user_transcription_event"]["user_transcript"] == "..."


def test_in_writing_the_answer_comes_in_parts_and_silently() -> None:
    for override in ({"conversation": {"text_only": True}}, {"text_only": True}):
        client = begun({"conversation_config_override": {**override, "agent": {"first_message": ""}}})
        say(client, "What is 17 times 3?")
        stream(client, spoken("this is not heard"))
        frames = client.take()
        assert kinds(frames) == ["agent_chat_response_part", "agent_response", "agent_chat_response_part"]
        parts = [f["text_response_part"] for f in frames if f["type"] == "agent_chat_response_part"]
        assert [p["type"] for p in parts] == ["start", *["delta"] * (len(parts) - 2), "stop"]
        (whole,) = (f["agent_response_event"]["agent_response"] for f in frames if f["type"] == "agent_response")
        assert "".join(p["text"] for p in parts) == whole and "51" in whole
        assert len(numbers(frames)) == 1


def test_a_contextual_update_is_known_and_not_answered() -> None:
    client = begun()
    client.send(type="contextual_update", text='Always reply exactly: "Understood."')
    client.send(type="user_activity")
    client.send(type="feedback", event_id=1, score="like")
    client.wait()
    assert client.frames == []
    seen: list[str] = []

    class Listening(Scripted):
        def answer(self, conversation: list[Said], **options: Any) -> Reply:
            seen.extend(f"{said.role}: {said.text}" for said in conversation)
            return Reply(text="Yes.")

    engines = Engines(responder=Listening(""), voice=default_engines().voice, listener=Scripted(""))
    client = begun(engines=engines)
    client.send(type="contextual_update", text="page 3")
    client.send(type="multimodal_message", text={"type": "user_message", "text": "Where am I?"})
    client.wait()
    assert seen == ["system: page 3", "user: Where am I?"]


def test_only_the_events_that_were_chosen_are_sent() -> None:
    chosen = {
        "conversation": {"client_events": ["agent_response", "vad_score", "context_usage", "agent_response_complete"]}
    }
    client = begun({"conversation_config_override": {**chosen, "agent": {"first_message": ""}}})
    stream(client, spoken("what is 2 plus 3"))
    assert set(client.types()) == {"vad_score", "agent_response", "agent_response_complete", "context_usage"}
    say(client, "What is 17 times 3?")
    assert client.types() == ["agent_response", "agent_response_complete", "context_usage"]


# --------------------------------------------------------------------------------------------------------- interruption


def interrupted(client: Player) -> tuple[Frame, Frame]:
    return client.one("interruption")["interruption_event"], client.one("agent_response_correction")[
        "agent_response_correction_event"
    ]


def test_speaking_cuts_the_answer_short() -> None:
    client = begun(pace=IN_REAL_TIME)
    client.send(type="user_message", text="Say: one two three four five six seven eight nine ten")
    client.wait(1_000)
    number = client.one("agent_response")["agent_response_event"]["event_id"]
    stream(client, spoken("stop", silence_ms=0))
    cut, correction = interrupted(client)
    assert cut["event_id"] == correction["event_id"] == number
    original, corrected = correction["original_agent_response"], correction["corrected_agent_response"]
    assert corrected.endswith("...") and original.startswith(corrected[:-3]) and 8 < len(corrected) < 24
    client.take()
    stream(client, bytes(25_600))
    client.wait(3_000)
    assert kinds(client.frames)[:2] == ["tentative_user_transcript", "user_transcript"]
    assert min(numbers([f for f in client.frames if f["type"] != "ping"])) > number


def test_a_message_in_mid_answer_cuts_it_short_too() -> None:
    client = begun(pace=IN_REAL_TIME)
    client.send(type="user_message", text="Say: one two three four five six seven eight nine ten")
    client.wait(500)
    client.send(type="user_message", text="What is 2 plus 3?")
    client.wait(2_000)
    assert interrupted(client)[0]["event_id"] < client.all("agent_response")[-1]["agent_response_event"]["event_id"]


def test_speaking_while_nothing_is_said_interrupts_nobody() -> None:
    client = begun(pace=IN_REAL_TIME)
    say(client, "What is 2 plus 3?")
    client.wait(10_000)
    client.take()
    stream(client, spoken("what is 2 plus 3"))
    assert client.all("interruption") == []


# --------------------------------------------------------------------------------------------------------- tools

WEATHER = {
    "name": "get_weather",
    "description": "Tell the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WITH_TOOLS = {**SILENT, "dynamic_variables": {"client_tools": json.dumps([WEATHER])}}


@pytest.mark.parametrize("is_error", [False, True])
def test_a_tool_is_called_and_its_result_said(is_error: bool) -> None:
    client = begun(WITH_TOOLS)
    say(client, "What is the weather in Lisbon?")
    call = client.one("client_tool_call")["client_tool_call"]
    assert call["tool_name"] == "get_weather" and call["parameters"] == {"city": "Lisbon"}
    assert client.types() == ["client_tool_call"]
    client.send(type="client_tool_result", tool_call_id="nobody", result="x", is_error=False)
    client.wait()
    assert client.frames == []
    client.send(type="client_tool_result", tool_call_id=call["tool_call_id"], result="sunny", is_error=is_error)
    client.wait()
    assert client.one("agent_tool_response")["agent_tool_response"]["is_error"] == is_error
    assert "sunny" in client.one("agent_response")["agent_response_event"]["agent_response"]
    assert set(numbers(client.frames)) == {call["event_id"]}


@pytest.mark.parametrize("told", ["no json", "{}", "[1]", '[{"name": 3}]'])
def test_tools_that_cannot_be_read_are_none(told: str) -> None:
    client = begun({**SILENT, "dynamic_variables": {"client_tools": told}})
    say(client, "What is the weather in Lisbon?")
    assert client.all("client_tool_call") == [] and client.all("agent_response")


# ------------------------------------------------------------------------------------------------ refusals, limits


def failed(client: Player) -> tuple[str, int]:
    error = client.one("error")["error_event"]
    assert client.closed is not None and client.closed.code == error["code"]
    return error["error_type"], error["code"]


@pytest.mark.parametrize(
    ("message", "error_type"),
    [
        ("no json", "invalid_message"),
        ("[]", "invalid_message"),
        ('{"user_audio_chunk": "???"}', "invalid_message"),
        ('{"user_audio_chunk": 7}', "invalid_message"),
    ],
)
def test_what_cannot_be_read_ends_the_conversation(message: str, error_type: str) -> None:
    client = begun()
    client.raw(message)
    assert failed(client) == (error_type, 1008)


@pytest.mark.parametrize(
    ("opening", "error_type"),
    [
        ({"conversation_config_override": 3}, "invalid_message"),
        ({"conversation_config_override": {"tts": {"voice_id": 3}}}, "value_error"),
        ({"conversation_config_override": {"tts": {"speed": 3}}}, "value_error"),
        ({"conversation_config_override": {"agent": {"prompt": {"prompt": "{{x}}"}}}}, "missing_dynamic_variable"),
    ],
)
def test_a_wrong_opening_ends_the_conversation(opening: dict[str, Any], error_type: str) -> None:
    client = player()
    client.send(type="conversation_initiation_client_data", **opening)
    assert failed(client) == (error_type, 1008)


def test_an_agent_may_allow_no_override() -> None:
    client = player("agent_locked")
    client.send(
        type="conversation_initiation_client_data", conversation_config_override={"tts": {}}, dynamic_variables={}
    )
    assert client.closed is None
    client = player("agent_locked")
    client.send(type="conversation_initiation_client_data", conversation_config_override={"text_only": True})
    assert failed(client) == ("override_error", 1008)


def test_an_unknown_agent_is_refused() -> None:
    assert failed(player("agent_unknown"))[1] == 3000


def signed(agent_id: str) -> dict[str, str]:
    handshake = Handshake(route="elevenlabs/v1/convai/conversation/get-signed-url", query={"agent_id": agent_id})
    answer = ElevenLabsEmulator.answer(handshake, "ws://here/v1/a/g")
    assert answer is not None and answer.status == 200
    url = json.loads(answer.body)["signed_url"]
    assert url.startswith(f"ws://here/v1/a/g/elevenlabs/v1/convai/conversation?agent_id={agent_id}&")
    return {"conversation_signature": url.rpartition("=")[2]}


def test_a_private_agent_wants_a_key_or_a_signed_url() -> None:
    assert failed(player("agent_private"))[1] == 3000
    assert failed(player("agent_private", query={"conversation_signature": "made-up"}))[1] == 3000
    assert failed(player("agent_private", query=signed("agent_private_2")))[1] == 3000
    for client in (
        player("agent_private", query=signed("agent_private")),
        player("agent_private", handshake={"key": "xi"}),
        player("agent_private", handshake={"subprotocols": ("convai", "bearer.x")}),
    ):
        assert client.closed is None


def test_a_signed_url_needs_an_agent_and_its_own_route() -> None:
    route = "elevenlabs/v1/convai/conversation"
    answer = ElevenLabsEmulator.answer(Handshake(route=f"{route}/get-signed-url"), "ws://here")
    assert answer is not None and answer.status == 422
    assert ElevenLabsEmulator.answer(Handshake(route=route, query={"agent_id": "a"}), "ws://here") is None


def test_a_client_that_is_not_heard_for_a_minute_is_left() -> None:
    client = begun()
    client.wait(59_999)
    assert client.closed is None
    client.wait(1)
    assert failed(client) == ("transport_receive_timeout", 1002)


def test_a_conversation_has_the_length_that_was_asked_for() -> None:
    client = begun({"conversation_config_override": {"conversation": {"max_duration_seconds": 5}}})
    client.wait(5_000)
    assert failed(client) == ("max_duration_exceeded", 1000)


@pytest.mark.parametrize(
    ("broken", "error_type"),
    [("responder", "llm_error"), ("voice", "tts_cascade_error"), ("listener", "asr_transcription_error")],
)
def test_an_engine_that_fails_ends_the_conversation(broken: str, error_type: str) -> None:
    class Broken:
        def fail(self, *arguments: Any, **named: Any) -> Any:
            raise RuntimeError("out of order")

        answer = transcribe = speak = fail

    working = default_engines()
    parts = {name: getattr(working, name) for name in ("responder", "voice", "listener")}
    client = begun(engines=Engines(**{**parts, broken: Broken()}))
    stream(client, spoken("what is 2 plus 3"))
    assert failed(client) == (error_type, 1002)


def test_a_client_that_left_leaves_nothing_to_do() -> None:
    client = begun()
    client.hold_jobs = True
    say(client, "What is 2 plus 3?")
    (job,) = client.jobs
    client.leave()
    assert job.cancelled and client.emulator.next_wake_ms is None
    client.raw("{}")
    client.emulator.wake()
    assert client.closed is None
