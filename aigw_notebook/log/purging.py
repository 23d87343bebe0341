"""Sessions taken out of the log for good."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..errors import ConfigurationError
from ..home import shown
from .file import connected
from .packing import is_running
from .place import log_path
from .schema import transaction
from .writer import flush

__all__ = ["purge"]

_TABLES = ("lines", "blobs", "packed", "records")


def purge(*, older_than: timedelta | float | None = None, session: str | None = None, path: Path | None = None) -> int:
    """Delete sessions from the log, and give back their place on the disk; how many there were.

    `older_than` is an age in days, or a `timedelta`: 0 takes all. `session` is the id of one. A session that is open,
    here or in another process, is left alone; naming it raises `ConfigurationError`.
    """
    if older_than is None and session is None:
        raise ConfigurationError("say what to delete: older_than=30 (days; 0 for all sessions), or session='s…'")
    path = path or log_path()
    if not path.exists():
        return 0
    flush(path)
    try:
        db = connected(path)
    except (sqlite3.Error, OSError) as error:
        raise ConfigurationError(f"the log {shown(path)} cannot be written: {error}") from None
    try:
        found = _found(db, older_than, session)
        for number in found:
            _delete(db, number)
        _give_back(db)
    except sqlite3.Error as error:
        raise ConfigurationError(f"the log {shown(path)} cannot be written: {error}; try again") from None
    finally:
        db.close()
    return len(found)


def _found(db: sqlite3.Connection, older_than: timedelta | float | None, session: str | None) -> list[int]:
    rows = db.execute("SELECT no, session_id, started_at, state, owner FROM sessions").fetchall()
    if session is not None:
        rows = [row for row in rows if row[1] == session]
        if not rows:
            raise ConfigurationError(f"there is no session {session!r} in the log; nothing was deleted")
    if older_than is not None:
        before = _before(older_than)
        rows = [row for row in rows if row[2] < before]
    closed = [no for no, _, _, state, whose in rows if state != "open" or not is_running(whose)]
    if session is not None and rows and not closed:
        raise ConfigurationError(f"the session {session!r} is open; close it, then purge it")
    return closed


def _before(older_than: timedelta | float) -> str:
    age = older_than if isinstance(older_than, timedelta) else timedelta(days=older_than)
    moment = datetime.now(UTC) - age if age else datetime.max.replace(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds")


def _delete(db: sqlite3.Connection, number: int) -> None:
    with transaction(db):
        for table in _TABLES:
            db.execute(f"DELETE FROM {table} WHERE session = ?", (number,))
        db.execute("DELETE FROM sessions WHERE no = ?", (number,))


def _give_back(db: sqlite3.Connection) -> None:
    """Words that were deleted leave the index of the search only when it is rebuilt."""
    with transaction(db):
        db.execute("INSERT INTO words (words) VALUES ('rebuild')")
    db.executescript("PRAGMA incremental_vacuum")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
