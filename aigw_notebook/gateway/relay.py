"""The relay: a connection to a real upstream behind a client's connection, every message passed on as it is.

The upstream is dialled before the client's upgrade is answered, so its refusal reaches the client as a refusal.
Nothing is decoded. Each side is read only as fast as the other takes what was read, so buffers stay bounded. Pings
are answered on each leg by itself and not forwarded: a provider sees the gateway's, the gateway sees the client's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from ..endpoint import SILENT
from .auth import TOKEN_HEADER, is_beta_header, is_beta_subprotocol, without_gateway_entries
from .closing import close_as
from .counters import Traffic, size_of
from .request import ClientRequest
from .upstreams import Upstream, rest_of

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Response
    from websockets.typing import Subprotocol

__all__ = ["CLOSE_TIMEOUT_S", "DIAL_TIMEOUT_S", "MAX_SIZE", "UpstreamRefusal", "UpstreamUnreachable", "dial", "relay"]

MAX_SIZE = 32 * 1024 * 1024
"""Bytes of the largest message; a Worker, which AI Gateway is, takes no larger one."""

DIAL_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 3.0

_OWN_HEADERS = frozenset({"host", "connection", "upgrade", "keep-alive", "te", "trailer", "transfer-encoding"})
_LOCAL_HEADERS = frozenset({"content-length", "cookie", "origin", "referer", "expect", TOKEN_HEADER})
"""What belongs to the client's hop: a browser sends this machine's cookies, of which a notebook server's is one."""
_LOCAL_PREFIXES = ("sec-websocket-", "sec-fetch-", "proxy-")


class UpstreamRefusal(Exception):
    """The upstream answered the handshake with something else than 101; `response` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.response = response


class UpstreamUnreachable(Exception):
    """No handshake with the upstream came about."""


class _Dial(connect):
    """A connection that follows no redirect: credentials go to the address that was configured, and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def dial(upstream: Upstream, request: ClientRequest, matched: str) -> ClientConnection:
    """An open connection to `upstream` on behalf of `request`.

    Provider credentials pass through as header, query or subprotocol; the client's gateway token does not, nor do
    requests for a beta protocol. Raises `UpstreamRefusal` or `UpstreamUnreachable`, whose texts hold no secret.
    """
    try:
        return await _Dial(
            upstream.address(rest_of(request, matched), request.query),
            subprotocols=cast("list[Subprotocol]", list(_subprotocols(request))) or None,
            additional_headers=_headers(upstream, request),
            **_settings(upstream, request),
        )
    except InvalidStatus as error:
        raise UpstreamRefusal(error.response) from None
    except (OSError, InvalidHandshake, ValueError, EOFError) as error:
        raise UpstreamUnreachable(type(error).__name__) from None


async def relay(client: ServerConnection, upstream: ClientConnection, traffic: Traffic) -> None:
    """Pass messages both ways until one side closes, then close the other with the same code and reason."""
    downward = asyncio.create_task(_downward(upstream, client, traffic))
    try:
        await _upward(client, upstream, traffic)
        await downward
    finally:
        downward.cancel()
        upstream.transport.abort()
        await asyncio.gather(downward, return_exceptions=True)


async def _upward(client: ServerConnection, upstream: ClientConnection, traffic: Traffic) -> None:
    try:
        while True:
            message = await client.recv()
            traffic.frames_in += 1
            traffic.bytes_in += size_of(message)
            await upstream.send(message)
    except ConnectionClosed:
        await _pass_close(client, upstream)


async def _downward(upstream: ClientConnection, client: ServerConnection, traffic: Traffic) -> None:
    try:
        while True:
            message = await upstream.recv()
            traffic.frames_out += 1
            traffic.bytes_out += size_of(message)
            await client.send(message)
    except ConnectionClosed:
        await _pass_close(upstream, client)


async def _pass_close(source: Any, sink: Any) -> None:
    """Close `sink` as `source` was closed; when `sink` itself was closed first, the other direction passes that on."""
    code, reason = source.close_code, source.close_reason
    broken = source.protocol.close_sent
    if code == CloseCode.ABNORMAL_CLOSURE and broken is not None:
        code, reason = broken.code, broken.reason  # ended from here, as for a message that is too large
    if code is not None:
        await close_as(sink, code, reason)


def _subprotocols(request: ClientRequest) -> Iterator[str]:
    return (entry for entry in without_gateway_entries(request.offered) if not is_beta_subprotocol(entry))


def _headers(upstream: Upstream, request: ClientRequest) -> list[tuple[str, str]]:
    own = [(name.lower(), value) for name, value in upstream.headers.items()]
    if upstream.token is not None:
        own.append((TOKEN_HEADER, f"Bearer {upstream.token}"))
    replaced = {name for name, _ in own}
    passed = [(n, v) for n, v in request.headers if n not in replaced and _passes(n, to_gateway=upstream.gateway)]
    return passed + own


def _passes(name: str, *, to_gateway: bool) -> bool:
    if name in _OWN_HEADERS or name in _LOCAL_HEADERS or name.startswith(_LOCAL_PREFIXES):
        return False
    return not is_beta_header(name) and (to_gateway or not name.startswith("cf-aig-"))


def _settings(upstream: Upstream, request: ClientRequest) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "compression": None,
        "max_size": MAX_SIZE,
        "open_timeout": DIAL_TIMEOUT_S,
        "close_timeout": CLOSE_TIMEOUT_S,
        "ping_interval": upstream.ping_interval_s,
        "ping_timeout": upstream.ping_timeout_s,
        "logger": SILENT,
        "proxy": None if upstream.is_loopback else True,
    }
    if request.values("user-agent"):
        settings["user_agent_header"] = None
    if upstream.url.startswith("wss:"):
        settings["ssl"] = _tls()
    return settings


@cache
def _tls() -> ssl.SSLContext:
    """One context for all: reading the trusted certificates takes longer than a local handshake."""
    return ssl.create_default_context()
