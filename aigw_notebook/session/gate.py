"""One in-band response at a time, so that "already has an active response" never reaches a caller."""

from __future__ import annotations

import asyncio
from typing import Literal

__all__ = ["ResponseGate"]


class ResponseGate:
    """Where the session's response stands: free, requested (sent, not begun) or active (begun, not done)."""

    def __init__(self) -> None:
        self.state: Literal["free", "requested", "active"] = "free"
        self.response_id: str | None = None
        self._freed = asyncio.Event()
        self._freed.set()

    async def wait_free(self) -> None:
        """Return once no response is requested or active."""
        while self.state != "free":
            await self._freed.wait()

    def request(self) -> None:
        """A response is asked for; one that has begun by itself meanwhile is it."""
        if self.state != "active":
            self.state = "requested"
        self._freed.clear()

    def start(self, response_id: str | None) -> None:
        """A response has begun: the one asked for, or one the provider began by itself."""
        self.state, self.response_id = "active", response_id
        self._freed.clear()

    def free(self) -> None:
        """The response is done, or was refused."""
        self.state, self.response_id = "free", None
        self._freed.set()
