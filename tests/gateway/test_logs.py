"""The gateway's log rows and the API that gives them, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from websockets.exceptions import InvalidStatus

from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Refused
from aigw_notebook.gateway.logs import Log, LogEntry, metadata_of
from tests.gateway.conftest import EchoEmulator

TOKEN = {"cf-aig-authorization": "Bearer t0ken"}
ROW_KEYS = {
    "id", "created_at", "provider", "model", "model_type", "path", "request_type", "request_content_type",
    "response_content_type", "success", "status_code", "cached", "duration", "tokens_in", "tokens_out", "cost",
    "custom_cost", "metadata", "step", "event_id", "user_agent", "authentication", "byok", "wholesale", "feedback",
    "events",
}  # fmt: skip


def logs_url(gateway: LocalGateway, name: str = "notebook", account: str = "local") -> str:
    host, port = gateway.address
    return f"http://{host}:{port}/client/v4/accounts/{account}/ai-gateway/gateways/{name}/logs"


def fetch(url: str, *, token: str | None = "t0ken", method: str = "GET", **parameters: Any) -> tuple[int, Any]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    query = f"?{urlencode(parameters)}" if parameters else ""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url + query, headers=headers, method=method), timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def rows_of(gateway: LocalGateway, **parameters: Any) -> list[dict[str, Any]]:
    status, answer = fetch(logs_url(gateway), **parameters)
    assert status == 200 and answer["success"] is True
    rows: list[dict[str, Any]] = answer["result"]
    return rows


async def talk(dial: Callable[..., Any], url: str, *said: str, **headers: str) -> dict[str, str]:
    """Says things to the echo, hears them again, closes; the headers of the 101."""
    asked = {**TOKEN, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with dial(url, additional_headers=asked) as ws:
        assert await ws.recv() == "hello"
        for words in said:
            await ws.send(words)
            assert await ws.recv() == words
        return dict(ws.response.headers.raw_items())


# ------------------------------------------------------------------------------------------------------ one session


def test_a_session_leaves_one_row_when_it_is_over(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    async def play() -> tuple[str, list[dict[str, Any]]]:
        asked = {**TOKEN, "cf-aig-metadata": '{"who": "me", "n": 2}', "cf-aig-event-id": "ev-1"}
        url = f"{gateway.url}/echo/deep/er?model=echo-2&api_key=k3y-of-provider"
        async with dial(url, additional_headers=asked, user_agent_header="tests/1") as ws:
            assert await ws.recv() == "hello"
            await ws.send("once")
            assert await ws.recv() == "once"
            running = await asyncio.to_thread(rows_of, gateway)
            return ws.response.headers["cf-aig-log-id"], running

    log_id, running = asyncio.run(play())
    assert running == []
    (row,) = rows_of(gateway)
    assert row.keys() == ROW_KEYS
    assert row["created_at"].endswith("Z") and row["duration"] >= 0
    known = {name: row[name] for name in ROW_KEYS - {"created_at", "duration"}}
    assert known == {
        "id": log_id,
        "provider": "echo",
        "model": "echo-2",
        "model_type": None,
        "path": "echo/deep/er",
        "request_type": "websocket",
        "request_content_type": None,
        "response_content_type": None,
        "success": True,
        "status_code": 101,
        "cached": False,
        "tokens_in": None,
        "tokens_out": None,
        "cost": None,
        "custom_cost": False,
        "metadata": {"who": "me", "n": 2},
        "step": 0,
        "event_id": "ev-1",
        "user_agent": "tests/1",
        "authentication": True,
        "byok": False,
        "wholesale": False,
        "feedback": None,
        "events": 3,
    }


def test_a_row_by_its_id_has_sizes_and_no_payload(gateway: LocalGateway, dial: Any) -> None:
    headers = asyncio.run(talk(dial, f"{gateway.url}/echo", "four"))
    status, answer = fetch(f"{logs_url(gateway)}/{headers['cf-aig-log-id']}")
    assert status == 200
    row = answer["result"]
    assert row["request_size"] == 4 and row["response_size"] == len("hello" + "four")
    assert row["request_head"] is None and row["response_head_complete"] is False
    assert {name: row[name] for name in ROW_KEYS} == rows_of(gateway)[0]


def test_many_sessions_count_apart_and_together(gateway: LocalGateway, dial: Any) -> None:
    async def play() -> None:
        await asyncio.gather(*(talk(dial, f"{gateway.url}/echo?model={n}", *"x" * n) for n in range(4)))

    asyncio.run(play())
    assert {row["model"]: row["events"] for row in rows_of(gateway)} == {str(n): 1 + 2 * n for n in range(4)}
    counters = gateway.counters
    assert (counters["connections"], counters["open"], counters["frames_out"]) == (4, 0, 10)


def test_tokens_are_what_the_emulator_reported_and_the_cost_is_the_clients_own_price(
    gateway: LocalGateway, dial: Any, echo: list[EchoEmulator]
) -> None:
    async def play(**asked: str) -> None:
        async with dial(f"{gateway.url}/echo", additional_headers={**TOKEN, **asked}) as ws:
            assert await ws.recv() == "hello"
            echo[-1].usage.add(10, 4)
            echo[-1].usage.add(1, 0)
            echo[-1].usage.model = "named-later"

    asyncio.run(play())
    asyncio.run(play(**{"cf-aig-custom-cost": '{"per_token_in": 0.5, "per_token_out": 2}'}))
    priced, plain = rows_of(gateway)
    assert [(row["tokens_in"], row["tokens_out"], row["model"]) for row in (priced, plain)] == [
        (11, 4, "named-later")
    ] * 2
    assert (plain["cost"], plain["custom_cost"]) == (None, False)
    assert (priced["cost"], priced["custom_cost"]) == (13.5, True)


@pytest.mark.parametrize("header", ["", "[]", "{}", '{"per_token_in": -1}', '{"per_token_in": "1"}', "{", "NaN"])
def test_a_price_that_is_none_leaves_the_cost_unknown(gateway: LocalGateway, dial: Any, echo: Any, header: str) -> None:
    async def play() -> None:
        async with dial(f"{gateway.url}/echo", additional_headers={**TOKEN, "cf-aig-custom-cost": header}) as ws:
            assert await ws.recv() == "hello"
            echo[-1].usage.add(1, 1)

    asyncio.run(play())
    assert [(row["cost"], row["custom_cost"]) for row in rows_of(gateway)] == [(None, False)]


@pytest.mark.parametrize(("header", "rows"), [("false", 0), ("False", 0), ("true", 1), ("odd", 1)])
def test_the_client_can_leave_its_row_out(gateway: LocalGateway, dial: Any, header: str, rows: int) -> None:
    asyncio.run(talk(dial, f"{gateway.url}/echo", cf_aig_collect_log=header, cf_aig_collect_log_payload="false"))
    assert len(rows_of(gateway)) == rows


def test_a_session_that_breaks_off_leaves_its_row(gateway: LocalGateway, dial: Any, echo: list[EchoEmulator]) -> None:
    async def play() -> None:
        ws = await dial(f"{gateway.url}/echo")
        assert await ws.recv() == "hello"
        ws.transport.abort()

    asyncio.run(play())
    assert echo[0].closed.wait(5)
    assert [row["status_code"] for row in rows_of(gateway)] == [101]


def test_a_stored_key_is_told_from_one_that_was_sent(gateway: LocalGateway, dial: Any) -> None:
    asyncio.run(talk(dial, f"{gateway.url}/echo?model=stored", cf_aig_byok_alias="mine"))
    asyncio.run(talk(dial, f"{gateway.url}/echo?model=sent&api_key=k3y-of-provider", cf_aig_byok_alias="mine"))
    assert {row["model"]: row["byok"] for row in rows_of(gateway)} == {"stored": True, "sent": False}


# -------------------------------------------------------------------------------------------------------- metadata


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("", {}),
        ('{"a": "x", "b": 1, "c": 1.5, "d": true}', {"a": "x", "b": 1, "c": 1.5, "d": True}),
        (json.dumps(dict.fromkeys("abcdefg", 1)), dict.fromkeys("abcde", 1)),
        ('{"cf.user_id": "u", "a": 1}', {"a": 1}),
        ('{"a": 1, "b": null}', {}),
        ('{"a": 1, "b": {"c": 1}}', {}),
        ('{"a": 1, "b": [1]}', {}),
        ('{"a": NaN}', {}),
        ('{"a": 1e999}', {}),
        ('["a"]', {}),
        ("a=1", {}),
        ("[" * 5_000, {}),
    ],
)
def test_metadata_is_kept_or_dropped_as_the_gateway_does(header: str, kept: dict[str, Any]) -> None:
    assert metadata_of(header) == kept


# --------------------------------------------------------------------------------------------------------- secrets


def test_no_secret_is_in_a_row(gateway: LocalGateway, dial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EchoEmulator, "routes", ("echo/",))
    secrets = ["t0ken", "pr0vider-key-1", "qu3ry-key-2", "subpr0tocol-key-3", "b3arer-4"]
    everywhere = " ".join(secrets)
    asked = {
        **TOKEN,
        "Authorization": "Bearer pr0vider-key-1",
        "x-some-key": "b3arer-4",
        "cf-aig-event-id": everywhere,
        "cf-aig-metadata": json.dumps({"note": everywhere, "t0ken": 1}),
        "content-type": everywhere,
    }
    url = f"{gateway.url}/echo/{quote(everywhere)}?model={quote(everywhere)}&api_key=qu3ry-key-2"

    async def play() -> None:
        offered = ["realtime", "echo-api-key.subpr0tocol-key-3"]
        more = {"additional_headers": asked, "subprotocols": offered, "user_agent_header": everywhere}
        async with dial(url, **more) as ws:
            assert await ws.recv() == "hello"

    asyncio.run(play())
    (row,) = rows_of(gateway)
    status, answer = fetch(f"{logs_url(gateway)}/{row['id']}")
    assert status == 200
    text = json.dumps([row, answer, gateway.describe()])
    assert [secret for secret in secrets if secret in text] == []
    assert "***" in row["path"] and "***" in row["model"] and row["metadata"]["***"] == 1


def test_what_a_client_wrote_is_kept_up_to_a_length(gateway: LocalGateway, dial: Any) -> None:
    asyncio.run(talk(dial, f"{gateway.url}/echo?model={'m' * 5_000}"))
    assert rows_of(gateway)[0]["model"] == "m" * 1_024


def test_reading_the_log_leaves_no_row_and_no_refusal(gateway: LocalGateway) -> None:
    assert rows_of(gateway) == rows_of(gateway) == []
    assert fetch(logs_url(gateway), token="wr0ng")[0] == 401
    assert gateway.counters["refused"] == gateway.counters["connections"] == 0


# -------------------------------------------------------------------------------------------------------- refusals


async def refused(dial: Any, url: str, **named: Any) -> Any:
    with pytest.raises(InvalidStatus) as caught:
        await dial(url, **named)
    return caught.value.response


def test_a_providers_refusal_leaves_a_row(
    gateway: LocalGateway, dial: Any, echo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EchoEmulator, "refuse", lambda handshake: Refused(status=403, body=b"{}"))
    response = asyncio.run(refused(dial, f"{gateway.url}/echo?model=m"))
    (row,) = rows_of(gateway)
    assert row["id"] == response.headers["cf-aig-log-id"]
    assert (row["success"], row["status_code"], row["model"], row["events"]) == (False, 403, "m", 0)
    assert row["response_content_type"] == "application/json"


def test_the_gateways_own_refusals_leave_none(gateway: LocalGateway, dial: Any) -> None:
    host, port = gateway.address
    wrong = {"cf-aig-authorization": "Bearer wr0ng"}
    for url, named, status in [
        (f"{gateway.url}/echo", {"additional_headers": wrong}, 401),
        (f"{gateway.url}/nobody", {}, 400),
        (f"ws://{host}:{port}/v1/local/other/echo", {}, 400),
    ]:
        assert asyncio.run(refused(dial, url, **named)).status_code == status
    assert rows_of(gateway) == []


def test_a_relayed_session_has_the_ids_of_the_gateway_behind_and_no_tokens(
    make_gateway: Callable[..., LocalGateway], dial: Any, echo: list[EchoEmulator]
) -> None:
    behind = make_gateway(authentication=False)
    gateway = make_gateway(upstreams=behind.url)

    async def play() -> None:
        async with dial(f"{gateway.url}/echo") as ws:
            assert await ws.recv() == "hello"
            echo[0].usage.add(3, 3)

    asyncio.run(play())
    assert echo[0].closed.wait(5)
    (here,), (there,) = rows_of(gateway), rows_of(behind)
    assert here["id"] == there["id"] and here["events"] == there["events"] == 1
    assert (here["tokens_in"], there["tokens_in"]) == (None, 3)
    assert (here["authentication"], there["authentication"]) == (True, False)


def test_an_upstream_that_refuses_or_is_not_there_leaves_a_row(
    make_gateway: Callable[..., LocalGateway], dial: Any
) -> None:
    behind = make_gateway(token="0ther")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = closed.getsockname()[1]
    gateway = make_gateway(upstreams={"echo": behind.url, "echo/gone": f"ws://127.0.0.1:{nowhere}"})
    assert asyncio.run(refused(dial, f"{gateway.url}/echo")).status_code == 401
    assert asyncio.run(refused(dial, f"{gateway.url}/echo/gone")).status_code == 502
    assert [(row["path"], row["status_code"]) for row in rows_of(gateway)] == [("echo/gone", 502), ("echo", 401)]


# ---------------------------------------------------------------------------------------------------------- the API


def complaint(code: int, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}


@pytest.mark.parametrize("token", [None, "", "wr0ng", "t0ken more"])
@pytest.mark.parametrize("tail", ["", "/some-id"])
def test_rows_are_given_for_the_token_only(gateway: LocalGateway, token: str | None, tail: str) -> None:
    assert fetch(logs_url(gateway) + tail, token=token) == (401, complaint(10000, "Authentication error"))


def test_the_token_in_another_header_does_not_count(gateway: LocalGateway) -> None:
    request = urllib.request.Request(logs_url(gateway), headers=TOKEN)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught, opener.open(request, timeout=10):
        pass
    with caught.value as error:
        assert error.code == 401


def test_without_authentication_anybody_reads(make_gateway: Callable[..., LocalGateway], dial: Any) -> None:
    gateway = make_gateway(authentication=False)
    asyncio.run(talk(dial, f"{gateway.url}/echo"))
    status, answer = fetch(logs_url(gateway), token=None)
    assert status == 200 and answer["result"][0]["authentication"] is False


def test_what_is_not_there_is_said(gateway: LocalGateway) -> None:
    assert fetch(f"{logs_url(gateway)}/nothing") == (404, complaint(7002, "Log not found"))
    nobody = complaint(7003, "No such account or gateway")
    assert fetch(logs_url(gateway, name="other")) == (404, nobody)
    assert fetch(logs_url(gateway, account="other")) == (404, nobody)
    assert fetch(f"{logs_url(gateway)}/x/request")[0] == 404
    assert fetch(logs_url(gateway), method="DELETE") == (405, complaint(10405, "Method not allowed"))


def test_the_two_names_of_a_gateway_have_rows_of_their_own(gateway: LocalGateway, dial: Any) -> None:
    host, port = gateway.address
    asyncio.run(talk(dial, f"ws://{host}:{port}/v1/local/default/echo?model=d"))
    assert rows_of(gateway) == []
    status, answer = fetch(logs_url(gateway, name="default"))
    assert status == 200 and [row["model"] for row in answer["result"]] == ["d"]


def test_pages_hold_the_newest_first(gateway: LocalGateway, dial: Any) -> None:
    for n in range(5):
        asyncio.run(talk(dial, f"{gateway.url}/echo?model={n}"))
    status, answer = fetch(logs_url(gateway), page=2, per_page=2)
    assert status == 200 and [row["model"] for row in answer["result"]] == ["2", "1"]
    assert answer["result_info"] == {"page": 2, "per_page": 2, "count": 2, "total_count": 5}
    assert [row["model"] for row in rows_of(gateway, order_by_direction="asc", per_page=2)] == ["0", "1"]
    assert rows_of(gateway, page=9) == []
    wanted = [{"key": "model", "operator": "eq", "value": ["1", "3"]}]
    assert [row["model"] for row in rows_of(gateway, filters=json.dumps(wanted))] == ["3", "1"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("page", "0", "page takes a whole number"),
        ("per_page", "51", "per_page takes a whole number from 1 to 50"),
        ("per_page", "x" * 500, "per_page takes"),
        ("order_by", "cost", "order_by takes one of created_at"),
        ("order_by_direction", "up", "order_by_direction takes one of asc, desc"),
        ("start_date", "yesterday", "start_date takes a date or time"),
        ("success", "maybe", "success takes true or false"),
        ("min_cost", "cheap", "min_cost takes a number"),
        ("max_duration", "nan", "max_duration takes a number"),
        ("filters", "{", "filters takes a JSON array"),
        ("filters", "[1]", "filters takes a JSON array"),
        ("filters", '[{"key":"path","operator":"eq","value":["x"]}]', "the key of a filter is one of"),
        ("filters", '[{"key":["id"],"operator":"eq","value":["x"]}]', "the key of a filter is one of"),
        ("filters", '[{"key":"id","operator":"like","value":["x"]}]', "the operator of a filter is one of"),
        ("filters", '[{"key":"id","operator":"eq","value":"x"}]', "the value of a filter is an array"),
        ("filters", '[{"key":"id","operator":"eq","value":[null]}]', "a filter by id takes text"),
        ("filters", '[{"key":"cost","operator":"gt","value":["x"]}]', "a filter by cost takes a number"),
    ],
)
def test_a_bad_parameter_is_named(gateway: LocalGateway, name: str, value: str, words: str) -> None:
    status, answer = fetch(logs_url(gateway), **{name: value})
    assert status == 400
    (error,) = answer["errors"]
    assert error["code"] == 7001 and error["message"].startswith(words) and "x" * 100 not in error["message"]


# --------------------------------------------------------------------------------------------------------- the ring


def test_the_oldest_rows_make_room_and_are_counted() -> None:
    log = Log(limit=3)
    for n in range(5):
        log.add(LogEntry("g", {"id": str(n)}))
    assert [one["id"] for one in log.rows("g")] == ["2", "3", "4"]
    assert log.describe() == {"rows": 3, "limit": 3, "dropped": 2}
    assert log.get("g", "1") is None and log.get("other", "3") is None and log.get("g", "3") is not None


def test_a_gateway_says_how_many_rows_it_has(gateway: LocalGateway, dial: Any) -> None:
    asyncio.run(talk(dial, f"{gateway.url}/echo"))
    assert len(rows_of(gateway)) == 1
    assert gateway.describe()["logs"] == {"rows": 1, "limit": 1_000, "dropped": 0}
    gateway.stop()
    assert gateway.describe()["logs"]["rows"] == 0
