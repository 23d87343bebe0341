"""Cartesia text to speech over a WebSocket, emulated: contexts of one socket, spoken by the local voice.

Wire facts: `docs/protocol/cartesia.md`. What the service was never seen to do is guessed, in constants that say so,
here and in the modules beside: `cartesia_request` (well-formed requests, errors) and `cartesia_context` (one answer).
Speech to text is left out.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, ClassVar

from ...providers.base import Message
from .base import Close, Handshake, Refused, is_wrong_key
from .cartesia_context import Context
from .cartesia_request import NEWEST_VERSION, Fault, checked_request, error_fields, parse
from .stage import JsonObject, StagedEmulator, dumps

__all__ = ["EMULATOR", "CartesiaEmulator"]

IDLE_MS = 300_000.0
MAX_CONTEXTS = 15  # of the "Scale" plan
REMEMBERED_CONTEXTS = 1_000

GUESSED_IDLE_CLOSE = Close(code=1000, reason="idle timeout")
GUESSED_KEY_STATUS = 401
ADMIN_KEY, KEY, OTHER_KEYS = "sk_car_admin_", "sk_car_", "sk_"
"""An administrator's key is refused here; a key of the provider's has the second form, or none if it is a token."""


class CartesiaEmulator(StagedEmulator):
    """One emulated socket.

    A missing key is accepted; one that is wrong or plainly another service's is refused. `max_contexts` is the
    account's limit of answers at a time; with `finish_cancelled` a cancelled answer is voiced to the end of what is
    under way.
    """

    routes: ClassVar[tuple[str, ...]] = ("cartesia", "cartesia/tts/websocket")

    def __init__(
        self,
        handshake: Handshake,
        *,
        max_contexts: int = MAX_CONTEXTS,
        finish_cancelled: bool = False,
        **means: Any,
    ) -> None:
        super().__init__(handshake, **means)
        self._version = _version(handshake)
        self._max_contexts = max_contexts
        self._finish_cancelled = finish_cancelled
        self._live: dict[str, Context] = {}
        self._over: deque[str] = deque(maxlen=REMEMBERED_CONTEXTS)
        self._idle_ms = math.inf

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        if not _is_refused(_key(handshake)):
            return None
        fault = Fault("Unauthorized", "Invalid API key.", status=GUESSED_KEY_STATUS)
        return Refused(status=fault.status, body=dumps(error_fields(fault, _version(handshake), "")).encode())

    @property
    def next_wake_ms(self) -> float | None:
        steps_ms = self._schedule.next_ms
        deadlines = [context.deadline_ms for context in self._live.values()]
        due_ms = min(self._idle_ms, math.inf if steps_ms is None else steps_ms, *deadlines)
        return None if due_ms == math.inf else due_ms

    def open(self) -> None:
        self._idle_ms = self.clock() + IDLE_MS

    def receive(self, message: Message) -> None:
        if self._ended:
            return
        self._idle_ms = self.clock() + IDLE_MS
        name: str | None = None
        try:
            parsed = parse(message)
            given = parsed.get("context_id")
            name = given if isinstance(given, str) and given else None
            self._take(parsed, name)
        except Fault as fault:
            self._error(fault, name)
        self._schedule.run()

    def wake(self) -> None:
        if self._ended:
            return
        now_ms = self.clock()
        for context in list(self._live.values()):
            if now_ms >= context.deadline_ms:
                context.time_is_up()
        self._schedule.run()
        if now_ms >= self._idle_ms and not self._live:
            self._put(GUESSED_IDLE_CLOSE)
            self.close()
        elif now_ms >= self._idle_ms:
            self._idle_ms = now_ms + IDLE_MS

    def close(self) -> None:
        self._ended = True
        self._idle_ms = math.inf
        for context in self._live.values():
            context.drop()
        self._live.clear()
        self._schedule.stop()

    def _take(self, message: JsonObject, name: str | None) -> None:
        if message.get("cancel") is True:
            if name in self._live:
                self._live[name].cancel()
            return
        request = checked_request(message, self._version)
        context = self._live.get(name) if name else None
        if context is None and not request.words and not request.more:
            self._stage.say({"type": "done", "context_id": name or self.ids(""), "status_code": 206, "done": True})
            return
        (context or self._new_context(name or self.ids("context_"))).take(request)

    def _new_context(self, name: str) -> Context:
        if name in self._over:
            raise Fault("Context expired", f"The context {name} has ended; use a new context_id.")
        if len(self._live) >= self._max_contexts:
            message = f"You may generate {self._max_contexts} answers at a time."
            raise Fault("Concurrency limit reached", message, status=429, code="concurrency_limited")
        context = Context(
            self._stage, name, ended=self._forget, failed=self._fail, finish_cancelled=self._finish_cancelled
        )
        self._live[name] = context
        return context

    def _forget(self, context: Context) -> None:
        self._live.pop(context.id, None)
        self._over.append(context.id)

    def _fail(self, context: Context, fault: Fault) -> None:
        self._error(fault, context.id)

    def _error(self, fault: Fault, name: str | None) -> None:
        """Say what is wrong; it ends the context that it is about, not the connection."""
        context = self._live.get(name) if name else None
        if context is not None:
            context.drop()
            self._forget(context)
        place = {"context_id": name} if name else {}
        self._stage.say({"type": "error", **place, **error_fields(fault, self._version, self.ids("request_"))})


def _version(handshake: Handshake) -> str:
    """The API version in force: that of the query before that of the header, the newest when neither names one."""
    named = handshake.query.get("cartesia_version") or handshake.headers.get("cartesia-version")
    return named or NEWEST_VERSION


def _key(handshake: Handshake) -> str | None:
    """The credential, by whatever form it came."""
    bearer = handshake.headers.get("authorization", "")
    token = bearer[7:].strip() if bearer.lower().startswith("bearer ") else ""
    return handshake.key or token or handshake.headers.get("x-api-key") or handshake.query.get("access_token") or None


def _is_refused(key: str | None) -> bool:
    """Whether a key is wrong, or plainly another service's."""
    if key is None:
        return False
    others = key.startswith(OTHER_KEYS) and not key.startswith(KEY)
    return is_wrong_key(key) or others or key.startswith(ADMIN_KEY)


EMULATOR = CartesiaEmulator
