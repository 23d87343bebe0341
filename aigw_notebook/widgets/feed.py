"""Messages on their way from the kernel to one page: numbered, paced, and kept until the page has them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

__all__ = ["Feed"]

Send: TypeAlias = Callable[[dict[str, Any], list[bytes]], object]
Later: TypeAlias = Callable[[float, Callable[[], None]], object]

BURST_BYTES = 1_000_000
BYTES_PER_S = 300_000
"""A Jupyter server throws away what exceeds 1 MB/s over 3 s, and other outputs want their share."""

WAITING_BYTES = 16_000_000
SENT_BYTES = 4_000_000
ENVELOPE_BYTES = 700


class _Message:
    def __init__(self, content: Mapping[str, Any], data: bytes | None) -> None:
        self.seq, self.content, self.data = 0, content, data
        self.size = ENVELOPE_BYTES + len(data or b"")


class Feed:
    """Sends in order, from any thread, what `post` is given.

    Only the page that last said `ready` is addressed: a message carries that page's name and a number, so that another
    tab of the same notebook stays silent and a page that misses one can ask again. Before a page is ready, and while
    the server's limit is near, messages with data wait; of those the oldest are dropped beyond 16 MB, counted by
    `dropped_bytes`. `later(delay_s, call)` runs a call on some thread.
    """

    def __init__(self, send: Send, *, later: Later, clock: Callable[[], float] = time.monotonic) -> None:
        self.page: str | None = None
        self.dropped_bytes = 0
        self._send = send
        self._later = later
        self._clock = clock
        self._lock = threading.RLock()
        self._next = 0
        self._waiting: deque[_Message] = deque()
        self._waiting_bytes = 0
        self._sent: deque[_Message] = deque()
        self._sent_bytes = 0
        self._allowance = float(BURST_BYTES)
        self._refilled = clock()
        self._timer = False

    def post(self, content: Mapping[str, Any], data: bytes | None = None) -> None:
        """Send this after all that was posted before."""
        with self._lock:
            message = _Message(content, data)
            self._waiting.append(message)
            self._waiting_bytes += message.size
            if self._waiting_bytes > WAITING_BYTES:
                self._drop_oldest()
            self._pump()

    def discard(self) -> list[Mapping[str, Any]]:
        """Forget what waits and carries data; gives its contents."""
        with self._lock:
            dropped = [message.content for message in self._waiting if message.data is not None]
            self._waiting = deque(message for message in self._waiting if message.data is None)
            self._waiting_bytes = sum(message.size for message in self._waiting)
            return dropped

    def waiting(self) -> list[Mapping[str, Any]]:
        """The contents of what has not been sent yet."""
        with self._lock:
            return [message.content for message in self._waiting]

    def ready(self, page: str, have: int) -> bool:
        """The page listens and has all before number `have`. True when it is another page than before."""
        with self._lock:
            is_new = page != self.page
            self.page = page
            if is_new:
                self._sent.clear()
                self._sent_bytes = 0
            else:
                for message in [message for message in self._sent if message.seq >= have]:
                    self._deliver(message)
            self._pump()
            return is_new

    def received(self, have: int) -> None:
        """The page has all before number `have`."""
        with self._lock:
            while self._sent and self._sent[0].seq < have:
                self._sent_bytes -= self._sent.popleft().size

    def _drop_oldest(self) -> None:
        oldest = next((message for message in self._waiting if message.data is not None), self._waiting[0])
        self._waiting.remove(oldest)
        self._waiting_bytes -= oldest.size
        self.dropped_bytes += len(oldest.data or b"")

    def _pump(self) -> None:
        if self.page is None:
            return
        now = self._clock()
        self._allowance = min(BURST_BYTES, self._allowance + (now - self._refilled) * BYTES_PER_S)
        self._refilled = now
        while self._waiting and (self._allowance > 0 or self._waiting[0].data is None):
            message = self._waiting.popleft()
            self._waiting_bytes -= message.size
            self._allowance -= message.size
            message.seq = self._next
            self._next += 1
            self._keep(message)
            self._deliver(message)
        if self._waiting and not self._timer:
            self._timer = True
            self._later((1.0 - self._allowance) / BYTES_PER_S + 0.02, self._on_time)

    def _on_time(self) -> None:
        with self._lock:
            self._timer = False
            self._pump()

    def _keep(self, message: _Message) -> None:
        self._sent.append(message)
        self._sent_bytes += message.size
        while self._sent_bytes > SENT_BYTES:
            self._sent_bytes -= self._sent.popleft().size

    def _deliver(self, message: _Message) -> None:
        oldest = self._sent[0].seq if self._sent else message.seq
        content = {**message.content, "seq": message.seq, "oldest": oldest, "page": self.page}
        self._send(content, [] if message.data is None else [message.data])
