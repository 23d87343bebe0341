"""The tables of the log file, as an append-only list of steps from one format to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ConfigurationError

__all__ = ["MIGRATIONS", "NewerFormat", "check", "prepare", "transaction"]


class NewerFormat(ConfigurationError):
    """The file was written by a later version of this package."""


def m001(db: sqlite3.Connection) -> None:
    """Sessions, their lines, the bytes of these, what was packed of them, and rows that can be searched."""
    for statement in _M001.split(";;"):
        db.execute(statement)


_M001 = """
CREATE TABLE sessions (
    no INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    started_at TEXT NOT NULL,
    header TEXT NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    dropped INTEGER NOT NULL DEFAULT 0
);;
CREATE TABLE lines (
    session INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    t_ms REAL NOT NULL,
    kind TEXT NOT NULL,
    form TEXT NOT NULL,
    body TEXT NOT NULL,
    parts TEXT,
    scrubbed INTEGER NOT NULL,
    PRIMARY KEY (session, seq)
) WITHOUT ROWID;;
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    digest TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (session, digest)
);;
CREATE TABLE packed (
    session INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (session, first)
);;
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    provider TEXT,
    model TEXT,
    started_at TEXT NOT NULL,
    text TEXT,
    row TEXT NOT NULL,
    UNIQUE (session, seq)
);;
CREATE INDEX records_by_time ON records (started_at);;
CREATE VIRTUAL TABLE words USING fts5(text, content='records', content_rowid='id');;
CREATE TRIGGER words_added AFTER INSERT ON records BEGIN
    INSERT INTO words (rowid, text) VALUES (new.id, new.text);
END;;
CREATE TRIGGER words_removed AFTER DELETE ON records BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
END;;
CREATE TRIGGER words_changed AFTER UPDATE ON records BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO words (rowid, text) VALUES (new.id, new.text);
END
"""

MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [m001]
"""Step n leads from format n to format n + 1. A step that was published is never changed; new ones are appended."""


def check(db: sqlite3.Connection) -> int:
    """The format of the file, 0 for an empty one. Raises `NewerFormat` for one that this version cannot read."""
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    if found > len(MIGRATIONS):
        raise NewerFormat(
            f"it was written by a newer aigw-notebook (format {found}, this one knows up to {len(MIGRATIONS)}): "
            f"upgrade aigw-notebook, or set AIGW_NOTEBOOK_HOME to another folder"
        )
    return found


def prepare(db: sqlite3.Connection) -> None:
    """Bring the file to the format of this version, all steps or none."""
    if check(db) == len(MIGRATIONS):
        return
    with transaction(db):
        for number, step in enumerate(MIGRATIONS[check(db) :], check(db) + 1):
            step(db)
            db.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of what is written inside, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
