"""What is made of a transcript: its written forms and its cost, as methods of it."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .cost import Cost
    from .records import Entry
    from .transcript import Transcript

__all__ = ["Written"]


class Written:
    """What a transcript can be written as, see `exports`, and what it costs.

    In each form its words are escaped, whatever they are.
    """

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
        from .cost import cost_of

        told = cast("Transcript", self)
        free = ", embedded gateway at " in told.where
        return cost_of(entries, provider=told.provider, model=told.model, free=free)

    @property
    def cost(self) -> Cost:
        """What the session costs so far: the sum of its turns, as far as they are known."""
        from .cost import Cost

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
