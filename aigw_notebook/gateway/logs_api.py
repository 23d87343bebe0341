"""The Logs API beside the sockets: Cloudflare's `GET …/ai-gateway/gateways/{gateway}/logs`, read from `Log`.

Paths, parameters and envelopes are those of Cloudflare's REST API, below the same `/client/v4`. There one signs in with
an API token; here with the gateway's own, as `Authorization: Bearer`. The numbers of errors but 7003 and 10000, and
that a path with another method is answered with 405, are guesses.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .log_query import BadParameter, LogQuery
from .logs import Log
from .request import ClientRequest

__all__ = ["LogsAnswer", "LogsApi"]

_PATH = re.compile(
    r"/client/v4/accounts/(?P<account>[^/]+)/ai-gateway/gateways/(?P<gateway>[^/]+)/logs(?:/(?P<id>[^/]+))?/?"
)
_BEARER = re.compile(r"bearer\s+(\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LogsAnswer:
    """An HTTP answer: status and JSON body."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsApi:
    """Answers plain requests for rows. `token` None lets anybody read."""

    log: Log
    account: str
    gateways: Collection[str]
    token: str | None = field(repr=False)

    def answers(self, asked: ClientRequest) -> bool:
        """Whether a request is for rows, and `answer` has an answer."""
        return not asked.is_upgrade and _PATH.fullmatch(asked.path) is not None

    def answer(self, asked: ClientRequest, method: str = "GET") -> LogsAnswer:
        """The answer to a request for rows: the rows, one row, or why not."""
        found = _PATH.fullmatch(asked.path)
        assert found is not None, "answers() was asked first"
        account, gateway, log_id = (unquote(found[name] or "") for name in ("account", "gateway", "id"))
        if not self._may_read(asked):
            return _refused(401, 10000, "Authentication error")
        if method != "GET":
            return _refused(405, 10405, "Method not allowed")
        if account != self.account or gateway not in self.gateways:
            return _refused(404, 7003, "No such account or gateway")
        return self._one(gateway, log_id) if log_id else self._page(gateway, asked)

    def _may_read(self, asked: ClientRequest) -> bool:
        if self.token is None:
            return True
        shown = (_BEARER.fullmatch(value) for value in asked.values("authorization"))
        return any(one and hmac.compare_digest(_bytes(one[1]), _bytes(self.token)) for one in shown)

    def _one(self, gateway: str, log_id: str) -> LogsAnswer:
        entry = self.log.get(gateway, log_id)
        return _refused(404, 7002, "Log not found") if entry is None else _found(entry.detailed())

    def _page(self, gateway: str, asked: ClientRequest) -> LogsAnswer:
        try:
            page = LogQuery.of(asked.parameters).of_rows(self.log.rows(gateway))
        except BadParameter as error:
            return _refused(400, 7001, str(error))
        return _found(page.rows, result_info=page.info)


def _found(result: Any, **more: Any) -> LogsAnswer:
    return _answer(200, {"success": True, "errors": [], "messages": [], "result": result, **more})


def _refused(status: int, code: int, message: str) -> LogsAnswer:
    errors = [{"code": code, "message": message}]
    return _answer(status, {"success": False, "errors": errors, "messages": [], "result": None})


def _answer(status: int, body: dict[str, Any]) -> LogsAnswer:
    return LogsAnswer(status, json.dumps(body, separators=(",", ":")).encode())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
