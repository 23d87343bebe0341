"""The live view of one turn: text that only grows, a status line, a Stop button, and who plays the sound.

Text travels as custom messages `{kind: "text", seq, parts}`; `parts[0]` is piece number `seq`. A view that has just
been made says `{kind: "ready", have: n}` and is sent all pieces from `n` on, and the turn's age in `elapsed_ms`:
what was sent before it listened is lost. `state` is the small rest, as a trait, so that a late view sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

__all__ = ["LiveView", "keep_front_end_route"]

STATIC = Path(__file__).parent / "static"


class LiveView(anywidget.AnyWidget):
    """One turn on the screen while it runs.

    `on_ready(have)` and `on_stop(played_ms)` are called on whatever thread the kernel handles widget messages with.
    `sound_id` is the id of the turn's final audio element, set where its sound is played in segments; the ids of those
    begin with it and a hyphen.
    """

    _esm = STATIC / "live.js"
    _css = STATIC / "live.css"
    sound_id = traitlets.Unicode().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self, *, on_ready: Callable[[int], None], on_stop: Callable[[float | None], object], **traits: Any
    ) -> None:
        super().__init__(**traits)
        self._handlers: dict[Any, Callable[[dict[str, Any]], object]] = {
            "ready": lambda content: on_ready(int(content.get("have", 0))),
            "stop": lambda content: on_stop(content.get("played_ms")),
        }
        self.on_msg(self._on_message)
        keep_front_end_route(self)

    def send_text(self, seq: int, parts: list[str], **more: Any) -> None:
        """Send the pieces from number `seq` on."""
        self.send({"kind": "text", "seq": seq, "parts": parts, **more})

    def hush(self) -> None:
        """Silence what is being played; the listener gave up."""
        self.send({"kind": "hush"})

    def mark(self, **changes: Any) -> None:
        """Change the status line; the other fields of `state` stay."""
        self.state = {**self.state, **changes}

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        handler = self._handlers.get(content.get("kind")) if isinstance(content, dict) else None
        if handler is not None:
            handler(content)


def keep_front_end_route(widget: Any) -> None:
    """Let the front end's own choice of subshell stand for this widget's messages.

    ipykernel 7.4 sends them to the shell that last wrote to the comm instead, where they wait until a blocking cell
    ends: Stop would come too late. The method is private; where it is missing nothing need be done.
    """
    comm: Any = getattr(widget, "comm", None)
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
