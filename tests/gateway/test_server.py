"""What a gateway answers before the upgrade, over real sockets."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from aigw_notebook.gateway import LocalGateway

TOKEN = {"cf-aig-authorization": "Bearer t0ken"}
BODIES = {
    2009: (401, "Unauthorized"),
    2001: (400, "Please configure AI Gateway in the Cloudflare dashboard"),
    2008: (400, "Invalid provider"),
    7003: (404, "No route for that URI"),
}


async def handshake(dial: Callable[..., Any], url: str, **named: Any) -> Any:
    """The response to an upgrade, after the first message of an open connection."""
    try:
        async with dial(url, **named) as socket:
            assert await socket.recv() == "hello"
            return socket.response
    except InvalidStatus as error:
        return error.response


def assert_refused(response: Any, code: int) -> None:
    status, message = BODIES[code]
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body) == {
        "success": False,
        "result": [],
        "messages": [],
        "error": [{"code": code, "message": message}],
        "name": "AiGatewayError",
        "httpCode": status,
        "internalCode": code,
    }


HEADERS: dict[str, dict[str, str]] = {
    "none": {},
    "bearer": {"cf-aig-authorization": "Bearer t0ken"},
    "bare": {"cf-aig-authorization": "t0ken"},
    "wrong": {"cf-aig-authorization": "Bearer other"},
    "elsewhere": {"authorization": "Bearer t0ken"},
}
SUBPROTOCOLS: dict[str, list[str]] = {
    "none": [],
    "right": ["cf-aig-authorization.t0ken"],
    "wrong": ["cf-aig-authorization.other"],
}
RIGHT_HEADERS, RIGHT_SUBPROTOCOLS = {"bearer", "bare"}, {"right"}


@pytest.mark.parametrize("authentication", [True, False])
@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
@pytest.mark.parametrize("header", HEADERS)
def test_the_token_opens_by_header_or_subprotocol(
    make_gateway: Callable[..., LocalGateway],
    dial: Callable[..., Any],
    header: str,
    subprotocol: str,
    authentication: bool,
) -> None:
    gateway = make_gateway(authentication=authentication)
    response = asyncio.run(
        handshake(
            dial,
            f"{gateway.url}/echo",
            additional_headers=HEADERS[header],
            subprotocols=SUBPROTOCOLS[subprotocol] or None,
        )
    )
    if not authentication or header in RIGHT_HEADERS or subprotocol in RIGHT_SUBPROTOCOLS:
        assert response.status_code == 101
    else:
        assert_refused(response, 2009)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/local/notebook/echo", 101),
        ("/v1/local/default/echo", 101),
        ("/v1/local/notebook/echo/", 101),
        ("/v1/local/notebook/echo/deep/er?x=1", 101),
        ("/v1/local/other/echo", 2001),
        ("/v1/someone/notebook/echo", 2001),
        ("/v1/local/notebook/nobody", 2008),
        ("/v1/local/notebook/echo/shallow", 2008),
        ("/v2/local/notebook/echo", 7003),
        ("/", 7003),
    ],
)
def test_routes_lead_where_they_should(gateway: LocalGateway, dial: Callable[..., Any], path: str, code: int) -> None:
    host, port = gateway.address
    response = asyncio.run(handshake(dial, f"ws://{host}:{port}{path}"))
    if code == 101:
        assert response.status_code == 101
    else:
        assert_refused(response, code)
        assert gateway.counters["refused"] == 1


def test_an_unknown_gateway_is_said_before_the_token_is_looked_at(gateway: LocalGateway, dial: Any) -> None:
    host, port = gateway.address
    url = f"ws://{host}:{port}/v1/local/other/echo"
    assert_refused(asyncio.run(handshake(dial, url, additional_headers={})), 2001)


def test_the_token_is_looked_at_before_the_route(gateway: LocalGateway, dial: Any) -> None:
    assert_refused(asyncio.run(handshake(dial, f"{gateway.url}/nobody", additional_headers={})), 2009)


def test_the_answer_carries_ids(gateway: LocalGateway, dial: Any) -> None:
    headers = asyncio.run(handshake(dial, f"{gateway.url}/echo")).headers
    assert headers["cf-aig-log-id"] == headers["cf-aig-request-id"] == headers["cf-aig-event-id"]
    assert headers["cf-aig-log-id"][14] == "7" and headers["cf-aig-step"] == "0"


def test_the_clients_event_id_is_echoed(gateway: LocalGateway, dial: Any) -> None:
    asked = {**TOKEN, "cf-aig-event-id": "my-event"}
    headers = asyncio.run(handshake(dial, f"{gateway.url}/echo", additional_headers=asked)).headers
    assert headers["cf-aig-event-id"] == "my-event" and headers["cf-aig-log-id"] != "my-event"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        (["cf-aig-authorization.t0ken"], "cf-aig-authorization.t0ken"),
        (["realtime", "echo-api-key.k", "cf-aig-authorization.t0ken"], "realtime"),
        (["cf-aig-authorization.t0ken", "echo-api-key.k", "realtime"], "realtime"),
        (["echo-api-key.k", "cf-aig-authorization.t0ken"], "cf-aig-authorization.t0ken"),
        (["echo-api-key.k"], "echo-api-key.k"),
    ],
)
def test_exactly_one_offered_subprotocol_is_answered(
    gateway: LocalGateway, dial: Any, offered: list[str] | None, chosen: str | None
) -> None:
    response = asyncio.run(handshake(dial, f"{gateway.url}/echo", subprotocols=offered))
    assert response.headers.get_all("Sec-WebSocket-Protocol") == ([chosen] if chosen else [])


@pytest.mark.parametrize(
    ("query", "headers", "offered"),
    [
        ("?api_key=k3y", {}, None),
        ("", {"Authorization": "Bearer k3y"}, None),
        ("", {}, ["realtime", "echo-api-key.k3y", "cf-aig-authorization.t0ken"]),
    ],
)
def test_the_emulator_learns_the_providers_key_and_not_the_gateways_token(
    gateway: LocalGateway, dial: Any, echo: Any, query: str, headers: dict[str, str], offered: list[str] | None
) -> None:
    url = f"{gateway.url}/echo{query}"
    asyncio.run(handshake(dial, url, additional_headers={**TOKEN, **headers}, subprotocols=offered))
    known = echo[0].handshake
    assert known.key == "k3y" and known.route == "echo"
    everything = f"{known.query} {known.headers} {known.subprotocols}"
    assert "t0ken" not in everything and "k3y" not in repr(known).replace(repr(dict(known.query)), "")


def fetch(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_browser_gets_one_line_at_the_root(gateway: LocalGateway) -> None:
    host, port = gateway.address
    status, text = fetch(f"http://{host}:{port}/")
    assert status == 200 and text.count("\n") == 1 and "embedded gateway" in text


@pytest.mark.parametrize(("path", "status"), [("/v1/local/notebook/echo", 426), ("/elsewhere", 404)])
def test_plain_requests_are_told_what_is_missing(gateway: LocalGateway, path: str, status: int) -> None:
    host, port = gateway.address
    assert fetch(f"http://{host}:{port}{path}")[0] == status
    assert gateway.counters["refused"] == 0
