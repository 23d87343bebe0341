"""The session's life as its callers feel it: not yet ready, open, and how it ended."""

from __future__ import annotations

import asyncio

from ..endpoint import Endpoint, explain_close
from ..errors import AigwError, ConfigurationError, SessionEnded, UpstreamRefused
from ..events import SessionError
from ..turn import Turn

__all__ = ["Lifetime"]


class Lifetime:
    """Whether the provider is ready, and the error that ended the session, made anew for everybody who meets it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.ended: AigwError | None = None
        self._endpoint = endpoint
        self._ready: asyncio.Future[None] | None = None
        self._complaint: str | None = None

    def begin(self) -> None:
        """The connection is being made."""
        self._ready = asyncio.get_running_loop().create_future()

    def be_ready(self, event: object = None) -> None:
        """The provider is ready; told again it changes nothing."""
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def until_ready(self, timeout_s: float) -> None:
        """Return once the provider is ready. Raises what ended the session before that, or `UpstreamRefused`."""
        assert self._ready is not None, "begin() comes first"
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready
        except TimeoutError:
            raise UpstreamRefused(
                f"connected to {self._endpoint.safe}, but the provider did not get ready within {timeout_s:g} s; "
                f"check the model and the key, or give a longer timeout_s{self._or_else()}"
            ) from None

    def complain(self, event: SessionError) -> bool:
        """Take note of what the provider complains of; True when it refused the settings before it was ready."""
        self._complaint = event.message
        if self._ready is None or self._ready.done() or event.client_event_id is None:
            return False
        self._ready.set_exception(ConfigurationError(f"the provider refused the settings: {event.message}"))
        return True

    def end(self, code: int, reason: str, *, wanted: bool, silent: bool = False) -> None:
        """The socket is gone; `wanted` when this side closed it, `silent` when the peer never said a word."""
        ready = self._ready is not None and self._ready.done()
        if not wanted:
            self.ended = self._explained(code, reason, ready=ready, silent=silent)
        if self._ready is not None and not ready:
            self._ready.set_exception(self.ended or SessionEnded("this session was closed while it was being opened"))
            self._ready.exception()  # taken here, so that nobody need ask when the opening was cancelled

    def check(self, *, is_open: bool) -> None:
        """Nothing while the session is open; else the error that ended it, or `SessionEnded`."""
        if self.ended is not None:
            raise _again(self.ended)
        if not is_open:
            raise SessionEnded("this session is closed; open a new one with connect()")

    def raise_if_lost(self, turn: Turn) -> None:
        """Raise what ended the session, with `turn` in it, when that turn was lost."""
        if turn.status == "lost" and self.ended is not None:
            error = _again(self.ended)
            error.turn = turn
            raise error

    def _or_else(self) -> str:
        return f"; or {self._endpoint.way_round}" if self._endpoint.way_round else ""

    def _explained(self, code: int, reason: str, *, ready: bool, silent: bool) -> AigwError:
        here = self._endpoint
        error = explain_close(code, reason, ready=ready, silent=silent, secrets=here.secrets, way_round=here.way_round)
        if self._complaint is None:
            return error
        return type(error)(f"{error} (the provider said: {self._complaint})", close_code=code, reason=error.reason)


def _again(error: AigwError) -> AigwError:
    """The same error once more, without the traceback and the turn of the first."""
    fresh = type(error)(*error.args)
    fresh.__dict__.update({name: value for name, value in vars(error).items() if name != "turn"})
    return fresh
