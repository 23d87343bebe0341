"""What a session says and what a caller asks, in one vocabulary for every provider.

"Message" is what the socket carries; "event" is what it means. A codec turns provider messages into *server events*
and *client events* into provider messages. *Local events* are facts of this side (a tool ran, a turn ended); they take
the same road to the transcript and the sinks.

Events are immutable values. `raw` is the provider's own parsed message, where there was one; it takes no part in
equality or repr. Ids are the provider's, opaque. Times and durations are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from .audio.formats import AudioFormat

__all__ = [
    "ORDER",
    "AnyClientEvent",
    "AnyEvent",
    "AnyLocalEvent",
    "AnyServerEvent",
    "AppendAudio",
    "AppendText",
    "AudioDelta",
    "CancelResponse",
    "ClearAudio",
    "CommitAudio",
    "CreateResponse",
    "DeleteItem",
    "InputCommitted",
    "InputTranscript",
    "InputTranscriptFailed",
    "ItemAdded",
    "ItemDeleted",
    "ItemDone",
    "ItemRetrieved",
    "ItemTruncated",
    "OutputTranscript",
    "PlaybackInterrupted",
    "ProviderMessage",
    "RateLimit",
    "RateLimits",
    "RawEvent",
    "ResponseDone",
    "ResponseStarted",
    "ResponseStatus",
    "RetrieveItem",
    "SessionClosed",
    "SessionError",
    "SessionOpened",
    "SessionUpdate",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "TextDelta",
    "ToolCall",
    "ToolCallCancelled",
    "ToolFinished",
    "ToolResult",
    "TruncateOutput",
    "TurnFinished",
    "TurnStarted",
    "Usage",
]

ResponseStatus = Literal["completed", "cancelled", "incomplete", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one response, or a sum of several. None means "the provider did not say", never zero.

    Cached tokens are a subset of the input tokens of the same modality.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_text_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    cached_tokens: int | None = None
    cached_text_tokens: int | None = None
    cached_audio_tokens: int | None = None
    output_text_tokens: int | None = None
    output_audio_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input plus output; None when the provider told neither."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    def __add__(self, other: Usage) -> Usage:
        def add(a: int | None, b: int | None) -> int | None:
            return None if a is None and b is None else (a or 0) + (b or 0)

        return Usage(**{f.name: add(getattr(self, f.name), getattr(other, f.name)) for f in fields(Usage)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One limit of the account: `remaining` of `limit`, full again after `reset_s` seconds."""

    name: str
    limit: int | None
    remaining: int | None
    reset_s: float | None


# ------------------------------------------------------------------------------------------------ server events


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """The base of all that a provider says."""

    raw: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(ServerEvent):
    """The provider's first word: the session exists. `expires_at` is its end in Unix seconds, if it told one."""

    session_id: str | None = None
    model: str | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdated(ServerEvent):
    """The provider has applied a configuration; `settings` is what is in force now, in its own words."""

    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(ServerEvent):
    """The provider heard the user begin to speak, `at_ms` into the audio it was sent."""

    at_ms: float | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(ServerEvent):
    """The provider heard the user fall silent, `at_ms` into the audio it was sent."""

    at_ms: float | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCommitted(ServerEvent):
    """The audio sent so far has become a user item."""

    item_id: str | None = None
    previous_item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTranscript(ServerEvent):
    """What the user was heard to say. `cumulative`: `text` is the whole so far, else the next piece.

    With `final` the text is whole, whatever `cumulative` says.
    """

    text: str
    item_id: str | None = None
    final: bool = False
    cumulative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTranscriptFailed(ServerEvent):
    """The user's audio could not be transcribed; the turn goes on without its words."""

    item_id: str | None = None
    code: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAdded(ServerEvent):
    """An item has entered the conversation after `previous_item_id` (None: it is the first).

    `kind` is the provider's item type (message, function_call, function_call_output …).
    """

    item_id: str
    previous_item_id: str | None = None
    kind: str = "message"
    role: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDone(ServerEvent):
    """An item of the conversation is complete, or will grow no more."""

    item_id: str
    previous_item_id: str | None = None
    kind: str = "message"
    role: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetrieved(ServerEvent):
    """An item as the provider stores it, in its own words."""

    item_id: str
    item: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDeleted(ServerEvent):
    """An item has left the conversation."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTruncated(ServerEvent):
    """The provider has cut its own spoken item at `audio_end_ms`."""

    item_id: str
    audio_end_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseStarted(ServerEvent):
    """The model has begun an answer. `out_of_band`: it stands outside the conversation."""

    response_id: str | None = None
    out_of_band: bool = False
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(ServerEvent):
    """The next piece of the written answer."""

    text: str
    response_id: str | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDelta(ServerEvent):
    """The next piece of the spoken answer. `data` is raw audio in `format`; the receiver may keep it."""

    data: bytes = field(repr=False)
    format: AudioFormat
    response_id: str | None = None
    item_id: str | None = None
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTranscript(ServerEvent):
    """The next words of the spoken answer; with `final`, all of them."""

    text: str
    response_id: str | None = None
    item_id: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(ServerEvent):
    """The model asks for a tool. `arguments` is the JSON text it wrote, unchecked."""

    call_id: str
    name: str
    arguments: str
    response_id: str | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallCancelled(ServerEvent):
    """The model no longer wants these calls answered."""

    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone(ServerEvent):
    """The answer is over. `reason` says why it is not complete (client_cancelled, turn_detected, max_output_tokens …).

    `error_code` and `error_message` are the provider's own, for a failed response.
    """

    response_id: str | None = None
    status: ResponseStatus = "completed"
    reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    usage: Usage | None = None
    out_of_band: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits(ServerEvent):
    """What is left of the account's limits."""

    limits: tuple[RateLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionError(ServerEvent):
    """The provider complains. `client_event_id` names the client message at fault, if it told.

    The session goes on unless a `SessionClosed` follows. `benign`: nothing is lost and nobody need be told.
    """

    message: str
    code: str | None = None
    param: str | None = None
    client_event_id: str | None = None
    benign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(ServerEvent):
    """The socket is gone. `code` is the close code (1006: without a close frame), `reason` the peer's words."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent(ServerEvent):
    """A provider message that means nothing to this package, kept visible: `kind` is its type, `raw` all of it."""

    kind: str


# ------------------------------------------------------------------------------------------------- local events


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEvent:
    """The base of what happens on this side of the socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(LocalEvent):
    """Turn number `turn` (from 1) of the session has begun, by `ask` or by the user's voice."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished(LocalEvent):
    """Turn number `turn` is over and its records are written."""

    turn: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished(LocalEvent):
    """A tool has run: `output` is what went back to the model; `error` one sentence if it failed."""

    call_id: str
    name: str
    output: str
    error: str | None = None
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackInterrupted(LocalEvent):
    """The listener stopped the answer having heard `played_ms` of it (None: nobody counted)."""

    item_id: str | None = None
    played_ms: float | None = None


# ------------------------------------------------------------------------------------------------ client events


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvent:
    """The base of all that a caller can ask of a provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate(ClientEvent):
    """Change these settings (field names of `providers.base.SessionSettings`); the others stay."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendText(ClientEvent):
    """Put a written item into the conversation; no answer is asked for. `images` are encoded PNG or JPEG files."""

    text: str
    role: Literal["user", "system", "assistant"] = "user"
    images: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendAudio(ClientEvent):
    """Send microphone audio, already in the session's input format."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAudio(ClientEvent):
    """The audio sent so far is one utterance; no answer is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAudio(ClientEvent):
    """Forget the audio sent since the last commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateResponse(ClientEvent):
    """Ask the model to answer. Every field overrides the session's setting for this answer only.

    `out_of_band` keeps the answer outside the conversation; `input` then replaces the conversation as its context
    (provider's own items; an empty list is an empty context). `metadata` comes back with the response.
    """

    instructions: str | None = None
    modalities: tuple[str, ...] | None = None
    voice: str | None = None
    max_output_tokens: int | None = None
    tool_choice: Any = None
    out_of_band: bool = False
    input: tuple[Mapping[str, Any], ...] | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResponse(ClientEvent):
    """Stop the running answer (or the one named)."""

    response_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncateOutput(ClientEvent):
    """Cut the model's spoken item at `played_ms`, so that its memory ends where the listener's does."""

    item_id: str
    played_ms: float
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult(ClientEvent):
    """The answer to a `ToolCall`; `output` is text, by custom JSON. No answer of the model is asked for."""

    call_id: str
    output: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveItem(ClientEvent):
    """Ask for an item as the provider stores it."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteItem(ClientEvent):
    """Take an item out of the conversation."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMessage(ClientEvent):
    """A message in the provider's own words, sent as it is: the one door for what this vocabulary lacks."""

    message: Mapping[str, Any]


AnyServerEvent: TypeAlias = (
    SessionOpened | SessionUpdated | SpeechStarted | SpeechStopped | InputCommitted | InputTranscript
    | InputTranscriptFailed | ItemAdded | ItemDone | ItemRetrieved | ItemDeleted | ItemTruncated | ResponseStarted
    | TextDelta | AudioDelta | OutputTranscript | ToolCall | ToolCallCancelled | ResponseDone | RateLimits
    | SessionError | SessionClosed | RawEvent
)  # fmt: skip
AnyLocalEvent: TypeAlias = TurnStarted | TurnFinished | ToolFinished | PlaybackInterrupted
AnyEvent: TypeAlias = AnyServerEvent | AnyLocalEvent
AnyClientEvent: TypeAlias = (
    SessionUpdate | AppendText | AppendAudio | CommitAudio | ClearAudio | CreateResponse | CancelResponse
    | TruncateOutput | ToolResult | RetrieveItem | DeleteItem | ProviderMessage
)  # fmt: skip

ORDER: Mapping[str, Mapping[type[ServerEvent], str]] = {
    "idle": {ResponseStarted: "responding"},
    "responding": {
        TextDelta: "responding",
        AudioDelta: "responding",
        OutputTranscript: "responding",
        ToolCall: "responding",
        ToolCallCancelled: "responding",
        ResponseDone: "idle",
    },
}
"""The legal order of one in-band response's events: state → event → next state.

Content comes only between one `ResponseStarted` and one `ResponseDone`. Events that are not named here may come at any
time: the user's turn (speech, commit, transcript) runs beside the response, in full duplex.
"""
