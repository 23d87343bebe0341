"""A new session is told what was said before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..errors import SessionEnded, Unreachable, UpstreamRefused
from ..events import AnyEvent, ClientEvent, HistorySent, ItemAdded, SessionClosed, SessionError
from ..seeds import Seed
from .sinks import Sinks

__all__ = ["hand_over"]


async def hand_over(
    seed: Seed,
    sinks: Sinks,
    send: Callable[[ClientEvent], Awaitable[str | None]],
    emit: Callable[[AnyEvent], None],
    *,
    timeout_s: float,
) -> None:
    """Send the history, each message an item; where the provider confirms them, return once it has them all.

    So no item of the history is taken for the first question. Raises `UpstreamRefused` for what the provider refuses.
    """
    if not seed.messages and seed.parent is None:
        return
    watch = _Watch(len(seed.messages))
    sinks.add(watch)
    try:
        async with asyncio.timeout(timeout_s):
            for message in seed.messages:
                watch.sent.add(await send(message))
            if seed.confirmed and seed.messages:
                await watch.done
    except TimeoutError:
        raise Unreachable(
            f"the provider did not take the history within {timeout_s:g} s: try a longer timeout_s"
        ) from None
    finally:
        sinks.remove(watch)
        watch.done.cancel()
    emit(HistorySent(items=len(seed.messages), parent=seed.parent, at=seed.at, left_out=seed.left_out))


class _Watch:
    """Counts the items that the provider says it has, until it has all or refuses one."""

    def __init__(self, wanted: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent: set[str | None] = set()
        self._wanted = wanted

    def __call__(self, event: AnyEvent) -> None:
        if self.done.done():
            return
        if isinstance(event, ItemAdded):
            self._wanted -= 1
            if not self._wanted:
                self.done.set_result(None)
        elif isinstance(event, SessionClosed):
            self.done.set_exception(SessionEnded("the session ended while its history was sent; open a new one"))
        elif isinstance(event, SessionError) and event.client_event_id in self.sent - {None}:
            self.done.set_exception(UpstreamRefused(f"the history was refused: {event.message}", code=event.code))
