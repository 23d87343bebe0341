"""Deepgram listen v1 (nova), emulated: interim and final results for a stream of audio.

Wire facts: `docs/protocol/deepgram.md`. What stands out of the noise and changes is speech; a final covers all audio
since the last one.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..engines.bands import BandDetector, Started
from .base import Close, Handshake, Refused
from .deepgram_wire import (
    CONFIDENCE,
    Hearing,
    Listening,
    refused,
    seconds,
    sound_format,
    timed_words,
    whole_words,
)
from .hearing import UserTurn, caught_up, words_of
from .stage import JsonObject, Steps

__all__ = ["ListenEmulator"]

IDLE_MS = 10_000.0
DEFAULT_ENDPOINTING_MS = 10
LEAST_PAUSE_MS = 200
"""A shorter `endpointing` is taken as this: a shorter pause cannot be told from a gap within a word."""

UNMARKED_PAUSE_MS = 500
"""With `endpointing=false` a pause of this length still makes a final, without `speech_final`."""

EMPTY_AFTER_MS, EMPTY_MARGIN_MS = 5_000.0, 500.0
"""Silence is told of in empty finals of about this length; the margin stays for speech that begins just then."""

PREFIX_MS = 200
KEPT_MS = 1_000.0
INTERIM_MS = 300
"""Interims come no closer together than this."""

TOO_LONG_SILENT = Close(code=1011, reason="NET-0001: no audio and no KeepAlive came within the time-out")
UNDECODABLE = Close(code=1008, reason="DATA-0000: the audio cannot be decoded with the given parameters")
DONE = Close(code=1000)
GUESSED_SCHEMA_ERROR = "Could not deserialize the last text message"


class ListenEmulator(Listening):
    """One listen v1 connection. `idle_ms` is how long it bears silence of the client, `wall_clock` is for `created`."""

    def __init__(
        self,
        handshake: Handshake,
        *,
        idle_ms: float = IDLE_MS,
        wall_clock: Callable[[], float] = time.time,
        **means: Any,
    ) -> None:
        super().__init__(handshake, **means)
        query = handshake.query
        self._idle_limit_ms = idle_ms
        self._wall_clock = wall_clock
        self._idle_ms = math.inf
        self._sha = hashlib.sha256()
        self._created = ""
        self._interims = _flag(query.get("interim_results"))
        self._vad_events = _flag(query.get("vad_events"))
        self._endpointing_ms = _pause_ms(query.get("endpointing"))
        self._utterance_end_ms = _number(query.get("utterance_end_ms")) if self._interims else None
        self._pause_ms = (
            UNMARKED_PAUSE_MS if self._endpointing_ms is None else max(LEAST_PAUSE_MS, self._endpointing_ms)
        )
        self._segment_ms = 0.0
        self._speech_ms: float | None = None
        self._interim_ms = 0.0
        self._interim_text = ""
        self._quiet_ms: float | None = None
        self._last_word_s: float | None = None
        self._turn: UserTurn | None = None
        self._turn_ms = 0.0
        self._detector: BandDetector | None = self._new_detector(0.0)

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        query = handshake.query
        if "encoding" in query and "sample_rate" not in query:
            return refused("encoding needs sample_rate beside it")
        return None

    @property
    def next_wake_ms(self) -> float | None:
        steps_ms = super().next_wake_ms
        due_ms = min(self._idle_ms, math.inf if steps_ms is None else steps_ms)
        return None if self._ended or due_ms == math.inf else due_ms

    def open(self) -> None:
        self._created = datetime.fromtimestamp(self._wall_clock(), UTC).isoformat().replace("+00:00", "Z")
        self._idle_ms = self.clock() + self._idle_limit_ms

    def wake(self) -> None:
        if not self._ended and self.clock() >= self._idle_ms:
            self._end(TOO_LONG_SILENT)
        super().wake()

    # -------------------------------------------------------------------------------------------------- messages

    def _on_unknown(self, message: str) -> None:
        self._say("Error", variant="SchemaError", description=GUESSED_SCHEMA_ERROR, message=GUESSED_SCHEMA_ERROR)

    def _on_keep_alive(self, message: JsonObject) -> None:
        """A stream begins with audio: before that, nothing keeps it open."""
        if self._hearing is not None and self._hearing.now_ms:
            self._idle_ms = self.clock() + self._idle_limit_ms

    def _on_finalize(self, message: JsonObject) -> None:
        self._flush(from_finalize=True)

    def _on_close_stream(self, message: JsonObject) -> None:
        self._flush()
        self._idle_ms = math.inf
        self._do(self._goodbye())

    def _on_configure(self, message: JsonObject) -> None:
        terms = message.get("keyterms")
        self._say("ConfigureSuccess", request_id=self.request_id, **({"keyterms": terms} if terms is not None else {}))

    handlers: ClassVar[Mapping[str, Callable[[Any, JsonObject], None]]] = {
        "KeepAlive": _on_keep_alive,
        "Finalize": _on_finalize,
        "CloseStream": _on_close_stream,
        "Configure": _on_configure,
    }

    # ------------------------------------------------------------------------------------------------------ audio

    def _on_binary(self, data: bytes) -> None:
        if not data:
            self._on_close_stream({})
            return
        if self._hearing is None or self._detector is None:
            self._end(UNDECODABLE)
            return
        self._idle_ms = self.clock() + self._idle_limit_ms
        self._sha.update(data)
        for pcm in self._hearing.add(data):
            self._hearing.keep(pcm)
            self._look(self._hearing, self._detector, pcm)

    def _look(self, hearing: Hearing, detector: BandDetector, pcm: bytes) -> None:
        now_ms = hearing.now_ms
        for edge in detector.feed(pcm):
            if isinstance(edge, Started):
                self._speech_begins(edge.at_ms)
            else:
                self._speech_ends(min(edge.at_ms, now_ms))
        if self._speech_ms is not None:
            self._hear_until(hearing, now_ms)
            if self._interims and self._turn is not None and now_ms - self._interim_ms >= INTERIM_MS:
                self._interim_ms = now_ms
                given = self._turn.given_bytes
                self._do(self._interim(self._turn, given, self._segment_ms, self._speech_ms, now_ms))
        else:
            hearing.forget(now_ms - KEPT_MS)
        if self._speech_ms is None and now_ms - self._segment_ms >= EMPTY_AFTER_MS + EMPTY_MARGIN_MS:
            self._final(None, now_ms - EMPTY_MARGIN_MS, speech_final=False)
        self._look_for_utterance_end(now_ms)

    def _speech_begins(self, at_ms: float) -> None:
        self._speech_ms = self._interim_ms = self._turn_ms = max(at_ms, self._segment_ms)
        self._quiet_ms = None
        if self._vad_events:
            self._do(self._saying("SpeechStarted", channel=[0, 1], timestamp=seconds(self._speech_ms)))

    def _speech_ends(self, at_ms: float) -> None:
        self._quiet_ms = at_ms - self._pause_ms
        self._final(self._speech_ms, at_ms, speech_final=self._endpointing_ms is not None)

    def _look_for_utterance_end(self, now_ms: float) -> None:
        if self._utterance_end_ms is None or self._quiet_ms is None or self._speech_ms is not None:
            return
        if now_ms - self._quiet_ms >= self._utterance_end_ms:
            self._quiet_ms = None
            self._do(self._utterance_end())

    def _new_detector(self, origin_ms: float) -> BandDetector | None:
        sound = sound_format(self.handshake.query)
        if sound is None:
            return None
        return BandDetector(
            sound.sample_rate,
            prefix_padding_ms=PREFIX_MS,
            silence_duration_ms=self._pause_ms,
            origin_ms=origin_ms,
        )

    def _flush(self, **flags: bool) -> None:
        """Final results for all that was not told of yet; none when there is no such audio."""
        if self._hearing is None:
            return
        now_ms = self._hearing.now_ms
        if now_ms > self._segment_ms:
            start_ms = self._segment_ms if self._speech_ms is None else self._speech_ms
            self._final(start_ms, now_ms, speech_final=False, **flags)
            self._detector = self._new_detector(now_ms)

    def _final(self, speech_ms: float | None, end_ms: float, **flags: bool) -> None:
        start_ms, self._segment_ms, self._speech_ms = self._segment_ms, end_ms, None
        if speech_ms is not None and self._hearing is not None:
            self._turn_ms = self._turn_ms if self._turn is not None else speech_ms
            self._hear_until(self._hearing, end_ms)
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end()
        self._do(self._results(start_ms, speech_ms, end_ms, turn, **flags))

    def _interim(self, turn: UserTurn, given: int, start_ms: float, speech_ms: float, now_ms: float) -> Steps:
        """The words so far, if there are others than last time."""
        yield from caught_up(turn, given)
        text = whole_words(turn.words)
        if text and text != self._interim_text:
            self._interim_text = text
            yield from self._results(start_ms, speech_ms, now_ms, text)

    def _hear_until(self, hearing: Hearing, at_ms: float) -> None:
        """Have the audio of what is being said listened to, as far as it was not yet."""
        if self._turn is None:
            self._turn = hearing.new_turn()
        self._turn.hear(hearing.between(self._turn_ms, at_ms))
        self._turn_ms = max(self._turn_ms, at_ms)
        hearing.forget(at_ms - KEPT_MS)

    # ------------------------------------------------------------------------------------------- what it says, in order

    def _saying(self, kind: str, **fields: Any) -> Steps:
        yield from ()
        self._say(kind, **fields)

    def _utterance_end(self) -> Steps:
        yield from ()
        if self._last_word_s is not None:
            self._say("UtteranceEnd", channel=[0, 1], last_word_end=self._last_word_s)
            self._last_word_s = None

    def _goodbye(self) -> Steps:
        yield from ()
        heard_ms = self._hearing.now_ms if self._hearing is not None else 0.0
        self._say(
            "Metadata",
            transaction_key="deprecated",
            request_id=self.request_id,
            sha256=self._sha.hexdigest(),
            created=self._created,
            duration=seconds(heard_ms),
            channels=1,
        )
        self._end(DONE)

    def _results(
        self,
        start_ms: float,
        speech_ms: float | None,
        end_ms: float,
        heard: UserTurn | str | None,
        **flags: bool,
    ) -> Steps:
        """Words are an interim; a turn is a final, and its last words are waited for."""
        is_final = not isinstance(heard, str)
        text = heard if isinstance(heard, str) else (yield from words_of(heard)) if heard is not None else ""
        if is_final:
            self._interim_text = ""
        words = timed_words(text, speech_ms or start_ms, end_ms)
        if is_final and words:
            self._last_word_s = words[-1]["end"]
        self._say(
            "Results",
            channel_index=[0, 1],
            duration=seconds(end_ms - start_ms),
            start=seconds(start_ms),
            is_final=is_final,
            speech_final=flags.get("speech_final", False),
            channel={"alternatives": [self._alternative(text, words)]},
            metadata=self._metadata(),
            from_finalize=flags.get("from_finalize", False),
        )

    def _alternative(self, text: str, words: list[JsonObject]) -> JsonObject:
        known = [{**word, "punctuated_word": word["word"]} for word in words]
        return {"transcript": text, "confidence": CONFIDENCE if text else 0.0, "words": known}

    def _metadata(self) -> JsonObject:
        """Of which model: it says in plain words that it is not the provider's."""
        info = {"name": self.model or "nova-3", "version": "local", "arch": "aigw-notebook emulator"}
        return {"request_id": self.request_id, "model_info": info, "model_uuid": self.request_id}


def _flag(value: str | None) -> bool:
    return (value or "").lower() == "true"


def _number(value: str | None) -> float | None:
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if math.isfinite(found) and found > 0 else None


def _pause_ms(value: str | None) -> int | None:
    """`endpointing`: ms of silence that end an utterance; None when that is switched off."""
    if (value or "").lower() == "false":
        return None
    found = _number(value)
    return DEFAULT_ENDPOINTING_MS if found is None else int(found)
