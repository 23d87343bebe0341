"""A provider whose emulator does what it is told, so that the gateway is tested without any real provider."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from websockets.asyncio.client import connect

from aigw_notebook import providers
from aigw_notebook.endpoint import SILENT
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Close, Emulator, Job
from aigw_notebook.gateway.engines.base import Engines
from aigw_notebook.providers.base import Capabilities, Codec, KeyAuth, Message, Provider

MODULE = "echo_provider_of_the_tests"
NO_ENGINES: Any = SimpleNamespace(responder=None, voice=None, listener=None)


class EchoEmulator(Emulator):
    """Echoes what it gets; a text beginning with a name of `COMMANDS` does that instead."""

    routes = ("echo", "echo/deep/")
    made: ClassVar[list[EchoEmulator]] = []

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ticks_left = 0
        self.tick_ms: float | None = None
        self.step_ms = 1.0
        self.padding = ""
        self.wakes = 0
        self.received = 0
        self.closed = threading.Event()
        self.job: Job | None = None
        self.job_ended = threading.Event()
        self.delivered = 0
        EchoEmulator.made.append(self)

    @property
    def next_wake_ms(self) -> float | None:
        return self.tick_ms

    def open(self) -> None:
        self._out.append("hello")

    def receive(self, message: Message) -> None:
        self.received += 1
        name, _, rest = message.partition(":") if isinstance(message, str) else ("", "", "")
        COMMANDS.get(name, EchoEmulator._echo)(self, message if name not in COMMANDS else rest)

    def wake(self) -> None:
        assert self.tick_ms is not None and self.clock() >= self.tick_ms
        self.wakes += 1
        self._out.append(f"tick {self.wakes}{self.padding}")
        self.ticks_left -= 1
        self.tick_ms = self.tick_ms + self.step_ms if self.ticks_left else None

    def close(self) -> None:
        self.closed.set()

    def _echo(self, message: Message) -> None:
        self._out.append(message)

    def _ticks(self, rest: str) -> None:
        self.ticks_left = int(rest)
        self.tick_ms = self.clock() + self.step_ms

    def _stream(self, rest: str) -> None:
        self.step_ms, self.padding = 0.0, " " * 16_000
        self._ticks("-1")

    def _burst(self, rest: str) -> None:
        self._out.extend(f"burst {n}" for n in range(int(rest)))

    def _close(self, rest: str) -> None:
        code, _, reason = rest.partition(":")
        self._out += ["last words", Close(code=int(code), reason=reason), "never sent"]

    def _job(self, rest: str) -> None:
        self._run(lambda: iter(range(int(rest))))

    def _job_fails(self, rest: str) -> None:
        def results() -> Iterator[int]:
            yield 0
            raise ValueError(rest)

        self._run(results)

    def _endless(self, rest: str) -> None:
        def results() -> Iterator[int]:
            try:
                number = 0
                while True:
                    yield number
                    number += 1
            finally:
                self.job_ended.set()

        self._run(results)

    def _cancel(self, rest: str) -> None:
        assert self.job is not None
        self.job.cancelled = True
        self._out.append("cancelled")

    def _raise(self, rest: str) -> None:
        raise RuntimeError(rest)

    def _run(self, results: Callable[[], Iterator[int]]) -> None:
        self.job = Job(results=results, deliver=self._deliver, done=self._done)
        self._out.append(self.job)

    def _deliver(self, result: object) -> None:
        self.delivered += 1
        self._out.append(f"result {result}{self.padding}")

    def _done(self, error: BaseException | None) -> None:
        self._out.append(f"done {error!r}")

    def _pad(self, rest: str) -> None:
        self.padding = " " * int(rest)
        self._out.append("padded")


COMMANDS: dict[str, Callable[[EchoEmulator, Any], None]] = {
    "ticks": EchoEmulator._ticks,
    "stream": EchoEmulator._stream,
    "burst": EchoEmulator._burst,
    "close": EchoEmulator._close,
    "job": EchoEmulator._job,
    "job_fails": EchoEmulator._job_fails,
    "endless": EchoEmulator._endless,
    "cancel": EchoEmulator._cancel,
    "raise": EchoEmulator._raise,
    "pad": EchoEmulator._pad,
}

ECHO = Provider(
    name="echo",
    title="Echo",
    route="echo",
    direct_url="ws://127.0.0.1:1/direct",
    codec=Codec,
    capabilities=Capabilities(),
    auth=KeyAuth(
        env=("ECHO_API_KEY",),
        header=("Authorization", "Bearer {key}"),
        query="api_key",
        subprotocol="echo-api-key.",
        subprotocol_with=("realtime",),
    ),
    emulator=MODULE,
)


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> list[EchoEmulator]:
    """Registers the provider "echo"; the emulators made for its connections, in order."""
    module = ModuleType(MODULE)
    module.PROVIDER, module.EMULATOR = ECHO, EchoEmulator  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.setitem(providers.BUILT_IN, "echo", MODULE)
    monkeypatch.setitem(providers._loaded, "echo", ECHO)
    made: list[EchoEmulator] = []
    monkeypatch.setattr(EchoEmulator, "made", made)
    return made


@pytest.fixture
def make_gateway(echo: list[EchoEmulator]) -> Iterator[Callable[..., LocalGateway]]:
    """Starts gateways that serve the echo provider with the token "t0ken"; they are stopped after the test."""
    running: list[LocalGateway] = []

    def make(**named: Any) -> LocalGateway:
        engines: Engines = NO_ENGINES
        gateway = LocalGateway(**{"token": "t0ken", "engines": engines, **named}).start()
        running.append(gateway)
        return gateway

    yield make
    for gateway in reversed(running):
        gateway.stop()


@pytest.fixture
def gateway(make_gateway: Callable[..., LocalGateway]) -> LocalGateway:
    """A running gateway with the token "t0ken" that serves the echo provider."""
    return make_gateway()


@pytest.fixture
def dial() -> Callable[..., Any]:
    """Connects to a URL with the gateway token "t0ken", unless other headers are given. It logs nothing itself."""

    def open_connection(url: str, **named: Any) -> Any:
        settings: dict[str, Any] = {"additional_headers": {"cf-aig-authorization": "Bearer t0ken"}, "max_size": None}
        return connect(url, proxy=None, compression=None, logger=SILENT, **{**settings, **named})

    return open_connection
