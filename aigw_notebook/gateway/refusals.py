"""What the gateway says before the upgrade: its error bodies, and the ids it stamps on every answer.

The array of a refusal is named `error`, not `errors`; codes and texts are those users report of AI Gateway.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID, uuid4

__all__ = [
    "ANSWERS",
    "INVALID_PROVIDER",
    "NO_ROUTE",
    "RATE_LIMITED",
    "UNAUTHORIZED",
    "UNKNOWN_GATEWAY",
    "PlainRefusal",
    "Refusal",
    "answer_ids",
    "former_ids",
    "misread",
    "unreachable",
    "uuid7",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way to be turned away: HTTP status, the gateway's own code, and its text."""

    status: int
    code: int
    message: str

    kind: ClassVar[str] = "application/json"

    def body(self) -> bytes:
        """The JSON that AI Gateway answers with."""
        answer = {
            "success": False,
            "result": [],
            "messages": [],
            "error": [{"code": self.code, "message": self.message}],
            "name": "AiGatewayError",
            "httpCode": self.status,
            "internalCode": self.code,
        }
        return json.dumps(answer, separators=(",", ":")).encode()

    def headers(self) -> dict[str, str]:
        """The ids of the answer."""
        return answer_ids()


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

UNAUTHORIZED = Refusal(401, 2009, "Unauthorized")
UNKNOWN_GATEWAY = Refusal(400, 2001, "Please configure AI Gateway in the Cloudflare dashboard")
INVALID_PROVIDER = Refusal(400, 2008, "Invalid provider")
NO_ROUTE = Refusal(404, 7003, "No route for that URI")
RATE_LIMITED = Refusal(429, 2003, "Rate limited")

MISREAD = 9400
"""The embedded gateway's own code, which AI Gateway has no use for: a fault switch that cannot be read."""


@dataclass(frozen=True, slots=True)
class PlainRefusal:
    """A refusal by something else than the gateway's own code: no ids, no JSON, maybe a redirect."""

    status: int
    text: str = ""
    location: str | None = None

    kind: ClassVar[str] = "text/plain; charset=utf-8"

    def body(self) -> bytes:
        """The text."""
        return self.text.encode()

    def headers(self) -> dict[str, str]:
        """Where to go instead, if anywhere."""
        return {} if self.location is None else {"Location": self.location}


_LOGIN = "https://example.cloudflareaccess.com/cdn-cgi/access/login/ai.example.com"
_BLOCKED = "blocked due to security configurations"
_GIVEN: tuple[Refusal, ...] = (
    UNKNOWN_GATEWAY,
    Refusal(502, 2002, "Provider request failed"),
    RATE_LIMITED,
    Refusal(500, 2005, "Provider internal error"),
    INVALID_PROVIDER,
    UNAUTHORIZED,
    Refusal(424, 2016, f"Prompt {_BLOCKED}"),
    Refusal(424, 2017, f"Response {_BLOCKED}"),
    Refusal(402, 2021, "Insufficient credits"),
    Refusal(424, 2029, "Request blocked by DLP"),
    Refusal(424, 2030, "Response blocked by DLP"),
    Refusal(429, 2045, "Spend limit exceeded: rule 'emulated' has no budget left"),
    NO_ROUTE,
)
_PLAIN: tuple[PlainRefusal, ...] = (
    PlainRefusal(302, location=_LOGIN),
    PlainRefusal(400, "Bad Request"),
    PlainRefusal(403, "Forbidden"),
    PlainRefusal(500, "Internal Server Error"),
    PlainRefusal(502, "Bad Gateway"),
    PlainRefusal(503, "Service Unavailable"),
)
ANSWERS: Mapping[int, Refusal | PlainRefusal] = MappingProxyType(
    {**{refusal.code: refusal for refusal in _GIVEN}, **{refusal.status: refusal for refusal in _PLAIN}}
)
"""What can be answered instead of an upgrade, by AI Gateway's code or by HTTP status. The texts of 2002, 2005, 2021,
2029, 2030 and 2045 and the statuses of 2002 and 2005 are guesses; 302 and 403 are Cloudflare Access before a domain.
"""


def misread(why: str) -> Refusal:
    """The refusal for fault switches that cannot be read; `why` names the one."""
    return Refusal(400, MISREAD, why)


def unreachable(where: str) -> Refusal:
    """The refusal for an upstream that could not be reached; `where` is its address without any secret."""
    return Refusal(502, 2002, f"Could not reach the upstream at {where}")


def answer_ids(event_id: str | None = None) -> dict[str, str]:
    """The `cf-aig-*` headers of one answer: one UUIDv7 for all ids, save an event id that the client sent."""
    unique = str(uuid7())
    return {
        "cf-aig-log-id": unique,
        "cf-aig-request-id": unique,
        "cf-aig-event-id": event_id or unique,
        "cf-aig-step": "0",
    }


def former_ids(event_id: str | None = None) -> dict[str, str]:
    """Ids as AI Gateway made them until October 2026: a ULID for the log row, random UUIDs for the others."""
    return {
        "cf-aig-log-id": _ulid(),
        "cf-aig-request-id": str(uuid4()),
        "cf-aig-event-id": event_id or str(uuid4()),
        "cf-aig-step": "0",
    }


def _ulid() -> str:
    """26 digits to the base 32 of Crockford: 48 bits of Unix time in ms, then 80 random bits."""
    value = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


def uuid7(now_ms: int | None = None) -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): 48 bits of Unix time in ms, then random bits."""
    stamp = int(time.time() * 1000) if now_ms is None else now_ms
    value = (stamp & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
