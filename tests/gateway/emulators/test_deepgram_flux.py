"""The turns of Deepgram's flux, as the emulator finds them in a stream of audio."""

from __future__ import annotations

import pytest

from tests.gateway.emulators.deepgram_driver import client, quiet, talk, turns
from tests.speech import spoken


def test_a_turn_begins_with_speech_and_ends_when_it_is_surely_over() -> None:
    listener = client("flux")
    talk(listener, quiet(400) + spoken("the quick brown fox") + quiet(900) + spoken("yes") + quiet(900))
    frames = listener.take()
    assert turns(frames) == [
        ("StartOfTurn", ""),
        ("EndOfTurn", "the quick brown fox"),
        ("StartOfTurn", ""),
        ("EndOfTurn", "yes"),
    ]
    ends = [frame for frame in frames if frame.get("event") == "EndOfTurn"]
    assert [(end["turn_index"], end["trigger"]) for end in ends] == [(0, "model"), (1, "model")]
    assert all("trigger" not in frame for frame in frames if frame.get("event") == "Update")


def test_messages_are_numbered_and_updates_come_four_times_a_second() -> None:
    listener = client("flux")
    talk(listener, quiet(3_000))
    frames = listener.take()
    assert [frame["sequence_id"] for frame in frames] == list(range(len(frames)))
    windows = [frame["audio_window_end"] for frame in frames[1:]]
    assert windows == pytest.approx([0.3 * n for n in range(1, 11)], abs=0.06)


def test_the_words_of_a_turn_grow() -> None:
    listener = client("flux")
    talk(listener, spoken("the quick brown fox jumps over the dog"))
    told = [frame["transcript"] for frame in listener.all("TurnInfo")]
    assert told == sorted(told, key=len) and 1 < len(set(told)) <= len(told)


def test_an_eager_end_is_confirmed_with_the_same_words_or_taken_back() -> None:
    listener = client("flux", eager_eot_threshold="0.4")
    talk(listener, spoken("one") + quiet(500) + spoken("two") + quiet(900))
    assert turns(listener.take()) == [
        ("StartOfTurn", ""),
        ("EagerEndOfTurn", "one"),
        ("TurnResumed", "one"),
        ("EagerEndOfTurn", "one two"),
        ("EndOfTurn", "one two"),
    ]


def test_a_turn_ends_also_when_its_last_words_are_made_out_after_its_last_audio() -> None:
    listener = client("flux", hold_jobs=True)
    audio = spoken("over the hill") + quiet(1_500)
    talk(listener, audio[:19_200])
    listener.run_jobs()
    talk(listener, audio[19_200:])
    assert [event for event, _ in turns(listener.frames)] == ["StartOfTurn"]
    for _ in range(4):
        listener.run_jobs()
        listener.wait()
    assert turns(listener.frames)[1:] == [("EndOfTurn", "over the hill")]


def test_without_an_eager_threshold_there_is_no_eager_end() -> None:
    listener = client("flux", eot_threshold="0.9")
    talk(listener, spoken("one") + quiet(600) + spoken("two") + quiet(1_200))
    assert [event for event, _ in turns(listener.take())] == ["StartOfTurn", "EndOfTurn"]


def test_a_turn_ends_by_its_time_out_at_the_latest() -> None:
    listener = client("flux", eot_threshold="1.0", eot_timeout_ms="2000")
    talk(listener, spoken("one") + quiet(1_900))
    assert [event for event, _ in turns(listener.frames)] == ["StartOfTurn"]
    talk(listener, quiet(300))
    assert listener.frames[-1]["trigger"] == "timeout"
