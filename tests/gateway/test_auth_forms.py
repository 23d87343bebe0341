"""How credentials travel to each provider's route: every form that AI Gateway documents or its users use."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from aigw_notebook import Gateway, LocalGateway, providers
from aigw_notebook.endpoint import SILENT, AuthForm, resolve
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway import server as server_module
from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.gateway.request import ClientRequest
from aigw_notebook.gateway.upstreams import live
from aigw_notebook.providers.base import Provider, SessionSettings

TOKEN = "t0ken-SECRET"
KEY = "sk-SECRET-0123456789"
ODD_KEY = "id:secret/="
FORMS: tuple[AuthForm, ...] = ("header", "query", "subprotocol")

SHEET: dict[str, list[dict[str, str]]] = {
    "openai": [{"header": f"Authorization: Bearer {KEY}"}, {"subprotocol": f"realtime, openai-insecure-api-key.{KEY}"}],
    "google": [
        {"query": f"api_key={KEY}"},
        {"query": f"key={KEY}"},
        {"header": f"x-goog-api-key: {KEY}"},
        {"subprotocol": f"api_key.{KEY}"},
    ],
    "cartesia": [{"query": f"api_key={KEY}"}, {"header": f"X-API-Key: {KEY}"}],
    "elevenlabs": [{"header": f"xi-api-key: {KEY}"}, {"subprotocol": f"xi-api-key.{KEY}"}],
    "fal": [{"header": f"Authorization: Key {KEY}"}, {"subprotocol": f"fal-api-key.{KEY}"}],
    "deepgram": [{"header": f"Authorization: Token {KEY}"}, {"subprotocol": f"token, {KEY}"}],
    "workers-ai": [],
    "universal": [],
}
"""Provider → the forms of its key, by where it travels."""

GATEWAY_FORMS: dict[str, dict[str, str]] = {
    "bearer": {"header": f"cf-aig-authorization: Bearer {TOKEN}"},
    "bare": {"header": f"cf-aig-authorization: {TOKEN}"},
    "subprotocol": {"subprotocol": f"cf-aig-authorization.{TOKEN}"},
}


def settings_of(provider: Provider) -> SessionSettings:
    options = {"agent_id": "agent_1"} if provider.name == "elevenlabs" else {}
    return SessionSettings(model=provider.default_model, options=options)


def with_key_forms() -> list[str]:
    return [name for name in providers.BUILT_IN if providers.get(name).auth.any_form]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Handshake]:
    """What emulators are told of the handshakes, in order."""
    found: list[Handshake] = []
    made = server_module._handshake

    def noted(*arguments: Any) -> Handshake:
        found.append(made(*arguments))
        return found[-1]

    monkeypatch.setattr(server_module, "_handshake", noted)
    return found


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway(token=TOKEN) as running:
        yield running


def knock(gateway: LocalGateway, provider: Provider, *forms: dict[str, str]) -> Any:
    """The answer to an upgrade with those credentials on the provider's route, and what subprotocol was chosen."""
    settings = settings_of(provider)
    plain = resolve(provider, settings, gateway=Gateway.from_url(gateway.url)).url
    queries = [form["query"] for form in forms if "query" in form]
    headers = dict(form["header"].split(": ", 1) for form in forms if "header" in form)
    offered: Any = [entry for form in forms if "subprotocol" in form for entry in form["subprotocol"].split(", ")]
    url = plain + "".join(f"{'&' if '?' in plain else '?'}{query}" for query in queries)

    async def main() -> Any:
        options: dict[str, Any] = {"proxy": None, "logger": SILENT, "subprotocols": offered or None}
        async with open_socket(url, additional_headers=headers, **options) as socket:
            return socket.response.status_code, socket.subprotocol

    return asyncio.run(main())


def test_the_sheet_speaks_of_every_provider() -> None:
    assert set(SHEET) >= set(with_key_forms())


CASES = [
    pytest.param(name, gateway_form, key_form, id=f"{name}-{gateway_form}-{number}")
    for name in SHEET
    for gateway_form in GATEWAY_FORMS
    for number, key_form in enumerate(SHEET[name] or [{}])
]


@pytest.mark.parametrize(("name", "gateway_form", "key_form"), CASES)
def test_every_form_opens_its_route(
    gateway: LocalGateway, seen: list[Handshake], name: str, gateway_form: str, key_form: dict[str, str]
) -> None:
    provider, token_form = providers.get(name), GATEWAY_FORMS[gateway_form]
    status, chosen = knock(gateway, provider, key_form, token_form)
    assert status == 101
    assert {handshake.key for handshake in seen} == {KEY if key_form else None}
    assert all(TOKEN not in str((h.headers, h.subprotocols, h.query)) for h in seen)
    offered = ", ".join(form["subprotocol"] for form in (key_form, token_form) if "subprotocol" in form).split(", ")
    assert chosen in offered if offered != [""] else chosen is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", providers.BUILT_IN)
def test_what_the_client_sends_is_what_the_gateway_finds(
    gateway: LocalGateway, seen: list[Handshake], name: str, form: AuthForm
) -> None:
    """Whatever form is asked for, the two ends agree; a form that the provider lacks is replaced by one it has."""
    provider = providers.get(name)
    address = Gateway.from_url(gateway.url, token=TOKEN)
    key = KEY if name in with_key_forms() else None
    endpoint = resolve(provider, settings_of(provider), gateway=address, api_key=key, auth=form)

    async def main() -> Any:
        options: dict[str, Any] = {"subprotocols": list(endpoint.subprotocols) or None, "proxy": None, "logger": SILENT}
        async with open_socket(endpoint.url, additional_headers=list(endpoint.headers), **options) as socket:
            return socket.subprotocol

    chosen = asyncio.run(main())
    assert {handshake.key for handshake in seen} == {key}
    assert chosen in endpoint.subprotocols if endpoint.subprotocols else chosen is None


@pytest.mark.parametrize("name", with_key_forms())
def test_a_key_that_cannot_travel_is_refused_before_connecting(name: str) -> None:
    provider = providers.get(name)
    gateway = Gateway.from_url("ws://127.0.0.1:9/v1/a/g")

    def endpoint(form: AuthForm, key: str) -> Any:
        return resolve(provider, settings_of(provider), gateway=gateway, api_key=key, auth=form)

    if provider.auth.subprotocol:
        with pytest.raises(ConfigurationError, match='cannot travel as a subprotocol: pass auth="header"') as caught:
            endpoint("subprotocol", ODD_KEY)
        assert ODD_KEY not in str(caught.value)
    for form in ("header", "query"):
        assert endpoint(form, ODD_KEY).secrets == (ODD_KEY,)
    with pytest.raises(ConfigurationError, match="holds a space, a line break or a non-ASCII character"):
        endpoint("header", "two words")


def test_a_token_that_cannot_travel_is_refused_before_connecting() -> None:
    gateway = Gateway.from_url("ws://127.0.0.1:9/v1/a/g", token="to/ken")
    with pytest.raises(ConfigurationError, match='gateway token holds characters .* pass auth="header"'):
        resolve(providers.get("openai"), SessionSettings(model="m"), gateway=gateway, auth="subprotocol")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", with_key_forms())
def test_with_stored_keys_the_notebook_shows_the_gateways_token_only(
    gateway: LocalGateway, seen: list[Handshake], monkeypatch: pytest.MonkeyPatch, name: str, form: AuthForm
) -> None:
    provider = providers.get(name)
    address = Gateway.from_url(gateway.url, token=TOKEN)
    stored = Gateway(**{f: getattr(address, f) for f in ("base_url", "account_id", "gateway_id", "token", "kind")},
                     byok_alias="team", metadata={"run": 7}, event_id="ev-1", collect_log=True,
                     collect_log_payload=False)  # fmt: skip
    environ = dict.fromkeys(provider.auth.env, KEY)
    endpoint = resolve(provider, settings_of(provider), gateway=stored, auth=form, environ=environ)
    assert KEY not in str((endpoint.url, endpoint.headers, endpoint.subprotocols))

    async def main() -> Any:
        options: dict[str, Any] = {"subprotocols": list(endpoint.subprotocols) or None, "proxy": None, "logger": SILENT}
        async with open_socket(endpoint.url, additional_headers=list(endpoint.headers), **options) as socket:
            return socket.response.headers["cf-aig-event-id"]

    assert asyncio.run(main()) == "ev-1"
    sent = {h: v for h, v in seen[-1].headers.items() if h.startswith("cf-aig-")}
    assert sent == {
        "cf-aig-byok-alias": "team",
        "cf-aig-metadata": '{"run": 7}',
        "cf-aig-event-id": "ev-1",
        "cf-aig-collect-log": "true",
        "cf-aig-collect-log-payload": "false",
    }
    assert seen[-1].key is None


# ------------------------------------------------------------------------------------------- relayed to the provider


LIVE_PATHS = [
    ("openai", "", "/v1/realtime"),
    ("openai", "/realtime", "/v1/realtime"),
    ("google", "", None),
    ("google", "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent", "="),
    ("cartesia", "/tts/websocket", "/tts/websocket"),
    ("elevenlabs", "/v1/text-to-speech/voice_1/stream-input", "="),
    ("deepgram", "/v1/listen", "="),
    ("fal", "/fal-ai/fast-sdxl", "="),
]


@pytest.mark.parametrize(("name", "tail", "path"), LIVE_PATHS)
def test_a_live_relay_dials_the_providers_own_address(name: str, tail: str, path: str | None) -> None:
    """Held to the address alone: the network is not touched."""
    provider = providers.get(name)
    own = re.sub(r"^wss://[^/]+", "", provider.direct_url)
    dialled = live(provider).address(tail.strip("/"), "")
    assert re.sub(r"^wss://[^/]+", "", dialled) == {"=": tail, None: own}.get(path, path)


@pytest.mark.parametrize(("name", "parameter"), [("google", "key"), ("cartesia", "api_key")])
def test_a_live_relay_renames_the_keys_parameter(monkeypatch: pytest.MonkeyPatch, name: str, parameter: str) -> None:
    asked: list[Request] = []

    async def answer(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(connection.request)
        try:
            await connection.send(await connection.recv())
        except ConnectionClosed:
            pass

    async def main() -> None:
        async with serve(answer, "127.0.0.1", 0, logger=SILENT) as upstream:
            port = upstream.sockets[0].getsockname()[1]
            provider = providers.get(name)
            here = re.sub(r"^wss://[^/]+", f"ws://127.0.0.1:{port}", provider.direct_url)
            moved = {f: getattr(provider, f) for f in provider.__dataclass_fields__} | {"direct_url": here}
            monkeypatch.setitem(providers._loaded, name, Provider(**moved))
            gateway = await asyncio.to_thread(LocalGateway(token=TOKEN, upstreams="live").start)
            try:
                url = f"{gateway.url}/{provider.route}?aigw_fault=no_ids&x=a%20b&api_key=k%2B1"
                headers = {"cf-aig-authorization": TOKEN, "aigw-fault": "frame_ms=1"}
                async with open_socket(url, additional_headers=headers, proxy=None, logger=SILENT) as client:
                    await client.send("ping")
                    assert await client.recv() == "ping"
            finally:
                await asyncio.to_thread(gateway.stop)

    asyncio.run(main())
    parsed = ClientRequest.parse(asked[0].path, asked[0].headers.raw_items())
    assert parsed.query == f"x=a%20b&{parameter}=k%2B1"
    assert not parsed.values("aigw-fault") and not parsed.values("cf-aig-authorization")
