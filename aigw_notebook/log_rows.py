"""A gateway's log rows as flat dicts, with the session that each belongs to.

They come over HTTP from Cloudflare's Logs API, or from a local gateway, which has the same API on its own port. A
session names itself to the gateway in the metadata entry `SESSION_METADATA`, and keeps the id of its log row from the
answer to the upgrade; either tells which row is whose.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from .connection import embedded_gateway
from .endpoint import SESSION_METADATA, Gateway, redact
from .endpoint.gateway import CLOUDFLARE_HOST, check_header_text, first_set
from .errors import ConfigurationError, GatewayError, MissingKey, Unauthorized, Unreachable
from .faces import AsyncSession, Session
from .gateway.local import LocalGateway
from .providers import get, names
from .records import Row
from .transcript import Transcript

__all__ = ["LOG_COLUMNS", "gateway_logs"]

CLOUDFLARE_API = "https://api.cloudflare.com/client/v4"

PER_PAGE = 50
MAX_ROWS = 10_000
MAX_BYTES = 32 * 1024 * 1024
"""Of one page. A row is some 2 KiB."""
MAX_WORDS = 300

LOG_COLUMNS = (
    "id", "session", "created_at", "provider", "model", "model_type", "path", "request_type", "request_content_type",
    "response_content_type", "success", "status_code", "cached", "duration", "tokens_in", "tokens_out", "cost",
    "custom_cost", "step", "event_id",
)  # fmt: skip
"""The columns that every row has, whatever the gateway sends; others follow."""

SessionLike: TypeAlias = Session | AsyncSession | Transcript | str
Moment: TypeAlias = datetime | str


def gateway_logs(
    gateway: Gateway | LocalGateway | str | None = None,
    *,
    token: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    success: bool | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    search: str | None = None,
    session: SessionLike | None = None,
    limit: int = 100,
    timeout_s: float = 10.0,
) -> list[Row]:
    """The newest `limit` log rows of a gateway that fit, newest first: `pd.DataFrame(aigw.gateway_logs())`.

    `gateway` is meant as in `connect`: None is the one that the environment names, else the embedded one. A row is
    written when its session is over. Cloudflare's are read from its REST API with `token` or `CLOUDFLARE_API_TOKEN`,
    which needs the permission AI Gateway Read; any other gateway is asked on its own port with its own token.

    `start` and `end` are `datetime`s or ISO 8601 text; without a zone they are local time. `session` is a session, its
    transcript or its id. All rows have the same keys: `LOG_COLUMNS`, then whatever else the gateway sent, what is
    nested as `metadata.<key>` and so on. `session` is the id of the session of this package that a row belongs to, None
    where it is not known. `timeout_s` is for each page of 50 rows.

    This call blocks, in every face of the package. Raises `MissingKey`, `ConfigurationError`, `Unauthorized`,
    `Unreachable` or `GatewayError`.
    """
    if not 1 <= limit <= MAX_ROWS:
        raise ConfigurationError(f"limit={limit!r} is out of range: ask for 1 to {MAX_ROWS} rows")
    source = _source(gateway, token)
    wanted = _parameters(provider, model, success, start, end, search)
    if session is None:
        rows = _rows(source, wanted, [], limit, timeout_s)
    else:
        rows = _rows_of_session(source, wanted, session, limit, timeout_s)
    return _aligned([_flat_row(row, session) for row in rows])


# ---------------------------------------------------------------------------------------------------- where to ask


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    url: str
    token: str | None = field(repr=False)
    cloudflare: bool

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


def _source(gateway: Gateway | LocalGateway | str | None, token: str | None) -> _Source:
    known = _known(gateway, token)
    if known.account_id is None or known.gateway_id is None:
        raise ConfigurationError(
            f"the gateway at {known.host} says neither its account nor its name, so its logs cannot be found: "
            "give Gateway.cloudflare(account_id, gateway_id)"
        )
    cloudflare = urlsplit(known.base_url).hostname == CLOUDFLARE_HOST
    base = CLOUDFLARE_API if cloudflare else f"http{known.base_url.removeprefix('ws')}/client/v4"
    shown = token or (_cloudflare_token(known) if cloudflare else known.token)
    check_header_text("the token", shown)
    account, name = quote(known.account_id, safe=""), quote(known.gateway_id, safe="")
    return _Source(url=f"{base}/accounts/{account}/ai-gateway/gateways/{name}/logs", token=shown, cloudflare=cloudflare)


def _known(gateway: Gateway | LocalGateway | str | None, token: str | None) -> Gateway:
    if isinstance(gateway, str):
        return Gateway.from_url(gateway, token)
    if isinstance(gateway, Gateway):
        return gateway
    local = gateway
    if local is None:
        named = Gateway.from_env(os.environ)
        if named is not None:
            return named
        local = embedded_gateway()
    return Gateway.from_url(local.url, local.token)


def _cloudflare_token(gateway: Gateway) -> str:
    found = first_set(os.environ, "CLOUDFLARE_API_TOKEN")
    token = found[1] if found else gateway.token
    if token is None:
        raise MissingKey("reading logs from Cloudflare needs an API token: set CLOUDFLARE_API_TOKEN or pass token")
    return token


# ---------------------------------------------------------------------------------------------------- what to ask for


def _parameters(
    provider: str | None,
    model: str | None,
    success: bool | None,
    start: Moment | None,
    end: Moment | None,
    search: str | None,
) -> dict[str, str]:
    """The parameters of the Logs API. A provider with several names there is left to `filters`."""
    given = {
        "provider": provider,
        "model": model,
        "success": None if success is None else str(bool(success)).lower(),
        "start_date": _moment("start", start),
        "end_date": _moment("end", end),
        "search": search,
    }
    return {name: value for name, value in given.items() if value is not None}


def _moment(name: str, moment: Moment | None) -> str | None:
    if moment is None:
        return None
    try:
        found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        raise ConfigurationError(f"{name}={moment!r} is no date or time in ISO 8601, as in 2026-11-22T18:00") from None


Filter: TypeAlias = dict[str, Any]


def _filter(key: str, *values: str) -> Filter:
    return {"key": key, "operator": "eq", "value": list(values)}


def _rows_of_session(
    source: _Source, wanted: dict[str, str], session: SessionLike, limit: int, timeout_s: float
) -> list[Row]:
    """By the id that the session sent as metadata; else, where it knows the gateway's id of its row, by that."""
    session_id, log_id = _ids(session)
    for key, value in (("metadata.value", session_id), ("id", log_id)):
        rows = _rows(source, wanted, [_filter(key, value)], limit, timeout_s) if value else []
        if rows:
            return rows
    return []


def _ids(session: SessionLike) -> tuple[str, str | None]:
    if isinstance(session, str):
        return session, None
    transcript = session if isinstance(session, Transcript) else session.transcript
    return transcript.session_id, transcript.gateway_log_id


# ------------------------------------------------------------------------------------------------------ asking for it


def _rows(
    source: _Source, wanted: dict[str, str], filters: list[Filter], limit: int, timeout_s: float
) -> list[dict[str, Any]]:
    """Rows page by page. A row that moved to the next page, as new ones came, is taken once."""
    query = {**wanted, "order_by": "created_at", "order_by_direction": "desc"}
    filters = [*filters, *_by_provider(query)]
    if filters:
        query["filters"] = json.dumps(filters, separators=(",", ":"))
    opener = _opener(source)
    rows: dict[Any, dict[str, Any]] = {}
    for page in range(1, limit // PER_PAGE + 2):
        found = _page(opener, source, {**query, "page": str(page), "per_page": str(min(limit, PER_PAGE))}, timeout_s)
        rows.update({row.get("id") or (page, number): row for number, row in enumerate(found)})
        if len(rows) >= limit or len(found) < min(limit, PER_PAGE):
            break
    return list(rows.values())[:limit]


def _by_provider(query: dict[str, str]) -> Iterator[Filter]:
    """A provider that the log calls by several names: its parameter becomes a filter that takes any of them."""
    name = query.get("provider")
    others = get(name).logged_as if name in names() else ()
    if name is not None and others:
        del query["provider"]
        yield _filter("provider", name, *others)


class _Staying(HTTPRedirectHandler):
    """Follows no redirect: the other host would be shown the token."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def _opener(source: _Source) -> OpenerDirector:
    here = urlsplit(source.url).hostname in ("127.0.0.1", "localhost", "::1")
    return build_opener(_Staying, *([ProxyHandler({})] if here else []))


def _page(opener: OpenerDirector, source: _Source, query: Mapping[str, str], timeout_s: float) -> list[dict[str, Any]]:
    headers = {"Accept": "application/json", "User-Agent": "aigw-notebook"}
    if source.token:
        headers["Authorization"] = f"Bearer {source.token}"
    request = Request(f"{source.url}?{urlencode(query)}", headers=headers)
    status, body = _fetch(opener, request, source, timeout_s)
    answer = _parsed(body)
    if status != 200 or answer.get("success") is not True:
        raise _refusal(source, status, answer)
    rows = answer.get("result")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise GatewayError(f"{source.host} answered, but not with log rows: check the gateway's URL", status=status)
    return rows


def _fetch(opener: OpenerDirector, request: Request, source: _Source, timeout_s: float) -> tuple[int, bytes]:
    """Status and body of the answer. Errors carry no context: that would hold the request with its token."""
    deadline = time.monotonic() + timeout_s
    try:
        try:
            answer = opener.open(request, timeout=timeout_s)
        except HTTPError as error:
            answer = error
        with answer:
            return answer.status, b"".join(_pieces(answer, deadline))
    except (TimeoutError, URLError, HTTPException, OSError) as error:
        why = _why(error, timeout_s)
    raise Unreachable(f"no logs from {source.host} ({why}): check that it is running and the network")


def _pieces(answer: Any, deadline: float) -> Iterator[bytes]:
    size = 0
    while piece := answer.read1(65_536):
        size += len(piece)
        if size > MAX_BYTES:
            raise HTTPException("too large")
        if time.monotonic() > deadline:
            raise TimeoutError
        yield piece


def _why(error: Exception, timeout_s: float) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return f"not within {timeout_s:g} s"
    return getattr(reason, "strerror", None) or type(reason).__name__


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


# ---------------------------------------------------------------------------------------------------- what went wrong

_NO_LEGACY_LOGS = (
    "check the account id and the gateway's name; an account made on or after 2026-09-24 has its logs in Workers "
    "Observability, where this function does not look: open them in the Cloudflare dashboard"
)


def _refusal(source: _Source, status: int, answer: Mapping[str, Any]) -> GatewayError:
    code, words = _complaint(source, answer)
    said = " ".join(str(part) for part in (code, words) if part)
    message = f"{source.host} gave no logs: HTTP {status}{f' ({said})' if said else ''}; {_hint(source, status)}"
    kind = Unauthorized if status in (401, 403) else GatewayError
    return kind(message, status=status, code=code)


def _complaint(source: _Source, answer: Mapping[str, Any]) -> tuple[int | str | None, str]:
    found = answer.get("errors") or answer.get("error")
    first = found[0] if isinstance(found, list) and found else found
    if not isinstance(first, dict):
        return None, ""
    code, words = first.get("code"), first.get("message")
    words = redact(words, [source.token] if source.token else []) if isinstance(words, str) else ""
    return code if isinstance(code, int) else None, " ".join(words.split())[:MAX_WORDS]


def _hint(source: _Source, status: int) -> str:
    if status in (401, 403):
        right = "an API token of this account with the permission AI Gateway Read"
        return f"set CLOUDFLARE_API_TOKEN to {right}" if source.cloudflare else "check the gateway token"
    if 300 <= status < 400:
        return "it redirects elsewhere, where the token is not sent: check the gateway's URL"
    if status == 429:
        return "too many requests: wait, and ask for fewer rows"
    if status >= 500:
        return "it is failing: try again later"
    return _NO_LEGACY_LOGS if source.cloudflare else "check the gateway's URL: it may have no logs"


# ----------------------------------------------------------------------------------------------------- rows made flat


def _flat_row(row: Mapping[str, Any], session: SessionLike | None) -> Row:
    """A row with scalars only. Metadata may come as an object or as the JSON text of one."""
    metadata = row.get("metadata")
    if isinstance(metadata, str):
        metadata = _parsed(metadata.encode("utf-8", "surrogatepass"))
    metadata = metadata if isinstance(metadata, dict) else {}
    flat = {**dict.fromkeys(LOG_COLUMNS), **dict(_leaves({**row, "metadata": metadata}))}
    return {**flat, "session": _session_of(row, metadata, session)}


def _session_of(row: Mapping[str, Any], metadata: Mapping[str, Any], session: SessionLike | None) -> str | None:
    named = metadata.get(SESSION_METADATA)
    if isinstance(named, str):
        return named
    session_id, log_id = _ids(session) if session is not None else (None, None)
    return session_id if log_id is not None and row.get("id") == log_id else None


def _leaves(found: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", json.dumps(value) if isinstance(value, list) else value


def _aligned(rows: list[Row]) -> list[Row]:
    """All rows with the keys of all; what one lacks is None."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]
