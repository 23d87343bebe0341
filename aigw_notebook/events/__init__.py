"""What a session says and what a caller asks, in one vocabulary for every provider.

"Message" is what the socket carries; "event" is what it means. A codec turns provider messages into *server events*
and *client events* into provider messages. *Local events* are facts of this side (a tool ran, a turn ended); they take
the same road to the transcript and the sinks.

Events are immutable values. `raw` is the provider's own parsed message, where there was one; it takes no part in
equality or repr. Ids are the provider's, opaque. Times and durations are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from .client import (
    AppendAudio,
    AppendCall,
    AppendSpeech,
    AppendText,
    CancelResponse,
    ClearAudio,
    ClientEvent,
    CommitAudio,
    CreateResponse,
    DeleteItem,
    ProviderMessage,
    RetrieveItem,
    SessionUpdate,
    ToolResult,
    TruncateOutput,
)
from .local import (
    HistorySent,
    LocalEvent,
    PictureShown,
    PlaybackEnded,
    PlaybackInterrupted,
    ToolFinished,
    TurnFinished,
    TurnStarted,
)
from .server import (
    AudioDelta,
    ImageOutput,
    InputCommitted,
    InputTranscript,
    InputTranscriptFailed,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    OutputCorrected,
    OutputTranscript,
    RateLimits,
    RawEvent,
    ResponseDone,
    ResponseStarted,
    ResponseStatus,
    ResumptionHandle,
    ServerEvent,
    SessionClosed,
    SessionError,
    SessionExpiring,
    SessionOpened,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    ToolCall,
    ToolCallCancelled,
    WordTimings,
)
from .usage import (
    RateLimit,
    Usage,
)

__all__ = [
    "ORDER",
    "AnyClientEvent",
    "AnyEvent",
    "AnyLocalEvent",
    "AnyServerEvent",
    "AppendAudio",
    "AppendCall",
    "AppendSpeech",
    "AppendText",
    "AudioDelta",
    "CancelResponse",
    "ClearAudio",
    "ClientEvent",
    "CommitAudio",
    "CreateResponse",
    "DeleteItem",
    "HistorySent",
    "ImageOutput",
    "InputCommitted",
    "InputTranscript",
    "InputTranscriptFailed",
    "ItemAdded",
    "ItemDeleted",
    "ItemDone",
    "ItemRetrieved",
    "ItemTruncated",
    "LocalEvent",
    "OutputCorrected",
    "OutputTranscript",
    "PictureShown",
    "PlaybackEnded",
    "PlaybackInterrupted",
    "ProviderMessage",
    "RateLimit",
    "RateLimits",
    "RawEvent",
    "ResponseDone",
    "ResponseStarted",
    "ResponseStatus",
    "ResumptionHandle",
    "RetrieveItem",
    "ServerEvent",
    "SessionClosed",
    "SessionError",
    "SessionExpiring",
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
    "WordTimings",
]

AnyServerEvent: TypeAlias = (
    SessionOpened | SessionUpdated | SpeechStarted | SpeechStopped | InputCommitted | InputTranscript
    | InputTranscriptFailed | ItemAdded | ItemDone | ItemRetrieved | ItemDeleted | ItemTruncated | ResponseStarted
    | TextDelta | AudioDelta | OutputTranscript | OutputCorrected | WordTimings | ImageOutput | ToolCall
    | ToolCallCancelled | ResponseDone | SessionExpiring | ResumptionHandle | RateLimits
    | SessionError | SessionClosed | RawEvent
)  # fmt: skip
AnyLocalEvent: TypeAlias = (
    HistorySent | PictureShown | TurnStarted | TurnFinished | ToolFinished | PlaybackInterrupted | PlaybackEnded
)
AnyEvent: TypeAlias = AnyServerEvent | AnyLocalEvent
AnyClientEvent: TypeAlias = (
    SessionUpdate | AppendText | AppendSpeech | AppendCall | AppendAudio | CommitAudio | ClearAudio | CreateResponse
    | CancelResponse | TruncateOutput | ToolResult | RetrieveItem | DeleteItem | ProviderMessage
)  # fmt: skip

ORDER: Mapping[str, Mapping[type[ServerEvent], str]] = {
    "idle": {ResponseStarted: "responding"},
    "responding": {
        TextDelta: "responding",
        AudioDelta: "responding",
        OutputTranscript: "responding",
        WordTimings: "responding",
        ImageOutput: "responding",
        ToolCall: "responding",
        ToolCallCancelled: "responding",
        ResponseDone: "idle",
    },
}
"""The legal order of one in-band response's events: state → event → next state.

Content comes only between one `ResponseStarted` and one `ResponseDone`. Events that are not named here may come at any
time: the user's turn (speech, commit, transcript) runs beside the response, in full duplex.
"""
