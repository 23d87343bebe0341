"""Drives any emulator without sockets, threads or waiting: a client of one connection, on a clock of its own.

What arrives is judged at the end of the test, as all frames are (`tests/frames.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

from aigw_notebook.gateway.emulators.base import Close, Emulator, Handshake, Job, Output, Pace
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Listener, Reply
from aigw_notebook.gateway.engines.intake import GrowingTurn
from aigw_notebook.providers.base import Message, counting_ids
from tests.wire import Line

__all__ = ["AT_ONCE", "BINARY", "IN_REAL_TIME", "TEXT", "Frame", "MixedPlayer", "Player", "replay", "scripted_engines"]

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0, audio_delta_ms=100)
IN_REAL_TIME = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=1, audio_delta_ms=100)
"""So slow that what the client says while an answer runs comes while it runs."""

BINARY, TEXT = "(binary)", "(text)"

Frame = dict[str, Any]


class Player:
    """The client's side of one emulated connection. What arrives is in `frames` until it is taken, all in `arrived`."""

    def __init__(
        self,
        emulator: type[Emulator],
        route: str,
        *,
        pace: Pace = AT_ONCE,
        engines: Engines | None = None,
        hold_jobs: bool = False,
        handshake: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.now_ms = 1_000.0
        self.frames: list[Frame] = []
        self.arrived: list[Message] = []
        self.closed: Close | None = None
        self.jobs: list[Job] = []
        self.hold_jobs = hold_jobs
        self.emulator = emulator(
            Handshake(route=route, **(handshake or {})),
            engines=engines or default_engines(),
            ids=counting_ids("0"),
            clock=lambda: self.now_ms,
            pace=pace,
            **options,
        )
        self.emulator.open()
        self.drain()

    # ---- what a client does

    def raw(self, message: Message) -> None:
        """Send a frame as it is."""
        self.emulator.receive(message)
        self.drain()

    def send(self, **message: Any) -> None:
        """Send an object."""
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
            self.drain()
        self.now_ms = end_ms

    def leave(self) -> None:
        """The client is gone."""
        self.emulator.close()
        self.drain()

    def run_jobs(self) -> None:
        """Run the jobs that are held, as a worker thread would."""
        while self.jobs:
            _run(self.jobs.pop(0))
            self.drain()

    # ---- what it got

    def take(self) -> list[Frame]:
        """All that has arrived since the last time."""
        frames, self.frames = self.frames, []
        return frames

    def types(self) -> list[str]:
        """The types of all that has arrived, runs of the same type as one; takes them."""
        return [kind for kind, _ in groupby(frame.get("type", "") for frame in self.take())]

    def all(self, kind: str) -> list[Frame]:
        """The frames of that type among those that have arrived."""
        return [frame for frame in self.frames if frame.get("type") == kind]

    def one(self, kind: str) -> Frame:
        """The only frame of that type among those that have arrived."""
        found = self.all(kind)
        assert len(found) == 1, f"{len(found)} frames of type {kind}"
        return found[0]

    def drain(self) -> None:
        """Take what the emulator has to say."""
        while outputs := self.emulator.drain():
            for output in outputs:
                self._take_output(output)

    def read(self, frame: Message) -> Frame:
        """What is kept of a frame: the object in it."""
        parsed: Frame = json.loads(frame)
        assert isinstance(parsed, dict)
        return parsed

    def _take_output(self, output: Output) -> None:
        assert self.closed is None, "something follows the close"
        if isinstance(output, Close):
            self.closed = output
        elif isinstance(output, Job):
            self.jobs.append(output) if self.hold_jobs else _run(output)
        else:
            self.arrived.append(output)
            self.frames.append(self.read(output))


class MixedPlayer(Player):
    """Like `Player`. A binary frame is `{"type": BINARY, "data": …}`, text that is no message `{"type": TEXT, …}`."""

    def sound(self) -> bytes:
        """All binary frames that have arrived, joined."""
        return b"".join(frame["data"] for frame in self.all(BINARY))

    def read(self, frame: Message) -> Frame:
        """What is kept of a frame."""
        if isinstance(frame, bytes):
            return {"type": BINARY, "data": frame}
        try:
            parsed = json.loads(frame)
        except ValueError:
            parsed = None
        return parsed if isinstance(parsed, dict) and "type" in parsed else {"type": TEXT, "text": frame}


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


class _Scripted(Listener):
    """Hears the same words in whatever is not silent, and answers with two."""

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        return "The quick fox." if any(pcm16) else ""

    def listen(self, *, sample_rate: int) -> GrowingTurn:
        return GrowingTurn(lambda pcm16: self.transcribe(pcm16, sample_rate=sample_rate), sample_rate)

    def answer(self, conversation: Any, **options: Any) -> Reply:
        return Reply(text="Hello there.")


def scripted_engines() -> Engines:
    """Engines whose ears and answers are known, with the usual voice."""
    scripted = _Scripted()
    return Engines(responder=scripted, voice=default_engines().voice, listener=scripted)


# ---------------------------------------------------------------------------------------------------- wire fixtures


def replay(client: MixedPlayer, lines: list[Line], *, repeats: Callable[[Frame], bool]) -> None:
    """Say what the client says in a flow; the emulator must answer with the same frames in the same order.

    Of a frame that `repeats` there may be more or fewer; each other has the same keys all the way down.
    """
    for number, line in enumerate(lines, 1):
        if line.close is not None:
            client.wait(3_600_000)
            assert client.closed is not None
            assert (client.closed.code, client.closed.reason) == (line.close["code"], line.close["reason"])
        elif line.dir == ">":
            if line.frame is not None:
                client.raw(line.frame)
        else:
            assert line.frame is not None
            _expect(client, client.read(line.frame), repeats, f"line {number}")
    client.wait(0)
    assert [frame for frame in client.frames if not repeats(frame)] == []


def _expect(client: Player, wanted: Frame, repeats: Callable[[Frame], bool], where: str) -> None:
    while True:
        while not client.frames and client.emulator.next_wake_ms is not None:
            client.wait(max(0.0, client.emulator.next_wake_ms - client.now_ms))
        if repeats(wanted) and not (client.frames and repeats(client.frames[0])):
            return
        assert client.frames, f"{where}: nothing more is said"
        frame = client.frames.pop(0)
        if frame["type"] == wanted["type"] and repeats(frame) == repeats(wanted):
            assert _alike(frame, wanted), f"{where}: {frame} is not like {wanted}"
            return
        assert repeats(frame), f"{where}: {frame['type']} where {wanted['type']} belongs"


def _alike(ours: Any, theirs: Any) -> bool:
    """Whether two frames have the same keys, all the way down; an empty list is like any, JSON in text is read."""
    if isinstance(ours, str) and isinstance(theirs, str):
        ours, theirs = _read(ours), _read(theirs)
    if type(ours) is not type(theirs):
        return isinstance(ours, int | float) and isinstance(theirs, int | float)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_alike(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and ours and theirs:
        return _alike(ours[0], theirs[0])
    return True


def _read(text: str) -> Any:
    """The JSON that a piece of text holds, behind the name of its field if it is a server-sent event."""
    try:
        return json.loads(text.removeprefix("data: "))
    except ValueError:
        return text
