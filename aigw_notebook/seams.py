"""The seams of a session as rows: where it does not go on from the row before it, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .events import HistorySent, SessionExpiring, SessionOpened

if TYPE_CHECKING:
    from .records import Entry
    from .turn import Turn

__all__ = ["SEAMS", "Seams"]


class Seams:
    """The part of a transcript that writes rows of the kind "seam": one sentence of when and why."""

    lines_dropped = 0
    """How many lines of the log were missing when the transcript was told from it."""

    def cut(self, dropped: int, t_ms: float) -> None:
        """So many lines are missing of what this transcript is told."""
        self.lines_dropped += dropped
        lines = "1 line" if dropped == 1 else f"{dropped:,} lines"
        self._seam(f"{lines} of the log are missing, and what was said in them", t_ms)

    def _opened(self, event: SessionOpened, t_ms: float) -> None:
        if event.resumed:
            self._seam("takes up an earlier session, which the provider remembers", t_ms)

    def _history_sent(self, event: HistorySent, t_ms: float) -> None:
        self._seam(_beginning(event), t_ms)

    def _expiring(self, event: SessionExpiring, t_ms: float) -> None:
        left = "soon" if event.time_left_ms is None else f"in {event.time_left_ms / 1000:g} s"
        self._seam(f"the provider ends the session {left}", t_ms)

    def _seam(self, text: str, t_ms: float) -> None:
        entry = self._add("session", "seam", t_ms, status="completed")
        entry.end_ms = t_ms
        entry.pieces.append(text)

    def _add(self, role: str, kind: str, t_ms: float, *, status: str = "running", turn: Turn | None = None) -> Entry:
        raise NotImplementedError


def _beginning(event: HistorySent) -> str:
    """Where a session begins that was told what was said before, and what of that it was not told."""
    parts = "1 part" if event.items == 1 else f"{event.items:,} parts"
    at = "" if event.at is None else f" up to turn {event.at}"
    begins = (
        f"begins with {parts} of a history" if event.parent is None else f"branched off {event.parent}{at}, {parts}"
    )
    return f"{begins}; left out: {', '.join(event.left_out)}" if event.left_out else begins


SEAMS: dict[type, Callable[[Any, Any, float], None]] = {
    SessionOpened: Seams._opened,
    SessionExpiring: Seams._expiring,
    HistorySent: Seams._history_sent,
}
"""What each event adds to a transcript."""
