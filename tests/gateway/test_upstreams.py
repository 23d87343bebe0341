from __future__ import annotations

from dataclasses import replace

import pytest

from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.request import ClientRequest
from aigw_notebook.gateway.upstreams import Upstream, Upstreams, live, rest_of
from aigw_notebook.providers.base import Capabilities, Codec, KeyAuth, Provider

ACME = Provider(
    name="acme",
    title="Acme",
    route="acme",
    direct_url="wss://acme.example/v1/live",
    codec=Codec,
    capabilities=Capabilities(),
    auth=KeyAuth(),
    ping_interval_s=None,
)


@pytest.mark.parametrize("url", ["", "acme.example", "https://acme.example/x?key=s3cret", "wss://"])
def test_only_websocket_urls_are_taken_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ws:// or wss://") as raised:
        Upstream(url=url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "rest", "query", "address"),
    [
        ("wss://h/v1/realtime", "", "", "wss://h/v1/realtime"),
        ("wss://h/v1/realtime", "", "model=m&x=%20", "wss://h/v1/realtime?model=m&x=%20"),
        ("wss://h/v1?own=1", "", "model=m", "wss://h/v1?own=1&model=m"),
        ("wss://h/v1/a/g", "acme/deep%2Fer", "q", "wss://h/v1/a/g/acme/deep%2Fer?q"),
        ("wss://h/v1/a/g/", "acme", "", "wss://h/v1/a/g/acme"),
        ("wss://h", "acme", "", "wss://h/acme"),
    ],
)
def test_path_and_query_are_kept(url: str, rest: str, query: str, address: str) -> None:
    assert Upstream(url=url).address(rest, query) == address


@pytest.mark.parametrize(
    ("path", "rest", "dialled"),
    [
        ("/v1/realtime", "realtime", "/v1/realtime"),
        ("/v1/realtime", "v1/realtime", "/v1/realtime"),
        ("/ws/acme.v2.Talk", "ws/acme.v2.Talk", "/ws/acme.v2.Talk"),
        ("/ws/acme.v2.Talk", "ws/acme.v1.Talk", "/ws/acme.v1.Talk"),
        ("/v1/talk/live", "v1/speak/someone%2Felse", "/v1/speak/someone%2Felse"),
        ("/v1/realtime", "time", "/v1/realtime/time"),
        ("/v1/realtime", "v1x/realtime", "/v1/realtime/v1x/realtime"),
        ("", "v1/listen", "/v1/listen"),
        ("/", "v1/listen", "/v1/listen"),
        ("", "", ""),
    ],
)
def test_an_sdks_own_path_is_not_added_to_itself(path: str, rest: str, dialled: str) -> None:
    assert Upstream(url=f"wss://h{path}", live=True).address(rest, "") == f"wss://h{dialled}"
    if rest and path not in ("", "/"):
        assert Upstream(url=f"wss://h{path}").address(rest, "") == f"wss://h{path}/{rest}"


def test_parameters_get_the_names_that_the_upstream_has() -> None:
    upstream = Upstream(url="wss://h/p?api_key=own", renames={"api_key": "key"})
    query = "a=api_key&api_key=x%2By&api%5Fkey=z&api_keys=n&api_key"
    assert upstream.address("", query) == "wss://h/p?api_key=own&a=api_key&key=x%2By&key=z&api_keys=n&key"


def test_a_live_upstream_calls_the_key_as_its_provider_does() -> None:
    direct = KeyAuth(header=("X-Key", "{key}"), query="key")
    found = live(replace(ACME, auth=KeyAuth(query="api_key", direct=direct)))
    assert (found.live, found.renames) == (True, {"api_key": "key"})
    assert live(replace(ACME, auth=KeyAuth(query="api_key"))).renames == {}
    assert live(replace(ACME, auth=KeyAuth(query="a", direct=KeyAuth(header=("X", "{key}"))))).renames == {}


def test_no_secret_is_shown() -> None:
    upstream = Upstream(url="wss://us3cret:s3cret@h:1/p?k=s3cret", headers={"x": "s3cret"}, token="s3cret")
    assert "s3cret" not in repr(upstream)
    assert upstream.safe == "wss://h:1/p"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("ws://127.0.0.1:1", True), ("ws://localhost", True), ("ws://[::1]:2", True), ("wss://acme.example", False)],
)
def test_loopback_is_known(url: str, loopback: bool) -> None:
    assert Upstream(url=url).is_loopback is loopback


def test_nothing_given_relays_nothing() -> None:
    assert Upstreams.of(None).find("acme", ACME) is None


def test_one_url_is_another_gateway_for_all_routes() -> None:
    found = Upstreams.of("wss://h/v1/a/g").find("anything", None)
    assert found is not None
    assert (found[0].gateway, found[1]) == (True, "")


def test_a_mapping_relays_its_routes_and_what_lies_below() -> None:
    upstreams = Upstreams.of({"acme": "wss://h/a", "acme/deep": "wss://h/deep"})
    for route, url, matched in [
        ("acme", "wss://h/a", "acme"),
        ("acme/x", "wss://h/a", "acme"),
        ("acme/deep/x", "wss://h/deep", "acme/deep"),
    ]:
        found = upstreams.find(route, None)
        assert found is not None
        assert (found[0].url, found[1], found[0].gateway) == (url, matched, False)
    assert upstreams.find("acmes", None) is None


@pytest.mark.parametrize("given", ["live", {"acme": "live"}])
def test_live_is_the_providers_own_address_and_pings(given: str | dict[str, str | Upstream]) -> None:
    found = Upstreams.of(given).find("acme", ACME)
    assert found is not None
    assert (found[0].url, found[0].ping_interval_s, found[1]) == ("wss://acme.example/v1/live", None, "acme")


def test_live_without_a_provider_is_no_relay() -> None:
    assert Upstreams.of("live").find("nobody", None) is None
    assert Upstreams.of({"nobody": "live"}).find("nobody", None) is None


@pytest.mark.parametrize(
    ("route", "matched", "rest"),
    [("acme", "acme", ""), ("acme/a/b%2Fc", "acme", "a/b%2Fc"), ("acme/a", "", "acme/a"), ("acme/a/", "acme/a", "")],
)
def test_the_rest_of_a_route_stays_encoded(route: str, matched: str, rest: str) -> None:
    assert rest_of(ClientRequest.parse(f"/v1/a/g/{route}", []), matched) == rest
