"""Server events: what a provider says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..audio.formats import AudioFormat
from .usage import RateLimit, Usage

__all__ = [
    "AudioDelta",
    "ImageOutput",
    "InputCommitted",
    "InputTranscript",
    "InputTranscriptFailed",
    "ItemAdded",
    "ItemDeleted",
    "ItemDone",
    "ItemRetrieved",
    "ItemTruncated",
    "OutputCorrected",
    "OutputTranscript",
    "RateLimits",
    "RawEvent",
    "ResponseDone",
    "ResponseStarted",
    "ResponseStatus",
    "ResumptionHandle",
    "ServerEvent",
    "SessionClosed",
    "SessionError",
    "SessionExpiring",
    "SessionOpened",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "TextDelta",
    "ToolCall",
    "ToolCallCancelled",
    "WordTimings",
]

ResponseStatus = Literal["completed", "cancelled", "incomplete", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """The base of all that a provider says."""

    raw: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(ServerEvent):
    """The provider's first word: the session exists. `expires_at` is its end in Unix seconds, if it told one.

    One that is `resumed` knows what was said in an earlier one.
    """

    session_id: str | None = None
    model: str | None = None
    expires_at: float | None = None
    resumed: bool = False


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
class OutputCorrected(ServerEvent):
    """The provider takes back the end of what it said: `text` is what it holds to have been heard."""

    text: str
    response_id: str | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTimings(ServerEvent):
    """When words (or characters, with `unit` "character") are spoken, in ms from the first sample of the answer."""

    words: tuple[str, ...]
    start_ms: tuple[float, ...]
    end_ms: tuple[float, ...]
    unit: Literal["word", "character", "phoneme"] = "word"
    response_id: str | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOutput(ServerEvent):
    """A picture the model made: its encoded bytes, or the `url` it can be had from."""

    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    media_type: str = "image/png"
    response_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExpiring(ServerEvent):
    """The provider will end the session in `time_left_ms` (None: soon)."""

    time_left_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumptionHandle(ServerEvent):
    """With this handle a new session can take up where this one is; None: it cannot at this moment."""

    handle: str | None = field(default=None, repr=False)


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
    """The socket is gone. `code` is the close code (1006: without a close frame), `reason` the peer's words.

    `by_us`: this side had said goodbye.
    """

    code: int
    reason: str = ""
    by_us: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent(ServerEvent):
    """A provider message that means nothing to this package, kept visible: `kind` is its type, `raw` all of it."""

    kind: str
