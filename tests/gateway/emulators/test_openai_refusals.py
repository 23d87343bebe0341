"""What the emulator refuses, and how: at the door with a close, inside a session with an error that ends nothing."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.gateway.emulators.base import Pace
from tests.gateway.emulators.driver import Client

MODEL = {"model": "gpt-realtime-2.1"}
SLOW = Pace(first_token_ms=100, text_delta_ms=20, audio_speed=4, audio_delta_ms=100)

# --------------------------------------------------------------------------------------------------- at the door


@pytest.mark.parametrize(
    ("options", "code", "close", "reason"),
    [
        ({"key": "wrong"}, "invalid_api_key", 3000, "invalid_request_error.invalid_api_key"),
        ({"require_key": True}, None, 3000, "invalid_request_error"),
        ({"headers": {"openai-beta": "realtime=v1"}}, "beta_api_shape_disabled", 4000,
         "invalid_request_error.beta_api_shape_disabled"),
        ({"subprotocols": ("realtime", "openai-beta.realtime-v1")}, "beta_api_shape_disabled", 4000,
         "invalid_request_error.beta_api_shape_disabled"),
        ({"query": {}}, "missing_model", 4000, "invalid_request_error.missing_model"),
        ({"query": {"model": "gpt-4o"}}, "invalid_model", 4000, "invalid_request_error.invalid_model"),
        ({"query": {"model": "gpt-realtime-translate"}}, "invalid_model", 4000, "invalid_request_error.invalid_model"),
    ],
)  # fmt: skip
def test_refused_after_the_upgrade(options: dict[str, Any], code: str | None, close: int, reason: str) -> None:
    client = Client(**{"query": MODEL, **options})
    assert client.error()["code"] == code
    assert client.closed is not None
    assert (client.closed.code, client.closed.reason) == (close, reason)
    client.send("response.create")
    assert (client.types(), client.emulator.next_wake_ms) == ([], None)


@pytest.mark.parametrize("key", [None, "sk-local", "ek_local"])
def test_no_key_or_a_key_of_the_right_form_is_accepted(key: str | None) -> None:
    assert Client(key=key).types() == ["session.created"]


def test_a_refused_key_is_not_repeated() -> None:
    client = Client(key="my-secret-key")
    assert "my-secret-key" not in json.dumps(client.events) + repr(client.emulator.handshake)


@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-2.1-mini", "gpt-audio-mini", "gpt-realtime-mini"])
def test_known_models_are_accepted_and_shown(model: str) -> None:
    assert Client(query={"model": model}).one("session.created")["session"]["model"] == model


# ---------------------------------------------------------------------------------------------- inside a session


def refused(client: Client, message: Any) -> dict[str, Any]:
    """The error that `message` gets; the session goes on."""
    client.take()
    client.raw(json.dumps({"event_id": "mine", **message}))
    error = client.error()
    assert client.closed is None
    assert (error["type"], error["event_id"]) == ("invalid_request_error", "mine")
    return error


@pytest.mark.parametrize(
    ("frame", "code"),
    [("{not json", "invalid_json"), ("", "invalid_json"), ("[1]", "invalid_event"), ("1", "invalid_event"),
     (b"\0\1", "invalid_event"), ("{}", "invalid_event"), ('{"type": 7}', "invalid_event"),
     ('{"type": NaN}', "invalid_json"), ('{"a": 1e999}', "invalid_json"), ("[" * 100_000, "invalid_json"),
     ('{"a":' * 80 + "1" + "}" * 80, "invalid_json")],
)  # fmt: skip
def test_bad_frames(frame: str | bytes, code: str) -> None:
    client = Client()
    client.take()
    client.raw(frame)
    assert client.error()["code"] == code
    client.update()
    assert client.types() == ["session.updated"]


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def listening(**fields: Any) -> dict[str, Any]:
    return session(audio={"input": fields})


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": fields}


def user(*parts: Any, **fields: Any) -> dict[str, Any]:
    return item(type="message", role="user", content=list(parts), **fields)


def respond(**fields: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": fields}


RESPONSE_METADATA = {f"key{n}": "x" for n in range(17)}


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"type": "response.text.create"}, "invalid_value", "type"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        ({"type": "session.update", "session": []}, "invalid_type", "session"),
        ({"type": "session.update", "session": {"type": "beta"}}, "invalid_value", "session.type"),
        ({"type": "session.update", "session": {"type": "transcription"}}, "invalid_value", "session.type"),
        ({"type": "response.create", "extra": 1}, "unknown_parameter", "extra"),
        (session(temperature=0.8), "unknown_parameter", "session.temperature"),
        (session(modalities=["text"]), "unknown_parameter", "session.modalities"),
        (session(voice="alloy"), "unknown_parameter", "session.voice"),
        (session(model="gpt-realtime"), "invalid_value", "session.model"),
        (session(output_modalities=["text", "audio"]), "invalid_value", "session.output_modalities"),
        (session(output_modalities=["video"]), "invalid_value", "session.output_modalities[0]"),
        (session(instructions=None), "invalid_type", "session.instructions"),
        (session(max_output_tokens=0), "integer_below_min_value", "session.max_output_tokens"),
        (session(max_output_tokens="all"), "invalid_value", "session.max_output_tokens"),
        (session(tool_choice="maybe"), "invalid_value", "session.tool_choice"),
        (session(tool_choice={"type": "function"}), "missing_required_parameter", "session.tool_choice.name"),
        (session(tools=[{"type": "function", "function": {"name": "f"}}]), "missing_required_parameter",
         "session.tools[0].name"),
        (session(tools=[{"type": "mcp", "server_label": "x"}]), "invalid_value", "session.tools[0].type"),
        (session(audio={"output": {"voice": "bob"}}), "invalid_value", "session.audio.output.voice"),
        (session(audio={"output": {"speed": 2}}), "decimal_above_max_value", "session.audio.output.speed"),
        (session(audio={"output": {"speed": True}}), "invalid_type", "session.audio.output.speed"),
        (listening(format={"type": "audio/pcm", "rate": 16000}), "integer_below_min_value",
         "session.audio.input.format.rate"),
        (listening(format={"type": "audio/pcm", "rate": 48000}), "integer_above_max_value",
         "session.audio.input.format.rate"),
        (listening(format={"type": "audio/opus"}), "invalid_value", "session.audio.input.format.type"),
        (listening(turn_detection={"type": "server_vad", "eagerness": "low"}), "unknown_parameter",
         "session.audio.input.turn_detection.eagerness"),
        (listening(turn_detection={"type": "semantic_vad", "eagerness": "x"}), "invalid_value",
         "session.audio.input.turn_detection.eagerness"),
        (listening(turn_detection={"threshold": 0.5}), "missing_required_parameter",
         "session.audio.input.turn_detection.type"),
        (listening(turn_detection={"type": "server_vad", "threshold": 1.5}), "decimal_above_max_value",
         "session.audio.input.turn_detection.threshold"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "?"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "é" * 8}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "A" * 21_000_000}, "string_above_max_length", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        (user({"type": "text", "text": "beta"}), "invalid_value", "item.content[0].type"),
        (user({"type": "input_text"}), "missing_required_parameter", "item.content[0].text"),
        (user({"type": "input_audio", "audio": "%%"}), "invalid_value", "item.content[0].audio"),
        (user({"type": "input_text", "text": "x"}, id="i" * 33), "string_above_max_length", "item.id"),
        (item(type="message", role="assistant", content=[{"type": "output_audio", "audio": ""}]), "invalid_value",
         "item.content[0].type"),
        (item(type="message", role="system", content=[{"type": "input_image", "image_url": ""}]), "invalid_value",
         "item.content[0].type"),
        (item(type="message", content=[]), "missing_required_parameter", "item.role"),
        (item(type="tool"), "invalid_value", "item.type"),
        (item(type="function_call_output", call_id="call_x", output="1"), "invalid_tool_call_id", "item.call_id"),
        ({**user(), "previous_item_id": "item_x"}, "item_create_invalid_previous_item_id", "previous_item_id"),
        ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_retrieve_invalid_item_id", "item_id"),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id", "item_id"),
        ({"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 0},
         "item_truncate_invalid_item_id", "item_id"),
        ({"type": "conversation.item.truncate", "item_id": "x", "content_index": 0}, "missing_required_parameter",
         "audio_end_ms"),
        ({"type": "conversation.item.truncate", "item_id": "x", "content_index": -1, "audio_end_ms": 0},
         "integer_below_min_value", "content_index"),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        ({"type": "response.cancel", "response_id": "resp_x"}, "response_cancel_not_active", None),
        (respond(modalities=["text"]), "unknown_parameter", "response.modalities"),
        (respond(conversation="other"), "invalid_value", "response.conversation"),
        (respond(metadata=RESPONSE_METADATA), "array_above_max_length", "response.metadata"),
        (respond(metadata={"k": "v" * 513}), "string_above_max_length", "response.metadata.k"),
        (respond(input=[{"type": "item_reference", "id": "x"}]), "item_not_found", "response.input[0].id"),
        (respond(tools=[{"type": "mcp", "server_label": "x"}]), "invalid_value", "response.tools[0].type"),
    ],
)  # fmt: skip
def test_errors_in_a_session(message: dict[str, Any], code: str, param: str | None) -> None:
    client = Client()
    error = refused(client, message)
    assert (error["code"], error["param"]) == (code, param)


def test_an_unknown_type_is_told_the_known_ones() -> None:
    message = refused(Client(), {"type": "response.start"})["message"]
    assert message.startswith("Invalid value: 'response.start'. Supported values are: 'session.update', ")
    assert message.count("'") == 2 * 13


def test_a_second_response_is_refused_while_one_runs() -> None:
    client = Client(pace=SLOW)
    client.say("tell me a story")
    client.send("response.create")
    active = client.one("response.created")["response"]["id"]
    error = refused(client, {"type": "response.create"})
    assert error["code"] == "conversation_already_has_active_response"
    assert active in error["message"]


def test_the_voice_is_locked_by_the_first_sound() -> None:
    client = Client()
    client.update(audio={"output": {"voice": "cedar"}})
    client.say("hello")
    client.send("response.create")
    assert refused(client, session(audio={"output": {"voice": "ash"}}))["code"] == "cannot_update_voice"
    client.update(audio={"output": {"voice": "cedar", "speed": 1.2}})
    assert client.one("session.updated")["session"]["audio"]["output"]["speed"] == 1.2


def test_the_voice_is_locked_while_it_speaks() -> None:
    client = Client(pace=SLOW)
    client.say("tell me a story")
    client.send("response.create")
    client.wait(200)
    assert refused(client, session(audio={"output": {"voice": "ash"}}))["code"] == "cannot_update_voice"


def test_writing_does_not_lock_the_voice() -> None:
    client = Client()
    client.say("hello")
    client.send("response.create", response={"output_modalities": ["text"]})
    client.take()
    client.update(audio={"output": {"voice": "ash"}})
    assert client.types() == ["session.updated"]


def truncate(item_id: str, end_ms: int, index: int = 0) -> dict[str, Any]:
    fields = {"item_id": item_id, "content_index": index, "audio_end_ms": end_ms}
    return {"type": "conversation.item.truncate", **fields}


def test_truncation_has_limits() -> None:
    client = Client()
    client.say("hello", id="item_user")
    client.send("response.create")
    spoken = client.one("response.done")["response"]["output"][0]["id"]
    client.send("response.create", response={"output_modalities": ["text"]})
    written = client.all("response.done")[1]["response"]["output"][0]["id"]
    assert refused(client, truncate("item_user", 0))["code"] == "unsupported_content_type"
    assert refused(client, truncate(written, 0))["code"] == "unsupported_content_type"
    assert refused(client, truncate(spoken, 0, 1))["param"] == "content_index"
    assert refused(client, truncate(spoken, 999_999))["message"].startswith("Audio content of ")
    client.raw(json.dumps(truncate(spoken, 100)))
    assert client.types() == ["conversation.item.truncated"]
    message = refused(client, truncate(spoken, 101))["message"]
    assert message == "Audio content of 100ms is already shorter than 101ms"


def test_an_item_without_audio_yet_cannot_be_truncated() -> None:
    client = Client(hold_jobs=True)
    client.say("hello")
    client.send("response.create")
    spoken = client.one("response.output_item.added")["item"]["id"]
    assert refused(client, truncate(spoken, 0))["code"] == "unsupported_content_type"


def test_a_truncated_item_takes_no_more_audio_while_its_response_goes_on() -> None:
    client = Client(pace=SLOW)
    client.say("tell me a story")
    client.send("response.create")
    client.wait(500)
    spoken = client.one("response.output_item.added")["item"]["id"]
    client.raw(json.dumps(truncate(spoken, 1_000)))
    client.wait(60_000)
    assert client.one("response.done")["response"]["output"][0]["content"][0]["transcript"] is None
    assert client.one("response.output_audio_transcript.done")["transcript"].startswith("Once upon a time")
    assert refused(client, truncate(spoken, 1_001))["message"].startswith("Audio content of 1000ms")


def test_a_commit_needs_a_tenth_of_a_second() -> None:
    client = Client()
    client.update(audio={"input": {"turn_detection": None}})
    client.append(bytes(48 * 99))
    error = refused(client, {"type": "input_audio_buffer.commit"})
    assert error["message"] == (
        "Error committing input audio buffer: buffer too small. "
        "Expected at least 100ms of audio, but buffer only has 99.00ms of audio."
    )
    client.append(bytes(48))
    client.send("input_audio_buffer.commit")
    assert client.types()[0] == "input_audio_buffer.committed"
    assert refused(client, {"type": "input_audio_buffer.commit"})["code"] == "input_audio_buffer_commit_empty"


def test_an_id_is_used_once() -> None:
    client = Client()
    client.say("hello", id="item_1")
    assert refused(client, user(id="item_1"))["code"] == "item_create_duplicate_item_id"


def test_a_live_transcription_model_takes_no_turn_detection() -> None:
    client = Client(query={"intent": "transcription"})
    update = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}}}}
    error = refused(client, {"type": "session.update", "session": update})
    assert error["param"] == "session.audio.input.turn_detection"


# ------------------------------------------------------------------------------------------------------ whatever

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("AAAA"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SEEDS: list[dict[str, Any]] = [
    session(instructions="x", audio={"input": {"turn_detection": {"type": "server_vad"}}}, tools=[]),
    listening(transcription={"model": "m"}, noise_reduction={"type": "near_field"}, format={"type": "audio/pcmu"}),
    user({"type": "input_text", "text": "weather in Lisbon and Porto?"}, {"type": "input_audio", "audio": "AAAA"}),
    item(type="function_call", name="f", arguments="{}", call_id="c"),
    item(type="function_call_output", call_id="c", output="{}"),
    respond(instructions="x", input=[], metadata={"k": "v"}, conversation="none"),
    respond(tools=[{"type": "function", "name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}]),
    {"type": "input_audio_buffer.append", "audio": b64encode(bytes(9_600)).decode()},
    {"type": "input_audio_buffer.commit"},
    truncate("item_1", 10),
    {"type": "response.cancel", "response_id": "x"},
]  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, part in parts for p in paths(part, (*path, key)))]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A client message in which one value is another, or is missing."""
    message = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    path = draw(st.sampled_from([p for p in paths(message) if p]))
    place = message
    for key in path[:-1]:
        place = place[key]
    if draw(st.booleans()):
        place[path[-1]] = draw(VALUES)
    elif isinstance(place, dict):
        del place[path[-1]]
    return json.dumps(message)


@given(st.lists(mutations() | st.text(max_size=20) | st.binary(max_size=5), max_size=6))
def test_whatever_a_client_sends_is_answered(frames: list[str | bytes]) -> None:
    client = Client()
    for frame in frames:
        client.raw(frame)
    client.take()
    client.raw(json.dumps(session()))
    assert client.types()[-1] == "session.updated"
    assert client.closed is None
