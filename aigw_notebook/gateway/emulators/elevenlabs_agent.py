"""An emulated conversation with an agent: it greets, listens, answers, calls tools and can be interrupted."""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...audio.formats import PCM16_16K
from ..engines.bands import BandDetector, Started
from ..engines.base import Reply, Said, ToolRequest
from .base import Handshake, Job, is_wrong_key
from .elevenlabs_setup import UNKNOWN_AGENT, Failure, Setup, may_enter, read_setup
from .hearing import UserTurn, words_of
from .letters import Letters
from .schedule import WAIT, Task
from .stage import JsonObject, Speech, Stage, Steps, waited_for

__all__ = ["Agent"]

FORMAT, FORMAT_NAME = PCM16_16K, "pcm_16000"
"""Both ways. The official Python SDK assumes it, whatever is announced."""

FIRST_FRAME_MS = 1_000.0
"""How long the client's first message is waited for; the conversation begins without it then."""

PING_MS = 3_000.0  # a guess
RECEIVE_TIMEOUT_MS = 60_000.0
SILENCE_MS = 600
KEPT_MS = 1_000.0
"""So much of the silence before the user speaks is kept."""

NOT_UNDERSTOOD = "..."
MODEL, CONTEXT_LIMIT_TOKENS = "local-emulator", 8_192
GUESSED_REFUSAL_CODE = 3000  # an agent that is not there, or that the caller may not talk to

_PIECES = re.compile(r"\s*\S+|\s+$")


@dataclass(slots=True)
class _Spoken:
    """What the agent said last, aloud."""

    event_id: int
    text: str
    letters: Letters
    place: int
    began_ms: float
    sent_ms: float = 0.0
    sending: bool = True


class Agent:
    """One conversation. `end` closes the connection. Times are ms of the connection's clock."""

    def __init__(self, stage: Stage, handshake: Handshake, end: Callable[[int, str], None]) -> None:
        self._stage = stage
        self._handshake = handshake
        self._end = end
        self._agent_id = handshake.query.get("agent_id", "")
        self._setup: Setup | None = None
        self._events = 0
        self._said: list[Said] = []
        self._task: Task | None = None
        self._spoken: _Spoken | None = None
        self._speech: Speech | None = None
        self._thought: Job | None = None
        self._calls: dict[str, str] = {}
        self._results: dict[str, tuple[str, bool]] = {}
        self._audio = bytearray()
        self._user: UserTurn | None = None
        self._heard: UserTurn | None = None
        self._detector = BandDetector(FORMAT.sample_rate, silence_duration_ms=SILENCE_MS)
        self._pings: dict[int, float] = {}
        self._ping_ms: int | None = None
        now_ms = stage.clock()
        self._begin_by_ms = now_ms + FIRST_FRAME_MS
        self._next_ping_ms = math.inf
        self._silent_by_ms = now_ms + RECEIVE_TIMEOUT_MS
        self._over_by_ms = math.inf

    @property
    def begun(self) -> bool:
        """Whether the conversation has begun."""
        return self._setup is not None

    @property
    def next_wake_ms(self) -> float:
        """When something is due beside the answer."""
        return min(self._begin_by_ms, self._next_ping_ms, self._silent_by_ms, self._over_by_ms)

    def refusal(self) -> Failure | None:
        """Why the agent does not answer at all; None when it does."""
        if is_wrong_key(self._handshake.key):
            return Failure("invalid_message", "Invalid API key", GUESSED_REFUSAL_CODE)
        if self._agent_id == UNKNOWN_AGENT:
            return Failure("invalid_message", "The agent does not exist.", GUESSED_REFUSAL_CODE)
        if not may_enter(self._handshake, self._agent_id):
            return Failure("invalid_message", "This agent requires authentication.", GUESSED_REFUSAL_CODE)
        return None

    def receive(self, message: JsonObject) -> None:
        """Take one message. Raises the `Failure` that ends the conversation."""
        self._silent_by_ms = self._stage.clock() + RECEIVE_TIMEOUT_MS
        kind = message.get("type")
        if not self.begun:
            self._begin(message if kind == "conversation_initiation_client_data" else {})
        if "user_audio_chunk" in message:
            self._on_audio(message["user_audio_chunk"])
            return
        handler = _HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is not None:
            handler(self, message)

    def wake(self) -> None:
        """Do what has become due. Raises the `Failure` that ends the conversation."""
        now_ms = self._stage.clock()
        if now_ms >= self._over_by_ms:
            raise Failure("max_duration_exceeded", "The conversation reached its maximum duration.", 1000)
        if now_ms >= self._silent_by_ms:
            raise Failure("transport_receive_timeout", "Nothing was received for 60 seconds.", 1002)
        if now_ms >= self._begin_by_ms:
            self._begin({})
        if now_ms >= self._next_ping_ms:
            self._ping()

    def stop(self) -> None:
        """The connection is gone: do nothing more."""
        self._begin_by_ms = self._next_ping_ms = self._silent_by_ms = self._over_by_ms = math.inf
        self._halt()
        if self._user is not None:
            self._user.stop()

    # ------------------------------------------------------------------------------------------------- the start

    def _begin(self, message: JsonObject) -> None:
        self._begin_by_ms = math.inf
        setup = self._setup = read_setup(message, self._agent_id)
        if setup.max_duration_s is not None:
            self._over_by_ms = self._stage.clock() + 1_000 * setup.max_duration_s
        told = {
            "conversation_id": self._stage.ids("conv_"),
            "agent_output_audio_format": FORMAT_NAME,
            "user_input_audio_format": FORMAT_NAME,
        }
        self._always("conversation_initiation_metadata", conversation_initiation_metadata_event=told)
        self._ping()
        if setup.first_message:
            self._task = self._stage.schedule.start(self._greet(self._number(), setup.first_message))

    def _greet(self, number: int, text: str) -> Steps:
        yield from self._say(number, text)

    def _always(self, kind: str, **payload: Any) -> None:
        self._stage.say({"type": kind, **payload})

    def _event(self, kind: str, **payload: Any) -> None:
        """Queue a message that the client may have chosen to do without."""
        if self._setup is not None and kind in self._setup.events:
            self._always(kind, **payload)

    def _number(self) -> int:
        self._events += 1
        return self._events

    def _ping(self) -> None:
        number, now_ms = self._number(), self._stage.clock()
        self._pings = {number: now_ms}
        self._next_ping_ms = now_ms + PING_MS
        self._always("ping", ping_event={"event_id": number, "ping_ms": self._ping_ms})

    def _on_pong(self, message: JsonObject) -> None:
        sent_ms = self._pings.pop(message.get("event_id", -1), None)
        if sent_ms is not None:
            self._ping_ms = round((self._stage.clock() - sent_ms) / 2)

    # ------------------------------------------------------------------------------------------------- the user

    def _on_text(self, message: JsonObject) -> None:
        text = message.get("text")
        if not isinstance(text, str):
            return
        if self._task is not None and not self._task.over:
            self._interrupt()
        self._said.append(Said(role="user", text=text))
        self._answer()

    def _on_multimodal(self, message: JsonObject) -> None:
        inner = message.get("text")
        if isinstance(inner, dict):
            self._on_text(inner)

    def _on_context(self, message: JsonObject) -> None:
        text = message.get("text")
        if isinstance(text, str):
            self._said.append(Said(role="system", text=text))

    def _on_nothing(self, message: JsonObject) -> None:
        """Taken note of, and without consequence here."""

    def _on_audio(self, chunk: Any) -> None:
        data = _decoded(chunk)
        if self._setup is None or self._setup.text_only:
            return
        self._audio += data
        for edge in self._detector.feed(data):
            self._turn_begins() if isinstance(edge, Started) else self._turn_over()
        if self._user is not None:
            self._hear(self._user)
        else:
            del self._audio[: max(0, len(self._audio) - FORMAT.byte_count(KEPT_MS))]
        self._event("vad_score", vad_score_event={"vad_score": 0.9 if self._detector.speaking else 0.05})

    def _turn_begins(self) -> None:
        if self._is_audible():
            self._interrupt()
        self._user = UserTurn(self._stage, FORMAT.sample_rate, told=self._tell_tentative)

    def _hear(self, user: UserTurn) -> None:
        data = bytes(self._audio)
        self._audio.clear()
        user.hear(data)

    def _turn_over(self) -> None:
        user, self._user = self._user, None
        assert user is not None
        self._hear(user)
        self._halt()
        self._heard = user
        self._task = self._stage.schedule.start(self._listen(user))
        user.end()

    def _tell_tentative(self, user: UserTurn) -> None:
        if not user.over and user.words:
            self._tell_transcript("tentative_user_transcript", user.words)

    def _tell_transcript(self, kind: str, words: str) -> None:
        told = {"user_transcript": words or NOT_UNDERSTOOD, "event_id": self._number()}
        self._event(kind, **{f"{kind.removesuffix('_transcript')}_transcription_event": told})

    def _listen(self, user: UserTurn) -> Steps:
        try:
            heard = yield from words_of(user)
        except Exception as error:
            self._fail(Failure("asr_transcription_error", f"The local listener failed: {error}", 1002))
            return
        for kind in ("tentative_user_transcript", "user_transcript"):
            self._tell_transcript(kind, heard)
        self._said.append(Said(role="user", text=heard))
        yield from self._turn(self._number())

    def _think(self, job: Job) -> None:
        self._thought = job

    def _is_audible(self) -> bool:
        """Whether the client is still playing what was sent, as far as can be known here."""
        spoken = self._spoken
        if spoken is None:
            return False
        return spoken.sending or self._stage.clock() < spoken.began_ms + spoken.sent_ms

    def _interrupt(self) -> None:
        """Cut the answer short, and say what of it can have been heard."""
        spoken = self._spoken if self._is_audible() else None
        self._halt()
        self._spoken = None
        if spoken is None:
            return
        played_ms = min(self._stage.clock() - spoken.began_ms, spoken.sent_ms)
        heard = spoken.letters.spoken_by(played_ms)
        corrected = f"{spoken.text[:heard].rstrip()}..." if heard < len(spoken.text) else spoken.text
        self._said[spoken.place] = Said(role="assistant", text=corrected)
        number = spoken.event_id
        self._event("interruption", interruption_event={"event_id": number})
        told = {
            "original_agent_response": spoken.text,
            "corrected_agent_response": corrected,
            "event_id": number,
        }
        self._event("agent_response_correction", agent_response_correction_event=told)

    def _halt(self) -> None:
        """Stop the answer that is under way, without a word."""
        if self._task is not None:
            self._task.stop()
        if self._speech is not None:
            self._speech.stop()
        if self._thought is not None:
            self._thought.cancelled = True
        if self._heard is not None:
            self._heard.stop()
        self._task = self._speech = self._thought = self._heard = None
        self._calls.clear()
        self._results.clear()

    # ------------------------------------------------------------------------------------------------- the answer

    def _answer(self) -> None:
        self._task = self._stage.schedule.start(self._turn(self._number()))

    def _turn(self, number: int) -> Steps:
        """One turn of the agent's: words, tools and words again, all under one number."""
        if self._stage.pace.first_token_ms:
            yield self._stage.clock() + self._stage.pace.first_token_ms
        while True:
            reply = yield from waited_for(self._stage, self._ask, self._think)
            if isinstance(reply, BaseException):
                self._fail(Failure("llm_error", f"The local responder failed: {reply}", 1002))
                return
            if reply.text:
                written = self._setup is not None and self._setup.text_only
                yield from self._say(number, reply.text if written else reply.spoken)
            if not reply.tools:
                break
            yield from self._call(number, reply.tools)
        self._event("agent_response_complete", agent_response_complete_event={"event_id": number})
        usage = {
            "event_id": number,
            "model": MODEL,
            "context_tokens": sum(len(said.text) // 4 + 1 for said in self._said),
            "context_limit_tokens": CONTEXT_LIMIT_TOKENS,
        }
        self._event("context_usage", context_usage_event=usage)

    def _ask(self) -> Reply:
        assert self._setup is not None
        responder, setup = self._stage.engines.responder, self._setup
        return responder.answer(list(self._said), instructions=setup.prompt, tools=setup.tools)

    def _say(self, number: int, text: str) -> Steps:
        self._said.append(Said(role="assistant", text=text))
        assert self._setup is not None
        yield from (self._write if self._setup.text_only else self._speak)(number, text)

    def _write(self, number: int, text: str) -> Steps:
        def part(kind: str, piece: str = "") -> None:
            told = {"text": piece, "type": kind, "event_id": number}
            self._event("agent_chat_response_part", text_response_part=told)

        part("start")
        for piece, wait_ms in zip(_PIECES.findall(text), self._stage.pace.text_waits_ms(), strict=False):
            part("delta", piece)
            yield self._stage.clock() + wait_ms
        self._respond(number, text)
        part("stop")

    def _respond(self, number: int, text: str) -> None:
        self._event("agent_response", agent_response_event={"agent_response": text, "event_id": number})

    def _speak(self, number: int, text: str) -> Steps:
        assert self._setup is not None
        voice, speed, before_ms = self._setup.voice, self._setup.speed, 0.0
        speech = self._speech = Speech(self._stage, text, FORMAT, voice=voice, speed=speed)
        spoken = self._spoken = _Spoken(number, text, speech.letters, len(self._said) - 1, self._stage.clock())
        self._respond(number, text)
        while data := (yield from speech.piece()):
            chars, starts_ms, lasts_ms = speech.letters.piece(before_ms, speech.sent_ms, last=speech.last)
            alignment = {"chars": chars, "char_start_times_ms": starts_ms, "char_durations_ms": lasts_ms}
            before_ms = spoken.sent_ms = speech.sent_ms
            told = {"audio_base_64": b64encode(data).decode("ascii"), "event_id": number, "alignment": alignment}
            self._event("audio", audio_event=told)
        spoken.sending = False
        if speech.error is not None:
            self._fail(Failure("tts_cascade_error", f"The local voice failed: {speech.error}", 1002))

    # ------------------------------------------------------------------------------------------------- tools

    def _call(self, number: int, requests: tuple[ToolRequest, ...]) -> Steps:
        """Have the client run the tools, and hear what they answered."""
        for request in requests:
            call_id = self._stage.ids("call_")
            self._calls[call_id] = request.name
            told = {
                "tool_name": request.name,
                "tool_call_id": call_id,
                "parameters": dict(request.arguments),
                "event_id": number,
            }
            self._event("client_tool_call", client_tool_call=told)
        while len(self._results) < len(self._calls):
            yield WAIT
        for call_id, name in self._calls.items():
            result, is_error = self._results[call_id]
            self._said.append(Said(role="tool", text=result, name=name))
            told = {
                "tool_name": name,
                "tool_call_id": call_id,
                "tool_type": "client",
                "is_error": is_error,
                "is_called": True,
                "event_id": number,
            }
            self._event("agent_tool_response", agent_tool_response=told)
        self._calls.clear()
        self._results.clear()

    def _on_tool_result(self, message: JsonObject) -> None:
        call_id, result = message.get("tool_call_id"), message.get("result")
        if isinstance(call_id, str) and call_id in self._calls:
            self._results[call_id] = (str(result), message.get("is_error") is True)
            if self._task is not None:
                self._task.go_on()

    def _fail(self, failure: Failure) -> None:
        told = {"code": failure.code, "error_type": failure.error_type, "message": failure.message}
        self._always("error", error_event=told)
        self._end(failure.code, failure.message)

    def fail(self, failure: Failure) -> None:
        """End the conversation with an error."""
        self._fail(failure)


def _decoded(chunk: Any) -> bytes:
    try:
        return b64decode(chunk, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Failure("invalid_message", "user_audio_chunk must be base64-encoded audio.") from None


_HANDLERS: Mapping[str, Callable[[Agent, JsonObject], None]] = {
    "pong": Agent._on_pong,
    "user_message": Agent._on_text,
    "multimodal_message": Agent._on_multimodal,
    "contextual_update": Agent._on_context,
    "client_tool_result": Agent._on_tool_result,
    "user_activity": Agent._on_nothing,
    "feedback": Agent._on_nothing,
    "mcp_tool_approval_result": Agent._on_nothing,
}
