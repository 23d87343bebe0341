"""Deepgram listen v2 (flux): a stream of audio in, turns out, which the model itself begins and ends.

Wire facts: `docs/protocol/deepgram.md`. Every message carries the whole turn so far. Nothing in the protocol says "the
audio ends here" and means what is still to be transcribed, so a `commit` sends silence, which ends any turn: by the
model's own judgement, or by its time-out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..errors import LocalProtocolError
from ..events import (
    AppendAudio,
    ClientEvent,
    CommitAudio,
    CreateResponse,
    InputCommitted,
    InputTranscript,
    ProviderMessage,
    ResponseDone,
    ResponseStarted,
    SessionOpened,
    SessionUpdate,
    SpeechStarted,
    SpeechStopped,
)
from . import reading as read
from .base import Alarm, Ids, SessionSettings, TurnDetection
from .deepgram_codec import (
    INPUT_FORMATS,
    OWN_SILENCE_MS,
    Events,
    ListeningCodec,
    Query,
    cannot_change,
    format_query,
    query_of,
    tuned,
)
from .limits import check_range, refuse_overrides
from .reading import WireObject

__all__ = ["FluxCodec", "flux_query"]

TIMEOUT_MS = 5_000
TIMEOUT_RANGE = (500, 60_000)
THRESHOLD_RANGE = (0.5, 1.0)
SILENT_MS = 5_000.0
"""A provider that has said nothing for so long after a commit has nothing more to say."""

TAIL_MS = 1_000.0
"""Silence beyond the time-out; and how far into it the provider must be for "no turn is open" to hold."""


class FluxCodec(ListeningCodec):
    """Listen v2. A turn of the model's is an item; its end is an answer without content."""

    title: ClassVar[str] = "Deepgram flux"
    takes: ClassVar[frozenset[str]] = frozenset({"turn_detection", "transcription", "input_format"})

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        if settings.turn_detection is not None:
            self._check_turns(settings.turn_detection)
        self._thresholds = _thresholds(settings.turn_detection)
        self._timeout_ms = float(_timeout_ms(settings))
        self._item_id: str | None = None
        self._spoken = False
        self._turn_is_open = False
        self._heard = self._told = ""
        self._texts: list[str] = []
        self._committed_s: float | None = None

    def keep_alive(self) -> None:
        """A little silence: this protocol has no message for it, and one it does not know ends the connection."""
        self._say_silence(OWN_SILENCE_MS)

    def _check_turns(self, turns: TurnDetection) -> None:
        tuned(self.title, turns, ("threshold", "silence_duration_ms"), ("server", "semantic", "manual"))
        if turns.threshold is not None:
            check_range(self.title, "threshold", turns.threshold, *THRESHOLD_RANGE)
        if turns.silence_duration_ms is not None:
            check_range(self.title, "silence_duration_ms", turns.silence_duration_ms, *TIMEOUT_RANGE)

    def _kind_without_type(self, message: WireObject) -> str:
        return "TurnInfo" if "event" in message else ""  # the gateway's schema has these messages without a type

    # -------------------------------------------------------------------------------------- server to client

    def _on_connected(self, message: WireObject) -> Events:
        return [SessionOpened(raw=message, session_id=read.text(message["request_id"]))]

    def _on_turn_info(self, message: WireObject) -> Events:
        if self._committed_s is not None:
            self.alarm = Alarm(SILENT_MS)
        return TURNS[message["event"]](self, message)

    def _on_speech(self, message: WireObject) -> Events:
        text = read.text(message["transcript"])
        events: list[Any] = []
        if text or message["event"] == "StartOfTurn":
            self._turn_is_open, self._heard = True, text
            events += self._begin(message)
        words = " ".join([*self._texts, text])
        if text and words != self._told:  # an update comes every 250 ms, whether or not there is a new word
            self._told = words
            events.append(InputTranscript(raw=message, text=words, item_id=self._item_id, cumulative=True))
        return [*events, *self._end_if_all_heard(message)]

    def _on_turn_end(self, message: WireObject) -> Events:
        text = read.text(message["transcript"])
        events = list(self._begin(message))
        self._texts += [text] if text else []
        self._heard, self._turn_is_open = "", False
        if self._committed_s is not None:
            if read.number(message["audio_window_end"]) >= self._committed_s:
                return [*events, *self._end(message)]
        elif not self._manual:
            return [*events, *self._end(message)]
        words = " ".join(self._texts)
        return [*events, InputTranscript(raw=message, text=words, item_id=self._item_id, cumulative=True)]

    def _end_if_all_heard(self, message: WireObject) -> Events:
        """The end of a commit after which the model opened no turn: it has heard well into the silence."""
        if self._committed_s is None or self._turn_is_open:
            return []
        reached = read.number(message["audio_window_end"]) >= self._committed_s + TAIL_MS / 1000
        return self._end(message) if reached else []

    def _begin(self, message: WireObject) -> Events:
        """The beginning of an item, unless one is under way. Speech is told of only where it makes a turn."""
        if self._item_id is not None:
            return []
        self._item_id, self._spoken = self.ids("turn_"), self._committed_s is None and not self._manual
        at_ms = self._heard_ms(message["audio_window_start"])
        return [SpeechStarted(raw=message, at_ms=at_ms, item_id=self._item_id)] if self._spoken else []

    def ring(self) -> Events:
        """Nothing more came for what was committed: what was heard last was all."""
        self.alarm = None
        if self._committed_s is None:
            return []
        self._texts += [self._heard] if self._heard else []
        return self._end(None)

    def _end(self, message: WireObject | None) -> list[Any]:
        item_id, text = self._item_id or self.ids("turn_"), " ".join(self._texts)
        end_s = self._sent_ms / 1000 if message is None else message["audio_window_end"]
        response_id, at_ms = self.ids("resp_"), self._heard_ms(end_s)
        stopped = [SpeechStopped(raw=message, at_ms=at_ms, item_id=item_id)] if self._spoken else []
        self._item_id, self._spoken, self._texts, self._committed_s = None, False, [], None
        self._heard, self._told, self._turn_is_open, self.alarm = "", "", False, None
        return [
            *stopped,
            InputCommitted(raw=message, item_id=item_id),
            InputTranscript(raw=message, text=text, item_id=item_id, final=True),
            ResponseStarted(raw=message, response_id=response_id),
            ResponseDone(raw=message, response_id=response_id),
        ]

    decoders: ClassVar[Mapping[str, Callable[[Any, WireObject], Events]]] = {
        "Connected": _on_connected,
        "TurnInfo": _on_turn_info,
        "ConfigureSuccess": ListeningCodec._on_configured,
        "ConfigureFailure": ListeningCodec._on_not_configured,
        "Warning": ListeningCodec._on_warning,
        "Error": ListeningCodec._on_error,
    }

    # -------------------------------------------------------------------------------------- client to server

    def _say_append(self, event: AppendAudio) -> None:
        self._say_audio(event.data)

    def _say_commit(self, event: CommitAudio) -> None:
        self._committed_s = self._sent_ms / 1000
        self.alarm = Alarm(SILENT_MS)
        self._say_silence(self._timeout_ms + TAIL_MS)

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(self.title, event)
        if self._committed_s is None:
            raise LocalProtocolError("there is nothing to transcribe: send audio and commit it first")

    def _say_update(self, event: SessionUpdate) -> None:
        if other := event.changes.keys() - {"turn_detection"}:
            raise cannot_change(self.title, other)
        if not self._set_turns(event.changes):
            return
        wanted = _thresholds(event.changes["turn_detection"])
        changed = {name: value for name, value in wanted.items() if self._thresholds.get(name) != value}
        self._thresholds |= changed
        self._timeout_ms = float(changed.get("eot_timeout_ms", self._timeout_ms))
        if changed:
            self._queue("Configure", thresholds=changed)

    sayers: ClassVar[Mapping[type[ClientEvent], Callable[[Any, Any], None]]] = {
        AppendAudio: _say_append,
        CommitAudio: _say_commit,
        CreateResponse: _say_create,
        SessionUpdate: _say_update,
        ProviderMessage: ListeningCodec._say_verbatim,
    }


TURNS: Mapping[str, Callable[[FluxCodec, WireObject], Events]] = {
    "StartOfTurn": FluxCodec._on_speech,
    "Update": FluxCodec._on_speech,
    "EagerEndOfTurn": FluxCodec._on_speech,
    "TurnResumed": FluxCodec._on_speech,
    "EndOfTurn": FluxCodec._on_turn_end,
}
"""What each event of a `TurnInfo` means."""


def _thresholds(turns: TurnDetection | None) -> dict[str, Any]:
    """The provider's parameters for what the caller set."""
    named = {"eot_threshold": turns.threshold, "eot_timeout_ms": turns.silence_duration_ms} if turns else {}
    return {name: value for name, value in named.items() if value is not None}


def _timeout_ms(settings: SessionSettings) -> Any:
    return {**_thresholds(settings.turn_detection), **settings.options}.get("eot_timeout_ms", TIMEOUT_MS)


def flux_query(settings: SessionSettings, model: str) -> Query:
    """The URL's parameters of a listen v2 connection; it knows none of v1's, and may refuse them."""
    sound = format_query(settings.input_format or INPUT_FORMATS[0])
    return query_of(settings, {"model": model, **sound, **_thresholds(settings.turn_detection)})
