"""Who may come in, and which of the credentials in a request belong to whom.

Two credentials travel in one handshake: the gateway's token, and the provider's key. Each can be a header or a
subprotocol entry; the key can also be a query parameter (AI Gateway, Authentication and Realtime WebSockets pages).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

from ..providers.base import KeyAuth
from .request import ClientRequest

__all__ = [
    "TOKEN_HEADER",
    "TOKEN_SUBPROTOCOL",
    "choose_subprotocol",
    "is_authorized",
    "is_beta_header",
    "is_beta_subprotocol",
    "presented_tokens",
    "provider_key",
    "without_gateway_entries",
]

TOKEN_HEADER = "cf-aig-authorization"
TOKEN_SUBPROTOCOL = "cf-aig-authorization."
PLAIN_SUBPROTOCOLS = ("realtime",)
"""Subprotocol entries that hold no secret and that every provider using one agrees on."""

_BEARER = "bearer "


def presented_tokens(request: ClientRequest) -> list[str]:
    """Every gateway token in the request, by whatever form it came: `Bearer x`, bare, or a subprotocol entry."""
    headers = [_without_bearer(value) for value in request.values(TOKEN_HEADER)]
    entries = [
        entry.removeprefix(TOKEN_SUBPROTOCOL) for entry in request.offered if entry.startswith(TOKEN_SUBPROTOCOL)
    ]
    return headers + entries


def is_authorized(request: ClientRequest, token: str) -> bool:
    """Whether one of the presented tokens is `token`, compared in constant time."""
    expected = _bytes(token)
    return any(hmac.compare_digest(_bytes(presented), expected) for presented in presented_tokens(request))


def provider_key(request: ClientRequest, auth: KeyAuth) -> str | None:
    """The provider's credential in the request, from header, query or subprotocol in this order; None without one.

    The forms that a provider itself takes, and those that others use, are looked at after the gateway's own.
    """
    for forms in (auth, *((auth.direct,) if auth.direct else ()), *auth.also):
        key = _key_in_header(request, forms) or _key_in_query(request, forms) or _key_in_subprotocol(request, forms)
        if key is not None:
            return key
    return None


def choose_subprotocol(offered: Sequence[str], auth: KeyAuth | None = None) -> str | None:
    """The one entry to answer with: a browser drops a connection that answers none, or one it did not offer.

    An entry that holds no secret is preferred, then the gateway token's, then the first; None when none was offered.
    """
    plain = (*PLAIN_SUBPROTOCOLS, *(auth.subprotocol_with if auth else ()))
    for entry in (*(e for e in plain if e in offered), *(e for e in offered if e.startswith(TOKEN_SUBPROTOCOL))):
        return entry
    return offered[0] if offered else None


def without_gateway_entries(offered: Iterable[str]) -> list[str]:
    """The subprotocol entries that are not the gateway's token."""
    return [entry for entry in offered if not entry.startswith(TOKEN_SUBPROTOCOL)]


def is_beta_header(name: str) -> bool:
    """Whether a header asks a provider for its beta protocol, which its released one refuses."""
    return name.endswith("-beta")


def is_beta_subprotocol(entry: str) -> bool:
    """Whether a subprotocol entry asks for a beta protocol: `<someone>-beta.<what>`."""
    name, dot, _ = entry.partition(".")
    return bool(dot) and name.endswith("-beta")


def _without_bearer(value: str) -> str:
    value = value.strip()
    return value[len(_BEARER) :].strip() if value.lower().startswith(_BEARER) else value


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _key_in_header(request: ClientRequest, auth: KeyAuth) -> str | None:
    if auth.header is None:
        return None
    name, template = auth.header
    before, _, after = template.partition("{key}")
    for value in request.values(name.lower()):
        if value.lower().startswith(before.lower()) and value.endswith(after):
            return value[len(before) : len(value) - len(after)].strip() or None
    return None


def _key_in_query(request: ClientRequest, auth: KeyAuth) -> str | None:
    return (request.parameters.get(auth.query) or None) if auth.query else None


def _key_in_subprotocol(request: ClientRequest, auth: KeyAuth) -> str | None:
    if auth.subprotocol is None:
        return None
    if not auth.subprotocol:
        pairs = zip(request.offered, request.offered[1:], strict=False)
        return next((entry for word, entry in pairs if word in auth.subprotocol_with), None)
    found = (e.removeprefix(auth.subprotocol) for e in request.offered if e.startswith(auth.subprotocol))
    return next(found, None) or None
