"""The log file, open for writing. All writing is done in short transactions, by one thread of the process."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..encodable import encodable
from ..endpoint import redact, suspicion
from ..lines import Line
from ..recording import Header
from ..records import Row
from ..scrubbing import scrub_line
from .cutting import digest
from .form import Stored, header_text, store
from .schema import prepare, transaction

__all__ = ["BUSY_S", "Batch", "Cleaner", "Known", "LogFile", "connected", "owner"]

BUSY_S = 1.0
"""How long one statement waits for another process that is writing."""

WAL_BYTES = 16 * 1024 * 1024
DIGESTS_KNOWN = 1_024
LONG_TEXT = 2_000
"""From this length on a text is mostly sound, which is not worth the first sight."""

FIELD_MARKS = ('key"', 'jwt"', "credential")
"""What the name of a JSON field that holds a credential has in it, besides the marks of `redact`."""


_STARTED = secrets.token_hex(4)


def owner() -> str:
    """Which process a running session belongs to: machine, number, and what tells it from a later one so numbered."""
    return f"{socket.gethostname()}:{os.getpid()}:{_STARTED}"


def connected(path: Path) -> sqlite3.Connection:
    """A connection that can write to the log file at `path`, which is made, readable by this user alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _set_up(db)
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    prepare(db)


class LogFile:
    """What the writer does to the file. Raises `sqlite3.Error` and `OSError`; then nothing of the call was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = connected(path)

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def begin(self, header: Header) -> int:
        """The number of a new session in this file."""
        with transaction(self.db):
            done = self.db.execute(
                "INSERT INTO sessions (session_id, provider, started_at, header, owner) VALUES (?, ?, ?, ?, ?)",
                (header.session_id, header.provider, _iso(header), header_text(header), owner()),
            )
        assert done.lastrowid is not None
        return done.lastrowid

    def write(self, batch: Batch, rows: Iterable[Row]) -> None:
        """Write the lines of a batch, the bytes they refer to, and rows that are new or have changed."""
        blobs = [(batch.session, name, data) for name, data in batch.blobs.items()]
        lines = [(batch.session, number, *line) for number, line in enumerate(batch.stored, batch.first)]
        records = [_record(batch.session, row, batch.secrets) for row in rows]
        with transaction(self.db):
            self.db.executemany("INSERT OR IGNORE INTO blobs (session, digest, data) VALUES (?, ?, ?)", blobs)
            self.db.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)
            self.db.executemany(_UPSERT, records)

    def end(self, session: int, header: Header, dropped: int) -> None:
        """The session is over; its header is as it was known at last."""
        with transaction(self.db):
            self.db.execute(
                "UPDATE sessions SET state = 'closed', header = ?, dropped = ? WHERE no = ?",
                (header_text(header), dropped, session),
            )


class Batch:
    """Lines on their way into the file: without a secret, their bytes apart.

    `first` is the number of its first line in the session, from 1. `known` are names of blobs written lately.
    """

    def __init__(self, session: int, first: int, known: Known, clean: Cleaner) -> None:
        self.session = session
        self.first = first
        self.secrets = clean.secrets
        self.stored: list[Stored] = []
        self.blobs: dict[str, bytes] = {}
        self._known = known
        self._clean = clean

    def fill(self, lines: Iterable[Line]) -> None:
        """Take these lines."""
        self.stored += [self._clean.stored(line, self._keep) for line in lines]

    def _keep(self, data: bytes) -> str:
        name = digest(data)
        if not self._known.has(name):
            self.blobs[name] = data
        return name

    def written(self) -> None:
        """The batch is in the file: its blobs need not be written again."""
        self._known.add(self.blobs)


class Cleaner:
    """Lines as they are kept, without these secrets and without all that looks like a credential."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self.secrets = tuple(secrets)
        self._suspects = suspicion(secrets, marks=FIELD_MARKS)

    def stored(self, line: Line, keep: Callable[[bytes], str]) -> Stored:
        """The line as it is kept. Most lines are harmless at first sight; only the others are searched."""
        message = line.kind in ("received", "sent")
        if message and self._is_harmless(line.value):
            return store(line, keep)
        stored = None if message else store(line, keep)
        if stored is not None and self._is_harmless(stored.body):
            return stored
        clean = scrub_line(line, self.secrets)
        return store(clean, keep, scrubbed=clean is not line) if stored is None or clean is not line else stored

    def _is_harmless(self, text: str | bytes) -> bool:
        return isinstance(text, str) and len(text) < LONG_TEXT and not self._suspects(text)


class Known:
    """The names of the blobs a session has written last. What is forgotten is found in the file itself."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def has(self, name: str) -> bool:
        """Whether it was written lately."""
        return name in self._names

    def add(self, names: Iterable[str]) -> None:
        """Remember names; the oldest are forgotten."""
        self._names.update(dict.fromkeys(names))
        while len(self._names) > DIGESTS_KNOWN:
            self._names.popitem(last=False)


_UPSERT = (
    "INSERT INTO records (session, seq, provider, model, started_at, text, row) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (session, seq) DO UPDATE SET model = excluded.model, started_at = excluded.started_at, "
    "text = excluded.text, row = excluded.row WHERE row != excluded.row"
)


def _record(session: int, row: Row, secrets: Sequence[str]) -> tuple[object, ...]:
    clean = {name: _clean(value, secrets) if isinstance(value, str) else value for name, value in row.items()}
    columns = (clean[name] for name in ("seq", "provider", "model", "started_at", "text"))
    return session, *columns, json.dumps(clean)


def _clean(text: str, secrets: Sequence[str]) -> str:
    """No credential, and nothing that the file's encoding lacks."""
    return encodable(redact(text, secrets))


def _iso(header: Header) -> str:
    return header.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
