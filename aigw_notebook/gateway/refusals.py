"""What the gateway says before the upgrade: its error bodies, and the ids it stamps on every answer.

The array of a refusal is named `error`, not `errors`; codes and texts are those users report of AI Gateway.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

__all__ = [
    "INVALID_PROVIDER",
    "NO_ROUTE",
    "UNAUTHORIZED",
    "UNKNOWN_GATEWAY",
    "Refusal",
    "answer_ids",
    "unreachable",
    "uuid7",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way to be turned away: HTTP status, the gateway's own code, and its text."""

    status: int
    code: int
    message: str

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


UNAUTHORIZED = Refusal(401, 2009, "Unauthorized")
UNKNOWN_GATEWAY = Refusal(400, 2001, "Please configure AI Gateway in the Cloudflare dashboard")
INVALID_PROVIDER = Refusal(400, 2008, "Invalid provider")
NO_ROUTE = Refusal(404, 7003, "No route for that URI")


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


def uuid7(now_ms: int | None = None) -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): 48 bits of Unix time in ms, then random bits."""
    stamp = int(time.time() * 1000) if now_ms is None else now_ms
    value = (stamp & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
