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
from typing import Any, TypeAlias, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from ..endpoint import SILENT
from ..errors import ConfigurationError
from ..providers.base import counting_ids
from .auth import TOKEN_HEADER, choose_subprotocol, is_authorized, provider_key, without_gateway_entries
from .counters import Counters, Traffic
from .emulate import Conversation, monotonic_ms
from .emulators.base import Handshake, Refused, UsageTally
from .engines.base import Engines
from .faults import Faults, FaultTable, take_switches
from .faulty import after, faulty
from .logs import Log, LogDraft
from .logs_api import LogsApi
from .paces import PaceTable
from .rate import RateLimit, RateLimiter
from .refusals import (
    ANSWERS,
    INVALID_PROVIDER,
    NO_ROUTE,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNKNOWN_GATEWAY,
    PlainRefusal,
    Refusal,
    answer_ids,
    former_ids,
    misread,
    unreachable,
)
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
_GOODBYE_TIMEOUT_S = 0.5
_TURNS_TO_ACCEPT = 3
_ROWS_TIMEOUT_S = 0.5

WARM_UP_AFTER_S = 0.3
"""Engines load only after the first words of the first answer: what they load holds up all threads for a moment."""

AnyRefusal: TypeAlias = Refusal | PlainRefusal

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
    routes: RouteTable | None = field(default=None, repr=False)
    paces: PaceTable = field(default_factory=PaceTable)
    engines: Engines | None = field(default=None, repr=False)
    clock: Callable[[], float] = monotonic_ms
    faults: FaultTable = field(default_factory=FaultTable)
    rate_limit: RateLimit | None = None


class GatewayConnection(ServerConnection):
    """A client's connection with what was found out about it before the upgrade."""

    registry: set[GatewayConnection]
    asked: ClientRequest
    destination: Destination | None = None
    upstream: ClientConnection | None = None
    faults: Faults = Faults()
    keyless: bool = False
    draft: LogDraft | None = None
    usage: UsageTally | None = None

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
        self.log = Log()
        self.routes = settings.routes or RouteTable(settings.upstreams)
        self._settings = settings
        self._engines = settings.engines
        self._warming: asyncio.TimerHandle | None = None
        self._logs = LogsApi(
            log=self.log,
            account=settings.account,
            gateways=(settings.gateway, DEFAULT_GATEWAY),
            token=settings.token if settings.authentication else None,
        )
        self._limiter = RateLimiter(settings.rate_limit, settings.clock) if settings.rate_limit else None
        self._server: Server | None = None
        self._connections: set[GatewayConnection] = set()
        self._sessions: dict[GatewayConnection, asyncio.Task[Any] | None] = {}
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
        """Close every client with 1001 and stop listening; what does not end within `timeout_s` is cut off.

        A client that does not answer the goodbye is cut off sooner, unless it still reads what was said before.
        """
        if self._server is not None:
            await _stop_accepting(self._server)
            self._server.close()
            self._abort(State.CONNECTING)
            try:
                await self._clients_gone(self._server, timeout_s)
            except TimeoutError:
                await self._cut_off(self._server)
        if self._warming is not None:
            self._warming.cancel()
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

    async def _clients_gone(self, server: Server, timeout_s: float) -> None:
        unsent = {client: client.transport.get_write_buffer_size() for client in self._connections}
        early_s = min(timeout_s, _GOODBYE_TIMEOUT_S)
        try:
            await _closed(server, early_s)
        except TimeoutError:
            for client, before in unsent.items():
                if client.transport.get_write_buffer_size() >= before:
                    client.transport.abort()  # what was sent before can still be read
            await _closed(server, timeout_s - early_s)

    async def _cut_off(self, server: Server) -> None:
        self._abort(*State)
        with suppress(TimeoutError):  # what still runs is cancelled with the loop
            await _closed(server, _ABORT_TIMEOUT_S)

    # Before the upgrade

    async def _admit(self, connection: GatewayConnection, request: Request) -> Response | None:
        """The answer that refuses a request, or None when the upgrade may go on."""
        asked = ClientRequest.parse(request.path, request.headers.raw_items())
        if self._logs.answers(asked):
            return await self._rows(asked, getattr(request, "method", "GET"))
        response = await (self._lead(connection, asked) if asked.is_upgrade else self._answer(asked))
        if response is not None and response.status_code >= 400 and asked.is_upgrade:
            self.counters.refused += 1
        if response is not None and connection.draft is not None:
            self.log.add(connection.draft.refused(response.status_code, response.headers))
        return response

    async def _rows(self, asked: ClientRequest, method: str) -> Response:
        """The answer to a request for rows. Those of sessions that are just ending are waited for, a little."""
        ending = [task for client, task in self._sessions.items() if task and client.protocol.state is not State.OPEN]
        if ending:
            await asyncio.wait(ending, timeout=_ROWS_TIMEOUT_S)
        answer = self._logs.answer(asked, method)
        return _response(answer.status, JSON, answer.body)

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
        switches, asked = take_switches(asked)
        refusal = self._refusal(asked) or self._fault(connection, asked, switches) or self._over_limit()
        if refusal is not None:
            return _refused(refusal)
        destination = await self._destination(asked.route)
        if destination is None:
            return _refused(INVALID_PROVIDER)
        connection.asked, connection.destination = asked, destination
        connection.draft = LogDraft.begin(
            asked,
            destination.provider,
            authentication=self._settings.authentication,
            clock=self._settings.clock,
        )
        if destination.upstream is not None:
            return await self._dial(connection, asked, destination)
        refused = _refused_by_emulator(connection, _handshake(asked, destination), destination)
        return None if refused is None else _response(refused.status, JSON, refused.body, answer_ids())

    def _fault(self, connection: GatewayConnection, asked: ClientRequest, switches: str) -> AnyRefusal | None:
        try:
            connection.faults = Faults.of(switches, self._settings.faults.at(asked.route))
        except ConfigurationError as error:
            return misread(str(error))
        return None if connection.faults.refuse is None else ANSWERS[connection.faults.refuse]

    def _over_limit(self) -> Refusal | None:
        return None if self._limiter is None or self._limiter.allows() else RATE_LIMITED

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
            self._warming = loop.call_later(WARM_UP_AFTER_S, self._warm_up, self._engines)
        if destination is not None and len(self._found) < _REMEMBERED_ROUTES:
            self._found[route] = destination
        return destination

    def _warm_up(self, engines: Engines) -> None:
        self._executor.submit(_warmed_up, engines)

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
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS or connection.faults.no_ids:
            return
        event_ids = connection.asked.values("cf-aig-event-id")
        make_ids = former_ids if connection.faults.ulid_ids else answer_ids
        for name, value in make_ids(event_ids[0] if event_ids else None).items():
            response.headers[name] = _upstream_id(connection.upstream, name) or value
        if connection.draft is not None:
            connection.draft.identify(response.headers)

    # After the upgrade

    async def _converse(self, connection: ServerConnection) -> None:
        client = cast(GatewayConnection, connection)
        traffic = self.counters.begin()
        self._sessions[client] = asyncio.current_task()
        try:
            async with faulty(client, client.faults) as socket:
                upstream = client.take_upstream()
                if upstream is not None:
                    await relay(socket, upstream, traffic)
                else:
                    await self._emulate(client, socket, traffic)
        finally:
            del self._sessions[client]
            if client.draft is not None:
                self.log.add(client.draft.ended(traffic, client.usage or UsageTally()))
            self.counters.end(traffic)

    async def _emulate(self, client: GatewayConnection, socket: ServerConnection, traffic: Traffic) -> None:
        destination = client.destination
        assert destination is not None and destination.emulator is not None and self._engines is not None
        emulator = destination.emulator(
            _handshake(client.asked, destination),
            engines=self._engines,
            ids=counting_ids(),
            clock=self._settings.clock,
            pace=self._settings.paces.at(client.asked.route),
        )
        client.usage = emulator.usage
        conversation = Conversation(
            socket,
            emulator,
            executor=self._executor,
            traffic=traffic,
            clock=self._settings.clock,
            keyless=client.keyless,
        )
        with after(client.faults.expire_after_ms, conversation.expire):
            await conversation.run()


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


def _warmed_up(engines: Engines) -> None:
    """Get the engines ready; one that cannot will say so when it is needed."""
    try:
        engines.warm_up()
    except Exception as error:
        log.warning("a local engine could not get ready: %s", type(error).__name__)


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


def _refused_by_emulator(connection: GatewayConnection, handshake: Handshake, to: Destination) -> Refused | None:
    if to.emulator is None or to.provider is None:
        return None
    connection.keyless = connection.faults.no_stored_key and handshake.key is None and to.provider.auth.any_form
    keyless = to.emulator.refuse_keyless() if connection.keyless else None
    return keyless or to.emulator.refuse(handshake)


def _select_subprotocol(connection: GatewayConnection, offered: Iterable[str]) -> Subprotocol | None:
    """What the upstream chose, if the client offered it; else the gateway's own rule."""
    if connection.faults.no_subprotocol:
        return None
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


def _refused(refusal: AnyRefusal) -> Response:
    return _response(refusal.status, refusal.kind, refusal.body(), refusal.headers())


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
