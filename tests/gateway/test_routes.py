from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from aigw_notebook import providers
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.routes import RouteTable
from aigw_notebook.gateway.upstreams import Upstreams


@pytest.mark.parametrize(
    ("route", "served"),
    [
        ("echo", True),
        ("echo/deep/below", True),
        ("echo/deep", False),
        ("echo/other", False),
        ("echoes", False),
        ("", True),
        ("echo/../secret", False),
        ("echo/deep/../..", False),
        (".", False),
    ],
)
def test_an_emulator_serves_its_own_routes(echo: Any, route: str, served: bool) -> None:
    found = RouteTable(Upstreams()).find(route)
    assert (found is not None) is served


def test_a_relay_needs_no_emulator(echo: Any) -> None:
    found = RouteTable(Upstreams.of({"echo": "ws://h/x"})).find("echo/any/thing")
    assert found is not None
    assert found.upstream is not None and found.emulator is None and found.matched == "echo"
    assert found.provider is not None and found.provider.name == "echo"


def test_another_gateway_gets_every_route_but_none_that_climbs(echo: Any) -> None:
    table = RouteTable(Upstreams.of("ws://h/v1/a/g"))
    assert table.find("unknown") is not None
    assert table.find("unknown/..") is None


def test_a_broken_provider_leaves_the_other_routes(
    echo: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(providers.BUILT_IN, "broken", "no_such_module_of_the_tests")
    assert RouteTable(Upstreams()).find("echo") is not None
    assert "'broken' cannot be loaded" in caplog.text


def test_a_provider_without_emulator_has_no_route(echo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules[echo_module()], "EMULATOR")
    assert RouteTable(Upstreams()).find("echo") is None


def echo_module() -> str:
    return providers.get("echo").emulator_module


@pytest.mark.parametrize(
    ("upstreams", "behind", "to"),
    [
        (None, "emulator", "not the provider's model"),
        ("live", "live", "ws://127.0.0.1:1/direct"),
        ({"echo": "live"}, "live", "ws://127.0.0.1:1/direct"),
        ({"echo": "wss://u:s3cret@h/p?key=s3cret"}, "relay", "wss://h/p"),
    ],
)
def test_describe_says_what_stands_behind(echo: Any, upstreams: Any, behind: str, to: str) -> None:
    rows = RouteTable(Upstreams.of(upstreams)).describe()
    row = next(row for row in rows if row["route"] == "echo")
    assert row["behind"] == behind and to in row["to"] and row["provider"] == "echo"
    assert "s3cret" not in repr(rows)


def test_describe_of_another_gateway_is_one_row(echo: Any) -> None:
    rows = RouteTable(Upstreams.of("wss://h/v1/a/g?k=s3cret")).describe()
    assert rows == [{"route": "*", "provider": None, "behind": "relay", "to": "wss://h/v1/a/g"}]


def test_describe_lists_relayed_routes_no_provider_has(echo: Any) -> None:
    rows = RouteTable(Upstreams.of({"own": "ws://h/x"})).describe()
    assert {"route": "own", "provider": None, "behind": "relay", "to": "ws://h/x"} in rows


def test_a_live_gateway_emulates_nobody(echo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that can be reached through a gateway only has no service of its own to be live."""
    monkeypatch.setitem(providers._loaded, "echo", replace(providers.get("echo"), direct_url=""))
    table = RouteTable(Upstreams.of("live"))
    assert table.find("echo") is None
    (row,) = [row for row in table.describe() if row["route"] == "echo"]
    assert row["behind"] == "nothing" and "gateway" in row["to"]
    with pytest.raises(ConfigurationError, match="gateway"):
        RouteTable(Upstreams.of({"echo": "live"})).find("echo")
