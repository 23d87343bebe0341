"""A session's log as it is written: one line for each message and each fact, in the order in which they happened.

Records, transcript, tables, replay and cost are views of these lines. A `Transcript` writes the facts it is told
itself, so that the same lines told to an empty one make it again.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["BYTES_KEPT", "LINES_KEPT", "AudioStore", "Kind", "Line", "Log", "MemoryLog", "size_of"]

Kind: TypeAlias = Literal["received", "sent", "event", "turn", "said", "voice", "spoke", "asked", "ended", "noted"]
"""What a line is, and so what its value is:

* `received`, `sent`: a message of the socket (str or bytes), as it crossed;
* `event`: an event that the session was told (any of `events`, local ones too);
* `turn`: a turn began, `{"turn", "out_of_band"}`;
* `said`: what the user wrote (str); `voice`: what the user spoke, `(bytes, AudioFormat)`;
* `spoke`: the user has begun to speak, at that many ms of the session (the provider tells later);
* `asked`: the question of that turn was complete, `{"turn"}`;
* `ended`: that turn is over, `{"turn", "status", "error"}`;
* `noted`: facts of the session that became known, `{name: value}`, such as `model` and `gateway_log_id`.
"""


class Line(NamedTuple):
    """One line: ms since the session was opened (monotonic), kind, and what the kind says."""

    t_ms: float
    kind: Kind
    value: Any


class AudioStore(Protocol):
    """Where a transcript finds audio again that it has let go of. `last` is the number of the line added last.

    It is 0 for a line that will not be found again.
    """

    last: int

    def sound(self, numbers: array[int]) -> list[bytes]:
        """The audio of the lines with these numbers, in order, from any thread; what is not kept is left out."""


class Log(Protocol):
    """Where a session writes its lines. `add` is called on the loop's thread: it must not block and must not raise.

    `dropped` counts lines that were not kept. A log that holds its lines elsewhere than in memory is a `store`.
    """

    @property
    def dropped(self) -> int: ...

    @property
    def store(self) -> AudioStore | None: ...

    def add(self, t_ms: float, kind: Kind, value: Any) -> None:
        """Take the next line."""

    def kept(self) -> Future[None] | None:
        """What is done once all lines so far are where they are kept; None when they are."""

    def lines(self) -> list[Line]:
        """All lines that are kept, in order, from any thread."""


LINES_KEPT = 200_000
BYTES_KEPT = 64 * 1024 * 1024


class MemoryLog:
    """A log that keeps the newest lines in memory, within a bound of their number and their size.

    The line that began a turn is kept as long as there are lines of that turn.
    """

    store = None

    def __init__(self, *, lines_kept: int = LINES_KEPT, bytes_kept: int = BYTES_KEPT) -> None:
        self.dropped = 0
        self._lines_kept = lines_kept
        self._bytes_kept = bytes_kept
        self._lines: deque[Line] = deque()
        self._begun: dict[int, Line] = {}
        self._bytes = 0

    def add(self, t_ms: float, kind: Kind, value: Any) -> None:
        """Keep the next line."""
        self._lines.append(Line(t_ms, kind, value))
        self._bytes += size_of(value)
        while self._bytes > self._bytes_kept or len(self._lines) > self._lines_kept:
            self._drop(self._lines.popleft())

    def _drop(self, line: Line) -> None:
        self._bytes -= size_of(line.value)
        if line.kind == "turn":
            self._begun[line.value["turn"]] = line
            return
        self.dropped += 1
        if line.kind == "ended" and self._begun.pop(line.value["turn"], None) is not None:
            self.dropped += 1

    def kept(self) -> None:
        """There is nothing to wait for."""

    def lines(self) -> list[Line]:
        """All lines that are kept, in order, from any thread."""
        while True:
            try:
                return [*self._begun.values(), *self._lines]
            except RuntimeError:  # a line came meanwhile
                continue


def size_of(value: Any) -> int:
    """About how many bytes a line's value holds: messages and sound count, the rest is small."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) + _SMALL
    data = value[0] if kind is tuple else getattr(value, "data", None)
    return _SMALL + (len(data) if isinstance(data, bytes) else 0)


_SMALL = 200
