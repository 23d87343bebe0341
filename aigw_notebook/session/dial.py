"""Opening a socket to an endpoint, with every refusal turned into an error that names the next step."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from ..endpoint import SILENT, Endpoint, explain_refusal
from ..errors import AigwError, ConfigurationError, Unreachable, UpstreamRefused
from ..providers.base import Provider

__all__ = ["MAX_MESSAGE_BYTES", "dial"]

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""The largest message taken from a peer; one beyond it ends the session with close code 1009."""

CLOSE_TIMEOUT_S = 2.0
"""A provider may never answer a close frame; a longer wait would only make `close` slow."""


class _Dial(connect):
    """A dial that follows no redirect: the other host would be shown the gateway token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(endpoint: Endpoint, provider: Provider, *, timeout_s: float) -> ClientConnection:
    """An open socket to `endpoint`. Raises `Unreachable`, `Unauthorized`, `UpstreamRefused` or `ConfigurationError`."""
    url = urlsplit(endpoint.url)
    local = url.hostname in ("127.0.0.1", "localhost", "::1")
    try:
        return await _Dial(
            endpoint.url,
            additional_headers=list(endpoint.headers),
            subprotocols=[Subprotocol(name) for name in endpoint.subprotocols] or None,
            user_agent_header="aigw-notebook",
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=provider.ping_interval_s,
            ping_timeout=provider.ping_timeout_s,
            proxy=None if local else True,
            ssl=_tls() if url.scheme == "wss" else None,
            logger=SILENT,
        )
    except (OSError, WebSocketException, ValueError) as error:
        explained = _explain(error, endpoint, timeout_s)
    raise explained  # out here it carries no context: that would hold the peer's answer as it was


def _explain(error: Exception, endpoint: Endpoint, timeout_s: float) -> AigwError:
    if isinstance(error, InvalidStatus):
        answer = error.response
        body = bytes(answer.body or b"")
        return explain_refusal(
            answer.status_code, body, answer.headers, secrets=endpoint.secrets, way_round=endpoint.way_round
        )
    if isinstance(error, InvalidURI | ValueError):
        return ConfigurationError(f"{endpoint.safe} is no WebSocket address; check the gateway's URL")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Unreachable(f"{endpoint.safe} did not answer within {timeout_s:g} s; check the address and the network")
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"no trusted TLS connection to {endpoint.safe}; check the address and the system's clock")
    if isinstance(error, InvalidHandshake):
        return UpstreamRefused(f"{endpoint.safe} answered, but not as a WebSocket server; check the address")
    detail = getattr(error, "strerror", None) or type(error).__name__
    return Unreachable(f"cannot reach {endpoint.safe} ({detail}); check that it is running and the address is right")


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
