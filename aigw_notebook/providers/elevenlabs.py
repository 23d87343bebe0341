"""ElevenLabs Agents: a spoken or written conversation, JSON messages in text frames, both ways, audio as base64.

Wire facts: `docs/protocol/elevenlabs.md`. The agent answers by itself what was said or written and what a tool
returned, so a response is never asked for. The wire has no end of an answer either; it is over when its last letter was
spoken, when something else begins, or when nothing of it came for a while. Plain text to speech is a variant,
`elevenlabs_tts`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..audio.formats import PCM16_16K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import (
    AnyServerEvent,
    AppendAudio,
    AppendText,
    ClientEvent,
    CommitAudio,
    CreateResponse,
    InputCommitted,
    InputTranscript,
    OutputCorrected,
    OutputTranscript,
    ProviderMessage,
    ResponseStatus,
    SessionError,
    SessionOpened,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    ToolCall,
    ToolResult,
)
from . import reading as read
from .base import Alarm, Capabilities, Codec, Ids, KeyAuth, Message, Provider, SessionSettings, raw_event
from .elevenlabs_answer import Answer
from .elevenlabs_setup import FORMATS, TITLE, first_message, is_text_only, opening_message, url_query
from .elevenlabs_tts import VARIANTS
from .limits import check_modalities, refuse_overrides, sayer
from .reading import WireObject

__all__ = ["DECODERS", "PROVIDER", "ElevenLabsCodec"]

GREETING_MS = 1_000.0
"""How long the agent's own first words are waited for before the session is taken to be ready."""

SILENCE_MS = 1_500.0
"""An answer of which nothing came for so long is over, when nothing else told its end."""

HEARD_MS = 150.0
"""An answer whose last letter was spoken may still have a little sound to come."""

CALLS_MS = 100.0
"""Calls of several tools come one by one; after so long without another they are all there."""

CLOSING_SILENCE_MS = 1_000
"""The agent ends the user's turn when it hears silence: so much of it follows a committed utterance."""

SPEECH_SCORE, PREFIX_MS = 0.5, 300.0
_SILENT = {"pcm16": b"\0", "ulaw": b"\xff"}
_CHUNK_MS = 250

Events: TypeAlias = Sequence[AnyServerEvent]


class ElevenLabsCodec(Codec):
    """One conversation with an agent.

    `AppendText` of role "user" is answered by itself, of role "system" it is told to the agent and not answered.
    `CreateResponse` and the end of a tool's work need no message. The audio formats are the agent's; they are known
    once the session is open.
    """

    ready = SessionUpdated

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        self._opening = opening_message(settings)
        self._text_only = is_text_only(self._opening)
        self._input_format = PCM16_16K
        self._output_format = PCM16_16K
        self._metadata: WireObject | None = None
        self._is_ready = False
        self._answer: Answer | None = None
        self._answers: deque[Answer] = deque(maxlen=32)
        self._cut_id = 0
        self._open_calls: set[str] = set()
        self._sent_ms = 0.0
        self._committed_ms = 0.0
        self._loud_ms: float | None = None
        self._user_item: str | None = None

    @property
    def input_format(self) -> AudioFormat:
        """What `AppendAudio` must carry: 16 kHz PCM until the agent has said otherwise."""
        return self._input_format

    @property
    def output_format(self) -> AudioFormat:
        """What `AudioDelta` carries."""
        return self._output_format

    def opening(self) -> None:
        """Queue the conversation's first message with all that the caller set."""
        self._queue(self._opening)

    def receive(self, message: Message) -> Events:
        """The events of one frame."""
        parsed = read.parse_object(message)
        try:
            return DECODERS[parsed["type"]](self, parsed)
        except (KeyError, TypeError, ValueError):
            kind = parsed.get("type")
            return raw_event(kind if isinstance(kind, str) else "", parsed)

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""
        sayer(TITLE, _SAYERS, event)(self, event)

    def ring(self) -> Events:
        """The agent says nothing first, or has said all of its answer."""
        self.alarm = None
        return [*self._be_ready(None), *self._end(None)]

    # ------------------------------------------------------------------------------------------------- the session

    def _on_metadata(self, message: WireObject) -> Events:
        told = read.json_object(message["conversation_initiation_metadata_event"])
        session_id = read.text(told["conversation_id"])
        self._input_format = FORMATS.get(str(told.get("user_input_audio_format")), self._input_format)
        self._output_format = FORMATS.get(str(told.get("agent_output_audio_format")), self._output_format)
        self._metadata = told
        opened = SessionOpened(raw=message, session_id=session_id)
        if first_message(self._opening) == "":
            return [opened, *self._be_ready(message)]
        self.alarm = Alarm(GREETING_MS)
        return [opened]

    def _be_ready(self, raw: Any) -> Events:
        """The session can be used from now on: what the agent says first has begun, or nothing comes."""
        if self._is_ready or self._metadata is None:
            return []
        self._is_ready = True
        return [SessionUpdated(raw=raw, settings=self._metadata)]

    def _on_ping(self, message: WireObject) -> Events:
        event_id = read.integer(read.json_object(message["ping_event"])["event_id"])
        self._queue({"type": "pong", "event_id": event_id})
        return []

    def _on_error(self, message: WireObject) -> Events:
        error = read.json_object(message["error_event"])
        told = (read.text_or_none(error.get(name)) for name in ("message", "reason", "debug_message"))
        code = error.get("error_type") or error.get("code")
        words = next((words for words in told if words), "the conversation failed")
        return [SessionError(raw=message, message=words, code=None if code is None else str(code))]

    def _on_raw(self, message: WireObject) -> Events:
        return raw_event(message["type"], message)

    # ------------------------------------------------------------------------------------------------- the answer

    def _begin(self, event_id: int, raw: WireObject) -> tuple[Answer, list[AnyServerEvent]]:
        """The answer of that number, and what must be told before its content."""
        if self._answer is not None and self._answer.event_id == event_id:
            return self._answer, []
        before = [*self._be_ready(raw), *self._end(raw)]
        answer = self._answer = Answer(event_id, self.ids("resp_"), self.ids("item_"))
        self._answers.append(answer)
        return answer, [*before, answer.started(raw)]

    def _end(self, raw: Any, status: ResponseStatus = "completed", reason: str | None = None) -> Events:
        """The end of the answer that is under way, if there is one."""
        answer, self._answer = self._answer, None
        if answer is None:
            return []
        self.alarm = None
        return [answer.done(raw, status, reason)]

    def _go_on(self, answer: Answer) -> None:
        """Something of the answer has come: wait for more of it, only a little if it may have been the last."""
        wait_ms = CALLS_MS if answer.only_calls else HEARD_MS if answer.is_heard else SILENCE_MS
        self.alarm = Alarm(wait_ms)

    def _is_cut(self, event_id: int) -> bool:
        """Whether the answer of that number was interrupted: what still comes of it is not to be heard."""
        return event_id <= self._cut_id

    def _is_past(self, event_id: int) -> bool:
        """Whether an answer of that number was heard to its last letter, and none is under way."""
        return self._answer is None and any(a.event_id == event_id and a.is_heard for a in self._answers)

    def _on_agent_response(self, message: WireObject) -> Events:
        told = read.json_object(message["agent_response_event"])
        event_id, text = _number(told), read.text(told["agent_response"])
        if self._is_cut(event_id):
            return self._on_raw(message)
        answer, events = self._begin(event_id, message)
        if self._text_only:
            return [*events, *self._written(answer, text, message)]
        said = OutputTranscript(raw=message, text=f" {text}" if answer.text else text, **answer.place)
        answer.text = f"{answer.text} {text}".strip()
        self._go_on(answer)
        return [*events, said]

    def _written(self, answer: Answer, text: str, raw: WireObject) -> Events:
        """The whole text of a written answer, which stands in place of its pieces."""
        answer.text = text
        whole = OutputTranscript(raw=raw, text=text, final=True, **answer.place)
        if answer.parts and not answer.stopped:
            self.alarm = Alarm(SILENCE_MS)
            return [whole]
        return [whole, *self._end(raw)]

    def _on_part(self, message: WireObject) -> Events:
        part = read.json_object(message["text_response_part"])
        event_id, kind, text = _number(part), read.text(part["type"]), read.text(part["text"])
        if self._is_cut(event_id) or not self._text_only:
            return self._on_raw(message)
        if kind == "stop" and (self._answer is None or self._answer.event_id != event_id):
            return self._on_raw(message)
        answer, events = self._begin(event_id, message)
        answer.parts, answer.stopped = True, kind == "stop"
        self.alarm = Alarm(SILENCE_MS)
        pieces = [TextDelta(raw=message, text=text, **answer.place)] if text else []
        over = self._end(message) if answer.stopped and answer.text else []
        return [*events, *pieces, *over] or self._on_raw(message)

    def _on_audio(self, message: WireObject) -> Events:
        told = read.json_object(message["audio_event"])
        event_id, data = _number(told), read.audio(told["audio_base_64"])
        if self._is_cut(event_id) or self._is_past(event_id):
            return self._on_raw(message)
        answer, events = self._begin(event_id, message)
        timings = self._alignment(answer, message, told.get("alignment"))
        sound = answer.sound(message, data, self._output_format)
        self._go_on(answer)
        over = self._end(message) if told.get("is_final") is True else []
        return [*events, sound, *timings, *over]

    def _alignment(self, answer: Answer, raw: WireObject, told: Any) -> Events:
        if told is None:
            return []
        alignment = read.json_object(told)
        letters = read.texts(alignment["chars"])
        start_ms = read.numbers(alignment["char_start_times_ms"])
        lasts_ms = read.numbers(alignment["char_durations_ms"])
        return [answer.timings(raw, letters, start_ms, lasts_ms)] if letters else []

    def _on_response_complete(self, message: WireObject) -> Events:
        told = read.json_object(message["agent_response_complete_event"])
        if self._answer is None or self._answer.event_id != _number(told):
            return self._on_raw(message)
        return self._end(message)

    def _on_correction(self, message: WireObject) -> Events:
        told = read.json_object(message["agent_response_correction_event"])
        text, event_id = read.text(told["corrected_agent_response"]), told.get("event_id")
        cut = next((a for a in reversed(self._answers) if a.event_id == event_id and a.text), None)
        place = cut.place if cut is not None else {}
        return [OutputCorrected(raw=message, text=text, **place)]

    def _on_interruption(self, message: WireObject) -> Events:
        event_id = _number(read.json_object(message["interruption_event"]))
        self._cut_id = max(self._cut_id, event_id)
        begun = self._speech_begins(message) if self._was_spoken_to else []
        is_open = self._answer is not None and self._is_cut(self._answer.event_id)
        cut = self._end(message, "cancelled", "turn_detected") if is_open else []
        return [*begun, *cut] or self._on_raw(message)

    def _on_tool_call(self, message: WireObject) -> Events:
        call = read.json_object(message["client_tool_call"])
        call_id, name = read.text(call["tool_call_id"]), read.text(call["tool_name"])
        arguments = json.dumps(read.json_object(call.get("parameters") or {}))
        event_id = call.get("event_id")
        number = event_id if type(event_id) is int else self._cut_id + 1
        answer, events = self._begin(number, message)
        answer.tools += 1
        self._open_calls.add(call_id)
        asked = ToolCall(raw=message, call_id=call_id, name=name, arguments=arguments, **answer.place)
        self._go_on(answer)
        return [*events, asked]

    # ------------------------------------------------------------------------------------------------- the user

    @property
    def _was_spoken_to(self) -> bool:
        """Whether audio was sent that belongs to no turn of the user's yet."""
        return self._sent_ms > self._committed_ms

    def _speech_begins(self, raw: WireObject) -> list[AnyServerEvent]:
        """The beginning of the user's spoken turn, told once."""
        if self._user_item is not None:
            return []
        self._user_item = self.ids("item_")
        at_ms = self._committed_ms if self._loud_ms is None else max(self._committed_ms, self._loud_ms)
        return [SpeechStarted(raw=raw, at_ms=at_ms, item_id=self._user_item)]

    def _on_tentative_transcript(self, message: WireObject) -> Events:
        told = read.json_object(message["tentative_user_transcription_event"])
        text = read.text(told["user_transcript"])
        if not self._was_spoken_to:
            return self._on_raw(message)
        begun = self._speech_begins(message)
        return [*begun, InputTranscript(raw=message, text=text, item_id=self._user_item, cumulative=True)]

    def _on_transcript(self, message: WireObject) -> Events:
        """The user's words, final. Those of a written message may come back as well; they are known."""
        told = read.json_object(message["user_transcription_event"])
        text = read.text(told["user_transcript"])
        if not self._was_spoken_to:
            return self._on_raw(message)
        begun, item_id = self._speech_begins(message), self._user_item
        self._committed_ms, self._loud_ms, self._user_item = self._sent_ms, None, None
        return [
            *begun,
            SpeechStopped(raw=message, at_ms=self._sent_ms, item_id=item_id),
            InputCommitted(raw=message, item_id=item_id),
            InputTranscript(raw=message, text=text, item_id=item_id, final=True),
        ]

    def _on_vad_score(self, message: WireObject) -> Events:
        score = read.number(read.json_object(message["vad_score_event"])["vad_score"])
        if score >= SPEECH_SCORE and self._loud_ms is None:
            self._loud_ms = max(0.0, self._sent_ms - PREFIX_MS)
        return self._on_raw(message)

    # -------------------------------------------------------------------------------------- client to server

    def _say_text(self, event: AppendText) -> None:
        if event.images or event.role == "assistant":
            raise Unsupported(f"{TITLE} takes words of the user and of the system: leave images and other roles out")
        kind = "user_message" if event.role == "user" else "contextual_update"
        self._queue({"type": kind, "text": event.text})

    def _say_audio(self, event: AppendAudio) -> None:
        if event.data:
            self._sent_ms += self._input_format.duration_ms(event.data)
            self._queue({"user_audio_chunk": read.encode_audio(event.data)})

    def _say_commit(self, event: CommitAudio) -> None:
        samples = self._input_format.byte_count(_CHUNK_MS)
        silence = _SILENT[self._input_format.encoding] * samples
        for _ in range(0, CLOSING_SILENCE_MS, _CHUNK_MS):
            self._say_audio(AppendAudio(data=silence))

    def _say_create(self, event: CreateResponse) -> None:
        """The agent answers by itself: there is nothing to send."""
        refuse_overrides(TITLE, event)
        mode = "text" if self._text_only else "audio"
        check_modalities(TITLE, event.modalities, known=[(mode,)])

    def _say_tool_result(self, event: ToolResult) -> None:
        if event.call_id not in self._open_calls:
            raise LocalProtocolError(f"there is no open tool call {event.call_id!r}: answer each call once")
        self._open_calls.discard(event.call_id)
        result = {"tool_call_id": event.call_id, "result": event.output, "is_error": False}
        self._queue({"type": "client_tool_result", **result})

    def _say_verbatim(self, event: ProviderMessage) -> None:
        message = event.message
        if not isinstance(message, Mapping) or not ("user_audio_chunk" in message or "type" in message):
            raise LocalProtocolError("a provider message needs a 'type' or a 'user_audio_chunk': give it one")
        self._queue(message)

    def _queue(self, message: Mapping[str, Any]) -> None:
        self._out.append(read.encode(message))


def _number(holder: WireObject) -> int:
    return read.integer(holder["event_id"])


DECODERS: Mapping[str, Callable[[ElevenLabsCodec, WireObject], Events]] = {
    "conversation_initiation_metadata": ElevenLabsCodec._on_metadata,
    "asr_initiation_metadata": ElevenLabsCodec._on_raw,
    "ping": ElevenLabsCodec._on_ping,
    "audio": ElevenLabsCodec._on_audio,
    "user_transcript": ElevenLabsCodec._on_transcript,
    "tentative_user_transcript": ElevenLabsCodec._on_tentative_transcript,
    "agent_response": ElevenLabsCodec._on_agent_response,
    "agent_response_correction": ElevenLabsCodec._on_correction,
    "agent_response_complete": ElevenLabsCodec._on_response_complete,
    "agent_response_metadata": ElevenLabsCodec._on_raw,
    "agent_chat_response_part": ElevenLabsCodec._on_part,
    "agent_reasoning_response_part": ElevenLabsCodec._on_raw,
    "interruption": ElevenLabsCodec._on_interruption,
    "client_tool_call": ElevenLabsCodec._on_tool_call,
    "agent_tool_request": ElevenLabsCodec._on_raw,
    "agent_tool_response": ElevenLabsCodec._on_raw,
    "agent_tool_response_full_payload": ElevenLabsCodec._on_raw,
    "mcp_tool_call": ElevenLabsCodec._on_raw,
    "mcp_connection_status": ElevenLabsCodec._on_raw,
    "vad_score": ElevenLabsCodec._on_vad_score,
    "context_usage": ElevenLabsCodec._on_raw,
    "rich_content": ElevenLabsCodec._on_raw,
    "guardrail_triggered": ElevenLabsCodec._on_raw,
    "internal_tentative_agent_response": ElevenLabsCodec._on_raw,
    "internal_turn_probability": ElevenLabsCodec._on_raw,
    "agent_typing": ElevenLabsCodec._on_raw,
    "external_agent_connected": ElevenLabsCodec._on_raw,
    "external_agent_disconnected": ElevenLabsCodec._on_raw,
    "queue_status": ElevenLabsCodec._on_raw,
    "dtmf_request": ElevenLabsCodec._on_raw,
    "client_error": ElevenLabsCodec._on_raw,
    "error": ElevenLabsCodec._on_error,
}
"""What each server message means, by its wire name."""

_SAYERS: Mapping[type[ClientEvent], Callable[[ElevenLabsCodec, Any], None]] = {
    AppendText: ElevenLabsCodec._say_text,
    AppendAudio: ElevenLabsCodec._say_audio,
    CommitAudio: ElevenLabsCodec._say_commit,
    CreateResponse: ElevenLabsCodec._say_create,
    ToolResult: ElevenLabsCodec._say_tool_result,
    ProviderMessage: ElevenLabsCodec._say_verbatim,
}

PROVIDER = Provider(
    name="elevenlabs",
    title=TITLE,
    route="elevenlabs",
    direct_url="wss://api.elevenlabs.io/v1/convai/conversation",
    codec=ElevenLabsCodec,
    auth=KeyAuth(
        env=("ELEVENLABS_API_KEY",),
        header=("xi-api-key", "{key}"),
        subprotocol="xi-api-key.",
        subprotocol_with=("convai",),
    ),
    query=url_query,
    variants=VARIANTS,
    capabilities=Capabilities(
        input_formats=tuple(FORMATS.values()),
        output_formats=tuple(FORMATS.values()),
        tools=True,
        server_turns=True,
        transcription=True,
        speed=True,
        word_timings=True,
    ),
)
