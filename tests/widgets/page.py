"""A page without a browser: it listens to a chat panel and answers it, over real sockets to the embedded gateway."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aigw_notebook.gateway import LocalGateway
from aigw_notebook.widgets.chat import ChatPanel

__all__ = ["Page", "paneled", "texts"]


class Page:
    """A page that listens: it keeps what it is sent and answers like a player that has heard so many ms."""

    def __init__(self, panel: ChatPanel, heard_ms: float = 0.0) -> None:
        self.panel, self.heard_ms = panel, heard_ms
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.news = threading.Condition()
        panel.send = self.take

    def take(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        with self.news:
            self.messages.append((content, list(buffers or ())))
            self.news.notify_all()
        if content["kind"] == "hush" and content["id"] is not None:
            items = {m["item"]: self.heard_ms for m, _ in self.messages if m["kind"] == "audio"}
            self.say("heard", id=content["id"], items=items)

    def say(self, kind: str, buffers: list[bytes] | None = None, **content: Any) -> None:
        self.panel._handle_custom_msg({"kind": kind, "page": "page", **content}, buffers or [])

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [content for content, _ in self.messages if content["kind"] == kind]

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 15
        with self.news:
            while not true():
                assert self.news.wait(min(0.05, deadline - time.monotonic())) or time.monotonic() < deadline

    def shown(self) -> list[dict[str, Any]]:
        """What a view holds that has applied every batch."""
        bubbles: dict[str, dict[str, Any]] = {}
        for batch in self.of("delta"):
            for op in batch["ops"]:
                apply(bubbles, op)
        return list(bubbles.values())


def apply(bubbles: dict[str, dict[str, Any]], op: dict[str, Any]) -> None:
    kind = op["op"]
    if kind == "put":
        bubbles[op["bubble"]["id"]] = dict(op["bubble"])
    elif kind == "text":
        bubbles[op["id"]]["text"] += op["text"]
    elif kind == "set":
        bubbles[op["id"]].update(op["changes"])
    elif kind == "drop":
        for bubble_id in op["ids"]:
            del bubbles[bubble_id]
    else:
        bubbles.clear()


@contextmanager
def paneled(gateway: LocalGateway, provider: str = "openai", **settings: Any) -> Iterator[tuple[ChatPanel, Page]]:
    panel = ChatPanel(provider, gateway=gateway, **settings)
    page = Page(panel)
    try:
        yield panel, page
    finally:
        panel.close()


def texts(bubbles: list[dict[str, Any]], role: str | None = None) -> list[str]:
    return [b["text"] for b in bubbles if role in (None, b["role"])]
