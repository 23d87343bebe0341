"""The two forms of a session: `Session` waits, `AsyncSession` is awaited. Both are one line per coroutine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import TYPE_CHECKING

from .events import AnyEvent, SessionClosed, Usage
from .portal import awaitable, blocking, portal, ticking
from .providers.base import SessionSettings
from .records import Row
from .session import SessionCore
from .transcript import Transcript
from .turn import Turn

if TYPE_CHECKING:
    from .audio.clip import Clip

__all__ = ["AsyncSession", "Session"]


class SessionFace:
    """What both forms of a session tell at once, without waiting."""

    def __init__(self, core: SessionCore) -> None:
        self.core = core

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.core.provider.name

    @property
    def model(self) -> str | None:
        """The model, as the provider names it."""
        return self.core.settings.model

    @property
    def session_id(self) -> str:
        """The session's id in the records."""
        return self.core.session_id

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
    def transcript(self) -> Transcript:
        """Everything said so far; it grows."""
        return self.core.transcript

    @property
    def turns(self) -> list[Turn]:
        """All turns so far, the running one last."""
        return list(self.core.transcript.turns)

    @property
    def records(self) -> list[Row]:
        """All rows so far, as flat dicts in the columns of `records.COLUMNS`: `pd.DataFrame(session.records)`."""
        return self.core.transcript.records

    @property
    def usage(self) -> Usage:
        """Tokens of the whole session so far."""
        return self.core.transcript.usage

    def audio(self, audio_ref: str) -> Clip | None:
        """The audio of the row with that `audio_ref`; None when there is none, or it is no longer kept."""
        from .audio.clip import Clip

        entry = self.core.transcript.entry_of(audio_ref)
        if entry is None or not entry.audio or entry.format is None:
            return None
        return Clip(b"".join(entry.audio), entry.format)

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
