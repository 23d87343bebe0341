"""Sessions that are over, packed: their lines and sound as one compressed piece after another."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3

from ..lines import Line, size_of
from ..recording import Header, Recording
from ..transcript import Transcript
from .file import Batch, Cleaner, Known, LogFile, owner
from .form import read_header
from .reader import lines_of
from .schema import transaction

__all__ = ["PIECE_BYTES", "is_running", "left_over", "pack_some"]

log = logging.getLogger("aigw_notebook")

PIECE_BYTES = 2 * 1024 * 1024
"""About how much of a session is packed at once: it is held in memory, and other sessions wait."""

LINES_IN_PIECE = 2_000
BLOBS_AT_ONCE = 2_000
PAGES_AT_ONCE = 2_000
PAGES_TO_SPARE = 4_000
"""Free pages that stay in the file for the next session."""
LEFT_OVER_AT_ONCE = 20


def left_over(db: sqlite3.Connection) -> list[int]:
    """Sessions that wait to be packed: those that are over, and those whose process is gone; the oldest few."""
    found = db.execute("SELECT no, state, owner FROM sessions WHERE state IN ('open', 'closed') ORDER BY no").fetchall()
    return [no for no, state, whose in found if state == "closed" or not is_running(whose)][:LEFT_OVER_AT_ONCE]


def is_running(whose: str) -> bool:
    """Whether the process that writes a session may still run. Of processes of another machine nothing is known."""
    host, number, _ = whose.rsplit(":", 2)
    if whose == owner() or host != socket.gethostname() or os.name != "posix":
        return whose == owner() or host != socket.gethostname()
    if int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def pack_some(file: LogFile, session: int) -> bool:
    """Do the next piece of the work on a session; whether there is more.

    Each piece is a transaction of its own, so the work may be broken off anywhere and taken up by another process.
    """
    try:
        return any(step(file, session) for step in (_tell_rows, _pack_lines, _drop_blobs)) or _finish(file, session)
    except (sqlite3.Error, OSError):
        raise
    except Exception:
        log.warning("session %s of the log is kept as it is: it could not be packed", session, exc_info=True)
        _mark(file, session, "unpacked")
        return False


def _tell_rows(file: LogFile, session: int) -> bool:
    """Write the rows of a session whose process was killed; its last turn is lost."""
    found = file.db.execute("SELECT header FROM sessions WHERE no = ? AND state = 'open'", (session,)).fetchone()
    if found is None:
        return False
    header = read_header(found[0])
    transcript = _retold(file.db, session, header)
    file.write(Batch(session, 1, Known(), Cleaner()), transcript.records)
    file.end(session, header, 0)
    return True


def _retold(db: sqlite3.Connection, session: int, header: Header) -> Transcript:
    transcript = Recording(header=header, lines=[]).transcript()
    t_ms = 0.0
    for _, line in lines_of(db, session):
        t_ms = line.t_ms
        transcript.retell([line])
    for turn in transcript.turns[-2:]:
        if turn.status == "running":
            transcript.finish_turn(turn, "lost", t_ms, error="the process ended in mid-turn")
    return transcript


def _pack_lines(file: LogFile, session: int) -> bool:
    from ..recording_file import pack

    db = file.db
    header, first = _header(db, session), _first_line(db, session)
    if header is None or first is None:
        return False
    lines, last = _piece(db, session, first)
    data = pack(Recording(header=header, lines=lines))
    with transaction(db):
        db.execute("INSERT INTO packed VALUES (?, ?, ?, ?)", (session, first, last, data))
        db.execute("DELETE FROM lines WHERE session = ? AND seq <= ?", (session, last))
    return True


def _piece(db: sqlite3.Connection, session: int, first: int) -> tuple[list[Line], int]:
    """The next lines to be packed together, and the number of the last."""
    lines: list[Line] = []
    size, last = 0, first
    for number, line in lines_of(db, session, first=first, strict=True):
        lines.append(line)
        last = number
        size += size_of(line.value)
        if size > PIECE_BYTES or len(lines) == LINES_IN_PIECE:
            break
    return lines, last


def _drop_blobs(file: LogFile, session: int) -> bool:
    with transaction(file.db):
        done = file.db.execute(
            "DELETE FROM blobs WHERE id IN (SELECT id FROM blobs WHERE session = ? LIMIT ?)", (session, BLOBS_AT_ONCE)
        )
    return done.rowcount > 0


def _finish(file: LogFile, session: int) -> bool:
    """Say that it is packed, and give back the room that is no longer needed, a little at a time."""
    _mark(file, session, "packed")
    if file.db.execute("PRAGMA freelist_count").fetchone()[0] <= PAGES_TO_SPARE:
        return False
    file.db.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")  # one call of execute frees one page
    return True


def _mark(file: LogFile, session: int, state: str) -> None:
    file.db.execute("UPDATE sessions SET state = ? WHERE no = ? AND state != ?", (state, session, state))


def _header(db: sqlite3.Connection, session: int) -> Header | None:
    found = db.execute("SELECT header FROM sessions WHERE no = ?", (session,)).fetchone()
    return read_header(found[0]) if found else None


def _first_line(db: sqlite3.Connection, session: int) -> int | None:
    first: int | None = db.execute("SELECT min(seq) FROM lines WHERE session = ?", (session,)).fetchone()[0]
    return first
