"""The log of every session of this user, in one file: written while sessions run, read across days and kernels.

`open_log` gives the log of a new session. A session hands its lines over on the loop's thread; one thread of the
process takes credentials out of them, cuts the sound out of the messages, and writes them, at the latest 0.1 s after.
A session that is over is packed. `LogReader` reads what there is, `purge` deletes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..home import folder, shown
from ..lines import Log, MemoryLog
from .place import Mode, log_path, mode_of
from .purging import purge
from .reader import LoggedSession, LogReader
from .session_log import SessionLog
from .silent import NoLog
from .writer import close_writers, flush, writer_of

__all__ = [
    "LogReader",
    "LogState",
    "LoggedSession",
    "Mode",
    "NoLog",
    "SessionLog",
    "close_writers",
    "folder",
    "log_path",
    "mode_of",
    "open_log",
    "purge",
    "reader",
    "shown",
    "state_of",
    "writer_of",
]


def open_log(mode: str | None = None) -> Log:
    """The log of a new session: "on", "memory" or "off"; None: what `AIGW_NOTEBOOK_LOG` says, else "on"."""
    return _LOGS[mode_of(mode)]()


_LOGS: dict[Mode, Callable[[], Log]] = {
    "on": lambda: SessionLog(writer_of(log_path())),
    "memory": MemoryLog,
    "off": NoLog,
}


def reader(path: Path | None = None) -> LogReader:
    """A reader of the log, with all in it that this process has had to say."""
    path = path or log_path()
    flush(path)
    return LogReader(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What is kept of a session, and where.

    `mode` is how it is kept now: a log that cannot be written goes on in memory, and `warning` says why. `lines` are
    kept, `waiting` of them not in the file yet, `dropped` were not kept. `late` counts the turns that were given back
    before they were written, because the disk was slow.
    """

    mode: Mode
    path: Path | None = None
    lines: int = 0
    waiting: int = 0
    dropped: int = 0
    late: int = 0
    warning: str | None = None

    def __str__(self) -> str:
        place = {"on": f"in {shown(self.path)}" if self.path else "", "memory": "in memory", "off": "nowhere"}
        told = f"{self.lines} lines {place[self.mode]}"
        told += f", {self.waiting} on their way" if self.waiting else ""
        told += f", {self.dropped} dropped" if self.dropped else ""
        return told + (f"; {self.warning}" if self.warning else "")


def state_of(log: Log) -> LogState:
    """What that log keeps."""
    if isinstance(log, SessionLog):
        return LogState(
            mode="memory" if log.in_memory else "on",
            path=log.writer.path,
            lines=log.count,
            waiting=log.waiting,
            dropped=log.dropped,
            late=log.late,
            warning=log.writer.failed,
        )
    if isinstance(log, NoLog):
        return LogState(mode="off")
    return LogState(mode="memory", lines=len(log.lines()), dropped=log.dropped)
