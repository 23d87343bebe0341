"""What stands behind each route: read from the registry, loaded when first asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from .. import providers
from ..providers.base import Provider
from .emulators.base import Emulator
from .upstreams import Upstream, Upstreams

__all__ = ["Destination", "RouteTable"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where one route leads: to `upstream`, the part `matched` of the route left out; or else to `emulator`."""

    provider: Provider | None = None
    upstream: Upstream | None = None
    matched: str = ""
    emulator: type[Emulator] | None = None


class RouteTable:
    """Finds the destination of a route. `find` may import modules, so its first call for a route can take a while."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._providers: list[Provider] | None = None

    def find(self, route: str) -> Destination | None:
        """Where `route` (decoded, without outer slashes) leads; None when nothing serves it."""
        if any(segment in (".", "..") for segment in route.split("/")):
            return None
        provider = self._provider_of(route)
        found = self._upstreams.find(route, provider)
        if found is not None:
            return Destination(provider=provider, upstream=found[0], matched=found[1])
        return None if self._upstreams.all_live else self._emulated(route, provider)

    def describe(self) -> list[dict[str, Any]]:
        """One dict a route: `route`, `provider`, `behind` (emulator, relay, live or nothing) and `to`; no secrets."""
        if self._upstreams.base is not None:
            return [{"route": "*", "provider": None, "behind": "relay", "to": self._upstreams.base.safe}]
        by_route = {p.route: p for p in self._known()}
        routes = sorted({*by_route, *self._upstreams.by_route})
        return [self._describe_one(route, by_route.get(route)) for route in routes]

    def _describe_one(self, route: str, provider: Provider | None) -> dict[str, Any]:
        found = self._upstreams.find(route, provider or self._provider_of(route))
        name = provider.name if provider else None
        if found is None and provider is None:
            return {"route": route, "provider": None, "behind": "nothing", "to": "no provider has this route"}
        if found is None and self._upstreams.all_live:
            to = "its service has no address of its own: relay this route to a gateway's URL"
            return {"route": route, "provider": name, "behind": "nothing", "to": to}
        if found is None:
            to = "this machine: an emulator answers, not the provider's model"
            return {"route": route, "provider": name, "behind": "emulator", "to": to}
        is_live = self._upstreams.all_live or self._upstreams.by_route.get(found[1], found[0]) is None
        return {"route": route, "provider": name, "behind": "live" if is_live else "relay", "to": found[0].safe}

    def _known(self) -> list[Provider]:
        if self._providers is None:
            self._providers = list(_loadable())
        return self._providers

    def _provider_of(self, route: str) -> Provider | None:
        fitting = (p for p in self._known() if route == p.route or route.startswith(p.route + "/"))
        return max(fitting, key=lambda p: len(p.route), default=None)

    def _emulated(self, route: str, provider: Provider | None) -> Destination | None:
        others = (p for p in self._known() if p is not provider)
        for candidate in (*((provider,) if provider else ()), *others):
            emulator = _emulator_of(candidate)
            if emulator is not None and _serves(emulator.routes, route):
                return Destination(provider=candidate, emulator=emulator)
        return None


def _loadable() -> Iterator[Provider]:
    """All providers that can be loaded: one broken registration must not close the routes of the others."""
    for name in providers.names():
        try:
            yield providers.get(name)
        except Exception as error:
            log.warning("provider %r cannot be loaded: %s", name, type(error).__name__)


def _emulator_of(provider: Provider) -> type[Emulator] | None:
    try:
        return cast("type[Emulator]", import_module(provider.emulator_module).EMULATOR)
    except (ImportError, AttributeError) as error:
        log.warning("provider %r has no emulator: %s", provider.name, type(error).__name__)
        return None


def _serves(routes: tuple[str, ...], route: str) -> bool:
    return any(route == r or (r.endswith("/") and route.startswith(r)) for r in routes)
