"""What a client asks of the gateway when it knocks: address, headers, offered subprotocols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

__all__ = ["ClientRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRequest:
    """One HTTP request, taken apart. Header names are lower case and in order; nothing of it may be shown or logged.

    `account`, `gateway` and `route` are empty when the path does not have the form `/v1/<account>/<gateway>/<route>`.
    `raw_route` is the route as it was sent, still percent-encoded, and `query` the raw text after the question mark.
    """

    path: str = field(repr=False)
    query: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    offered: tuple[str, ...] = field(default=(), repr=False)
    account: str = ""
    gateway: str = ""
    raw_route: str = ""

    @classmethod
    def parse(cls, target: str, headers: Iterable[tuple[str, str]]) -> ClientRequest:
        """The request for `target` (path and query as on the request line)."""
        path, _, query = target.partition("?")
        pairs = tuple((name.lower(), value) for name, value in headers)
        account, gateway, raw_route = _address(path)
        return cls(
            path=path,
            query=query,
            headers=pairs,
            offered=_offered(pairs),
            account=account,
            gateway=gateway,
            raw_route=raw_route,
        )

    @property
    def route(self) -> str:
        """The path below the gateway, decoded, with no slash at either end."""
        return unquote(self.raw_route).strip("/")

    @property
    def parameters(self) -> dict[str, str]:
        """The query by name; of a name that occurs twice the first value counts."""
        return dict(reversed(parse_qsl(self.query, keep_blank_values=True)))

    @property
    def is_upgrade(self) -> bool:
        """Whether a WebSocket is asked for."""
        return any("websocket" in value.lower() for value in self.values("upgrade"))

    def values(self, name: str) -> list[str]:
        """All values of the header of that name (lower case), in order."""
        return [value for key, value in self.headers if key == name]


def _address(path: str) -> tuple[str, str, str]:
    parts = path.split("/", 4)
    if len(parts) < 4 or parts[:2] != ["", "v1"] or not parts[2] or not parts[3]:
        return "", "", ""
    return unquote(parts[2]), unquote(parts[3]), parts[4] if len(parts) == 5 else ""


def _offered(headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    lines = (value for name, value in headers if name == "sec-websocket-protocol")
    return tuple(entry for line in lines for part in line.split(",") if (entry := part.strip()))
