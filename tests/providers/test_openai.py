"""The OpenAI Realtime codec, held to the wire fixtures and to the official SDK's own types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from pydantic import Field, TypeAdapter, ValidationError

from aigw_notebook.audio.formats import ALAW_8K, PCM16_24K, ULAW_8K, AudioFormat
from aigw_notebook.errors import RemoteProtocolError
from aigw_notebook.events import (
    AnyClientEvent,
    AppendText,
    AudioDelta,
    RawEvent,
    ServerEvent,
    SessionError,
    TextDelta,
    TruncateOutput,
)
from aigw_notebook.providers import SessionSettings
from aigw_notebook.providers.base import counting_ids
from aigw_notebook.providers.openai import BETA_NAMES, DECODERS, PROVIDER, OpenAICodec
from tests.wire import Line, build_event, build_settings, flow, flow_names

FLOWS = flow_names("openai")

SERVER: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])
CLIENT: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeClientEvent, Field(discriminator="type")])

NOT_GA = {"beta_names", "unreadable"}
"""Flows whose server messages the GA protocol does not have."""

NOT_ALLOWED = {"errors_bad_frames", "errors_bad_fields"}
"""Flows whose client messages are wrong on purpose."""

PCM = {"type": "audio/pcm", "rate": 24000}

UNTYPED = {"obfuscation"}
"""Fields the live service sends and the SDK's types do not have, save where they do."""


def codec(**settings: Any) -> OpenAICodec:
    return OpenAICodec(SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: OpenAICodec) -> list[dict[str, Any]]:
    return [json.loads(message) for message in codec.messages_to_send()]


def flow_codec(lines: list[Line]) -> OpenAICodec:
    spec = next((line.settings for line in lines if line.settings is not None), {})
    return OpenAICodec(build_settings(spec), ids=counting_ids(""))


def messages(name: str, direction: str) -> list[dict[str, Any]]:
    """The messages of a flow that go one way."""
    return [line.message for line in flow("openai", name) if line.dir == direction and line.message is not None]


def without(names: set[str]) -> list[str]:
    return [name for name in FLOWS if name not in names]


BAD_FIELDS = pytest.param(
    "errors_bad_fields",
    marks=pytest.mark.bad_frames(reason="the caller's own messages, sent word by word, are what the flow refuses"),
)


# ------------------------------------------------------------------------------------------------------ fixtures


@pytest.mark.parametrize("name", [*without({"errors_bad_fields"}), BAD_FIELDS])
def test_a_flow_reads_as_its_events_and_is_said_by_its_client_events(name: str) -> None:
    lines = flow("openai", name)
    player = flow_codec(lines)
    for number, line in enumerate(lines, 1):
        if line.dir == "<" and line.frame is not None:
            heard = list(player.receive(line.frame))
            assert heard == [build_event(spec) for spec in line.events or []], f"line {number}"
            assert all(event.raw == line.message for event in heard)
            assert heard
        elif line.settings is not None:
            player.opening()
            assert sent(player) == [line.message], f"line {number}"
        elif line.event is not None:
            player.send(build_event(line.event))
            assert sent(player) == [line.message], f"line {number}"
        assert player.messages_to_send() == []


@pytest.mark.parametrize("name", ["text_turn", "audio_turn_vad", "function_call"])
def test_a_text_frame_may_come_as_its_bytes(name: str) -> None:
    as_text, as_bytes = (flow_codec(flow("openai", name)) for _ in range(2))
    for line in flow("openai", name):
        if line.dir == "<":
            assert isinstance(line.frame, str)
            assert as_bytes.receive(line.frame.encode()) == as_text.receive(line.frame)


@pytest.mark.parametrize("name", without(NOT_GA))
def test_every_server_message_is_one_the_sdk_knows(name: str) -> None:
    for message in messages(name, "<"):
        SERVER.validate_json(json.dumps(message), strict=True)
        if not message["type"].startswith("session."):  # `session` has read-only fields that the types leave out
            typed = {key: value for key, value in message.items() if key not in UNTYPED}
            SERVER.validate_json(json.dumps(typed), strict=True, extra="forbid")


@pytest.mark.parametrize("name", without(NOT_ALLOWED))
def test_every_client_message_is_one_the_sdk_knows(name: str) -> None:
    for message in messages(name, ">"):
        CLIENT.validate_json(json.dumps(message), strict=True, extra="forbid")


def test_the_sdk_refuses_what_only_the_beta_had() -> None:
    """So the two checks above are known to bite."""
    refused = [message["type"] for message in messages("beta_names", "<") if not valid(message)]
    assert set(refused) >= BETA_NAMES.keys() - {"conversation.item.created"}


def valid(message: dict[str, Any]) -> bool:
    try:
        SERVER.validate_python(message)
    except ValidationError:
        return False
    return True


# -------------------------------------------------------------------------------------------------------- tables


def sdk_types() -> set[str]:
    """The `type` of every member of the SDK's server union."""
    union = get_args(RealtimeServerEvent)[0]
    return {get_args(member.model_fields["type"].annotation)[0] for member in get_args(union)}


def test_the_table_has_exactly_the_sdks_types_and_the_beta_names() -> None:
    assert len(sdk_types()) == 46
    assert sdk_types() | BETA_NAMES.keys() == DECODERS.keys()


def test_every_server_type_has_a_fixture() -> None:
    seen = {message.get("type") for name in without({"unreadable"}) for message in messages(name, "<")}
    assert seen == DECODERS.keys()


def test_every_client_event_has_a_fixture() -> None:
    said = {line.event["type"] for name in FLOWS for line in flow("openai", name) if line.event}
    assert said == {kind.__name__ for kind in get_args(AnyClientEvent)}


def test_no_beta_name_is_ever_sent() -> None:
    assert PROVIDER.auth.header == ("Authorization", "Bearer {key}")
    assert "beta" not in repr(PROVIDER).lower()


# ---------------------------------------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    "frame", ["", "{", "nope", "[]", '"text"', "7", "null", b"\xff\xfe\x00", b"\x00\x01", "[" * 100_000]
)
def test_a_frame_that_is_no_json_object_is_the_peers_fault(frame: str | bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        codec().receive(frame)


def test_the_session_goes_on_after_an_unreadable_frame() -> None:
    reader = codec()
    with pytest.raises(RemoteProtocolError):
        reader.receive("{")
    assert reader.receive('{"type":"new.since.tuesday"}') == [RawEvent(kind="new.since.tuesday")]


SERVER_MESSAGES = [message for name in FLOWS for message in messages(name, "<")]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield (*path, key)
        yield from paths(child, (*path, key))


def changed(message: Any, path: tuple[Any, ...], value: Any, *, remove: bool) -> Any:
    """A copy of `message` with another value at `path`, or none."""
    out = deepcopy(message)
    *way, last = path
    place = out
    for key in way:
        place = place[key]
    if remove:
        del place[last]
    else:
        place[last] = value
    return out


@given(data=st.data())
def test_a_mutated_message_is_read_as_events_of_a_documented_kind(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(SERVER_MESSAGES))
    path = data.draw(st.sampled_from(list(paths(message))))
    mutant = changed(message, path, data.draw(JSON), remove=data.draw(st.booleans()))
    reader = codec()
    heard = list(reader.receive(json.dumps(mutant)))
    assert heard and all(isinstance(event, ServerEvent) for event in heard)
    for event in heard:
        hash(type(event))
        check_types(event)
    assert isinstance(reader.output_format, AudioFormat)
    assert reader.messages_to_send() == []


FIELD_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "data": (bytes,),
    "message": (str,),
    "item_id": (str, type(None)),
    "previous_item_id": (str, type(None)),
    "response_id": (str, type(None)),
    "call_id": (str,),
    "name": (str,),
    "arguments": (str,),
    "kind": (str,),
    "code": (str, type(None)),
    "param": (str, type(None)),
    "client_event_id": (str, type(None)),
    "reason": (str, type(None)),
    "error_code": (str, type(None)),
    "error_message": (str, type(None)),
    "at_ms": (int, float),
    "audio_end_ms": (int, float),
    "content_index": (int,),
    "settings": (dict,),
    "metadata": (dict, type(None)),
    "item": (dict,),
    "session_id": (str, type(None)),
    "model": (str, type(None)),
    "expires_at": (int, float, type(None)),
}


def check_types(event: ServerEvent) -> None:
    for name, types in FIELD_TYPES.items():
        assert isinstance(getattr(event, name, None), (*types, type(None))), name
        if hasattr(event, name) and type(None) not in types:
            assert type(getattr(event, name)) in types, name


@given(frame=st.binary(max_size=64) | st.text(max_size=64))
def test_any_frame_gives_events_or_the_one_error(frame: str | bytes) -> None:
    try:
        heard = codec().receive(frame)
    except RemoteProtocolError:
        return
    assert [type(event) for event in heard] == [RawEvent]


@given(data=st.data())
def test_a_torn_frame_is_the_peers_fault(data: st.DataObject) -> None:
    frame = json.dumps(data.draw(st.sampled_from(SERVER_MESSAGES)))
    with pytest.raises(RemoteProtocolError):
        codec().receive(frame[: data.draw(st.integers(0, len(frame) - 1))])


# -------------------------------------------------------------------------------------------------------- formats


def audio_delta(response_id: str = "resp_1") -> str:
    place = {"response_id": response_id, "item_id": "item_1", "output_index": 0, "content_index": 0}
    return json.dumps({"type": "response.output_audio.delta", **place, "delta": "AAEC"})


def format_of(reader: OpenAICodec, response_id: str = "resp_1") -> AudioFormat:
    [event] = reader.receive(audio_delta(response_id))
    assert isinstance(event, AudioDelta)
    return event.format


def test_formats_are_those_asked_for_until_the_session_states_its_own() -> None:
    reader = codec(input_format=ALAW_8K, output_format=ULAW_8K)
    assert (reader.input_format, reader.output_format) == (ALAW_8K, ULAW_8K)
    reader.receive(json.dumps({"type": "session.created", "session": {"audio": {"output": {"format": PCM}}}}))
    assert format_of(reader) == ULAW_8K
    reader.receive(json.dumps({"type": "session.updated", "session": {"audio": {"output": {"format": PCM}}}}))
    assert (format_of(reader), reader.input_format) == (PCM16_24K, ALAW_8K)


def test_formats_given_as_options_count() -> None:
    assert codec(options={"audio": {"output": {"format": {"type": "audio/pcma"}}}}).output_format == ALAW_8K


def test_a_response_keeps_its_own_format_to_its_end() -> None:
    reader = codec()
    response = {"id": "resp_2", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    reader.receive(json.dumps({"type": "response.created", "response": response}))
    assert (format_of(reader, "resp_2"), format_of(reader)) == (ULAW_8K, PCM16_24K)
    reader.receive(json.dumps({"type": "response.done", "response": {**response, "status": "completed"}}))
    assert format_of(reader, "resp_2") == PCM16_24K


# --------------------------------------------------------------------------------------------------------- errors


def error(**fields: Any) -> str:
    return json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": "No.", **fields}})


@pytest.mark.parametrize(
    ("code", "benign"),
    [
        ("response_cancel_not_active", True),
        ("conversation_already_has_active_response", True),
        ("item_truncate_invalid_item_id", True),
        ("unsupported_content_type", False),
        ("invalid_value", False),
        (None, False),
    ],
)
def test_which_errors_need_no_telling(code: str | None, benign: bool) -> None:
    assert codec().receive(error(code=code)) == [SessionError(message="No.", code=code, benign=benign)]


def test_the_refusal_of_our_own_truncation_is_benign() -> None:
    speaker = codec()
    speaker.send(TruncateOutput(item_id="i", played_ms=1))
    speaker.send(AppendText(text="x"))
    truncation, item = [message["event_id"] for message in sent(speaker)]
    for event_id, benign in ((truncation, True), (item, False)):
        [event] = speaker.receive(error(code="unsupported_content_type", event_id=event_id))
        assert isinstance(event, SessionError)
        assert (event.client_event_id, event.benign) == (event_id, benign)


def test_a_text_delta_costs_one_event() -> None:
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    message = {"type": "response.output_text.delta", **place, "delta": "wörd", "obfuscation": "xyz"}
    assert codec().receive(json.dumps(message)) == [TextDelta(text="wörd", response_id="r", item_id="i")]
