"""What was said in all sessions that the log keeps, of every kernel and every day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

from .log.reader import LogReader
from .records import Row
from .tables import SCHEMAS, Source, Table, Tables

if TYPE_CHECKING:
    import pandas

__all__ = ["Transcripts", "transcripts"]


def transcripts(
    *,
    provider: str | None = None,
    model: str | None = None,
    text: str | None = None,
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    session: str | None = None,
    limit: int | None = None,
) -> Transcripts:
    """The rows in the log that fit, and the tables of their sessions; those of running sessions too.

    `text` is words, all of which must be in a row. `since` is included, `until` is not; a date, or a time without a
    zone, is local. `limit` keeps the newest rows. Raises `ConfigurationError` for a log that cannot be read.
    """
    with LogReader() as reader:
        rows = reader.records(
            provider=provider, model=model, since=since, until=until, text=text, session=session, limit=limit
        )
    return Transcripts(rows)


class Transcripts:
    """Rows of many sessions: `records` as plain dicts, `turns` as a table of them.

    `tables` are those of all sessions that one of the rows is of, whole: each session is read from the log when a table
    is asked for, one at a time.
    """

    def __init__(self, records: list[Row]) -> None:
        self.records = records

    @property
    def turns(self) -> Table:
        """The rows as a table."""
        return Table.of(SCHEMAS["turns"], self.records)

    @property
    def sessions(self) -> list[str]:
        """The ids of the sessions, in the order in which they began."""
        return list(dict.fromkeys(row["session_id"] for row in self.records))

    @property
    def tables(self) -> Tables:
        """The tables of these sessions, one session after the other; see docs/records.md."""
        return Tables(self._sources)

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a `pandas.DataFrame`."""
        return self.turns.to_pandas()

    def _sources(self) -> Iterator[Source]:
        with LogReader() as reader:
            for session in self.sessions:
                recording = reader.recording(session)
                yield Source(recording.transcript(), lambda lines=recording.lines: lines)  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"<Transcripts: {len(self)} rows of {len(self.sessions)} sessions>"

    def _repr_html_(self) -> str:
        return self.turns._repr_html_()
