"""The ElevenLabs codecs, held to the wire fixtures; the agent's opening message also to the official SDK's type."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from elevenlabs.types.audio_output import AudioOutput
from elevenlabs.types.conversation_initiation_client_data_request_input import (
    ConversationInitiationClientDataRequestInput,
)
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio.formats import PCM16_16K, PCM16_24K, ULAW_8K, AudioFormat
from aigw_notebook.errors import LocalProtocolError, RemoteProtocolError, Unsupported
from aigw_notebook.events import (
    AppendAudio,
    AppendText,
    AudioDelta,
    CancelResponse,
    ClearAudio,
    CommitAudio,
    CreateResponse,
    ProviderMessage,
    RawEvent,
    ResponseDone,
    ResponseStarted,
    ServerEvent,
    SessionError,
    SessionOpened,
    SessionUpdate,
    SessionUpdated,
    SpeechStarted,
    ToolResult,
    TruncateOutput,
)
from aigw_notebook.providers import SessionSettings, TurnDetection
from aigw_notebook.providers.base import Codec, counting_ids
from aigw_notebook.providers.elevenlabs import DECODERS, PROVIDER, ElevenLabsCodec
from aigw_notebook.providers.elevenlabs_tts import FORMATS, MultiStreamCodec, StreamCodec, url_query
from tests.wire import Line, build_event, build_settings, flow, flow_names

FLOWS = flow_names("elevenlabs")
SPEECH_FLOWS = flow_names("elevenlabs_tts")

Made = dict[str, Any]


def codec(kind: type[Codec] = ElevenLabsCodec, **settings: Any) -> Any:
    return kind(SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: Codec) -> list[Made]:
    return [json.loads(message) for message in codec.messages_to_send()]


def play(codec: Codec, lines: list[Line]) -> None:
    """Hold a codec to the lines of a flow."""
    codec_says = sent(codec)
    for number, line in enumerate(lines, 1):
        if line.dir == "<" and (line.alarm or line.frame is not None):
            assert line.alarm <= (codec.alarm is not None), f"line {number}: no alarm is set"
            heard = list(codec.ring() if line.alarm else codec.receive(line.frame or ""))
            assert heard == [build_event(spec) for spec in line.events or []], f"line {number}"
            assert all(event.raw == line.message for event in heard)
        elif line.settings is not None:
            codec.opening()
        elif line.event is not None:
            codec.send(build_event(line.event))
        codec_says += sent(codec)
        if line.dir == ">" and line.handshake is None:
            assert codec_says == line.said, f"line {number}"
            codec_says = []
    assert codec_says == []


# ------------------------------------------------------------------------------------------------------ fixtures


@pytest.mark.parametrize("name", FLOWS)
def test_a_conversation_reads_as_its_events_and_is_said_by_its_client_events(name: str) -> None:
    lines = flow("elevenlabs", name)
    settings = next((line.settings for line in lines if line.settings is not None), {})
    play(ElevenLabsCodec(build_settings(settings), ids=counting_ids("")), lines)


@pytest.mark.parametrize("name", SPEECH_FLOWS)
def test_streamed_speech_reads_as_its_events_and_is_said_by_its_client_events(name: str) -> None:
    lines = flow("elevenlabs_tts", name)
    settings = build_settings(next(line.settings for line in lines if line.settings is not None))
    play(PROVIDER.for_model(settings.model).codec(settings, ids=counting_ids("")), lines)


@pytest.mark.parametrize("name", FLOWS)
def test_every_opening_message_is_one_the_sdk_knows(name: str) -> None:
    for line in flow("elevenlabs", name):
        if line.settings is not None:
            known = ConversationInitiationClientDataRequestInput.model_validate(line.message)
            assert known.conversation_config_override is not None or "conversation_config_override" not in line.message


@pytest.mark.parametrize("name", SPEECH_FLOWS)
def test_every_piece_of_speech_is_one_the_sdk_knows(name: str) -> None:
    for line in flow("elevenlabs_tts", name):
        if line.dir == "<" and line.message and line.message.get("audio"):
            assert AudioOutput.model_validate(line.message).audio


def test_every_kind_of_message_is_in_a_fixture() -> None:
    lines = [line for name in FLOWS for line in flow("elevenlabs", name)]
    assert DECODERS.keys() <= {
        line.message["type"] for line in lines if line.dir == "<" and line.message and "type" in line.message
    }


# ------------------------------------------------------------------------------------------------------ the agent

METADATA = {
    "type": "conversation_initiation_metadata",
    "conversation_initiation_metadata_event": {"conversation_id": "conv_1"},
}
PCM = b64encode(bytes(320)).decode()


def opened(**settings: Any) -> ElevenLabsCodec:
    made: ElevenLabsCodec = codec(**settings)
    made.opening()
    made.receive(json.dumps(METADATA))
    made.ring()
    made.messages_to_send()
    return made


def agent_says(codec: ElevenLabsCodec, text: str, event_id: int) -> list[Any]:
    told = {"agent_response": text, "event_id": event_id}
    return list(codec.receive(json.dumps({"type": "agent_response", "agent_response_event": told})))


def agent_sounds(codec: ElevenLabsCodec, event_id: int, chars: str = "") -> list[Any]:
    told: Made = {"audio_base_64": PCM, "event_id": event_id}
    if chars:
        times = list(range(len(chars)))
        told["alignment"] = {"chars": list(chars), "char_start_times_ms": times, "char_durations_ms": [1] * len(chars)}
    return list(codec.receive(json.dumps({"type": "audio", "audio_event": told})))


def test_it_is_ready_when_the_greeting_begins_or_when_none_comes() -> None:
    silent: ElevenLabsCodec = codec()
    assert silent.receive(json.dumps(METADATA)) == [SessionOpened(session_id="conv_1")]
    assert silent.alarm is not None and silent.alarm.after_ms == 1_000
    assert [type(event) for event in silent.ring()] == [SessionUpdated] and silent.ring() == []
    greeting: ElevenLabsCodec = codec()
    greeting.receive(json.dumps(METADATA))
    assert [type(event) for event in agent_says(greeting, "Hello.", 1)][:2] == [SessionUpdated, ResponseStarted]


def test_an_answer_waits_shorter_once_its_last_letter_was_spoken() -> None:
    made = opened()
    agent_says(made, "Yes, I do.", 1)
    assert made.alarm is not None and made.alarm.after_ms == 1_500
    agent_sounds(made, 1, "Yes, I")
    assert made.alarm.after_ms == 1_500
    agent_sounds(made, 1, " do.")
    assert made.alarm.after_ms == 150
    assert made.ring() == [ResponseDone(response_id="resp_000000001")]
    assert agent_sounds(made, 1) == [RawEvent(kind="audio")]


def test_letters_that_are_spelt_out_do_not_end_an_answer_early() -> None:
    made = opened()
    agent_says(made, "17 is what it really is.", 1)
    agent_sounds(made, 1, "seventeen ")
    assert made.alarm is not None and made.alarm.after_ms == 1_500
    agent_sounds(made, 1, "is what it really is.")
    assert made.alarm.after_ms == 150


def test_what_comes_of_an_interrupted_answer_is_not_heard() -> None:
    made = opened()
    agent_says(made, "Long.", 3)
    cut = made.receive(json.dumps({"type": "interruption", "interruption_event": {"event_id": 3}}))
    assert cut == [ResponseDone(response_id="resp_000000001", status="cancelled", reason="turn_detected")]
    assert agent_sounds(made, 3) == [RawEvent(kind="audio")] and agent_says(made, "x", 2) == [
        RawEvent(kind="agent_response")
    ]
    assert isinstance(agent_sounds(made, 4)[-1], AudioDelta)


def test_an_interruption_by_voice_begins_the_users_turn_where_the_score_rose() -> None:
    made = opened()
    agent_says(made, "Long.", 1)
    made.send(AppendAudio(data=bytes(32_000)))
    made.receive(json.dumps({"type": "vad_score", "vad_score_event": {"vad_score": 0.1}}))
    made.send(AppendAudio(data=bytes(3_200)))
    made.receive(json.dumps({"type": "vad_score", "vad_score_event": {"vad_score": 0.9}}))
    made.send(AppendAudio(data=bytes(3_200)))
    begun = made.receive(json.dumps({"type": "interruption", "interruption_event": {"event_id": 1}}))[0]
    assert isinstance(begun, SpeechStarted) and begun.at_ms == 800


def test_words_of_a_call_in_mid_sentence_are_heard_out() -> None:
    made = opened()
    agent_says(made, "Let me look.", 1)
    call = {"tool_name": "f", "tool_call_id": "c", "parameters": None, "event_id": 1}
    asked = made.receive(json.dumps({"type": "client_tool_call", "client_tool_call": call}))
    assert [event.arguments for event in asked] == ["{}"]  # type: ignore[union-attr]
    assert made.alarm is not None and made.alarm.after_ms == 1_500
    assert isinstance(agent_sounds(made, 1)[-1], AudioDelta)


def test_a_call_without_a_number_is_a_call() -> None:
    made = opened()
    call = {"tool_name": "f", "tool_call_id": "c", "parameters": {}}
    assert len(made.receive(json.dumps({"type": "client_tool_call", "client_tool_call": call}))) == 2


def test_a_tool_is_answered_once() -> None:
    made = opened()
    call = {"tool_name": "f", "tool_call_id": "c", "parameters": {}, "event_id": 1}
    made.receive(json.dumps({"type": "client_tool_call", "client_tool_call": call}))
    made.send(ToolResult(call_id="c", output="x"))
    made.messages_to_send()
    with pytest.raises(LocalProtocolError, match="once"):
        made.send(ToolResult(call_id="c", output="x"))
    assert made.messages_to_send() == []


def test_an_error_without_words_is_told_by_its_type() -> None:
    assert opened().receive('{"type": "error", "error_event": {"code": 1011}}') == [
        SessionError(message="the conversation failed", code="1011")
    ]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_no_value_makes_it_raise(value: Any) -> None:
    made = opened()
    for kind in DECODERS:
        for payload in (
            value,
            {"event_id": 1, "text": value, "type": value, "audio_base_64": value, "alignment": value},
        ):
            message = {"type": kind, f"{kind}_event": payload, kind: payload, "text_response_part": payload}
            assert all(isinstance(event, ServerEvent) for event in made.receive(json.dumps(message)))


@pytest.mark.parametrize("message", ["", "nonsense", "[]", "1", b"\xff", "[" * 100_000])
@pytest.mark.parametrize("kind", [ElevenLabsCodec, StreamCodec, MultiStreamCodec])
def test_what_is_no_object_is_a_broken_protocol(kind: type[Codec], message: str | bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="reconnect"):
        codec(kind).receive(message)


def test_the_agent_is_named_in_the_url() -> None:
    assert dict(PROVIDER.query(SessionSettings(model="agent_7"))) == {"agent_id": "agent_7"}
    assert dict(PROVIDER.query(SessionSettings())) == {}


def test_its_formats_are_the_agents() -> None:
    made: ElevenLabsCodec = codec()
    assert made.input_format == made.output_format == PCM16_16K
    told = {"conversation_id": "c", "agent_output_audio_format": "ulaw_8000", "user_input_audio_format": "opus_99"}
    made.receive(json.dumps({"type": METADATA["type"], "conversation_initiation_metadata_event": told}))
    assert made.input_format == PCM16_16K and made.output_format == ULAW_8K


# -------------------------------------------------------------------------------------------------------- refusing

LACKING: list[Made] = [
    {"temperature": 0.5},
    {"max_output_tokens": 10},
    {"tool_choice": "auto"},
    {"turn_detection": TurnDetection(mode="manual")},
    {"turn_detection": TurnDetection(threshold=0.4)},
    {"transcription": "whisper"},
    {"input_format": PCM16_24K},
    {"output_format": PCM16_24K},
    {"modalities": ("text", "audio")},
    {"speed": 2.0},
]


@pytest.mark.parametrize("settings", LACKING, ids=lambda settings: next(iter(settings)))
def test_what_an_agent_lacks_is_refused_before_anything_opens(settings: Made) -> None:
    with pytest.raises(Unsupported, match="ElevenLabs"):
        codec(**settings)


SPEECH_LACKING: list[Made] = [
    {"instructions": "x"},
    {"tools": ({"name": "f"},)},
    {"transcription": True},
    {"turn_detection": TurnDetection()},
    {"modalities": ("text",)},
    {"output_format": AudioFormat("float32", 24_000)},
    {"speed": 0.2},
]


@pytest.mark.parametrize("settings", SPEECH_LACKING, ids=lambda settings: next(iter(settings)))
@pytest.mark.parametrize("kind", [StreamCodec, MultiStreamCodec])
def test_what_speech_lacks_is_refused_before_anything_opens(kind: type[Codec], settings: Made) -> None:
    with pytest.raises(Unsupported, match="ElevenLabs"):
        codec(kind, **settings)


UNSAYABLE: list[Any] = [
    AppendText(text="x", role="assistant"),
    AppendText(text="x", images=(b"\x89PNG",)),
    CreateResponse(instructions="x"),
    CreateResponse(modalities=("text",)),
    CreateResponse(voice="v"),
    CancelResponse(),
    ClearAudio(),
    SessionUpdate(changes={"voice": "v"}),
    TruncateOutput(item_id="i", played_ms=1),
]


@pytest.mark.parametrize("event", UNSAYABLE, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("kind", [ElevenLabsCodec, StreamCodec, MultiStreamCodec])
def test_what_cannot_be_said_is_refused_and_nothing_is_queued(kind: type[Codec], event: Any) -> None:
    made = codec(kind)
    with pytest.raises(Unsupported, match="ElevenLabs"):
        made.send(event)
    assert made.messages_to_send() == []


@pytest.mark.parametrize("event", [AppendAudio(data=b""), CommitAudio(), ToolResult(call_id="c", output="")])
@pytest.mark.parametrize("kind", [StreamCodec, MultiStreamCodec])
def test_speech_neither_listens_nor_calls_tools(kind: type[Codec], event: Any) -> None:
    with pytest.raises(Unsupported):
        codec(kind).send(event)


SENSELESS: list[tuple[type[Codec], Any]] = [
    (ElevenLabsCodec, ToolResult(call_id="nobody", output="")),
    (ElevenLabsCodec, ProviderMessage(message={"text": "x"})),
    (ElevenLabsCodec, "no event"),
    (StreamCodec, CreateResponse()),
    (MultiStreamCodec, CreateResponse()),
    (MultiStreamCodec, ProviderMessage(message=[])),  # type: ignore[arg-type]
    (StreamCodec, "no event"),
]


@pytest.mark.parametrize(("kind", "event"), SENSELESS)
def test_a_call_that_makes_no_sense_is_refused(kind: type[Codec], event: Any) -> None:
    made = codec(kind)
    with pytest.raises(LocalProtocolError):
        made.send(event)
    assert made.messages_to_send() == []


# -------------------------------------------------------------------------------------------------- text to speech


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (None, ElevenLabsCodec),
        ("agent_1", ElevenLabsCodec),
        ("tts", MultiStreamCodec),
        ("tts/v", MultiStreamCodec),
        ("eleven_flash_v2_5", MultiStreamCodec),
        ("tts-stream", StreamCodec),
        ("tts-stream/v", StreamCodec),
    ],
)
def test_the_model_chooses_the_protocol(model: str | None, kind: type[Codec]) -> None:
    assert PROVIDER.for_model(model).codec is kind


def test_the_voice_is_in_the_path() -> None:
    def tail(model: str, **settings: Any) -> str:
        return PROVIDER.for_model(model).tail(SessionSettings(model=model, **settings))

    assert tail("tts/v 1") == "/v1/text-to-speech/v%201/multi-stream-input"
    assert tail("tts-stream/v1", voice="v2") == "/v1/text-to-speech/v2/stream-input"
    assert tail("tts") == "/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb/multi-stream-input"


def test_what_is_no_part_of_a_message_is_in_the_query() -> None:
    asked = url_query(
        SessionSettings(
            model="eleven_multilingual_v2",
            output_format=ULAW_8K,
            options={"auto_mode": True, "seed": 7, "voice_settings": {"style": 0}},
        )
    )
    assert asked == {
        "model_id": "eleven_multilingual_v2",
        "output_format": "ulaw_8000",
        "inactivity_timeout": "180",
        "sync_alignment": "true",
        "auto_mode": "true",
        "seed": "7",
    }


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_every_format_is_read_as_it_was_asked_for(format: AudioFormat) -> None:
    made = codec(StreamCodec, output_format=format)
    made.send(AppendText(text="x"))
    assert made.receive(json.dumps({"audio": "AAAA"}))[-1].format == format == made.output_format


def test_a_socket_of_one_answer_speaks_no_second() -> None:
    made = codec(StreamCodec)
    made.send(AppendText(text="x"))
    made.send(CreateResponse())
    with pytest.raises(Unsupported, match="connect again"):
        made.send(AppendText(text="y"))
    made.receive('{"isFinal": true}')
    with pytest.raises(Unsupported, match="connect again"):
        made.send(AppendText(text="y"))


def test_an_open_answer_is_kept_alive() -> None:
    made = codec(StreamCodec)
    made.keep_alive()
    assert made.messages_to_send() == []
    made.send(AppendText(text="x"))
    made.messages_to_send()
    made.keep_alive()
    assert sent(made) == [{"text": " "}]
    made.send(CreateResponse())
    made.messages_to_send()
    made.keep_alive()
    assert made.messages_to_send() == []
