"""The Deepgram codecs, held to the wire fixtures, to the SDK's types, and to what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio.formats import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, ULAW_8K, AudioFormat
from aigw_notebook.errors import ConfigurationError, LocalProtocolError, RemoteProtocolError, Unsupported
from aigw_notebook.events import (
    AppendAudio,
    AppendText,
    CancelResponse,
    ClearAudio,
    CommitAudio,
    CreateResponse,
    InputTranscript,
    ProviderMessage,
    RawEvent,
    ResponseDone,
    ServerEvent,
    SessionUpdate,
    SpeechStarted,
)
from aigw_notebook.providers import SessionSettings, TurnDetection
from aigw_notebook.providers.base import Codec, Message, Provider, counting_ids
from aigw_notebook.providers.deepgram import PROVIDER
from aigw_notebook.providers.deepgram_flux import FluxCodec
from aigw_notebook.providers.deepgram_listen import ListenCodec
from aigw_notebook.providers.deepgram_speak import SpeakCodec
from tests.sdk_deepgram import CLIENT, SERVER, check_client, check_server
from tests.wire import Line, build_event, build_settings, flow, flow_names

FLOWS = flow_names("deepgram")
MODELS = {"listen": "nova-3", "flux": "flux-general-en", "speak": "aura-2-thalia-en"}
CODECS: dict[str, type[Any]] = {"listen": ListenCodec, "flux": FluxCodec, "speak": SpeakCodec}
NOT_TYPED = {"listen_unreadable", "flux_untyped"}
"""Flows whose server messages the SDK's types do not have."""

WRONG = {"listen_configure", "flux_forced", "speak_warnings"}
"""Flows in which a client says, among others, what the protocol does not have."""


def service(name: str) -> str:
    return name.partition("_")[0]


def provider(name: str) -> Provider:
    return PROVIDER.for_model(MODELS[service(name)])


def codec(kind: str, **settings: Any) -> Any:
    return CODECS[kind](SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: Codec) -> list[Any]:
    return [json.loads(m) if isinstance(m, str) else m for m in codec.messages_to_send()]


def flow_codec(name: str) -> Codec:
    settings = build_settings(flow("deepgram", name)[0].settings or {})
    return provider(name).codec(settings, ids=counting_ids(""))


def same(frame: Message, line: Line) -> bool:
    return frame == line.frame if isinstance(frame, bytes) else json.loads(frame) == line.message


# ------------------------------------------------------------------------------------------------------ fixtures


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_reads_as_its_events_and_is_said_by_its_client_events(name: str) -> None:
    player, queued = flow_codec(name), []
    player.opening()
    assert player.messages_to_send() == []
    for number, line in enumerate(flow("deepgram", name)[1:], 2):
        if line.dir == "<":
            assert queued == [], f"line {number}"
            if line.frame is not None:
                heard = list(player.receive(line.frame))
                assert heard == [build_event(spec) for spec in line.events or []], f"line {number}"
                assert line.message is None or all(event.raw == line.message for event in heard)
            continue
        if line.event is not None:
            player.send(build_event(line.event))
            queued += player.messages_to_send()
        if line.frame is not None and queued:
            assert same(queued.pop(0), line), f"line {number}"
    assert not queued or queued == ['{"type":"KeepAlive"}']


@pytest.mark.parametrize("name", FLOWS)
def test_the_settings_of_a_flow_are_the_query_it_knocks_with(name: str) -> None:
    knock = flow("deepgram", name)[0]
    assert knock.handshake is not None
    settings = build_settings(knock.settings or {})
    chosen = provider(name)
    assert dict(chosen.query(settings)) == knock.handshake["query"]
    assert chosen.route + chosen.tail(settings) == knock.handshake["route"]


@pytest.mark.parametrize("name", [name for name in FLOWS if name not in NOT_TYPED])
def test_every_server_message_is_one_the_sdk_knows(name: str) -> None:
    checked = [line.message for line in flow("deepgram", name) if line.dir == "<" and line.message is not None]
    for message in checked:
        check_server(service(name), message)


@pytest.mark.parametrize("name", [name for name in FLOWS if name not in WRONG])
def test_every_client_message_is_one_the_sdk_knows(name: str) -> None:
    for line in flow("deepgram", name):
        if line.dir == ">" and line.message is not None:
            check_client(service(name), line.message)


@pytest.mark.parametrize("kind", ["listen", "flux", "speak"])
def test_the_flows_show_every_message_of_the_sdk(kind: str) -> None:
    lines = [line for name in FLOWS if service(name) == kind for line in flow("deepgram", name) if line.message]
    assert {line.message.get("type") for line in lines if line.dir == "<"} >= SERVER[kind].keys()
    assert {line.message.get("type") for line in lines if line.dir == ">"} >= CLIENT[kind].keys()
    assert SERVER[kind].keys() <= CODECS[kind].decoders.keys()


# ------------------------------------------------------------------------------------------------- who ends a turn


def results(text: str, end_s: float, **flags: Any) -> str:
    alternatives = [{"transcript": text, "confidence": 1.0, "words": []}]
    return json.dumps(
        {"type": "Results", "start": 0.0, "duration": end_s, "channel": {"alternatives": alternatives}, **flags}
    )


def texts(events: Any) -> list[str]:
    return [event.text for event in events if isinstance(event, InputTranscript) and event.final]


def test_a_pause_within_a_clip_does_not_end_it() -> None:
    listener = codec("listen", input_format=PCM16_16K)
    listener.send(SessionUpdate(changes={"turn_detection": TurnDetection(mode="manual")}))
    listener.send(AppendAudio(data=bytes(32_000)))
    assert not texts(listener.receive(results("One.", 0.4, is_final=True, speech_final=True)))
    listener.send(CommitAudio())
    listener.send(SessionUpdate(changes={"turn_detection": TurnDetection()}))
    listener.send(CreateResponse())
    assert not texts(listener.receive(results("Two.", 0.7, is_final=True, speech_final=True)))
    assert texts(listener.receive(results("Three.", 1.0, is_final=True))) == ["One. Two. Three."]


def test_a_commit_of_what_is_final_already_ends_by_the_providers_silence() -> None:
    listener = codec("listen", input_format=PCM16_16K, turn_detection=TurnDetection(mode="manual"))
    listener.send(AppendAudio(data=bytes(32_000)))
    listener.receive(results("All of it.", 0.8, is_final=True))
    assert listener.alarm is None
    listener.send(CommitAudio())
    assert listener.alarm is not None
    assert texts(listener.ring()) == ["All of it."]
    assert listener.alarm is None and listener.ring() == []


def test_a_flux_commit_ends_by_the_providers_silence_with_the_words_of_the_open_turn() -> None:
    listener = codec("flux", input_format=PCM16_16K)
    listener.send(AppendAudio(data=bytes(32_000)))
    listener.receive(turn("Update", "Hello wor", 0.9))
    listener.send(CommitAudio())
    assert texts(listener.ring()) == ["Hello wor"] and listener.ring() == []


def turn(event: str, text: str, end_s: float) -> str:
    window = {"audio_window_start": 0.0, "audio_window_end": end_s}
    return json.dumps({"type": "TurnInfo", "event": event, "turn_index": 0, "transcript": text, **window})


def test_the_same_words_are_not_told_twice() -> None:
    listener = codec("flux")
    assert len(listener.receive(turn("Update", "Hello", 0.5))) == 2
    (event,) = listener.receive(turn("Update", "Hello", 0.75))
    assert isinstance(event, RawEvent)


@pytest.mark.parametrize("kind", ["listen", "flux"])
def test_nothing_can_be_asked_for_before_it_is_committed(kind: str) -> None:
    with pytest.raises(LocalProtocolError, match="commit"):
        codec(kind).send(CreateResponse())


@pytest.mark.parametrize("kind", ["listen", "flux"])
def test_times_are_those_of_the_callers_audio(kind: str) -> None:
    """A connection is kept alive with silence of the codec's own, which the provider counts."""
    listener = codec(kind, input_format=PCM16_16K)
    listener.keep_alive()
    listener.send(AppendAudio(data=bytes(32_000)))
    listener.messages_to_send()
    heard = results("Hi.", 1.1) if kind == "listen" else turn("Update", "Hi.", 1.1)
    shifted = heard.replace('"start": 0.0', '"start": 0.6').replace(
        '"audio_window_start": 0.0', '"audio_window_start": 0.6'
    )
    started = next(event for event in listener.receive(shifted) if isinstance(event, SpeechStarted))
    assert started.at_ms == 500.0


def test_a_stream_is_kept_alive_by_audio_first_and_by_a_message_then() -> None:
    listener = codec("listen", input_format=ULAW_8K)
    listener.keep_alive()
    assert sent(listener) == [b"\xff" * 800]
    listener.keep_alive()
    assert sent(listener) == [{"type": "KeepAlive"}]


def test_flux_is_kept_alive_by_audio_alone() -> None:
    listener = codec("flux", input_format=ALAW_8K)
    for _ in range(2):
        listener.keep_alive()
        assert sent(listener) == [b"\xd5" * 800]


def test_audio_goes_in_frames_of_at_most_250_ms_and_never_empty() -> None:
    listener = codec("listen", input_format=PCM16_16K)
    listener.send(AppendAudio(data=bytes(20_000)))
    assert [len(frame) for frame in sent(listener)] == [8_000, 8_000, 4_000]
    listener.send(AppendAudio(data=b""))
    assert sent(listener) == []


def test_a_flux_commit_is_followed_by_silence_beyond_the_time_out() -> None:
    listener = codec("flux", input_format=PCM16_16K, turn_detection=TurnDetection(silence_duration_ms=1_000))
    listener.send(CommitAudio())
    frames = sent(listener)
    assert PCM16_16K.duration_ms(sum(map(len, frames))) == 2_000 and not any(map(any, frames))


# -------------------------------------------------------------------------------------------------------- speaking


def test_text_is_gathered_into_one_answer() -> None:
    speaker = codec("speak")
    speaker.send(AppendText(text="Hello."))
    speaker.send(AppendText(text="  "))
    speaker.send(AppendText(text="Goodbye."))
    speaker.send(CreateResponse())
    assert [message["type"] for message in sent(speaker)] == ["Speak", "Speak", "Flush"]
    events = speaker.receive(b"\0\0")
    assert [event.text for event in events if hasattr(event, "text")] == ["Hello. Goodbye."]


def test_sound_that_comes_before_the_flush_belongs_to_the_answer() -> None:
    speaker = codec("speak")
    speaker.send(AppendText(text="Hello."))
    speaker.receive(b"\0\0")
    speaker.send(CreateResponse())
    speaker.receive(b"\0\0")
    events = speaker.receive('{"type":"Flushed","sequence_id":0}')
    assert [type(event) for event in events] == [ResponseDone]


def test_nothing_can_be_spoken_without_text() -> None:
    with pytest.raises(LocalProtocolError, match="text"):
        codec("speak").send(CreateResponse())


def test_a_cancelled_answer_that_had_not_begun_is_told_of_too() -> None:
    speaker = codec("speak")
    speaker.send(AppendText(text="Hello."))
    speaker.send(CreateResponse())
    speaker.send(CancelResponse())
    done = speaker.receive('{"type":"Cleared","sequence_id":0}')[-1]
    assert isinstance(done, ResponseDone) and done.status == "cancelled"


# --------------------------------------------------------------------------------------------------------- queries


def query(model: str, **settings: Any) -> dict[str, Any]:
    return dict(PROVIDER.for_model(model).query(SessionSettings(model=model, **settings)))


def test_options_lie_on_top_of_the_query() -> None:
    found = query(
        "nova-3", options={"keyterm": ["Lisbon", "Porto"], "punctuate": None, "numerals": True, "language": "pt"}
    )
    assert found["keyterm"] == ["Lisbon", "Porto"] and "punctuate" not in found
    assert (found["numerals"], found["language"], found["model"]) == ("true", "pt", "nova-3")


def test_turn_detection_is_in_the_query() -> None:
    turns = TurnDetection(silence_duration_ms=700, threshold=0.8)
    assert query("nova-3", turn_detection=TurnDetection(silence_duration_ms=700))["endpointing"] == "700"
    flux = query("flux-general-en", turn_detection=turns)
    assert (flux["eot_threshold"], flux["eot_timeout_ms"]) == ("0.8", "700")
    assert "interim_results" not in flux


def test_a_voice_is_part_of_a_models_name() -> None:
    assert query("aura-2-thalia-en")["model"] == "aura-2-thalia-en"
    assert query("aura-2-thalia-en", voice="zeus")["model"] == "aura-2-zeus-en"
    assert query("aura-asteria-en", voice="zeus")["model"] == "aura-zeus-en"
    assert query("aura-2-thalia-en", output_format=ULAW_8K)["encoding"] == "mulaw"


@pytest.mark.parametrize(
    ("model", "kind"),
    [(None, ListenCodec), ("nova-2", ListenCodec), ("flux-general-multi", FluxCodec), ("aura-2-zeus-en", SpeakCodec)],
)
def test_the_model_chooses_the_protocol(model: str | None, kind: type[Codec]) -> None:
    assert PROVIDER.for_model(model).codec is kind


# -------------------------------------------------------------------------------------------------------- refusals

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("listen", {"instructions": "Be brief."}, "instructions"),
    ("listen", {"voice": "thalia"}, "voice"),
    ("listen", {"tools": ({"name": "f"},)}, "openai"),
    ("listen", {"temperature": 0.5}, "temperature"),
    ("listen", {"modalities": ("text",)}, "modalities"),
    ("listen", {"transcription": "whisper"}, "model="),
    ("listen", {"input_format": AudioFormat("float32", 16_000)}, "pcm16 16000 Hz"),
    ("listen", {"output_format": PCM16_24K}, "output_format"),
    ("listen", {"turn_detection": TurnDetection(mode="semantic")}, "semantic"),
    ("listen", {"turn_detection": TurnDetection(threshold=0.5)}, "threshold"),
    ("flux", {"turn_detection": TurnDetection(threshold=0.2)}, "0.5 to 1"),
    ("flux", {"turn_detection": TurnDetection(silence_duration_ms=100)}, "500"),
    ("flux", {"turn_detection": TurnDetection(eagerness="low")}, "eagerness"),
    ("speak", {"modalities": ("text",)}, "audio"),
    ("speak", {"input_format": PCM16_16K}, "input_format"),
    ("speak", {"output_format": AudioFormat("pcm16", 44_100)}, "pcm16 24000 Hz"),
    ("speak", {"speed": 2.0}, "speed"),
]


@pytest.mark.parametrize(("kind", "settings", "words"), REFUSED, ids=str)
def test_what_it_lacks_is_refused_before_anything_opens(kind: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        codec(kind, **settings)


UNSAID: list[tuple[str, Any]] = [
    ("listen", AppendText(text="Hello.")),
    ("listen", CancelResponse()),
    ("listen", ClearAudio()),
    ("listen", CreateResponse(instructions="Be brief.")),
    ("listen", SessionUpdate(changes={"voice": "thalia"})),
    ("listen", SessionUpdate(changes={"options": {"language": "pt"}})),
    ("listen", SessionUpdate(changes={"turn_detection": TurnDetection(silence_duration_ms=900)})),
    ("flux", SessionUpdate(changes={"options": {"keyterm": "Lisbon"}})),
    ("speak", AppendAudio(data=b"\0\0")),
    ("speak", AppendText(text="Look.", images=(b"",))),
    ("speak", SessionUpdate(changes={"voice": "thalia"})),
]


@pytest.mark.parametrize(("kind", "event"), UNSAID, ids=lambda value: str(value)[:60])
def test_what_it_cannot_say_is_refused_and_nothing_is_queued(kind: str, event: Any) -> None:
    speaker = codec(kind)
    with pytest.raises(Unsupported):
        speaker.send(event)
    assert speaker.messages_to_send() == []


def test_a_turn_detection_in_other_words_is_the_callers_fault() -> None:
    with pytest.raises(LocalProtocolError, match="TurnDetection"):
        codec("listen").send(SessionUpdate(changes={"turn_detection": "manual"}))
    with pytest.raises(LocalProtocolError, match="type"):
        codec("listen").send(ProviderMessage(message={}))


@pytest.mark.parametrize("kind", ["listen", "flux", "speak"])
@pytest.mark.parametrize("frame", ["", "nothing", "[]", "1", '"x"'])
def test_an_unreadable_frame_is_the_peers_fault(kind: str, frame: str) -> None:
    with pytest.raises(RemoteProtocolError):
        codec(kind).receive(frame)


def test_binary_where_none_belongs_stays_visible() -> None:
    assert codec("listen").receive(b"x") == [RawEvent(kind="binary", raw=b"x")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(kind=st.sampled_from(["listen", "flux", "speak"]), data=st.data())
def test_no_message_makes_a_codec_raise(kind: str, data: st.DataObject) -> None:
    names = [name for name in FLOWS if service(name) == kind]
    lines = [line.message for name in names for line in flow("deepgram", name) if line.dir == "<" and line.message]
    message = dict(data.draw(st.sampled_from(lines)))
    message[data.draw(st.sampled_from(sorted(message)))] = data.draw(JSON)
    events = codec(kind).receive(json.dumps(message))
    assert all(isinstance(event, ServerEvent) for event in events)


def test_a_direct_connection_needs_its_key() -> None:
    from aigw_notebook.endpoint import resolve

    found = resolve(PROVIDER, SessionSettings(options={"keyterm": ["a", "b"]}), gateway=None, direct=True, api_key="k")
    assert found.url.startswith("wss://api.deepgram.com/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&")
    assert found.url.endswith("keyterm=a&keyterm=b")
    assert found.headers == (("Authorization", "Token k"),)
    with pytest.raises(ConfigurationError, match="DEEPGRAM_API_KEY"):
        resolve(PROVIDER, SessionSettings(), gateway=None, direct=True)
    assert PCM16_8K in PROVIDER.capabilities.input_formats


def test_sound_that_nobody_asked_for_begins_no_answer() -> None:
    speaker = codec("speak")
    [stray] = speaker.receive(b"\0\0")
    assert isinstance(stray, RawEvent) and stray.kind == "binary"
    speaker.send(ProviderMessage(message={"type": "Speak", "text": "Hello."}))
    speaker.send(ProviderMessage(message={"type": "Flush"}))
    begun, words, _ = speaker.receive(b"\0\0")
    assert (type(begun).__name__, words.text) == ("ResponseStarted", "Hello.")
    [done] = speaker.receive('{"type": "Flushed", "sequence_id": 0}')
    assert isinstance(done, ResponseDone) and done.response_id == begun.response_id
