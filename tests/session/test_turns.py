"""Whole turns on the embedded gateway: text, sound, pictures, tools, interruption, and both faces of a session."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import aigw_notebook as aigw
from aigw_notebook.audio.formats import ULAW_8K
from aigw_notebook.errors import ConfigurationError, SessionEnded, ToolError, TurnTimeout
from aigw_notebook.events import (
    AudioDelta,
    ItemTruncated,
    PlaybackInterrupted,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    ToolFinished,
    TurnFinished,
    TurnStarted,
)
from tests.session.conftest import connect
from tests.speech import letters, spoken_clip, understood_clip

pytestmark = pytest.mark.sessions

# ------------------------------------------------------------------------------------------------------ text and sound


def test_a_written_turn(fast: aigw.LocalGateway) -> None:
    with connect(fast, modalities="text") as session:
        turn = session.ask("What is 17 times 3?")
        assert "51" in turn.text and turn.status == "completed" and turn.audio is None
        assert turn.usage.output_text_tokens and turn.usage.output_audio_tokens == 0
        assert turn.latency.first_token_ms is not None and turn.latency.first_audio_ms is None
        assert turn.latency.total_ms is not None and turn.latency.total_ms >= turn.latency.first_token_ms
        assert session.usage.total_tokens == turn.usage.total_tokens


def test_a_spoken_turn_says_what_its_transcript_says(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        turn = session.ask("What is 17 times 3?")
        assert turn.audio is not None and turn.audio.sample_rate == 24_000
        assert letters(understood_clip(turn.audio)) == letters(turn.text)
        assert "51" in turn.text
        assert turn.latency.first_audible_ms is not None
        assert turn.latency.first_audible_ms >= (turn.latency.first_audio_ms or 0)
        row = turn.records[-1]
        assert row["audio_ms"] == pytest.approx(turn.audio.duration_ms)
        assert session.audio(row["audio_ref"]) == turn.audio
        assert session.audio("a99") is None


def test_the_conversation_goes_on(fast: aigw.LocalGateway) -> None:
    with connect(fast, modalities="text") as session:
        session.ask("My name is Ada.")
        assert "name is Ada" in session.ask("What did I just say?").text
        assert [turn.number for turn in session.turns] == [1, 2]


def test_telephone_audio(fast: aigw.LocalGateway) -> None:
    with connect(fast, output_format=ULAW_8K, input_format=ULAW_8K) as session:
        turn = session.ask(audio=spoken_clip("what is 2 plus 3"))
        assert turn.user_text == "what is 2 plus 3"
        assert turn.audio is not None and turn.audio.format == ULAW_8K
        assert "5" in understood_clip(turn.audio)


# ----------------------------------------------------------------------------------------------------- spoken questions


@pytest.mark.parametrize("form", ["clip", "wav bytes", "path", "array", "16 kHz array", "chunks", "async chunks"])
def test_a_spoken_question_in_every_form(fast: aigw.LocalGateway, form: str, tmp_path) -> None:
    clip = spoken_clip("what is 2 plus 3")
    rate = None
    if form == "clip":
        audio = clip
    elif form == "wav bytes":
        audio = clip.to_wav()
    elif form == "path":
        audio = clip.save(tmp_path / "question.wav")
    elif form == "array":
        audio, rate = clip.to_numpy(), 24_000
    elif form == "16 kHz array":
        audio, rate = spoken_clip("what is 2 plus 3", 16_000).to_numpy(), 16_000
    else:
        pieces = [clip.data[start : start + 1921] for start in range(0, len(clip.data), 1921)]
        audio = iter(pieces)
        if form == "async chunks":

            async def stream():
                for piece in pieces:
                    yield piece

            audio = stream()
    with connect(fast) as session:
        turn = session.ask(audio=audio, sample_rate=rate)
        assert turn.user_text == "what is 2 plus 3"
        assert "5" in turn.text
        user = turn.records[0]
        assert (user["role"], user["kind"], user["status"]) == ("user", "audio", "completed")
        assert user["audio_ms"] == pytest.approx(clip.duration_ms, rel=0.02)


def test_audio_without_its_rate_or_of_no_known_kind(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        with pytest.raises(ConfigurationError, match="sample_rate="):
            session.ask(audio=np.zeros(100, np.float32))
        with pytest.raises(ConfigurationError, match="WAV"):
            session.ask(audio=b"\x00" * 100)
        with pytest.raises(ConfigurationError):
            session.ask(audio="no-such-file.wav")
        assert session.records == []


def test_a_voice_turn_that_the_provider_ends(fast: aigw.LocalGateway) -> None:
    """The microphone's way: 40 ms chunks, silence after it, the answer comes by itself."""
    clip = spoken_clip("what is 4 plus 5")
    data = clip.data + bytes(48_000)
    events = []
    with connect(fast) as session:
        session.core.add_sink(events.append)
        for start in range(0, len(data), 1920):
            session.send_audio(data[start : start + 1920])
        turn = session.next_turn(timeout_s=10)
        assert turn.user_text == "what is 4 plus 5" and "9" in turn.text
        user = turn.records[0]
        assert (user["role"], user["kind"]) == ("user", "audio")
        assert user["audio_ms"] >= clip.duration_ms * 0.9
        kept = session.audio(user["audio_ref"])
        assert kept is not None and letters(understood_clip(kept)) == "whatis4plus5"
        assert turn.latency.total_ms is not None
    kinds = [type(event) for event in events]
    assert kinds.index(SpeechStarted) < kinds.index(SpeechStopped) < kinds.index(ResponseStarted)


def test_push_to_talk(fast: aigw.LocalGateway) -> None:
    clip = spoken_clip("what is 6 plus 1")
    with connect(fast, turn_detection="manual") as session:
        session.send_audio(clip.data[:20_000])
        session.send_audio(np.frombuffer(clip.data[20_000:], "<i2"), sample_rate=24_000)
        session.commit()
        turn = session.next_turn(timeout_s=10)
        assert turn.user_text == "what is 6 plus 1" and "7" in turn.text
        assert [row["kind"] for row in turn.records] == ["audio", "audio"]


def test_next_turn_ends_with_the_session(fast: aigw.LocalGateway) -> None:
    session = connect(fast).open()
    with pytest.raises(TurnTimeout, match="committed"):
        session.next_turn(timeout_s=0.05)
    threading.Timer(0.1, session.close).start()
    for _ in range(2):
        with pytest.raises(SessionEnded):
            session.next_turn(timeout_s=10)


def test_a_picture(fast: aigw.LocalGateway, tmp_path) -> None:
    with connect(fast, modalities="text") as session:
        pixels = np.zeros((8, 9, 3), np.uint8)
        assert "one picture" in session.ask("What is this?", image=pixels).text
        assert session.ask(image=np.linspace(0, 1, 64).reshape(8, 8)).status == "completed"
        with pytest.raises(ConfigurationError, match="PNG"):
            session.ask("and this?", image=b"GIF89a")
        with pytest.raises(ConfigurationError, match="no image file"):
            session.ask("and this?", image=tmp_path / "none.png")
        with pytest.raises(ConfigurationError, match="shape"):
            session.ask("and this?", image=np.zeros(3))


# --------------------------------------------------------------------------------------------------------------- tools


def test_a_tool_runs_off_the_loop_and_the_answer_goes_on(fast: aigw.LocalGateway) -> None:
    threads = []

    @aigw.tool
    def weather(city: str, days: int = 1) -> str:
        """Tell the weather of a city."""
        threads.append(threading.current_thread().name)
        return f"sunny in {city} for {days} days"

    events = []
    with connect(fast, tools=[weather], modalities="text") as session:
        session.core.add_sink(events.append)
        turn = session.ask("What is the weather in Lisbon?")
        assert "sunny in Lisbon" in turn.text
        (use,) = turn.tool_calls
        assert use.name == "weather" and '"Lisbon"' in use.arguments and use.error is None
        assert [row["kind"] for row in turn.records] == ["text", "tool_call", "tool_result", "text"]
    assert threads == ["aigw-tool-weather"]
    assert [type(e) for e in events if isinstance(e, TurnStarted | ToolFinished | TurnFinished)] == [
        TurnStarted,
        ToolFinished,
        TurnFinished,
    ]


def test_an_async_tool_may_use_the_async_session(fast: aigw.LocalGateway) -> None:
    async def weather(city: str) -> dict[str, str]:
        """Tell the weather of a city."""
        await asyncio.sleep(0)
        return {"city": city, "sky": "blue"}

    with connect(fast, tools=[weather], modalities="text") as session:
        assert "blue" in session.ask("What is the weather in Lisbon?").text


def test_a_tool_that_raises_is_told_to_the_model_and_recorded(fast: aigw.LocalGateway) -> None:
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        raise ValueError("no data")

    with connect(fast, tools=[weather], modalities="text") as session:
        turn = session.ask("What is the weather in Lisbon?")
        assert turn.status == "completed"
        assert turn.tool_calls[0].error == "tool 'weather' failed: ValueError: no data"


def test_a_tool_that_hangs_is_given_up(fast: aigw.LocalGateway) -> None:
    release = threading.Event()

    def weather(city: str) -> str:
        """Tell the weather of a city."""
        release.wait(20)
        return "late"

    try:
        with connect(fast, tools=[weather], modalities="text", tool_timeout_s=0.1) as session:
            turn = session.ask("What is the weather in Lisbon?")
            assert turn.status == "completed"
            assert turn.tool_calls[0].error == "tool 'weather' did not finish within 0.1 s"
    finally:
        release.set()


def test_a_blocking_call_inside_an_async_tool_is_refused(fast: aigw.LocalGateway) -> None:
    async def weather(city: str) -> str:
        """Tell the weather of a city."""
        return session.ask("and in Porto?").text

    with connect(fast, tools=[weather], modalities="text") as session:
        turn = session.ask("What is the weather in Lisbon?")
        assert "async face" in (turn.tool_calls[0].error or "")


def test_tools_that_cannot_be_declared_are_refused_at_once() -> None:
    with pytest.raises(ToolError):
        aigw.connect("openai", tools=[42])


# -------------------------------------------------------------------------------------------------------- interruption


def test_interrupt_cuts_memory_and_records_to_what_was_heard(slow: aigw.LocalGateway) -> None:
    events = []
    enough = threading.Event()

    def sink(event) -> None:
        events.append(event)
        if sum(len(e.data) for e in events if isinstance(e, AudioDelta)) > 96_000:
            enough.set()

    with connect(slow) as session:
        session.core.add_sink(sink)
        waiting: list[aigw.Turn] = []
        thread = threading.Thread(target=lambda: waiting.append(session.ask("Tell me a story.")))
        thread.start()
        assert enough.wait(10)
        session.interrupt(played_ms=1000.0)
        thread.join(10)
        turn = waiting[0]
        assert turn.status == "interrupted"
        answer = next(row for row in turn.records if row["role"] == "assistant")
        assert answer["heard_ms"] == 1000.0 and answer["audio_ms"] > 1900
        assert answer["text"].startswith(answer["heard_text"]) and len(answer["heard_text"]) < len(answer["text"])
        assert session.ask("What is 2 plus 2?").text, "the session goes on"
    assert [e.played_ms for e in events if isinstance(e, PlaybackInterrupted)] == [1000.0]
    assert [e.audio_end_ms for e in events if isinstance(e, ItemTruncated)] == [1000]


def test_interrupt_after_the_answer_only_cuts(fast: aigw.LocalGateway) -> None:
    """Audio arrives faster than it plays: the answer may be complete while it is still being heard."""
    events = []
    with connect(fast) as session:
        session.core.add_sink(events.append)
        turn = session.ask("Tell me a story.")
        session.interrupt(played_ms=500.0)
        session.ask("What is 2 plus 2?", modalities=["text"])
        assert turn.status == "completed" and turn.records[1]["heard_ms"] == 500.0
    assert [e.audio_end_ms for e in events if isinstance(e, ItemTruncated)] == [500]


def test_interrupt_with_nothing_spoken_does_nothing(fast: aigw.LocalGateway) -> None:
    with connect(fast, modalities="text") as session:
        session.interrupt()
        session.interrupt(played_ms=100.0)
        assert session.records == []


def test_barge_in_by_voice_ends_the_running_answer(slow: aigw.LocalGateway) -> None:
    """The user speaks into a long answer: the provider stops it, and answers what was said."""
    speaking = threading.Event()
    question = spoken_clip("what is 4 plus 5").data + bytes(48_000)
    with connect(slow) as session:
        session.core.add_sink(lambda event: speaking.set() if isinstance(event, AudioDelta) else None)
        ended: list[aigw.Turn] = []
        thread = threading.Thread(target=lambda: ended.append(session.ask("Tell me a story.")))
        thread.start()
        assert speaking.wait(10)
        for start in range(0, len(question), 1920):
            session.send_audio(question[start : start + 1920])
        thread.join(10)
        second = session.next_turn(timeout_s=10)
        assert ended[0].status == "interrupted" and ended[0].number == 1
        assert second.number == 2 and "9" in second.text
        assert [row["turn"] for row in session.records] == sorted(row["turn"] for row in session.records)
