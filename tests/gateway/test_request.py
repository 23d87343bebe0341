from __future__ import annotations

import pytest

from aigw_notebook.gateway.request import ClientRequest


@pytest.mark.parametrize(
    ("target", "account", "gateway", "route", "query"),
    [
        ("/v1/acct/gate/echo?model=x", "acct", "gate", "echo", "model=x"),
        ("/v1/acct/gate/echo/v1/listen", "acct", "gate", "echo/v1/listen", ""),
        ("/v1/acct/gate/echo/", "acct", "gate", "echo", ""),
        ("/v1/acct/gate/a%20b", "acct", "gate", "a b", ""),
        ("/v1/acct/gate", "acct", "gate", "", ""),
        ("/v1/acct/gate/", "acct", "gate", "", ""),
        ("/v1/acct", "", "", "", ""),
        ("/v2/acct/gate/echo", "", "", "", ""),
        ("/", "", "", "", ""),
    ],
)
def test_the_address_is_taken_apart(target: str, account: str, gateway: str, route: str, query: str) -> None:
    request = ClientRequest.parse(target, [])
    assert (request.account, request.gateway, request.route, request.query) == (account, gateway, route, query)


def test_the_raw_route_stays_encoded() -> None:
    assert ClientRequest.parse("/v1/a/g/x%2Fy%20z", []).raw_route == "x%2Fy%20z"


def test_offered_subprotocols_come_from_one_line_or_several() -> None:
    headers = [("Sec-WebSocket-Protocol", "realtime ,  a.b"), ("sec-websocket-protocol", "C,")]
    assert ClientRequest.parse("/", headers).offered == ("realtime", "a.b", "C")


def test_parameters_keep_the_first_of_a_name() -> None:
    assert ClientRequest.parse("/v1/a/g/r?m=1&m=2&empty=&sp=a+b", []).parameters == {"m": "1", "empty": "", "sp": "a b"}


def test_nothing_secret_is_in_the_repr() -> None:
    headers = [("cf-aig-authorization", "s3cret"), ("sec-websocket-protocol", "key.s3cret")]
    assert "s3cret" not in repr(ClientRequest.parse("/v1/a/g/r?api_key=s3cret", headers))
