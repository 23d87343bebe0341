"""Who gets each event of a session besides its transcript."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from ..events import AnyEvent, SessionClosed

__all__ = ["Sink", "Sinks"]

Sink: TypeAlias = Callable[[AnyEvent], None]
"""Called with each event on the loop's thread. It must not block and must not raise: one that raises is dropped."""

log = logging.getLogger("aigw_notebook")

MAX_QUEUED_EVENTS = 10_000


class Sinks:
    """A list of sinks that one bad sink cannot break. `dropped` counts sinks, `events_dropped` events not streamed."""

    def __init__(self) -> None:
        self.dropped = 0
        self.events_dropped = 0
        self._sinks: tuple[Sink, ...] = ()

    def add(self, sink: Sink) -> None:
        """Hand every event from now on to `sink` too."""
        self._sinks = (*self._sinks, sink)

    def remove(self, sink: Sink) -> None:
        """No more events for `sink`; an unknown one is ignored."""
        self._sinks = tuple(known for known in self._sinks if known is not sink)

    def hand(self, event: AnyEvent) -> None:
        """Give `event` to every sink, in the order they were added."""
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:
                log.warning("a sink raised on %s and was dropped", type(event).__name__, exc_info=True)
                self.dropped += 1
                self.remove(sink)

    def stream(self) -> AsyncIterator[AnyEvent]:
        """Every event from this call on, until the session is closed.

        A reader that falls `MAX_QUEUED_EVENTS` behind loses the oldest; `events_dropped` counts them.
        """
        queue: asyncio.Queue[AnyEvent] = asyncio.Queue(MAX_QUEUED_EVENTS)

        def put(event: AnyEvent) -> None:
            if queue.full():
                queue.get_nowait()
                self.events_dropped += 1
            queue.put_nowait(event)

        self.add(put)
        return self._taken_from(queue, put)

    async def _taken_from(self, queue: asyncio.Queue[AnyEvent], put: Sink) -> AsyncIterator[AnyEvent]:
        try:
            while True:
                event = await queue.get()
                yield event
                if isinstance(event, SessionClosed):
                    return
        finally:
            self.remove(put)
