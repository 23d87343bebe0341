"""Gemini Live (`BidiGenerateContent`): JSON messages, sent as text frames, received as binary ones or as text.

Wire facts: `docs/protocol/google.md`. The wire knows no responses, items or ids; this codec makes them. An answer
begins with its first content, or with what ends it; it is over at `turnComplete`, at `interrupted`, and at a
`toolCall`, since the service then waits for the result. The service answers by itself what was said aloud and what a
tool returned, so a `CreateResponse` after these says nothing on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ..audio.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import (
    AnyServerEvent,
    AppendAudio,
    AppendSpeech,
    AppendText,
    AudioDelta,
    CancelResponse,
    ClientEvent,
    CommitAudio,
    CreateResponse,
    ImageOutput,
    OutputTranscript,
    ProviderMessage,
    ResponseDone,
    ResponseStarted,
    ResponseStatus,
    ResumptionHandle,
    SessionExpiring,
    SessionOpened,
    SessionUpdate,
    TextDelta,
    ToolCall,
    ToolCallCancelled,
    ToolResult,
    Usage,
)
from . import google_fields as read
from .base import Capabilities, Codec, Ids, KeyAuth, Message, Provider, SessionSettings, raw_event
from .google_setup import (
    DEFAULT_MODEL,
    UPDATABLE,
    VOICES,
    audio_type,
    check_response,
    content,
    context_update,
    detects_turns,
    function_response,
    setup_object,
)
from .google_speech import UserSpeech
from .limits import sayer
from .reading import WireObject, encode, encode_audio, json_object, text, texts

__all__ = ["CONTENT", "DECODERS", "PROVIDER", "GoogleCodec"]

APPEND_MAX_BYTES = 64 * 1024  # two seconds of PCM16 at 16 kHz; the service documents pieces of 20 to 100 ms

MORE_FOLLOWS = ("IN_PROGRESS", "REQUIRES_ACTION")
"""An `interactionStatus` beside `turnComplete` that says: only this utterance is complete."""

_ENDS: Mapping[str, ResponseStatus] = {
    "NEED_MORE_INPUT": "completed",
    "MALFORMED_FUNCTION_CALL": "failed",
    "RESPONSE_REJECTED": "failed",
}
"""How an answer with that `turnCompleteReason` ends; with any other it is incomplete."""


class GoogleCodec(Codec):
    """The Live protocol of one session.

    Written content is held until an answer is asked for, and tool results until each call has one: both then go in one
    message, which the service answers once. Where the service ends the user's turns, `SpeechStarted` is made when the
    first words of an utterance come back, or its answer begins; it then has no `at_ms`. A known message with a field of
    the wrong type becomes a `RawEvent`, as an unknown one does.
    """

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        self._setup = setup_object(settings)
        self._input_format = settings.input_format or PCM16_16K
        self._automatic = detects_turns(self._setup)
        self._turns: list[WireObject] = []
        self._results: list[WireObject] = []
        self._owed: dict[str, str] = {}  # calls without a result: id → name
        self._taken_back: set[str] = set()  # calls that want no result any more
        self._asked: Literal["text", "tools", "voice"] | None = None  # what the next answer will answer
        self._answers_itself = False  # … without being asked to
        self._audio_sent = False
        self._active = False  # between activityStart and activityEnd
        self._cancelled = False
        self._cut = False  # the turnComplete after an interruption is still to come
        self._replaced = False  # the calls that a new question cut short: their interruption is nobody's answer
        self._response_id: str | None = None
        self._item_id: str | None = None
        self._speech = UserSpeech(self._tell, ids, automatic=self._automatic)
        self._usage: Usage | None = None
        self._usage_before: Usage | None = None
        self._raw: WireObject = {}
        self._heard: list[AnyServerEvent] = []

    @property
    def input_format(self) -> AudioFormat:
        """What `AppendAudio` must carry: PCM16 at 16 kHz, or at the rate asked for."""
        return self._input_format

    @property
    def output_format(self) -> AudioFormat:
        """What `AudioDelta` carries, unless it names another rate."""
        return PCM16_24K

    def opening(self) -> None:
        """Queue the `setup`, which can be said once only."""
        self._queue(setup=self._setup)

    def receive(self, message: Message) -> Sequence[AnyServerEvent]:
        """The events of one frame, binary or text."""
        self._raw, known = read.parse(message)
        self._heard = []
        kind = next((key for key in known if key != "usageMetadata"), next(iter(known), ""))
        try:
            if "usageMetadata" in known:
                self._usage = read.usage(known["usageMetadata"])
            DECODERS.get(kind, GoogleCodec._on_unknown)(self, known.get(kind))
        except (KeyError, TypeError, ValueError):
            self._heard += raw_event(kind, self._raw)
        return self._heard or raw_event(kind, self._raw)

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`; some are held back, see the class."""
        sayer("google", _SAYERS, event)(self, event)

    def _queue(self, **message: Any) -> None:
        self._out.append(encode(message))

    def _tell(self, kind: Callable[..., AnyServerEvent], **fields: Any) -> None:
        self._heard.append(kind(raw=self._raw, **fields))

    # -------------------------------------------------------------------------------------- server to client

    def _on_unknown(self, value: Any) -> None:
        return

    def _on_setup_complete(self, value: Any) -> None:
        session_id = json_object(value).get("sessionId")
        resumed = bool((self._setup.get("sessionResumption") or {}).get("handle"))
        self._tell(SessionOpened, session_id=None if session_id is None else text(session_id), resumed=resumed)

    def _on_content(self, value: Any) -> None:
        said = json_object(value)
        for name, on in CONTENT.items():
            if name in said:
                on(self, said)

    def _on_model_turn(self, said: WireObject) -> None:
        self._begin()
        for part in read.objects(json_object(said["modelTurn"]).get("parts", [])):
            if "inlineData" in part:
                self._on_data(json_object(part["inlineData"]))
            elif "text" in part and not part.get("thought"):
                self._tell(TextDelta, text=text(part["text"]), **self._place())

    def _on_data(self, blob: WireObject) -> None:
        kind, data = text(blob["mimeType"]), read.data(blob["data"])
        pcm = read.audio_format(kind)
        if pcm is not None:
            self._tell(AudioDelta, data=data, format=pcm, **self._place())
        elif kind.startswith("image/"):
            self._tell(ImageOutput, data=data, media_type=kind, response_id=self._response_id)

    def _on_output_words(self, said: WireObject) -> None:
        words = text(json_object(said["outputTranscription"]).get("text", ""))
        if words:
            self._begin()
            self._tell(OutputTranscript, text=words, **self._place())

    def _on_input_words(self, said: WireObject) -> None:
        heard = json_object(said["inputTranscription"])
        self._speech.heard(text(heard.get("text", "")), finished=bool(heard.get("finished")))

    def _on_interrupted(self, said: WireObject) -> None:
        if not said["interrupted"]:
            return
        if self._owed:
            self._begin(answers=False)
            self._take_back(tuple(self._owed))
        unanswered = self._asked in ("text", "tools") and not self._replaced
        if self._response_id is not None or unanswered:
            self._end("cancelled", "client_cancelled" if self._cancelled else "turn_detected")
        self._cut = True

    def _on_turn_complete(self, said: WireObject) -> None:
        if not said["turnComplete"]:
            return
        if str(said.get("interactionStatus")).upper() in MORE_FOLLOWS:
            self._usage_before, self._usage = self._usage_so_far(), None
        elif self._cut or (self._response_id is None and not self._is_awaited()):
            self._cut, self._usage = False, None
        else:
            reason = said.get("turnCompleteReason")
            self._end_for(reason if isinstance(reason, str) else None)

    def _end_for(self, reason: str | None) -> None:
        if reason is None:
            self._end("completed")
            return
        status = _ENDS.get(reason.upper(), "incomplete")
        code = reason if status == "failed" else None
        message = f"the model's answer was not used ({reason}): ask again" if code else None
        self._end(status, reason.lower(), error_code=code, error_message=message)

    def _on_tool_call(self, value: Any) -> None:
        calls = read.objects(json_object(value)["functionCalls"])
        named = [(text(call["id"]), text(call["name"]), json_object(call.get("args", {}))) for call in calls]
        self._begin()
        for call_id, name, args in named:
            self._owed[call_id] = name
            arguments = json.dumps(args, separators=(",", ":"))
            self._tell(ToolCall, call_id=call_id, name=name, arguments=arguments, response_id=self._response_id)
        self._end("completed")

    def _on_tool_cancellation(self, value: Any) -> None:
        ids = tuple(call_id for call_id in texts(json_object(value)["ids"]) if call_id in self._owed)
        if not ids:
            return
        self._begin(answers=False)
        self._take_back(ids)
        self._tell(ToolCallCancelled, call_ids=ids)

    def _take_back(self, call_ids: Sequence[str]) -> None:
        """These calls want no result. Who runs the tools may still ask for an answer: there is nothing to answer."""
        self._taken_back.update(call_ids)
        self._owed = {call_id: name for call_id, name in self._owed.items() if call_id not in self._taken_back}
        self._results = [result for result in self._results if result["id"] in self._owed]
        self._answers_itself = True

    def _on_go_away(self, value: Any) -> None:
        self._tell(SessionExpiring, time_left_ms=read.duration_ms(json_object(value).get("timeLeft")))

    def _on_resumption(self, value: Any) -> None:
        update = json_object(value)
        handle = text(update.get("newHandle", ""))
        self._tell(ResumptionHandle, handle=handle if handle and update.get("resumable") else None)

    def _on_activity(self, value: Any) -> None:
        activity = json_object(value)
        at_ms = read.duration_ms(activity.get("audioOffset"))
        self._on_edge(text(activity["type"]), at_ms)

    def _on_activity_signal(self, value: Any) -> None:
        self._on_edge(text(json_object(value)["vadSignalType"]), None)

    def _on_edge(self, name: str, at_ms: float | None) -> None:
        starts = name.upper().endswith(("START", "SOS"))
        (self._speech.started if starts else self._speech.stopped)(at_ms)

    # -------------------------------------------------------------------------------------------- the answer

    def _place(self) -> dict[str, str | None]:
        return {"response_id": self._response_id, "item_id": self._item_id}

    def _is_awaited(self) -> bool:
        """Whether the service has something to answer."""
        return self._asked is not None or self._speech.unanswered

    def _begin(self, *, answers: bool = True) -> None:
        """An answer begins, unless one is under way. One that `answers` nothing leaves the question as it is."""
        if self._response_id is not None:
            return
        if answers:
            self._take_question()
        self._replaced = False
        self._response_id, self._item_id = self.ids("resp_"), self.ids("item_")
        self._tell(ResponseStarted, response_id=self._response_id)

    def _take_question(self) -> None:
        """What was asked has its answer; where nothing was asked in writing, what was said aloud."""
        if self._asked == "voice" or (self._asked is None and self._audio_sent and self._automatic):
            self._audio_sent = False
            self._speech.answered()
        self._asked, self._cut = None, False

    def _end(self, status: ResponseStatus, reason: str | None = None, **error: str | None) -> None:
        """The answer is over; one that brought nothing has begun now."""
        self._begin()
        self._speech.close()
        usage, self._usage, self._usage_before = self._usage_so_far(), None, None
        self._tell(ResponseDone, response_id=self._response_id, status=status, reason=reason, usage=usage, **error)
        self._response_id, self._cancelled = None, False

    def _usage_so_far(self) -> Usage | None:
        if self._usage is None or self._usage_before is None:
            return self._usage or self._usage_before
        return self._usage_before + self._usage

    # -------------------------------------------------------------------------------------- client to server

    def _say_update(self, event: SessionUpdate) -> None:
        update = context_update(event.changes, self.settings.model)
        if update:
            self._queue(contextUpdate=update)
        self.settings = self.settings.changed({k: v for k, v in event.changes.items() if v is not None})

    def _say_text(self, event: AppendText) -> None:
        self._turns.append(content(event))

    def _say_speech(self, event: AppendSpeech) -> None:
        sound = {"mimeType": audio_type(self._input_format), "data": encode_audio(event.data)}
        self._turns.append({"role": "user", "parts": [{"inlineData": sound}]})

    def _say_audio(self, event: AppendAudio) -> None:
        self._flush_turns()
        if not self._automatic and not self._active and event.data:
            self._active = True
            self._queue(realtimeInput={"activityStart": {}})
        for start in range(0, len(event.data), APPEND_MAX_BYTES):
            piece = encode_audio(event.data[start : start + APPEND_MAX_BYTES])
            self._queue(realtimeInput={"audio": {"mimeType": audio_type(self._input_format), "data": piece}})
            self._audio_sent = True

    def _say_commit(self, event: CommitAudio) -> None:
        if not self._automatic and not self._active:
            raise LocalProtocolError("no audio was sent since the last commit: send some first")
        self._active = False
        self._queue(realtimeInput={"audioStreamEnd": True} if self._automatic else {"activityEnd": {}})
        self._answers_itself = True
        if self._response_id is None:
            self._asked = "voice"

    def _say_create(self, event: CreateResponse) -> None:
        try:
            check_response(event)
        except Unsupported:
            self._turns.clear()
            raise
        self._flush_results()
        if self._turns or not self._answers_itself:
            self._replace_calls()
            turns = {"turns": self._turns} if self._turns else {}
            self._queue(clientContent={**turns, "turnComplete": True})
            self._turns, self._asked = [], "text"
        self._answers_itself = False

    def _replace_calls(self) -> None:
        """A written question cuts short what still waits for results."""
        if self._owed:
            self._take_back(tuple(self._owed))
            self._replaced = True

    def _say_cancel(self, event: CancelResponse) -> None:
        if self._response_id is not None:
            self._cancelled = True
            self._queue(clientContent={"turnComplete": False})

    def _say_tool_result(self, event: ToolResult) -> None:
        if event.call_id in self._taken_back:
            return
        name = self._owed.pop(event.call_id, None)
        if name is None:
            raise LocalProtocolError(f"no call {event.call_id!r} waits for a result: answer the calls that came")
        self._results.append(function_response(event.call_id, name, event.output))
        if not self._owed:
            self._flush_results()

    def _say_verbatim(self, event: ProviderMessage) -> None:
        if not isinstance(event.message, Mapping) or len(event.message) != 1:
            raise LocalProtocolError("a provider message has one key, such as 'realtimeInput': send one at a time")
        self._out.append(encode(dict(event.message)))

    def _flush_turns(self) -> None:
        """Send what was written, without asking for an answer."""
        if self._turns:
            self._queue(clientContent={"turns": self._turns, "turnComplete": False})
            self._turns = []

    def _flush_results(self) -> None:
        if self._results:
            self._queue(toolResponse={"functionResponses": self._results})
            self._results, self._asked, self._answers_itself = [], "tools", True


# -------------------------------------------------------------------------------------------------------- tables

DECODERS: Mapping[str, Callable[[GoogleCodec, Any], None]] = {
    "setupComplete": GoogleCodec._on_setup_complete,
    "serverContent": GoogleCodec._on_content,
    "toolCall": GoogleCodec._on_tool_call,
    "toolCallCancellation": GoogleCodec._on_tool_cancellation,
    "goAway": GoogleCodec._on_go_away,
    "sessionResumptionUpdate": GoogleCodec._on_resumption,
    "voiceActivity": GoogleCodec._on_activity,
    "voiceActivityDetectionSignal": GoogleCodec._on_activity_signal,
    "usageMetadata": GoogleCodec._on_unknown,  # beside another message it is that one's; alone it says nothing else
}
"""What each server message means, by its wire name."""

CONTENT: Mapping[str, Callable[[GoogleCodec, WireObject], None]] = {
    "inputTranscription": GoogleCodec._on_input_words,
    "modelTurn": GoogleCodec._on_model_turn,
    "outputTranscription": GoogleCodec._on_output_words,
    "interrupted": GoogleCodec._on_interrupted,
    "turnComplete": GoogleCodec._on_turn_complete,
}
"""What a `serverContent` may hold, in the order in which it counts when several come together."""

_SAYERS: Mapping[type[ClientEvent], Callable[[GoogleCodec, Any], None]] = {
    SessionUpdate: GoogleCodec._say_update,
    AppendText: GoogleCodec._say_text,
    AppendSpeech: GoogleCodec._say_speech,
    AppendAudio: GoogleCodec._say_audio,
    CommitAudio: GoogleCodec._say_commit,
    CreateResponse: GoogleCodec._say_create,
    CancelResponse: GoogleCodec._say_cancel,
    ToolResult: GoogleCodec._say_tool_result,
    ProviderMessage: GoogleCodec._say_verbatim,
}

_SERVICE = "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

PROVIDER = Provider(
    name="google",
    title="Gemini Live",
    route="google",
    direct_url=f"wss://generativelanguage.googleapis.com/ws/{_SERVICE}",
    codec=GoogleCodec,
    auth=KeyAuth(
        env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        query="api_key",
        direct=KeyAuth(header=("x-goog-api-key", "{key}"), query="key"),
        also=(KeyAuth(subprotocol="api_key."),),  # seen in one public client
    ),
    logged_as=("google-ai-studio",),
    default_model=DEFAULT_MODEL,
    models=(
        DEFAULT_MODEL,
        "gemini-3.8-live-extended-thinking",
        "gemini-3.1-flash-live-preview",
        "gemini-2.5-flash-native-audio-preview-12-2025",
        "gemini-3.5-live-translate-preview",
        "gemini-3.5-transcribe-live",
    ),
    capabilities=Capabilities(
        image_in=True,
        text_out=False,
        input_formats=(PCM16_16K, PCM16_24K, PCM16_48K, PCM16_8K),
        output_formats=(PCM16_24K,),
        voices=VOICES,
        tools=True,
        seed_history=True,
        seed_audio=True,
        cancel=True,
        server_turns=True,
        manual_turns=True,
        keeps_speaking=True,
        transcription=True,
        temperature=True,
        max_output_tokens=True,
        live_update=True,
        live_settings=UPDATABLE,
        resumption=True,
        session_limit_s=600,
    ),
)
