"""Gateway, provider and settings in; URL, headers and subprotocols of one connection out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import quote, urlencode, urlsplit

from ..errors import ConfigurationError, MissingKey, Unsupported
from .gateway import KEYLESS, MAX_METADATA, METADATA_HEADER, SESSION_METADATA, Gateway, check_header_text, first_set
from .redaction import redact, safe_url

if TYPE_CHECKING:
    from ..providers.base import KeyAuth, Provider, SessionSettings

__all__ = ["AuthForm", "Endpoint", "resolve"]

AuthForm: TypeAlias = Literal["header", "query", "subprotocol"]
"""How credentials are asked to travel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """All that opening a socket needs. `safe` and `where` are for showing; `secrets` is what `redact` must hide.

    `way_round` says what to try when the gateway lets a client in and no session comes of it; "" where nothing is left.
    """

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    subprotocols: tuple[str, ...] = field(default=(), repr=False)
    kind: Literal["cloudflare", "custom", "embedded", "replay", "direct"]
    safe: str
    where: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    way_round: str = ""

    def naming(self, session_id: str) -> Endpoint:
        """The same with the session's id among the metadata, by which a gateway's log rows are found again.

        It is the entry `SESSION_METADATA`. The caller's own metadata stays as it is: where that fills the entries that
        a gateway keeps, or has one of this name, nothing is added. Past a gateway nobody would read it.
        """
        if self.kind == "direct":
            return self
        own = json.loads(dict(self.headers).get(METADATA_HEADER, "{}"))
        metadata = {SESSION_METADATA: session_id, **own}
        if len(metadata) > MAX_METADATA:
            return self
        others = tuple(header for header in self.headers if header[0] != METADATA_HEADER)
        return replace(self, headers=(*others, (METADATA_HEADER, json.dumps(metadata))))


@dataclass(slots=True)
class _Request:
    query: dict[str, str | Sequence[str]]
    headers: list[tuple[str, str]] = field(default_factory=list)
    subprotocols: list[str] = field(default_factory=list)


def resolve(
    provider: Provider,
    settings: SessionSettings,
    *,
    gateway: Gateway | None,
    api_key: str | None = None,
    auth: AuthForm = "header",
    direct: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """Where to connect for this provider with these settings, through `gateway`, or past it with `direct`.

    The provider's key is `api_key`, else the first of its variables set in `environ`. A direct connection needs one; a
    gateway may hold one itself, and with `byok_alias` set the environment's stays home, as it would win over the stored
    one. A gateway of this process gets none at all. The key travels in the form `auth`, or, where the provider has no
    such form, in its header, its query parameter or its subprotocol, whichever it has first. The gateway token travels
    as subprotocol if asked so, else as header; other `cf-aig-*` settings are always headers.

    Raises `MissingKey`, `Unsupported`, or `ConfigurationError` when a credential cannot travel in the form asked for.
    """
    if auth not in get_args(AuthForm):
        raise ConfigurationError(f"unknown auth {auth!r}: use one of {', '.join(get_args(AuthForm))}")
    if gateway is None and not direct:
        raise ConfigurationError("no gateway to go through: give one, or connect with direct=True")
    way = None if direct else gateway
    key = _provider_key(provider, way, api_key, environ or {})
    model = settings.model or provider.default_model
    request = _Request(dict(provider.query(settings.changed({"model": model}))))
    if auth == "subprotocol" and provider.auth.subprotocol:
        request.subprotocols += provider.auth.subprotocol_with
    if key:
        _sign(request, provider.title, provider.auth if way else provider.auth.direct or provider.auth, key, auth)
    if way:
        _sign_in(request, way, auth)
    address = f"{way.url}/{provider.route}" if way else provider.direct_url
    url = _url(address + provider.tail(settings), request.query)
    known = (way.token if way else None, key, *provider.secrets(settings))
    secrets = tuple(secret for secret in known if secret)
    return Endpoint(
        url=url,
        headers=tuple(request.headers),
        subprotocols=tuple(request.subprotocols),
        kind=way.kind if way else "direct",
        safe=redact(safe_url(url), secrets),
        where=_where(provider, way),
        secrets=secrets,
        way_round=_way_round(provider, way, key),
    )


def _provider_key(
    provider: Provider, gateway: Gateway | None, api_key: str | None, environ: Mapping[str, str]
) -> str | None:
    if gateway is None and not provider.direct_url:
        raise Unsupported(f"{provider.title} can be reached through a gateway only: leave direct=True out")
    if gateway is not None and gateway.kind in KEYLESS:
        return None
    forms = (provider.auth.header, provider.auth.query, provider.auth.subprotocol)
    if api_key and gateway is not None and not any(forms):
        raise ConfigurationError(f"{provider.title} takes no key beside the gateway's token: leave api_key out")
    found = None if gateway is not None and gateway.byok_alias else first_set(environ, *provider.auth.env)
    key = (api_key or "").strip() or (found[1] if found else None)
    check_header_text(f"the key for {provider.title}", key)
    if key is None and gateway is None and any(forms):
        raise MissingKey(
            f"no key for {provider.title}: set {' or '.join(provider.auth.env) or 'one'} or pass api_key; "
            "without a key, leave direct=True and the gateway settings out to use the embedded gateway"
        )
    return key if any(forms) else None


def _sign(request: _Request, title: str, known: KeyAuth, key: str, auth: AuthForm) -> None:
    """Put the provider's key into the request."""
    forms: dict[AuthForm, object] = {"header": known.header, "query": known.query, "subprotocol": known.subprotocol}
    form = next(form for form in (auth, *forms) if forms[form])
    if form == "header" and known.header:
        request.headers.append((known.header[0], known.header[1].format(key=key)))
        return
    if form == "query" and known.query:
        request.query[known.query] = key
        return
    other = next((f'pass auth="{form}"' for form in ("header", "query") if forms[form]), "use another key")
    _check_token_characters(f"the key for {title}", key, other)
    offers = [name for name in known.subprotocol_with if name not in request.subprotocols]
    request.subprotocols += [*offers, f"{known.subprotocol}{key}"]


def _sign_in(request: _Request, gateway: Gateway, auth: AuthForm) -> None:
    """Put the gateway's token and settings into the request."""
    if gateway.token and auth == "subprotocol":
        _check_token_characters("the gateway token", gateway.token, 'pass auth="header"')
        request.subprotocols.append(f"cf-aig-authorization.{gateway.token}")
    elif gateway.token:
        request.headers.append(("cf-aig-authorization", f"Bearer {gateway.token}"))
    request.headers += gateway.headers()


def _check_token_characters(what: str, value: str, other: str) -> None:
    """A subprotocol is an HTTP token (RFC 9110, 5.6.2); a client refuses any other character before it connects."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        raise ConfigurationError(f"{what} holds characters that cannot travel as a subprotocol: {other}")


def _url(base: str, query: Mapping[str, str | Sequence[str]]) -> str:
    if not query:
        return base
    return f"{base}{'&' if '?' in base else '?'}{urlencode(query, doseq=True, quote_via=quote, safe='@/:')}"


def _way_round(provider: Provider, gateway: Gateway | None, key: str | None) -> str:
    if gateway is None:
        return ""
    sends_key = key is not None or gateway.kind in KEYLESS or not provider.auth.any_form
    ways = [] if sends_key else ["pass api_key=… instead of a key stored in the gateway"]
    ways += ["go past the gateway with direct=True"] if provider.direct_url else []
    return ", and failing that ".join(ways)


def _where(provider: Provider, gateway: Gateway | None) -> str:
    if gateway is None:
        return f"{provider.title}, direct to {urlsplit(provider.direct_url).hostname}"
    if gateway.kind == "replay":
        return f"{provider.title}, replay of {gateway.plays} at {gateway.host} (recorded frames, no key, no cost)"
    if gateway.kind == "embedded":
        return f"{provider.title}, embedded gateway at {gateway.host} (local emulator, no key, no cost)"
    if gateway.gateway_id:
        return f"{provider.title} through AI Gateway {gateway.gateway_id} ({gateway.host})"
    return f"{provider.title} through the gateway at {gateway.host}"
