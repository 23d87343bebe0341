"""When a running turn reaches the front end: text in batches, audio in segments, whole texts seldom.

Each class is told its clock and timer (an asyncio loop fits) and its outlet, and does nothing else. All of them keep
the bytes that leave linear in what came in. They live on one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .audio.formats import AudioFormat

__all__ = ["AudioSegments", "GrowingText", "Handle", "Scheduler", "TextBatches"]


class Handle(Protocol):
    """A timer that can be stopped."""

    def cancel(self) -> None:
        """Stop the timer; it never fires."""


class Scheduler(Protocol):
    """The part of an asyncio loop that is used here."""

    def time(self) -> float:
        """Seconds of a monotonic clock."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call back after `delay` seconds."""


class TextBatches:
    """Text handed on at once when it comes first, then at most once per interval.

    The interval is 50 ms and widens to 150 ms in an answer that takes longer than two seconds: there the eye follows
    the whole line, and every message costs the front end ten times its text.
    """

    SHORTEST_S = 0.05
    LONGEST_S = 0.15

    def __init__(self, send: Callable[[str], object], loop: Scheduler) -> None:
        self._send = send
        self._loop = loop
        self._held: list[str] = []
        self._timer: Handle | None = None
        self._first_at: float | None = None
        self._next_at = 0.0

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._held.append(text)
        if self._timer is None:
            wait_s = self._next_at - self._loop.time()
            if wait_s > 0:
                self._timer = self._loop.call_later(wait_s, self.flush)
            else:
                self.flush()

    def flush(self) -> None:
        """Hand on what is held, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            text, self._held = "".join(self._held), []
            self._next_at = self._loop.time() + self._interval_s()
            self._send(text)

    def _interval_s(self) -> float:
        now = self._loop.time()
        self._first_at = now if self._first_at is None else self._first_at
        return min(self.LONGEST_S, max(self.SHORTEST_S, (now - self._first_at) / 40))


class GrowingText:
    """The whole text, handed on each time it has grown by a quarter: five times its length in all, at most."""

    GROWTH = 1.25

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._parts: list[str] = []
        self._length = 0
        self._shown = 0

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._parts.append(text)
        self._length += len(text)
        if self._length >= self._shown * self.GROWTH:
            self._shown = self._length
            self._parts = ["".join(self._parts)]
            self._show(self._parts[0])


class AudioSegments:
    """Audio cut so that each segment is all that arrived while the one before was playing.

    The first is handed on as soon as `first_ms` of audio are there; each next one `early_ms` before the one in the
    player ends, reckoned from the moment it was handed on, and never less than `first_ms` long. An answer that arrives
    faster than it plays so makes few, ever longer segments. What is left at the end stays with the whole answer.
    """

    def __init__(
        self,
        play: Callable[[bytes, AudioFormat], object],
        loop: Scheduler,
        *,
        first_ms: float = 300.0,
        early_ms: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._play = play
        self._loop = loop
        self._first_ms = first_ms
        self._early_ms = early_ms
        self._held = bytearray()
        self._format: AudioFormat | None = None
        self._ends_at = 0.0
        self._timer: Handle | None = None

    def add(self, data: bytes, format: AudioFormat) -> None:
        """Take the next piece of raw audio."""
        self._held += data
        self._format = format
        if self._timer is None and format.duration_ms(self._held) >= self._first_ms:
            self._hand_on()

    def close(self) -> None:
        """Hand on nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()
        self._format = None

    def _hand_on(self) -> None:
        self._timer = None
        if self._format is None or self._format.duration_ms(self._held) < self._first_ms:
            return
        data = bytes(self._held)
        self._held.clear()
        now = self._loop.time()
        self._ends_at = max(now, self._ends_at) + self._format.duration_ms(data) / 1000
        delay_s = max(0.0, self._ends_at - now - self._early_ms() / 1000)
        self._timer = self._loop.call_later(delay_s, self._hand_on)
        self._play(data, self._format)
