"""A client's connection on which things go wrong as its `Faults` say: late frames, broken connections, other closes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, cast

from ..providers.base import Message
from .closing import close_as, drop
from .faults import Faults

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

__all__ = ["FaultySocket", "after", "faulty"]

QUEUED_FRAMES = 64
"""Frames that may wait to be late; whoever sends more waits."""

Sleep = Callable[[float], Awaitable[object]]


class FaultySocket:
    """A server's connection, with faults. It has what a conversation and a relay use of one: `send`, `recv`, `close`.

    Frames to the client pass a bounded queue in their order, so that one which is late holds back those after it and
    not what the client says. `sleep` takes seconds.
    """

    def __init__(self, socket: ServerConnection, faults: Faults, *, sleep: Sleep = asyncio.sleep) -> None:
        self._socket = socket
        self._faults = faults
        self._sleep = sleep
        self._random = random.Random(faults.seed)
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUED_FRAMES)
        self._sent = 0
        self._received = 0
        self._tasks: list[asyncio.Task[None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def start(self) -> None:
        """Begin to deliver; the waits count from here."""
        self._tasks.append(asyncio.create_task(self._deliver()))
        if self._faults.close is not None and self._faults.close_after is None:
            self._tasks.append(asyncio.create_task(self._close_later()))

    async def stop(self) -> None:
        """Give up what is still waiting."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, message: Message) -> None:
        """Queue a frame for the client; waits while `QUEUED_FRAMES` are waiting. Nothing happens once it is closed."""
        if not self._faults.says_nothing:
            await self._queue.put(message)

    async def recv(self) -> Message:
        """The client's next frame. Raises `ConnectionClosed` when the fault of that frame is that none comes."""
        message = await self._socket.recv()
        self._received += 1
        if self._received != (1 if self._faults.drop_first_frame else self._faults.drop_in):
            return message
        await drop(self._socket)
        while True:  # what had come in already is lost too; then it raises
            await self._socket.recv()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close after all that was sent before."""
        await self._queue.join()
        await self._socket.close(code, reason)

    async def _deliver(self) -> None:
        delivering = asyncio.create_task(self._deliver_all())
        try:
            await self._socket.wait_closed()
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
        while True:  # the client is gone: nobody may wait for it
            await self._queue.get()
            self._queue.task_done()

    async def _deliver_all(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._deliver_one(message)
            finally:
                self._queue.task_done()

    async def _deliver_one(self, message: Message) -> None:
        wait_ms = self._wait_ms()
        if wait_ms:
            await self._sleep(wait_ms / 1000)
        await self._socket.send(message)
        self._sent += 1
        if self._sent == self._faults.drop_out:
            await drop(self._socket)
        if self._sent == self._faults.close_after:
            await self._close()

    def _wait_ms(self) -> float:
        faults = self._faults
        first_ms = faults.first_frame_ms if not self._sent else 0.0
        return first_ms + faults.frame_ms + self._random.uniform(0.0, faults.jitter_ms)

    async def _close_later(self) -> None:
        wait_ms = self._faults.close_after_ms
        if wait_ms:
            await self._sleep(wait_ms / 1000)
        await self._close()

    async def _close(self) -> None:
        await close_as(self._socket, self._faults.close, self._faults.close_reason)


@asynccontextmanager
async def faulty(client: ServerConnection, faults: Faults) -> AsyncIterator[ServerConnection]:
    """`client` itself, or with its faults where they touch frames."""
    if not faults.any_after_upgrade:
        yield client
        return
    socket = FaultySocket(client, faults)
    socket.start()
    try:
        yield cast("ServerConnection", socket)
    finally:
        await socket.stop()


@contextmanager
def after(wait_ms: float | None, call: Callable[[], None]) -> Iterator[None]:
    """Have `call` called on the loop after so long (None: never), unless the block is left before."""
    timer = None if wait_ms is None else asyncio.get_running_loop().call_later(wait_ms / 1000, call)
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
