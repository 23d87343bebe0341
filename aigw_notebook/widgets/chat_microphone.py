"""The microphone of a chat panel: chunks from the page to the session, in order, bounded, and who ends an utterance."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import AigwError
from ..providers.base import TurnDetection
from ..session import SessionCore

__all__ = ["PanelMicrophone"]

MAX_WAITING = 250
"""Chunks that wait for a session to open, or for the socket: 10 s at 40 ms; beyond it the oldest is let go."""

CLOSING_SILENCE_MS = 900.0
"""Silence sent behind an utterance where only the provider can end it."""

LOUD = 3_000
LOUD_CHUNKS = 3
"""So many chunks in a row with a sample beyond that value: somebody speaks near the microphone."""


class PanelMicrophone:
    """Takes chunks of PCM16 and sends them to the session that `open_session` gives. It lives on the portal's loop.

    With an open microphone the provider hears the end of a sentence. With push-to-talk releasing the key is the end:
    it is committed where the provider lets a running session change who ends turns, else silence follows it. The key
    stops the answer that runs. What is being played pauses as soon as an open microphone hears something loud: see
    `SessionCore.user_speaks`.
    """

    def __init__(
        self,
        open_session: Callable[[], Awaitable[SessionCore]],
        mark: Callable[..., None],
        *,
        sent: Callable[[], object] = lambda: None,
    ) -> None:
        self.received = 0
        self.lost = 0
        """Chunks that the page sent and that never came, by the gaps in their numbers."""
        self.dropped = 0
        """Chunks that were let go."""
        self._next_seq: int | None = None
        self._open_session = open_session
        self.on = False
        """Whether somebody may be speaking."""
        self._mark = mark
        self._sent = sent
        self._waiting: deque[bytes] = deque()
        self._rate = 24_000
        self._more = asyncio.Event()
        self._released = False
        self._push = False
        self._loud = 0
        self._said_something = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, rate: int, *, push: bool) -> None:
        """Somebody begins to speak, at that many samples a second."""
        self._rate, self._push, self._released = rate, push, False
        self.on = True
        self._next_seq = None
        self._loud = 0
        self._said_something = False
        if self._task is None or self._task.done():
            self._waiting.clear()
            self._task = asyncio.create_task(self._send_all(), name="aigw-chat-microphone")
        self._mark(microphone="push" if push else "open")

    def take(self, data: bytes, seq: int | None = None) -> None:
        """The next chunk; `seq` is its number in the page, one more than that of the chunk before."""
        if seq is not None:
            self.lost += max(0, seq - self._next_seq) if self._next_seq is not None else 0
            self._next_seq = seq + 1
        self.received += 1
        self._waiting.append(data)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._more.set()

    def end(self) -> None:
        """The microphone is off, or the key is released: what waits is still sent."""
        self._released = True
        self.on = False
        self._more.set()
        self._mark(microphone="off")

    async def stop(self) -> None:
        """Throw away what waits, and end."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _send_all(self) -> None:
        try:
            core = await self._open_session()
            await self._say_who_ends(core)
            if self._push:
                await _silence(core)
            while not (self._released and not self._waiting):
                while self._waiting:
                    await self._send_one(core, self._waiting.popleft())
                self._more.clear()
                if not self._released:
                    await self._more.wait()
            if self._push and self._said_something:
                await self._finish(core)
        except AigwError as error:
            self._waiting.clear()
            self.on = False
            self._mark(microphone="off", error=str(error))

    async def _send_one(self, core: SessionCore, data: bytes) -> None:
        self._loud = self._loud + 1 if _peak(data) >= LOUD else 0
        if self._loud == LOUD_CHUNKS and not self._push:
            await core.user_speaks()
        await core.send_audio(data, sample_rate=self._rate)
        self._said_something = True
        self._sent()

    async def _say_who_ends(self, core: SessionCore) -> None:
        can = core.provider.capabilities
        if not (can.manual_turns and can.server_turns and can.can_change("turn_detection")):
            return
        manual = core.settings.turn_detection is not None and core.settings.turn_detection.mode == "manual"
        if manual != self._push:
            await core.update(turn_detection=TurnDetection(mode="manual" if self._push else "server"))

    async def _finish(self, core: SessionCore) -> None:
        detection: Any = core.settings.turn_detection
        if core.provider.capabilities.manual_turns and detection is not None and detection.mode == "manual":
            await core.commit()
        else:
            silence = bytes(2 * int(self._rate * CLOSING_SILENCE_MS / 1000))
            await core.send_audio(silence, sample_rate=self._rate)


async def _silence(core: SessionCore) -> None:
    """Stop the answer that runs, or that is still played: the key is pressed."""
    if core.transcript.current is not None:
        await core.interrupt()
    else:
        await core.user_speaks()


def _peak(data: bytes) -> int:
    """The largest sample of PCM16, without its sign."""
    samples = memoryview(data)[: len(data) & ~1].cast("h")
    return max(max(samples), -min(samples)) if samples else 0
