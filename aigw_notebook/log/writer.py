"""The one thread of a process that writes its sessions to the log file."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..home import shown
from .file import LogFile
from .packing import left_over, pack_some

if TYPE_CHECKING:
    from .session_log import SessionLog

__all__ = ["PATIENCE_S", "PAUSE_S", "Writer", "close_writers", "flush", "writer_of"]

log = logging.getLogger("aigw_notebook")

PAUSE_S = 0.04
"""How long lines are gathered before they are written: what a killed process loses at most, with the writing itself."""

PATIENCE_S = 5.0
"""How long a file that another process holds is tried again before sessions go on in memory."""

CLOSE_S = 10.0

BREATH_S = 0.02
"""The longest pause between two batches, when more than one waits and nobody for it."""


class Writer:
    """Writes what sessions have to say to one file, and packs sessions that are over. It sleeps while nothing waits.

    `failed` is one sentence once the file cannot be written; its sessions go on in memory then, and a new writer is
    made for the next one.
    """

    def __init__(self, path: Path, *, pause_s: float = PAUSE_S, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self.pid = os.getpid()
        self.failed: str | None = None
        self.closed = False
        """No more is to be written than what waits."""
        self.ended = False
        """Nothing is written any more."""
        self.wake = threading.Event()
        self._pause_s = pause_s
        self._patience_s = patience_s
        self._hurry = threading.Event()
        self._logs: list[SessionLog] = []
        self._file: LogFile | None = None
        self._to_pack: list[int] = []
        self._looked_for_left_over = False
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="aigw-log", daemon=True)
        self._thread.start()

    def register(self, session: SessionLog) -> None:
        """Write that session's lines from now on."""
        self._logs.append(session)
        self.wake.set()

    def hurry(self) -> None:
        """Somebody waits: write at once."""
        self._hurry.set()
        self.wake.set()

    def flush(self, timeout_s: float) -> None:
        """Return when all that was said so far is written, or could not be, or the time is over."""
        futures = [session.kept() for session in list(self._logs)]
        wait([future for future in futures if future is not None], timeout_s)

    def close(self) -> None:
        """Write what is left and end the thread. What is not packed yet is packed by a later process."""
        self.closed = True
        self.hurry()
        self._thread.join(CLOSE_S)

    # ------------------------------------------------------------------------------------------------------ its thread

    def _run(self) -> None:
        while True:
            self.wake.wait(self._nap_s())
            if not self.closed:
                self._hurry.wait(self._pause_s)
            self._hurry.clear()
            self.wake.clear()
            self._guarded(self._round)
            if self._is_done():
                break
        self.ended = True
        for session in list(self._logs):
            session.leave()
        if self._file is not None:
            self._file.close()

    def _is_done(self) -> bool:
        """Whether the thread may end: a writer that failed serves its sessions, in memory, as long as they last."""
        if self.failed is not None and not self._logs:
            return True
        return self.closed and not any(session.unfinished for session in list(self._logs))

    def _nap_s(self) -> float | None:
        """How long to sleep when nobody wakes it: for good, unless there is something to try again or to pack."""
        return 0.0 if self._busy_since is not None or self._to_pack or not self._looked_for_left_over else None

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do the work; a file that cannot be written moves its sessions to memory."""
        try:
            work()
            self._busy_since = None
        except (sqlite3.Error, OSError, ConfigurationError) as error:
            if not self._is_worth_waiting(error):
                self._give_up(_why(error))
        except Exception as error:
            log.exception("a fault of this package in the log's writer")
            self._give_up(f"{type(error).__name__}: please report it")

    def _round(self) -> None:
        if self.failed is not None:
            self._in_memory()
            return
        if self._file is None:
            self._file = LogFile(self.path)
        for session in list(self._logs):
            self._write(session, self._file)
            self._ended(session, self._file)
        if not self.closed:
            self._pack(self._file)

    def _write(self, session: SessionLog, file: LogFile) -> None:
        """Write all that waits, with pauses in which the session's thread has the interpreter for itself."""
        began = time.monotonic()
        while session.write_some(file):
            self._hurry.wait(min(time.monotonic() - began, BREATH_S))
            began = time.monotonic()

    def _ended(self, session: SessionLog, file: LogFile) -> None:
        number = session.end(file)
        if number is not None:
            self._to_pack.append(number)
        self._leave_if_over(session)

    def _pack(self, file: LogFile) -> None:
        """One piece of the packing that is to be done: lines that come meanwhile do not wait long."""
        if not self._looked_for_left_over:
            self._to_pack += left_over(file.db)
            self._looked_for_left_over = True
        elif self._to_pack and not pack_some(file, self._to_pack[0]):
            self._to_pack.pop(0)

    def _is_worth_waiting(self, error: Exception) -> bool:
        """Whether another process is writing, and may soon have done."""
        if not isinstance(error, sqlite3.OperationalError) or "locked" not in str(error):
            return False
        now = time.monotonic()
        self._busy_since = now if self._busy_since is None else self._busy_since
        return now - self._busy_since < self._patience_s and not self.closed

    def _give_up(self, why: str) -> None:
        self._busy_since = None
        self._to_pack, self._looked_for_left_over = [], True
        self.failed = f"the log {shown(self.path)} cannot be written, sessions are kept in memory only: {why}"
        log.warning(self.failed)
        self._in_memory()

    def _in_memory(self) -> None:
        for session in list(self._logs):
            session.give_up()
            self._leave_if_over(session)

    def _leave_if_over(self, session: SessionLog) -> None:
        if session.over:
            self._logs.remove(session)
            session.leave()


_ELSEWHERE = "set AIGW_NOTEBOOK_HOME to another folder"
_REASONS: tuple[tuple[str, str], ...] = (
    ("locked", f"another program holds it; close that one, or {_ELSEWHERE}"),
    ("readonly", f"it is read-only; make it writable, or {_ELSEWHERE}"),
    ("permission denied", f"it may not be written; give yourself the right, or {_ELSEWHERE}"),
    ("read-only", f"its folder is read-only; {_ELSEWHERE}"),
    ("unable to open", f"its folder cannot be written; {_ELSEWHERE}"),
    ("file exists", f"its folder is a file; move that away, or {_ELSEWHERE}"),
    ("not a directory", f"its folder is a file; move that away, or {_ELSEWHERE}"),
    ("full", "the disk is full; make room, or delete old sessions with `aigw-notebook purge --older-than 30`"),
    ("malformed", "it is damaged; move it away, and a new one is made"),
    ("not a database", "it is no log file; move it away, and a new one is made"),
)
"""What an error says → what is wrong, and what to do."""


def _why(error: Exception) -> str:
    said = str(error)
    return next((why for mark, why in _REASONS if mark in said.lower()), said)


_lock = threading.Lock()
_writers: dict[Path, Writer] = {}


def writer_of(path: Path) -> Writer:
    """The writer of that file in this process, made anew after a fork or a failure."""
    with _lock:
        writer = _writers.get(path)
        if writer is None or writer.failed is not None or writer.closed or writer.pid != os.getpid():
            writer = _writers[path] = Writer(path)
        return writer


def flush(path: Path, *, timeout_s: float = CLOSE_S) -> None:
    """Return when all that this process has to say to that file is written."""
    writer = _writers.get(path)
    if writer is not None and writer.failed is None and writer.pid == os.getpid():
        writer.flush(timeout_s)


def close_writers() -> None:
    """End every writer of this process, all written; sessions that are still open are kept in memory from here on."""
    with _lock:
        writers = list(_writers.values())
        _writers.clear()
    for writer in writers:
        if writer.pid == os.getpid():
            writer.close()
