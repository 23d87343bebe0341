"""A session as a value: what it was, and its lines. Everything a session can tell afterwards is made of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .lines import Line
from .transcript import Transcript

__all__ = ["Header", "Recording"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a session was: `started_at` in UTC, `where` safe to show.

    `parent` is the session it was branched off, `parent_turn` the turn of that one that it follows on.
    `ids_seed` is what the ids of its messages hold: another session with it says the very same.
    """

    session_id: str
    provider: str
    model: str | None = None
    where: str = ""
    answers: bool = True
    started_at: datetime
    package_version: str = ""
    parent: str | None = None
    ids_seed: str = ""
    parent_turn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One session's header and lines, without a secret. `dropped` counts lines that were not kept."""

    header: Header
    lines: list[Line] = field(repr=False)
    dropped: int = 0

    def transcript(self) -> Transcript:
        """The transcript as the session had it: the same rows, from the same lines.

        Where lines were dropped it has what is left, and says so in a row.
        """
        return _empty(self.header).retell(self.lines, dropped=self.dropped)


def _empty(header: Header) -> Transcript:
    return Transcript(
        session_id=header.session_id,
        provider=header.provider,
        model=header.model,
        where=header.where,
        answers=header.answers,
        started_at=header.started_at,
    )
