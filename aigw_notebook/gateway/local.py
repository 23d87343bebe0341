"""The embedded gateway as a thing to start and stop from any thread: it brings its own thread and loop."""

from __future__ import annotations

import asyncio
import atexit
import errno
import logging
import re
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from ..errors import ConfigurationError
from .counters import Counters
from .engines.base import Engines
from .faults import Faults, FaultsLike, FaultTable
from .logs import Log
from .paces import PaceLike, PaceTable
from .rate import RateLimit, checked_limit
from .routes import RouteTable
from .server import GatewayServer, GatewaySettings
from .upstreams import Upstreams, UpstreamsLike

__all__ = ["LocalGateway"]

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 3.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 token: what a subprotocol entry may hold
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


class LocalGateway:
    """A gateway on this machine: `with LocalGateway() as gateway: connect to gateway.url with gateway.token`.

    It listens on `host` and `port` (0: a free one) and lets in whoever shows `token` (None: a new random one); with
    `authentication` False, anybody. Its address is `/v1/<account>/<gateway>/<route>`; the gateway name "default" is
    there too. Behind each route stands the provider's emulator, which answers in place of the provider's model, unless
    `upstreams` names an address to relay to: `{route: URL | Upstream | "live"}`, one other gateway's base URL for all
    routes, or "live" for every provider's own service, which costs money.

    `pace` is how fast emulators answer: one for all, or by route as in `{"route": Pace(...), "*": Pace(...)}` (None: at
    a reader's pace). `engines` is what they answer with (None: the best installed, see `AIGW_NOTEBOOK_ENGINES`).
    `faults` are troubles made on purpose, for every route or by route, see `Faults`; `rate_limit` is (connections,
    seconds): more upgrades than that are refused. `routes` finds what stands behind each route (None: the registry
    does, as told above). It can be started again after it was stopped; with port 0 on another port.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        account: str = "local",
        gateway: str = "notebook",
        authentication: bool = True,
        upstreams: UpstreamsLike = None,
        pace: PaceLike = None,
        engines: Engines | None = None,
        faults: FaultsLike = None,
        rate_limit: RateLimit | None = None,
        routes: RouteTable | None = None,
    ) -> None:
        self._settings = GatewaySettings(
            host=host,
            port=_checked_port(port),
            token=_checked_token(secrets.token_urlsafe(32) if token is None else token),
            account=_checked_name("account", account),
            gateway=_checked_name("gateway", gateway),
            authentication=authentication,
            upstreams=Upstreams.of(upstreams),
            paces=PaceTable(pace),
            engines=engines,
            faults=FaultTable(faults),
            rate_limit=checked_limit(rate_limit),
            routes=routes,
        )
        self._lock = threading.Lock()
        self._current: _Running | None = None

    def __repr__(self) -> str:
        where = self.url if self.running else "stopped"
        return f"<LocalGateway {where}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ids_seed(self) -> str | None:
        """What the ids of a session of this package should hold here; None: something of their own."""
        return None

    @property
    def plays(self) -> str:
        """The name of the recording that it plays, safe to show; "" where it plays none."""
        return ""

    @property
    def running(self) -> bool:
        """Whether it is listening."""
        return self._current is not None

    @property
    def token(self) -> str:
        """The gateway token to show as `cf-aig-authorization`. A secret: it is in no repr and no log."""
        return self._settings.token

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on. Raises `ConfigurationError` while it is stopped."""
        if self._current is None:
            raise ConfigurationError("the embedded gateway is not running: call start() first")
        return self._current.address

    @property
    def url(self) -> str:
        """The base URL that a route is added to: `ws://127.0.0.1:<port>/v1/<account>/<gateway>`."""
        host, port = self.address
        host = _WILDCARDS.get(host, host)
        shown = f"[{host}]" if ":" in host else host
        return f"ws://{shown}:{port}/v1/{self._settings.account}/{self._settings.gateway}"

    @property
    def faults(self) -> Mapping[str, Faults]:
        """The troubles made on purpose, by route (`*`: all others). Assign to change them for connections to come."""
        return self._settings.faults.given

    @faults.setter
    def faults(self, given: FaultsLike) -> None:
        self._settings.faults.given = given

    @property
    def counters(self) -> dict[str, int]:
        """Connections, frames and bytes since the start; all zero while it is stopped."""
        return (self._current.server.counters if self._current is not None else Counters()).as_dict()

    def start(self) -> Self:
        """Listen; return when clients can connect. Does nothing when it is running.

        Raises `ConfigurationError`, which names host and port, when it cannot listen there.
        """
        with self._lock:
            if self._current is None:
                current = _Running(self._settings)
                current.begin()
                self._current = current
                atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Close every client with 1001 and give back port and thread. Bounded in time; does nothing when stopped."""
        with self._lock:
            current, self._current = self._current, None
            if current is not None:
                atexit.unregister(self.stop)
                current.end(STOP_TIMEOUT_S)

    def emulates(self, route: str) -> bool:
        """Whether an emulator answers on `route`; False where it is relayed, or nothing is there."""
        found = self._routes().find(route)
        return found is not None and found.emulator is not None

    def _routes(self) -> RouteTable:
        return self._settings.routes or RouteTable(self._settings.upstreams)

    def describe(self) -> dict[str, Any]:
        """What it is and what stands behind each route, as plain values without a secret."""
        return {
            "url": self.url if self.running else None,
            "account": self._settings.account,
            "gateway": self._settings.gateway,
            "authentication": self._settings.authentication,
            "routes": self._routes().describe(),
            "counters": self.counters,
            "logs": (self._current.server.log if self._current is not None else Log()).describe(),
        }


class _Running:
    """One run of a gateway. Its thread ends when the gateway was stopped and its worker threads have ended."""

    server: GatewayServer
    address: tuple[str, int]

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._thread = threading.Thread(target=self._run, name="aigw-gateway", daemon=True)
        self._started: Future[tuple[str, int]] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def begin(self) -> None:
        """Start, and return when the gateway listens."""
        self._thread.start()
        try:
            self.address = self._started.result()
        except (OSError, UnicodeError) as error:
            self._thread.join()
            raise ConfigurationError(_why_not(error, self._settings)) from None

    def end(self, timeout_s: float) -> None:
        """Stop, and return when all is given back, or a little after `timeout_s`."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout_s + 1)
        if self._thread.is_alive():
            log.warning("a worker of the embedded gateway is still in an engine's call; it ends with that call")

    def _run(self) -> None:
        # Not asyncio.run: a library that nests loops may have replaced it by one that needs a loop in this thread.
        with asyncio.Runner() as runner:
            runner.run(self._serve())
        self.server.join_workers()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self.server = GatewayServer(self._settings)
        try:
            address = await self.server.start()
        except BaseException as error:
            await self.server.stop(0)
            self._started.set_exception(error)
            return
        self._started.set_result(address)
        await self._stopping.wait()
        await self.server.stop(STOP_TIMEOUT_S)


def _why_not(error: Exception, settings: GatewaySettings) -> str:
    where = f"port {settings.port} on {settings.host}"
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return f"{where} is taken: choose another, or port 0 for a free one"
    why = getattr(error, "strerror", None) or type(error).__name__
    return f"the embedded gateway cannot listen on {where} ({why}): choose another"


def _checked_port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise ConfigurationError(f"{port} is not a port: choose 1 to 65535, or 0 for a free one")
    return port


def _checked_token(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError("a gateway token has one or more letters, digits or !#$%&'*+-.^_`|~ and no space")
    return token


def _checked_name(what: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{what} {name!r} is not a name of 1 to 64 letters, digits, '-' and '_'")
    return name
