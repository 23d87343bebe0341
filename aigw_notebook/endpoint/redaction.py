"""No secret leaves: text and URLs made fit to show, and a logger that stays silent."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit, urlunsplit

__all__ = ["SILENT", "redact", "safe_url", "suspicion"]

SILENT = logging.Logger("aigw_notebook.silent", logging.CRITICAL + 1)
"""The logger for sockets: the websockets library writes headers, paths, subprotocols and frames at DEBUG level.

It is no part of the logger tree, so neither the level of the root logger nor a logging configuration wakes it.
"""
SILENT.disabled = True
SILENT.propagate = False

HIDDEN = "***"
"""What stands in place of a secret."""
SHORTEST_SECRET = 4

_VALUE = r"[^\s\"'&#<>,;)\]}\\]+"
_QUOTE = r"b?\\*[\"']"
_LEFT = r"(?<![A-Za-z0-9])"
_CREDENTIAL = r"(?:(?=[^\s\"',;]*(?:\d|[-_.~+/=][a-z0-9]|(?-i:[a-z][A-Z]|[A-Z]{6})))[\w.~+/=-]{6,}|[\w.~+/=-]{20,})"


class _Pattern(NamedTuple):
    marks: tuple[str, ...]
    """One of these is in all that matches, in lower case: most text has none and costs no search of the pattern."""
    pattern: re.Pattern[str]
    """Its last group is kept, what follows it is hidden."""


_PATTERNS = tuple(
    _Pattern(marks, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for marks, pattern in (
        # scheme://user:password@host
        (("://",), r"(://)[^/\s@:]+:[^/\s@]+(?=@)"),
        # Sec-WebSocket-Protocol: realtime, api-key.x
        (("sec-websocket-protocol",), rf"(sec-websocket-protocol(?:{_QUOTE})?\s*[:=]\s*(?:{_QUOTE})?)[^\r\n\"']+"),
        # cf-aig-authorization: Bearer x, "x-api-key": "x", ('authorization', 'x'), client_secret=x
        (
            ("_key", "-key", "apikey", "token", "secret", "authorization", "passw"),
            rf"((?:[-_](?:key|token|secret|authorization)|api_?key|authorization|password|passwd|[\"'](?:token|secret)"
            rf"(?=\\*[\"']))(?:(?:\\*[\"'])?\s*[:=]\s*(?:{_QUOTE})?|\\*[\"']\s*,\s*{_QUOTE})"
            rf"(?:(?:bearer|basic|token|key)\s+)?){_VALUE}",
        ),
        # key=x in a query
        (
            ("key=", "token=", "secret=", "signature=", "sig=", "pwd=", "credential", "jwt=", "%3d"),
            rf"((?:key|token|secret|signature|sig|pwd|credentials?|jwt)(?:=|%3d)){_VALUE}",
        ),
        # insecure-api-key.x in a list of subprotocols
        (
            ("key.", "token.", "secret.", "authorization.", "bearer."),
            r"((?:[-_](?:key|token|secret|authorization)|\bbearer)\.)[\w.~+!#$%&^|*-]{4,}",
        ),
        (("bearer",), rf"(\bbearer\s+){_CREDENTIAL}"),
        (("token ",), r"((?-i:\bToken) +)(?:(?=[\w./-]*\d)[\w./-]{8,}|[\w./-]{20,})"),
        (("key ",), r"((?-i:\bKey) +)[\w.-]+:(?!//)[\w.-]+"),
        # credentials known by how they begin
        (
            ("sk-", "sk_", "ek-", "ek_", "rk-", "rk_", "cfut", "cfat"),
            rf"{_LEFT}((?:sk|ek|rk|gsk|cfut|cfat)[-_])[\w*-]{{6,}}",
        ),
        (("aiza",), rf"{_LEFT}((?-i:AIza))[\w-]{{10,}}"),
        (("ya29.", "auth_tokens/"), rf"{_LEFT}(ya29\.|auth_tokens/)[\w.-]{{6,}}"),
        (("eyj",), rf"{_LEFT}((?-i:eyJ))[\w-]{{8,}}\.[\w-]+\.[\w-]*"),
    )
)
_SECRET_PARAMETER = re.compile(
    r"(?:key|token|secret|auth|authorization|password|passwd|pwd|signature|sig|credentials?|jwt)$", re.IGNORECASE
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with the given secrets, and all that looks like a credential, replaced by `***`.

    A secret is found as it is, percent-encoded and inside JSON text. Secrets shorter than four characters are left
    alone: they would be found everywhere.
    """
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET and secret.strip("*")]
    written = sorted({form for secret in known for form in _written_forms(secret)}, key=len, reverse=True)
    text = _without(text, written)
    lowered = text.lower()
    for marks, pattern in _PATTERNS:
        if any(mark in lowered for mark in marks):
            text = pattern.sub(rf"\1{HIDDEN}", text)
    return _without(text, written)


def suspicion(secrets: Iterable[str] = (), *, marks: Iterable[str] = ()) -> Callable[[str], bool]:
    """A quick test for many texts: False where `redact`, with these secrets, has nothing to hide.

    Texts that hold one of `marks` (in lower case) are suspected too.
    """
    forms = (form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in _written_forms(secret))
    suspected = {form.lower() for form in forms} | {mark for known in _PATTERNS for mark in known.marks} | {*marks}

    def suspects(text: str) -> bool:
        lowered = text.lower()
        for mark in suspected:  # noqa: SIM110  (`any` takes twice as long)
            if mark in lowered:
                return True
        return False

    return suspects


def _written_forms(secret: str) -> set[str]:
    encoded = (quote(secret, safe=safe, errors="replace") for safe in ("/", ""))
    return {secret, *encoded, quote_plus(secret, errors="replace"), json.dumps(secret)[1:-1]}


def _without(text: str, written: list[str]) -> str:
    """A replacement may put together what was apart, hence the repetition; every round makes the text shorter."""
    while any(form in text for form in written):
        for form in written:
            text = text.replace(form, HIDDEN)
    return text


def safe_url(url: str) -> str:
    """The URL to show: host, path and harmless parameters (model, agent …) kept, credentials replaced by `***`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return redact(url)
    login, at, host = parts.netloc.rpartition("@")
    query = "&".join(_safe_parameter(item) for item in parts.query.split("&")) if parts.query else ""
    fragment = HIDDEN if parts.fragment else ""
    return urlunsplit((parts.scheme, (HIDDEN if login else "") + at + host, redact(parts.path), query, fragment))


def _safe_parameter(item: str) -> str:
    name, equals, value = item.partition("=")
    plain = unquote_plus(value)
    hide = _SECRET_PARAMETER.search(unquote_plus(name)) or redact(plain) != plain
    return f"{name}{equals}{HIDDEN}" if hide else item
