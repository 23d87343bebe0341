"""The Cartesia codec, held to the wire fixtures and to the official SDK's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cartesia.types import websocket_response
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio.formats import ALAW_8K, PCM16_24K, AudioFormat
from aigw_notebook.errors import LocalProtocolError, RemoteProtocolError, Unsupported
from aigw_notebook.events import (
    AppendAudio,
    AppendText,
    AudioDelta,
    CancelResponse,
    CommitAudio,
    CreateResponse,
    ProviderMessage,
    RawEvent,
    ResponseDone,
    ServerEvent,
    SessionError,
    SessionUpdate,
)
from aigw_notebook.providers import SessionSettings, TurnDetection
from aigw_notebook.providers.base import counting_ids
from aigw_notebook.providers.cartesia import DECODERS, FORMATS, PROVIDER, CartesiaCodec
from tests.wire import build_event, build_settings, flow, flow_names

FLOWS = flow_names("cartesia")
MODELS = {
    "chunk": websocket_response.Chunk,
    "flush_done": websocket_response.FlushDone,
    "done": websocket_response.Done,
    "timestamps": websocket_response.Timestamps,
    "phoneme_timestamps": websocket_response.PhonemeTimestamps,
    "error": websocket_response.Error,
}


def codec(**settings: Any) -> CartesiaCodec:
    return CartesiaCodec(SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: CartesiaCodec) -> list[dict[str, Any]]:
    return [json.loads(message) for message in codec.messages_to_send()]


def asked(**settings: Any) -> CartesiaCodec:
    """A codec whose one answer, `ctx_000000001`, has been asked for."""
    made = codec(**settings)
    made.send(AppendText(text="Hello."))
    made.send(CreateResponse())
    made.messages_to_send()
    return made


def frame(kind: str, context_id: str = "ctx_000000001", **fields: Any) -> str:
    done = kind in ("done", "error")
    return json.dumps({"type": kind, "context_id": context_id, "status_code": 206, "done": done, **fields})


# ------------------------------------------------------------------------------------------------------ fixtures


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_reads_as_its_events_and_is_said_by_its_client_events(name: str) -> None:
    lines = flow("cartesia", name)
    settings = next((line.settings for line in lines if line.settings is not None), {})
    player = CartesiaCodec(build_settings(settings), ids=counting_ids(""))
    player.opening()
    assert player.messages_to_send() == []
    for number, line in enumerate(lines, 1):
        if line.dir == "<" and line.frame is not None:
            heard = list(player.receive(line.frame))
            assert heard == [build_event(spec) for spec in line.events or []], f"line {number}"
            assert all(event.raw == line.message for event in heard)
        elif line.event is not None:
            player.send(build_event(line.event))
            assert sent(player) == [line.message], f"line {number}"
        assert player.messages_to_send() == []


@pytest.mark.parametrize("name", [name for name in FLOWS if name != "unreadable"])
def test_every_server_message_is_one_the_sdk_knows(name: str) -> None:
    for line in flow("cartesia", name):
        if line.dir == "<":
            MODELS[line.message["type"]].model_validate(line.message, strict=True)


def test_every_kind_of_message_has_a_decoder() -> None:
    assert DECODERS.keys() == MODELS.keys()


# ------------------------------------------------------------------------------------------------------ receiving


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_no_value_of_a_field_makes_it_raise(value: Any) -> None:
    for kind in MODELS:
        for name in ("context_id", "data", "word_timestamps", "phoneme_timestamps", "message", "error", "status_code"):
            message = {"type": kind, "context_id": "ctx_000000001", "data": "", "done": True, name: value}
            heard = asked().receive(json.dumps(message))
            assert heard and all(isinstance(event, ServerEvent) for event in heard)


@pytest.mark.parametrize("message", ["", "nonsense", "[]", "1", b"\xff", "[" * 100_000])
def test_what_is_no_object_is_a_broken_protocol(message: str | bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="reconnect"):
        codec().receive(message)


def test_an_error_that_names_nobody_is_that_of_the_only_answer() -> None:
    one = asked()
    error = json.dumps({"type": "error", "done": True, "title": "Too many", "message": "Wait.", "status_code": 429})
    assert one.receive(error)[-1] == ResponseDone(
        response_id="ctx_000000001", status="failed", error_code="429", error_message="Too many: Wait."
    )
    assert one.receive(error) == [SessionError(message="Too many: Wait.", code="429")]


def test_with_two_answers_an_error_that_names_nobody_ends_neither() -> None:
    two = asked()
    two.send(AppendText(text="More."))
    error = json.dumps({"type": "error", "done": True, "error": "bad"})
    assert two.receive(error) == [SessionError(message="bad")]
    assert isinstance(two.receive(frame("done"))[-1], ResponseDone)


def test_an_ended_context_is_forgotten() -> None:
    codec = asked()
    assert isinstance(codec.receive(frame("done"))[-1], ResponseDone)
    assert codec.receive(frame("done")) == [RawEvent(kind="done")]


def test_a_cancelled_context_of_which_nothing_is_heard_ends_when_the_alarm_rings() -> None:
    codec = asked()
    assert codec.alarm is None
    codec.send(CancelResponse())
    assert sent(codec) == [{"context_id": "ctx_000000001", "cancel": True}]
    assert codec.alarm is not None and codec.alarm.after_ms == 2_000
    assert codec.ring()[-1] == ResponseDone(response_id="ctx_000000001", status="cancelled", reason="client_cancelled")
    assert codec.alarm is None and codec.ring() == []


def test_an_answer_that_is_still_being_told_is_in_mid_input() -> None:
    codec_ = codec()
    codec_.send(AppendText(text="One. "))
    assert not codec_.mid_input
    codec_.receive(frame("chunk", data=""))
    assert codec_.mid_input
    codec_.send(CreateResponse())
    assert not codec_.mid_input


# -------------------------------------------------------------------------------------------------------- sending


def test_the_voice_has_the_form_of_the_version() -> None:
    def voice(**options: Any) -> Any:
        made = codec(voice="v", options=options)
        made.send(AppendText(text="x"))
        return sent(made)[0]["voice"]

    assert voice() == voice(cartesia_version="2025-04-16") == {"mode": "id", "id": "v"}
    assert voice(cartesia_version="2026-08-14") == "v"
    assert voice(voice={"mode": "embedding", "embedding": [0.5]}) == {"mode": "embedding", "embedding": [0.5]}


def test_the_version_is_in_the_url_and_not_in_a_request() -> None:
    assert dict(PROVIDER.query(SessionSettings())) == {"cartesia_version": "2026-03-01"}
    chosen = SessionSettings(options={"cartesia_version": "2024-06-10"})
    assert dict(PROVIDER.query(chosen)) == {"cartesia_version": "2024-06-10"}


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_every_format_is_asked_for_and_read_back(format: AudioFormat) -> None:
    made = asked(output_format=format)
    assert made.output_format == format
    (sound,) = [event for event in made.receive(frame("chunk", data="AAAA")) if isinstance(event, AudioDelta)]
    assert sound.format == format


def test_an_update_holds_for_the_answers_after_it() -> None:
    made = codec()
    made.send(AppendText(text="Slow."))
    made.send(SessionUpdate(changes={"voice": "other", "output_format": ALAW_8K}))
    made.send(CreateResponse())
    made.send(AppendText(text="Fast."))
    first, closing, second = sent(made)
    assert first["voice"]["id"] != "other" and closing["voice"]["id"] == second["voice"]["id"] == "other"
    formats = [made.receive(frame("chunk", f"ctx_00000000{n}", data="AAA="))[-1].format for n in (1, 2)]  # type: ignore[union-attr]
    assert formats == [PCM16_24K, ALAW_8K]


@pytest.mark.parametrize(
    "settings",
    [
        {"instructions": "Be brief."},
        {"temperature": 0.5},
        {"max_output_tokens": 10},
        {"tools": ({"name": "f"},)},
        {"tool_choice": "auto"},
        {"turn_detection": TurnDetection()},
        {"transcription": True},
        {"input_format": PCM16_24K},
        {"modalities": ("text",)},
        {"speed": 3.0},
        {"speed": 0.1},
        {"output_format": AudioFormat("pcm16", 12_000)},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_it_lacks_is_refused_before_anything_opens(settings: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="Cartesia"):
        codec(**settings)


@pytest.mark.parametrize(
    "event",
    [
        AppendText(text="x", role="system"),
        AppendText(text="x", images=(b"\x89PNG",)),
        AppendAudio(data=b""),
        CommitAudio(),
        CreateResponse(instructions="x"),
        CreateResponse(modalities=("text",)),
        CreateResponse(out_of_band=True),
        SessionUpdate(changes={"options": {"cartesia_version": "2024-06-10"}}),
        SessionUpdate(changes={"instructions": "x"}),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_it_cannot_say_is_refused_and_nothing_is_queued(event: Any) -> None:
    made = codec()
    with pytest.raises(Unsupported, match="Cartesia"):
        made.send(event)
    assert made.messages_to_send() == []


@pytest.mark.parametrize(
    "event",
    [
        CreateResponse(),
        CancelResponse(),
        CancelResponse(response_id="nobody"),
        SessionUpdate(changes={"colour": "red"}),
        ProviderMessage(message=[]),  # type: ignore[arg-type]
        ProviderMessage(message={"transcript": object()}),
        "not an event",
    ],
    ids=lambda call: type(call).__name__,
)
def test_a_call_that_makes_no_sense_is_refused(event: Any) -> None:
    made = codec()
    with pytest.raises(LocalProtocolError):
        made.send(event)
    assert made.messages_to_send() == []
