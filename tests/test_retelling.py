"""A log that lost lines, anywhere, is told as far as it goes: numbers hold, words stay, and what is gone is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigw_notebook import events, load
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.history import history_of
from aigw_notebook.lines import Line, MemoryLog
from aigw_notebook.recording import Recording
from aigw_notebook.recording_file import write
from aigw_notebook.transcript import Transcript
from tests.log.making import header

SOUND = bytes(4_800)


def conversation(transcript: Transcript) -> None:
    """Six turns: written and spoken, with a tool, a barge-in, an error, an aside; and the end."""
    transcript.noted(1.0, gateway_log_id="g1")
    for number in range(1, 7):
        ask(transcript, number)
    transcript.receive(events.SessionClosed(code=1000), 7_000.0)


def ask(transcript: Transcript, number: int) -> None:
    at, response, item = 1_000.0 * number, f"r{number}", f"i{number}"
    turn = transcript.start_turn(at, out_of_band=number == 5)
    transcript.receive(events.TurnStarted(turn=number), at)
    question(transcript, number, at)
    transcript.asked(turn, at + 20)
    transcript.receive(events.ResponseStarted(response_id=response), at + 30)
    for word in ("one", "two", "three"):
        transcript.receive(
            events.OutputTranscript(text=f"{word}-{number} ", response_id=response, item_id=item), at + 40
        )
        sound = events.AudioDelta(data=SOUND, format=PCM16_24K, response_id=response, item_id=item)
        transcript.receive(sound, at + 41)
    if number == 3:
        transcript.receive(events.ToolCall(call_id="c1", name="add", arguments="{}", response_id=response), at + 50)
        transcript.receive(events.ToolFinished(call_id="c1", name="add", output="2", duration_ms=1.0), at + 51)
    if number == 4:
        transcript.receive(events.PlaybackInterrupted(item_id=item, played_ms=50.0), at + 60)
        transcript.receive(events.SessionError(message="odd", code="x1"), at + 61)
    transcript.receive(events.ResponseDone(response_id=response), at + 70)
    transcript.finish_turn(turn, "interrupted" if number == 4 else "completed", at + 80)
    transcript.receive(events.OutputTranscript(text="late ", response_id=response, item_id=item), at + 90)


def question(transcript: Transcript, number: int, at: float) -> None:
    if number % 2:
        transcript.user_said(f"question-{number}", at + 5)
        return
    transcript.user_spoke(at + 1, at + 5)
    transcript.receive(events.SpeechStarted(item_id=f"u{number}"), at + 5)
    transcript.user_audio(SOUND, PCM16_24K, at + 6)
    transcript.receive(events.InputCommitted(item_id=f"u{number}"), at + 8)
    transcript.receive(events.InputTranscript(text=f"question-{number}", item_id=f"u{number}", final=True), at + 9)


def whole() -> tuple[list[Line], list[dict]]:
    log = MemoryLog()
    transcript = Transcript(session_id="s1", provider="acme", model="m1", started_at=header().started_at, log=log)
    conversation(transcript)
    return log.lines(), transcript.records


LINES, RECORDS = whole()


def told(lines: list[Line], dropped: int) -> Transcript:
    return Recording(header=header(), lines=lines, dropped=dropped).transcript()


def words(transcript: Transcript, role: str) -> str:
    rows = (row for row in transcript.records if row["role"] == role and row["kind"] in ("text", "audio"))
    return "".join(row["text"] or "" for row in rows)


def left(lines: list[Line], kind: type) -> str:
    return "".join(line.value.text for line in lines if isinstance(line.value, kind) and line.value.text != "late ")


def columns(records: list[dict]) -> list[dict]:
    return [{name: row[name] for name in row if name not in ("session_id", "provider", "model")} for row in records]


def test_a_whole_log_gives_the_same_rows() -> None:
    assert columns(told(LINES, 0).records) == columns(RECORDS)


@given(st.integers(min_value=1, max_value=len(LINES)))
@settings(max_examples=len(LINES))
def test_of_a_log_that_lost_its_beginning_all_that_is_left_is_told(dropped: int) -> None:
    lines = LINES[dropped:]
    transcript = told(lines, dropped)
    named = {line.value["turn"] for line in lines if line.kind in ("turn", "asked", "ended")}
    assert [turn.number for turn in transcript.turns] == sorted(named)
    assert words(transcript, "assistant") == left(lines, events.OutputTranscript)
    asked = "".join(line.value for line in lines if line.kind == "said") + left(lines, events.InputTranscript)
    assert sorted(words(transcript, "user")) == sorted(asked)
    seam = transcript.records[0]
    assert (seam["role"], seam["kind"], transcript.lines_dropped) == ("session", "seam", dropped)
    assert str(dropped) in seam["text"] and "missing" in seam["text"]


@given(st.sets(st.integers(min_value=0, max_value=len(LINES) - 1), max_size=len(LINES)))
def test_of_a_log_that_lost_any_lines_what_is_left_is_told(lost: set[int]) -> None:
    lines = [line for at, line in enumerate(LINES) if at not in lost]
    transcript = told(lines, len(lost))
    named = {line.value["turn"] for line in lines if line.kind in ("turn", "asked", "ended")}
    assert {turn.number for turn in transcript.turns} == named
    assert transcript.lines_dropped == len(lost)
    assert all(row["turn"] in named | {0} for row in transcript.records)
    assert transcript.to_markdown().count("\n## Turn ") <= len(RECORDS)
    assert all((turn.latency.total_ms or 0) >= 0 for turn in transcript.turns)


@pytest.mark.parametrize("lines_kept", [1, 2, 7, 40])
def test_a_full_log_in_memory_still_says_which_turn_runs(lines_kept: int) -> None:
    log = MemoryLog(lines_kept=lines_kept)
    running = Transcript(session_id="s1", provider="acme", model="m1", log=log)
    for number in range(1, 4):
        ask(running, number)
    running.start_turn(9_000.0)
    running.receive(events.ResponseStarted(response_id="r9"), 9_001.0)
    for _ in range(lines_kept):
        running.receive(events.TextDelta(text="word ", response_id="r9", item_id="i9"), 9_002.0)
    lines = log.lines()
    again = told(lines, log.dropped)
    (turn,) = again.turns
    assert (turn.number, turn.text, turn.status) == (4, "word " * lines_kept, "running")
    ended = next(at for at, line in enumerate(LINES) if line.kind == "turn" and line.value["turn"] == 4)
    assert log.dropped + len(lines) == (ended - 1) + 2 + lines_kept


def test_what_a_recording_has_lost_is_shown(tmp_path: Path) -> None:
    recording = Recording(header=header(), lines=LINES[30:], dropped=30)
    recorded = load(write(tmp_path / "talk.aigw", recording))
    assert "30 lines missing" in repr(recorded)
    assert "30 lines of the log are missing" in recorded.transcript.to_markdown()
    assert "30 lines of the log are missing" in recorded.page().html
    assert history_of(recorded, at=6).said[-1] == ("assistant", "one-6 two-6 three-6")
    with pytest.raises(ConfigurationError, match="turn 1 is not one of this session's, which has 2 to 6"):
        history_of(recorded, at=1)
