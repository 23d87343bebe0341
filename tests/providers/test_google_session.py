"""Whole turns of our own session with Gemini Live, on real sockets to the embedded gateway; every frame is judged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.errors import ConfigurationError, SessionEnded, TurnTimeout, Unsupported, UpstreamRefused
from aigw_notebook.events import (
    AppendText,
    AudioDelta,
    ProviderMessage,
    ResponseDone,
    ResumptionHandle,
    SpeechStarted,
    ToolCallCancelled,
)
from aigw_notebook.gateway.emulators.base import Pace
from tests.gateway.emulators.google_driver import understood
from tests.speech import letters, spoken

pytestmark = pytest.mark.sessions

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
SLOW = Pace(first_token_ms=0, text_delta_ms=20, audio_speed=2.0)


@pytest.fixture
def fast() -> Iterator[aigw.LocalGateway]:
    with aigw.LocalGateway(pace=AT_ONCE) as running:
        yield running


@pytest.fixture
def slow() -> Iterator[aigw.LocalGateway]:
    with aigw.LocalGateway(pace=SLOW) as running:
        yield running


def connect(gateway: aigw.LocalGateway, **settings: Any) -> Any:
    return aigw.connect("google", gateway=gateway, quiet=True, **settings)


def clip(text: str, *, silence_ms: int = 0, rate: int = 16_000) -> aigw.Clip:
    return aigw.Clip(spoken(text, rate, silence_ms=silence_ms), aigw.AudioFormat("pcm16", rate))


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# --------------------------------------------------------------------------------------------------- asked and told


def test_a_written_question_is_answered_aloud(fast: aigw.LocalGateway) -> None:
    with connect(fast, voice="kore", instructions="Be kind.", temperature=0.4, max_output_tokens=4_000) as session:
        turn = session.ask("What is 17 times 3?")
        assert "51" in turn.text and turn.status == "completed"
        assert turn.audio is not None and turn.audio.sample_rate == 24_000
        assert understood(turn.audio.data) == letters(turn.text)
        assert turn.usage.output_audio_tokens and turn.usage.output_text_tokens == 0
        assert turn.latency.first_token_ms is not None and turn.latency.first_audible_ms is not None
        assert "17 times 3" in session.ask("What did I just say?").text
        assert [turn.number for turn in session.turns] == [1, 2]
        assert [row["role"] for row in session.records] == ["user", "assistant"] * 2


@pytest.mark.parametrize("detection", ["server", "manual"])
def test_a_spoken_question_is_answered_with_its_words_known(fast: aigw.LocalGateway, detection: str) -> None:
    with connect(fast, turn_detection=detection) as session:
        for question, answer in (("what is 2 plus 3?", "5"), ("what is 4 plus 4?", "8")):
            turn = session.ask(audio=clip(question, rate=24_000))
            assert turn.status == "completed" and answer in turn.text
            assert letters(turn.user_text) == letters(question)
            assert [row["kind"] for row in turn.records] == ["audio", "audio"]
        assert "9" in session.ask("What is 4 plus 5?").text


def test_a_spoken_question_that_ends_in_silence(fast: aigw.LocalGateway) -> None:
    """The service answers before the last of it is sent."""
    with connect(fast) as session:
        turn = session.ask(audio=clip("what is 2 plus 3?", silence_ms=3_000))
        assert "5" in turn.text and letters(turn.user_text) == "whatis2plus3"
        assert "7" in session.ask("What is 3 plus 4?", timeout_s=10).text


def test_words_and_sound_and_a_picture_in_one_question(fast: aigw.LocalGateway) -> None:
    pixel = b"\x89PNG\r\n\x1a\n" + bytes(20)
    with connect(fast, turn_detection="manual") as session:
        turn = session.ask("Look:", image=pixel, audio=clip("what is this"))
        assert turn.status == "completed" and "picture" not in turn.text
        assert "one picture" in session.ask("Describe it", image=pixel).text


def test_a_tool_is_called_and_its_result_said(fast: aigw.LocalGateway) -> None:
    with connect(fast, tools=[add]) as session:
        turn = session.ask("Add 4 and 5")
        (use,) = turn.tool_calls
        assert (use.name, use.output, use.error) == ("add", "9", None) and "9" in turn.text
        assert [row["kind"] for row in turn.records] == ["text", "tool_call", "tool_result", "audio"]


def test_a_tool_for_which_the_model_does_not_wait(fast: aigw.LocalGateway) -> None:
    with connect(fast, model="gemini-3.8-live-extended-thinking", tools=[add]) as session:
        turn = session.ask("Add 4 and 5")
        assert "9" in turn.text and len(turn.tool_calls) == 1 and turn.status == "completed"
        assert "6" in session.ask("What is 3 plus 3?", timeout_s=10).text


def test_settings_change_while_it_runs(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        session.update(instructions="Use capital letters")
        assert session.ask("Say hello").text == "HELLO"
        with pytest.raises(Unsupported, match="cannot change voice"):
            session.update(voice="Puck")


# --------------------------------------------------------------------------------------------------------- by voice


def stream(session: Any, sound: aigw.Clip, chunk_ms: int = 40) -> None:
    size = sound.format.byte_count(chunk_ms)
    for start in range(0, len(sound.data), size):
        session.send_audio(sound.data[start : start + size])


def test_a_turn_by_voice(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        seen: list[Any] = []
        session.core.add_sink(seen.append)
        for question, answer in (("what is 7 plus 1?", "8"), ("what is 2 plus 4?", "6")):
            stream(session, clip(question, silence_ms=800))
            turn = session.next_turn(timeout_s=10)
            assert answer in turn.text and letters(turn.user_text) == letters(question)
        assert sum(isinstance(event, SpeechStarted) for event in seen) == 2
        assert [turn.status for turn in session.turns] == ["completed"] * 2


def test_the_microphone_is_switched_off(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        stream(session, clip("what is 7 plus 1?"))
        session.commit()
        assert "8" in session.next_turn(timeout_s=10).text
        session.commit()
        assert "4" in session.ask("What is 2 plus 2?", timeout_s=10).text


def test_push_to_talk(fast: aigw.LocalGateway) -> None:
    with connect(fast, turn_detection="manual") as session:
        stream(session, clip("what is 7 plus", silence_ms=900))
        stream(session, clip("5?"))
        session.commit()
        turn = session.next_turn(timeout_s=10)
        assert letters(turn.user_text) == "whatis7plus5" and turn.records[0]["audio_ms"] > 900


def test_the_user_breaks_in_by_voice(slow: aigw.LocalGateway) -> None:
    with connect(slow) as session:
        done: list[ResponseDone] = []
        speaking = threading.Event()

        def watch(event: Any) -> None:
            if isinstance(event, AudioDelta):
                speaking.set()
            if isinstance(event, ResponseDone):
                done.append(event)

        session.core.add_sink(watch)
        stream(session, clip("tell me a story", silence_ms=800))
        assert speaking.wait(10)
        stream(session, clip("what is 2 plus 2?", silence_ms=800))
        first, second = session.next_turn(timeout_s=10), session.next_turn(timeout_s=20)
        assert first.status == "interrupted" and first.text and session.turns == [first, second]
        assert second.status == "completed" and "4" in second.text
        assert (done[0].status, done[0].reason) == ("cancelled", "turn_detected")


def test_stop_and_go_on(slow: aigw.LocalGateway) -> None:
    with connect(slow) as session:
        speaking = threading.Event()
        session.core.add_sink(lambda event: speaking.set() if isinstance(event, AudioDelta) else None)
        stream(session, clip("tell me a story", silence_ms=800))
        assert speaking.wait(10)
        session.interrupt(played_ms=40)
        turn = session.next_turn(timeout_s=10)
        assert turn.status == "interrupted" and turn.audio is not None
        assert "4" in session.ask("What is 2 plus 2?", timeout_s=10).text


def test_a_voice_takes_a_call_back(fast: aigw.LocalGateway) -> None:
    called, leave = threading.Event(), threading.Event()

    def wait_long() -> str:
        """Wait for a long time."""
        called.set()
        leave.wait(20)
        return "waited"

    with connect(fast, tools=[wait_long]) as session:
        taken_back = threading.Event()
        session.core.add_sink(lambda event: taken_back.set() if isinstance(event, ToolCallCancelled) else None)
        stream(session, clip("wait for a long time", silence_ms=800))
        assert called.wait(10)
        stream(session, clip("what is 2 plus 2?", silence_ms=800))
        first, second = session.next_turn(timeout_s=10), session.next_turn(timeout_s=10)
        leave.set()
        assert taken_back.is_set() and first.status == "interrupted" and len(first.tool_calls) == 1
        assert letters(first.user_text) == "waitforalongtime" and letters(second.user_text) == "whatis2plus2"
        assert second.status == "completed" and "4" in second.text and session.turns == [first, second]


def test_a_question_after_a_tool_was_given_up(fast: aigw.LocalGateway) -> None:
    called, leave = threading.Event(), threading.Event()

    def wait_long() -> str:
        """Wait for a long time."""
        called.set()
        leave.wait(20)
        return "waited"

    with connect(fast, tools=[wait_long]) as session:
        stream(session, clip("wait for a long time", silence_ms=800))
        assert called.wait(10)
        session.interrupt()
        turn = session.ask("What is 2 plus 2?", timeout_s=10)
        leave.set()
        assert turn.status == "completed" and "4" in turn.text
        assert [turn.status for turn in session.turns] == ["interrupted", "completed"]


# ------------------------------------------------------------------------------------------------------- the session


def test_a_session_taken_up_again(fast: aigw.LocalGateway) -> None:
    handles: list[str | None] = []
    told = threading.Event()

    def watch(event: Any) -> None:
        if isinstance(event, ResumptionHandle):
            handles.append(event.handle)
            told.set()

    with connect(fast, options={"sessionResumption": {}}) as session:
        session.core.add_sink(watch)
        session.ask("My name is Ada.")
        assert told.wait(10)
    with connect(fast, options={"sessionResumption": {"handle": handles[-1]}}) as session:
        assert "Ada" in session.ask("What is my name?").text


def test_what_only_this_provider_has(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        session.send(ProviderMessage(message={"realtimeInput": {"text": "What is 2 plus 2?"}}))
        assert "4" in session.next_turn(timeout_s=10).text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "gemini-2.5-flash"}, "model"),
        ({"voice": "Bob"}, "settings"),
        pytest.param(
            {"options": {"colour": "red"}},
            "colour",
            marks=pytest.mark.bad_frames(reason="the field that is refused is none of the provider's"),
        ),
        ({"options": {"sessionResumption": {"handle": "stale"}}}, "1008"),
    ],
)
def test_a_refused_session(fast: aigw.LocalGateway, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UpstreamRefused, match=words):
        connect(fast, **settings).open()


def test_the_service_ends_the_session(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        session.ask("Hello")
        session.send(ProviderMessage(message={"toolResponse": {"functionResponses": [{"id": "nobody"}]}}))
        with pytest.raises(SessionEnded, match="Requested entity was not found"):
            session.next_turn(timeout_s=10)


def test_what_cannot_be_asked(fast: aigw.LocalGateway) -> None:
    with pytest.raises(Unsupported, match="speaks"):
        connect(fast, modalities="text")
    with pytest.raises(ConfigurationError):
        connect(fast, turn_detection="semantic")
    with connect(fast) as session:
        with pytest.raises(Unsupported, match="for one answer"):
            session.ask("Hi", instructions="In French.")
        with pytest.raises(Unsupported, match="outside the conversation"):
            session.ask("Hi", out_of_band=True)
        with pytest.raises(Unsupported, match="system"):
            session.send(AppendText(text="x", role="system"))
        with pytest.raises(TurnTimeout):
            session.ask(audio=aigw.Clip(bytes(6_400), aigw.AudioFormat("pcm16", 16_000)), timeout_s=0.3)
        assert "4" in session.ask("What is 2 plus 2?", timeout_s=0.5).text
