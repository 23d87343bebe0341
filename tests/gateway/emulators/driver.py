"""Drives an OpenAI emulator without sockets, threads or waiting; the SDK's types check every message it emits."""

from __future__ import annotations

import json
from base64 import b64encode
from itertools import groupby
from typing import Any

from aigw_notebook.gateway.emulators.base import Close, Handshake, Job, Output, Pace
from aigw_notebook.gateway.emulators.openai import OpenAIEmulator
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.providers.base import counting_ids
from tests.sdk_openai import check_server_event

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0, audio_delta_ms=100)
Event = dict[str, Any]


class Client:
    """The client's side of one emulated connection. What arrives is in `events` until it is taken."""

    def __init__(
        self,
        *,
        pace: Pace = AT_ONCE,
        engines: Engines | None = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        subprotocols: tuple[str, ...] = (),
        key: str | None = None,
        hold_jobs: bool = False,
        **options: Any,
    ) -> None:
        self.now_ms = 1_000.0
        self.events: list[Event] = []
        self.closed: Close | None = None
        self.jobs: list[Job] = []
        self.hold_jobs = hold_jobs
        handshake = Handshake(
            route="openai",
            query={"model": "gpt-realtime-2.1"} if query is None else query,
            headers=headers or {},
            subprotocols=subprotocols,
            key=key,
        )
        self.emulator = OpenAIEmulator(
            handshake,
            engines=engines or default_engines(),
            ids=counting_ids("0"),
            clock=lambda: self.now_ms,
            pace=pace,
            wall_clock=lambda: 1_700_000_000.0,
            **options,
        )
        self.emulator.open()
        self._drain()

    # ---- what a client does

    def raw(self, message: str | bytes) -> None:
        self.emulator.receive(message)
        self._drain()
        self.wait(0)

    def send(self, kind: str, **fields: Any) -> None:
        self.raw(json.dumps({"type": kind, **fields}))

    def update(self, **session: Any) -> None:
        self.send("session.update", session={"type": "realtime", **session})

    def say(self, text: str, **fields: Any) -> None:
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content, **fields})

    def append(self, audio: bytes, chunk: int = 4_800) -> None:
        for start in range(0, len(audio), chunk):
            self.send("input_audio_buffer.append", audio=b64encode(audio[start : start + chunk]).decode())

    def wait(self, duration_ms: float) -> None:
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

    def run_jobs(self) -> None:
        """Run the jobs that are held, as a worker thread would."""
        while self.jobs:
            self._run(self.jobs.pop(0))
            self._drain()
        self.wait(0)

    # ---- what it got

    def take(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def types(self) -> list[str]:
        """The types of all that has arrived, runs of the same type as one; takes them."""
        return [kind for kind, _ in groupby(event["type"] for event in self.take())]

    def one(self, kind: str) -> Event:
        """The only event of that type among those that have arrived."""
        found = [event for event in self.events if event["type"] == kind]
        assert len(found) == 1, f"{len(found)} events of type {kind}"
        return found[0]

    def all(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def error(self) -> Event:
        """The error that is all that has arrived; takes it."""
        (event,) = self.take()
        assert event["type"] == "error", event
        found: Event = event["error"]
        return found

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
            self.events.append(check_server_event(output))

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
