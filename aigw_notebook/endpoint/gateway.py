"""Where a gateway is and how one signs in to it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from ..errors import ConfigurationError

__all__ = ["KEYLESS", "SESSION_METADATA", "Gateway", "GatewayKind", "check_header_text", "first_set"]

GatewayKind: TypeAlias = Literal["cloudflare", "custom", "embedded", "replay"]
"""Cloudflare's own host, a gateway at any other address, the emulating gateway of this process, or one that plays a
recording."""

KEYLESS: frozenset[GatewayKind] = frozenset({"embedded", "replay"})
"""Gateways behind which there is no provider: no key is sent there, and nothing costs anything."""

CLOUDFLARE_HOST = "gateway.ai.cloudflare.com"

_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_GATEWAY_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.IGNORECASE)
_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
_GATEWAY_PATH = re.compile(r"(?P<before>.*)/v1/(?P<account>[^/]+)/(?P<gateway>[^/]+)")
_WEBSOCKET_SCHEME = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
MAX_METADATA = 5
METADATA_HEADER = "cf-aig-metadata"

SESSION_METADATA = "aigw_session"
"""The name of the metadata entry that holds the id of a session of this package."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where a gateway is and how one signs in to it; mostly made by one of the constructors below.

    `account_id` and `gateway_id` are None where the address has no such part (a custom domain). `metadata` (at most
    five entries, values text, numbers or booleans), `byok_alias` (which stored key), `event_id`, `collect_log` (whether
    a log row is kept) and `collect_log_payload` (whether with what was said) travel as `cf-aig-*` headers.
    Kind "embedded" promises that every answer is emulated, "replay" that every answer is that of the recording
    `plays`: no provider key is sent there.
    """

    base_url: str = f"wss://{CLOUDFLARE_HOST}"
    account_id: str | None = None
    gateway_id: str | None = None
    token: str | None = field(default=None, repr=False)
    kind: GatewayKind = "cloudflare"
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict, hash=False)
    byok_alias: str | None = None
    event_id: str | None = None
    collect_log: bool | None = None
    collect_log_payload: bool | None = None
    plays: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", _websocket_url(self.base_url))
        object.__setattr__(self, "token", self.token or None)
        object.__setattr__(self, "metadata", dict(self.metadata))
        self._check_ids()
        check_header_text("the gateway token", self.token)
        check_header_text("byok_alias", self.byok_alias)
        check_header_text("event_id", self.event_id)
        _check_metadata(self.metadata)

    @classmethod
    def cloudflare(cls, account_id: str, gateway_id: str = "default", token: str | None = None) -> Gateway:
        """The gateway of that name on Cloudflare's own host; `token` None is for a gateway without authentication."""
        return cls(account_id=account_id, gateway_id=gateway_id, token=token)

    @classmethod
    def custom(cls, url: str, token: str | None = None) -> Gateway:
        """A gateway on its own domain, where the provider's route follows the URL at once."""
        return cls(base_url=url, token=token, kind="custom")

    @classmethod
    def embedded(cls, url: str, token: str | None = None) -> Gateway:
        """The gateway of this process, whose answers are all emulated."""
        return replace(cls.from_url(url, token), kind="embedded")

    @classmethod
    def replaying(cls, url: str, token: str | None = None, *, plays: str) -> Gateway:
        """A gateway of this process that plays the recording of that name."""
        return replace(cls.from_url(url, token), kind="replay", plays=plays)

    @classmethod
    def from_url(cls, url: str, token: str | None = None) -> Gateway:
        """The gateway at `…/v1/<account>/<gateway>`, or at a custom domain when the URL has no such path."""
        parts = urlsplit(_websocket_url(url))
        found = _GATEWAY_PATH.fullmatch(parts.path)
        if not found and "/v1/" in f"{parts.path}/":
            raise ConfigurationError("a gateway URL ends with /v1/<account>/<gateway>: leave out or add what differs")
        if not found:
            return cls.custom(url, token)
        return cls(
            base_url=f"{parts.scheme}://{parts.netloc}{found['before']}",
            account_id=found["account"],
            gateway_id=found["gateway"],
            token=token,
            kind="cloudflare" if parts.hostname == CLOUDFLARE_HOST else "custom",
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Gateway | None:
        """The gateway that the environment names; None when it names none.

        `AIGW_GATEWAY_URL` (with `CF_AIG_TOKEN`, if there is one) wins over `CLOUDFLARE_ACCOUNT_ID`,
        `CLOUDFLARE_GATEWAY_ID` or `CF_AIG_GATEWAY_ID` (else "default"), and `CF_AIG_TOKEN` or `CLOUDFLARE_API_TOKEN`.
        An account or an API token alone names none: other Cloudflare tools use them, and no money is spent unasked.
        Raises `ConfigurationError`, which says what is missing, when only some of the gateway's own are set.
        """
        url, own_token = first_set(environ, "AIGW_GATEWAY_URL"), first_set(environ, "CF_AIG_TOKEN")
        if url:
            # An API token for all of an account goes to nobody but Cloudflare.
            return cls.from_url(url[1], own_token[1] if own_token else None)
        account = first_set(environ, "CLOUDFLARE_ACCOUNT_ID")
        name = first_set(environ, "CLOUDFLARE_GATEWAY_ID", "CF_AIG_GATEWAY_ID")
        token = own_token or first_set(environ, "CLOUDFLARE_API_TOKEN")
        if not (name or own_token):
            return None
        if account and token:
            return cls.cloudflare(account[1], name[1] if name else "default", token[1])
        raise ConfigurationError(_half_set([found[0] for found in (account, name, token) if found], account is None))

    @property
    def host(self) -> str:
        """Host and, where one is given, port."""
        return urlsplit(self.base_url).netloc

    @property
    def url(self) -> str:
        """The address below which the providers' routes lie, without a slash at the end; it holds no secret."""
        return f"{self.base_url}/v1/{self.account_id}/{self.gateway_id}" if self.account_id else self.base_url

    def headers(self) -> list[tuple[str, str]]:
        """The `cf-aig-*` headers, without the token."""
        metadata = json.dumps(self.metadata) if self.metadata else None
        values = (
            (METADATA_HEADER, metadata),
            ("cf-aig-byok-alias", self.byok_alias),
            ("cf-aig-event-id", self.event_id),
            ("cf-aig-collect-log", _switch(self.collect_log)),
            ("cf-aig-collect-log-payload", _switch(self.collect_log_payload)),
        )
        return [(name, value) for name, value in values if value is not None]

    def _check_ids(self) -> None:
        """The values themselves stay out of the messages: a token put in the wrong place is a common mistake."""
        on_cloudflare = urlsplit(self.base_url).hostname == CLOUDFLARE_HOST
        account, name = self.account_id, self.gateway_id
        if (account is None) != (name is None) or (account is None and on_cloudflare):
            raise ConfigurationError(f"a gateway at {self.host} needs both account_id and gateway_id")
        if account is None or name is None:
            return
        if on_cloudflare and not _ACCOUNT_ID.fullmatch(account):
            raise ConfigurationError(
                f"account_id must be 32 hexadecimal digits, as the dashboard shows it (it has {len(account)} "
                "characters here)"
            )
        if not _PATH_PART.fullmatch(account):
            raise ConfigurationError("account_id must be 1 to 64 letters, digits, '.', '_', '~' or '-'")
        if not _GATEWAY_ID.fullmatch(name):
            raise ConfigurationError("gateway_id must be 1 to 64 letters, digits, '_' or '-': use the gateway's name")


def _switch(value: bool | None) -> str | None:
    return None if value is None else str(bool(value)).lower()


def _websocket_url(url: str) -> str:
    """The URL as ws or wss, without a slash at the end; on Cloudflare's own host always wss."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError("the gateway URL cannot be read: check its host and port") from error
    scheme = _WEBSOCKET_SCHEME.get(parts.scheme.lower())
    if scheme is None or not host or not url.isprintable():
        raise ConfigurationError("a gateway URL begins with wss://, https://, ws:// or http:// and names a host")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError("a gateway URL holds no user, query or fragment: give the token by itself, as token")
    return f"{'wss' if host == CLOUDFLARE_HOST else scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def check_header_text(what: str, value: str | None) -> None:
    """Raise `ConfigurationError` for a value that no header can carry; the message calls it `what`."""
    if value is not None and not _HEADER_TEXT.fullmatch(value):
        raise ConfigurationError(
            f"{what} holds a space, a line break or a non-ASCII character, or is empty: give the bare value"
        )


def _check_metadata(metadata: Mapping[str, object]) -> None:
    if len(metadata) > MAX_METADATA:
        raise ConfigurationError(
            f"metadata has {len(metadata)} entries: a gateway keeps {MAX_METADATA}, leave some out"
        )
    for name, value in metadata.items():
        if not isinstance(name, str) or name.startswith("cf."):
            raise ConfigurationError(
                f"metadata key {name!r} cannot be used: keys are text that does not begin with 'cf.'"
            )
        finite = not isinstance(value, float) or math.isfinite(value)
        if not isinstance(value, str | int | float) or not finite:
            raise ConfigurationError(
                f"metadata {name!r} must be text, a finite number or a boolean, not {type(value).__name__}: "
                "any other value makes a gateway drop all metadata"
            )


def first_set(environ: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """The first of these variables that is set, and its value."""
    return next(((name, value) for name in names if (value := environ.get(name, "").strip())), None)


def _half_set(found: list[str], no_account: bool) -> str:
    missing = "CLOUDFLARE_ACCOUNT_ID" if no_account else "CF_AIG_TOKEN"
    names = " and ".join(found)
    return (
        f"{names} {'is' if len(found) == 1 else 'are'} set and {missing} is not: set {missing}, "
        f"or unset {names} to use the embedded gateway, which needs no key"
    )
