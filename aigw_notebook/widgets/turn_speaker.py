"""The one speaker of all `%%aigw` cells: answers queue in it, and play on after their cells have ended."""

from __future__ import annotations

import threading
from typing import Any

import traitlets

from .bundle import STATIC, bundle
from .speaker import Speaker

__all__ = ["TurnSpeaker", "detach_turn_speaker", "turn_speaker"]


class TurnSpeaker(Speaker):
    """A speaker without a view: while it is heard, the page shows a small control at its edge."""

    _esm = bundle("turn_speaker.js")
    edge_css = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(edge_css=(STATIC / "edge.css").read_text(encoding="utf-8"), **traits)

    @property
    def listening(self) -> bool:
        """Whether a page has said that it plays."""
        return self._feed.page is not None


_lock = threading.Lock()
_speaker: TurnSpeaker | None = None


def turn_speaker() -> TurnSpeaker:
    """The speaker of this kernel, made at the first call; anew when its page let go of it."""
    global _speaker
    with _lock:
        if _speaker is None or _speaker.comm is None:
            _speaker = TurnSpeaker()
        return _speaker


def detach_turn_speaker(session: Any) -> None:
    """That speaker plays no more answers of `session`; nothing where there is none."""
    if _speaker is not None and session is not None:
        _speaker.detach(session)
