from __future__ import annotations

import pytest

from aigw_notebook.gateway.auth import (
    choose_subprotocol,
    is_authorized,
    is_beta_header,
    is_beta_subprotocol,
    presented_tokens,
    provider_key,
)
from aigw_notebook.gateway.request import ClientRequest
from aigw_notebook.providers.base import KeyAuth

AUTH = KeyAuth(
    header=("X-Some-Key", "Token {key}"),
    query="api_key",
    subprotocol="some-key.",
    subprotocol_with=("plain-words",),
)


def request(target: str = "/v1/a/g/r", **headers: str) -> ClientRequest:
    return ClientRequest.parse(target, [(name.replace("_", "-"), value) for name, value in headers.items()])


@pytest.mark.parametrize(
    ("headers", "tokens"),
    [
        ({}, []),
        ({"cf_aig_authorization": "Bearer t"}, ["t"]),
        ({"cf_aig_authorization": "bearer  t "}, ["t"]),
        ({"cf_aig_authorization": "t"}, ["t"]),
        ({"cf_aig_authorization": ""}, [""]),
        ({"authorization": "Bearer t"}, []),
        ({"sec_websocket_protocol": "realtime, cf-aig-authorization.t"}, ["t"]),
        ({"sec_websocket_protocol": "CF-AIG-authorization.t"}, []),
        ({"cf_aig_authorization": "a", "sec_websocket_protocol": "cf-aig-authorization.b"}, ["a", "b"]),
    ],
)
def test_tokens_are_found_in_every_form(headers: dict[str, str], tokens: list[str]) -> None:
    assert presented_tokens(request(**headers)) == tokens


@pytest.mark.parametrize(("token", "allowed"), [("t", True), ("T", False), ("tt", False), ("é\udcff", False)])
def test_only_the_exact_token_is_authorized(token: str, allowed: bool) -> None:
    assert is_authorized(request(cf_aig_authorization=token), "t") is allowed


def test_no_token_is_not_authorized() -> None:
    assert not is_authorized(request(), "t")


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (request(), None),
        (request(x_some_key="Token k1"), "k1"),
        (request(x_some_key="token k1"), "k1"),
        (request(x_some_key="Bearer k1"), None),
        (request(x_some_key="Token "), None),
        (request("/v1/a/g/r?api_key=k2"), "k2"),
        (request("/v1/a/g/r?api_key="), None),
        (request(sec_websocket_protocol="x, some-key.k3"), "k3"),
        (request("/v1/a/g/r?api_key=k2", x_some_key="Token k1", sec_websocket_protocol="some-key.k3"), "k1"),
        (request("/v1/a/g/r?api_key=k2", sec_websocket_protocol="some-key.k3"), "k2"),
    ],
)
def test_the_providers_key_is_found_by_its_own_data(asked: ClientRequest, key: str | None) -> None:
    assert provider_key(asked, AUTH) == key


def test_a_provider_without_key_forms_has_no_key() -> None:
    assert provider_key(request("/v1/a/g/r?api_key=k", x_some_key="Token k"), KeyAuth()) is None


@pytest.mark.parametrize(
    ("offered", "auth", "chosen"),
    [
        ([], AUTH, None),
        (["some-key.k", "realtime", "cf-aig-authorization.t"], None, "realtime"),
        (["some-key.k", "plain-words", "cf-aig-authorization.t"], AUTH, "plain-words"),
        (["some-key.k", "plain-words", "cf-aig-authorization.t"], None, "cf-aig-authorization.t"),
        (["some-key.k", "cf-aig-authorization.t", "cf-aig-authorization.u"], AUTH, "cf-aig-authorization.t"),
        (["some-key.k"], AUTH, "some-key.k"),
        (["Realtime", "cf-aig-authorization.t"], None, "cf-aig-authorization.t"),
    ],
)
def test_one_offered_subprotocol_is_chosen(offered: list[str], auth: KeyAuth | None, chosen: str | None) -> None:
    assert choose_subprotocol(offered, auth) == chosen


def test_requests_for_a_beta_are_known_by_form() -> None:
    assert is_beta_header("acme-beta") and not is_beta_header("beta-tester")
    assert is_beta_subprotocol("acme-beta.realtime-v1")
    assert not is_beta_subprotocol("acme-key.x-beta") and not is_beta_subprotocol("acme-beta")
