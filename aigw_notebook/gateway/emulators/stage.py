"""What the parts of an emulator that speaks work with: the connection's means, and words becoming sound at its pace."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...audio.convert import convert
from ...audio.formats import AudioFormat
from ...providers.base import Ids
from ..engines.base import Engines
from .base import Emulator, Handshake, Job, Output, Pace
from .letters import Letters
from .schedule import WAIT, Schedule

__all__ = ["JsonObject", "Speech", "Stage", "StagedEmulator", "Steps", "dumps", "waited_for"]

JsonObject: TypeAlias = dict[str, Any]
Steps: TypeAlias = Iterator[float]
Made: TypeAlias = tuple[bytes, int]
"""Sound in the connection's format, and how many characters of the text are spoken by its end."""

dumps = json.JSONEncoder(separators=(",", ":")).encode


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


class StagedEmulator(Emulator):
    """An emulator whose work is a schedule of steps. Once it is closed, or said so in `_ended`, it sends no more."""

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._schedule = Schedule(self.clock)
        self._stage = Stage(
            put=self._put,
            ids=self.ids,
            clock=self.clock,
            pace=self.pace,
            engines=self.engines,
            schedule=self._schedule,
        )
        self._ended = False

    @property
    def next_wake_ms(self) -> float | None:
        return None if self._ended else self._schedule.next_ms

    def wake(self) -> None:
        self._schedule.run()

    def close(self) -> None:
        self._ended = True
        self._schedule.stop()

    def _put(self, output: Output) -> None:
        if not self._ended:
            self._out.append(output)


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
    `letters` are the text's, with their times as far as the sound is made.
    """

    def __init__(self, stage: Stage, text: str, format: AudioFormat, *, voice: str = "", speed: float = 1.0) -> None:
        self.format = format
        self.letters = Letters(text)
        self.sent_ms = 0.0
        self.last = False
        self.error: BaseException | None = None
        self._stage = stage
        self._ready = bytearray()
        self._over = False
        self._first_ms: float | None = None
        engine, source = stage.engines.voice, AudioFormat("pcm16", format.sample_rate)

        def results() -> Iterator[Made]:
            sounds = engine.say(text, sample_rate=format.sample_rate, voice=voice, speed=speed)
            return ((convert(sound.pcm16, source, format), sound.end_char) for sound in sounds)

        self._job = stage.start_job(results, self._take, self._done)

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

    def _take(self, made: Made) -> None:
        data, end_char = made
        self._ready += data
        self.letters.add(self.format.duration_ms(data), end_char)

    def _done(self, error: BaseException | None) -> None:
        self._over, self.error = True, error
