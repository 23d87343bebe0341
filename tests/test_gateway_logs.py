"""`gateway_logs`: rows from a local gateway and from a stand-in for Cloudflare's REST API, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import aigw_notebook as aigw
from aigw_notebook import log_rows
from aigw_notebook.commands import COMMANDS
from aigw_notebook.endpoint import SESSION_METADATA, Endpoint
from aigw_notebook.errors import ConfigurationError, GatewayError, MissingKey, Unauthorized, Unreachable
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.log_rows import LOG_COLUMNS, gateway_logs
from aigw_notebook.transcript import Transcript

ACCOUNT = "0123456789abcdef" * 2
API_TOKEN = "cfut_api-t0ken-of-the-tests"
HERE = Endpoint(url="ws://x", kind="embedded", safe="ws://x", where="x")


# ------------------------------------------------------------------------------------------------ from local gateways


def test_it_is_a_name_of_the_package_even_after_its_module_was_imported() -> None:
    assert aigw.gateway_logs is gateway_logs and not isinstance(aigw.gateway_logs, ModuleType)


@pytest.mark.sessions
@pytest.mark.parametrize("provider", ["openai", "google"])
def test_the_row_of_a_session_has_its_tokens_and_its_id(
    make_local: Callable[..., aigw.LocalGateway], provider: str
) -> None:
    gateway = make_local(pace=Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0))
    with aigw.connect(provider, gateway=gateway, quiet=True) as session:
        session.ask("What is two and two?")
        session.ask("And three and three?")
    (row,) = gateway_logs(gateway, session=session)
    assert row["session"] == row[f"metadata.{SESSION_METADATA}"] == session.session_id
    assert row["id"] == session.transcript.gateway_log_id == session.records[0]["gateway_log_id"]
    assert (row["provider"], row["model"], row["success"]) == (provider, session.model, True)
    assert row["tokens_in"] == session.usage.input_tokens and row["tokens_in"] > 0
    assert row["tokens_out"] == session.usage.output_tokens and row["tokens_out"] > 0
    assert row["cost"] is None and row["events"] > 4


@pytest.mark.sessions
def test_a_provider_that_reports_no_tokens_has_none() -> None:
    with aigw.connect("cartesia", quiet=True) as session:
        session.ask("Say this.")
    (row,) = gateway_logs()
    assert (row["provider"], row["tokens_in"], row["tokens_out"]) == ("cartesia", None, None)


@pytest.mark.sessions
def test_rows_come_newest_first_with_the_same_keys() -> None:
    sessions = []
    for provider in ("openai", "deepgram", "openai"):
        with aigw.connect(provider, quiet=True) as session:
            sessions.append(session)
    rows = gateway_logs()
    assert [row["session"] for row in rows] == [session.session_id for session in reversed(sessions)]
    assert len({tuple(row) for row in rows}) == 1 and tuple(rows[0])[: len(LOG_COLUMNS)] == LOG_COLUMNS
    assert all(isinstance(value, str | int | float | None) for row in rows for value in row.values())
    assert [row["session"] for row in gateway_logs(provider="deepgram")] == [sessions[1].session_id]
    assert [row["session"] for row in gateway_logs(limit=1)] == [sessions[2].session_id]
    assert gateway_logs(model="no such model") == gateway_logs(success=False) == []
    assert len(gateway_logs(search=sessions[0].session_id)) == len(gateway_logs(session=sessions[0].session_id)) == 1


@pytest.mark.sessions
def test_times_without_a_zone_are_local() -> None:
    with aigw.connect("openai", quiet=True):
        before = datetime.now() - timedelta(minutes=1)
    assert len(gateway_logs(start=before, end=before + timedelta(minutes=2))) == 1
    assert len(gateway_logs(start=before.isoformat())) == 1
    assert gateway_logs(end=before.astimezone(timezone(timedelta(hours=9)))) == []


@pytest.mark.sessions
def test_more_rows_than_a_page_holds_are_fetched(
    make_local: Callable[..., aigw.LocalGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_rows, "PER_PAGE", 2)
    gateway = make_local()
    for _ in range(5):
        with aigw.connect("openai", gateway=gateway, quiet=True):
            pass
    assert len(gateway_logs(gateway)) == 5
    assert len({row["id"] for row in gateway_logs(gateway, limit=4)}) == 4
    assert len(gateway_logs(gateway, limit=3)) == 3


@pytest.mark.sessions
def test_a_gateway_is_named_in_any_way(make_local: Callable[..., aigw.LocalGateway]) -> None:
    gateway = make_local(gateway="mine", account="me")
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        pass
    named: list[tuple[Any, str | None]] = [
        (gateway, None),
        (gateway.url, gateway.token),
        (aigw.Gateway.from_url(gateway.url, gateway.token), None),
        (aigw.Gateway.from_url(gateway.url, "another"), gateway.token),
    ]
    for given, token in named:
        assert [row["session"] for row in gateway_logs(given, token=token)] == [session.session_id]
    with pytest.raises(Unauthorized, match="check the gateway token") as caught:
        gateway_logs(gateway.url, token="wr0ng-token")
    assert (caught.value.status, caught.value.code) == (401, 10000) and "wr0ng" not in str(caught.value)


@pytest.mark.sessions
def test_the_environment_names_the_gateway(
    make_local: Callable[..., aigw.LocalGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = make_local()
    monkeypatch.setenv("AIGW_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("CF_AIG_TOKEN", gateway.token)
    with aigw.connect("openai", quiet=True) as session:
        pass
    assert [row["session"] for row in gateway_logs()] == [session.session_id]


@pytest.mark.sessions
def test_a_session_with_full_metadata_is_joined_by_its_log_id(make_local: Callable[..., aigw.LocalGateway]) -> None:
    gateway = make_local()
    mine = aigw.Gateway(
        base_url=gateway.url.partition("/v1/")[0],
        account_id="local",
        gateway_id="notebook",
        token=gateway.token,
        kind="embedded",
        metadata=dict.fromkeys("abcde", 1),
    )
    with aigw.connect("openai", gateway=mine, quiet=True) as session:
        pass
    (row,) = gateway_logs(mine, session=session)
    assert row["session"] == session.session_id and f"metadata.{SESSION_METADATA}" not in row
    assert [row["session"] for row in gateway_logs(mine)] == [None]
    assert gateway_logs(mine, session=session.transcript)[0]["id"] == row["id"]
    assert gateway_logs(mine, session="s000000000000") == []


@pytest.mark.sessions
def test_an_async_session_is_joined_too() -> None:
    async def play() -> list[dict[str, Any]]:
        async with aigw.connect("openai", quiet=True) as session:
            pass
        return await asyncio.to_thread(gateway_logs, session=session)

    assert len(asyncio.run(play())) == 1


@pytest.mark.sessions
def test_the_line_magic_shows_them(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    logs: Any = COMMANDS["logs"]
    magics: Any = None
    assert logs(magics, []) is None and "no log row yet" in capsys.readouterr().out
    with aigw.connect("openai", quiet=True) as session:
        pass
    assert list(logs(magics, [])["session"]) == [session.session_id]
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = logs(magics, [])
    assert session.session_id in repr(table) and table.columns[0] == "created_at"


@pytest.fixture
def make_local() -> Iterator[Callable[..., aigw.LocalGateway]]:
    """Starts local gateways, which are stopped after the test."""
    running: list[aigw.LocalGateway] = []

    def make(**named: Any) -> aigw.LocalGateway:
        running.append(aigw.LocalGateway(**named).start())
        return running[-1]

    yield make
    for gateway in running:
        gateway.stop()


# ---------------------------------------------------------------------------------------------------- the session's id


def test_a_session_names_itself_among_the_metadata() -> None:
    (header,) = HERE.naming("s1").headers
    assert header[0] == "cf-aig-metadata" and json.loads(header[1]) == {SESSION_METADATA: "s1"}
    own = Endpoint(url="ws://x", kind="custom", safe="x", where="x", headers=(("cf-aig-metadata", '{"a": 1}'),))
    (header,) = own.naming("s1").headers
    assert json.loads(header[1]) == {SESSION_METADATA: "s1", "a": 1}


@pytest.mark.parametrize("metadata", [dict.fromkeys("abcde", 1), {SESSION_METADATA: "mine"}])
def test_the_callers_metadata_stays(metadata: dict[str, Any]) -> None:
    own = Endpoint(
        url="ws://x", kind="custom", safe="x", where="x", headers=(("cf-aig-metadata", json.dumps(metadata)),)
    )
    assert json.loads(own.naming("s1").headers[0][1]) == metadata


def test_a_direct_connection_tells_nobody() -> None:
    direct = Endpoint(url="ws://x", kind="direct", safe="x", where="x")
    assert direct.naming("s1").headers == ()


# ------------------------------------------------------------------------------------------------------ from Cloudflare


class Cloudflare:
    """A stand-in for Cloudflare's REST API: gives the answers it was told to give, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                told.asked.append((url.path, parse_qs(url.query), dict(self.headers)))
                status, headers, body = told.answers.pop(0)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/client/v4"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def gives(self, *rows: dict[str, Any]) -> None:
        body = {"success": True, "errors": [], "messages": [], "result": list(rows), "result_info": {"page": 1}}
        self.says(200, body)

    def says(self, status: int, body: Any, **headers: str) -> None:
        self.answers.append((status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()))


@pytest.fixture
def cloudflare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloudflare]:
    """Cloudflare's API, stood in for; the environment names an account, a gateway and an API token."""
    server = Cloudflare()
    monkeypatch.setattr(log_rows, "CLOUDFLARE_API", server.url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_GATEWAY_ID", "my-gateway")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", API_TOKEN)
    yield server
    server.stop()
    assert server.answers == [], "an answer was not asked for"


REAL = {
    "id": "01K0ZZZZZZZZZZZZZZZZZZZZZZ",
    "created_at": "2026-11-22 10:00:00",
    "provider": "google-ai-studio",
    "success": True,
    "tokens_in": 7,
    "cost": 0.001,
    "metadata": {SESSION_METADATA: "s123456789abc", "team": "red"},
    "timings": {"latency": 12, "upstream": {"first": 3}},
    "tags": ["x", 1],
    "brand_new": "kept",
}


def test_cloudflare_is_asked_with_the_api_token(cloudflare: Cloudflare) -> None:
    cloudflare.gives(REAL)
    start = datetime(2026, 11, 22, 9, tzinfo=UTC)
    (row,) = gateway_logs(model="m", success=True, start=start, end="2026-11-22T11:00:00Z", search="words & more")
    ((path, query, headers),) = cloudflare.asked
    assert path == f"/client/v4/accounts/{ACCOUNT}/ai-gateway/gateways/my-gateway/logs"
    assert {name: value for name, (value,) in query.items()} == {
        "model": "m",
        "success": "true",
        "start_date": "2026-11-22T09:00:00.000Z",
        "end_date": "2026-11-22T11:00:00.000Z",
        "search": "words & more",
        "order_by": "created_at",
        "order_by_direction": "desc",
        "page": "1",
        "per_page": "50",
    }
    assert headers["Authorization"] == f"Bearer {API_TOKEN}" and headers["User-Agent"] == "aigw-notebook"
    assert row["session"] == "s123456789abc" and row["metadata.team"] == "red"
    assert (row["timings.latency"], row["timings.upstream.first"], row["tags"]) == (12, 3, '["x", 1]')
    assert row["brand_new"] == "kept" and row["tokens_out"] is None and "metadata" not in row


@pytest.mark.parametrize("metadata", ['{"aigw_session": "s1"}', {"aigw_session": "s1"}])
def test_metadata_comes_as_an_object_or_as_its_text(cloudflare: Cloudflare, metadata: Any) -> None:
    cloudflare.gives({"id": "1", "metadata": metadata})
    assert gateway_logs()[0]["session"] == "s1"


@pytest.mark.parametrize("metadata", [None, "no json", "[1]", [1], {SESSION_METADATA: 5}])
def test_a_row_of_nobody_we_know_has_no_session(cloudflare: Cloudflare, metadata: Any) -> None:
    cloudflare.gives({"id": "1", "metadata": metadata})
    assert gateway_logs()[0]["session"] is None


def test_a_provider_is_found_by_each_of_its_names(cloudflare: Cloudflare) -> None:
    cloudflare.gives(REAL)
    cloudflare.gives()
    assert len(gateway_logs(provider="google")) == 1
    gateway_logs(provider="openai")
    google, openai = (query for _, query, _ in cloudflare.asked)
    wanted = [{"key": "provider", "operator": "eq", "value": ["google", "google-ai-studio"]}]
    assert json.loads(google["filters"][0]) == wanted and "provider" not in google
    assert openai["provider"] == ["openai"] and "filters" not in openai


def test_a_session_is_looked_for_by_metadata_and_then_by_log_id(cloudflare: Cloudflare) -> None:
    transcript = Transcript(session_id="s1", provider="openai", model=None)
    transcript.gateway_log_id = "log-1"
    cloudflare.gives()
    cloudflare.gives({"id": "log-1"})
    assert [row["session"] for row in gateway_logs(session=transcript)] == ["s1"]
    filters = [json.loads(query["filters"][0]) for _, query, _ in cloudflare.asked]
    assert filters == [
        [{"key": "metadata.value", "operator": "eq", "value": ["s1"]}],
        [{"key": "id", "operator": "eq", "value": ["log-1"]}],
    ]


def test_pages_end_with_a_short_one_and_a_row_that_moved_is_taken_once(cloudflare: Cloudflare) -> None:
    cloudflare.gives(*({"id": str(n)} for n in range(50)))
    cloudflare.gives(*({"id": str(n)} for n in range(49, 60)))
    assert [row["id"] for row in gateway_logs(limit=500)] == [str(n) for n in range(60)]
    assert [query["page"] for _, query, _ in cloudflare.asked] == [["1"], ["2"]]


def test_pages_are_bounded_where_the_end_never_comes(cloudflare: Cloudflare) -> None:
    for _ in range(3):
        cloudflare.gives(*({"id": str(n)} for n in range(50)))
    assert len(gateway_logs(limit=100)) == 50
    assert len(cloudflare.asked) == 3


def test_the_tokens_for_cloudflare(cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API token is read where Cloudflare is asked; the gateway's own does where there is no other."""
    gateway = aigw.Gateway.cloudflare(ACCOUNT, "g", token="run-t0ken")
    for _ in range(3):
        cloudflare.gives()
    gateway_logs(gateway, token="given-t0ken")
    gateway_logs(gateway)
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    gateway_logs(gateway)
    shown = [headers["Authorization"] for _, _, headers in cloudflare.asked]
    assert shown == ["Bearer given-t0ken", f"Bearer {API_TOKEN}", "Bearer run-t0ken"]
    with pytest.raises(MissingKey, match="CLOUDFLARE_API_TOKEN"):
        gateway_logs(aigw.Gateway.cloudflare(ACCOUNT, "g"))


def test_the_api_token_goes_to_cloudflare_only(
    cloudflare: Cloudflare, make_local: Callable[..., aigw.LocalGateway]
) -> None:
    elsewhere = f"{cloudflare.url.replace('http', 'ws').removesuffix('/client/v4')}/v1/local/notebook"
    cloudflare.gives()
    gateway_logs(elsewhere)
    ((path, _, headers),) = cloudflare.asked
    assert path == "/client/v4/accounts/local/ai-gateway/gateways/notebook/logs"
    assert "Authorization" not in headers and API_TOKEN not in str(headers)


# --------------------------------------------------------------------------------------------------------- failures


def refusal(code: int, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, Unauthorized, "permission AI Gateway Read"),
        (403, Unauthorized, "permission AI Gateway Read"),
        (400, GatewayError, "Workers Observability"),
        (404, GatewayError, "Workers Observability"),
        (410, GatewayError, "Workers Observability"),
        (200, GatewayError, "Workers Observability"),
        (429, GatewayError, "too many requests"),
        (503, GatewayError, "try again later"),
    ],
)
def test_a_refusal_says_what_to_do(cloudflare: Cloudflare, status: int, kind: type[GatewayError], words: str) -> None:
    cloudflare.says(status, refusal(7003, f"Could not route, {API_TOKEN}"))
    with pytest.raises(GatewayError, match=words) as caught:
        gateway_logs()
    error = caught.value
    assert type(error) is kind and (error.status, error.code) == (status, 7003)
    assert "7003 Could not route" in str(error)
    assert error.__context__ is None and API_TOKEN not in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b"[" * 100_000, b'{"success": true}', b'{"success": true, "result": [1]}']
)
def test_an_answer_that_is_no_list_of_rows_is_an_error(cloudflare: Cloudflare, body: bytes) -> None:
    cloudflare.says(200, body)
    with pytest.raises(GatewayError, match="logs|log rows"):
        gateway_logs()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_the_token(cloudflare: Cloudflare, status: int) -> None:
    cloudflare.says(status, b"", Location=f"{cloudflare.url}/elsewhere")
    with pytest.raises(GatewayError, match="redirects elsewhere") as caught:
        gateway_logs()
    assert caught.value.status == status and len(cloudflare.asked) == 1


def test_an_answer_without_end_is_cut_off(cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_rows, "MAX_BYTES", 1_000)
    cloudflare.gives({"id": "x" * 2_000})
    with pytest.raises(Unreachable, match="no logs from"):
        gateway_logs()


@pytest.mark.sessions
def test_nobody_there_is_said_without_the_token(cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = aigw.LocalGateway().start()
    url = gateway.url
    gateway.stop()
    with pytest.raises(Unreachable, match="check that it is running") as caught:
        gateway_logs(url, token="s3cret-token")
    assert "s3cret" not in str(caught.value) and caught.value.__context__ is None
    with pytest.raises(ConfigurationError, match="not running"):
        gateway_logs(gateway)


def test_a_server_that_says_nothing_is_left_in_time() -> None:
    """The wait is short, and ends by the time-out: the server accepts and never answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler, bind_and_activate=True) as silent:
        url = f"ws://127.0.0.1:{silent.server_address[1]}/v1/local/notebook"
        with pytest.raises(Unreachable, match=r"not within 0\.05 s"):
            gateway_logs(url, timeout_s=0.05)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"limit": 0}, "limit=0"),
        ({"limit": 10_001}, "limit=10001"),
        ({"start": "yesterday"}, "start='yesterday' is no date"),
        ({"end": "2026-13-01"}, "end='2026-13-01' is no date"),
        ({"token": "two words"}, "the token holds a space"),
        ({"gateway": "wss://ai.example.com"}, "neither its account nor its name"),
    ],
)
def test_what_cannot_be_asked_is_said_at_once(cloudflare: Cloudflare, named: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        gateway_logs(**named)
    assert cloudflare.asked == []
