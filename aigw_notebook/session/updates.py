"""Changes of a running session that wait for the provider's yes or no."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..errors import AigwError, ConfigurationError, SessionEnded, TurnTimeout, UpstreamRefused
from ..events import SessionError, SessionUpdated
from ..providers.base import SessionSettings

__all__ = ["Updates", "changed"]

WAIT_S = 5.0
MAX_WAITING = 16
"""Changes without an answer that are remembered; of more, the oldest is no longer waited for."""


def changed(settings: SessionSettings, changes: Mapping[str, Any]) -> SessionSettings:
    """The settings with `changes` laid over them. Raises `ConfigurationError` for a name that is none of theirs."""
    try:
        return settings.changed(changes)
    except TypeError:
        known = ", ".join(SessionSettings.__dataclass_fields__)
        raise ConfigurationError(f"unknown setting in {', '.join(changes)}; the settings are: {known}") from None


class Updates:
    """The changes that were sent and not yet answered. A provider answers them in their order.

    A yes names no change and is that of the oldest; a no names the message it refuses where messages have ids.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[str | None, asyncio.Future[None]]] = deque(maxlen=MAX_WAITING)

    def sent(self, message_id: str | None) -> None:
        """A change was sent under that id."""
        self._waiting.append((message_id, asyncio.get_running_loop().create_future()))

    async def answered(self) -> None:
        """Return when the provider has taken the change sent last; at once when none is open.

        Raises `UpstreamRefused`, `TurnTimeout` when nothing was said for `WAIT_S`, or what ended the session.
        """
        if not self._waiting:
            return
        waiting = self._waiting[-1]
        await asyncio.wait({waiting[1]}, timeout=WAIT_S)
        if not waiting[1].done():
            self._waiting.remove(waiting)
            raise TurnTimeout(f"the provider did not answer the change within {WAIT_S:g} s; open a new session with it")
        waiting[1].result()

    def on_updated(self, event: SessionUpdated) -> None:
        """The provider has taken the oldest change."""
        if self._waiting:
            _settle(self._waiting.popleft()[1], None)

    def on_error(self, event: SessionError) -> None:
        """The provider has refused a change, if that is what it complains of."""
        for waiting in list(self._waiting):
            if waiting[0] == event.client_event_id and not event.benign:
                self._waiting.remove(waiting)
                refusal = f"the provider refused the change, and nothing was changed: {event.message}"
                _settle(waiting[1], UpstreamRefused(refusal, code=event.code))
                return

    def lose(self, error: AigwError | None) -> None:
        """The session is over: so is everybody's waiting."""
        while self._waiting:
            _settle(self._waiting.popleft()[1], error or SessionEnded("this session was closed before it was changed"))


def _settle(answer: asyncio.Future[None], error: AigwError | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(None)
    else:
        answer.set_exception(error)
        answer.exception()  # taken here: whoever sent the change need not wait for its answer
