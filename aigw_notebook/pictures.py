"""The pictures that the user showed, kept with the questions they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .events import PictureShown

if TYPE_CHECKING:
    from .records import Entry

__all__ = ["MAX_PICTURE_BYTES", "PICTURES", "Pictures"]

MAX_PICTURE_BYTES = 64 * 1024 * 1024
"""Pictures a transcript keeps in memory; beyond it the oldest are let go, and counted."""


class Pictures:
    """The part of a transcript that keeps what was shown."""

    pictures_dropped = 0
    """How many pictures are kept no longer."""

    entries: list[Entry]

    def _picture_shown(self, event: PictureShown, t_ms: float) -> None:
        entry = self.entries[-1] if self.entries else None
        if entry is None or (entry.role, entry.kind) != ("user", "text"):
            return
        entry.pictures.append(event.data)
        holding = [held for held in self.entries if held.pictures]
        size = sum(len(data) for held in holding for data in held.pictures)
        for held in holding:
            while size > MAX_PICTURE_BYTES and held.pictures:
                size -= len(held.pictures.pop(0))
                self.pictures_dropped += 1


PICTURES: dict[type, Callable[[Any, Any, float], None]] = {PictureShown: Pictures._picture_shown}
"""What each event adds to a transcript."""
