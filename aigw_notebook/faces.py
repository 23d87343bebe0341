"""The two forms of a session: `Session` waits, `AsyncSession` is awaited. Both are one line per coroutine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from .events import AnyEvent, SessionClosed
from .log import LogState, state_of
from .portal import awaitable, blocking, portal, ticking
from .providers.base import SessionSettings
from .recording import Recording
from .session import Playback, SessionCore
from .told import Told
from .transcript import Transcript

__all__ = ["AsyncSession", "Session"]


_TAKEN_OVER = (
    "model", "voice", "instructions", "modalities", "turn_detection", "transcription", "temperature", "speed",
    "max_output_tokens", "input_format", "output_format", "options",
)  # fmt: skip


class SessionFace(Told):
    """What both forms of a session tell at once, without waiting."""

    def __init__(self, core: SessionCore) -> None:
        self.core = core

    @property
    def transcript(self) -> Transcript:
        """Everything said so far; it grows."""
        return self.core.transcript

    def recording(self) -> Recording:
        """The session as a value: what it was, and its lines so far, without a secret."""
        return self.core.recording()

    def _origin(self) -> dict[str, Any]:
        """The provider as it is (it may be in no registry), and what it was asked for."""
        kept = {name: getattr(self.settings, name) for name in _TAKEN_OVER}
        return {"provider": self.core.provider, "max_cost": self.core.spending.max_cost, **kept}

    @property
    def log(self) -> LogState:
        """What is kept of this session, and where."""
        return state_of(self.core.log)

    @property
    def settings(self) -> SessionSettings:
        """What was asked for, and what has been changed since."""
        return self.core.settings

    @property
    def where(self) -> str:
        """One line that says where the session is connected; safe to show."""
        return self.core.where

    @property
    def closed(self) -> bool:
        """Whether the session is over, by `close` or by the peer."""
        return self.core.closed

    @property
    def limit_reached(self) -> str | None:
        """Why `max_cost` ended this session, in one line; None where it has not."""
        return self.core.spending.reason

    def add_player(self, player: Playback) -> None:
        """Let `player` play the answers from now on: it is silenced on a barge-in, and says what was heard."""
        portal().loop.call_soon_threadsafe(self.core.add_player, player)

    def remove_player(self, player: Playback) -> None:
        """No more answers for `player`; an unknown one is ignored."""
        portal().loop.call_soon_threadsafe(self.core.remove_player, player)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return (
            f"<{type(self).__name__} {self.session_id} {state}, {len(self.core.transcript.turns)} turns: {self.where}>"
        )


class Session(SessionFace):
    """A session whose methods return when they are done. Works in any cell, script or thread; see `connect`."""

    ask = blocking(SessionCore.ask)
    next_turn = blocking(SessionCore.next_turn)
    send_audio = blocking(SessionCore.send_audio)
    commit = blocking(SessionCore.commit)
    interrupt = blocking(SessionCore.interrupt)
    user_speaks = blocking(SessionCore.user_speaks)
    update = blocking(SessionCore.update)
    send = blocking(SessionCore.send)
    close = blocking(SessionCore.close)

    def events(self) -> Iterator[AnyEvent]:
        """Every event from this call on, until the session is closed; the caller's thread waits between them."""
        return _waited_for(self.core.events())

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncSession(SessionFace):
    """The same session to be awaited, on any loop; see `connect`."""

    ask = awaitable(SessionCore.ask)
    next_turn = awaitable(SessionCore.next_turn)
    send_audio = awaitable(SessionCore.send_audio)
    commit = awaitable(SessionCore.commit)
    interrupt = awaitable(SessionCore.interrupt)
    user_speaks = awaitable(SessionCore.user_speaks)
    update = awaitable(SessionCore.update)
    send = awaitable(SessionCore.send)
    close = awaitable(SessionCore.close)

    def events(self) -> AsyncIterator[AnyEvent]:
        """Every event from this call on, until the session is closed."""
        return _awaited(self.core.events())

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


def _waited_for(source: AsyncIterator[AnyEvent]) -> Iterator[AnyEvent]:
    try:
        while True:
            event = portal().run(_next(source))
            yield event
            if isinstance(event, SessionClosed):
                return
    finally:
        portal().submit(_close(source))  # not waited for: a forgotten iterator is ended wherever it is collected


async def _awaited(source: AsyncIterator[AnyEvent]) -> AsyncIterator[AnyEvent]:
    try:
        while True:
            event = await ticking(portal().submit(_next(source)))
            yield event
            if isinstance(event, SessionClosed):
                return
    finally:
        portal().submit(_close(source))


async def _next(source: AsyncIterator[AnyEvent]) -> AnyEvent:
    return await anext(source)


async def _close(source: AsyncIterator[AnyEvent]) -> None:
    if isinstance(source, AsyncGenerator):
        await source.aclose()
