"""Gemini Live (`BidiGenerateContent`) over a WebSocket, emulated: one stateful session, answered by local engines.

Wire facts: `docs/protocol/google.md`. What the service was never seen to do is guessed, in constants that say so, here
and in the modules beside: `google_schema` (well-formed messages), `google_setup`, `google_input` (the user's audio),
`google_answer`, `google_conversation`, `google_wire`. Built-in tools, avatars, thoughts and video beyond counting its
pictures are left out.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...providers.base import Message
from ..engines.base import ToolRequest
from .base import Close, Handshake, Refused, is_wrong_key
from .google_answer import Answer
from .google_conversation import Entry, output_text
from .google_hearing import Utterance
from .google_input import SpokenInput
from .google_schema import check_client_message
from .google_setup import Function, Setup, functions_of, instructions_of
from .google_wire import INVALID, Frames, Refusal, bytes_of, parse_client_frame
from .schedule import ROUNDS_A_WAKE
from .stage import JsonObject, StagedEmulator

__all__ = ["EMULATOR", "GoogleEmulator", "Saved"]

SESSION_LIMIT_S = 600.0  # about ten minutes a connection
WARNING_S = 50.0
HANDLE_LIFE_S = 7_200.0
MAX_HANDLES = 256  # a limit of the emulator's own

UPDATING_MODEL = "gemini-3.8-live"
"""What begins like this takes `contextUpdate`; that others refuse it is a guess."""

GUESSED_KEYLESS = b'{"error":{"code":500,"message":"Internal Server Error"}}'  # the status was seen, the body not
NO_KEY = "API key not valid. Please pass a valid API key."
NOT_FOUND = "Requested entity was not found."
EXPIRED = "Deadline expired before operation could complete."
FAILED = "Internal error encountered."

VERSIONS = ("v1", "v1beta", "v1alpha")
METHODS = ("BidiGenerateContent", "BidiGenerateContentConstrained")
SDK_PATHS = tuple(
    f"{slash}ws/google.ai.generativelanguage.{version}.GenerativeService.{method}"
    for slash in ("/", "//")  # a base URL that ends in a slash gives two
    for version in VERSIONS
    for method in METHODS
)


@dataclass(frozen=True, slots=True)
class Saved:
    """A session as a resumption handle keeps it, until `expires_ms` of the clock."""

    model: str
    entries: tuple[Entry, ...]
    expires_ms: float


_HANDLES: OrderedDict[str, Saved] = OrderedDict()
"""Handles outlive their connection, so they are the process's."""


class GoogleEmulator(StagedEmulator):
    """One emulated session.

    A missing key is accepted unless `require_key`, and any other but those that stand for a wrong one. The connection
    ends after `session_limit_s` of `clock`, `warning_s` after a `goAway`. `text_frames` answers in text frames instead
    of the service's binary ones.
    """

    routes: ClassVar[tuple[str, ...]] = ("google", *(f"google{path}" for path in SDK_PATHS))

    def __init__(
        self,
        handshake: Handshake,
        *,
        session_limit_s: float = SESSION_LIMIT_S,
        warning_s: float = WARNING_S,
        require_key: bool = False,
        text_frames: bool = False,
        handles: OrderedDict[str, Saved] = _HANDLES,
        **means: Any,
    ) -> None:
        super().__init__(handshake, **means)
        self._frames = Frames(self._put, text=text_frames)
        self._require_key = require_key
        self._handles = handles
        self._warning_s = warning_s
        self._expires_ms = self.clock() + 1000 * session_limit_s
        self._warn_ms = self._expires_ms - 1000 * warning_s
        self._setup: Setup | None = None
        self._input: SpokenInput
        self._utterance: Utterance | None = None
        self._entries: list[Entry] = []
        self._images = 0
        self._seeding = False
        self._answer: Answer | None = None
        self._calls: dict[str, Function] = {}
        self._call_ids: set[str] = set()
        self._awaits_results = False
        self._answer_again = False

    # ------------------------------------------------------------------------------------------ the driver's calls

    @property
    def next_wake_ms(self) -> float | None:
        steps_ms = self._schedule.next_ms
        due_ms = min(self._warn_ms, self._expires_ms, math.inf if steps_ms is None else steps_ms)
        return None if due_ms == math.inf else due_ms

    def open(self) -> None:
        key = self._key()
        if is_wrong_key(key) or (self._require_key and key is None):
            self._end(1007, NO_KEY)

    @classmethod
    def refuse_keyless(cls) -> Refused | None:
        return Refused(status=500, body=GUESSED_KEYLESS)

    def expire(self) -> None:
        self._warn_ms = self.clock()
        self._expires_ms = self._warn_ms + 1000 * self._warning_s

    def receive(self, message: Message) -> None:
        if self._ended:
            return
        try:
            parsed = parse_client_frame(message)
            kind = check_client_message(parsed)
            if (kind == "setup") != (self._setup is None):
                raise Refusal(1007, INVALID)
            _HANDLERS[kind](self, parsed[kind])
        except Refusal as refusal:
            self._end(refusal.code, refusal.reason)
        self._schedule.run()

    def wake(self) -> None:
        if self._ended:
            return
        if self.clock() >= self._expires_ms:
            self._end(1011, EXPIRED)
            return
        if self.clock() >= self._warn_ms:
            self._warn_ms = math.inf
            if self._setup is not None:
                self._frames.send(goAway={"timeLeft": f"{self._warning_s:g}s"})
        self._schedule.run(ROUNDS_A_WAKE)

    def close(self) -> None:
        self._ended = True
        self._warn_ms = self._expires_ms = math.inf
        if self._answer is not None:
            self._answer.stop()
        if self._utterance is not None:
            self._utterance.stop()
        self._schedule.stop()

    def _end(self, code: int, reason: str) -> None:
        self._put(Close(code=code, reason=reason))
        self.close()

    def _key(self) -> str | None:
        shake = self.handshake
        token = shake.headers.get("authorization", "").removeprefix("Token ")
        given = (
            shake.key,
            shake.headers.get("x-goog-api-key"),
            shake.query.get("key"),
            shake.query.get("access_token"),
        )
        return next((key for key in (*given, token) if key), None)

    # ------------------------------------------------------------------------------------------------------- setup

    def _on_setup(self, setup: JsonObject) -> None:
        session = Setup.of(setup)
        if session.handle is not None:
            self._entries = self._resumed(session.handle, session.model)
        self._setup = session
        self.usage.model = session.model
        self._seeding = session.takes_history
        self._input = SpokenInput(session, self)
        self._frames.send(setupComplete={})

    def _resumed(self, handle: str, model: str) -> list[Entry]:
        saved = self._handles.get(handle)
        if saved is None or saved.model != model or saved.expires_ms <= self.clock():
            raise Refusal(1008, NOT_FOUND)
        return list(saved.entries)

    @property
    def _session(self) -> Setup:
        assert self._setup is not None, "no message but the setup is handled before it"
        return self._setup

    def _give_handle(self) -> None:
        if not self._session.resumable:
            return
        handle = self.ids("handle-")
        expires_ms = self.clock() + 1000 * HANDLE_LIFE_S
        self._handles[handle] = Saved(self._session.model, tuple(self._entries), expires_ms)
        while len(self._handles) > MAX_HANDLES:
            self._handles.popitem(last=False)
        self._frames.send(sessionResumptionUpdate={"newHandle": handle, "resumable": True})

    def _on_context_update(self, update: JsonObject) -> None:
        if not self._session.model.startswith(UPDATING_MODEL):
            raise Refusal(1007, INVALID)
        if update.get("systemInstruction") is not None:
            self._session.instructions = instructions_of(update)
        if update.get("tools") is not None:
            self._session.functions = functions_of(update["tools"].get("tools") or (), self._session.model)

    # ------------------------------------------------------------------------------------------------ what is said

    def _on_client_content(self, content: JsonObject) -> None:
        self._interrupt()
        for turn in content.get("turns") or ():
            self._add_turn(turn)
        if not content.get("turnComplete"):
            return
        if self._seeding:
            self._seeding = False
        else:
            self._respond()

    def _add_turn(self, turn: JsonObject) -> None:
        entry = Entry("assistant" if turn.get("role") == "model" else "user")
        self._entries.append(entry)
        for part in turn.get("parts") or ():
            entry.text += part.get("text") or ""
            blob = part.get("inlineData") or {}
            if blob.get("mimeType", "").startswith("audio/"):
                heard = Utterance(self._stage, entry, None)
                heard.hear(bytes_of(blob.get("data", "")))
                heard.end()
            elif blob:
                bytes_of(blob.get("data", ""))
                entry.images += 1

    def _on_realtime_input(self, given: JsonObject) -> None:
        for name, value in given.items():
            if value not in (False, ""):
                _REALTIME[name](self, value)

    def _on_audio(self, blob: JsonObject) -> None:
        self._input.append(bytes_of(blob.get("data", "")), blob.get("mimeType", ""))

    def _on_video(self, blob: JsonObject) -> None:
        bytes_of(blob.get("data", ""))
        self._images = 1  # the newest picture stands for the scene

    def _on_chunks(self, blobs: Sequence[JsonObject]) -> None:
        for blob in blobs[:1]:
            (self._on_audio if blob.get("mimeType", "").startswith("audio/") else self._on_video)(blob)

    def _on_text(self, text: str) -> None:
        self.activity_started()
        self._entries.append(Entry("user", text, images=self._take_images()))
        self._respond()

    def _take_images(self) -> int:
        images, self._images = self._images, 0
        return images

    # ---- what the input audio tells

    def activity_started(self) -> None:
        """The user acts: what is being answered is cut short, unless the session says no."""
        if self._session.interrupts:
            self._interrupt()

    def utterance_goes_on(self, pcm16: bytes) -> None:
        """The user speaks: make out the words while that lasts."""
        if self._utterance is None:
            tell = self._tell_words if self._session.transcribes_input else None
            self._utterance = Utterance(self._stage, Entry("user"), tell)
        self._utterance.hear(pcm16)

    def utterance_ended(self) -> None:
        """The user has spoken: answer, once the words are known."""
        self.utterance_goes_on(b"")
        utterance, self._utterance = self._utterance, None
        assert utterance is not None
        utterance.entry.images = self._take_images()
        self._entries.append(utterance.entry)
        utterance.end()
        self._respond()

    def _tell_words(self, increment: str) -> None:
        self._frames.send(serverContent={"inputTranscription": {"text": increment}})

    # --------------------------------------------------------------------------------------------------- the answer

    def _respond(self) -> None:
        if self._answer is not None or self._awaits_results:
            self._answer_again = True
            return
        self._answer_again = False
        self._answer = Answer(
            self._stage,
            self._frames,
            self._session,
            self._entries,
            ended=self._answer_ended,
            called=self._answer_called,
            failed=lambda error: self._end(1011, FAILED),
        )

    def _remember(self, answer: Answer) -> None:
        """Put what was said where it was begun: what came in meanwhile follows it."""
        self._entries[answer.at : answer.at] = answer.entries

    def _answer_ended(self) -> None:
        self._frames.send(serverContent={"generationComplete": True})
        self._complete()

    def _complete(self, *, interrupted: bool = False) -> None:
        """End the answer with `turnComplete`, and begin the one that waits."""
        answer, self._answer = self._answer, None
        assert answer is not None
        self._remember(answer)
        more = "IN_PROGRESS" if self._calls else "IDLE"
        status = {"interactionStatus": more} if self._session.thinks_on else {}
        self._frames.send(serverContent={"turnComplete": True, **status}, usageMetadata=self._used_up(answer))
        if not self._calls:
            self._give_handle()
        if self._answer_again and not interrupted:
            self._respond()

    def _used_up(self, answer: Answer) -> JsonObject | None:
        counts = answer.usage()
        self.usage.add(counts.get("promptTokenCount", 0), counts.get("responseTokenCount", 0))
        return counts or None

    def _answer_called(self, requests: Sequence[ToolRequest]) -> None:
        """Send the calls. The answer to a blocking one is over when the answer to its result is."""
        declared = {function.declaration["name"]: function for function in self._session.functions}
        calls = []
        for request in requests:
            call_id = self.ids("function-call-")
            self._calls[call_id] = declared.get(request.name) or Function({"name": request.name}, True)
            self._call_ids.add(call_id)
            calls.append({"id": call_id, "name": request.name, "args": dict(request.arguments)})
        answer = self._answer
        assert answer is not None
        if any(function.blocking for function in self._calls.values()):
            self._frames.send(toolCall={"functionCalls": calls}, usageMetadata=self._used_up(answer))
            self._awaits_results = True
            self._remember(answer)
            self._answer = None
        else:
            self._frames.send(toolCall={"functionCalls": calls})
            self._answer_ended()

    def _on_tool_response(self, response: JsonObject) -> None:
        silent = True
        for result in response.get("functionResponses") or ():
            call_id = result.get("id")
            if not call_id:
                raise Refusal(1007, INVALID)
            if call_id not in self._call_ids:
                raise Refusal(1008, NOT_FOUND)
            silent = self._take_result(call_id, result) and silent
        if self._calls:
            return
        self._awaits_results = False
        if not silent:
            self._respond()

    def _take_result(self, call_id: str, result: JsonObject) -> bool:
        """Keep one result; whether it asks for no answer. One that nobody waits for any more is ignored."""
        function = self._calls.get(call_id)
        if function is None:
            return True
        if not result.get("willContinue"):
            del self._calls[call_id]
        inner = result.get("response")
        name = result.get("name") or function.declaration["name"]
        self._entries.append(Entry("tool", output_text(inner), name=name))
        asked = result.get("scheduling") or (inner.get("scheduling") if isinstance(inner, dict) else None) or ""
        if not function.blocking and str(asked).upper() == "INTERRUPT":
            self._interrupt()
        return not function.blocking and str(asked).upper() == "SILENT"

    def _interrupt(self) -> None:
        """Cut short what is being answered: calls are taken back first, then the answer ends. Nothing to cut: nothing.

        The order of the two is a guess.
        """
        self._answer_again = False
        if self._answer is None and not self._awaits_results:
            return
        if self._calls:
            self._frames.send(toolCallCancellation={"ids": list(self._calls)})
            self._calls.clear()
        self._frames.send(serverContent={"interrupted": True})
        self._awaits_results = False
        if self._answer is None:
            self._frames.send(serverContent={"turnComplete": True})
        else:
            self._answer.stop()
            self._complete(interrupted=True)


_HANDLERS: Mapping[str, Callable[[GoogleEmulator, Any], None]] = {
    "setup": GoogleEmulator._on_setup,
    "clientContent": GoogleEmulator._on_client_content,
    "realtimeInput": GoogleEmulator._on_realtime_input,
    "toolResponse": GoogleEmulator._on_tool_response,
    "contextUpdate": GoogleEmulator._on_context_update,
}

_REALTIME: Mapping[str, Callable[[GoogleEmulator, Any], None]] = {
    "activityStart": lambda emulator, value: emulator._input.start_activity(),
    "audio": GoogleEmulator._on_audio,
    "video": GoogleEmulator._on_video,
    "mediaChunks": GoogleEmulator._on_chunks,
    "text": GoogleEmulator._on_text,
    "audioStreamEnd": lambda emulator, value: emulator._input.end_stream(),
    "activityEnd": lambda emulator, value: emulator._input.end_activity(),
}

EMULATOR = GoogleEmulator
