"""What the log file tells: its sessions, their lines, and their rows across all of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..home import shown
from ..lines import Line
from ..recording import Header, Recording
from ..records import COLUMNS, Row
from .form import Stored, read_header, restore
from .place import log_path
from .schema import check

__all__ = ["LogReader", "LoggedSession", "lines_of"]

BLOBS_CACHED = 64
BUSY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSession:
    """One session in the log. `state`: "open" (or its process was killed), "closed", or "packed" as well."""

    header: Header
    state: str
    dropped: int


class LogReader:
    """Reads the log file at `path` (None: the one of this user). Use it with `with`, or `close` it.

    A file that is not there yet is an empty log. Raises `ConfigurationError` for one that cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or log_path()
        self._db = self._opened()

    def _opened(self) -> sqlite3.Connection | None:
        if not self.path.exists():
            return None
        try:
            db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from None
        db.isolation_level = None
        try:
            if check(db):
                return db
        except (sqlite3.Error, ConfigurationError) as error:
            db.close()
            raise _unreadable(self.path, error) from None
        db.close()
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------- sessions

    def sessions(self) -> list[LoggedSession]:
        """All sessions, in the order in which they began."""
        rows = self._rows("SELECT header, state, dropped FROM sessions ORDER BY no")
        return [LoggedSession(header=read_header(text), state=state, dropped=n) for text, state, n in rows]

    def lines(self, session_id: str, *, first: int = 1, last: int | None = None) -> list[Line]:
        """The lines of a session from number `first` to `last`. Raises `ConfigurationError` when it is not there."""
        return [line for _, line in self._numbered(session_id, first, last)]

    def _numbered(self, session_id: str, first: int, last: int | None) -> list[tuple[int, Line]]:
        if self._db is None:
            raise self._missing(session_id)
        found = self._rows("SELECT no FROM sessions WHERE session_id = ?", session_id)
        if not found:
            raise self._missing(session_id)
        self._db.execute("BEGIN")  # one state of the file, though it is packed meanwhile
        try:
            return list(lines_of(self._db, found[0][0], first=first, last=last))
        finally:
            self._db.execute("ROLLBACK")

    def recording(self, session_id: str) -> Recording:
        """A session as a value; lines that are missing count as dropped. `ConfigurationError` when it is not there."""
        found = self._rows("SELECT header, dropped FROM sessions WHERE session_id = ?", session_id)
        if not found:
            raise self._missing(session_id)
        header, dropped = found[0]
        numbered = self._numbered(session_id, 1, None)
        missing = numbered[-1][0] - len(numbered) if numbered else 0
        lines = [line for _, line in numbered]
        return Recording(header=read_header(header), lines=lines, dropped=dropped + missing)

    def turn_counts(self) -> dict[str, int]:
        """How many turns each session has, by its id; one without any is left out."""
        return dict(
            self._rows(
                "SELECT s.session_id, COUNT(DISTINCT json_extract(r.row, '$.turn')) FROM records r "
                "JOIN sessions s ON s.no = r.session WHERE json_extract(r.row, '$.turn') > 0 GROUP BY r.session"
            )
        )

    def _missing(self, session_id: str) -> ConfigurationError:
        return ConfigurationError(
            f"there is no session {session_id!r} in {shown(self.path)}; aigw.transcripts() lists what there is"
        )

    # -------------------------------------------------------------------------------------------------------- records

    def records(
        self,
        provider: str | None = None,
        model: str | None = None,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
        text: str | None = None,
        session: str | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """The rows that fit, sessions in the order in which they began, rows in the order of the session.

        `since` (included) and `until` (not) are compared with a row's start; a time without a zone, or a date, is
        local. `text` is searched as words, all of which must be there. `limit` keeps the newest.
        """
        wanted: list[tuple[str, Any]] = [
            ("r.provider = ?", provider),
            ("r.model = ?", model),
            ("r.started_at >= ?", _utc(since)),
            ("r.started_at < ?", _utc(until)),
            ("r.id IN (SELECT rowid FROM words WHERE words MATCH ?)", _phrases(text)),
            ("s.session_id = ?", session),
        ]
        used = [(clause, value) for clause, value in wanted if value is not None]
        where = " AND ".join(clause for clause, _ in used) or "1"
        rows = self._rows(
            f"SELECT r.row FROM records r JOIN sessions s ON s.no = r.session WHERE {where} "
            f"ORDER BY r.session DESC, r.seq DESC LIMIT ?",
            *(value for _, value in used),
            -1 if limit is None else limit,
        )
        return [_row(text) for (text,) in reversed(rows)]

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._db is None:
            return []
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _unreadable(self.path, error) from None


def lines_of(
    db: sqlite3.Connection, session: int, *, first: int = 1, last: int | None = None, strict: bool = False
) -> Iterator[tuple[int, Line]]:
    """The lines of a session with their numbers, those that are packed before those that are not yet.

    A line that cannot be read, of a later version or without its bytes, is passed over, or with `strict` a `KeyError`.
    """
    last = 2**62 if last is None else last
    yield from _packed_lines(db, session, first, last)
    blob = _blobs(db, session)
    rows = db.execute(
        "SELECT seq, t_ms, kind, form, body, parts, scrubbed FROM lines WHERE session = ? AND seq BETWEEN ? AND ? "
        "ORDER BY seq",
        (session, first, last),
    )
    for number, *columns in rows:
        try:
            yield number, restore(Stored(*columns), blob)
        except KeyError:
            if strict:
                raise


def _packed_lines(db: sqlite3.Connection, session: int, first: int, last: int) -> Iterator[tuple[int, Line]]:
    pieces = db.execute(
        "SELECT first, data FROM packed WHERE session = ? AND last >= ? AND first <= ? ORDER BY first",
        (session, first, last),
    )
    for start, data in pieces:
        from ..recording_file import unpack

        for number, line in enumerate(unpack(data).lines, start):
            if first <= number <= last:
                yield number, line


def _blobs(db: sqlite3.Connection, session: int) -> Callable[[str], bytes]:
    @lru_cache(BLOBS_CACHED)
    def blob(name: str) -> bytes:
        query = "SELECT data FROM blobs WHERE session = ? AND digest = ?"
        found = db.execute(query, (session, name)).fetchone()
        if found is None:
            raise KeyError(name)
        data: bytes = found[0]
        return data

    return blob


def _row(text: str) -> Row:
    found = json.loads(text)
    return {column.name: found.get(column.name) for column in COLUMNS}


def _phrases(text: str | None) -> str | None:
    """The words of `text`, each quoted: nothing in them is an operator of the search."""
    words = (text or "").split()
    return " ".join('"' + word.replace('"', '""') + '"' for word in words) or None


def _utc(moment: datetime | date | str | None) -> str | None:
    """The moment as the rows write it: UTC, with milliseconds."""
    if moment is None:
        return None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ConfigurationError(f"{moment!r} is no time; write it as 2026-01-31 or 2026-01-31T12:00") from None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unreadable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the log {shown(path)} cannot be read: {error}; move it away, or set AIGW_NOTEBOOK_HOME to another folder"
    )
