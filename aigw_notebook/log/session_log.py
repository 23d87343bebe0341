"""The durable log of one session: taken on the loop's thread at next to no cost, written by another."""

from __future__ import annotations

import logging
import sqlite3
from array import array
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..endpoint import redact
from ..lines import Kind, Line, MemoryLog, size_of
from ..recording import Header
from ..records import Row
from .file import Batch, Cleaner, Known, LogFile
from .reader import LogReader

if TYPE_CHECKING:
    from ..transcript import Transcript
    from .writer import Writer

__all__ = ["BYTES_WAITING", "LINES_WAITING", "SessionLog"]

log = logging.getLogger("aigw_notebook")

LINES_WAITING = 50_000
BYTES_WAITING = 64 * 1024 * 1024
"""What may wait for the writer; what comes beyond is not kept, and counted."""

LINES_IN_BATCH = 500
ROWS_AT_ONCE = 64
"""How many of the newest rows are written while a session runs: what changes is among them. At its end all are."""

SETTLE_S = 10.0


class SessionLog:
    """A `Log` that goes to the log file, and to memory from the moment when the file can no longer be written.

    `add` and `kept` belong to the loop's thread, `write_some` and `give_up` to the writer's, the rest to any.
    """

    def __init__(
        self, writer: Writer, *, lines_waiting: int = LINES_WAITING, bytes_waiting: int = BYTES_WAITING
    ) -> None:
        self.writer = writer
        self.last = 0
        self.written = 0
        """How many lines are in the file."""
        self.late = 0
        """How often somebody gave up waiting for the writer."""
        self._added = self._refused = 0
        self._waiting: deque[Line] = deque()
        self._lines_waiting = lines_waiting
        self._bytes_waiting = bytes_waiting
        self._bytes_in = self._bytes_out = 0
        self._wake = writer.wake
        self._asked: deque[Future[None]] = deque()
        self._memory: MemoryLog | None = None
        self._batch: list[Line] = []
        self._known = Known()
        self._no: int | None = None
        self._header: Header | None = None
        self._transcript: Transcript | None = None
        self._clean = Cleaner()
        self._closing = self._left = False
        self._rows_due = False

    @property
    def store(self) -> SessionLog:
        """Where a transcript finds the audio again that it let go of."""
        return self

    @property
    def in_memory(self) -> bool:
        """Whether lines are kept in memory because the file cannot be written."""
        return self._memory is not None

    @property
    def dropped(self) -> int:
        """How many lines were not kept: they came faster than they could be written, or memory was full."""
        return self._refused + (self._memory.dropped if self._memory is not None else 0)

    @property
    def count(self) -> int:
        """How many lines are kept, in the file and in memory."""
        return self._added - (self._memory.dropped if self._memory is not None else 0)

    @property
    def waiting(self) -> int:
        """How many lines are not in the file yet."""
        return len(self._waiting) + len(self._batch)

    # ---------------------------------------------------------------------------------------------- the loop's thread

    def begin(self, transcript: Transcript, header: Header, secrets: Sequence[str] = ()) -> None:
        """Say whose lines these are; they are written from now on, without these secrets."""
        self._transcript, self._clean = transcript, Cleaner(secrets)
        self._header = replace(header, where=redact(header.where, secrets))
        self.writer.register(self)

    def add(self, t_ms: float, kind: Kind, value: Any) -> None:
        """Take the next line; `last` is its number then, or 0 where it was dropped or goes to memory only."""
        size = size_of(value)
        if self._bytes_in - self._bytes_out + size > self._bytes_waiting or len(self._waiting) >= self._lines_waiting:
            self._refused += 1
            self.last = 0
            return
        self._bytes_in += size
        self._waiting.append(Line(t_ms, kind, value))
        self._added += 1
        self.last = self._added if self._memory is None else 0
        if not self._wake.is_set():
            self._wake.set()

    def kept(self) -> Future[None] | None:
        """What is done once all lines so far are in the file, or in memory where it cannot be written."""
        future: Future[None] = Future()
        if not self._left:
            self._asked.append(future)
            self.writer.hurry()
        if self._left or self.writer.ended:
            self._keep_late_lines()
            return None
        return future

    def close(self) -> None:
        """No line follows: write all that is left, then pack the session in the file."""
        self._closing = True
        self.writer.hurry()

    # --------------------------------------------------------------------------------------------- the writer's thread

    def write_some(self, file: LogFile) -> bool:
        """Write what waits, up to a batch; whether there is more. What fails is tried again by the next call."""
        asked = list(self._asked)
        if self._no is None:
            assert self._header is not None
            self._no = file.begin(self._header)
        self._take()
        batch = Batch(self._no, self.written + 1, self._known, self._clean)
        batch.fill(self._batch)
        over = not self._waiting
        rows = self._rows(urgent=over and bool(asked or self._closing))
        if self._batch or rows:
            file.write(batch, rows)
            batch.written()
            self.written += len(self._batch)
            self._rows_due = self._rows_due and not rows
            self._clear()
        if not over:
            return True
        self._settle(asked)
        return bool(self._waiting)

    def give_up(self) -> None:
        """The file cannot be written: keep in memory what is not in it."""
        asked = list(self._asked)
        memory = self._memory or MemoryLog()
        while self._take():
            for line in self._batch:
                memory.add(*line)
            self._clear()
            self._memory = memory
        self._memory = memory
        self._settle(asked)

    def end(self, file: LogFile) -> int | None:
        """If the session is over and all of it written: say so in the file. Its number there, else None."""
        if not self._closing or self._waiting or self._no is None or self._memory is not None:
            return None
        assert self._header is not None and self._transcript is not None
        file.end(self._no, replace(self._header, model=self._transcript.model), self.dropped)
        return self._no

    @property
    def over(self) -> bool:
        """Whether nothing more is to be done for it."""
        return self._closing and not self._waiting and not self._asked

    @property
    def unfinished(self) -> bool:
        """Whether there is something to be done for it now."""
        return bool(self.waiting or self._asked or self._closing)

    def leave(self) -> None:
        """The writer has done with it: nobody need wait any more."""
        self._left = True
        self._settle(list(self._asked))

    def _keep_late_lines(self) -> None:
        """Nobody writes any more what comes now."""
        if self.waiting:
            self.give_up()

    def _take(self) -> bool:
        """Move lines from those that wait to the batch, which stays until it is written."""
        while self._waiting and len(self._batch) < LINES_IN_BATCH:
            self._batch.append(self._waiting.popleft())
        self._rows_due = self._rows_due or bool(self._batch)
        return bool(self._batch)

    def _clear(self) -> None:
        self._bytes_out += sum(size_of(line.value) for line in self._batch)
        self._batch = []

    def _rows(self, *, urgent: bool) -> list[Row]:
        """The newest rows, when a turn or the session ended, or somebody waits for them."""
        ended = any(line.kind == "ended" for line in self._batch)
        if self._transcript is None or not self._rows_due or not (ended or urgent):
            return []
        first = 1 if self._closing else max(1, len(self._transcript) - ROWS_AT_ONCE + 1)
        return self._transcript.records_from(first)

    def _settle(self, asked: Sequence[Future[None]]) -> None:
        for future in asked:
            self._asked.popleft()
            if future.set_running_or_notify_cancel():
                future.set_result(None)
            else:
                self.late += 1

    # ----------------------------------------------------------------------------------------------------- any thread

    def lines(self) -> list[Line]:
        """All lines that are kept, in order. Waits for the writer."""
        self._flush()
        memory = self._memory
        return [*self._in_file(1, self._added), *(memory.lines() if memory is not None else ())]

    def sound(self, numbers: array[int]) -> list[bytes]:
        """The audio of the lines with these numbers, in order; what is not kept is left out."""
        if not numbers:
            return []
        self._flush()
        wanted = set(numbers)
        first, last = min(wanted), max(wanted)
        lines = enumerate(self._in_file(first, last), first)
        found = {number: line for number, line in lines if number in wanted}
        found |= self._in_memory(wanted)
        return [_audio_of(found[number]) for number in numbers if number in found]

    def _in_memory(self, wanted: set[int]) -> dict[int, Line]:
        memory = self._memory
        if memory is None:
            return {}
        first = self.written + memory.dropped + 1
        return {number: line for number, line in enumerate(memory.lines(), first) if number in wanted}

    def _in_file(self, first: int, last: int) -> list[Line]:
        if self._header is None or not self.written:
            return []
        try:
            with LogReader(self.writer.path) as reader:
                return reader.lines(self._header.session_id, first=first, last=last)
        except sqlite3.Error as error:
            log.warning("the lines of %s cannot be read from the log: %s", self._header.session_id, error)
            return []

    def _flush(self) -> None:
        kept = None if self._header is None or self._added == self.written else self.kept()
        try:
            if kept is not None:
                kept.result(SETTLE_S)
        except TimeoutError:
            log.warning("%s lines of a session still wait for the log file", self.waiting)


def _audio_of(line: Line) -> bytes:
    data: bytes = line.value[0] if line.kind == "voice" else line.value.data
    return data
