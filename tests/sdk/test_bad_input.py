"""Our own client on real sockets when something is wrong: the right error, one sentence, and no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Response

import aigw_notebook as aigw
from aigw_notebook.endpoint import SILENT
from aigw_notebook.errors import AigwError, GatewayError, SessionEnded, Unauthorized, Unreachable, UpstreamRefused
from aigw_notebook.gateway import Upstream
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.providers import get
from tests.peer import Peer, stay

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)

TOKEN = "Plainly-no-pattern.gateway~token"
WRONG = "Plainly-no-pattern.wrong~token"
KEY = "Plainly-no-pattern.provider~key"
RELAY_TOKEN = "Plainly-no-pattern.relay~token"
RELAY_KEY = "sk-Plainly-no-pattern-relay-key"
SECRETS = (TOKEN, WRONG, KEY, RELAY_TOKEN, RELAY_KEY)
"""Their shape tells nobody that they are credentials: what hides them must know them."""

LOGGERS = ("websockets", "websockets.client", "websockets.server", "aigw_notebook", "asyncio")


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway(pace=AT_ONCE, token=TOKEN) as running:
        yield running


def connection(to: str | LocalGateway, **named: Any) -> aigw.Connection:
    url = to.url if isinstance(to, LocalGateway) else to
    return aigw.connect(**{"provider": "openai", "gateway": url, "token": TOKEN, "quiet": True, **named})


def refused(connection: aigw.Connection) -> tuple[AigwError, str]:
    """What opening raises, and all of it that can be shown."""
    with pytest.raises(AigwError) as caught:
        connection.open()
    return caught.value, shown(caught.value) + repr(connection)


def shown(error: BaseException) -> str:
    """An error in every form in which somebody may print it, with all that it hangs on."""
    chain = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {error.args} {vars(error)} {error.__context__!r} {error.__cause__!r} {chain}"


def check_hidden(text: str, caplog: pytest.LogCaptureFixture) -> None:
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    found = [s for s in SECRETS for form in (s, quote(s, safe="")) if form in text or form in logged]
    assert not found


def check_sentence(error: AigwError, advice: str) -> None:
    text = str(error)
    assert advice in text, text
    assert "\n" not in text and len(text) < 400, text
    assert text[-1].isalnum() or text[-1] in ")\"'", text


# ------------------------------------------------------------------------------------------------------- the matrix


@dataclass(frozen=True)
class Case:
    """How to ask wrongly (from the gateway), and what must come of it."""

    ask: Callable[[LocalGateway], dict[str, Any]]
    kind: type[GatewayError]
    advice: str
    status: int | None = None
    code: int | None = None
    close_code: int | None = None


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


CASES = {
    "wrong token": Case(lambda g: {"token": WRONG}, Unauthorized, "check the gateway token", 401, 2009),
    "missing token": Case(lambda g: {"token": None}, Unauthorized, "check the gateway token", 401, 2009),
    "unknown gateway": Case(
        lambda g: {"gateway": f"{g.url}-typo"}, UpstreamRefused, "compare the account id", 400, 2001
    ),
    "unknown account": Case(
        lambda g: {"gateway": g.url.replace("/local/", "/typo/")}, UpstreamRefused, "compare the account id", 400, 2001
    ),
    "unknown route": Case(
        lambda g: {"provider": replace(get("openai"), route="no")}, UpstreamRefused, "check the gateway URL", 400, 2008
    ),
    "no gateway address": Case(
        lambda g: {"gateway": g.url.rpartition("/v1")[0]}, UpstreamRefused, "and the gateway URL", None, None
    ),
    "unknown model": Case(lambda g: {"model": "gpt-5.5"}, UpstreamRefused, "choose another", close_code=4000),
    "bad key": Case(lambda g: {"api_key": KEY}, Unauthorized, "did not accept the key", close_code=3000),
    "nobody there": Case(
        lambda g: {"gateway": f"ws://127.0.0.1:{closed_port()}/v1/a/b"}, Unreachable, "check that it is running"
    ),
}


@pytest.mark.parametrize("auth", ["header", "subprotocol"])
@pytest.mark.parametrize("name", CASES)
def test_one_sentence_and_no_secret(
    gateway: LocalGateway, caplog: pytest.LogCaptureFixture, name: str, auth: str
) -> None:
    case = CASES[name]
    error, text = refused(connection(gateway, **{"auth": auth, **case.ask(gateway)}))
    assert type(error) is case.kind
    check_sentence(error, case.advice)
    assert isinstance(error, GatewayError) and error.close_code == case.close_code
    if case.status is not None:
        assert (error.status, error.code) == (case.status, case.code)
    check_hidden(text, caplog)


def test_the_awaited_form_raises_the_same(gateway: LocalGateway, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> AigwError:
        with pytest.raises(Unauthorized) as caught:
            async with connection(gateway, token=WRONG):
                raise AssertionError("it was let in")
        return caught.value

    error = asyncio.run(main())
    check_sentence(error, "check the gateway token")
    check_hidden(shown(error), caplog)


def test_the_next_connection_is_as_good_as_new(gateway: LocalGateway) -> None:
    refused(connection(gateway, token=WRONG))
    with connection(gateway) as session:
        assert session.ask("Say hello", modalities="text").status == "completed"


# ---------------------------------------------------------------------------------------------------------- relays


@pytest.mark.parametrize(
    ("headers", "token", "kind", "advice", "close_code"),
    [
        ({"Authorization": f"Bearer {KEY}"}, TOKEN, Unauthorized, "did not accept the key", 3000),
        ({}, WRONG, Unauthorized, "check the gateway token", None),
        ({}, None, Unauthorized, "check the gateway token", None),
    ],
    ids=["bad key", "wrong token", "missing token"],
)
def test_a_relay_that_signs_in_wrongly(
    gateway: LocalGateway,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    token: str | None,
    kind: type[GatewayError],
    advice: str,
    close_code: int | None,
) -> None:
    upstream = Upstream(url=gateway.url, headers=headers, token=token)
    with LocalGateway(token=RELAY_TOKEN, upstreams=upstream) as near:
        error, text = refused(connection(near, token=RELAY_TOKEN, api_key=RELAY_KEY))
    assert type(error) is kind and isinstance(error, GatewayError) and error.close_code == close_code
    check_sentence(error, advice)
    check_hidden(text, caplog)


def test_a_relay_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Upstream(url=f"ws://127.0.0.1:{closed_port()}/?key={KEY}", token=WRONG)
    with LocalGateway(token=RELAY_TOKEN, upstreams=upstream) as near:
        error, text = refused(connection(near, token=RELAY_TOKEN, api_key=RELAY_KEY))
    assert type(error) is UpstreamRefused and (error.status, error.code) == (502, 2002)
    check_sentence(error, "the provider failed: try again")
    check_hidden(text, caplog)


# ------------------------------------------------------------------------------------- peers that repeat what they got


def test_a_refusal_that_quotes_the_credentials(caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps({"error": {"code": f"bad {TOKEN}", "message": f"the key {KEY} and the token {TOKEN} are bad"}})

    def refuse(connection: ServerConnection, request: Any) -> Response:
        headers = Headers({"Content-Length": str(len(body)), "Location": f"ws://elsewhere/?token={TOKEN}"})
        return Response(401, f"{KEY} is bad", headers, body.encode())

    with Peer(stay_peer, process_request=refuse, logger=SILENT) as peer:
        url = f"ws://127.0.0.1:{peer.port}/v1/acct/gw"
        error, text = refused(connection(url, api_key=KEY))
    assert type(error) is Unauthorized
    check_sentence(error, "check the gateway token and the provider key")
    check_hidden(text, caplog)


def test_a_close_that_quotes_the_key(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(peer: Peer, socket: ServerConnection) -> None:
        complaint = {"type": "invalid_request_error", "code": "invalid_api_key", "message": f"Incorrect API key: {KEY}"}
        await peer.say(socket, "error", error=complaint)
        await socket.close(3000, f"{KEY} is no key")

    with Peer(refuse, logger=SILENT) as peer:
        error, text = refused(connection(f"ws://127.0.0.1:{peer.port}/v1/acct/gw", api_key=KEY))
    assert type(error) is Unauthorized and error.close_code == 3000
    check_sentence(error, "Incorrect API key: ***")
    check_hidden(text, caplog)


def test_an_error_in_the_session_that_quotes_the_key(caplog: pytest.LogCaptureFixture) -> None:
    async def complain(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        complaint = {"type": "server_error", "code": "odd", "message": f"I was shown {KEY} and {TOKEN}"}
        await peer.say(socket, "error", error=complaint)
        await socket.close(1011, f"because of {KEY}")

    with (
        Peer(complain, logger=SILENT) as peer,
        connection(f"ws://127.0.0.1:{peer.port}/v1/acct/gw", api_key=KEY).open() as session,
    ):
        with pytest.raises(SessionEnded) as caught:
            session.ask("hi")
        with pytest.raises(SessionEnded) as again:
            session.ask("hi")
        kept = f"{session!r}{session.records}{session.turns!r}{vars(session.turns[0])}{session.core.endpoint!r}"
    check_sentence(caught.value, "I was shown *** and ***")
    assert caught.value.close_code == again.value.close_code == 1011
    check_hidden(shown(caught.value) + shown(again.value) + kept, caplog)


async def stay_peer(peer: Peer, socket: ServerConnection) -> None:
    await stay(socket)
