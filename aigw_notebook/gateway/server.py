"""The gateway on a loop: who may come in, what is answered before the upgrade, and what a connection is led to."""

from __future__ import annotations

import asyncio
import http
import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from ..endpoint import SILENT
from ..providers.base import counting_ids
from .auth import TOKEN_HEADER, choose_subprotocol, is_authorized, provider_key, without_gateway_entries
from .counters import Counters
from .emulate import Conversation, monotonic_ms
from .emulators.base import Handshake, Pace
from .engines.base import Engines
from .refusals import INVALID_PROVIDER, NO_ROUTE, UNAUTHORIZED, UNKNOWN_GATEWAY, Refusal, answer_ids, unreachable
from .relay import CLOSE_TIMEOUT_S, DIAL_TIMEOUT_S, MAX_SIZE, UpstreamRefusal, UpstreamUnreachable, dial, relay
from .request import ClientRequest
from .routes import Destination, RouteTable
from .upstreams import Upstreams

__all__ = ["DEFAULT_GATEWAY", "GatewayServer", "GatewaySettings"]

log = logging.getLogger(__name__)

DEFAULT_GATEWAY = "default"
"""The gateway name that exists in every account without being made."""

_REMEMBERED_ROUTES = 256
_ABORT_TIMEOUT_S = 1.0
_TURNS_TO_ACCEPT = 3

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

GREETING = b"aigw-notebook embedded gateway: connect a WebSocket to /v1/<account>/<gateway>/<route>\n"

_PASSED_HEADERS = frozenset({"content-type", "retry-after", "www-authenticate", "x-request-id", "cf-ray"})
"""What of an upstream's refusal reaches the client, beside status, body and `cf-aig-*`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What a gateway is and what stands behind it."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str = field(default="", repr=False)
    account: str = "local"
    gateway: str = "notebook"
    authentication: bool = True
    upstreams: Upstreams = field(default_factory=Upstreams, repr=False)
    pace: Pace = field(default_factory=Pace)
    engines: Engines | None = field(default=None, repr=False)
    clock: Callable[[], float] = monotonic_ms


class GatewayConnection(ServerConnection):
    """A client's connection with what was found out about it before the upgrade."""

    registry: set[GatewayConnection]
    asked: ClientRequest
    destination: Destination | None = None
    upstream: ClientConnection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be counted among the connections that `stop` has to end."""
        super().connection_made(transport)
        self.registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of an upstream that was dialled for a client whose upgrade then failed."""
        super().connection_lost(exc)
        self.registry.discard(self)
        if self.upstream is not None:
            self.upstream.transport.abort()

    def take_upstream(self) -> ClientConnection | None:
        """The dialled upstream, the caller's from now on; None where there is none."""
        upstream, self.upstream = self.upstream, None
        return upstream


class GatewayServer:
    """One listening gateway. Everything here runs on the loop that `start` was called on."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.counters = Counters()
        self.routes = RouteTable(settings.upstreams)
        self._settings = settings
        self._engines = settings.engines
        self._server: Server | None = None
        self._connections: set[GatewayConnection] = set()
        self._found: dict[str, Destination] = {}
        self._executor = ThreadPoolExecutor(min(16, (os.cpu_count() or 1) + 4), thread_name_prefix="aigw-gateway-job")

    async def start(self) -> tuple[str, int]:
        """Listen, and return the address. Raises `OSError` when that is not possible."""
        self._server = await serve(
            self._converse,
            self._settings.host,
            self._settings.port,
            process_request=cast(Any, self._admit),
            process_response=cast(Any, self._stamp),
            select_subprotocol=cast(Any, _select_subprotocol),
            create_connection=cast(Any, self._connection),
            compression=None,
            max_size=MAX_SIZE,
            open_timeout=DIAL_TIMEOUT_S + 5,
            close_timeout=CLOSE_TIMEOUT_S,
            # Pings keep a path open, but a client stopped in a debugger is not gone: its own side decides.
            ping_timeout=None,
            server_header=None,
            logger=SILENT,
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self, timeout_s: float) -> None:
        """Close every client with 1001 and stop listening; what does not end within `timeout_s` is cut off."""
        if self._server is not None:
            await _stop_accepting(self._server)
            self._server.close()
            self._abort(State.CONNECTING)
            try:
                await _closed(self._server, timeout_s)
            except TimeoutError:
                await self._cut_off(self._server)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def join_workers(self) -> None:
        """Wait for the worker threads: until each has left the engine's call that it is in."""
        self._executor.shutdown(wait=True)

    def _connection(self, *arguments: Any, **named: Any) -> GatewayConnection:
        connection = GatewayConnection(*arguments, **named)
        connection.registry = self._connections
        return connection

    def _abort(self, *states: State) -> None:
        for connection in list(self._connections):
            if connection.protocol.state in states:
                connection.transport.abort()

    async def _cut_off(self, server: Server) -> None:
        self._abort(*State)
        with suppress(TimeoutError):  # what still runs is cancelled with the loop
            await _closed(server, _ABORT_TIMEOUT_S)

    # Before the upgrade

    async def _admit(self, connection: GatewayConnection, request: Request) -> Response | None:
        """The answer that refuses a request, or None when the upgrade may go on."""
        asked = ClientRequest.parse(request.path, request.headers.raw_items())
        response = await (self._lead(connection, asked) if asked.is_upgrade else self._answer(asked))
        if response is not None and response.status_code >= 400 and asked.is_upgrade:
            self.counters.refused += 1
        return response

    async def _answer(self, asked: ClientRequest) -> Response | None:
        """The answer to a plain request; None: the library says that a WebSocket is served here (426)."""
        refusal = self._refusal(asked)
        if not asked.gateway or refusal is not None:
            return _plain_answer(asked)
        destination = await self._destination(asked.route)
        if destination is None or destination.emulator is None:
            return None
        answer = destination.emulator.answer(_handshake(asked, destination), _base_url(asked))
        return None if answer is None else _response(answer.status, JSON, answer.body)

    async def _lead(self, connection: GatewayConnection, asked: ClientRequest) -> Response | None:
        refusal = self._refusal(asked)
        if refusal is not None:
            return _refused(refusal)
        destination = await self._destination(asked.route)
        if destination is None:
            return _refused(INVALID_PROVIDER)
        connection.asked, connection.destination = asked, destination
        if destination.upstream is not None:
            return await self._dial(connection, asked, destination)
        refused = destination.emulator.refuse(_handshake(asked, destination)) if destination.emulator else None
        return None if refused is None else _response(refused.status, JSON, refused.body, answer_ids())

    def _refusal(self, asked: ClientRequest) -> Refusal | None:
        if not asked.gateway:
            return NO_ROUTE
        if asked.account != self._settings.account or asked.gateway not in (self._settings.gateway, DEFAULT_GATEWAY):
            return UNKNOWN_GATEWAY
        if self._settings.authentication and not is_authorized(asked, self._settings.token):
            return UNAUTHORIZED
        return None

    async def _destination(self, route: str) -> Destination | None:
        if route in self._found:
            return self._found[route]
        # In a worker thread: the first request for a route imports what serves it.
        loop = asyncio.get_running_loop()
        destination = await loop.run_in_executor(self._executor, self.routes.find, route)
        if destination is not None and destination.emulator is not None and self._engines is None:
            self._engines = await loop.run_in_executor(self._executor, _default_engines)
        if destination is not None and len(self._found) < _REMEMBERED_ROUTES:
            self._found[route] = destination
        return destination

    async def _dial(self, connection: GatewayConnection, asked: ClientRequest, to: Destination) -> Response | None:
        assert to.upstream is not None
        try:
            upstream = await dial(to.upstream, asked, to.matched)
        except UpstreamRefusal as refusal:
            return _passed_on(refusal.response)
        except UpstreamUnreachable as error:
            log.warning("upstream of route %r could not be reached: %s", asked.route, error)
            return _refused(unreachable(to.upstream.safe))
        if connection.protocol.state is not State.CONNECTING:
            upstream.transport.abort()
        connection.upstream = upstream
        return None

    def _stamp(self, connection: GatewayConnection, request: Request, response: Response) -> None:
        """Put the ids on a 101: those of the gateway behind this one, if there is one, else new ones."""
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            return
        event_ids = connection.asked.values("cf-aig-event-id")
        for name, value in answer_ids(event_ids[0] if event_ids else None).items():
            response.headers[name] = _upstream_id(connection.upstream, name) or value

    # After the upgrade

    async def _converse(self, connection: ServerConnection) -> None:
        client = cast(GatewayConnection, connection)
        self.counters.connections += 1
        self.counters.open += 1
        try:
            upstream = client.take_upstream()
            if upstream is not None:
                await relay(client, upstream, self.counters)
            else:
                await self._emulate(client)
        finally:
            self.counters.open -= 1

    async def _emulate(self, client: GatewayConnection) -> None:
        destination = client.destination
        assert destination is not None and destination.emulator is not None and self._engines is not None
        emulator = destination.emulator(
            _handshake(client.asked, destination),
            engines=self._engines,
            ids=counting_ids(),
            clock=self._settings.clock,
            pace=self._settings.pace,
        )
        await Conversation(
            client, emulator, executor=self._executor, counters=self.counters, clock=self._settings.clock
        ).run()


async def _stop_accepting(server: Server) -> None:
    """Let connections that are being accepted come to life: asyncio loses one that is when its server closes."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        with suppress(NotImplementedError):  # Windows' loop, which has no readers
            loop.remove_reader(listening.fileno())
    for _ in range(_TURNS_TO_ACCEPT):
        await asyncio.sleep(0)


async def _closed(server: Server, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        await server.wait_closed()


def _default_engines() -> Engines:
    from .engines import default_engines

    return default_engines()


def _handshake(asked: ClientRequest, destination: Destination) -> Handshake:
    """What an emulator may know of the request: everything but the gateway's own token."""
    headers: dict[str, str] = {}
    for name, value in asked.headers:
        if name != TOKEN_HEADER:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers.pop("sec-websocket-protocol", None)
    return Handshake(
        route=asked.route,
        query=asked.parameters,
        headers=headers,
        subprotocols=tuple(without_gateway_entries(asked.offered)),
        key=provider_key(asked, destination.provider.auth) if destination.provider else None,
    )


def _select_subprotocol(connection: GatewayConnection, offered: Iterable[str]) -> Subprotocol | None:
    """What the upstream chose, if the client offered it; else the gateway's own rule."""
    entries = list(offered)
    chosen = connection.upstream.subprotocol if connection.upstream is not None else None
    if chosen is not None and chosen in entries:
        return chosen
    provider = connection.destination.provider if connection.destination else None
    return cast("Subprotocol | None", choose_subprotocol(entries, provider.auth if provider else None))


def _upstream_id(upstream: ClientConnection | None, name: str) -> str | None:
    if upstream is None or upstream.response is None:
        return None
    return upstream.response.headers.get(name)


def _base_url(asked: ClientRequest) -> str:
    """The gateway as the client addressed it."""
    host = next(iter(asked.values("host")), "127.0.0.1")
    return f"ws://{host}{asked.path.removesuffix(asked.raw_route).rstrip('/')}"


def _plain_answer(asked: ClientRequest) -> Response | None:
    if asked.path in ("", "/"):
        return _response(200, TEXT, GREETING)
    return None if asked.gateway else _refused(NO_ROUTE)  # None: the library answers 426


def _refused(refusal: Refusal) -> Response:
    return _response(refusal.status, JSON, refusal.body(), answer_ids())


def _passed_on(answer: Response) -> Response:
    """An upstream's refusal as the client gets it. A redirect keeps its status but not its target."""
    passed = {
        name.lower(): value
        for name, value in answer.headers.raw_items()
        if name.lower() in _PASSED_HEADERS or name.lower().startswith("cf-aig-")
    }
    kind = passed.pop("content-type", TEXT)
    return _response(answer.status_code, kind, bytes(answer.body or b""), passed)


def _response(status: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **(more or {})})
    return Response(status, _phrase(status), headers, body)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
