"""OpenAI Realtime, the GA protocol: JSON messages in text frames, both ways.

Wire facts: `docs/protocol/openai.md`. What is sent is GA only; the event names of the retired beta are still understood
when they come in. A session starts with one `session.update`, and `session.updated` is the provider's yes to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias, cast, get_args

from ..audio.formats import PCM16_24K, AudioFormat
from ..errors import LocalProtocolError
from ..events import (
    AnyServerEvent,
    AppendAudio,
    AppendCall,
    AppendSpeech,
    AppendText,
    AudioDelta,
    CancelResponse,
    ClearAudio,
    ClientEvent,
    CommitAudio,
    CreateResponse,
    DeleteItem,
    InputCommitted,
    InputTranscript,
    InputTranscriptFailed,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    OutputTranscript,
    ProviderMessage,
    RateLimits,
    ResponseDone,
    ResponseStarted,
    ResponseStatus,
    RetrieveItem,
    SessionError,
    SessionOpened,
    SessionUpdate,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    ToolCall,
    ToolResult,
    TruncateOutput,
)
from . import base64text
from . import openai_fields as fields
from . import reading as read
from .base import Codec, Ids, KeyAuth, Message, Provider, SessionSettings, raw_event
from .limits import sayer
from .openai_objects import (
    CAPABILITIES,
    DEFAULT_MODEL,
    call_item,
    changed_settings,
    message_item,
    opening_session,
    response_object,
    speech_item,
    stated_format,
    updated_session,
    url_query,
)

__all__ = ["BETA_NAMES", "DECODERS", "PROVIDER", "OpenAICodec"]

APPEND_MAX_BYTES = 11 * 1024 * 1024  # in base64 below the 15 MiB that one append may carry; a whole number of samples

_STATUSES = frozenset(get_args(ResponseStatus))
_BENIGN_CODES = {
    "response_cancel_not_active",  # the answer ended before the cancel arrived
    "conversation_already_has_active_response",  # the running answer goes on
    "item_truncate_invalid_item_id",  # the item was gone before the truncate arrived
}

WireObject: TypeAlias = dict[str, Any]
Events: TypeAlias = Sequence[AnyServerEvent]


class OpenAICodec(Codec):
    """The Realtime protocol of one session.

    A known message whose fields are missing or of the wrong type becomes a `RawEvent`, as an unknown one does. The
    refusal of a truncation is benign: it lost a race against the end of its item.
    """

    ready = SessionUpdated
    confirms_updates = True

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        self._session = opening_session(settings)
        self._input_format = PCM16_24K
        self._output_format = PCM16_24K
        self._response_formats: dict[str, AudioFormat] = {}
        self._truncate_ids: set[str] = set()
        self._follow_formats(self._session)

    @property
    def input_format(self) -> AudioFormat:
        """What `AppendAudio` must carry: the format asked for, then the one `session.updated` states."""
        return self._input_format

    @property
    def output_format(self) -> AudioFormat:
        """What `AudioDelta` carries, save in a response that states another format."""
        return self._output_format

    def opening(self) -> None:
        """Queue one `session.update` with all that the caller set."""
        self._queue("session.update", session=self._session)

    def receive(self, message: Message) -> Events:
        """The events of one frame; a text frame may also come as its bytes."""
        parsed = read.parse_object(message)
        try:
            return DECODERS[parsed["type"]](self, parsed)
        except (KeyError, TypeError, ValueError):
            kind = parsed.get("type")
            return raw_event(kind if isinstance(kind, str) else "", parsed)

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`; audio above the provider's limit is split over several."""
        sayer("OpenAI Realtime", _SAYERS, event)(self, event)

    def _queue(self, kind: str, **rest: Any) -> str:
        event_id = self.ids("evt_")
        self._out.append(read.encode({"type": kind, "event_id": event_id, **rest}))
        self.last_sent_id = event_id
        return event_id

    def _follow_formats(self, session: Mapping[str, Any]) -> None:
        self._input_format = stated_format(session, "input") or self._input_format
        self._output_format = stated_format(session, "output") or self._output_format

    # -------------------------------------------------------------------------------------- server to client

    def _on_raw(self, message: WireObject) -> Events:
        return raw_event(message["type"], message)

    def _on_output_text_delta(self, message: WireObject) -> Events:
        return [
            TextDelta(
                raw=message,
                text=read.text(message["delta"]),
                response_id=read.text(message["response_id"]),
                item_id=read.text(message["item_id"]),
            )
        ]

    def _on_output_audio_delta(self, message: WireObject) -> Events:
        response_id = read.text(message["response_id"])
        return [
            AudioDelta(
                raw=message,
                data=base64text.decode(read.text(message["delta"])),
                format=self._response_formats.get(response_id, self._output_format),
                response_id=response_id,
                item_id=read.text(message["item_id"]),
                content_index=read.integer(message["content_index"]),
            )
        ]

    def _on_output_audio_transcript_delta(self, message: WireObject) -> Events:
        return _output_transcript(message, read.text(message["delta"]), final=False)

    def _on_output_audio_transcript_done(self, message: WireObject) -> Events:
        return _output_transcript(message, read.text(message["transcript"]), final=True)

    def _on_session_created(self, message: WireObject) -> Events:
        session = read.json_object(message["session"])
        return [
            SessionOpened(
                raw=message,
                session_id=read.text_or_none(session.get("id")),
                model=read.text_or_none(session.get("model")),
                expires_at=read.number_or_none(session.get("expires_at")),
            )
        ]

    def _on_session_updated(self, message: WireObject) -> Events:
        session = read.json_object(message["session"])
        self._follow_formats(session)
        return [SessionUpdated(raw=message, settings=session)]

    def _on_error(self, message: WireObject) -> Events:
        error = read.json_object(message["error"])
        code, event_id = read.text_or_none(error.get("code")), read.text_or_none(error.get("event_id"))
        return [
            SessionError(
                raw=message,
                message=read.text(error["message"]),
                code=code,
                param=read.text_or_none(error.get("param")),
                client_event_id=event_id,
                benign=code in _BENIGN_CODES or event_id in self._truncate_ids,
            )
        ]

    def _on_rate_limits_updated(self, message: WireObject) -> Events:
        limits = message["rate_limits"]
        if not isinstance(limits, list):
            raise TypeError("rate_limits is not a list")
        return [RateLimits(raw=message, limits=tuple(fields.rate_limit(read.json_object(limit)) for limit in limits))]

    def _on_item_added(self, message: WireObject) -> Events:
        return [ItemAdded(raw=message, **fields.item_fields(message))]

    def _on_item_done(self, message: WireObject) -> Events:
        return [ItemDone(raw=message, **fields.item_fields(message))]

    def _on_item_retrieved(self, message: WireObject) -> Events:
        item = read.json_object(message["item"])
        return [ItemRetrieved(raw=message, item_id=read.text(item["id"]), item=item)]

    def _on_item_deleted(self, message: WireObject) -> Events:
        return [ItemDeleted(raw=message, item_id=read.text(message["item_id"]))]

    def _on_item_truncated(self, message: WireObject) -> Events:
        end_ms = read.number(message["audio_end_ms"])
        return [ItemTruncated(raw=message, item_id=read.text(message["item_id"]), audio_end_ms=end_ms)]

    def _on_transcription_delta(self, message: WireObject) -> Events:
        return [InputTranscript(raw=message, text=read.text(message["delta"]), item_id=read.text(message["item_id"]))]

    def _on_transcription_completed(self, message: WireObject) -> Events:
        text, item_id = read.text(message["transcript"]), read.text(message["item_id"])
        return [InputTranscript(raw=message, text=text, item_id=item_id, final=True)]

    def _on_transcription_failed(self, message: WireObject) -> Events:
        error = read.json_object(message["error"])
        return [
            InputTranscriptFailed(
                raw=message,
                item_id=read.text(message["item_id"]),
                code=read.text_or_none(error.get("code")),
                message=read.text_or_none(error.get("message")) or "",
            )
        ]

    def _on_speech_started(self, message: WireObject) -> Events:
        at_ms = read.number(message["audio_start_ms"])
        return [SpeechStarted(raw=message, at_ms=at_ms, item_id=read.text(message["item_id"]))]

    def _on_speech_stopped(self, message: WireObject) -> Events:
        at_ms = read.number(message["audio_end_ms"])
        return [SpeechStopped(raw=message, at_ms=at_ms, item_id=read.text(message["item_id"]))]

    def _on_committed(self, message: WireObject) -> Events:
        item_id, previous = read.text(message["item_id"]), read.text_or_none(message.get("previous_item_id"))
        return [InputCommitted(raw=message, item_id=item_id, previous_item_id=previous)]

    def _on_response_created(self, message: WireObject) -> Events:
        response = read.json_object(message["response"])
        response_id, metadata = read.text(response["id"]), response.get("metadata")
        self._response_formats[response_id] = stated_format(response, "output") or self._output_format
        return [
            ResponseStarted(
                raw=message,
                response_id=response_id,
                out_of_band=fields.out_of_band(response),
                metadata=None if metadata is None else read.json_object(metadata),
            )
        ]

    def _on_output_item_done(self, message: WireObject) -> Events:
        item = read.json_object(message["item"])
        if item.get("type") != "function_call" or item.get("status") != "completed":
            return self._on_raw(message)
        return [
            ToolCall(
                raw=message,
                call_id=read.text(item["call_id"]),
                name=read.text(item["name"]),
                arguments=read.text(item["arguments"]),
                response_id=read.text(message["response_id"]),
                item_id=read.text_or_none(item.get("id")),
            )
        ]

    def _on_response_done(self, message: WireObject) -> Events:
        response = read.json_object(message["response"])
        response_id, status = read.text(response["id"]), read.text(response["status"])
        if status not in _STATUSES:
            return self._on_raw(message)
        details = read.json_object(response.get("status_details") or {})
        error = read.json_object(details.get("error") or {})
        self._response_formats.pop(response_id, None)
        return [
            ResponseDone(
                raw=message,
                response_id=response_id,
                status=cast(ResponseStatus, status),
                reason=read.text_or_none(details.get("reason")),
                error_code=read.text_or_none(error.get("code")) or read.text_or_none(error.get("type")),
                error_message=read.text_or_none(error.get("message")),
                usage=fields.usage(response.get("usage")),
                out_of_band=fields.out_of_band(response),
            )
        ]

    # -------------------------------------------------------------------------------------- client to server

    def _say_update(self, event: SessionUpdate) -> None:
        self._queue("session.update", session=updated_session(self.settings, event.changes))
        self.settings = changed_settings(self.settings, event.changes)

    def _say_text(self, event: AppendText) -> None:
        self._queue("conversation.item.create", item=message_item(event))

    def _say_speech(self, event: AppendSpeech) -> None:
        self._queue("conversation.item.create", item=speech_item(event))

    def _say_call(self, event: AppendCall) -> None:
        self._queue("conversation.item.create", item=call_item(event))

    def _say_audio(self, event: AppendAudio) -> None:
        for start in range(0, len(event.data), APPEND_MAX_BYTES):
            piece = event.data[start : start + APPEND_MAX_BYTES]
            self._queue("input_audio_buffer.append", audio=base64text.encode(piece))

    def _say_commit(self, event: CommitAudio) -> None:
        self._queue("input_audio_buffer.commit")

    def _say_clear(self, event: ClearAudio) -> None:
        self._queue("input_audio_buffer.clear")

    def _say_create(self, event: CreateResponse) -> None:
        response = response_object(event)
        self._queue("response.create", **({"response": response} if response else {}))

    def _say_cancel(self, event: CancelResponse) -> None:
        self._queue("response.cancel", **({"response_id": event.response_id} if event.response_id else {}))

    def _say_truncate(self, event: TruncateOutput) -> None:
        if not isfinite(event.played_ms):
            raise LocalProtocolError("played_ms is not a number: truncate with the milliseconds that were played")
        played_ms = max(0, int(event.played_ms))  # down: more than the item holds is an error
        cut = {"item_id": event.item_id, "content_index": event.content_index, "audio_end_ms": played_ms}
        self._truncate_ids.add(self._queue("conversation.item.truncate", **cut))

    def _say_tool_result(self, event: ToolResult) -> None:
        item = {"type": "function_call_output", "call_id": event.call_id, "output": event.output}
        self._queue("conversation.item.create", item=item)

    def _say_retrieve(self, event: RetrieveItem) -> None:
        self._queue("conversation.item.retrieve", item_id=event.item_id)

    def _say_delete(self, event: DeleteItem) -> None:
        self._queue("conversation.item.delete", item_id=event.item_id)

    def _say_verbatim(self, event: ProviderMessage) -> None:
        message = event.message
        if not isinstance(message, Mapping) or not isinstance(message.get("type"), str):
            raise LocalProtocolError("a provider message needs a 'type': give it the name of a client event")
        self._out.append(read.encode(dict(message)))
        event_id = message.get("event_id")
        self.last_sent_id = event_id if isinstance(event_id, str) else None


def _output_transcript(message: WireObject, text: str, *, final: bool) -> Events:
    response_id, item_id = read.text(message["response_id"]), read.text(message["item_id"])
    return [OutputTranscript(raw=message, text=text, response_id=response_id, item_id=item_id, final=final)]


# -------------------------------------------------------------------------------------------------------- tables

Decoder: TypeAlias = Callable[[OpenAICodec, WireObject], Events]

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

DECODERS: dict[str, Decoder] = {
    "error": OpenAICodec._on_error,
    "session.created": OpenAICodec._on_session_created,
    "session.updated": OpenAICodec._on_session_updated,
    "conversation.created": OpenAICodec._on_raw,
    "conversation.item.added": OpenAICodec._on_item_added,
    "conversation.item.done": OpenAICodec._on_item_done,
    "conversation.item.retrieved": OpenAICodec._on_item_retrieved,
    "conversation.item.deleted": OpenAICodec._on_item_deleted,
    "conversation.item.truncated": OpenAICodec._on_item_truncated,
    f"{_TRANSCRIPTION}.delta": OpenAICodec._on_transcription_delta,
    f"{_TRANSCRIPTION}.completed": OpenAICodec._on_transcription_completed,
    f"{_TRANSCRIPTION}.segment": OpenAICodec._on_raw,
    f"{_TRANSCRIPTION}.failed": OpenAICodec._on_transcription_failed,
    "input_audio_buffer.committed": OpenAICodec._on_committed,
    "input_audio_buffer.cleared": OpenAICodec._on_raw,
    "input_audio_buffer.speech_started": OpenAICodec._on_speech_started,
    "input_audio_buffer.speech_stopped": OpenAICodec._on_speech_stopped,
    "input_audio_buffer.timeout_triggered": OpenAICodec._on_raw,
    "input_audio_buffer.dtmf_event_received": OpenAICodec._on_raw,
    "output_audio_buffer.started": OpenAICodec._on_raw,
    "output_audio_buffer.stopped": OpenAICodec._on_raw,
    "output_audio_buffer.cleared": OpenAICodec._on_raw,
    "response.created": OpenAICodec._on_response_created,
    "response.done": OpenAICodec._on_response_done,
    "response.output_item.added": OpenAICodec._on_raw,
    "response.output_item.done": OpenAICodec._on_output_item_done,
    "response.content_part.added": OpenAICodec._on_raw,
    "response.content_part.done": OpenAICodec._on_raw,
    "response.output_text.delta": OpenAICodec._on_output_text_delta,
    "response.output_text.done": OpenAICodec._on_raw,
    "response.output_audio.delta": OpenAICodec._on_output_audio_delta,
    "response.output_audio.done": OpenAICodec._on_raw,
    "response.output_audio_transcript.delta": OpenAICodec._on_output_audio_transcript_delta,
    "response.output_audio_transcript.done": OpenAICodec._on_output_audio_transcript_done,
    "response.function_call_arguments.delta": OpenAICodec._on_raw,
    "response.function_call_arguments.done": OpenAICodec._on_raw,
    "response.mcp_call_arguments.delta": OpenAICodec._on_raw,
    "response.mcp_call_arguments.done": OpenAICodec._on_raw,
    "response.mcp_call.in_progress": OpenAICodec._on_raw,
    "response.mcp_call.completed": OpenAICodec._on_raw,
    "response.mcp_call.failed": OpenAICodec._on_raw,
    "mcp_list_tools.in_progress": OpenAICodec._on_raw,
    "mcp_list_tools.completed": OpenAICodec._on_raw,
    "mcp_list_tools.failed": OpenAICodec._on_raw,
    "rate_limits.updated": OpenAICodec._on_rate_limits_updated,
}
"""What each server message means, by its wire name; the beta names are added below."""

BETA_NAMES: Mapping[str, str] = {
    "conversation.item.created": "conversation.item.added",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "transcription_session.updated": "session.updated",
}
"""The names of the retired beta protocol, each with the GA name it is read as."""

DECODERS.update({beta: DECODERS[ga] for beta, ga in BETA_NAMES.items()})

_SAYERS: Mapping[type[ClientEvent], Callable[[OpenAICodec, Any], None]] = {
    SessionUpdate: OpenAICodec._say_update,
    AppendText: OpenAICodec._say_text,
    AppendSpeech: OpenAICodec._say_speech,
    AppendCall: OpenAICodec._say_call,
    AppendAudio: OpenAICodec._say_audio,
    CommitAudio: OpenAICodec._say_commit,
    ClearAudio: OpenAICodec._say_clear,
    CreateResponse: OpenAICodec._say_create,
    CancelResponse: OpenAICodec._say_cancel,
    TruncateOutput: OpenAICodec._say_truncate,
    ToolResult: OpenAICodec._say_tool_result,
    RetrieveItem: OpenAICodec._say_retrieve,
    DeleteItem: OpenAICodec._say_delete,
    ProviderMessage: OpenAICodec._say_verbatim,
}


PROVIDER = Provider(
    name="openai",
    title="OpenAI Realtime",
    route="openai",
    direct_url="wss://api.openai.com/v1/realtime",
    codec=OpenAICodec,
    auth=KeyAuth(
        env=("OPENAI_API_KEY",),
        header=("Authorization", "Bearer {key}"),
        subprotocol="openai-insecure-api-key.",
        subprotocol_with=("realtime",),
    ),
    query=url_query,
    default_model=DEFAULT_MODEL,
    models=(
        DEFAULT_MODEL,
        "gpt-realtime-2.1-mini",
        "gpt-realtime-2",
        "gpt-realtime-1.5",
        "gpt-realtime",
        "gpt-realtime-mini",
        "gpt-audio-mini",
    ),
    capabilities=CAPABILITIES,
)
