"""Where a session connects: every way of signing in, and no secret in anything that can be read."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from aigw_notebook.endpoint import (
    SILENT,
    AuthForm,
    Endpoint,
    Gateway,
    resolve,
)
from aigw_notebook.errors import (
    ConfigurationError,
    MissingKey,
    Unsupported,
)
from aigw_notebook.providers.base import Capabilities, Codec, KeyAuth, Provider, SessionSettings

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "GatewayTokenPlanted0123456789"
KEY = "ProviderKeyPlanted9876543210"
SECRETS = (TOKEN, KEY)

ALL_FORMS = KeyAuth(
    env=("ACME_KEY", "ACME_API_KEY"),
    header=("X-Acme-Key", "Acme {key}"),
    query="api_key",
    subprotocol="acme-key.",
    subprotocol_with=("acme",),
)
ACME = Provider(
    name="acme",
    title="Acme Live",
    route="acme",
    direct_url="wss://api.acme.example/v1/live",
    codec=Codec,
    capabilities=Capabilities(),
    auth=ALL_FORMS,
    default_model="@acme/one",
    query=lambda settings: {"model": settings.model or "", "agent": "a 1"},
)
SETTINGS = SessionSettings()
CLOUD = Gateway.cloudflare(ACCOUNT, "my-gw", TOKEN)
EMBEDDED = Gateway.embedded("http://127.0.0.1:43121/v1/local/default", TOKEN)


def readable(value: object) -> str:
    """All that a person or a log may get to see of a value."""
    shown = [repr(value), str(value), f"{value}"]
    if isinstance(value, Endpoint):
        shown += [value.safe, value.where, repr([value]), repr({"endpoint": value})]
    return "\n".join(shown)


def assert_hidden(*values: object) -> None:
    for value in values:
        assert not [secret for secret in SECRETS if secret in readable(value)]


def refused(call: Any, *args: Any, **named: Any) -> str:
    """The message of the ConfigurationError that the call raises; it holds no secret."""
    with pytest.raises(ConfigurationError) as caught:
        call(*args, **named)
    assert_hidden(caught.value)
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------- gateway


def test_cloudflare_url() -> None:
    assert CLOUD.url == f"wss://gateway.ai.cloudflare.com/v1/{ACCOUNT}/my-gw"
    assert Gateway.cloudflare(ACCOUNT).url.endswith("/default")


@pytest.mark.parametrize(
    ("url", "base", "account", "kind"),
    [
        (f"wss://gateway.ai.cloudflare.com/v1/{ACCOUNT}/g", "wss://gateway.ai.cloudflare.com", ACCOUNT, "cloudflare"),
        (f"http://gateway.ai.cloudflare.com/v1/{ACCOUNT}/g/", "wss://gateway.ai.cloudflare.com", ACCOUNT, "cloudflare"),
        ("https://proxy.example/aig/v1/acct/g/", "wss://proxy.example/aig", "acct", "custom"),
        ("ws://127.0.0.1:8787/v1/local/g", "ws://127.0.0.1:8787", "local", "custom"),
        ("http://[::1]:8787/v1/local/g", "ws://[::1]:8787", "local", "custom"),
        ("https://ai.example.com/", "wss://ai.example.com", None, "custom"),
        ("https://ai.example.com/below", "wss://ai.example.com/below", None, "custom"),
    ],
)
def test_from_url(url: str, base: str, account: str | None, kind: str) -> None:
    gateway = Gateway.from_url(url, TOKEN)
    assert (gateway.base_url, gateway.account_id, gateway.kind, gateway.token) == (base, account, kind, TOKEN)
    assert gateway.gateway_id == ("g" if account else None)
    assert_hidden(gateway)


def test_custom_domain_has_no_account_part() -> None:
    gateway = Gateway.custom("https://ai.example.com/")
    assert resolve(ACME, SETTINGS, gateway=gateway).url.startswith("wss://ai.example.com/acme?")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://a.example/v1/a/g", "begins with"),
        ("gateway.example", "begins with"),
        ("wss://", "begins with"),
        ("wss://a.example:port/v1/a/g", "host and port"),
        (f"wss://user:{TOKEN}@a.example/v1/a/g", "holds no user"),
        (f"wss://a.example/v1/a/g?token={TOKEN}", "holds no user"),
        (f"wss://a.example/v1/a/g#{TOKEN}", "holds no user"),
        ("wss://a.example/v1/a/g/acme", "/v1/<account>/<gateway>"),
        ("wss://a.example/v1/a", "/v1/<account>/<gateway>"),
        ("wss://gateway.ai.cloudflare.com", "needs both"),
        ("wss://gateway.ai.cloudflare.com/v1/abc/g", "32 hexadecimal"),
        ("wss://a.example/v1/%20/g", "account_id"),
        ("wss://a.example/v1/a/-g", "gateway_id"),
        (f"wss://a.example/v1/a/{'g' * 65}", "gateway_id"),
    ],
)
def test_from_url_refuses(url: str, said: str) -> None:
    assert said in refused(Gateway.from_url, url)


def test_a_token_in_the_wrong_place_is_not_repeated() -> None:
    assert "32 hexadecimal" in refused(Gateway.cloudflare, TOKEN, "my-gw", ACCOUNT)
    assert "needs both" in refused(Gateway, account_id=ACCOUNT, token=TOKEN)


@pytest.mark.parametrize("token", [f"Bearer {TOKEN}", f"{TOKEN}\n", f"{TOKEN}\r\nX-Evil: 1", f"ä{TOKEN}", " "])
def test_token_must_fit_a_header(token: str) -> None:
    assert "bare value" in refused(Gateway.cloudflare, ACCOUNT, "my-gw", token)


def test_empty_token_is_none() -> None:
    assert Gateway.cloudflare(ACCOUNT, "my-gw", "").token is None


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({str(i): i for i in range(6)}, "6 entries"),
        ({"cf.user_id": "x"}, "cf."),
        ({1: "x"}, "text"),
        ({"a": None}, "NoneType"),
        ({"a": {"b": 1}}, "dict"),
        ({"a": float("nan")}, "finite"),
    ],
)
def test_metadata_rules(metadata: Any, said: str) -> None:
    assert said in refused(replace, CLOUD, metadata=metadata)


def test_cf_aig_headers() -> None:
    metadata: dict[str, str | int | float | bool] = {"user": "ä\n", "n": 1, "x": 1.5, "b": True}
    gateway = replace(CLOUD, metadata=metadata, byok_alias="second", event_id="e1", collect_log=False)
    headers = dict(resolve(ACME, SETTINGS, gateway=gateway, auth="subprotocol").headers)
    assert json.loads(headers.pop("cf-aig-metadata")) == metadata
    assert headers == {"cf-aig-byok-alias": "second", "cf-aig-event-id": "e1", "cf-aig-collect-log": "false"}
    assert all(value.isascii() and value.isprintable() for _, value in gateway.headers())
    assert "event_id" in refused(replace, CLOUD, event_id="a\r\nb: c")
    assert "byok_alias" in refused(replace, CLOUD, byok_alias="")


def test_gateway_is_a_value() -> None:
    gateway = replace(CLOUD, metadata={"a": 1})
    assert pickle.loads(pickle.dumps(gateway)) == gateway
    assert len({gateway, replace(CLOUD, metadata={"a": 1})}) == 1


@pytest.mark.parametrize(
    ("environ", "url", "token"),
    [
        ({"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CF_AIG_TOKEN": f" {TOKEN}\n"}, f"/v1/{ACCOUNT}/default", TOKEN),
        (
            {
                "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
                "CLOUDFLARE_GATEWAY_ID": "one",
                "CF_AIG_GATEWAY_ID": "two",
                "CF_AIG_TOKEN": TOKEN,
                "CLOUDFLARE_API_TOKEN": "other",
            },
            "/one",
            TOKEN,
        ),
        (
            {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CF_AIG_GATEWAY_ID": "two", "CLOUDFLARE_API_TOKEN": TOKEN},
            "/two",
            TOKEN,
        ),
        ({"AIGW_GATEWAY_URL": "http://127.0.0.1:1/v1/a/b", "CF_AIG_TOKEN": TOKEN}, "ws://127.0.0.1:1/v1/a/b", TOKEN),
        ({"AIGW_GATEWAY_URL": "https://ai.example.com", "CLOUDFLARE_API_TOKEN": TOKEN}, "wss://ai.example.com", None),
    ],
)
def test_from_env(environ: dict[str, str], url: str, token: str | None) -> None:
    gateway = Gateway.from_env(environ)
    assert gateway is not None and gateway.url.endswith(url) and gateway.token == token


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CLOUDFLARE_ACCOUNT_ID": " ", "CF_AIG_TOKEN": ""},
        {"ACME_KEY": KEY},
        {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT},
        {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_API_TOKEN": TOKEN},
    ],
)
def test_from_env_without_a_gateway(environ: dict[str, str]) -> None:
    assert Gateway.from_env(environ) is None


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"CF_AIG_TOKEN": TOKEN}, "CLOUDFLARE_ACCOUNT_ID"),
        ({"CLOUDFLARE_API_TOKEN": TOKEN, "CLOUDFLARE_GATEWAY_ID": "g"}, "CLOUDFLARE_ACCOUNT_ID"),
        ({"CLOUDFLARE_GATEWAY_ID": "g"}, "CLOUDFLARE_ACCOUNT_ID"),
        ({"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_GATEWAY_ID": "g"}, "CF_AIG_TOKEN"),
    ],
)
def test_from_env_names_what_is_missing(environ: dict[str, str], missing: str) -> None:
    said = refused(Gateway.from_env, environ)
    assert f"set {missing}" in said and all(name in said for name in environ)


# -------------------------------------------------------------------------------------------------------- resolve

SIGNED: dict[AuthForm, tuple[dict[str, str], tuple[str, ...], list[str] | None]] = {
    "header": ({"X-Acme-Key": f"Acme {KEY}", "cf-aig-authorization": f"Bearer {TOKEN}"}, (), None),
    "query": ({"cf-aig-authorization": f"Bearer {TOKEN}"}, (), [KEY]),
    "subprotocol": ({}, ("acme", f"acme-key.{KEY}", f"cf-aig-authorization.{TOKEN}"), None),
}


@pytest.mark.parametrize("auth", SIGNED)
def test_through_a_gateway(auth: AuthForm) -> None:
    endpoint = resolve(ACME, SETTINGS, gateway=CLOUD, api_key=KEY, auth=auth)
    headers, subprotocols, in_query = SIGNED[auth]
    assert dict(endpoint.headers) == headers
    assert endpoint.subprotocols == subprotocols
    assert parse_qs(urlsplit(endpoint.url).query).get("api_key") == in_query
    assert endpoint.secrets == SECRETS and endpoint.kind == "cloudflare"
    assert_hidden(endpoint)


@pytest.mark.parametrize("auth", SIGNED)
@pytest.mark.parametrize("way", [CLOUD, Gateway.custom("https://ai.example.com", TOKEN), EMBEDDED, None])
def test_nothing_readable_holds_a_secret(auth: AuthForm, way: Gateway | None) -> None:
    endpoint = resolve(ACME, SETTINGS, gateway=way, direct=way is None, api_key=KEY, auth=auth)
    assert_hidden(endpoint, way)
    assert urlsplit(endpoint.safe).netloc == urlsplit(endpoint.url).netloc
    assert urlsplit(endpoint.safe).path == urlsplit(endpoint.url).path
    assert "model=@acme/one&agent=a%201" in endpoint.safe
    assert not [name for name, _ in endpoint.headers if "beta" in name.lower()]


@pytest.mark.parametrize("auth", SIGNED)
def test_direct(auth: AuthForm) -> None:
    endpoint = resolve(ACME, SETTINGS, gateway=CLOUD, direct=True, auth=auth, environ={"ACME_API_KEY": KEY})
    assert endpoint.url.startswith("wss://api.acme.example/v1/live?model=@acme/one")
    assert endpoint.kind == "direct" and endpoint.where == "Acme Live, direct to api.acme.example"
    assert TOKEN not in f"{endpoint.url}{endpoint.headers}{endpoint.subprotocols}"
    assert endpoint.secrets == (KEY,)


def test_direct_needs_a_key() -> None:
    with pytest.raises(MissingKey, match=r"ACME_KEY or ACME_API_KEY.*embedded gateway"):
        resolve(ACME, SETTINGS, gateway=None, direct=True)


def test_a_provider_without_keys_or_without_an_address() -> None:
    keyless = replace(ACME, auth=KeyAuth(), query=lambda settings: {})
    endpoint = resolve(keyless, SETTINGS, gateway=None, direct=True, api_key=KEY)
    assert (endpoint.url, endpoint.headers, endpoint.subprotocols) == (ACME.direct_url, (), ())
    with pytest.raises(Unsupported, match="gateway only"):
        resolve(replace(ACME, direct_url=""), SETTINGS, gateway=None, direct=True, api_key=KEY)


@pytest.mark.parametrize("auth", SIGNED)
def test_the_embedded_gateway_gets_no_provider_key(auth: AuthForm) -> None:
    endpoint = resolve(ACME, SETTINGS, gateway=EMBEDDED, api_key=KEY, auth=auth, environ={"ACME_KEY": KEY})
    assert KEY not in f"{endpoint.url}{endpoint.headers}{endpoint.subprotocols}{endpoint.secrets}"
    assert TOKEN in f"{endpoint.headers}{endpoint.subprotocols}"
    assert endpoint.where == "Acme Live, embedded gateway at 127.0.0.1:43121 (local emulator, no key, no cost)"


def test_a_replay_gets_no_provider_key_and_is_named() -> None:
    gateway = Gateway.replaying("ws://127.0.0.1:43121/v1/local/default", TOKEN, plays="visit.aigw")
    endpoint = resolve(ACME, SETTINGS, gateway=gateway, api_key=KEY, environ={"ACME_KEY": KEY})
    assert KEY not in f"{endpoint.url}{endpoint.headers}{endpoint.secrets}" and endpoint.kind == "replay"
    assert endpoint.where == "Acme Live, replay of visit.aigw at 127.0.0.1:43121 (recorded frames, no key, no cost)"


def test_where_names_the_gateway() -> None:
    assert resolve(ACME, SETTINGS, gateway=CLOUD).where == (
        "Acme Live through AI Gateway my-gw (gateway.ai.cloudflare.com)"
    )
    custom = Gateway.custom("https://ai.example.com")
    assert resolve(ACME, SETTINGS, gateway=custom).where == "Acme Live through the gateway at ai.example.com"


def test_the_gateway_may_hold_the_key() -> None:
    stored = replace(CLOUD, byok_alias="second")
    for gateway, environ in ((CLOUD, {}), (stored, {"ACME_KEY": KEY})):
        endpoint = resolve(ACME, SETTINGS, gateway=gateway, auth="subprotocol", environ=environ)
        assert endpoint.subprotocols == ("acme", f"cf-aig-authorization.{TOKEN}")
        assert endpoint.secrets == (TOKEN,)
    assert resolve(ACME, SETTINGS, gateway=stored, api_key=KEY).secrets == SECRETS


def test_the_first_variable_wins_and_the_argument_before_it() -> None:
    environ = {"ACME_API_KEY": "second-key", "ACME_KEY": f"{KEY}\n"}
    assert resolve(ACME, SETTINGS, gateway=CLOUD, environ=environ).secrets == SECRETS
    assert resolve(ACME, SETTINGS, gateway=CLOUD, api_key="given", environ=environ).secrets == (TOKEN, "given")


@pytest.mark.parametrize(
    ("known", "asked", "found"),
    [
        (replace(ALL_FORMS, header=None), "header", "query"),
        (replace(ALL_FORMS, header=None, query=None), "query", "subprotocol"),
        (replace(ALL_FORMS, subprotocol=None), "subprotocol", "header"),
        (replace(ALL_FORMS, query=None), "query", "header"),
    ],
)
def test_a_form_the_provider_lacks_is_replaced(known: KeyAuth, asked: AuthForm, found: str) -> None:
    endpoint = resolve(replace(ACME, auth=known), SETTINGS, gateway=CLOUD, api_key=KEY, auth=asked)
    places = {"header": str(endpoint.headers), "query": endpoint.url, "subprotocol": str(endpoint.subprotocols)}
    assert [place for place, text in places.items() if KEY in text] == [found]


@pytest.mark.parametrize(
    ("known", "way_out"),
    [
        (ALL_FORMS, 'auth="header"'),
        (replace(ALL_FORMS, header=None), 'auth="query"'),
        (replace(ALL_FORMS, header=None, query=None), "another key"),
    ],
)
def test_a_key_that_cannot_be_a_subprotocol(known: KeyAuth, way_out: str) -> None:
    provider = replace(ACME, auth=known)
    said = refused(resolve, provider, SETTINGS, gateway=CLOUD, api_key=f"id:{KEY}", auth="subprotocol")
    assert way_out in said and "Acme Live" in said


def test_credentials_that_cannot_travel() -> None:
    colon = replace(CLOUD, token=f"{TOKEN}:x")
    assert 'auth="header"' in refused(resolve, ACME, SETTINGS, gateway=colon, auth="subprotocol")
    assert "line break" in refused(resolve, ACME, SETTINGS, gateway=CLOUD, api_key=f"{KEY}\nX: y")
    assert "unknown auth" in refused(resolve, ACME, SETTINGS, gateway=CLOUD, auth="cookie")
    assert "direct=True" in refused(resolve, ACME, SETTINGS, gateway=None)


def test_parameters_join_those_of_the_address() -> None:
    provider = replace(ACME, direct_url="wss://api.acme.example/live?v=1")
    url = resolve(provider, SETTINGS.changed({"model": "m&n"}), gateway=None, direct=True, api_key=KEY).url
    assert url == "wss://api.acme.example/live?v=1&model=m%26n&agent=a%201"


# --------------------------------------------------------------------------------------------------------- silence


def test_silent_sockets_write_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """A real handshake and a real frame, with every logger at DEBUG; a talking logger beside it proves the test."""
    for name in ("websockets", "websockets.client", "websockets.server", "aigw_notebook.silent"):
        caplog.set_level(logging.DEBUG, name)
    caplog.set_level(logging.DEBUG)
    endpoints = {auth: resolve(ACME, SETTINGS, gateway=EMBEDDED, auth=auth) for auth in SIGNED}
    for endpoint in endpoints.values():
        asyncio.run(converse(endpoint, SILENT))
    assert not [record for record in caplog.records if record.name.startswith(("websockets", "aigw"))]
    assert TOKEN not in caplog.text
    asyncio.run(converse(endpoints["header"], logging.getLogger("websockets.talking")))
    assert TOKEN in caplog.text


async def converse(endpoint: Endpoint, logger: logging.Logger) -> None:
    """Connect with the endpoint's credentials to a server that says them back, then be cut off."""

    async def answer(connection: ServerConnection) -> None:
        await connection.send(await connection.recv())
        connection.transport.abort()

    def offered_first(connection: ServerConnection, offered: Any) -> Subprotocol | None:
        return Subprotocol(offered[0]) if offered else None

    async with serve(answer, "127.0.0.1", 0, logger=logger, select_subprotocol=offered_first) as server:
        port = server.sockets[0].getsockname()[1]
        path = endpoint.url.partition(":43121")[2]
        client = connect(
            f"ws://127.0.0.1:{port}{path}&api_key={TOKEN}",
            additional_headers=endpoint.headers,
            subprotocols=[Subprotocol(name) for name in endpoint.subprotocols] or None,
            logger=logger,
            proxy=None,
        )
        async with client as connection:
            await connection.send(f'{{"token": "{TOKEN}"}}')
            assert TOKEN in str(await connection.recv())
            await connection.wait_closed()
