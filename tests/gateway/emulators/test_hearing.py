"""Turns made out while they are spoken: the shared machinery, and what each emulator tells of it on its wire."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aigw_notebook.gateway.emulators import hearing
from aigw_notebook.gateway.emulators.base import Job, Pace
from aigw_notebook.gateway.emulators.hearing import Agreed, UserTurn, caught_up, words_of
from aigw_notebook.gateway.emulators.schedule import Schedule
from aigw_notebook.gateway.emulators.stage import Stage
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Listener
from aigw_notebook.gateway.engines.whisper import WhisperListener
from aigw_notebook.providers.base import counting_ids
from tests.gateway.emulators.driver import Client
from tests.gateway.emulators.google_driver import Client as GoogleClient
from tests.gateway.emulators.test_deepgram import client as deepgram_client
from tests.gateway.emulators.test_deepgram import interims, talk, turns
from tests.gateway.emulators.test_elevenlabs import begun, stream
from tests.real_speech import said, word_error_rate
from tests.speech import silence, spoken

RATE = 16_000
MS = 2 * RATE // 1000
TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Letters(Listener):
    """Hears a letter for each byte of audio; keeps the sizes of the pieces that it was given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def listen(self, *, sample_rate: int) -> Any:
        self.heard = b""
        return self

    def hear(self, pcm16: bytes) -> str:
        self.sizes.append(len(pcm16))
        self.heard += pcm16
        if b"!" in pcm16:
            raise RuntimeError("too loud")
        return str(len(self.heard))

    def finish(self) -> str:
        return f"all {len(self.heard)} "

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        return ""


class Room:
    """A stage whose jobs wait to be run."""

    def __init__(self) -> None:
        usual = default_engines()
        self.listener = Letters()
        self.jobs: list[Job] = []
        self.stage = Stage(
            put=self.jobs.append,  # type: ignore[arg-type]
            ids=counting_ids("0"),
            clock=lambda: 0.0,
            pace=Pace(),
            engines=Engines(responder=usual.responder, voice=usual.voice, listener=self.listener),
            schedule=Schedule(lambda: 0.0),
        )
        self.told: list[tuple[str, bool]] = []
        self.turn = UserTurn(self.stage, RATE, told=lambda turn: self.told.append((turn.words, turn.over)))

    def work(self) -> None:
        while self.jobs:
            self._run(self.jobs.pop(0))

    @staticmethod
    def _run(job: Job) -> None:
        error: BaseException | None = None
        try:
            for result in job.results():
                if not job.cancelled:
                    job.deliver(result)
        except RuntimeError as raised:
            error = raised
        if not job.cancelled:
            job.done(error)


# ------------------------------------------------------------------------------------------------------ machinery


def test_one_job_listens_at_a_time_and_what_comes_meanwhile_is_joined() -> None:
    room = Room()
    for _ in range(5):
        room.turn.hear(bytes(100 * MS))
    assert len(room.jobs) == 1
    room.work()
    assert room.listener.sizes == [100 * MS, 400 * MS]
    assert room.told == [(str(100 * MS), False), (str(500 * MS), False)]


def test_little_waits_until_there_is_more() -> None:
    room = Room()
    room.turn.hear(bytes(99 * MS))
    assert room.jobs == [] and room.turn.idle
    room.turn.end()
    room.work()
    assert room.told[-1] == (f"all {99 * MS}", True)


def test_a_long_wait_is_heard_in_large_pieces_and_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "MAX_WAITING_S", 10)
    room = Room()
    room.turn.hear(bytes(100 * MS))
    for _ in range(110):
        room.turn.hear(bytes(100 * MS))
    room.turn.end()
    room.work()
    assert room.turn.dropped_bytes == 1_000 * MS
    assert room.turn.given_bytes == room.turn.heard_bytes == sum(room.listener.sizes) == 10_100 * MS
    assert len(room.listener.sizes) < 15 and max(room.listener.sizes) == 2_500 * MS
    assert room.turn.words == f"all {10_100 * MS}"


def test_a_stopped_turn_tells_nothing() -> None:
    room = Room()
    room.turn.hear(bytes(200 * MS))
    room.turn.stop()
    room.work()
    room.turn.hear(bytes(200 * MS))
    room.turn.end()
    assert (room.told, room.jobs) == ([], [])


def test_a_failing_listener_ends_the_turn_with_its_error() -> None:
    room = Room()
    room.turn.hear(bytes(100 * MS))
    room.work()
    room.turn.hear(b"!" + bytes(100 * MS))
    room.work()
    assert room.turn.over and str(room.turn.error) == "too loud" and room.turn.words == str(100 * MS)
    with pytest.raises(RuntimeError, match="too loud"):
        list(words_of(room.turn))


def test_who_waits_for_audio_to_be_heard_goes_on_when_it_is() -> None:
    room = Room()
    room.turn.hear(bytes(100 * MS))
    waiting = caught_up(room.turn, room.turn.given_bytes)
    next(waiting)
    room.work()
    assert list(waiting) == []


def test_words_go_out_when_two_guesses_agree_and_never_twice() -> None:
    agreed = Agreed()
    assert agreed.more("How can I") == []
    assert agreed.more("How can I ask some?") == ["How", "can"]
    assert agreed.more("How can you ask something") == []
    assert agreed.rest("How could I ask something") == ["I", "ask", "something"]


# ------------------------------------------------------------------------------------------------------ the wires


def test_a_live_model_tells_whole_words_before_the_commit() -> None:
    client = Client(query={"intent": "transcription"})
    audio = {"input": {"transcription": {"model": "gpt-live-transcribe"}, "turn_detection": None}}
    client.send("session.update", session={"type": "transcription", "audio": audio})
    client.append(spoken("the quick brown fox jumps over it", 24_000))
    early = "".join(event["delta"] for event in client.all(f"{TRANSCRIPTION}.delta"))
    assert early and " the quick brown fox jumps over it".startswith(early)
    client.send("input_audio_buffer.clear")
    client.take()
    client.append(spoken("another one", 24_000))
    client.send("input_audio_buffer.commit")
    assert client.one(f"{TRANSCRIPTION}.completed")["transcript"] == "another one"


def semantic(eagerness: str, audio: bytes) -> list[int]:
    """When turns ended."""
    client = Client()
    client.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
    client.append(audio)
    return [event["audio_end_ms"] for event in client.all("input_audio_buffer.speech_stopped")]


def test_a_pause_inside_a_sentence_keeps_the_turn_of_who_is_not_eager() -> None:
    audio = spoken("i would like to", 24_000) + silence(3_000, 24_000) + spoken("go home now please", 24_000)
    audio += silence(2_000, 24_000)
    assert len(semantic("low", audio)) == 1
    assert len(semantic("high", audio)) == 2


def test_the_longest_wait_for_the_rest_of_a_sentence_has_an_end() -> None:
    for eagerness, longest_ms in (("low", 8_000), ("auto", 4_000), ("high", 2_000)):
        (end_ms,) = semantic(eagerness, spoken("what is the", 24_000) + silence(9_000, 24_000))
        assert end_ms == pytest.approx(11 * 65 + longest_ms, abs=100)


def test_the_server_detection_is_tuned() -> None:
    def turns_of(audio: bytes, **settings: Any) -> list[tuple[int, int]]:
        client = Client()
        client.update(audio={"input": {"turn_detection": {"type": "server_vad", **settings}}})
        client.append(audio)
        began, ended = (client.all(f"input_audio_buffer.speech_{what}") for what in ("started", "stopped"))
        return [(a["audio_start_ms"], b["audio_end_ms"]) for a, b in zip(began, ended, strict=True)]

    audio = silence(1_000, 24_000) + spoken("one two", 24_000) + silence(400, 24_000) + spoken("three four", 24_000)
    audio += silence(1_000, 24_000)
    assert len(turns_of(audio)) == 2
    assert len(turns_of(audio, silence_duration_ms=600)) == 1
    early, late = (turns_of(audio, prefix_padding_ms=ms)[0][0] for ms in (500, 0))
    assert (early, late) == pytest.approx((500, 1_000), abs=20)
    soft = (np.frombuffer(audio, dtype="<i2") / 100).astype("<i2").tobytes()
    assert turns_of(soft, threshold=0.0) and turns_of(audio, threshold=1.0) and not turns_of(soft, threshold=1.0)


def test_pieces_of_the_input_transcription_come_while_the_user_speaks() -> None:
    client = GoogleClient({"inputAudioTranscription": {}})
    text = "the quick brown fox jumps over it"

    def told() -> str:
        pieces = [message["serverContent"] for message in client.messages if "serverContent" in message]
        return "".join(piece["inputTranscription"]["text"] for piece in pieces if "inputTranscription" in piece)

    client.stream(spoken(text))
    early = told()
    assert early and text.startswith(early) and early != text
    client.stream(silence(1_500))
    assert told() == text


def test_tentative_transcripts_come_while_the_user_speaks() -> None:
    client = begun()
    stream(client, spoken("the quick brown fox jumps over it"))
    early = client.all("tentative_user_transcript")
    assert early and not client.all("user_transcript")
    told = early[-1]["tentative_user_transcription_event"]["user_transcript"]
    assert "the quick brown fox jumps over it".startswith(told)


def test_flux_is_surer_of_a_finished_thought_than_of_one_broken_off() -> None:
    ends = []
    for text in ("what is three plus four", "what is the sum of the"):
        listener = deepgram_client("flux")
        talk(listener, spoken(text) + silence(4_000))
        (end,) = [frame for frame in listener.all("TurnInfo") if frame["event"] == "EndOfTurn"]
        assert end["transcript"] == text
        ends.append(end["audio_window_end"] - len(text) * 0.065)
    assert ends[0] < 1.0 < 1.5 < ends[1]


def test_an_eager_end_waits_for_words_that_may_be_the_last() -> None:
    listener = deepgram_client("flux", eager_eot_threshold="0.5")
    talk(listener, spoken("i would like to") + silence(1_000) + spoken("go home now please") + silence(1_500))
    assert turns(listener.take()) == [
        ("StartOfTurn", ""),
        ("EagerEndOfTurn", "i would like to go home now please"),
        ("EndOfTurn", "i would like to go home now please"),
    ]


# ----------------------------------------------------------------------------------------------- a real recognizer


@pytest.fixture(scope="module")
def engines() -> Engines:
    usual = default_engines()
    return Engines(responder=usual.responder, voice=usual.voice, listener=WhisperListener())


@pytest.mark.speech
def test_a_real_question_is_heard_with_its_words_as_they_come(engines: Engines) -> None:
    question = "which providers can I use with this toolkit"
    audio = silence(500) + said(question) + silence(900)
    listener = deepgram_client("listen", engines=engines, endpointing="500")
    talk(listener, audio)
    final = " ".join(
        frame["channel"]["alternatives"][0]["transcript"] for frame in listener.frames if frame.get("is_final")
    )
    assert word_error_rate(question, final) < 0.2 and len(set(interims(listener.frames))) > 1
    client = Client(engines=engines)
    client.update(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
    client.append(silence(500, 24_000) + said(question, 24_000) + silence(600, 24_000))
    assert word_error_rate(question, client.one(f"{TRANSCRIPTION}.completed")["transcript"]) < 0.2
