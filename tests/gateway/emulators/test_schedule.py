"""Steps are taken when they are due, in order, and never after the end."""

from __future__ import annotations

from collections.abc import Iterator

from aigw_notebook.gateway.emulators.schedule import WAIT, Schedule


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_steps_wait_for_their_time() -> None:
    clock, done = Clock(), []
    schedule = Schedule(clock)

    def steps() -> Iterator[float]:
        done.append("first")
        yield 10.0
        done.append("second")

    schedule.start(steps())
    schedule.run()
    assert (done, schedule.next_ms) == (["first"], 10.0)
    clock.now = 9.9
    schedule.run()
    assert done == ["first"]
    clock.now = 10.0
    schedule.run()
    assert (done, schedule.next_ms) == (["first", "second"], None)


def test_a_waiting_task_goes_on_when_told() -> None:
    schedule, done = Schedule(Clock()), []

    def steps() -> Iterator[float]:
        yield WAIT
        done.append(True)

    task = schedule.start(steps())
    schedule.run()
    assert (done, schedule.next_ms) == ([], None)
    task.go_on()
    schedule.run()
    assert done == [True]


def test_what_waits_for_time_is_not_hurried() -> None:
    schedule, done = Schedule(Clock()), []

    def steps() -> Iterator[float]:
        yield 10.0
        done.append(True)

    task = schedule.start(steps())
    schedule.run()
    task.go_on()
    schedule.run()
    assert (done, schedule.next_ms) == ([], 10.0)


def test_a_step_may_start_and_stop_tasks() -> None:
    schedule, done = Schedule(Clock()), []

    def child() -> Iterator[float]:
        done.append("child")
        yield WAIT

    def never() -> Iterator[float]:
        done.append("never")
        yield WAIT

    def parent() -> Iterator[float]:
        schedule.start(child())
        other.stop()
        schedule.run()
        done.append("parent")
        yield WAIT

    schedule.start(parent())
    other = schedule.start(never())
    schedule.run(rounds=2)
    assert done == ["parent", "child"]


def test_stop_ends_all() -> None:
    schedule, done = Schedule(Clock()), []

    def steps() -> Iterator[float]:
        done.append(True)
        yield 0.0

    schedule.start(steps())
    schedule.stop()
    schedule.run()
    assert done == []
    assert schedule.next_ms is None
