"""What the views of a chat panel are told, and when: words at once and then in batches, the whole seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from .chat_model import Bubble, Feed, Operation

__all__ = ["Page", "Screen"]

BATCH_S = 0.05
"""Words reach the page at once when they come first, then at most once in this time."""

REPAINT_S = 1.0
"""The whole conversation is written to the panel's trait at most this often."""


class Page(Protocol):
    """What is needed of the panel; every method may be called from the portal's thread."""

    def tell(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        """Send a message to the page."""

    def mark(self, **changes: Any) -> None:
        """Change fields of the panel's state."""

    def paint(self, snapshot: str) -> None:
        """Set the whole conversation."""


class Screen:
    """Brings bubbles to a page. Lives on a loop; `recent` gives the bubbles that may have changed, `whole` all."""

    def __init__(self, page: Page, *, recent: Callable[[], list[Bubble]], whole: Callable[[], list[Bubble]]) -> None:
        self.feed = Feed()
        self._page = page
        self._recent = recent
        self._whole = whole
        self._notes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._repaint: asyncio.TimerHandle | None = None
        self._next_at = self._paint_at = 0.0

    def touch(self) -> None:
        """Something has changed: shown at once, or with the next batch."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait_s = self._next_at - loop.time()
            if wait_s > 0:
                self._timer = loop.call_later(wait_s, self._show)
            else:
                self._show()

    def settle(self) -> None:
        """A turn is over: show all of it now, and keep it for views that come later."""
        self._stop_timer()
        self._send(self.feed.update(self._whole()))
        self._paint_soon()

    def keep(self, ids: Iterable[str]) -> None:
        """Take away all bubbles but these; remarks stay."""
        kept = set(ids)
        gone = [b["id"] for b in self.feed.bubbles if b["role"] != "notice" and b["id"] not in kept]
        self._send(self.feed.drop(gone))
        self._paint_soon()

    def clear(self) -> None:
        """Take away all bubbles."""
        self._send(self.feed.clear())
        self._paint_soon()

    def note(self, text: str, *, level: str = "info") -> None:
        """Put a remark into the conversation."""
        self._notes += 1
        bubble: Bubble = {"id": f"n{self._notes}", "role": "notice", "turn": 0, "status": "completed", "text": text}
        self._send(self.feed.update([{**bubble, "level": level, "code": None}]))
        self._paint_soon()

    def replay_since(self, have: int) -> None:
        """Tell the page what it has not got from batch `have` on."""
        batches = self.feed.since(have)
        if batches is None:
            self._page.tell({"kind": "whole", "snapshot": self.feed.snapshot()}, [])
            return
        for seq, operations in batches:
            self._page.tell({"kind": "delta", "seq": seq, "ops": operations}, [])

    def close(self) -> None:
        """Show nothing more by itself."""
        self._stop_timer()
        if self._repaint is not None:
            self._paint()

    def _show(self) -> None:
        self._stop_timer()
        if self._send(self.feed.update(self._recent())):
            self._next_at = asyncio.get_running_loop().time() + BATCH_S

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, operations: list[Operation]) -> bool:
        if operations:
            self._page.tell({"kind": "delta", "seq": self.feed.seq - 1, "ops": operations}, [])
        return bool(operations)

    def _paint_soon(self) -> None:
        if self._repaint is None:
            loop = asyncio.get_running_loop()
            self._repaint = loop.call_later(max(0.0, self._paint_at - loop.time()), self._paint)

    def _paint(self) -> None:
        if self._repaint is not None:
            self._repaint.cancel()
            self._repaint = None
        self._paint_at = asyncio.get_running_loop().time() + REPAINT_S
        self._page.paint(self.feed.snapshot())
