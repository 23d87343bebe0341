"""An open socket with one reader and one writer, bounded in both directions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from ..errors import LocalProtocolError
from ..providers.base import Codec, Message
from .tasks import TaskSet

__all__ = ["Wire"]

log = logging.getLogger("aigw_notebook")

MAX_QUEUED_MESSAGES = 1_024
SEND_TIMEOUT_S = 10.0


class Wire:
    """Messages to a peer in order, and messages from it handed to `take` as they come.

    `take` runs inline in the reader. `over` is called once, with the close code and reason, when the socket is gone;
    1006 stands for a socket that ended without a close frame. A peer that takes nothing for `SEND_TIMEOUT_S` is cut.
    `codec` is asked for a sign of life when its protocol wants one and nothing else is said. `sent` is told of each
    message when it has been written.
    """

    def __init__(
        self,
        socket: ClientConnection,
        *,
        take: Callable[[Message], None],
        over: Callable[[int, str], None],
        codec: Codec | None = None,
        sent: Callable[[Message], None] = lambda message: None,
    ) -> None:
        self.heard = False
        """Whether the peer has said anything."""
        self._socket = socket
        self._take = take
        self._over = over
        self._codec = codec
        self._sent = sent
        self._outbox: asyncio.Queue[Message] = asyncio.Queue(MAX_QUEUED_MESSAGES)
        self._tasks = TaskSet()
        self._reader = self._tasks.spawn(self._read(), "aigw-read")
        self._writer = self._tasks.spawn(self._write(), "aigw-write")

    @property
    def log_id(self) -> str | None:
        """The gateway's log id, from the answer to the upgrade."""
        response = self._socket.response
        return response.headers.get("cf-aig-log-id") if response else None

    def post(self, messages: list[Message]) -> None:
        """Queue messages. Raises `LocalProtocolError` when too many wait already."""
        for message in messages:
            try:
                self._outbox.put_nowait(message)
            except asyncio.QueueFull:
                raise LocalProtocolError(
                    f"{MAX_QUEUED_MESSAGES} messages wait to be sent: the connection is stuck; close this session"
                ) from None

    async def post_slowly(self, messages: list[Message]) -> None:
        """Queue messages, waiting while the peer is behind."""
        for message in messages:
            await self._outbox.put(message)

    async def close(self) -> None:
        """Say goodbye and wait, within bounds, until the reader has seen the end."""
        await self._socket.close()
        await asyncio.wait([self._reader], timeout=1.0)
        await self._tasks.cancel()

    async def _read(self) -> None:
        recv, take, socket = self._socket.recv, self._take, self._socket
        try:
            message = await recv()
            self.heard = True
            while True:
                take(message)
                message = await recv()
        except ConnectionClosed as error:
            # What was received counts; else what this side had to end it with (1009: a message beyond the limit).
            frame = error.rcvd or error.sent
            close = (frame.code, frame.reason) if frame is not None else (1006, "")
        except Exception:
            log.exception("a fault of this package ended a session")
            await socket.close(1011)
            close = (1011, "a fault of the client")
        self._writer.cancel()
        self._over(*close)

    async def _write(self) -> None:
        try:
            while True:
                message = await self._next()
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._socket.send(message)
                self._sent(message)
        except ConnectionClosed:
            return
        except TimeoutError:
            self._socket.transport.abort()

    async def _next(self) -> Message:
        """The next message to send."""
        codec = self._codec
        while codec is not None and codec.keep_alive_s is not None:
            try:
                async with asyncio.timeout(codec.keep_alive_s):
                    return await self._outbox.get()
            except TimeoutError:
                codec.keep_alive()
                self.post(codec.messages_to_send())
        return await self._outbox.get()
