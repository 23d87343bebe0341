"""The gateway's log: one row for each session, in the form of AI Gateway's Logs API, newest kept.

A row is written when its session is over, and when a provider, or the way to it, refused the session before it began.
Who showed no right token, asked for another gateway or for a route that nobody serves leaves no row. Rows hold sizes
and counts only, no payload, so `cf-aig-collect-log-payload` changes nothing; `cf-aig-collect-log: false` leaves the
row out. What is not known is None: a cost, unless the client named its own, and the tokens of a relayed session, whose
messages are not looked into.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeAlias

from ..endpoint import redact
from ..providers.base import Provider
from .auth import is_beta_subprotocol, presented_tokens, provider_key, without_gateway_entries
from .counters import Traffic
from .emulators.base import UsageTally
from .refusals import uuid7
from .request import ClientRequest

__all__ = ["Log", "LogDraft", "LogEntry", "LogRow", "metadata_of"]

LogRow: TypeAlias = dict[str, Any]
"""One row as the Logs API gives it."""

MAX_ROWS = 1_000
MAX_METADATA = 5
MAX_TEXT = 1_024
"""Characters kept of what a client wrote: a header may have eight times as many, and a thousand rows are kept."""

RESERVED = "cf."
SWITCHING_PROTOCOLS = 101
_CREDENTIALS = ("key", "token", "secret", "authorization")
"""How the name of a header or parameter ends that holds one."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A row, with the gateway that it belongs to and what only the request for a single row shows."""

    gateway: str
    row: LogRow
    request_size: int = 0
    response_size: int = 0

    def detailed(self) -> LogRow:
        """The row as it is given when it is asked for by its id; there are sizes, but no payload was kept."""
        heads = {f"{side}_head{more}": None if not more else False for side in _SIDES for more in ("", "_complete")}
        return {**self.row, **heads, "request_size": self.request_size, "response_size": self.response_size}


_SIDES = ("request", "response")


class Log:
    """The rows of a gateway since its start, the newest `limit` of them. It is used on the gateway's thread."""

    def __init__(self, limit: int = MAX_ROWS) -> None:
        self.limit = limit
        self.dropped = 0
        self._entries: deque[LogEntry] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: LogEntry) -> None:
        """Keep a row; the oldest makes room and is counted as dropped."""
        self.dropped += len(self._entries) == self.limit
        self._entries.append(entry)

    def rows(self, gateway: str) -> list[LogRow]:
        """The rows of one gateway, oldest first."""
        return [entry.row for entry in self._entries if entry.gateway == gateway]

    def get(self, gateway: str, log_id: str) -> LogEntry | None:
        """The newest entry of that id; None without one."""
        entries = reversed(self._entries)
        return next((e for e in entries if e.gateway == gateway and e.row["id"] == log_id), None)

    def describe(self) -> dict[str, int]:
        """How many rows there are, at most are, and were dropped."""
        return {"rows": len(self), "limit": self.limit, "dropped": self.dropped}


@dataclass(slots=True, kw_only=True)
class LogDraft:
    """A row whose session is not over: what the request says, and from when. `clock` is in ms."""

    asked: ClientRequest = field(repr=False)
    provider: str
    secrets: tuple[str, ...] = field(repr=False)
    byok: bool
    authentication: bool
    clock: Callable[[], float]
    began_ms: float
    created_at: datetime
    log_id: str
    event_id: str

    @classmethod
    def begin(
        cls, asked: ClientRequest, provider: Provider | None, *, authentication: bool, clock: Callable[[], float]
    ) -> LogDraft | None:
        """The draft for a request that was let in and leads somewhere; None when the client wants no row."""
        if _first(asked, "cf-aig-collect-log").strip().lower() == "false":
            return None
        key = provider_key(asked, provider.auth) if provider else None
        log_id = str(uuid7())
        return cls(
            asked=asked,
            provider=provider.name if provider else asked.route.partition("/")[0],
            secrets=tuple(_secrets(asked, key)),
            byok=not key and bool(asked.values("cf-aig-byok-alias")),
            authentication=authentication,
            clock=clock,
            began_ms=clock(),
            created_at=datetime.now(UTC),
            log_id=log_id,
            event_id=_first(asked, "cf-aig-event-id") or log_id,
        )

    def identify(self, answer: Mapping[str, str]) -> None:
        """Take the ids from the headers of the answer, as the client gets them."""
        self.log_id = self._text(answer.get("cf-aig-log-id")) or self.log_id
        self.event_id = answer.get("cf-aig-event-id") or self.event_id

    def refused(self, status: int, answer: Mapping[str, str]) -> LogEntry:
        """The entry for a session that did not come about; `answer` are the headers that say so."""
        self.identify(answer)
        row = self._row(status, self._text(answer.get("content-type")), Traffic(), UsageTally())
        return LogEntry(self.asked.gateway, row)

    def ended(self, traffic: Traffic, usage: UsageTally) -> LogEntry:
        """The entry for a session that is over now."""
        row = self._row(SWITCHING_PROTOCOLS, None, traffic, usage)
        return LogEntry(self.asked.gateway, row, traffic.bytes_in, traffic.bytes_out)

    def _row(self, status: int, content_type: str | None, traffic: Traffic, usage: UsageTally) -> LogRow:
        asked, query = self.asked, self.asked.parameters
        prices = _prices(_first(asked, "cf-aig-custom-cost"))
        return {
            "id": self.log_id,
            "created_at": self.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "provider": self._text(self.provider),
            "model": self._text(usage.model or query.get("model") or query.get("model_id")),
            "model_type": None,
            "path": self._text(asked.route),
            "request_type": "websocket",
            "request_content_type": self._text(_first(asked, "content-type")),
            "response_content_type": content_type,
            "success": status == SWITCHING_PROTOCOLS,
            "status_code": status,
            "cached": False,
            "duration": round(self.clock() - self.began_ms),
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "cost": _cost(prices, usage),
            "custom_cost": prices is not None,
            "metadata": self._metadata(),
            "step": 0,
            "event_id": self._text(self.event_id),
            "user_agent": self._text(_first(asked, "user-agent")),
            "authentication": self.authentication,
            "byok": self.byok,
            "wholesale": False,
            "feedback": None,
            "events": traffic.frames_in + traffic.frames_out,
        }

    def _metadata(self) -> dict[str, str | int | float | bool]:
        found = metadata_of(_first(self.asked, "cf-aig-metadata"))
        return {
            self._text(name) or "": (self._text(value) or "") if isinstance(value, str) else value
            for name, value in found.items()
        }

    def _text(self, text: str | None) -> str | None:
        """What a client wrote, as it may be kept: no secret in it, and not too long; None when it wrote nothing."""
        return redact(text, self.secrets)[:MAX_TEXT] if text else None


def metadata_of(header: str) -> dict[str, str | int | float | bool]:
    """What AI Gateway keeps of a `cf-aig-metadata` header: the first five entries, reserved names left out.

    One value that is no text, number or boolean, or text that is no JSON object, makes it drop all, silently.
    """
    try:
        found = json.loads(header, parse_constant=_no_json) if header else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str | int | float) for value in found.values()):
        return {}
    if not all(math.isfinite(value) for value in found.values() if isinstance(value, float)):
        return {}
    kept = [(name, value) for name, value in found.items() if not name.startswith(RESERVED)]
    return dict(kept[:MAX_METADATA])


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _first(asked: ClientRequest, name: str) -> str:
    return next(iter(asked.values(name)), "")


def _secrets(asked: ClientRequest, key: str | None) -> Iterator[str]:
    """All that may be a credential of this request. What is too short to be one is passed over when it is hidden."""
    named = (*asked.headers, *asked.parameters.items())
    yield from presented_tokens(asked)
    yield key or ""
    yield from (value.rpartition(" ")[2] for name, value in named if name.lower().endswith(_CREDENTIALS))
    entries = (entry for entry in without_gateway_entries(asked.offered) if not is_beta_subprotocol(entry))
    yield from (entry.partition(".")[2] for entry in entries)


# ------------------------------------------------------------------------------------------------------------ cost


def _prices(header: str) -> tuple[float, float] | None:
    """US dollars for a token read and a token written, from `cf-aig-custom-cost`; None when it does not say."""
    try:
        found = json.loads(header, parse_constant=_no_json) if header else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    prices = (found.get("per_token_in", 0), found.get("per_token_out", 0))
    known = "per_token_in" in found or "per_token_out" in found
    return prices if known and all(_is_price(price) for price in prices) else None


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_PRICE


MAX_PRICE = 1_000_000


def _cost(prices: tuple[float, float] | None, usage: UsageTally) -> float | None:
    """What the tokens cost at the client's own prices. Prices of the providers are not known here."""
    if prices is None or (usage.tokens_in is None and usage.tokens_out is None):
        return None
    return (usage.tokens_in or 0) * prices[0] + (usage.tokens_out or 0) * prices[1]
