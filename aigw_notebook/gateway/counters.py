"""What a gateway has carried so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["Counters", "size_of"]


@dataclass(slots=True)
class Counters:
    """Numbers since the start, changed on the gateway's thread only; "in" is from clients, "out" to them.

    A frame is one message, and bytes are those of its payload. `open` is the number of connections now.
    """

    connections: int = 0
    open: int = 0
    refused: int = 0
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def as_dict(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)


def size_of(message: str | bytes) -> int:
    """The bytes of a message's payload on the wire."""
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode())
