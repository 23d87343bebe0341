"""How a connection ends with a given close code, those included that no close frame can carry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode

if TYPE_CHECKING:
    from websockets.asyncio.connection import Connection

__all__ = ["MAX_REASON_BYTES", "close_as", "drop", "trim_reason"]

MAX_REASON_BYTES = 123
"""A control frame holds 125 bytes, two of which are the code (RFC 6455 §5.5)."""

_DROPPED = frozenset({CloseCode.ABNORMAL_CLOSURE, CloseCode.TLS_HANDSHAKE})
_FLUSH_TIMEOUT_S = 1.0


async def close_as(socket: Connection, code: int | None, reason: str | None) -> None:
    """End `socket` so that its peer sees this close code and reason; nothing happens when it is closed already.

    1005 is a close frame without a code. 1006 and 1015 mean that no close frame came, so none is sent. A reason is cut
    to what a frame holds; a code that nobody may send becomes 1011.
    """
    if code is None or code in _DROPPED:
        await drop(socket)
        return
    if code == CloseCode.NO_STATUS_RCVD:
        await socket.close(cast(int, None))  # websockets sends a frame without a code for None
        return
    try:
        await socket.close(code, trim_reason(reason or ""))
    except ProtocolError:
        await socket.close(CloseCode.INTERNAL_ERROR, trim_reason(reason or ""))


async def drop(socket: Connection) -> None:
    """End `socket` without a close frame, after what was sent before: the peer sees 1006.

    A bare abort can reset the connection and so destroy words the peer has not read yet; the end of the stream is
    announced first, and the peer given a moment to take it.
    """
    transport = socket.transport
    if not transport.is_closing() and transport.can_write_eof():
        transport.write_eof()
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                await socket.wait_closed()
        except TimeoutError:
            pass
    transport.abort()
    await socket.wait_closed()


def trim_reason(reason: str) -> str:
    """As much of `reason` as a close frame holds, cut between characters."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
