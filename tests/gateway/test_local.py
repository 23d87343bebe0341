"""The gateway's thread: start, stop, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aigw_notebook.endpoint import SILENT
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway import LocalGateway, Upstream
from aigw_notebook.gateway.server import GatewayServer, GatewaySettings


def test_the_address_has_account_gateway_and_a_free_port() -> None:
    with LocalGateway() as gateway:
        host, port = gateway.address
        assert host == "127.0.0.1" and gateway.url == f"ws://127.0.0.1:{port}/v1/local/notebook"
    with LocalGateway(account="acct", gateway="gate") as gateway:
        assert gateway.url.endswith("/v1/acct/gate")


def test_every_gateway_has_its_own_token_of_characters_a_subprotocol_may_have() -> None:
    tokens = {LocalGateway().token for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) >= 40 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)


def test_a_stopped_gateway_has_no_address() -> None:
    gateway = LocalGateway()
    with pytest.raises(ConfigurationError, match=r"start\(\)"):
        _ = gateway.address
    assert not gateway.running and gateway.describe()["url"] is None
    with gateway:
        assert gateway.running
    assert not gateway.running and gateway.counters["connections"] == 0


def test_a_taken_port_is_named() -> None:
    with LocalGateway() as gateway:
        port = gateway.address[1]
        second = LocalGateway(port=port)
        with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is taken"):
            second.start()
        assert not second.running
    with second:
        assert second.address[1] == port


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot listen on port 0 on {host}"):
        LocalGateway(host=host).start()


@pytest.mark.parametrize(
    "named",
    [
        {"port": 70_000},
        {"port": -1},
        {"token": ""},
        {"token": "with space"},
        {"token": "line\nbreak"},
        {"account": "a/b"},
        {"gateway": ""},
        {"upstreams": "https://h"},
        {"upstreams": {"echo": "nonsense"}},
    ],
)
def test_what_cannot_work_is_refused_at_once(named: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LocalGateway(**named)


def test_start_and_stop_can_be_repeated_and_called_twice(echo: Any, dial: Any) -> None:
    gateway = LocalGateway(token="t0ken")
    gateway.stop()
    for _ in range(3):
        assert gateway.start() is gateway.start()
        asyncio.run(say_hello(dial, gateway))
        gateway.stop()
        gateway.stop()


async def say_hello(dial: Any, gateway: LocalGateway) -> None:
    async with dial(f"{gateway.url}/echo") as client:
        assert await client.recv() == "hello"
        await client.send("job:3")
        assert await client.recv() == "result 0"


def test_twenty_gateways_leave_nothing_behind(echo: Any, dial: Any) -> None:
    def used() -> tuple[int, int, int]:
        gc.collect()
        process = psutil.Process()
        return threading.active_count(), len(process.net_connections(kind="all")), process.num_fds()

    with LocalGateway(token="t0ken") as gateway:
        asyncio.run(say_hello(dial, gateway))
    before = used()
    for _ in range(20):
        with LocalGateway(token="t0ken") as gateway:
            asyncio.run(say_hello(dial, gateway))
    assert used() == before


def test_no_task_is_left_on_the_loop(make_gateway: Callable[..., LocalGateway], dial: Any) -> None:
    gateway = make_gateway()
    loop = gateway._current._loop  # type: ignore[union-attr]

    async def names() -> list[str]:
        return [str(task.get_coro()) for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    def tasks() -> list[str]:
        return asyncio.run_coroutine_threadsafe(names(), loop).result(10)

    before = tasks()
    for _ in range(3):
        asyncio.run(say_hello(dial, gateway))
    while gateway.counters["open"] or len(tasks()) > len(before):
        pass
    assert tasks() == before


def test_stop_says_going_away(make_gateway: Callable[..., LocalGateway], dial: Any) -> None:
    gateway = make_gateway()

    async def main() -> int | None:
        async with dial(f"{gateway.url}/echo") as client:
            assert await client.recv() == "hello"
            stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
            with pytest.raises(ConnectionClosed):
                await client.recv()
            await stopping
            code: int | None = client.close_code
            return code

    assert asyncio.run(main()) == 1001


def test_stop_does_not_wait_for_a_client_that_never_asked(make_gateway: Callable[..., LocalGateway]) -> None:
    for _ in range(10):
        gateway = make_gateway()
        with socket.create_connection(gateway.address, timeout=30) as silent:
            gateway.stop()
            assert hears_the_end(silent)


def hears_the_end(silent: socket.socket) -> bool:
    try:
        return silent.recv(1) == b""
    except ConnectionResetError:
        return True


def test_stop_cuts_off_a_client_that_does_not_read(
    make_gateway: Callable[..., LocalGateway], dial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigw_notebook.gateway.local.STOP_TIMEOUT_S", 0.2)
    gateway = make_gateway()

    async def main() -> None:
        client = await dial(f"{gateway.url}/echo", max_queue=1)
        await client.send("stream:")
        while not gateway.counters["frames_out"] > 50:
            await asyncio.sleep(0)
        await asyncio.to_thread(gateway.stop)
        client.transport.abort()
        await client.wait_closed()

    asyncio.run(main())
    assert not gateway.running


class Client:
    """A client's connection, with what its transport still has to send each time one asks."""

    def __init__(self, *unsent: int) -> None:
        self.transport = self
        self.unsent = iter(unsent)
        self.gone = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        return next(self.unsent)

    def abort(self) -> None:
        self.gone.set()


@pytest.mark.parametrize(
    ("unsent", "cut_off"),
    [((9, 9), True), ((9, 12), True), ((0, 0), True), ((9, 3), False)],
    ids=["reads nothing", "nor the goodbye", "does not answer", "reads slowly"],
)
def test_stop_waits_only_for_a_client_that_still_reads(
    unsent: tuple[int, int], cut_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigw_notebook.gateway.server._GOODBYE_TIMEOUT_S", 0.0)

    async def main() -> bool:
        server: Any = GatewayServer(GatewaySettings())
        client = Client(*unsent)
        server._connections.add(client)
        server._server = SimpleNamespace(wait_closed=client.gone.wait)
        try:
            await server._clients_gone(server._server, 30 if cut_off else 0.01)
        except TimeoutError:
            assert not client.gone.is_set()
        return client.gone.is_set()

    assert asyncio.run(main()) == cut_off


def test_a_gateway_that_was_not_stopped_does_not_keep_the_process() -> None:
    code = "from aigw_notebook.gateway import LocalGateway\nprint(LocalGateway().start().url)\n"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ws://127.0.0.1:")


def test_importing_the_package_of_the_gateway_brings_no_loop_and_no_socket_library() -> None:
    code = (
        "import sys, aigw_notebook.gateway.emulators.base\n"
        "print([m for m in ('asyncio', 'websockets', 'numpy', 'IPython') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_the_gateway_has_no_other_names() -> None:
    import aigw_notebook.gateway as package

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


SECRETS = ("t0p-s3cret", "k3y-s3cret", "up-s3cret", "there-s3cret")


def test_no_secret_is_logged_or_shown(
    make_gateway: Callable[..., LocalGateway], dial: Any, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.close(4001, "no")

    async def main() -> list[str]:
        shown: list[str] = []
        async with serve(handler, "127.0.0.1", 0, logger=SILENT) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/base?key=up-s3cret"
            for upstreams in ({"relayed": Upstream(url=url, headers={"x": "up-s3cret"}, token="there-s3cret")}, None):
                gateway = await asyncio.to_thread(lambda u=upstreams: make_gateway(token="t0p-s3cret", upstreams=u))
                for route in ("relayed", "echo", "nobody"):
                    shown += await knock(dial, f"{gateway.url}/{route}?api_key=k3y-s3cret")
                shown += [repr(gateway), str(gateway.describe()), repr(gateway._settings), repr(gateway._current)]
                await asyncio.to_thread(gateway.stop)
        return shown

    with caplog.at_level(logging.DEBUG):
        shown = asyncio.run(main())
    captured = capfd.readouterr()
    everything = "\n".join([*shown, caplog.text, captured.out, captured.err])
    assert [secret for secret in SECRETS if secret in everything] == []


async def knock(dial: Any, url: str) -> list[str]:
    """All that an upgrade by header, by subprotocol and without a token shows."""
    key = {"Authorization": "Bearer k3y-s3cret"}
    shown: list[str] = []
    for headers, offered in [
        ({**key, "cf-aig-authorization": "Bearer t0p-s3cret"}, None),
        ({}, ["realtime", "echo-api-key.k3y-s3cret", "cf-aig-authorization.t0p-s3cret"]),
        (key, None),
    ]:
        try:
            async with dial(url, additional_headers=headers, subprotocols=offered) as client:
                await client.send("raise:k3y-s3cret")
                await client.wait_closed()
                shown.append(str(client.response.headers))
        except (InvalidStatus, ConnectionClosed) as error:
            response = getattr(error, "response", None)
            shown.append(f"{error} {response and response.headers} {response and response.body}")
    return shown
