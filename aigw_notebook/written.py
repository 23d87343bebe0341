"""What is made of a transcript: its rows, its written forms and its cost, as methods of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .cost import Cost, cost_of, known_price, usd_of_row

if TYPE_CHECKING:
    from .records import Entry, Row
    from .transcript import Transcript

__all__ = ["Written"]


FREE = "no key, no cost)"
"""How the line ends that says where a session was connected, of one behind which no provider was."""


class Written:
    """What a transcript can be written as, see `exports`, and what it costs.

    In each form its words are escaped, whatever they are.
    """

    @property
    def is_free(self) -> bool:
        """Whether no provider answered, which costs nothing."""
        return cast("Transcript", self).where.endswith(FREE)

    def _rows(self, entries: Iterable[tuple[int, Entry]]) -> list[Row]:
        """These entries, each with its position in the session, as rows."""
        told, free = cast("Transcript", self), self.is_free
        price = None if free else known_price(told.provider, told.model)
        session = {
            "session_id": told.session_id,
            "provider": told.provider,
            "model": told.model,
            "gateway_log_id": told.gateway_log_id,
        }
        return [
            entry.row(
                seq,
                session=session,
                started_at=_utc(told.started_at, entry.start_ms),
                cost_usd=usd_of_row(entry, price, free=free),
            )
            for seq, entry in entries
        ]

    def to_markdown(self) -> str:
        """The conversation as Markdown."""
        return _text(self, ".md")

    def to_html(self) -> str:
        """The conversation as an HTML page without any script."""
        return _text(self, ".html")

    def to_srt(self) -> str:
        """Subtitles as SubRip; times as in `to_vtt`."""
        return _text(self, ".srt")

    def to_vtt(self) -> str:
        """Subtitles as WebVTT: times as the provider told them, else a share of the row's time, which a note says."""
        return _text(self, ".vtt")

    def spent(self, entries: Iterable[Entry]) -> Cost:
        """What these rows cost; see `cost`."""
        told = cast("Transcript", self)
        return cost_of(entries, provider=told.provider, model=told.model, free=self.is_free)

    @property
    def cost(self) -> Cost:
        """What the session costs so far: the sum of its turns, as far as they are known."""
        turns = [turn for turn in list(cast("Transcript", self).turns) if turn.status != "running"]
        return sum((turn.cost for turn in turns), Cost(usd=0.0, list_usd=0.0) if not turns else Cost())

    def export(self, path: str | PathLike[str]) -> Path:
        """Write it as its suffix says (.md, .html, .srt, .vtt, .jsonl, .csv, .parquet) and return the path."""
        from .exports import export

        return export(cast("Transcript", self), path)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        from .pages import page

        return page(cast("Transcript", self))._repr_mimebundle_(**options)


def _text(transcript: Written, suffix: str) -> str:
    from .exports import text_of

    return text_of(cast("Transcript", transcript), suffix)


def _utc(started_at: datetime, t_ms: float) -> str:
    moment = started_at + timedelta(milliseconds=t_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
