"""Deepgram listen v2 (flux), emulated: the turns of a stream of audio, each message with the whole turn so far.

Wire facts: `docs/protocol/deepgram.md`. The confidence that a turn is over is a guess of this emulator's: it grows with
the silence, to certainty in one second; sooner if what was made out so far ends like a finished thought, later if not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from ..engines.bands import BandDetector, Started
from ..engines.endings import Ending, ending_of
from .base import Close, Handshake, Refused
from .deepgram_wire import (
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

__all__ = ["FluxEmulator"]

UPDATE_MS = 250.0
QUIET_MS = 200
CERTAIN_MS: Mapping[Ending, float] = {"finished": 700.0, "unclear": 1_000.0, "unfinished": 3_000.0}
MAX_CONFIDENCE = 0.99
PREFIX_MS = 200
KEPT_MS = 1_000.0
THRESHOLDS: Mapping[str, tuple[float | None, float, float]] = {
    "eager_eot_threshold": (None, 0.3, 0.9),
    "eot_threshold": (0.7, 0.5, 1.0),
    "eot_timeout_ms": (5_000.0, 500.0, 60_000.0),
}
"""Default, least and most."""

GUESSED_UNKNOWN = ("UNPARSABLE_CLIENT_MESSAGE", "Could not read the last text message.")
GUESSED_CLOSE = Close(code=1008, reason="the client sent a message that this protocol does not have")
DONE = Close(code=1000)


@dataclass(slots=True)
class _Turn:
    """One turn: where it began, since when it is quiet, and what of it was heard.

    `heard` are its parts: an eager end ends one, and if the turn goes on after all another begins.
    """

    index: int
    window_ms: float
    speech_ms: float
    quiet_ms: float | None = None
    eager: bool = False
    listened_ms: float = 0.0
    heard: list[UserTurn] = field(default_factory=list)

    @property
    def words(self) -> str:
        """The words so far."""
        return " ".join(filter(None, (part.words for part in self.heard)))

    @property
    def may_have_words(self) -> bool:
        """Whether some were made out, or the listener is still behind."""
        return bool(self.words) or not all(part.idle for part in self.heard)

    def confidence(self, now_ms: float) -> float:
        """How sure it is that the turn is over."""
        if self.quiet_ms is None:
            return 0.0
        certain_ms = CERTAIN_MS[ending_of(self.words)]
        return round(min(MAX_CONFIDENCE, max(0.0, now_ms - self.quiet_ms) / certain_ms), 3)


class FluxEmulator(Listening):
    """One listen v2 connection."""

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._sequence = 0
        self._index = 0
        self._window_ms = 0.0
        self._update_ms = 0.0
        self._turn: _Turn | None = None
        self._limits = {name: _limit(name, handshake.query.get(name)) for name in THRESHOLDS}
        self._detector = self._new_detector(0.0)

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        query = handshake.query
        if missing := [name for name in ("encoding", "sample_rate") if not query.get(name)]:
            return refused(f"{' and '.join(missing)} must be given")
        if sound_format(query) is None:
            return refused("this encoding and sample_rate are not supported")
        wrong = [name for name in THRESHOLDS if name in query and not _is_within(name, query[name])]
        return refused(f"{', '.join(wrong)} is out of range") if wrong else None

    def open(self) -> None:
        self._tell("Connected", request_id=self.request_id)

    def _tell(self, kind: str, **fields: Any) -> None:
        """Say it with its number: all messages of a connection are counted."""
        self._say(kind, **fields, sequence_id=self._sequence)
        self._sequence += 1

    # -------------------------------------------------------------------------------------------------- messages

    def _on_unknown(self, message: str) -> None:
        """An unknown message is fatal here; a `KeepAlive`, which this protocol does not have, is one."""
        code, description = GUESSED_UNKNOWN
        self._tell("Error", code=code, description=description)
        self._end(GUESSED_CLOSE)

    def _on_force_end(self, message: JsonObject) -> None:
        """With no turn in progress it is ignored."""
        if self._turn is not None and self._hearing is not None:
            self._end_turn(self._turn, self._hearing.now_ms, "manual")
            self._detector = self._new_detector(self._hearing.now_ms)

    def _on_configure(self, message: JsonObject) -> None:
        given = message.get("thresholds")
        wanted = {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else {}
        if any(name not in THRESHOLDS or not _is_within(name, value) for name, value in wanted.items()):
            self._tell(
                "ConfigureFailure",
                request_id=self.request_id,
                code="CONFIGURE_THRESHOLD_OUT_OF_RANGE",
                description="A threshold is unknown or out of range.",
            )
            return
        self._limits |= {name: float(value) for name, value in wanted.items()}
        known = {name: value for name, value in self._limits.items() if value is not None}
        terms = message.get("keyterms")
        self._tell("ConfigureSuccess", request_id=self.request_id, thresholds=known, keyterms=terms or [])

    def _on_close_stream(self, message: JsonObject) -> None:
        if self._turn is not None and self._hearing is not None:
            self._hear(self._turn, self._hearing.now_ms)
            self._end_part(self._turn)
            self._state("Update", self._turn, self._hearing.now_ms, wait=True)
        self._do(self._goodbye())

    handlers: ClassVar[Mapping[str, Callable[[Any, JsonObject], None]]] = {
        "CloseStream": _on_close_stream,
        "ForceEndTurn": _on_force_end,
        "Configure": _on_configure,
    }

    # ------------------------------------------------------------------------------------------------------ audio

    def _on_binary(self, data: bytes) -> None:
        hearing = self._hearing
        if hearing is None:
            return
        for pcm in hearing.add(data):
            hearing.keep(pcm)
            self._look(hearing, pcm)

    def _look(self, hearing: Hearing, pcm: bytes) -> None:
        now_ms, changed = hearing.now_ms, False
        for edge in self._detector.feed(pcm):
            if isinstance(edge, Started):
                changed = self._sound(edge.at_ms, now_ms) or changed
            elif self._turn is not None:
                self._turn.quiet_ms = edge.at_ms - QUIET_MS
        turn = self._turn
        if turn is not None:
            self._hear(turn, now_ms)
            changed = self._silence(turn, now_ms) or changed
        if changed:
            self._update_ms = now_ms
        elif now_ms - self._update_ms >= UPDATE_MS:
            self._update_ms = now_ms
            self._update(now_ms)

    def _sound(self, at_ms: float, now_ms: float) -> bool:
        """Somebody speaks: a new turn, or the end of a pause in this one."""
        turn = self._turn
        if turn is None:
            start_ms = max(at_ms, self._window_ms)
            self._turn = turn = _Turn(self._index, self._window_ms, start_ms, listened_ms=start_ms)
            self._state("StartOfTurn", turn, now_ms)
            return True
        turn.quiet_ms, resumed = None, turn.eager
        turn.eager = False
        if resumed:
            self._state("TurnResumed", turn, now_ms)
        return resumed

    def _silence(self, turn: _Turn, now_ms: float) -> bool:
        """What silence so far means: the end of the turn, an eager end, or (False) nothing yet."""
        quiet_ms = turn.quiet_ms
        if quiet_ms is None:
            return False
        sure, eager, enough = turn.confidence(now_ms), self._limits["eager_eot_threshold"], self._limits
        if sure >= (enough["eot_threshold"] or 1.0):
            self._end_turn(turn, now_ms, "model")
        elif now_ms - quiet_ms >= (enough["eot_timeout_ms"] or 0.0):
            self._end_turn(turn, now_ms, "timeout")
        elif eager is not None and sure >= eager and not turn.eager and turn.may_have_words:
            turn.eager = True
            self._end_part(turn)
            self._state("EagerEndOfTurn", turn, now_ms, wait=True)
        else:
            return False
        return True

    def _update(self, now_ms: float) -> None:
        turn = self._turn
        if turn is None and self._hearing is not None:
            self._hearing.forget(now_ms - KEPT_MS)
        self._state("Update", turn or _Turn(self._index, self._window_ms, now_ms), now_ms)

    def _end_turn(self, turn: _Turn, now_ms: float, trigger: str) -> None:
        """An eager end has made out the words already, and the end must agree with it."""
        self._hear(turn, now_ms)
        self._end_part(turn)
        self._state("EndOfTurn", turn, now_ms, wait=True, trigger=trigger)
        self._turn = None
        self._index += 1
        self._window_ms = now_ms

    def _hear(self, turn: _Turn, now_ms: float) -> None:
        """Have the turn's audio listened to, as far as it was not yet; not while an eager end stands."""
        hearing = self._hearing
        if hearing is None or turn.eager:
            return
        if not turn.heard or turn.heard[-1].ending:
            turn.heard.append(hearing.new_turn())
            turn.heard[-1].told = partial(self._words_came, turn)
        turn.heard[-1].hear(hearing.between(turn.listened_ms, now_ms))
        turn.listened_ms = now_ms
        hearing.forget(now_ms - KEPT_MS)

    def _words_came(self, turn: _Turn, part: UserTurn) -> None:
        """Words may say that the turn is over when the audio that they are from came faster than it was listened to."""
        hearing = self._hearing
        if hearing is not None and turn is self._turn and self._silence(turn, hearing.now_ms):
            self._update_ms = hearing.now_ms

    def _end_part(self, turn: _Turn) -> None:
        if turn.heard:
            turn.heard[-1].end()

    def _new_detector(self, origin_ms: float) -> BandDetector:
        sound = sound_format(self.handshake.query)
        rate = sound.sample_rate if sound is not None else 16_000
        return BandDetector(rate, prefix_padding_ms=PREFIX_MS, silence_duration_ms=QUIET_MS, origin_ms=origin_ms)

    # ------------------------------------------------------------------------------------------- what it says, in order

    def _state(self, event: str, turn: _Turn, now_ms: float, *, wait: bool = False, trigger: str | None = None) -> None:
        """Queue one `TurnInfo`: as things stand now, with the words so far. `wait`: until its last words are known."""
        quiet_ms = turn.quiet_ms
        end_ms = now_ms if quiet_ms is None else min(now_ms, quiet_ms + QUIET_MS)
        told = {"event": event, "turn_index": turn.index, "end_of_turn_confidence": turn.confidence(now_ms)}
        told |= {"audio_window_start": seconds(turn.window_ms), "audio_window_end": seconds(now_ms)}
        if trigger is not None:
            told["trigger"] = trigger
        given = [(part, part.given_bytes) for part in turn.heard]
        self._do(self._turn_info(turn, given, end_ms, told, wait=wait))

    def _turn_info(
        self, turn: _Turn, given: list[tuple[UserTurn, int]], end_ms: float, told: JsonObject, *, wait: bool
    ) -> Steps:
        """A part that was ended is known to its last word; of one that goes on, the last word may still grow."""
        parts = []
        for part, given_bytes in given:
            if wait or part.over:
                parts.append((yield from words_of(part)))
            else:
                yield from caught_up(part, given_bytes)
                parts.append(whole_words(part.words))
        text = " ".join(filter(None, parts))
        if told["event"] == "EagerEndOfTurn" and not text:
            turn.eager = False
            return
        words = timed_words(text, turn.speech_ms, end_ms)
        self._tell("TurnInfo", request_id=self.request_id, transcript=text, words=words, **told)

    def _goodbye(self) -> Steps:
        yield from ()
        self._end(DONE)


def _limit(name: str, given: str | None) -> float | None:
    return THRESHOLDS[name][0] if given is None or not _is_within(name, given) else float(given)


def _is_within(name: str, given: Any) -> bool:
    if isinstance(given, bool):
        return False
    try:
        value = float(given)
    except (TypeError, ValueError):
        return False
    return THRESHOLDS[name][1] <= value <= THRESHOLDS[name][2]
