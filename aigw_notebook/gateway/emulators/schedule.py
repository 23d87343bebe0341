"""Work spread over time without sleeping: generators that say when they want to go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

__all__ = ["ROUNDS_A_WAKE", "WAIT", "Schedule", "Task"]

WAIT = math.inf
"""Yielded by steps that wait for something other than time: they go on after `Task.go_on`."""

ROUNDS_A_WAKE = 16
"""Rounds to take when woken: enough to make light work of an answer without pace, few enough to hear the client."""


class Task:
    """One generator at work. It yields the time (ms, on the schedule's clock) of its next step, or `WAIT`."""

    def __init__(self, steps: Iterator[float], now_ms: float) -> None:
        self.due_ms = now_ms
        self.over = False
        self._steps = steps

    def go_on(self) -> None:
        """What it waits for may be there: make its next step due, unless that waits for time."""
        if self.due_ms == WAIT:
            self.due_ms = -math.inf

    def stop(self) -> None:
        """Take no further step."""
        self.over = True

    def step(self) -> None:
        """Take the next step and note when the one after it is due."""
        due_ms = next(self._steps, None)
        if due_ms is None:
            self.over = True
        else:
            self.due_ms = due_ms


class Schedule:
    """The tasks of one connection, stepped in the order in which they were started."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tasks: list[Task] = []
        self._running = False

    @property
    def next_ms(self) -> float | None:
        """When the next step is due; None when none is, or all wait."""
        due_ms = min((task.due_ms for task in self._tasks), default=WAIT)
        return None if due_ms == WAIT else due_ms

    def start(self, steps: Iterator[float]) -> Task:
        """Put `steps` to work; its first step is taken by the next `run`."""
        task = Task(steps, self._clock())
        self._tasks.append(task)
        return task

    def resume(self) -> None:
        """Something has come that may be waited for: let every task that waits look, and run."""
        for task in self._tasks:
            task.go_on()
        self.run()

    def run(self, rounds: int = 1) -> None:
        """Take the steps that are due, at most `rounds` of each task: the others stay due.

        So the first words of an answer that needs no waiting leave before its last are made. A step may start and stop
        tasks, and may call this again to no effect.
        """
        if self._running:
            return
        self._running = True
        try:
            for _ in range(rounds):
                if not self._round():
                    break
        finally:
            self._running = False

    def stop(self) -> None:
        """Stop all tasks."""
        for task in self._tasks:
            task.stop()
        self._tasks.clear()

    def _round(self) -> bool:
        """Step all due tasks once; False when none was due."""
        now = self._clock() if self._tasks else 0.0
        due = [task for task in self._tasks if task.due_ms <= now and not task.over]
        for task in due:
            if not task.over:
                task.step()
        if any(task.over for task in self._tasks):
            self._tasks = [task for task in self._tasks if not task.over]
        return bool(due)
