"""The feed from the kernel to one page: order, numbers, replay, pace and bounds, with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aigw_notebook.widgets import feed as feeds
from aigw_notebook.widgets.feed import Feed


class Line:
    """What a feed sends, and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[dict[str, Any]] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.feed = Feed(
            lambda content, buffers: self.sent.append({**content, "size": sum(map(len, buffers))}),
            later=lambda delay_s, call: self.timers.append((self.now + delay_s, call)),
            clock=lambda: self.now,
        )

    def wait(self) -> None:
        self.now, call = self.timers.pop(0)
        call()

    @property
    def names(self) -> list[Any]:
        return [content["n"] for content in self.sent]


def test_nothing_is_sent_before_a_page_is_ready_and_all_of_it_then() -> None:
    line = Line()
    line.feed.post({"n": 1})
    line.feed.post({"n": 2}, b"abcd")
    assert line.sent == []
    assert line.feed.ready("p", 0)
    line.feed.post({"n": 3})
    assert [(sent["n"], sent["seq"], sent["size"]) for sent in line.sent] == [(1, 0, 0), (2, 1, 4), (3, 2, 0)]
    assert {sent["page"] for sent in line.sent} == {"p"}


def test_a_page_that_missed_something_gets_it_again() -> None:
    line = Line()
    line.feed.ready("p", 0)
    for n in range(5):
        line.feed.post({"n": n}, b"x")
    line.sent.clear()
    line.feed.received(2)
    assert not line.feed.ready("p", 3)
    assert line.names == [3, 4]
    assert {content["oldest"] for content in line.sent} == {2}


def test_a_new_page_does_not_hear_again_what_the_old_one_had() -> None:
    line = Line()
    line.feed.ready("old", 0)
    line.feed.post({"n": 1}, b"x")
    assert line.feed.ready("new", 0)
    line.feed.post({"n": 2}, b"x")
    assert [(content["n"], content["page"]) for content in line.sent] == [(1, "old"), (2, "new")]


def test_what_would_exceed_the_servers_limit_waits_and_keeps_its_order() -> None:
    line = Line()
    line.feed.ready("p", 0)
    for n in range(40):
        line.feed.post({"n": n}, bytes(100_000))
    in_burst = len(line.sent)
    assert in_burst * 100_000 <= feeds.BURST_BYTES + 100_000
    while line.timers:
        line.wait()
    assert line.names == list(range(40))
    assert (40 - in_burst - 1) * 100_000 <= line.now * feeds.BYTES_PER_S


def test_a_flush_overtakes_what_waits_once_that_is_discarded() -> None:
    line = Line()
    line.feed.ready("p", 0)
    for n in range(20):
        line.feed.post({"n": n}, bytes(100_000))
    waiting = 20 - len(line.sent)
    assert len(line.feed.discard()) == waiting > 0
    line.feed.post({"n": "flush"})
    assert line.names[-1] == "flush"
    assert [content["seq"] for content in line.sent] == list(range(len(line.sent)))


def test_without_a_page_the_oldest_sound_is_dropped_and_counted() -> None:
    line = Line()
    line.feed.post({"n": "begin"})
    for n in range(20):
        line.feed.post({"n": n}, bytes(1_000_000))
    assert line.feed.dropped_bytes == 5_000_000
    assert [content["n"] for content in line.feed.waiting()] == ["begin", *range(5, 20)]
