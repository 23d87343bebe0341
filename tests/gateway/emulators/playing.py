"""Drives any emulator without sockets, threads or waiting: a client of one connection, on a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

from aigw_notebook.gateway.emulators.base import Close, Emulator, Handshake, Job, Output, Pace
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.providers.base import counting_ids

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0, audio_delta_ms=100)
IN_REAL_TIME = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=1, audio_delta_ms=100)
"""So slow that what the client says while an answer runs comes while it runs."""

Frame = dict[str, Any]


class Player:
    """The client's side of one emulated connection. What arrives is in `frames` until it is taken.

    `check` is called with each frame, to raise when the provider's own types refuse it.
    """

    def __init__(
        self,
        emulator: type[Emulator],
        route: str,
        *,
        pace: Pace = AT_ONCE,
        engines: Engines | None = None,
        check: Callable[[Frame], object] = lambda frame: None,
        hold_jobs: bool = False,
        handshake: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.now_ms = 1_000.0
        self.frames: list[Frame] = []
        self.closed: Close | None = None
        self.jobs: list[Job] = []
        self.hold_jobs = hold_jobs
        self._check = check
        self.emulator = emulator(
            Handshake(route=route, **(handshake or {})),
            engines=engines or default_engines(),
            ids=counting_ids("0"),
            clock=lambda: self.now_ms,
            pace=pace,
            **options,
        )
        self.emulator.open()
        self._drain()

    # ---- what a client does

    def raw(self, message: str | bytes) -> None:
        self.emulator.receive(message)
        self._drain()

    def send(self, **message: Any) -> None:
        self.raw(json.dumps(message))

    def wait(self, duration_ms: float = 0.0) -> None:
        """Let time pass; the emulator is woken exactly when it wants to be."""
        end_ms = self.now_ms + duration_ms
        while self.closed is None:
            due_ms = self.emulator.next_wake_ms
            if due_ms is None or due_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            self.emulator.wake()
            self._drain()
        self.now_ms = end_ms

    def leave(self) -> None:
        """The client is gone."""
        self.emulator.close()
        self._drain()

    def run_jobs(self) -> None:
        """Run the jobs that are held, as a worker thread would."""
        while self.jobs:
            self._run(self.jobs.pop(0))
            self._drain()

    # ---- what it got

    def take(self) -> list[Frame]:
        frames, self.frames = self.frames, []
        return frames

    def types(self) -> list[str]:
        """The types of all that has arrived, runs of the same type as one; takes them."""
        return [kind for kind, _ in groupby(frame.get("type", "") for frame in self.take())]

    def all(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.get("type") == kind]

    def one(self, kind: str) -> Frame:
        """The only frame of that type among those that have arrived."""
        found = self.all(kind)
        assert len(found) == 1, f"{len(found)} frames of type {kind}"
        return found[0]

    def _drain(self) -> None:
        while outputs := self.emulator.drain():
            for output in outputs:
                self._take_output(output)

    def _take_output(self, output: Output) -> None:
        assert self.closed is None, "something follows the close"
        if isinstance(output, Close):
            self.closed = output
        elif isinstance(output, Job):
            self.jobs.append(output) if self.hold_jobs else self._run(output)
        else:
            assert isinstance(output, str)
            frame = json.loads(output)
            self._check(frame)
            self.frames.append(frame)

    @staticmethod
    def _run(job: Job) -> None:
        error: BaseException | None = None
        try:
            for result in job.results():
                if job.cancelled:
                    return
                job.deliver(result)
        except Exception as raised:
            error = raised
        if not job.cancelled:
            job.done(error)
