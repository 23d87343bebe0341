"""The Gemini Live codec, held to the wire fixtures and to what the official SDK's own client sends."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import Any, get_args

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.errors import LocalProtocolError, RemoteProtocolError, Unsupported
from aigw_notebook.events import (
    ORDER,
    AnyClientEvent,
    AppendAudio,
    AppendText,
    CommitAudio,
    CreateResponse,
    RawEvent,
    ServerEvent,
    SessionUpdate,
    ToolResult,
)
from aigw_notebook.providers import SessionSettings, TurnDetection
from aigw_notebook.providers.base import counting_ids
from aigw_notebook.providers.google import CONTENT, DECODERS, PROVIDER, GoogleCodec
from tests.sdk_google import camel, check_server_frame, sdk_sends
from tests.wire import Line, build_event, build_settings, flow, flow_names

REFUSED_FIELD = pytest.param(
    "refused_field", marks=pytest.mark.bad_frames(reason="the field that is refused is none of the provider's")
)
FLOWS = flow_names("google")
FLOWS_OF_CODEC = [REFUSED_FIELD if name == "refused_field" else name for name in FLOWS]
"""The same for tests in which the codec says what the client says in them."""

UNKNOWN_TO_SDK = {"unreadable", "both_casings", "turn_reasons"}
"""Flows whose server messages the SDK would not keep: wrong on purpose, in snake case, or with a word of the future."""


def codec(**settings: Any) -> GoogleCodec:
    return GoogleCodec(SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: GoogleCodec) -> list[dict[str, Any]]:
    return [json.loads(message) for message in codec.messages_to_send()]


def flow_codec(lines: list[Line]) -> GoogleCodec:
    spec = next((line.settings for line in lines if line.settings is not None), {})
    return GoogleCodec(build_settings(spec), ids=counting_ids(""))


def server_frames(name: str) -> list[Any]:
    return [line.message for line in flow("google", name) if line.dir == "<" and line.message is not None]


# ------------------------------------------------------------------------------------------------------ fixtures


def play(name: str, *, as_bytes: bool) -> list[ServerEvent]:
    """All events of a flow; every line of it is checked on the way."""
    lines = flow("google", name)
    player, heard = flow_codec(lines), []
    for number, line in enumerate(lines, 1):
        if line.dir == "<" and line.message is not None:
            frame = json.dumps(line.message, indent=2) + "\n"
            events = list(player.receive(frame.encode() if as_bytes else frame))
            assert events == [build_event(spec) for spec in line.events or []], f"line {number}"
            assert all(event.raw == line.message for event in events)
            heard += events
        elif line.settings is not None:
            player.opening()
            assert sent(player) == line.said, f"line {number}"
        elif line.event is not None:
            player.send(build_event(line.event))
            assert sent(player) == line.said, f"line {number}"
        assert player.messages_to_send() == []
    return heard


@pytest.mark.parametrize("as_bytes", [True, False], ids=["binary", "text"])
@pytest.mark.parametrize("name", FLOWS_OF_CODEC)
def test_a_flow_reads_as_its_events_and_is_said_by_its_client_events(name: str, as_bytes: bool) -> None:
    heard = play(name, as_bytes=as_bytes)
    assert len(heard) >= sum(line.dir == "<" and line.message is not None for line in flow("google", name))


@pytest.mark.parametrize("name", FLOWS_OF_CODEC)
def test_the_events_of_a_flow_are_in_the_legal_order(name: str) -> None:
    named = {kind for transitions in ORDER.values() for kind in transitions}
    state = "idle"
    for event in play(name, as_bytes=True):
        if type(event) in named:
            state = ORDER[state][type(event)]


@pytest.mark.parametrize("name", [name for name in FLOWS if name not in UNKNOWN_TO_SDK])
def test_the_sdk_keeps_every_server_message(name: str) -> None:
    for message in server_frames(name):
        assert check_server_frame(json.dumps(message)) == message


def test_the_sdk_refuses_what_it_would_lose() -> None:
    """So the check above is known to bite."""
    for message in (
        {"serverContent": {"turnComplet": True}},
        {"serverContent": {}, "toolCall": {}},
        {"goAway": {"timeLeft": 50}},
        {"error": {"code": 400}},
        {"serverContent": {"turnCompleteReason": "X"}},
        {"usageMetadata": {"candidatesTokenCount": 1}},
        {"voiceActivity": {"kind": "ACTIVITY_START"}},
    ):
        with pytest.raises((ValueError, UserWarning)):
            check_server_frame(json.dumps(message))


def test_every_server_message_has_a_fixture() -> None:
    seen = {key for name in FLOWS if name != "unreadable" for message in server_frames(name) for key in message}
    assert seen >= DECODERS.keys()
    inner = {key for name in FLOWS for m in server_frames(name) for key in (m.get("serverContent") or {})}
    assert inner >= CONTENT.keys()


SAID = {kind.__name__ for kind in get_args(AnyClientEvent)}
UNSAYABLE = {"AppendCall", "ClearAudio", "TruncateOutput", "RetrieveItem", "DeleteItem"}


def test_every_client_event_has_a_fixture_or_is_refused() -> None:
    said = {line.event["type"] for name in FLOWS for line in flow("google", name) if line.event}
    assert said == SAID - UNSAYABLE


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "AppendCall", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "ClearAudio"},
        {"type": "TruncateOutput", "item_id": "i", "played_ms": 1.0},
        {"type": "RetrieveItem", "item_id": "i"},
        {"type": "DeleteItem", "item_id": "i"},
    ],
)
def test_what_the_protocol_has_no_message_for(spec: dict[str, Any]) -> None:
    player = codec()
    with pytest.raises(Unsupported, match=spec["type"]):
        player.send(build_event(spec))
    assert player.messages_to_send() == []


# --------------------------------------------------------------------------------------- what the SDK would send


def sdk(config: dict[str, Any], *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    return asyncio.run(sdk_sends("gemini-3.8-live", types.LiveConnectConfig(**config), *calls))


SPEAKS: dict[str, Any] = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
VAD = {"prefix_padding_ms": 100, "silence_duration_ms": 400}


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        ({}, {}),
        ({"voice": "Kore"}, {"speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}}}),
        ({"temperature": 0.5, "max_output_tokens": 9}, {"temperature": 0.5, "max_output_tokens": 9}),
        ({"transcription": True}, {"input_audio_transcription": {}}),
        (
            {"turn_detection": TurnDetection(mode="manual")},
            {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}},
        ),
        (
            {"turn_detection": TurnDetection(**VAD, interrupt_response=False)},
            {"realtime_input_config": {"automatic_activity_detection": VAD, "activity_handling": "NO_INTERRUPTION"}},
        ),
        ({"options": {"sessionResumption": {"handle": "h"}}}, {"session_resumption": {"handle": "h"}}),
        (
            {"options": {"contextWindowCompression": {"triggerTokens": 7, "slidingWindow": {"targetTokens": 3}}}},
            {"context_window_compression": {"trigger_tokens": 7, "sliding_window": {"target_tokens": 3}}},
        ),
        ({"options": {"proactivity": {"proactiveAudio": True}}}, {"proactivity": {"proactive_audio": True}}),
        (
            {
                "tools": (
                    {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a_b": {}}}},
                )
            },
            {
                "tools": [
                    {
                        "function_declarations": [
                            {
                                "name": "f",
                                "description": "d",
                                "behavior": "BLOCKING",
                                "parameters_json_schema": {"type": "object", "properties": {"a_b": {}}},
                            }
                        ]
                    }
                ]
            },
        ),
    ],
)
def test_the_setup_is_what_the_sdk_sends(settings: dict[str, Any], config: dict[str, Any]) -> None:
    player = codec(**settings)
    player.opening()
    assert sent(player) == sdk({**SPEAKS, **config})


def test_instructions_are_what_the_sdk_sends_but_for_a_role_that_says_nothing() -> None:
    player = codec(instructions="Be brief.")
    player.opening()
    (theirs,) = sdk({**SPEAKS, "system_instruction": "Be brief."})
    theirs["setup"]["systemInstruction"].pop("role")
    assert sent(player) == [theirs]


PNG = b"\x89PNG\r\n\x1a\n..."


def test_turns_and_sounds_are_what_the_sdk_sends() -> None:
    player = codec()
    player.send(AppendText(text="Who is this?", images=(PNG,)))
    player.send(CreateResponse())
    player.send(AppendAudio(data=b"\xfb\xff\xfe\x01"))
    player.send(CommitAudio())
    picture = types.Part(inline_data=types.Blob(data=PNG, mime_type="image/png"))
    turn = types.Content(role="user", parts=[types.Part(text="Who is this?"), picture])
    sound = types.Blob(data=b"\xfb\xff\xfe\x01", mime_type="audio/pcm;rate=16000")
    ours = [camel(message) for message in sent(player)]
    assert (
        ours
        == sdk(
            {},
            ("send_client_content", {"turns": turn, "turn_complete": True}),
            ("send_realtime_input", {"audio": sound}),
            ("send_realtime_input", {"audio_stream_end": True}),
        )[1:]
    )


def test_manual_activity_and_tool_results_are_what_the_sdk_sends() -> None:
    player = codec(turn_detection=TurnDetection(mode="manual"))
    player.receive('{"toolCall":{"functionCalls":[{"id":"c","name":"f","args":{}}]}}')
    player.send(ToolResult(call_id="c", output='{"a_b": 1}'))
    player.send(AppendAudio(data=bytes(4)))
    player.send(CommitAudio())
    result = types.FunctionResponse(id="c", name="f", response={"output": {"a_b": 1}})
    sound = types.Blob(data=bytes(4), mime_type="audio/pcm;rate=16000")
    ours = [camel(message) for message in sent(player)]
    assert (
        ours
        == sdk(
            {},
            ("send_tool_response", {"function_responses": result}),
            ("send_realtime_input", {"activity_start": {}}),
            ("send_realtime_input", {"audio": sound}),
            ("send_realtime_input", {"activity_end": {}}),
        )[1:]
    )


# ---------------------------------------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize("frame", ["", "{", "nope", "[]", '"text"', "7", "null", b"\xff\xfe\x00", "[" * 100_000])
def test_a_frame_that_is_no_json_object_is_the_peers_fault(frame: str | bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        codec().receive(frame)


def test_the_session_goes_on_after_an_unreadable_frame() -> None:
    reader = codec()
    with pytest.raises(RemoteProtocolError):
        reader.receive("{")
    assert reader.receive(b'{"newSinceTuesday":{}}') == [RawEvent(kind="newSinceTuesday")]
    (event,) = reader.receive('{"a_b":' * 400 + "1" + "}" * 400)
    assert isinstance(event, RawEvent)


FRAMES = [message for name in FLOWS for message in server_frames(name)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in inner for found in [(*place, key), *places(child, (*place, key))]]


def put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """`value` with `new` at that place."""
    changed = json.loads(json.dumps(value))
    target = changed
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = new
    return changed


@given(st.data())
def test_whatever_a_peer_sends_is_read(data: st.DataObject) -> None:
    reader = codec(transcription=True)
    reader.send(AppendText(text="hi"))
    reader.send(CreateResponse())
    state = "idle"
    for _ in range(3):
        message = data.draw(st.sampled_from(FRAMES))
        found = places(message)
        if found:
            message = put(message, data.draw(st.sampled_from(found)), data.draw(JSON))
        for event in reader.receive(json.dumps(message)):
            assert isinstance(event, ServerEvent)
            if any(type(event) in transitions for transitions in ORDER.values()):
                state = ORDER[state][type(event)]


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("url_safe", [True, False])
def test_base64_in_either_alphabet(padded: bool, url_safe: bool) -> None:
    data = bytes(range(248, 256)) + b"\xfb\xef\xbe"
    text = b64encode(data, b"-_" if url_safe else None).decode()
    text = text if padded else text.rstrip("=")
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": text}}
    events = codec().receive(json.dumps({"serverContent": {"modelTurn": {"parts": [part]}}}))
    assert events[-1].data == data  # type: ignore[union-attr]


# --------------------------------------------------------------------------------------------- early refusals


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modalities": ("text",)}, "gemini-3.8-live speaks"),
        ({"model": "gemini-3.5-transcribe-live", "modalities": ("audio",)}, "only writes"),
        ({"model": "gemini-3.5-transcribe-live", "voice": "Kore"}, "no voice"),
        ({"modalities": ("smell",)}, "modalities"),
        ({"speed": 1.2}, "speed"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"transcription": "whisper-1"}, "recognizer"),
        ({"input_format": build_settings({"input_format": {"encoding": "ulaw", "sample_rate": 8000}}).input_format},
         "pcm16"),
        ({"output_format": build_settings({"input_format": {"encoding": "pcm16", "sample_rate": 8000}}).input_format},
         "convert"),
        ({"turn_detection": TurnDetection(mode="semantic")}, "semantic"),
        ({"turn_detection": TurnDetection(threshold=0.3)}, "threshold"),
        ({"turn_detection": TurnDetection(create_response=False)}, "create_response"),
        ({"turn_detection": TurnDetection(mode="manual", silence_duration_ms=3)}, "silence_duration_ms"),
    ],
)  # fmt: skip
def test_what_the_service_lacks_is_refused_at_once(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        codec(**settings)


@pytest.mark.parametrize("settings", [{"turn_detection": "server"}, {"instructions": 7}, {"voice": 7}])
def test_a_setting_of_the_wrong_type_is_the_callers_fault(settings: dict[str, Any]) -> None:
    with pytest.raises((LocalProtocolError, Unsupported)):
        codec(**settings)


@pytest.mark.parametrize("override", [{"instructions": "x"}, {"modalities": ("audio",)}, {"out_of_band": True}])
def test_an_answer_of_its_own_kind_is_refused_with_its_question(override: dict[str, Any]) -> None:
    player = codec()
    player.send(AppendText(text="never said"))
    with pytest.raises(Unsupported, match="for one answer"):
        player.send(CreateResponse(**override))
    player.send(AppendText(text="said"))
    player.send(CreateResponse())
    (message,) = sent(player)
    assert [turn["parts"][0]["text"] for turn in message["clientContent"]["turns"]] == ["said"]


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (AppendText(text="x", role="system"), Unsupported),
        (AppendText(text="x", images=(b"GIF89a",)), LocalProtocolError),
        (AppendText(text="x", role="assistant", images=(PNG,)), LocalProtocolError),
        (SessionUpdate(changes={"voice": "Puck"}), Unsupported),
        (SessionUpdate(changes={"colour": "red"}), LocalProtocolError),
        (ToolResult(call_id="nobody", output=""), LocalProtocolError),
    ],
)
def test_what_cannot_be_said(event: Any, error: type[Exception]) -> None:
    player = codec()
    with pytest.raises(error):
        player.send(event)
    assert player.messages_to_send() == []


def test_an_older_model_takes_no_changes() -> None:
    player = codec(model="gemini-3.1-flash-live-preview")
    with pytest.raises(Unsupported, match="gemini-3.1-flash-live-preview takes no changes"):
        player.send(SessionUpdate(changes={"instructions": "x"}))


def test_a_commit_needs_audio_where_the_caller_ends_turns() -> None:
    player = codec(turn_detection=TurnDetection(mode="manual"))
    with pytest.raises(LocalProtocolError, match="no audio"):
        player.send(CommitAudio())


def test_long_audio_is_split_on_whole_samples() -> None:
    player = codec()
    player.send(AppendAudio(data=bytes(150_000)))
    pieces = [len(camel(message)["realtimeInput"]["audio"]["data"]) for message in sent(player)]
    assert sum(pieces) == 150_000 and max(pieces) <= 65_536 and all(size % 2 == 0 for size in pieces)


def test_how_it_is_reached() -> None:
    assert PROVIDER.auth.query == "api_key" and PROVIDER.auth.header is None
    direct = PROVIDER.auth.direct
    assert direct is not None and direct.query == "key" and direct.header == ("x-goog-api-key", "{key}")
    assert PROVIDER.capabilities.can_change("tools") and not PROVIDER.capabilities.can_change("turn_detection")
