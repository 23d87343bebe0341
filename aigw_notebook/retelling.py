"""A transcript told again from a session's lines, some of which may be missing: what is left is told, none is refused.

A log that is full lets go of its oldest lines, and one that cannot keep pace leaves some out. What follows names turns
and answers whose beginning is then nowhere: they begin where they are first known of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .events import (
    AudioDelta,
    ImageOutput,
    InputCommitted,
    InputTranscript,
    OutputTranscript,
    ResponseDone,
    ResponseStarted,
    TextDelta,
    WordTimings,
)
from .lines import Line

if TYPE_CHECKING:
    from .transcript import Transcript
    from .turn import Turn

__all__ = ["retell"]

ANSWERS = (TextDelta, OutputTranscript, AudioDelta, WordTimings, ImageOutput)


def retell(transcript: Transcript, lines: Iterable[Line], *, dropped: int = 0) -> None:
    """Tell the transcript what the lines say happened, `dropped` of which are missing; messages are passed over."""
    told = lines if isinstance(lines, Sequence) else list(lines)
    unopened = _unopened(told, {turn.number for turn in transcript.turns})
    teller = _Teller(transcript, cut=bool(dropped or unopened))
    if dropped:
        transcript.cut(dropped, told[0].t_ms if told else 0.0)
    for at, line in enumerate(told):
        for number in unopened.get(at, ()):
            teller.turn_was_running(number, line.t_ms)
        teller.tell(line)


def _unopened(lines: Sequence[Line], known: set[int]) -> dict[int, list[int]]:
    """Turns that end, or are asked, without having begun: position of the line before which each ran → their numbers.

    A turn ran since the line that last told of another one; since before any that has a higher number.
    """
    places: dict[int, list[int]] = {}
    begun = dict.fromkeys(known, 0)
    since = 0
    for at, line in enumerate(lines):
        if line.kind not in ("turn", "asked", "ended"):
            continue
        number = line.value["turn"]
        if number not in begun:
            place = at if line.kind == "turn" else min([since, *(i for n, i in begun.items() if n > number)])
            begun[number] = place
            if line.kind != "turn":
                places.setdefault(place, []).append(number)
                places[place].sort()
        since = at + 1
    return places


class _Teller:
    """Tells one line after the other. Of a log that is `cut`, it begins what was begun in the part that is missing."""

    def __init__(self, transcript: Transcript, *, cut: bool) -> None:
        self._transcript = transcript
        self._cut = cut
        self._over: set[str | None] = set()

    def tell(self, line: Line) -> None:
        """Tell what this line says."""
        tell = _RETOLD.get(line.kind)
        if tell is not None:
            if self._cut and line.kind == "event":
                self._begin(line.value, line.t_ms)
            tell(self._transcript, line.value, line.t_ms)

    def turn_was_running(self, number: int, t_ms: float) -> None:
        """A turn begins whose own line is missing; when it was asked is not known."""
        self._transcript.start_turn(t_ms, number=number).asked_ms = None

    def _begin(self, event: Any, t_ms: float) -> None:
        """Begin the answer, or the question, that this event goes on with."""
        transcript = self._transcript
        if isinstance(event, ANSWERS):
            response_id = event.response_id
            if transcript.current is not None and not transcript.knows(response_id) and response_id not in self._over:
                transcript.receive(ResponseStarted(response_id=response_id), t_ms)
        elif isinstance(event, InputTranscript) and not _is_spoken(transcript):
            transcript.receive(InputCommitted(item_id=event.item_id), t_ms)
        elif isinstance(event, ResponseStarted):
            self._over.discard(event.response_id)
        elif isinstance(event, ResponseDone):
            self._over.add(event.response_id)


def _is_spoken(transcript: Transcript) -> bool:
    """Whether there is a row of what the user said aloud."""
    return any(entry.role == "user" and entry.kind == "audio" for entry in transcript.entries)


def _turn(transcript: Transcript, value: dict[str, int]) -> Turn:
    return next(turn for turn in reversed(transcript.turns) if turn.number == value["turn"])


_RETOLD: dict[str, Callable[[Transcript, Any, float], object]] = {
    "event": lambda transcript, value, t_ms: transcript.receive(value, t_ms),
    "turn": lambda transcript, value, t_ms: transcript.start_turn(
        t_ms, number=value["turn"], out_of_band=value["out_of_band"]
    ),
    "said": lambda transcript, value, t_ms: transcript.user_said(value, t_ms),
    "spoke": lambda transcript, value, t_ms: transcript.user_spoke(value, t_ms),
    "voice": lambda transcript, value, t_ms: transcript.user_audio(value[0], value[1], t_ms),
    "asked": lambda transcript, value, t_ms: transcript.asked(_turn(transcript, value), t_ms),
    "ended": lambda transcript, value, t_ms: transcript.finish_turn(
        _turn(transcript, value), value["status"], t_ms, error=value["error"]
    ),
    "noted": lambda transcript, value, t_ms: transcript.noted(t_ms, **value),
}
