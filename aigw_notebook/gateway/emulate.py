"""Drives one emulator on one socket: messages in, messages out, wake-ups, slow work, and the end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from ..providers.base import Message
from .closing import close_as
from .counters import Traffic, size_of
from .emulators.base import Close, Emulator, Job
from .jobs import JobRun

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

__all__ = ["Conversation", "monotonic_ms"]

log = logging.getLogger(__name__)

BURST = 64
"""Messages the reader sends by itself before it leaves the rest to the pump and reads on."""

SEND_ROOM = 32 * 1024
"""Bytes waiting for a slow client above which the reader no longer sends by itself: beyond them a send would wait."""

OUTBOX_LIMIT = 256
"""Messages waiting for a slow client above which the emulator gets no more input and no more results."""

BREATH_S = 0.001
"""The longest time for which one busy conversation keeps the loop from the others, and from its own client's words."""


def monotonic_ms() -> float:
    """Milliseconds on a clock that never goes back."""
    return time.monotonic() * 1000


class Conversation:
    """One client and the emulator that answers it.

    Two coroutines share the work, on one thread. The reader takes a message, gives it to the emulator and sends what
    came of it at once. The pump wakes the emulator when its time has come, and sends what the reader left or a worker
    thread brought. Whoever sends, the order is that of the emulator's queue.

    A client that reads slowly stops the wake-ups first, then (at `OUTBOX_LIMIT`) job results and its own input, so
    memory stays bounded; what it says is heard until then. `keyless` lets the emulator begin as one that got no key.
    """

    def __init__(
        self,
        socket: ServerConnection,
        emulator: Emulator,
        *,
        executor: ThreadPoolExecutor,
        traffic: Traffic,
        clock: Callable[[], float] = monotonic_ms,
        keyless: bool = False,
    ) -> None:
        self._socket = socket
        self._emulator = emulator
        self._open = emulator.open_keyless if keyless else emulator.open
        self._executor = executor
        self._traffic = traffic
        self._clock = clock
        self._outbox: deque[Message | Close] = deque()
        self._sending = False
        self._ended = False
        self._armed_ms: float | None = None
        self._kick = asyncio.Event()
        self._room = asyncio.Event()
        self._runs: set[JobRun] = set()
        self._held: list[JobRun] = []
        self._breath_at = 0.0

    async def run(self) -> None:
        """Converse until the connection is closed; the emulator's jobs are cancelled and it is told so."""
        pump = asyncio.create_task(self._pump())
        try:
            self._step(self._open)
            await self._send_some()
            await self._read()
        except ConnectionClosed:
            pass
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            self._finish()

    def expire(self) -> None:
        """Let the emulator say that the session's time is up, where its provider has a word for it."""
        self._step(self._emulator.expire)
        self._kick.set()

    async def _read(self) -> None:
        while True:
            message = await self._socket.recv()
            self._traffic.frames_in += 1
            self._traffic.bytes_in += size_of(message)
            if self._is_over():
                continue  # the answer to a close frame stands behind all that the client said before it
            self._step(self._emulator.receive, message)
            await self._send_some()
            if len(self._outbox) > OUTBOX_LIMIT and not self._is_over():
                self._room.clear()
                await self._room.wait()

    async def _pump(self) -> None:
        try:
            while True:
                await self._send_all()
                if not self._outbox and self._is_due():
                    self._step(self._emulator.wake)
                    await self._breathe()
                else:
                    await self._wait_for_work()
        except ConnectionClosed:
            pass  # the reader sees it too, and ends the conversation
        finally:
            self._room.set()

    def _step(self, call: Callable[..., None], *arguments: Message) -> None:
        """Let the emulator do one thing and queue what comes of it. An emulator that fails ends its connection."""
        if self._ended:
            return
        try:
            call(*arguments)
            outputs = self._emulator.drain()
        except Exception as error:
            log.error("the emulator of %r failed: %s", self._emulator.handshake.route, _where(error))
            outputs = [Close(code=1011, reason="internal error")]
        for output in outputs:
            if isinstance(output, Job):
                self._start(output)
            else:
                self._outbox.append(output)

    def _start(self, job: Job) -> None:
        run = JobRun(job, self._on_job)
        self._runs.add(run)
        run.start(self._executor)

    def _on_job(self, run: JobRun, take: Callable[[], None]) -> None:
        self._step(take)
        self._kick.set()
        if run.finished:
            self._runs.discard(run)
        elif len(self._outbox) > OUTBOX_LIMIT:
            self._held.append(run)
        else:
            run.take_more()

    async def _send_some(self) -> None:
        """Send what can be sent without waiting for the client; the pump has the rest."""
        if not self._sending:
            self._sending = True
            try:
                left = BURST
                while left and self._outbox and self._takes_at_once(self._outbox[0]):
                    left -= 1
                    await self._send(self._outbox.popleft())
            finally:
                self._sending = False
            if not self._outbox:
                self._make_room()
        if self._outbox or self._emulator.next_wake_ms != self._armed_ms:
            self._kick.set()

    def _takes_at_once(self, output: Message | Close) -> bool:
        """Whether this can go out without a wait: the reader must go on reading, or it misses the client's close."""
        if isinstance(output, Close):
            return False
        waiting = self._socket.transport.get_write_buffer_size()
        return not waiting or waiting + size_of(output) < SEND_ROOM

    def _is_over(self) -> bool:
        """Whether one side has said goodbye: nothing more is answered."""
        return self._ended or self._socket.state is not State.OPEN

    async def _send_all(self) -> None:
        """Send everything, as fast as the client takes it. While the reader is sending, it is left to finish."""
        if self._sending:
            return
        self._sending = True
        try:
            while self._outbox:
                await self._send(self._outbox.popleft())
                await self._breathe()
        finally:
            self._sending = False
        self._make_room()

    async def _send(self, output: Message | Close) -> None:
        if isinstance(output, Close):
            self._ended = True
            self._make_room()
            await close_as(self._socket, output.code, output.reason)
            return
        await self._socket.send(output)
        self._traffic.frames_out += 1
        self._traffic.bytes_out += size_of(output)

    async def _breathe(self) -> None:
        """Let the loop turn now and then: sending to a client that reads quickly never waits by itself."""
        now = time.monotonic()
        if now - self._breath_at > BREATH_S:
            await asyncio.sleep(0)
            self._breath_at = time.monotonic()

    def _make_room(self) -> None:
        self._room.set()
        while self._held:
            self._held.pop().take_more()

    def _is_due(self) -> bool:
        due = self._emulator.next_wake_ms
        return due is not None and not self._ended and self._clock() >= due

    async def _wait_for_work(self) -> None:
        timer = self._arm()
        try:
            await self._kick.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._kick.clear()
        self._breath_at = time.monotonic()

    def _arm(self) -> asyncio.TimerHandle | None:
        self._armed_ms = None if self._outbox or self._ended else self._emulator.next_wake_ms
        if self._armed_ms is None:
            return None
        wait_s = max(0.0, self._armed_ms - self._clock()) / 1000
        return asyncio.get_running_loop().call_later(wait_s, self._kick.set)

    def _finish(self) -> None:
        self._ended = True
        for run in self._runs:
            run.cancel()
        self._emulator.close()


def _where(error: BaseException) -> str:
    """The kind of an error and the line it came from; its text may quote what a client sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return type(error).__name__ + line
