"""Tools that ask a person before they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import ToolError
from ..session.toolrun import CURRENT_CALL, in_thread
from ..tools import Tool

__all__ = ["APPROVAL_S", "Approvals"]

APPROVAL_S = 300.0
"""How long a call waits for a person; then it counts as refused."""

MAX_REMEMBERED = 256


class Approvals:
    """Which calls wait for a person, and what was said to them. Lives on the loop; `changed` is called after each."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._told: dict[str, str] = {}

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of the calls that wait, the oldest first."""
        return tuple(self._waiting)

    def state(self, call_id: str | None) -> str | None:
        """How that call stands: "waiting", "approved", "refused", "expired"; None if nobody was asked."""
        return self._told.get(call_id or "")

    def answer(self, call_id: str, approved: bool) -> bool:
        """Let that call run, or refuse it. False when it does not wait."""
        future = self._waiting.get(call_id)
        if future is None or future.done():
            return False
        future.set_result(approved)
        return True

    def guarded(self, tool: Tool, *, timeout_s: float) -> Tool:
        """`tool`, run only once a person has said yes; `timeout_s` is counted from then."""

        async def ask_first(**arguments: Any) -> Any:
            await self._approved(tool.name)
            try:
                async with asyncio.timeout(timeout_s):
                    if tool.is_async:
                        return await tool.function(**arguments)
                    return await in_thread(lambda: tool.function(**arguments), name=f"aigw-tool-{tool.name}")
            except TimeoutError:
                raise ToolError(f"tool {tool.name!r} did not finish within {timeout_s:g} s") from None

        return replace(tool, function=ask_first)

    async def _approved(self, name: str) -> None:
        call = CURRENT_CALL.get()
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[call.call_id] = future
        self._tell(call.call_id, "waiting")
        try:
            async with asyncio.timeout(APPROVAL_S):
                approved = await future
            self._tell(call.call_id, "approved" if approved else "refused")
        except TimeoutError:
            approved = False
            self._tell(call.call_id, "expired")
        except asyncio.CancelledError:
            self._tell(call.call_id, "expired")
            raise
        finally:
            del self._waiting[call.call_id]
        if not approved:
            raise ToolError(f"the user refused this call of {name!r}: answer without it")

    def _tell(self, call_id: str, state: str) -> None:
        self._told[call_id] = state
        while len(self._told) > MAX_REMEMBERED:
            del self._told[next(iter(self._told))]
        self._changed()
