"""When text and audio of a running turn leave for the front end, on a clock of the test's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.pacing import AudioSegments, GrowingText, TextBatches


class Timer:
    def __init__(self, at: float, callback: Callable[[], object]) -> None:
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """The scheduler of an event loop whose time only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        self.timers.append(Timer(self.now + delay, lambda: callback(*args)))
        return self.timers[-1]

    def go(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((t for t in self.timers if t.at <= end + 1e-9 and not t.cancelled), key=lambda t: t.at):
            self.timers.remove(due[0])
            self.now = max(self.now, due[0].at)
            due[0].callback()
        self.now = end


@pytest.fixture
def loop() -> Loop:
    return Loop()


# --------------------------------------------------------------------------------------------------------- text


def test_the_first_piece_leaves_at_once_and_the_next_together(loop: Loop) -> None:
    sent: list[tuple[float, str]] = []
    batches = TextBatches(lambda text: sent.append((round(loop.now - 100, 3), text)), loop)
    for piece in "abcde":
        batches.add(piece)
        loop.go(0.01)
    loop.go(0.1)
    batches.add("f")
    assert sent == [(0.0, "a"), (0.05, "bcde"), (0.15, "f")]


def test_flush_sends_what_is_held_and_stops_the_timer(loop: Loop) -> None:
    sent: list[str] = []
    batches = TextBatches(sent.append, loop)
    batches.add("a")
    batches.add("b")
    batches.flush()
    batches.flush()
    loop.go(1)
    assert sent == ["a", "b"]


@pytest.mark.parametrize("pace_s", [0.001, 0.01])
def test_two_thousand_pieces_are_few_messages(loop: Loop, pace_s: float) -> None:
    sent: list[tuple[float, str]] = []
    batches = TextBatches(lambda text: sent.append((loop.now, text)), loop)
    for _ in range(2_000):
        batches.add("lisbon")
        loop.go(pace_s)
    batches.flush()
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(sent)]
    assert "".join(text for _, text in sent) == "lisbon" * 2_000
    assert min(gaps[:-1]) >= TextBatches.SHORTEST_S - 1e-6
    assert max(gaps) <= TextBatches.LONGEST_S + pace_s
    assert len(sent) <= 200


def test_a_growing_text_is_shown_seldom_and_its_bytes_stay_linear() -> None:
    shown: list[str] = []
    growing = GrowingText(shown.append)
    for _ in range(2_000):
        growing.add("lisbon")
    assert shown[0] == "lisbon"
    assert all(len(after) >= 1.25 * len(before) for before, after in itertools.pairwise(shown))
    assert sum(map(len, shown)) <= 5 * 12_000


# -------------------------------------------------------------------------------------------------------- audio


def milliseconds(count: float) -> bytes:
    return bytes(PCM16_24K.byte_count(count))


@pytest.fixture
def played() -> list[tuple[int, int]]:
    """(when it was handed on, its length), both in ms."""
    return []


@pytest.fixture
def segments(loop: Loop, played: list[tuple[int, int]]) -> AudioSegments:
    def play(data: bytes, format: Any) -> None:
        played.append((round((loop.now - 100) * 1000), round(format.duration_ms(data))))

    return AudioSegments(play, loop)


def test_each_segment_is_what_arrived_while_the_last_one_played(
    loop: Loop, segments: AudioSegments, played: list[tuple[int, int]]
) -> None:
    for _ in range(40):  # four times faster than it plays, in steps a float holds exactly
        segments.add(milliseconds(125), PCM16_24K)
        loop.go(1 / 32)
    loop.go(2)
    assert played == [(62, 375), (438, 1375), (1812, 3250)]
    assert sum(length for _, length in played) == 40 * 125


def test_nothing_is_played_before_the_first_300_ms_and_no_shorter_segment_after(
    loop: Loop, segments: AudioSegments, played: list[tuple[int, int]]
) -> None:
    segments.add(milliseconds(299), PCM16_24K)
    loop.go(1)
    assert played == []
    segments.add(milliseconds(1), PCM16_24K)
    loop.go(1)
    segments.add(milliseconds(200), PCM16_24K)
    loop.go(1)
    segments.add(milliseconds(200), PCM16_24K)
    assert played == [(1000, 300), (3000, 400)]


def test_segments_can_be_asked_for_early_without_drifting(loop: Loop, played: list[tuple[int, int]]) -> None:
    def play(data: bytes, format: Any) -> None:
        played.append((round((loop.now - 100) * 1000), round(format.duration_ms(data))))

    segments = AudioSegments(play, loop, early_ms=lambda: 200.0)
    segments.add(milliseconds(1_000), PCM16_24K)
    segments.add(milliseconds(1_000), PCM16_24K)
    loop.go(0.8)
    segments.add(milliseconds(1_000), PCM16_24K)
    loop.go(3)
    assert played == [(0, 1000), (800, 1000), (1800, 1000)]


def test_a_closed_row_plays_nothing_more(loop: Loop, segments: AudioSegments, played: list[tuple[int, int]]) -> None:
    segments.add(milliseconds(300), PCM16_24K)
    segments.add(milliseconds(300), PCM16_24K)
    segments.close()
    loop.go(5)
    assert played == [(0, 300)]
