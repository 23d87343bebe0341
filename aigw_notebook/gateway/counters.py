"""What a gateway has carried so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass

__all__ = ["Counters", "Traffic", "size_of"]


@dataclass(slots=True, eq=False)
class Traffic:
    """What one connection has carried; "in" is from the client, "out" to it.

    A frame is one message, and bytes are those of its payload.
    """

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, other: Traffic) -> None:
        """Count what `other` has carried as carried here."""
        self.frames_in += other.frames_in
        self.frames_out += other.frames_out
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out


class Counters:
    """Numbers since the start, changed on the gateway's thread only and read from any.

    `connections` were opened, `open` are so now, `refused` were not upgraded.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.refused = 0
        self._lock = threading.Lock()
        self._over = Traffic()
        self._running: set[Traffic] = set()

    @property
    def open(self) -> int:
        return len(self._running)

    def begin(self) -> Traffic:
        """The counts of a connection that was opened; the caller changes them, and gives them to `end`."""
        traffic = Traffic()
        with self._lock:
            self.connections += 1
            self._running.add(traffic)
        return traffic

    def end(self, traffic: Traffic) -> None:
        """Keep the counts of a connection that is over."""
        with self._lock:
            self._running.remove(traffic)
            self._over.add(traffic)

    def as_dict(self) -> dict[str, int]:
        """The numbers by name, with frames and bytes of all connections."""
        carried = Traffic()
        with self._lock:
            for traffic in (self._over, *self._running):
                carried.add(traffic)
            return {
                "connections": self.connections,
                "open": self.open,
                "refused": self.refused,
                "frames_in": carried.frames_in,
                "frames_out": carried.frames_out,
                "bytes_in": carried.bytes_in,
                "bytes_out": carried.bytes_out,
            }


def size_of(message: str | bytes) -> int:
    """The bytes of a message's payload on the wire."""
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode())
