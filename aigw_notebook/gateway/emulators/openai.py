"""OpenAI Realtime (GA) over a WebSocket, emulated: one stateful session, answered by local engines.

Wire facts: `docs/protocol/openai.md`. What the service was never seen to do is guessed, in constants that say so, here
and in the modules beside: `openai_schema` (well-formed messages), `openai_session`, `openai_items`, `openai_input` (the
user's audio), `openai_response` (the answer), `openai_wire`. MCP, stored prompts and log probabilities are left out.
"""

from __future__ import annotations

import binascii
import json
import math
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from ...providers.base import Ids, Message
from ..engines.base import Engines
from .base import NO_KEY_CLOSE, Close, Emulator, Handshake, Output, Pace
from .openai_input import InputAudio
from .openai_items import Conversation, Item, Tokens, item_from_client
from .openai_response import Options, ResponseRun
from .openai_schema import Refusal, check_client_event
from .openai_session import JsonObject, audio_format, new_session, refuse_mcp, updated_session
from .openai_wire import Wire
from .schedule import ROUNDS_A_WAKE, Schedule

__all__ = ["EMULATOR", "OpenAIEmulator"]

SESSION_LIMIT_S = 3_600.0
EXPIRED = "Your session hit the maximum duration of 60 minutes."
NO_KEY = "Missing bearer or basic authentication in header"
BETA_DISABLED = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
KEY_PREFIXES = ("sk-", "ek_")
SESSION_MODELS = ("gpt-realtime", "gpt-audio", "gpt-4o-realtime", "gpt-4o-mini-realtime")
OTHER_MODELS = ("gpt-realtime-whisper", "gpt-realtime-translate")
"""Names that begin like a session's model and are none: they have endpoints or settings of their own."""

TOKENS_PER_MINUTE = 40_000
MAX_APPEND_BYTES = 15 * 1024 * 1024
MAX_NESTING = 64  # a limit of the emulator's own
IDLE_INSTRUCTIONS = 'The user has been silent for a while. Say "Are you still there?"'

GUESSED_AUDIO_CODE = "invalid_value"  # audio that is no base64
GUESSED_APPEND_CODE = "string_above_max_length"  # more than 15 MiB in one append
GUESSED_RETRIEVE_CODE = "item_retrieve_invalid_item_id"
GUESSED_DELETE_CODE = "item_delete_invalid_item_id"
GUESSED_CALL_CODE = "invalid_tool_call_id"  # the output of a call that nobody made
GUESSED_TRUNCATE_CODE = "invalid_value"  # a truncation beyond the audio, or of another content part
GUESSED_RESPONSE_CODE = "invalid_value"  # a response asked of a transcription session
GUESSED_REFERENCE_CODE = "item_not_found"  # an item_reference to nothing


class OpenAIEmulator(Emulator):
    """One emulated session, or transcription session (`intent=transcription`).

    A missing provider key is accepted unless `require_key`; a key of another form than the provider's is refused.
    `wall_clock` (Unix seconds) is only for `expires_at`; the session ends after `session_limit_s` of `clock`.
    """

    routes: ClassVar[tuple[str, ...]] = ("openai", "openai/realtime")

    def __init__(
        self,
        handshake: Handshake,
        *,
        engines: Engines,
        ids: Ids,
        clock: Callable[[], float],
        pace: Pace,
        session_limit_s: float = SESSION_LIMIT_S,
        require_key: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(handshake, engines=engines, ids=ids, clock=clock, pace=pace)
        self._schedule = Schedule(clock)
        self._wire = Wire(self._put, ids, clock, pace, engines, self._schedule)
        self._limit_s = session_limit_s
        self._require_key = require_key
        self._wall_clock = wall_clock
        self._ended = False
        self._conversation = Conversation(ids("conv_"))
        self._runs: dict[str, ResponseRun] = {}
        self._seen = Tokens()
        self._bucket = float(TOKENS_PER_MINUTE)
        self._bucket_ms = clock()
        self._expires_ms = math.inf
        self._idle_ms = math.inf
        self._idle_since_ms = 0.0
        self._played_ms = 0.0
        self._spoke = False
        self._session: JsonObject = {}
        self._input: InputAudio

    # ------------------------------------------------------------------------------------------ the driver's calls

    @property
    def next_wake_ms(self) -> float | None:
        due_ms = min(self._expires_ms, self._idle_ms)
        steps_ms = self._schedule.next_ms
        if steps_ms is not None:
            due_ms = min(due_ms, steps_ms)
        return None if due_ms == math.inf else due_ms

    def open(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            code, message, close_code = refusal
            self._wire.error(code, message)
            self._end(close_code, f"invalid_request_error.{code}" if code else "invalid_request_error")
            return
        transcribing = self.handshake.query.get("intent") == "transcription"
        self._session = new_session(
            session_id=self.ids("sess_"),
            expires_at=int(self._wall_clock() + self._limit_s),
            model=None if transcribing else self.handshake.query["model"],
        )
        self._expires_ms = self.clock() + 1000 * self._limit_s
        self._input = InputAudio(self._wire, self._conversation, self, self._session["audio"]["input"])
        self._wire.event("session.created", session=self._session)

    def open_keyless(self) -> None:
        self._wire.error(None, NO_KEY)
        self._end(NO_KEY_CLOSE, NO_KEY)

    def expire(self) -> None:
        self._expires_ms = self.clock()

    def receive(self, message: Message) -> None:
        if self._ended:
            return
        event_id: str | None = None
        try:
            event = _parse(message)
            given = event.get("event_id")
            event_id = given if isinstance(given, str) else None
            check_client_event(event)
            _HANDLERS[event["type"]](self, event)
        except Refusal as refusal:
            self._wire.error(refusal.code, refusal.message, param=refusal.param, client_event_id=event_id)
        self._schedule.run()

    def wake(self) -> None:
        if self._ended:
            return
        if self.clock() >= self._expires_ms:
            self._wire.error("session_expired", EXPIRED)
            self._end(1001, EXPIRED)
            return
        if self.clock() >= self._idle_ms:
            self._time_out()
        self._schedule.run(ROUNDS_A_WAKE)

    def close(self) -> None:
        self._ended = True
        self._expires_ms = self._idle_ms = math.inf
        for run in self._runs.values():
            run.stop()
        self._schedule.stop()
        if self._session:
            self._input.close()

    def _put(self, output: Output) -> None:
        self._out.append(output)

    def _end(self, code: int, reason: str) -> None:
        self._put(Close(code=code, reason=reason))
        self.close()

    def _refusal(self) -> tuple[str | None, str, int] | None:
        """Why the session is refused, all of it after the upgrade: (code, message, close code)."""
        key, query = self.handshake.key, self.handshake.query
        if key is None and self._require_key:
            return None, NO_KEY, 3000
        if key is not None and not key.startswith(KEY_PREFIXES):
            return "invalid_api_key", "Incorrect API key provided.", 3000
        if self._is_beta():
            return "beta_api_shape_disabled", BETA_DISABLED, 4000
        if query.get("intent") == "transcription":
            return None
        model = query.get("model")
        if not model:
            return "missing_model", "You must provide a model parameter.", 4000
        if not model.startswith(SESSION_MODELS) or model.startswith(OTHER_MODELS):
            return "invalid_model", f'Model "{model}" is not supported in realtime mode.', 4000
        return None

    def _is_beta(self) -> bool:
        header = self.handshake.headers.get("openai-beta", "")
        return "realtime=v1" in header or BETA_SUBPROTOCOL in self.handshake.subprotocols

    # -------------------------------------------------------------------------------------- session and input audio

    def _on_session_update(self, event: JsonObject) -> None:
        self._session = updated_session(self._session, event["session"], voice_locked=self._has_spoken())
        self._input.configure(self._session["audio"]["input"])
        if not self._runs:
            self._await_user()
        self._wire.event("session.updated", session=self._session)

    def _has_spoken(self) -> bool:
        return self._spoke or any(run.options.in_band and run.audio_ms for run in self._runs.values())

    def _on_append(self, event: JsonObject) -> None:
        if len(event["audio"]) * 3 // 4 > MAX_APPEND_BYTES:
            raise Refusal(GUESSED_APPEND_CODE, "Invalid 'audio': more than 15 MiB in one event.", "audio")
        self._input.append(_audio(event["audio"], "audio"))

    def _on_commit(self, event: JsonObject) -> None:
        self._input.commit()

    def _on_clear(self, event: JsonObject) -> None:
        self._input.clear()

    @property
    def _detection(self) -> JsonObject:
        """The turn detection in force; empty when there is none or it has nothing to do with responses."""
        detection = self._session["audio"]["input"]["turn_detection"]
        return detection if detection and self._session["type"] == "realtime" else {}

    def speech_started(self) -> None:
        """The user speaks: what is being answered is cut short, if the session says so."""
        self._idle_ms = math.inf
        active = self._active()
        if active is not None and self._detection.get("interrupt_response"):
            active.cancel("turn_detected")

    def turn_over(self) -> None:
        """The user has spoken: answer, if the session says so."""
        if self._detection.get("create_response"):
            try:
                self._respond({})
            except Refusal as refusal:
                self._wire.error(refusal.code, refusal.message, param=refusal.param)

    def heard(self) -> None:
        """The words of an item are known: responses may have waited for them."""
        for run in self._runs.values():
            run.go_on()

    def _await_user(self) -> None:
        """Count the idle time from now, or from when the last answer has been played."""
        idle_ms = self._detection.get("idle_timeout_ms")
        self._idle_ms = max(self.clock(), self._played_ms) + idle_ms if idle_ms else math.inf
        self._idle_since_ms = self._input.written_ms

    def _time_out(self) -> None:
        self._idle_ms = math.inf
        if self._active() is None and not self._input.speaking:
            self._input.time_out(self._idle_since_ms)
            self._respond({"instructions": IDLE_INSTRUCTIONS})

    # --------------------------------------------------------------------------------------------------------- items

    def _on_item_create(self, event: JsonObject) -> None:
        item = self._item(event["item"], "item")
        if item.kind == "function_call_output" and not self._conversation.has_call(item.call_id):
            message = f"Tool call ID '{item.call_id}' not found in conversation."
            raise Refusal(GUESSED_CALL_CODE, message, "item.call_id")
        before = self._conversation.add(item, event.get("previous_item_id"))
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._wire.event(kind, previous_item_id=before, item=item.wire())

    def _item(self, message: Mapping[str, Any], path: str) -> Item:
        """The item that a client describes, with its audio on the way to being listened to."""
        parts = message.get("content") or ()
        audio = [_audio(part["audio"], f"{path}.content[{i}].audio") for i, part in enumerate(parts) if "audio" in part]
        listening = self._session["audio"]["input"]
        item_id = message.get("id") or self.ids("item_")
        item = item_from_client(message, item_id, iter(audio), audio_format(listening["format"]))
        if item.kind == "function_call" and not item.call_id:
            item.call_id = self.ids("call_")
        self._input.listen(item, transcribe=False)
        return item

    def _found(self, item_id: str, code: str) -> Item:
        item = self._conversation.get(item_id)
        if item is None:
            raise Refusal(code, f"Item with item_id not found: {item_id}", "item_id")
        return item

    def _on_item_retrieve(self, event: JsonObject) -> None:
        item = self._found(event["item_id"], GUESSED_RETRIEVE_CODE)
        self._wire.event("conversation.item.retrieved", item=item.wire(with_audio=True))

    def _on_item_delete(self, event: JsonObject) -> None:
        item = self._found(event["item_id"], GUESSED_DELETE_CODE)
        self._conversation.remove(item.id)
        self._wire.event("conversation.item.deleted", item_id=item.id)

    def _on_item_truncate(self, event: JsonObject) -> None:
        item, index, end_ms = event["item_id"], event["content_index"], event["audio_end_ms"]
        _truncate(self._found(item, "item_truncate_invalid_item_id"), index, end_ms)
        self._wire.event("conversation.item.truncated", item_id=item, content_index=index, audio_end_ms=end_ms)

    # ----------------------------------------------------------------------------------------------------- responses

    def _on_response_create(self, event: JsonObject) -> None:
        if self._session["type"] != "realtime":
            raise Refusal(GUESSED_RESPONSE_CODE, "A transcription session makes no responses.", "type")
        self._respond(event.get("response") or {})

    def _on_response_cancel(self, event: JsonObject) -> None:
        response_id = event.get("response_id")
        run = self._runs.get(response_id) if response_id else self._active()
        if run is None:
            raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found")
        run.cancel("client_cancelled")

    def _active(self) -> ResponseRun | None:
        """The running response of the conversation; there is at most one."""
        return next((run for run in self._runs.values() if run.options.in_band), None)

    def _respond(self, response: Mapping[str, Any]) -> None:
        active = self._active()
        if active is not None and response.get("conversation") != "none":
            message = (
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise Refusal("conversation_already_has_active_response", message)
        refuse_mcp(response.get("tools") or (), "response.tools")
        options = Options.of(self._session, response, self._context(response.get("input")))
        seen = self._seen if options.context is None else Tokens()
        run = ResponseRun(self._wire, self._conversation, options, seen=seen, ended=self._response_ended)
        self._idle_ms = math.inf
        self._runs[run.id] = run
        run.begin()

    def _context(self, given: list[Any] | None) -> list[Item] | None:
        """The items of `response.input`; None when the conversation is the context."""
        if given is None:
            return None
        return [self._context_item(message, f"response.input[{i}]") for i, message in enumerate(given)]

    def _context_item(self, message: Mapping[str, Any], path: str) -> Item:
        if message["type"] != "item_reference":
            return self._item(message, path)
        item = self._conversation.get(message["id"])
        if item is None:
            raise Refusal(GUESSED_REFERENCE_CODE, f"Item with id '{message['id']}' not found.", f"{path}.id")
        return item

    def _response_ended(self, run: ResponseRun) -> None:
        self._runs.pop(run.id, None)
        self.usage.add(*run.read_and_made)
        if run.options.in_band:
            self._seen = run.billed
            self._spoke = self._spoke or run.audio_ms > 0
            self._played_ms = (run.first_audio_ms or 0.0) + run.audio_ms
            self._await_user()
        self._spend(run.billed.total)

    def _spend(self, tokens: int) -> None:
        """Take the tokens from the minute's budget and say what is left."""
        now_ms, per_ms = self.clock(), TOKENS_PER_MINUTE / 60_000
        filled = min(float(TOKENS_PER_MINUTE), self._bucket + (now_ms - self._bucket_ms) * per_ms)
        self._bucket, self._bucket_ms = max(0.0, filled - tokens), now_ms
        limits = {
            "name": "tokens",
            "limit": TOKENS_PER_MINUTE,
            "remaining": int(self._bucket),
            "reset_seconds": round((TOKENS_PER_MINUTE - self._bucket) / per_ms / 1000, 3),
        }
        self._wire.event("rate_limits.updated", rate_limits=[limits])


def _parse(message: Message) -> JsonObject:
    if isinstance(message, bytes):
        raise Refusal("invalid_event", "Binary frames are not supported.")
    try:
        event = json.loads(message, parse_constant=_refuse_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Refusal("invalid_json", "Could not parse your payload as JSON.") from None
    if not isinstance(event, dict):
        raise Refusal("invalid_event", "The event must be a JSON object.")
    if message.count("{") + message.count("[") > MAX_NESTING and _depth(event) > MAX_NESTING:
        raise Refusal("invalid_json", "The payload is nested too deeply.")
    return event


def _depth(value: Any) -> int:
    """How many objects and arrays lie within each other."""
    depth, level = 0, [value]
    while level:
        depth += 1
        parts = (part.values() if isinstance(part, dict) else part for part in level)
        level = [each for part in parts for each in part if isinstance(each, dict | list)]
    return depth


def _refuse_number(name: str) -> Iterator[None]:
    raise ValueError(name)


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(digits)
    return value


def _audio(text: str, path: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(GUESSED_AUDIO_CODE, f"Invalid '{path}': expected base64-encoded audio bytes.", path) from None


def _truncate(item: Item, content_index: int, end_ms: int) -> None:
    """Cut the item's audio at `end_ms`. Its transcript goes; the responder keeps about the words that were heard."""
    part = item.parts[content_index] if content_index < len(item.parts) else None
    if item.role != "assistant" or (part is not None and part.format is None) or not item.parts:
        raise Refusal("unsupported_content_type", "Only model output audio messages can be truncated")
    if part is None or part.format is None:
        message = f"Content part {content_index} not found."
        raise Refusal(GUESSED_TRUNCATE_CODE, message, "content_index")
    length_ms = part.audio_ms
    if length_ms == 0:
        raise Refusal("unsupported_content_type", "Only model output audio messages can be truncated")
    if end_ms > length_ms:
        message = f"Audio content of {int(length_ms)}ms is already shorter than {end_ms}ms"
        raise Refusal(GUESSED_TRUNCATE_CODE, message, "audio_end_ms")
    del part.audio[part.format.byte_count(end_ms) :]
    part.words = part.words[: round(len(part.words) * end_ms / length_ms)]
    part.transcript = None
    part.truncated = True


_HANDLERS: Mapping[str, Callable[[OpenAIEmulator, JsonObject], None]] = {
    "session.update": OpenAIEmulator._on_session_update,
    "input_audio_buffer.append": OpenAIEmulator._on_append,
    "input_audio_buffer.commit": OpenAIEmulator._on_commit,
    "input_audio_buffer.clear": OpenAIEmulator._on_clear,
    "conversation.item.create": OpenAIEmulator._on_item_create,
    "conversation.item.retrieve": OpenAIEmulator._on_item_retrieve,
    "conversation.item.truncate": OpenAIEmulator._on_item_truncate,
    "conversation.item.delete": OpenAIEmulator._on_item_delete,
    "response.create": OpenAIEmulator._on_response_create,
    "response.cancel": OpenAIEmulator._on_response_cancel,
}

EMULATOR = OpenAIEmulator
