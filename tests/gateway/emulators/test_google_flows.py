"""Whole conversations with the Gemini Live emulator, message by message in the order of the service."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections import OrderedDict
from typing import Any

import pytest

from aigw_notebook.gateway.engines.base import Listener, Reply, Sound
from tests.gateway.emulators.google_driver import (
    MANUAL,
    MODEL,
    SLOW,
    SPEECH,
    Client,
    engines,
    heard,
    kind_of,
    kinds,
    sound_of,
    started,
    understood,
    words_of,
)
from tests.speech import letters, spoken

PIXEL = b64encode(b"\x89PNG\r\n\x1a\n..").decode()


# ------------------------------------------------------------------------------------------------------ the answer


def test_an_answer_in_words_and_sound() -> None:
    client = started()
    client.say("What is 17 times 3?")
    messages = heard(client)
    assert kinds(messages) == ["answer", "generationComplete", "turnComplete"]
    assert "51" in words_of(messages) and understood(sound_of(messages)) == letters(words_of(messages))
    first = next(m for m in messages if kind_of(m) == "audio")
    assert len(sound_of([first])) == 2
    usage = messages[-1]["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["responseTokenCount"]
    assert usage["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": usage["promptTokenCount"]}]
    assert usage["responseTokensDetails"] == [{"modality": "AUDIO", "tokenCount": usage["responseTokenCount"]}]


def test_without_transcription_there_is_sound_only() -> None:
    client = Client()
    client.send(setup={"model": MODEL})
    client.say("Say hello")
    messages = heard(client)
    assert [kind for kind in map(kind_of, messages) if kind != "audio"] == [
        "setupComplete", "generationComplete", "turnComplete",
    ]  # fmt: skip
    assert understood(sound_of(messages)) == "hello"


IN_TEXT = pytest.param(True, marks=pytest.mark.bad_frames(reason="the service's frames are binary; clients read both"))


@pytest.mark.parametrize("text", [False, IN_TEXT])
def test_frames_are_binary_and_pretty_unless_asked_otherwise(text: bool) -> None:
    client = started(text_frames=text)
    client.say("Say hello")
    client.settle()
    assert {type(frame) for frame in client.arrived} == {str if text else bytes}
    plain = client.arrived[0] if isinstance(client.arrived[0], str) else client.arrived[0].decode()
    assert plain == '{\n  "setupComplete": {}\n}\n'


def test_an_answer_comes_at_its_pace() -> None:
    client = started(pace=SLOW)
    client.say("Say one two three")
    assert client.take() == []
    client.wait(10)
    assert kinds(client.take()) == ["answer"]
    client.wait(900)
    assert client.take() == []
    client.wait(60_000)
    assert kinds(client.take()) == ["answer", "generationComplete", "turnComplete"]


def test_the_conversation_is_remembered_and_the_voice_is_the_one_asked_for() -> None:
    voice = {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}}
    client = started({"generationConfig": {"responseModalities": ["AUDIO"], **voice}})
    client.say("My name is Ada.")
    client.take()
    client.say("What is my name?")
    assert "Ada" in words_of(heard(client))
    other = started()
    for each in (client, other):
        each.say("Say hello")
    assert sound_of(heard(client)) != sound_of(heard(other))


def test_a_limit_of_tokens_ends_the_answer_early() -> None:
    client = started({"generationConfig": {"maxOutputTokens": "10"}})
    client.say("Tell me a story")
    messages = heard(client)
    assert kinds(messages) == ["answer", "generationComplete", "turnComplete"]
    assert 10 <= messages[-1]["usageMetadata"]["responseTokenCount"] <= 13


def test_the_written_model() -> None:
    client = Client()
    writes = {"responseModalities": ["TEXT"]}
    client.send(setup={"model": "models/gemini-3.5-transcribe-live", "generationConfig": writes})
    client.stream(spoken("the quick brown fox"))
    client.realtime(audioStreamEnd=True)
    messages = heard(client)
    assert kinds(messages) == ["setupComplete", "answer", "generationComplete", "turnComplete"]
    parts = [m["serverContent"]["modelTurn"]["parts"][0]["text"] for m in messages if kind_of(m) == "text"]
    assert "".join(parts) == "the quick brown fox" and len(parts) == 4


# ------------------------------------------------------------------------------------------------------- the input


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_speech_at_any_rate(rate: int) -> None:
    client = started({"inputAudioTranscription": {}})
    client.stream(spoken("what is 2 plus 2?", rate, silence_ms=800), rate=rate, chunk=1_001)
    messages = heard(client)
    assert letters(words_of(messages, "inputTranscription")) == "whatis2plus2"
    assert kinds(messages) == ["inputTranscription", "answer", "generationComplete", "turnComplete"]


def test_the_silence_that_ends_a_turn_is_the_one_asked_for() -> None:
    detection = {"silenceDurationMs": 1_500, "prefixPaddingMs": 20}
    client = started({"realtimeInputConfig": {"automaticActivityDetection": detection}})
    client.stream(spoken("what is 2 plus 2?", silence_ms=1_400))
    assert heard(client) == []
    client.stream(bytes(32 * 200))
    assert kinds(heard(client))[-1] == "turnComplete"


def test_the_least_sensitive_detection_ends_later_than_the_most() -> None:
    low = {"endOfSpeechSensitivity": "END_SENSITIVITY_LOW", "startOfSpeechSensitivity": "start_sensitivity_low"}
    sound = spoken("what is 2 plus 2?", silence_ms=700)
    for detection, answers in ((low, False), ({}, True)):
        client = started({"realtimeInputConfig": {"automaticActivityDetection": detection}})
        client.stream(sound)
        assert bool(heard(client)) == answers


def test_silence_is_no_turn_and_the_end_of_the_stream_opens_another() -> None:
    client = started()
    client.stream(bytes(32 * 10_000))
    client.realtime(audioStreamEnd=True)
    assert heard(client) == []
    client.stream(spoken("what is 2 plus 2?"))
    client.realtime(audioStreamEnd=True)
    assert "4" in words_of(heard(client))


def test_audio_outside_an_activity_is_not_heard() -> None:
    client = started({**MANUAL, "inputAudioTranscription": {}})
    client.stream(spoken("never heard"))
    client.realtime(activityStart={})
    client.stream(spoken("what is 2 plus 2?"))
    client.realtime(activityEnd={})
    assert letters(words_of(heard(client), "inputTranscription")) == "whatis2plus2"


def test_chunks_of_the_older_form_and_url_safe_base64() -> None:
    client = started({"inputAudioTranscription": {}})
    sound = urlsafe_b64encode(spoken("what is 2 plus 2?", silence_ms=800)).decode().rstrip("=")
    client.send(realtime_input={"media_chunks": [{"mime_type": "audio/pcm", "data": sound}]})
    assert "4" in words_of(heard(client))
    client.realtime(mediaChunks=[{"mimeType": "image/png", "data": PIXEL}])
    client.realtime(text="What is this?")
    assert "one picture" in words_of(heard(client))


def test_sound_and_pictures_inside_a_written_turn() -> None:
    client = started(hold_jobs=True)
    sound = {"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": b64encode(spoken("plus 2")).decode()}}
    parts = [{"text": "What is 2"}, sound, sound]
    client.send(clientContent={"turns": [{"role": "user", "parts": parts}], "turnComplete": True})
    client.settle()
    assert client.take() == []
    client.run_jobs()
    client.settle()
    client.run_jobs()
    assert "6" in words_of(heard(client))
    parts = [{"text": "Describe it"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]
    client.send(clientContent={"turns": [{"parts": parts}], "turnComplete": True})
    client.run_jobs()
    messages = heard(client)
    assert "one picture" in words_of(messages)
    details = messages[-1]["usageMetadata"]["promptTokensDetails"]
    assert {"modality": "IMAGE", "tokenCount": 258} in details


def test_the_history_is_seeded_without_an_answer() -> None:
    client = started({"historyConfig": {"initialHistoryInClientContent": True}})
    turns = [{"role": "user", "parts": [{"text": "My name is Ada."}]}, {"role": "model", "parts": [{"text": "Hi"}]}]
    client.send(clientContent={"turns": turns, "turnComplete": False})
    client.send(clientContent={"turnComplete": True})
    assert heard(client) == []
    client.realtime(text="What is my name?")
    assert "Ada" in words_of(heard(client))


# --------------------------------------------------------------------------------------------------- interruptions


def speaking(setup: dict[str, Any] | None = None, **options: Any) -> Client:
    """A client to whom a story is being told."""
    client = started(setup, pace=SLOW, **options)
    client.say("Tell me a story")
    client.wait(2_500)
    assert kinds(client.take()) == ["answer"]
    return client


@pytest.mark.parametrize("how", ["voice", "text", "content"])
def test_the_user_interrupts(how: str) -> None:
    client = speaking()
    if how == "voice":
        client.stream(spoken("stop"))
    elif how == "text":
        client.realtime(text="Say no.")
    else:
        client.send(clientContent={"turnComplete": False})
    messages = client.take()
    assert kinds(messages) == ["interrupted", "turnComplete"]
    assert messages[-1]["usageMetadata"]["responseTokenCount"] > 0


def test_what_was_said_before_an_interruption_is_remembered() -> None:
    client = started(pace=SLOW)
    client.say("Say alpha beta gamma delta epsilon zeta")
    client.wait(2_500)
    told = words_of(client.take())
    client.say("What did you say?")
    client.wait(600_000 - client.now_ms)
    assert 0 < len(told) < 38 and f"“{told}”" in words_of(client.take())


def test_a_voice_that_may_not_interrupt_is_answered_afterwards() -> None:
    client = speaking({"realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"}})
    client.stream(spoken("what is 2 plus 2?", silence_ms=800))
    assert client.take() == []
    client.wait(500_000)
    messages = client.take()
    assert kinds(messages) == ["answer", "generationComplete", "turnComplete"] * 2
    assert "4" in words_of(messages[-20:])


def test_nothing_is_interrupted_where_nothing_runs() -> None:
    client = started(MANUAL)
    client.realtime(activityStart={})
    assert heard(client) == []


# ------------------------------------------------------------------------------------------------- the connection


def test_the_connection_ends_after_a_warning() -> None:
    client = started(session_limit_s=100, warning_s=9.5)
    client.wait(90_400)
    assert client.take() == []
    client.wait(200)
    assert client.take() == [{"goAway": {"timeLeft": "9.5s"}}]
    client.wait(9_000)
    assert client.closed is None
    client.wait(1_000)
    assert client.closed is not None and client.closed.code == 1011
    assert client.emulator.next_wake_ms is None


def test_a_session_can_be_made_to_expire_at_any_time() -> None:
    client = started(warning_s=5)
    client.emulator.expire()
    client.wait(0)
    assert client.take() == [{"goAway": {"timeLeft": "5s"}}] and client.closed is None
    client.wait(5_000)
    assert client.closed is not None and client.closed.code == 1011


def test_a_connection_without_a_setup_ends_without_a_warning() -> None:
    client = Client(session_limit_s=60)
    client.wait(60_000)
    assert client.take() == [] and client.closed is not None


def test_a_session_is_taken_up_by_its_handle() -> None:
    handles: OrderedDict[str, Any] = OrderedDict()
    client = started({"sessionResumption": {}}, handles=handles)
    client.say("My name is Ada.")
    update = heard(client)[-1]["sessionResumptionUpdate"]
    assert update["resumable"] is True
    client.emulator.close()
    again = started({"sessionResumption": {"handle": update["newHandle"]}}, handles=handles)
    again.say("What is my name?")
    assert "Ada" in words_of(heard(again))
    other = Client({"model": f"{MODEL}-x", "sessionResumption": {"handle": update["newHandle"]}}, handles=handles)
    assert other.closed is not None and other.closed.code == 1008
    for saved in list(handles):
        handles[saved] = type(handles[saved])(MODEL.removeprefix("models/"), (), expires_ms=0.0)
    stale = Client({"sessionResumption": {"handle": update["newHandle"]}}, handles=handles)
    assert stale.closed is not None and stale.closed.reason == "Requested entity was not found."


def test_only_so_many_handles_are_kept() -> None:
    handles: OrderedDict[str, Any] = OrderedDict((f"old-{n}", None) for n in range(256))
    client = started({"sessionResumption": {}}, handles=handles)
    client.say("Hello")
    client.settle()
    assert len(handles) == 256 and "old-0" not in handles


@pytest.mark.parametrize(
    "shake",
    [
        {"key": "k"},
        {"headers": {"x-goog-api-key": "k"}},
        {"headers": {"authorization": "Token auth_tokens/x"}},
        {"query": {"key": "k"}},
        {"query": {"access_token": "auth_tokens/x"}},
    ],
)
def test_a_key_may_come_in_every_form(shake: dict[str, Any]) -> None:
    assert started(require_key=True, **shake).closed is None


# --------------------------------------------------------------------------------------------------------- engines


class Broken(Listener):
    def say(self, text: str, **options: Any) -> Any:
        yield Sound(bytes(2_000), 1)
        raise ValueError("secret words")

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        raise ValueError("secret words")


class BrokenAtOnce:
    instant = True

    def answer(self, conversation: Any, **options: Any) -> Reply:
        raise ValueError("secret words")


@pytest.mark.parametrize(
    "broken", [{}, {"replies": [Reply(text="Hello")], "voice": Broken()}, {"responder": BrokenAtOnce()}]
)
def test_an_engine_that_fails_is_an_internal_error(broken: dict[str, Any]) -> None:
    client = started(engines=engines(**broken))
    client.say("Hello")
    client.settle()
    assert client.closed is not None
    assert (client.closed.code, client.closed.reason) == (1011, "Internal error encountered.")


def test_a_listener_that_fails_has_heard_nothing() -> None:
    client = started({"inputAudioTranscription": {}}, engines=engines([Reply(text="Pardon?")], listener=Broken()))
    client.stream(spoken("hello", silence_ms=800))
    messages = heard(client)
    assert words_of(messages, "inputTranscription") == "" and words_of(messages) == "Pardon?"


def test_a_client_that_leaves_stops_the_work() -> None:
    client = started(pace=SLOW, hold_jobs=True)
    client.say("Tell me a story")
    client.wait(20)
    (job,) = client.jobs
    client.emulator.close()
    assert job.cancelled and client.emulator.next_wake_ms is None
    client.raw("{}")
    client.emulator.wake()
    assert client.take() == []


def test_text_beyond_ascii_stays_itself() -> None:
    client = started()
    client.say("Say Grüße ✓")
    client.settle()
    assert any("Grüße".encode() in frame for frame in client.arrived if isinstance(frame, bytes))
    assert json.loads(client.arrived[0]) == {"setupComplete": {}} and SPEECH["outputAudioTranscription"] == {}
