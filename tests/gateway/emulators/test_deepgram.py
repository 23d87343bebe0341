"""The Deepgram emulators against the wire fixtures, the SDK's types and the sheet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aigw_notebook.audio.convert import convert
from aigw_notebook.audio.formats import PCM16_16K, ULAW_8K, AudioFormat
from aigw_notebook.gateway.emulators.base import Handshake, Pace
from aigw_notebook.gateway.emulators.deepgram import SERVICES, DeepgramEmulator
from aigw_notebook.gateway.emulators.workers_ai import WorkersAIEmulator
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Listener, Sound, Voice
from aigw_notebook.gateway.engines.tones import ToneListener
from tests import speech
from tests.emulation import AT_ONCE, BINARY, IN_REAL_TIME, Frame, MixedPlayer, replay, scripted_engines
from tests.gateway.emulators.deepgram_driver import QUERIES, ROUTES, client, quiet, talk, turns
from tests.speech import spoken
from tests.wire import flow, flow_names

NOT_ASKED = {
    "flux_clip_of_two_turns",
    "flux_untyped",
    "listen_finals",
    "listen_refused_configure",
    "listen_unreadable",
    "speak_odd_chunks",
}
"""Flows that depend on the service's circumstances."""


def finals(frames: list[Frame]) -> list[str]:
    results = [frame for frame in frames if frame["type"] == "Results" and frame["is_final"]]
    return [text for frame in results if (text := frame["channel"]["alternatives"][0]["transcript"])]


def interims(frames: list[Frame]) -> list[str]:
    results = [frame for frame in frames if frame["type"] == "Results" and not frame["is_final"]]
    return [frame["channel"]["alternatives"][0]["transcript"] for frame in results]


# ------------------------------------------------------------------------------------------------------ fixtures


def repeats(frame: Frame) -> bool:
    return frame["type"] == BINARY or frame.get("is_final") is False or frame.get("event") == "Update"


@pytest.mark.parametrize("name", [name for name in flow_names("deepgram") if name not in NOT_ASKED])
def test_flow(name: str) -> None:
    lines = flow("deepgram", name)
    knock = lines[0].handshake
    assert knock is not None
    speaker = MixedPlayer(
        DeepgramEmulator,
        knock["route"],
        pace=IN_REAL_TIME if name == "speak_clear" else AT_ONCE,
        engines=scripted_engines(),
        handshake={"query": knock["query"]},
    )
    replay(speaker, lines[1:], repeats=repeats)


def test_the_flows_left_out_exist() -> None:
    assert set(flow_names("deepgram")) >= NOT_ASKED


# ---------------------------------------------------------------------------------------------------------- listen


def test_interims_are_what_could_be_made_out_so_far() -> None:
    listener = client("listen")
    talk(listener, spoken("the quick brown fox jumps"))
    listener.send(type="Finalize")
    listener.wait()
    heard = interims(listener.frames)
    assert len(heard) >= 2 and heard == sorted(heard, key=len)
    assert all("the quick brown fox jumps".startswith(text) for text in heard)
    assert finals(listener.take()) == ["the quick brown fox jumps"]


def test_the_listener_is_asked_a_bounded_number_of_times() -> None:
    asked: list[float] = []

    class Counting(ToneListener):
        def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
            asked.append(PCM16_16K.duration_ms(pcm16))
            return super().transcribe(pcm16, sample_rate=sample_rate)

    usual = default_engines()
    listener = client("listen", engines=Engines(responder=usual.responder, voice=usual.voice, listener=Counting()))
    audio = spoken("a long sentence without a pause " * 10)
    talk(listener, audio)
    assert sum(asked) < 8 * PCM16_16K.duration_ms(audio)


@pytest.mark.parametrize("frame_bytes", [640, 3_201, 1_000_000])
def test_frames_may_have_any_length(frame_bytes: int) -> None:
    listener = client("listen", endpointing="300")
    talk(listener, spoken("one two three four") + quiet(500) + spoken("five") + quiet(500), frame_bytes)
    frames = listener.take()
    assert finals(frames) == ["one two three four", "five"] and interims(frames)


def test_results_cover_the_audio_without_a_gap() -> None:
    listener = client("listen", endpointing="300")
    talk(listener, quiet(700) + spoken("one") + quiet(500) + spoken("two"))
    listener.send(type="CloseStream")
    listener.wait()
    told = [frame for frame in listener.frames if frame["type"] == "Results" and frame["is_final"]]
    ends = [frame["start"] + frame["duration"] for frame in told]
    assert [frame["start"] for frame in told] == pytest.approx([0.0, *ends[:-1]])
    assert ends[-1] == pytest.approx(listener.one("Metadata")["duration"])


def test_words_have_times_within_their_result() -> None:
    listener = client("listen", endpointing="300")
    talk(listener, quiet(300) + spoken("one two three") + quiet(500))
    (told,) = [frame for frame in listener.frames if frame["type"] == "Results" and frame["is_final"]]
    words = told["channel"]["alternatives"][0]["words"]
    assert [word["word"] for word in words] == ["one", "two", "three"]
    edges = [edge for word in words for edge in (word["start"], word["end"])]
    assert edges == sorted(edges) and edges[-1] <= told["start"] + told["duration"]


def test_who_asks_for_no_interims_and_no_voice_activity_gets_none() -> None:
    listener = client("listen", interim_results="false", endpointing="300", utterance_end_ms="1000")
    talk(listener, spoken("one two three four five") + quiet(2_000))
    assert listener.types() == ["Results"]


def test_without_endpointing_a_pause_ends_no_utterance() -> None:
    listener = client("listen", endpointing="false")
    talk(listener, spoken("one") + quiet(900))
    (told,) = [frame for frame in listener.take() if frame["type"] == "Results" and frame["is_final"]]
    assert told["speech_final"] is False


def test_silence_is_told_of_in_empty_results() -> None:
    listener = client("listen")
    talk(listener, quiet(12_000))
    told = listener.all("Results")
    assert len(told) == 2 and not finals(told) and told[0]["duration"] == pytest.approx(5.0, abs=0.2)


def test_a_flush_with_nothing_pending_is_answered_by_nothing() -> None:
    listener = client("listen")
    listener.send(type="Finalize")
    talk(listener, spoken("one"))
    listener.send(type="Finalize")
    listener.send(type="Finalize")
    listener.wait()
    assert len(finals(listener.frames)) == 1 and len([f for f in listener.frames if f.get("from_finalize")]) == 1


def test_the_last_message_counts_the_audio() -> None:
    listener = client("listen")
    audio = spoken("one")
    talk(listener, audio)
    listener.raw(b"")
    listener.wait()
    told = listener.one("Metadata")
    assert told["sha256"] == hashlib.sha256(audio).hexdigest() and told["created"].endswith("Z")
    assert listener.closed is not None and listener.closed.code == 1000


@pytest.mark.parametrize("query", [{"encoding": "opus"}, {"sample_rate": "fast"}])
def test_audio_that_cannot_be_decoded_ends_the_connection(query: dict[str, str]) -> None:
    listener = client("listen", **query)
    listener.raw(b"OggS")
    assert listener.closed is not None and (listener.closed.code, listener.closed.reason[:9]) == (1008, "DATA-0000")


def test_it_waits_ten_seconds_for_a_sign_of_life() -> None:
    listener = client("listen")
    listener.raw(quiet(100))
    for _ in range(5):
        listener.wait(9_000)
        listener.send(type="KeepAlive")
    assert listener.closed is None
    listener.wait(10_000)
    assert listener.closed is not None and (listener.closed.code, listener.closed.reason[:8]) == (1011, "NET-0001")


def test_a_sign_of_life_alone_starts_no_stream() -> None:
    listener = client("listen")
    listener.wait(6_000)
    listener.send(type="KeepAlive")
    listener.wait(6_000)
    assert listener.closed is not None and listener.closed.code == 1011


@pytest.mark.parametrize(("encoding", "sound"), [("mulaw", ULAW_8K), ("alaw", AudioFormat("alaw", 8_000))])
def test_telephone_audio_is_understood(encoding: str, sound: AudioFormat) -> None:
    listener = client("listen", encoding=encoding, sample_rate="8000", endpointing="300")
    pcm = spoken("one two", 8_000) + bytes(16_000)
    listener.raw(convert(pcm, AudioFormat("pcm16", 8_000), sound))
    assert finals(listener.take()) == ["one two"]


@pytest.mark.parametrize("message", ["nothing", "[]", "{}", '{"type": 1}', '{"type": "Speak"}'])
def test_unknown_text_is_answered_and_the_stream_goes_on(message: str) -> None:
    listener = client("listen")
    listener.raw(message)
    assert listener.one("Error")["variant"] == "SchemaError" and listener.closed is None


def test_a_failing_listener_ends_the_connection() -> None:
    class Deaf(Listener):
        def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
            raise RuntimeError("deaf")

    usual = default_engines()
    for kind in ("listen", "flux"):
        listener = client(kind, engines=Engines(responder=usual.responder, voice=usual.voice, listener=Deaf()))
        talk(listener, spoken("one two three") + quiet(1_500))
        assert listener.closed is not None and listener.closed.code == 1011


def test_a_client_that_leaves_leaves_nothing_to_do() -> None:
    for kind in ("listen", "flux", "speak"):
        speaker = client(kind, hold_jobs=True)
        speaker.raw(spoken("one two three") if kind != "speak" else '{"type":"Speak","text":"one"}')
        speaker.raw('{"type":"Flush"}' if kind == "speak" else quiet(2_000))
        speaker.leave()
        assert speaker.emulator.next_wake_ms is None
        said = len(speaker.frames)
        speaker.run_jobs()
        speaker.raw(quiet(100))
        assert len(speaker.frames) == said


@pytest.mark.parametrize(
    "query",
    [
        {"sample_rate": ""},
        {"encoding": ""},
        {"encoding": "opus"},
        {"sample_rate": "x"},
        {"eot_threshold": "0.2"},
        {"eot_timeout_ms": "9"},
    ],
)
def test_flux_refuses_the_upgrade_without_the_parameters_it_needs(query: dict[str, str]) -> None:
    refused = DeepgramEmulator.refuse(Handshake(route=ROUTES["flux"], query={**QUERIES["flux"], **query}))
    assert refused is not None and refused.status == 400
    assert json.loads(refused.body).keys() == {"err_code", "err_msg", "request_id"}


def test_what_is_in_order_is_not_refused() -> None:
    for kind, route in ROUTES.items():
        assert DeepgramEmulator.refuse(Handshake(route=route, query=QUERIES[kind])) is None
    assert set(ROUTES.values()) == set(SERVICES)


@pytest.mark.parametrize(
    ("route", "query"),
    [("deepgram", {}), ("deepgram/v1/listen", {"encoding": "linear16"}), ("deepgram/v1/speak", {"encoding": "mp3"}),
     ("deepgram/v1/speak", {"sample_rate": "11025"})],
)  # fmt: skip
def test_other_requests_are_refused(route: str, query: dict[str, str]) -> None:
    assert DeepgramEmulator.refuse(Handshake(route=route, query=query)) is not None


# ----------------------------------------------------------------------------------------------------------- speak


def understood(speaker: MixedPlayer, sample_rate: int = 16_000) -> str:
    return speech.understood(speaker.sound(), sample_rate)


def test_it_speaks_what_was_gathered_when_it_is_flushed() -> None:
    speaker = client("speak")
    speaker.send(type="Speak", text="Hello there,")
    speaker.send(type="Speak", text="how are you?")
    assert speaker.types() == ["Metadata"]
    speaker.send(type="Flush")
    speaker.wait()
    assert understood(speaker) == "hello there, how are you?"
    assert speaker.types() == [BINARY, "Flushed"]


def test_a_close_speaks_the_rest_first() -> None:
    speaker = client("speak")
    speaker.send(type="Speak", text="goodbye")
    speaker.send(type="Close")
    speaker.wait()
    assert understood(speaker) == "goodbye"
    assert speaker.closed is not None and speaker.closed.code == 1000


def test_a_clear_drops_what_is_spoken_and_what_waits() -> None:
    speaker = client("speak", pace=IN_REAL_TIME)
    for text in ("a sentence of some length", "another"):
        speaker.send(type="Speak", text=text)
        speaker.send(type="Flush")
    speaker.wait(300)
    speaker.send(type="Clear")
    speaker.take()
    speaker.wait(10_000)
    assert speaker.frames == [] and speaker.emulator.next_wake_ms is None
    speaker.send(type="Speak", text="new")
    speaker.send(type="Flush")
    speaker.wait(10_000)
    assert understood(speaker) == "new" and speaker.one("Flushed")["sequence_id"] == 0


def test_audio_comes_at_its_pace() -> None:
    speaker = client("speak", pace=Pace(first_token_ms=200, audio_speed=2.0, audio_delta_ms=100))
    speaker.send(type="Speak", text="one two three four")
    speaker.send(type="Flush")
    speaker.wait(199)
    assert not speaker.sound()
    speaker.wait(201)
    assert PCM16_16K.duration_ms(speaker.sound()) == pytest.approx(500, abs=101)


@pytest.mark.parametrize(("encoding", "rate"), [("linear16", 48_000), ("mulaw", 8_000), ("alaw", 8_000)])
def test_it_speaks_in_the_format_asked_for(encoding: str, rate: int) -> None:
    speaker = client("speak", encoding=encoding, sample_rate=str(rate))
    speaker.send(type="Speak", text="one two")
    speaker.send(type="Flush")
    speaker.wait()
    sound = AudioFormat({"linear16": "pcm16", "mulaw": "ulaw", "alaw": "alaw"}[encoding], rate)  # type: ignore[arg-type]
    pcm = convert(speaker.sound(), sound, AudioFormat("pcm16", rate))
    assert speech.understood(pcm, rate) == "one two"


def test_flushes_are_taken_again_after_a_minute() -> None:
    speaker = client("speak")
    for _ in range(21):
        speaker.send(type="Flush")
        speaker.wait()
    assert len(speaker.all("Flushed")) == 20 and len(speaker.all("Warning")) == 1
    speaker.wait(60_000)
    speaker.send(type="Flush")
    speaker.wait()
    assert speaker.frames[-1] == {"type": "Flushed", "sequence_id": 20}


def test_binary_and_text_without_words_are_warned_of() -> None:
    speaker = client("speak")
    speaker.raw(b"\0")
    speaker.send(type="Speak", text=7)
    assert len(speaker.all("Warning")) == 2


def test_a_failing_voice_ends_the_connection() -> None:
    class Hoarse(Voice):
        def say(self, text: str, **options: Any) -> Iterator[Sound]:
            yield Sound(b"\0\0", 1)
            raise RuntimeError("hoarse")

    usual = default_engines()
    speaker = client("speak", engines=Engines(responder=usual.responder, voice=Hoarse(), listener=usual.listener))
    speaker.send(type="Speak", text="one")
    speaker.send(type="Flush")
    speaker.wait()
    assert speaker.closed is not None and speaker.closed.code == 1011


# ------------------------------------------------------------------------------------------------------ workers ai


@pytest.mark.parametrize(
    ("model", "kind"),
    [("nova-3", "listen"), ("flux", "flux"), ("aura-1", "speak"), ("aura-2-en", "speak"), ("aura-2-es", "speak")],
)
def test_a_workers_model_speaks_the_same_protocol(model: str, kind: str) -> None:
    query = {**QUERIES[kind], "model": f"@cf/deepgram/{model}"}
    assert WorkersAIEmulator.refuse(Handshake(route="workers-ai", query=query)) is None
    speaker = MixedPlayer(WorkersAIEmulator, "workers-ai", handshake={"query": query})
    speaker.raw(spoken("one") if kind != "speak" else '{"type":"Speak","text":"one"}')
    speaker.send(type={"listen": "Finalize", "flux": "ForceEndTurn", "speak": "Flush"}[kind])
    speaker.wait()
    told = {"listen": finals, "flux": lambda f: [t for _, t in turns(f) if t], "speak": lambda f: [understood(speaker)]}
    assert told[kind](speaker.frames) == ["one"]


@pytest.mark.parametrize("query", [{}, {"model": "@cf/openai/whisper"}, {"model": "@cf/deepgram/flux"}])
def test_an_unknown_model_or_one_without_its_parameters_is_refused(query: dict[str, str]) -> None:
    refused = WorkersAIEmulator.refuse(Handshake(route="workers-ai", query=query))
    assert refused is not None and refused.status == 400 and json.loads(refused.body)


@pytest.mark.parametrize("form", ["Bearer wrong-token", "Token invalid"])
def test_a_wrong_token_shown_to_the_service_itself_is_refused(form: str) -> None:
    query = {**QUERIES["speak"], "model": "@cf/deepgram/aura-1"}
    refused = WorkersAIEmulator.refuse(Handshake(route="workers-ai", query=query, headers={"authorization": form}))
    assert refused is not None and refused.status == 401 and b"Authentication error" in refused.body
    good = Handshake(route="workers-ai", query=query, headers={"authorization": "Bearer some-token"})
    assert WorkersAIEmulator.refuse(good) is None
