"""What the parts of an emulator that speaks work with: the connection's means, and words becoming sound at its pace."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...audio.convert import convert
from ...audio.formats import AudioFormat
from ...providers.base import Ids
from ..engines.base import Engines
from .base import Job, Output, Pace
from .schedule import WAIT, Schedule

__all__ = ["CHAR_MS", "JsonObject", "Letters", "Speech", "Stage", "Steps", "dumps", "waited_for"]

JsonObject: TypeAlias = dict[str, Any]
Steps: TypeAlias = Iterator[float]

dumps = json.JSONEncoder(separators=(",", ":")).encode

CHAR_MS = 65.0
"""How long one character is taken to last, whatever the voice: about 15 characters a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The means of one emulated connection. `put` queues an output for the driver."""

    put: Callable[[Output], None]
    ids: Ids
    clock: Callable[[], float]
    pace: Pace
    engines: Engines
    schedule: Schedule

    def say(self, message: JsonObject) -> None:
        """Queue one message as a text frame."""
        self.put(dumps(message))

    def start_job(
        self,
        results: Callable[[], Iterable[object]],
        deliver: Callable[[Any], None],
        done: Callable[[BaseException | None], None],
    ) -> Job:
        """Have `results` made in a worker thread; whoever waits looks again after each of them and at the end."""

        def delivered(result: object) -> None:
            deliver(result)
            self.schedule.resume()

        def over(error: BaseException | None) -> None:
            done(error)
            self.schedule.resume()

        job = Job(results, delivered, over)
        self.put(job)
        return job


def waited_for(
    stage: Stage, work: Callable[[], Any], begun: Callable[[Job], None] = lambda job: None
) -> Generator[float, None, Any]:
    """The result of `work()`, made in a worker thread, or the exception it raised, returned as a value.

    `begun` gets the job, so that its owner can cancel it.
    """
    found: list[Any] = []

    def results() -> Iterator[Any]:
        yield work()

    begun(stage.start_job(results, found.append, lambda error: found.append(error) if error is not None else None))
    while not found:
        yield WAIT
    return found[0]


class Speech:
    """Words on their way to sound: made in a worker thread, given out piece by piece at the emulator's pace.

    `sent_ms` counts what `piece` gave; `last` says that the piece given last was the end, `error` why that came early.
    """

    def __init__(self, stage: Stage, text: str, format: AudioFormat, *, voice: str = "", speed: float = 1.0) -> None:
        self.format = format
        self.sent_ms = 0.0
        self.last = False
        self.error: BaseException | None = None
        self._stage = stage
        self._ready = bytearray()
        self._over = False
        self._first_ms: float | None = None
        engine, source = stage.engines.voice, AudioFormat("pcm16", format.sample_rate)

        def results() -> Iterator[bytes]:
            pieces = engine.speak(text, sample_rate=format.sample_rate, voice=voice, speed=speed)
            return (convert(piece, source, format) for piece in pieces)

        self._job = stage.start_job(results, self._ready.extend, self._done)

    def piece(self) -> Generator[float, None, bytes]:
        """Wait for the next piece of audio and for its time; it is empty at the end."""
        if self._first_ms is not None:
            speed = self._stage.pace.audio_speed
            yield self._first_ms + self.sent_ms / speed if speed else self._stage.clock()
        size = self.format.byte_count(self._stage.pace.audio_delta_ms)
        while not self._over and len(self._ready) <= size:
            yield WAIT
        size = size or len(self._ready)
        data = bytes(self._ready[:size])
        del self._ready[:size]
        self.last = self._over and not self._ready
        self.sent_ms += self.format.duration_ms(data)
        if self._first_ms is None:
            self._first_ms = self._stage.clock()
        return data

    def stop(self) -> None:
        """Make no more of it."""
        self._job.cancelled = True
        self._ready.clear()
        self._over = self.last = True

    def _done(self, error: BaseException | None) -> None:
        self._over, self.error = True, error


class Letters:
    """Which letters of a text are spoken by when, as an estimate that always ends with the sound."""

    def __init__(self, text: str, *, speed: float = 1.0) -> None:
        self.text = text
        self.char_ms = CHAR_MS / speed
        self._told = 0

    def until(self, sent_ms: float, *, last: bool) -> tuple[int, int]:
        """The first letter that was not given yet, and the one after the last that is spoken by `sent_ms`."""
        first = self._told
        end = len(self.text) if last else min(len(self.text), int(sent_ms / self.char_ms))
        self._told = max(first, end)
        return first, self._told

    def piece(self, speech: Speech, before_ms: float) -> tuple[list[str], list[int], list[int]]:
        """The letters that begin in the piece that `speech` just gave; when, from its start; how long each lasts.

        `before_ms` is the length of all pieces before.
        """
        first, known_ms = self._told, speech.sent_ms if speech.last else math.inf
        begun = len(self.text) if speech.last else min(len(self.text), math.ceil(speech.sent_ms / self.char_ms))
        self._told = end = max(first, begun)
        spans = [self.span_ms(at, at + 1, known_ms) for at in range(first, end)]
        begins = [max(0, round(start - before_ms)) for start, _ in spans]
        return list(self.text[first:end]), begins, [round(stop - start) for start, stop in spans]

    def span_ms(self, first: int, end: int, sent_ms: float) -> tuple[float, float]:
        """When the letters from `first` to before `end` are spoken, none of them after `sent_ms`."""
        return min(first * self.char_ms, sent_ms), min(end * self.char_ms, sent_ms)
