"""A session as the one that listens to a microphone."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import AigwError
from ..portal import portal

if TYPE_CHECKING:
    from ..session import SessionCore

__all__ = ["SessionEar"]

log = logging.getLogger("aigw_notebook")

WAITING = 250
"""Chunks that wait for the session's socket; beyond it the oldest is let go and counted."""


class SessionEar:
    """Sends chunks to one session, in order, on the portal; `hear` and `end` may be called on any thread.

    `dropped` counts chunks that had to go; `error` is why the session takes no more.
    """

    def __init__(self, core: SessionCore) -> None:
        self.core = core
        self.dropped = 0
        self.error = ""
        self._waiting: deque[tuple[bytes, int, Callable[[], object]] | None] = deque()
        self._task: asyncio.Task[None] | None = None

    def hear(self, data: bytes, sample_rate: int, taken: Callable[[], object]) -> None:
        """Send this behind all that came before; `taken` is called, on the portal, once the session has it."""
        portal().loop.call_soon_threadsafe(self._put, (data, sample_rate, taken))

    def end(self) -> None:
        """The user has finished: where the caller ends turns, this ends one and asks for the answer."""
        portal().loop.call_soon_threadsafe(self._put, None)

    def _put(self, chunk: tuple[bytes, int, Callable[[], object]] | None) -> None:
        self._waiting.append(chunk)
        if len(self._waiting) > WAITING:
            self._drop_oldest()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_all(), name="aigw-microphone")

    def _drop_oldest(self) -> None:
        oldest = self._waiting.popleft()
        if oldest is not None:
            self.dropped += 1
            oldest[2]()

    async def _send_all(self) -> None:
        try:
            while self._waiting and not self.core.closed:
                chunk = self._waiting.popleft()
                if chunk is None:
                    await self._commit()
                else:
                    await self.core.send_audio(chunk[0], sample_rate=chunk[1])
                    chunk[2]()
        except AigwError as error:
            self.error = str(error)
            log.warning("the microphone's sound was not taken: %s", error)
        finally:
            for left in filter(None, self._waiting):
                left[2]()
            self._waiting.clear()

    async def _commit(self) -> None:
        detection = self.core.settings.turn_detection
        if not self.core.provider.capabilities.server_turns or (detection and detection.mode == "manual"):
            await self.core.commit()
