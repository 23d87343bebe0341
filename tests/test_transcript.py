"""Events in, rows out: order, status, what was heard, and what arrives late."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.events import (
    AudioDelta,
    InputCommitted,
    InputTranscript,
    ItemAdded,
    OutputTranscript,
    PlaybackInterrupted,
    RateLimits,
    ResponseDone,
    ResponseStarted,
    SessionClosed,
    SessionError,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    ToolCall,
    ToolFinished,
    Usage,
)
from aigw_notebook.records import COLUMNS
from aigw_notebook.transcript import Transcript

SECOND = bytes(48_000)


@pytest.fixture
def transcript() -> Transcript:
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Transcript(session_id="s1", provider="acme", model="m1", where="acme, here", started_at=started)


def text_turn(transcript: Transcript, *words: str, number: int = 1) -> None:
    turn = transcript.start_turn(100.0)
    transcript.user_said("hi", 100.0)
    transcript.receive(ResponseStarted(response_id=f"r{number}"), 150.0)
    for at, word in enumerate(words):
        transcript.receive(TextDelta(text=word, response_id=f"r{number}", item_id=f"i{number}"), 200.0 + at)
    usage = Usage(input_tokens=9, output_tokens=4, input_text_tokens=9, output_text_tokens=4)
    transcript.receive(ResponseDone(response_id=f"r{number}", usage=usage), 300.0)
    transcript.finish_turn(turn, "completed", 300.0)


def test_a_text_turn_is_two_rows(transcript: Transcript) -> None:
    text_turn(transcript, "Hel", "lo")
    user, answer = transcript.records
    assert (user["role"], user["text"], user["turn"], user["seq"]) == ("user", "hi", 1, 1)
    assert (answer["role"], answer["kind"], answer["text"]) == ("assistant", "text", "Hello")
    assert answer["status"] == "completed"
    assert (answer["first_token_ms"], answer["total_ms"]) == (100.0, 200.0)
    assert answer["started_at"] == "2026-01-02T03:04:05.200Z"
    assert (answer["input_text_tokens"], answer["output_text_tokens"], answer["input_audio_tokens"]) == (9, 4, None)
    assert transcript.turns[0].text == "Hello" and transcript.turns[0].user_text == "hi"
    assert transcript.turns[0].latency.first_token_ms == 100.0
    assert transcript.text == "user: hi\n\nassistant: Hello"


def test_rows_have_the_documented_columns_in_order_and_only_scalars(transcript: Transcript) -> None:
    text_turn(transcript, "a")
    transcript.receive(SessionClosed(code=1000), 400.0)
    kinds = {"str": str, "int": int, "float": float, "bool": bool}
    for row in transcript.records:
        assert list(row) == [column.name for column in COLUMNS]
        for column in COLUMNS:
            assert row[column.name] is None or type(row[column.name]) is kinds[column.type], column.name


def test_a_spoken_turn_has_both_sides_in_spoken_order(transcript: Transcript) -> None:
    """The user's words arrive after the answer, and still stand before it."""
    transcript.start_turn(0.0)
    transcript.receive(SpeechStarted(at_ms=0.0, item_id="u1"), 10.0)
    transcript.user_audio(SECOND, PCM16_24K, 1000.0)
    transcript.receive(SpeechStopped(at_ms=1000.0, item_id="u1"), 1200.0)
    transcript.receive(InputCommitted(item_id="u1"), 1201.0)
    transcript.receive(ItemAdded(item_id="u1", role="user"), 1202.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1210.0)
    transcript.receive(OutputTranscript(text="Good ", response_id="r1", item_id="a1"), 1300.0)
    transcript.receive(AudioDelta(data=SECOND, format=PCM16_24K, response_id="r1", item_id="a1"), 1350.0)
    transcript.receive(OutputTranscript(text="day.", response_id="r1", item_id="a1"), 1360.0)
    transcript.receive(OutputTranscript(text="Good day.", response_id="r1", item_id="a1", final=True), 1361.0)
    transcript.receive(ResponseDone(response_id="r1"), 1400.0)
    transcript.finish_turn(transcript.turns[0], "completed", 1400.0)
    transcript.receive(InputTranscript(text="Hel", item_id="u1"), 1500.0)
    transcript.receive(InputTranscript(text="Hello!", item_id="u1", final=True), 1501.0)
    user, answer = transcript.records
    assert (user["role"], user["kind"], user["text"], user["audio_ms"], user["status"]) == (
        "user", "audio", "Hello!", 1000.0, "completed",
    )  # fmt: skip
    assert (answer["kind"], answer["text"], answer["audio_ms"]) == ("audio", "Good day.", 1000.0)
    assert (answer["first_token_ms"], answer["first_audio_ms"]) == (100.0, 150.0)
    assert (answer["heard_ms"], answer["heard_text"]) == (None, None)
    entry = transcript.entry_of(user["audio_ref"])
    assert entry is not None and b"".join(entry.audio) == SECOND
    assert transcript.entry_of("a99") is None and transcript.entry_of("x") is None


def test_push_to_talk_binds_the_committed_item_to_the_voice(transcript: Transcript) -> None:
    transcript.start_turn(0.0)
    transcript.user_audio(SECOND, PCM16_24K, 5.0)
    transcript.user_audio(SECOND, PCM16_24K, 6.0)
    transcript.receive(InputCommitted(item_id="u7"), 10.0)
    transcript.receive(InputTranscript(text="yes", item_id="u7", final=True), 20.0)
    (row,) = transcript.records
    assert (row["item_id"], row["audio_ms"], row["text"], row["status"]) == ("u7", 2000.0, "yes", "completed")


def test_cumulative_words_replace_and_pieces_add(transcript: Transcript) -> None:
    transcript.start_turn(0.0)
    transcript.receive(SpeechStarted(item_id="u1"), 0.0)
    transcript.receive(InputTranscript(text="one", item_id="u1", cumulative=True), 1.0)
    transcript.receive(InputTranscript(text="one two", item_id="u1", cumulative=True), 2.0)
    transcript.receive(InputTranscript(text=" three", item_id="u1"), 3.0)
    assert transcript.records[0]["text"] == "one two three"


def test_interruption_keeps_heard_and_generated_apart(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1.0)
    text = "one two three four five six seven eight"
    transcript.receive(OutputTranscript(text=text, response_id="r1", item_id="a1"), 2.0)
    transcript.receive(AudioDelta(data=SECOND * 2, format=PCM16_24K, response_id="r1", item_id="a1"), 3.0)
    transcript.receive(PlaybackInterrupted(item_id="a1", played_ms=1000.0), 4.0)
    transcript.finish_turn(turn, "interrupted", 4.0)
    answer, mark = transcript.records
    assert (answer["audio_ms"], answer["heard_ms"], answer["status"]) == (2000.0, 1000.0, "interrupted")
    assert answer["text"] == text and answer["heard_text"] == "one two three four"
    assert (mark["kind"], mark["role"], mark["heard_ms"]) == ("interruption", "user", 1000.0)


def test_heard_never_exceeds_what_was_generated(transcript: Transcript) -> None:
    transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1.0)
    transcript.receive(OutputTranscript(text="done", response_id="r1", item_id="a1"), 2.0)
    transcript.receive(AudioDelta(data=SECOND, format=PCM16_24K, response_id="r1", item_id="a1"), 3.0)
    transcript.receive(PlaybackInterrupted(item_id="a1", played_ms=9999.0), 4.0)
    assert transcript.records[0]["heard_ms"] == 1000.0 and transcript.records[0]["heard_text"] == "done"


def test_what_comes_after_the_end_is_dropped_and_counted(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1.0)
    transcript.receive(TextDelta(text="kept", response_id="r1", item_id="i1"), 2.0)
    transcript.finish_turn(turn, "cancelled", 3.0)
    transcript.receive(TextDelta(text=" late", response_id="r1", item_id="i1"), 4.0)
    transcript.receive(TextDelta(text=" later", response_id="r1", item_id="i2"), 5.0)
    assert (turn.text, turn.status, transcript.late_events_dropped) == ("kept", "cancelled", 2)
    usage = Usage(output_tokens=3)
    transcript.receive(ResponseDone(response_id="r1", status="cancelled", usage=usage), 6.0)
    assert turn.usage.output_tokens == 3, "what was spent is known even when the answer was thrown away"


def test_an_answer_cut_by_a_new_voice_keeps_its_own_turn(transcript: Transcript) -> None:
    first = transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1.0)
    transcript.receive(TextDelta(text="long", response_id="r1", item_id="i1"), 2.0)
    second = transcript.start_turn(3.0)
    transcript.receive(SpeechStarted(item_id="u2"), 3.0)
    transcript.receive(TextDelta(text=" story", response_id="r1", item_id="i1"), 4.0)
    transcript.receive(ResponseDone(response_id="r1", status="cancelled", reason="turn_detected"), 5.0)
    assert (first.text, second.text) == ("long story", "")
    assert [(row["turn"], row["kind"], row["status"]) for row in transcript.records] == [
        (1, "text", "interrupted"), (2, "audio", "running"), (2, "interruption", "completed"),
    ]  # fmt: skip


def test_providers_without_ids_get_one_row_an_answer(transcript: Transcript) -> None:
    for word in ("first", "second"):
        turn = transcript.start_turn(0.0)
        transcript.receive(ResponseStarted(), 1.0)
        transcript.receive(TextDelta(text=word), 2.0)
        transcript.receive(TextDelta(text="!"), 2.0)
        transcript.receive(ResponseDone(), 3.0)
        transcript.finish_turn(turn, "completed", 3.0)
    assert [row["text"] for row in transcript.records] == ["first!", "second!"]


def test_tools_are_rows(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1.0)
    transcript.receive(ToolCall(call_id="c1", name="add", arguments='{"a": 1}', response_id="r1"), 2.0)
    transcript.receive(ResponseDone(response_id="r1", usage=Usage(input_tokens=3)), 3.0)
    transcript.receive(ToolFinished(call_id="c1", name="add", output="2", duration_ms=5.0), 9.0)
    transcript.receive(ToolFinished(call_id="c2", name="bad", output="no", error="no", duration_ms=1.0), 9.0)
    call, result, failed = transcript.records
    assert (call["kind"], call["tool_name"], call["call_id"], call["text"]) == ("tool_call", "add", "c1", '{"a": 1}')
    assert (result["kind"], result["role"], result["text"], result["start_ms"]) == ("tool_result", "tool", "2", 4.0)
    assert failed["status"] == "failed"
    (use,) = turn.tool_calls
    assert (use.name, use.output, use.error, use.duration_ms) == ("add", "2", None, 5.0)
    assert turn.usage.input_tokens == 3 and turn.text == ""


def test_errors_and_the_end_are_rows_and_benign_errors_are_not(transcript: Transcript) -> None:
    transcript.receive(SessionError(message="odd", code="x1"), 1.0)
    transcript.receive(SessionError(message="harmless", code="x2", benign=True), 2.0)
    transcript.receive(RateLimits(limits=()), 3.0)
    transcript.receive(SessionClosed(code=1001, reason="bye"), 4.0)
    error, closed = transcript.records
    assert (error["kind"], error["error_code"], error["text"], error["turn"]) == ("error", "x1", "odd", 0)
    assert (closed["kind"], closed["error_code"], closed["text"]) == ("closed", "1001", "bye")


def test_a_failed_response_says_why(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1.0)
    done = ResponseDone(response_id="r1", status="failed", error_code="quota", error_message="No money left.")
    transcript.receive(done, 2.0)
    transcript.finish_turn(turn, "failed", 2.0, error="No money left.")
    (row,) = turn.records
    assert (row["kind"], row["error_code"], row["text"]) == ("error", "quota", "No money left.")
    assert turn.error == "No money left."


def test_audio_is_kept_within_bounds_and_the_rest_is_counted() -> None:
    transcript = Transcript(session_id="s1", provider="acme", model=None, max_audio_bytes=100_000)
    for number in range(1, 6):
        turn = transcript.start_turn(0.0)
        transcript.receive(ResponseStarted(response_id=f"r{number}"), 1.0)
        delta = AudioDelta(data=SECOND, format=PCM16_24K, response_id=f"r{number}", item_id=f"i{number}")
        transcript.receive(delta, 2.0)
        transcript.receive(ResponseDone(response_id=f"r{number}"), 3.0)
        transcript.finish_turn(turn, "completed", 3.0)
    assert transcript.audio_bytes <= 100_000
    assert transcript.audio_bytes_dropped == 3 * len(SECOND)
    assert transcript.turns[0].audio is None and transcript.turns[-1].audio is not None
    assert [row["audio_ms"] for row in transcript.records] == [1000.0] * 5, "lengths stay known"


def test_the_latency_of_the_first_sound_leaves_out_leading_silence(transcript: Transcript) -> None:
    import numpy as np

    tone = (np.sin(np.arange(24_000) / 10) * 8000).astype("<i2").tobytes()
    turn = transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 10.0)
    delta = AudioDelta(data=SECOND + tone, format=PCM16_24K, response_id="r1", item_id="i1")
    transcript.receive(delta, 50.0)
    latency = turn.latency
    assert latency.first_audio_ms == 50.0
    assert latency.first_audible_ms == pytest.approx(1050.0, abs=15.0)
