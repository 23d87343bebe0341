"""What a peer answered instead of a session, as an error that names the next step.

Gateway codes and close codes are those of the AI Gateway documentation and of reports by its users; anything else is
passed on in the peer's own words. The peer is called "the provider": on one connection only one of them can be meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from ..errors import GatewayError, SessionEnded, Unauthorized, UpstreamRefused
from .redaction import redact

__all__ = ["explain_close", "explain_refusal"]

MAX_WORDS = 300
"""Characters of the peer's own words that a message keeps."""

_BY_CODE: dict[int, str] = {
    2001: "no such account or gateway: compare the account id and the gateway name with the Cloudflare dashboard",
    2002: "the provider failed: try again",
    2003: "the gateway's rate limit is reached: wait, or raise it in the gateway's settings",
    2005: "the provider failed: try again",
    2008: "the gateway knows no such route: check the gateway URL and the provider",
    2009: "check the gateway token: it is sent as cf-aig-authorization and needs the permission AI Gateway Run in this "
    "very account",
    2016: "the gateway's guardrails blocked the request: change it or the guardrails",
    2017: "the gateway's guardrails blocked the answer: change the request or the guardrails",
    2021: "the account is out of credits: add some, or use the provider's own key",
    2029: "a data loss prevention rule of the gateway blocked the request: change it or the rule",
    2030: "a data loss prevention rule of the gateway blocked the answer: change the request or the rule",
    2045: "a spend limit of the gateway is reached: wait for its window to end, or raise it in the gateway's settings",
    7003: "check the name of the model and the gateway URL",
}
_BY_STATUS: dict[int, str] = {
    400: "check the model and the other settings, and that a provider key is sent or stored in the gateway",
    401: "check the gateway token and the provider key",
    402: "the account is out of credits: add some, or use the provider's own key",
    403: "the token or key lacks permission, or Cloudflare Access guards the address: ask who runs it for a way in",
    404: "there is nothing at this address: check the gateway URL, the route and the model",
    424: "a security rule of the gateway blocked the request: change it or the rule",
    426: "this address speaks plain HTTP only: check the gateway URL",
    429: "too many requests: wait, or look at the limits of the gateway and of the provider",
    500: "on some routes this means that no provider key came: set one, or store one in the gateway; else try again",
}
_ACCESS = "Cloudflare Access guards this address and wants a login: use an address or a credential that it lets through"
_REDIRECTED = "the address redirects elsewhere: check the gateway URL"
_SERVER = "the gateway or the provider behind it is failing: try again, or go past the gateway with direct=True"
_ODD = "check that the gateway URL points at a gateway"
_UNAUTHORIZED_STATUS = {401, 403}
_UNAUTHORIZED_CODES = {2009}


_PROVIDER_FAILED_STATUS = {400, 500}
_PROVIDER_FAILED_CODES = {2002, 2005}
"""Refusals whose cause may be the gateway's way to the provider, so that another way may do."""


class _Complaint(NamedTuple):
    code: int | str | None
    words: str


def explain_refusal(
    status: int, body: bytes | str, headers: Mapping[str, str], *, secrets: Iterable[str] = (), way_round: str = ""
) -> GatewayError:
    """The error for an upgrade that was answered with HTTP `status`: `Unauthorized` or `UpstreamRefused`.

    The message holds the peer's own words, trimmed and without secrets, and a hint, with `way_round` where another way
    to the provider may help. Header names match in any case.
    """
    complaint = _complaint(body)
    access = 300 <= status < 400 and "/cdn-cgi/access/" in _header(headers, "location")
    code = redact(complaint.code, secrets) if isinstance(complaint.code, str) else complaint.code
    said = " ".join(str(part) for part in (code, _trimmed(complaint.words, secrets)) if part)
    wait = _header(headers, "retry-after")
    message = (
        f"the connection was refused with HTTP {status}{f' ({said})' if said else ''}: "
        f"{_ACCESS if access else _refusal_hint(status, complaint.code)}{f'; wait {wait} s' if wait.isdigit() else ''}"
    )
    by_code = complaint.code in _PROVIDER_FAILED_CODES
    if way_round and (by_code or (status in _PROVIDER_FAILED_STATUS and complaint.code not in _BY_CODE)):
        message += f"; or {way_round}"
    unauthorized = access or status in _UNAUTHORIZED_STATUS or complaint.code in _UNAUTHORIZED_CODES
    kind = Unauthorized if unauthorized else UpstreamRefused
    return kind(message, status=status, code=code)


def _refusal_hint(status: int, code: int | str | None) -> str:
    if isinstance(code, int) and code in _BY_CODE:
        return _BY_CODE[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return _SERVER
    return _REDIRECTED if 300 <= status < 400 else _ODD


def _header(headers: Mapping[str, str], name: str) -> str:
    """Only the one asked for is read: a mapping of HTTP headers may refuse to give one that came twice."""
    return next((str(headers[key]) for key in headers if key.lower() == name), "")


def _complaint(body: bytes | str) -> _Complaint:
    """Code and words of an error body.

    Gateways write `{"error": [{"code", "message"}]}` or `errors`, providers one object, one string, or plain text.
    """
    text = body if isinstance(body, str) else bytes(body).decode("utf-8", "replace")
    try:
        found = _inner(json.loads(text))
    except (ValueError, RecursionError):
        return _Complaint(None, "" if text.lstrip().startswith("<") else text)
    if not isinstance(found, dict):
        return _Complaint(None, "" if found is None else str(found))
    code = next((found[name] for name in ("code", "internalCode", "err_code") if name in found), None)
    names = ("message", "detail", "description", "title", "err_msg")
    words = next((found[name] for name in names if found.get(name)), "")
    return _Complaint(_number(code), words if isinstance(words, str) else json.dumps(words))


def _inner(found: Any) -> Any:
    """The innermost error of a parsed body."""
    for _ in range(4):
        if isinstance(found, list) and found:
            found = found[0]
        elif isinstance(found, dict) and (found.get("error") or found.get("errors")):
            inner = found.get("error") or found.get("errors")
            plain = isinstance(inner, str) and found.get("message")
            found = {"code": inner, "message": found["message"]} if plain else inner
            if plain:
                break
    return found


def _number(code: Any) -> int | str | None:
    if isinstance(code, bool) or not isinstance(code, int | str):
        return None
    return int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10 else code


def _trimmed(words: str, secrets: Iterable[str]) -> str:
    """Redacted before it is cut: half a secret would not be recognized."""
    text = " ".join(redact(words, secrets).split()).rstrip(".")
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"


# ---------------------------------------------------------------------------------------------------- close frames


class _Cause(NamedTuple):
    hint: str
    unauthorized: bool = False
    go_round: bool = False
    """Whether another way to the provider may help; such a cause is also meant when the peer never said a word."""


_KEY = _Cause("the provider did not accept the key: check that it is set, valid and for this provider", True)
_Reasons: TypeAlias = tuple[tuple[re.Pattern[str], _Cause], ...]


def _reasons(*table: tuple[str, _Cause]) -> _Reasons:
    return tuple((re.compile(pattern, re.IGNORECASE), cause) for pattern, cause in table)


_BY_REASON = _reasons(
    (
        r"^message \d+ differs from the recording",
        _Cause("look at the difference in the replay's `divergences`, and record anew if it is meant"),
    ),
    (r"session.{0,12}(expired|duration)|maximum duration", _Cause("its time limit was reached: connect again")),
    (
        r"quota|rate.?limit|too many|concurren|credits|billing|insufficient.funds",
        _Cause("a limit of the account is reached: wait, or look at the provider's plan and usage"),
    ),
    (r"api.?key|unauthori[sz]ed|authenticat|authorization|credential|forbidden|access.?token", _KEY),
)
"""Looked at before the code: providers use one code for many causes."""

_BY_REASON_BEFORE_READY = _reasons(
    (r"user location|region", _Cause("the provider does not serve this region: connect from another")),
    (r"(?<![a-z0-9])beta", _Cause("an outdated protocol was asked for: leave out beta headers and beta settings")),
    (r"model", _Cause("the provider does not accept the model: choose another, by its exact name")),
)
_BEFORE_READY: dict[int, _Cause] = {
    1000: _Cause("the provider ended the session before it began: check the model and the other settings"),
    1001: _Cause("the provider went away: try again"),
    1006: _Cause(
        "the peer accepted the upgrade and dropped the connection at the first frame, as a gateway does that cannot "
        "reach the provider: check the provider key and the model",
        go_round=True,
    ),
    1007: _Cause("the provider did not accept the opening message: check the settings"),
    1008: _Cause("the provider refused the session: check the model, the settings and the key"),
    1009: _Cause("the opening message was too big: shorten the instructions or the tools"),
    1011: _Cause("the provider failed: try again"),
    1012: _Cause("the provider restarts: try again"),
    1013: _Cause("the provider is overloaded: try again later"),
    3000: _KEY,
    3003: _KEY,
    4000: _Cause("the provider did not accept the model or a header: check the model, and leave out beta headers"),
    4001: _Cause(
        "the provider saw no key: keys stored in a gateway may not be used for realtime sessions, so pass the key",
        unauthorized=True,
        go_round=True,
    ),
}
_ONCE_READY: dict[int, str] = {
    1000: "the provider ended it: connect again to go on",
    1001: "the provider went away or its time limit was reached: connect again",
    1005: "the peer gave no code: connect again",
    1006: "the connection broke without a close frame: check the network and connect again",
    1007: "the provider could not read a message: check the settings changed last",
    1008: "a message broke a rule of the provider: check what was sent last",
    1009: "a message was too big: send less at once",
    1011: "the provider failed, or answered no ping: connect again",
    1012: "the provider restarts: connect again",
    1013: "the provider is overloaded: connect again later",
}
_UNKNOWN = "the code is the provider's own: look it up in its documentation"


def explain_close(
    code: int, reason: str, *, ready: bool, silent: bool = False, secrets: Iterable[str] = (), way_round: str = ""
) -> GatewayError:
    """The error for a connection that was closed by the peer, which in a `silent` one never said a word.

    Once the session was ready it is `SessionEnded`; before, `Unauthorized` or `UpstreamRefused`, with a diagnosis and
    with `way_round` where another way to the provider may help.
    """
    words = redact(reason, secrets)
    frame = f"close code {code}, {_trimmed(reason, secrets)}" if words else f"close code {code}"
    cause = _cause(reason, _BY_REASON if ready else (*_BY_REASON, *_BY_REASON_BEFORE_READY))
    opening = _BEFORE_READY.get(code, _Cause(_UNKNOWN))
    if ready:
        once = opening if silent and opening.go_round else _Cause(_ONCE_READY.get(code, _UNKNOWN))
        message = f"the session ended ({frame}): {_advice(cause or once, opening, way_round)}"
        return SessionEnded(message, close_code=code, reason=words)
    kind = Unauthorized if (cause or opening).unauthorized else UpstreamRefused
    message = f"the session was refused before it was ready ({frame}): {_advice(cause or opening, opening, way_round)}"
    return kind(message, close_code=code, reason=words)


def _advice(cause: _Cause, opening: _Cause, way_round: str) -> str:
    """The cause's hint. A key that is refused with the code of a missing one is one that never got there."""
    go_round = cause.go_round or (cause is _KEY and opening.go_round)
    return f"{cause.hint}, or {way_round}" if go_round and way_round else cause.hint


def _cause(reason: str, table: _Reasons) -> _Cause | None:
    return next((cause for pattern, cause in table if pattern.search(reason)), None)
