"""Deepgram listen v1 (nova): a stream of audio in, interim and final words out.

Wire facts: `docs/protocol/deepgram.md`. The provider writes an utterance as several finals; `speech_final` closes it.
What ends a `commit` is the answer to `Finalize`, or a final that reaches the end of the audio. When little is pending
the provider may answer nothing at all, so silence of its own ends a commit too.
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
    ServerEvent,
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
from .limits import refuse_overrides
from .reading import WireObject

__all__ = ["ListenCodec", "listen_query"]

DEFAULTS = {
    "interim_results": True,
    "vad_events": True,
    "endpointing": 300,
    "utterance_end_ms": 1000,
    "smart_format": True,
    "punctuate": True,
}
SILENT_MS = 4_000.0
"""A provider that has said nothing for so long after `Finalize` has nothing more to say."""

COVERED_MS = 30.0
"""A final that ends so near to the end of the audio has heard all of it."""


class ListenCodec(ListeningCodec):
    """Listen v1. An utterance is an item; its end is an answer without content."""

    title: ClassVar[str] = "Deepgram nova"
    takes: ClassVar[frozenset[str]] = frozenset({"turn_detection", "transcription", "input_format"})
    ready: ClassVar[type[ServerEvent] | None] = None

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        if settings.turn_detection is not None:
            self._check_turns(settings.turn_detection)
        self._silence_ms = _silence_ms(settings)
        self._opened = False
        self._spoken = False
        self._item_id: str | None = None
        self._finals: list[str] = []
        self._committed_ms: float | None = None

    def keep_alive(self) -> None:
        """`KeepAlive`; before the first audio, which alone starts the provider's stream, a little silence."""
        if self._sent_ms:
            self._queue("KeepAlive")
        else:
            self._say_silence(OWN_SILENCE_MS)

    def _check_turns(self, turns: TurnDetection) -> None:
        tuned(self.title, turns, ("silence_duration_ms",), ("server", "manual"))

    # -------------------------------------------------------------------------------------- server to client

    def _on_results(self, message: WireObject) -> Events:
        text = read.text(message["channel"]["alternatives"][0]["transcript"])
        end_ms = self._heard_ms(read.number(message["start"]) + read.number(message["duration"]))
        final = message.get("is_final") is True
        events: list[Any] = [*self._first(message)]
        if text:
            events += self._begin(message, self._heard_ms(message["start"]))
            words = " ".join([*self._finals, text])
            self._finals += [text] if final else []
            events.append(InputTranscript(raw=message, text=words, item_id=self._item_id, cumulative=True))
        if self._committed_ms is not None:
            self.alarm = Alarm(SILENT_MS)
        if self._is_over(message, final, end_ms):
            events += self._end(message, end_ms)
        return events

    def _is_over(self, message: WireObject, final: bool, end_ms: float) -> bool:
        if self._committed_ms is not None:
            covered = final and end_ms >= self._committed_ms - COVERED_MS
            return covered or message.get("from_finalize") is True
        return not self._manual and self._item_id is not None and message.get("speech_final") is True

    def _on_speech_started(self, message: WireObject) -> Events:
        return self._begin(message, self._heard_ms(message["timestamp"]), spoken=False)

    def _on_utterance_end(self, message: WireObject) -> Events:
        at_ms = self._heard_ms(message["last_word_end"])
        waiting = self._committed_ms is None and not self._manual and bool(self._finals)
        return self._end(message, at_ms) if waiting else []

    def _on_metadata(self, message: WireObject) -> Events:
        """The last message of a connection: what was open is over."""
        over = self._committed_ms is not None or self._item_id is not None
        return self._end(message, self._heard_ms(message["duration"])) if over else []

    def _first(self, message: WireObject) -> Events:
        """The provider's first word names the session."""
        if self._opened:
            return []
        metadata = message.get("metadata")
        request_id = metadata.get("request_id") if isinstance(metadata, dict) else None
        self._opened = True
        return [SessionOpened(raw=message, session_id=request_id if isinstance(request_id, str) else None)]

    def _begin(self, message: WireObject, at_ms: float, *, spoken: bool = True) -> Events:
        """The beginning of an utterance, unless one is under way. Speech is told of only where it makes a turn."""
        automatic = self._committed_ms is None and not self._manual
        if self._item_id is not None or not (automatic or spoken):
            return []
        self._item_id, self._spoken = self.ids("utt_"), automatic
        return [SpeechStarted(raw=message, at_ms=at_ms, item_id=self._item_id)] if automatic else []

    def ring(self) -> Events:
        """Nothing more came for what was committed: that was all."""
        self.alarm = None
        return [] if self._committed_ms is None else self._end(None, self._committed_ms)

    def _end(self, message: WireObject | None, at_ms: float) -> list[Any]:
        """The end of an utterance, or of all that was committed."""
        item_id, text = self._item_id or self.ids("utt_"), " ".join(self._finals)
        response_id = self.ids("resp_")
        stopped = [SpeechStopped(raw=message, at_ms=at_ms, item_id=item_id)] if self._spoken else []
        self._item_id, self._spoken, self._finals, self._committed_ms = None, False, [], None
        self.alarm = None
        return [
            *stopped,
            InputCommitted(raw=message, item_id=item_id),
            InputTranscript(raw=message, text=text, item_id=item_id, final=True),
            ResponseStarted(raw=message, response_id=response_id),
            ResponseDone(raw=message, response_id=response_id),
        ]

    decoders: ClassVar[Mapping[str, Callable[[Any, WireObject], Events]]] = {
        "Results": _on_results,
        "SpeechStarted": _on_speech_started,
        "UtteranceEnd": _on_utterance_end,
        "Metadata": _on_metadata,
        "ConfigureSuccess": ListeningCodec._on_configured,
        "ConfigureFailure": ListeningCodec._on_not_configured,
        "Error": ListeningCodec._on_error,
    }

    # -------------------------------------------------------------------------------------- client to server

    def _say_append(self, event: AppendAudio) -> None:
        self._say_audio(event.data)

    def _say_commit(self, event: CommitAudio) -> None:
        self._committed_ms = self._heard_ms(self._sent_ms / 1000)
        self.alarm = Alarm(SILENT_MS)
        self._queue("Finalize")

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(self.title, event)
        if self._committed_ms is None:
            raise LocalProtocolError("there is nothing to transcribe: send audio and commit it first")

    def _say_update(self, event: SessionUpdate) -> None:
        if other := event.changes.keys() - {"turn_detection", "options"}:
            raise cannot_change(self.title, other)
        message = _configuration(self.title, event.changes.get("options") or {})
        turns = event.changes.get("turn_detection")
        if isinstance(turns, TurnDetection) and turns.silence_duration_ms not in (None, self._silence_ms):
            raise cannot_change(self.title, {"silence_duration_ms"})
        self._set_turns(event.changes)
        if message:
            self._queue("Configure", **message)

    sayers: ClassVar[Mapping[type[ClientEvent], Callable[[Any, Any], None]]] = {
        AppendAudio: _say_append,
        CommitAudio: _say_commit,
        CreateResponse: _say_create,
        SessionUpdate: _say_update,
        ProviderMessage: ListeningCodec._say_verbatim,
    }


def _configuration(title: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Configure` for changed options: `keyterm` and `numerals` can be changed, no others."""
    if other := options.keys() - {"keyterm", "numerals"}:
        raise cannot_change(title, other)
    message: dict[str, Any] = {}
    if "keyterm" in options:
        terms = options["keyterm"]
        message["keyterms"] = [terms] if isinstance(terms, str) else list(terms)
    if "numerals" in options:
        message["features"] = {"numerals": options["numerals"]}
    return message


def _silence_ms(settings: SessionSettings) -> int | None:
    return settings.turn_detection.silence_duration_ms if settings.turn_detection else None


def listen_query(settings: SessionSettings, model: str) -> Query:
    """The URL's parameters of a listen v1 connection."""
    sound = format_query(settings.input_format or INPUT_FORMATS[0])
    silence_ms = _silence_ms(settings)
    tuned_by = {} if silence_ms is None else {"endpointing": silence_ms}
    return query_of(settings, {"model": model, **sound, **DEFAULTS, **tuned_by})
