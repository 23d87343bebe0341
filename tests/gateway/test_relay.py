"""The relay between real sockets: a scripted upstream, a gateway, a client."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response

from aigw_notebook.endpoint import SILENT
from aigw_notebook.gateway import LocalGateway, Upstream
from aigw_notebook.gateway.relay import MAX_SIZE

Handler = Callable[[ServerConnection], Awaitable[None]]
MakeGateway = Callable[..., LocalGateway]


@asynccontextmanager
async def upstream(handler: Handler, **named: Any) -> AsyncIterator[str]:
    """The address of a server that talks to each connection with `handler`."""
    settings: dict[str, Any] = {"compression": None, "max_size": None, "logger": SILENT}
    async with serve(handler, "127.0.0.1", 0, **{**settings, **named}) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def started(make_gateway: MakeGateway, **named: Any) -> AsyncIterator[LocalGateway]:
    """A gateway started and stopped beside the loop, not on it: the upstream lives on this loop."""
    gateway = await asyncio.to_thread(lambda: make_gateway(**named))
    try:
        yield gateway
    finally:
        await asyncio.to_thread(gateway.stop)


@asynccontextmanager
async def relaying(make_gateway: MakeGateway, handler: Handler, **named: Any) -> AsyncIterator[LocalGateway]:
    """A gateway whose route "echo" leads to a server that talks with `handler`."""
    async with upstream(handler, **named) as url, started(make_gateway, upstreams={"echo": url}) as gateway:
        yield gateway


async def echo_back(connection: ServerConnection) -> None:
    try:
        while True:
            await connection.send(await connection.recv())
    except ConnectionClosed:
        pass


async def heard_until_end(client: Any) -> tuple[list[Any], int, str]:
    heard: list[Any] = []
    try:
        while True:
            heard.append(await client.recv())
    except ConnectionClosed:
        return heard, client.close_code, client.close_reason


MESSAGES: list[str | bytes] = [
    "",
    b"",
    "text é 🎉",
    "\x00",
    '{ "spaces" :  1e0 }',
    bytes(range(256)),
    b'{"json": "in binary"}',
    "x" * (1024 * 1024 + 7),
    b"\xff" * (3 * 1024 * 1024 + 1),
]


@pytest.mark.parametrize("hops", [1, 2])
def test_messages_pass_unchanged_and_in_kind(make_gateway: MakeGateway, dial: Any, hops: int) -> None:
    async def main() -> None:
        async with (
            relaying(make_gateway, echo_back) as near,
            started(make_gateway, upstreams=Upstream(url=near.url, token=near.token)) as far,
        ):
            gateway = near if hops == 1 else far
            async with dial(f"{gateway.url}/echo") as client:
                for message in MESSAGES:
                    await client.send(message)
                    assert await client.recv() == message
            assert gateway.counters["frames_in"] == gateway.counters["frames_out"] == len(MESSAGES)
            size = sum(len(m.encode() if isinstance(m, str) else m) for m in MESSAGES)
            assert gateway.counters["bytes_in"] == gateway.counters["bytes_out"] == size

    asyncio.run(main())


def test_two_gateways_each_check_their_own_token(make_gateway: MakeGateway, dial: Any) -> None:
    async def main() -> None:
        near = await asyncio.to_thread(lambda: make_gateway(token="near-token"))
        there = Upstream(url=near.url, token="near-token")
        async with started(make_gateway, upstreams=there) as far, dial(f"{far.url}/echo/deep/er?x=1") as client:
            assert await client.recv() == "hello"
            await client.send("through both")
            assert await client.recv() == "through both"
            assert client.response.headers["cf-aig-step"] == "0"
        async with started(make_gateway, upstreams=near.url) as without_token:
            with pytest.raises(InvalidStatus) as refused:
                await dial(f"{without_token.url}/echo")
            assert refused.value.response.status_code == 401
            assert json.loads(refused.value.response.body)["error"][0]["code"] == 2009

    asyncio.run(main())


@pytest.mark.parametrize(
    ("code", "reason", "seen"),
    [
        (1000, "", (1000, "")),
        (1001, "going", (1001, "going")),
        (1008, "policy é", (1008, "policy é")),
        (1011, "x" * 123, (1011, "x" * 123)),
        (4001, "your key is wrong", (4001, "your key is wrong")),
        (None, "", (1005, "")),
        (1006, "", (1006, "")),
    ],
)
@pytest.mark.parametrize("who", ["client", "upstream"])
def test_close_codes_pass_both_ways(
    make_gateway: MakeGateway, dial: Any, who: str, code: int | None, reason: str, seen: tuple[int, str]
) -> None:
    async def main() -> None:
        ends: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

        async def handler(connection: ServerConnection) -> None:
            await connection.send("first")
            if who == "upstream":
                assert await connection.recv() == "now"
                await end(connection, code, reason)
                return
            _, *how = await heard_until_end(connection)
            ends.put_nowait((how[0], how[1]))

        async with relaying(make_gateway, handler) as gateway:
            client = await dial(f"{gateway.url}/echo")
            assert await client.recv() == "first"
            if who == "upstream":
                await client.send("now")
                heard, *how = await heard_until_end(client)
                assert (heard, tuple(how)) == (["last"], seen)
            else:
                await end(client, code, reason)
                assert await ends.get() == seen
                await client.wait_closed()

    asyncio.run(main())


async def end(connection: Any, code: int | None, reason: str) -> None:
    await connection.send("last")
    if code == 1006:
        connection.transport.abort()
        await connection.wait_closed()
    else:
        await connection.close(code, reason)


def test_an_upstream_that_dies_does_not_take_its_last_words_along(make_gateway: MakeGateway, dial: Any) -> None:
    async def handler(connection: ServerConnection) -> None:
        for number in range(100):
            await connection.send(f"{number} {'x' * 10_000}")
        await connection.recv()
        connection.transport.abort()

    async def main() -> None:
        async with relaying(make_gateway, handler) as gateway, dial(f"{gateway.url}/echo") as client:
            await client.send("die")
            heard, code, _ = await heard_until_end(client)
            assert (len(heard), code) == (100, 1006)

    asyncio.run(main())


def test_credentials_of_the_provider_pass_and_those_of_the_gateway_do_not(make_gateway: MakeGateway, dial: Any) -> None:
    seen: list[Any] = []

    async def handler(connection: ServerConnection) -> None:
        seen.append(connection.request)

    async def main() -> None:
        added = {"X-Added": "by the gateway", "x-replaced": "by the gateway"}
        async with upstream(handler, select_subprotocol=lambda _, offered: "realtime") as url:
            behind = Upstream(url=f"{url}/base?own=1", headers=added)
            async with started(make_gateway, upstreams={"echo": behind}) as gateway:
                client = await dial(
                    f"{gateway.url}/echo/deep%2Fer?model=m%20m&api_key=k3y",
                    additional_headers={
                        "cf-aig-authorization": "Bearer t0ken",
                        "cf-aig-metadata": "{}",
                        "Authorization": "Bearer k3y",
                        "Acme-Beta": "realtime=v1",
                        "X-Replaced": "by the client",
                        "Cookie": "notebook-login=c00kie",
                        "Origin": "http://localhost:8888",
                        "X-Other": "kept",
                    },
                    subprotocols=[
                        "echo-api-key.k3y",
                        "acme-beta.realtime-v1",
                        "realtime",
                        "cf-aig-authorization.t0ken",
                    ],
                    user_agent_header="agent/1",
                )
                await client.wait_closed()
                assert client.subprotocol == "realtime"

    asyncio.run(main())
    asked = seen[0]
    assert asked.path == "/base/deep%2Fer?own=1&model=m%20m&api_key=k3y"
    headers = {name.lower(): value for name, value in asked.headers.raw_items()}
    assert headers["authorization"] == "Bearer k3y" and headers["x-other"] == "kept"
    assert headers["x-added"] == headers["x-replaced"] == "by the gateway" and headers["user-agent"] == "agent/1"
    assert headers["sec-websocket-protocol"] == "echo-api-key.k3y, realtime"
    assert not [name for name in headers if name.startswith("cf-aig-") or name in ("acme-beta", "cookie", "origin")]
    assert headers["host"].startswith("127.0.0.1:") and len(asked.headers.get_all("user-agent")) == 1


def test_another_gateway_gets_its_own_token_and_the_rest_of_cf_aig(make_gateway: MakeGateway, dial: Any) -> None:
    seen: list[Any] = []

    async def handler(connection: ServerConnection) -> None:
        seen.append(connection.request)

    def stamp(connection: Any, request: Any, response: Any) -> None:
        response.headers["cf-aig-log-id"] = "of the other gateway"

    async def main() -> None:
        async with upstream(handler, process_response=stamp) as url:
            there = Upstream(url=f"{url}/v1/acct/gate", token="there")
            async with started(make_gateway, upstreams=there) as gateway:
                headers = {"cf-aig-authorization": "t0ken", "cf-aig-metadata": '{"a":1}'}
                client = await dial(f"{gateway.url}/any/route?x=1", additional_headers=headers)
                await client.wait_closed()
                assert client.response.headers["cf-aig-log-id"] == "of the other gateway"
                assert client.response.headers["cf-aig-step"] == "0"

    asyncio.run(main())
    assert seen[0].path == "/v1/acct/gate/any/route?x=1"
    assert seen[0].headers.get_all("cf-aig-authorization") == ["Bearer there"]
    assert seen[0].headers["cf-aig-metadata"] == '{"a":1}'


@pytest.mark.parametrize(("chosen", "answered"), [(None, "cf-aig-authorization.t0ken"), ("second", "second")])
def test_a_browser_always_gets_one_of_its_subprotocols(
    make_gateway: MakeGateway, dial: Any, chosen: str | None, answered: str
) -> None:
    async def main() -> None:
        async with relaying(make_gateway, echo_back, select_subprotocol=lambda *_: chosen) as gateway:
            offered = ["first", "second", "cf-aig-authorization.t0ken"]
            async with dial(f"{gateway.url}/echo", subprotocols=offered) as client:
                assert client.subprotocol == answered

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 429, 302, 200, 520])
def test_a_refusal_of_the_upstream_reaches_the_client_as_it_is(
    make_gateway: MakeGateway, dial: Any, status: int
) -> None:
    body = b'{"error":{"message":"no"}}'
    more = {
        "Content-Type": "application/json; x=y",
        "Retry-After": "7",
        "Location": "ws://elsewhere/",
        "Set-Cookie": "a",
    }

    def refuse(connection: Any, request: Any) -> Response:
        return Response(status, "Whatever", Headers({**more, "Content-Length": str(len(body))}), body)

    async def main() -> None:
        async with relaying(make_gateway, echo_back, process_request=refuse) as gateway:
            with pytest.raises(InvalidStatus) as refused:
                await dial(f"{gateway.url}/echo")
            answer = refused.value.response
            assert (answer.status_code, answer.body) == (status, body)
            assert answer.headers["content-type"] == "application/json; x=y"
            assert answer.headers["retry-after"] == "7"
            assert "location" not in answer.headers and "set-cookie" not in answer.headers

    asyncio.run(main())


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_an_unreachable_upstream_is_a_bad_gateway_without_its_secrets(
    make_gateway: MakeGateway, dial: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"ws://127.0.0.1:{closed_port()}/path?key=s3cret"
    gateway = make_gateway(upstreams={"echo": url})

    async def main() -> Response:
        with pytest.raises(InvalidStatus) as refused:
            await dial(f"{gateway.url}/echo?api_key=s3cret")
        return refused.value.response

    answer = asyncio.run(main())
    assert answer.status_code == 502 and answer.headers["content-type"] == "application/json"
    error = json.loads(answer.body)["error"][0]
    assert error["code"] == 2002 and "/path" in error["message"]
    assert "s3cret" not in error["message"] and "s3cret" not in caplog.text


def test_an_upstream_that_is_no_http_server_is_a_bad_gateway(make_gateway: MakeGateway, dial: Any) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with started(make_gateway, upstreams={"echo": f"ws://127.0.0.1:{port}"}) as gateway:
                with pytest.raises(InvalidStatus) as refused:
                    await dial(f"{gateway.url}/echo")
                assert refused.value.response.status_code == 502

    asyncio.run(main())


def test_a_message_over_the_limit_ends_both_sides(make_gateway: MakeGateway, dial: Any) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(b"x" * (MAX_SIZE + 1))
        await connection.wait_closed()

    async def main() -> None:
        async with relaying(make_gateway, handler) as gateway, dial(f"{gateway.url}/echo") as client:
            heard, code, _ = await heard_until_end(client)
            assert (heard, code) == ([], 1009)

    asyncio.run(main())


def test_a_slow_client_slows_the_upstream_down(make_gateway: MakeGateway, dial: Any) -> None:
    sent = 0

    async def handler(connection: ServerConnection) -> None:
        nonlocal sent
        try:
            while True:
                await connection.send(b"x" * 100_000)
                sent += 1
        except ConnectionClosed:
            pass

    async def main() -> None:
        async with relaying(make_gateway, handler) as gateway:
            client = await dial(f"{gateway.url}/echo", max_queue=1)
            before = -1
            while sent != before or not sent:
                before = sent
                await _turns(gateway)
            assert sent * 100_000 < 64 * 1024 * 1024
            for _ in range(before + 1):
                assert len(await client.recv()) == 100_000
            client.transport.abort()
            await client.wait_closed()

    asyncio.run(main())


async def _turns(gateway: LocalGateway, count: int = 200) -> None:
    loop = gateway._current._loop  # type: ignore[union-attr]
    for _ in range(count):
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop))


def test_an_upstream_dialled_for_a_broken_handshake_is_let_go(make_gateway: MakeGateway) -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def handler(connection: ServerConnection) -> None:
            await connection.wait_closed()
            gone.set()

        async with relaying(make_gateway, handler) as gateway:
            reader, writer = await asyncio.open_connection(*gateway.address)
            writer.write(
                b"GET /v1/local/notebook/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: not a key\r\ncf-aig-authorization: t0ken\r\n\r\n"
            )
            assert b" 400 " in await reader.readline()
            writer.close()
            await writer.wait_closed()
            await gone.wait()

    asyncio.run(main())


def test_stopping_says_going_away_to_both_sides(make_gateway: MakeGateway, dial: Any) -> None:
    async def main() -> None:
        ends: asyncio.Queue[int] = asyncio.Queue()

        async def handler(connection: ServerConnection) -> None:
            _, code, _ = await heard_until_end(connection)
            ends.put_nowait(code)

        async with relaying(make_gateway, handler) as gateway:
            client = await dial(f"{gateway.url}/echo")
            stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
            _, code, _ = await heard_until_end(client)
            assert (code, await ends.get()) == (1001, 1001)
            await stopping

    asyncio.run(main())
