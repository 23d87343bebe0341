"""Where a relay leads: one upstream a route, one gateway for all, or every provider's own address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TypeAlias
from urllib.parse import unquote_plus, urlsplit

from ..errors import ConfigurationError
from ..providers.base import Provider
from .request import ClientRequest

__all__ = ["LIVE", "Upstream", "Upstreams", "UpstreamsLike"]

LIVE = "live"
"""The word that stands for a provider's own address: a live, paid service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One address that a relay dials.

    `url` is ws:// or wss://; what the client wrote after the route is added to its path, and the client's query to its
    own, with the names in `renames` replaced. With `live` it is a provider's own address: what its SDK writes after the
    route is the provider's path, or the end of it, and is not added to itself. `headers` are added to the handshake and
    replace the client's of the same name: the place for a key that the client must not know. `gateway` says that
    another gateway answers there, so `cf-aig-*` headers are passed on, and `token` is its token. Pings are sent on this
    leg every `ping_interval_s` (None: never).
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str | None = field(default=None, repr=False)
    gateway: bool = False
    live: bool = False
    renames: Mapping[str, str] = field(default_factory=dict)
    ping_interval_s: float | None = 20.0
    ping_timeout_s: float | None = 20.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ConfigurationError("an upstream is a ws:// or wss:// URL with a host")

    @property
    def safe(self) -> str:
        """The address to show: scheme, host, port and path, without user, query or any secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def address(self, rest: str, query: str) -> str:
        """The URL to dial: `rest` (still encoded) below its path, `query` after its own."""
        parts = urlsplit(self.url)
        queries = "&".join(text for text in (parts.query, self._renamed(query)) if text)
        return parts._replace(path=self._path(parts.path, rest), query=queries, fragment="").geturl()

    def _path(self, path: str, rest: str) -> str:
        rest = rest.strip("/")
        if not rest:
            return path
        if self.live and f"{path}/".endswith(f"/{rest}/"):
            return path
        if self.live and path.split("/")[1:2] == rest.split("/")[:1]:
            return f"/{rest}"
        return f"{path.rstrip('/')}/{rest}"

    def _renamed(self, query: str) -> str:
        return "&".join(self._renamed_one(part) for part in query.split("&")) if self.renames else query

    def _renamed_one(self, part: str) -> str:
        name, equals, value = part.partition("=")
        return f"{self.renames.get(unquote_plus(name), name)}{equals}{value}"


UpstreamsLike: TypeAlias = str | Upstream | Mapping[str, str | Upstream] | None
"""`{"route": "wss://…" | Upstream | "live"}`, or one gateway's base URL for all routes, or "live" for all."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Which upstream, if any, a request is relayed to."""

    base: Upstream | None = None
    by_route: Mapping[str, Upstream | None] = field(default_factory=dict)
    all_live: bool = False

    @classmethod
    def of(cls, given: UpstreamsLike) -> Upstreams:
        """Read what a caller gave. Raises `ConfigurationError` for an address that cannot be dialled."""
        if given is None:
            return cls()
        if isinstance(given, Mapping):
            return cls(by_route={route.strip("/"): _one(value) for route, value in given.items()})
        if given == LIVE:
            return cls(all_live=True)
        base = Upstream(url=given) if isinstance(given, str) else given
        return cls(base=replace(base, gateway=True))

    def route_of(self, route: str) -> str | None:
        """The longest configured route that `route` is or lies below."""
        fitting = (key for key in self.by_route if route == key or route.startswith(key + "/"))
        return max(fitting, key=len, default=None)

    def find(self, route: str, provider: Provider | None) -> tuple[Upstream, str] | None:
        """The upstream for `route` and the part of the route that it stands for ("" for none); None: no relay."""
        if self.base is not None:
            return self.base, ""
        key = self.route_of(route)
        if key is not None:
            upstream = self.by_route[key] or (provider and live(provider))
            return (upstream, key) if upstream else None
        if self.all_live and provider is not None and provider.direct_url:
            return live(provider), provider.route
        return None


def live(provider: Provider) -> Upstream:
    """The provider's own address, with its pings and its own name for the key's parameter.

    Raises `ConfigurationError` where there is none.
    """
    if not provider.direct_url:
        raise ConfigurationError(f"{provider.title} can be reached through a gateway only: relay it to a gateway's URL")
    here, there = provider.auth.query, (provider.auth.direct or provider.auth).query
    return Upstream(
        url=provider.direct_url,
        live=True,
        renames={here: there} if here and there and here != there else {},
        ping_interval_s=provider.ping_interval_s,
        ping_timeout_s=provider.ping_timeout_s,
    )


def rest_of(request: ClientRequest, matched: str) -> str:
    """What follows the first `matched` segments of the request's route, still percent-encoded."""
    raw = request.raw_route.strip("/")
    skipped = len(matched.split("/")) if matched else 0
    return "/".join(raw.split("/")[skipped:])


def _one(value: str | Upstream) -> Upstream | None:
    if isinstance(value, Upstream):
        return value
    return None if value == LIVE else Upstream(url=value)
