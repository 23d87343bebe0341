"""One context of the emulated Cartesia socket: text is gathered, spoken in order, and the context ends once."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

from .cartesia_request import Fault, Request
from .letters import Letters
from .schedule import WAIT
from .stage import Speech, Stage, Steps

__all__ = ["EXPIRY_MS", "Context"]

EXPIRY_MS = 1_000.0
"""A context that says nothing for so long after its last audio is over."""

_SENTENCES = re.compile(r".*[.!?:;…。！？][\"')\]]*(?:\s+|$)", re.DOTALL)
_WORDS = re.compile(r"\S+")


class _FlushMark:
    """Stands in the queue where a flush was asked for."""


class Context:
    """One answer in the making. `ended` is called once, when its last frame is queued; `drop` ends it without a word.

    With `finish_cancelled` a cancelled context still voices what it is in the midst of; else it stops after the piece
    of audio that is under way.
    """

    def __init__(
        self,
        stage: Stage,
        context_id: str,
        *,
        ended: Callable[[Context], None],
        failed: Callable[[Context, Fault], None],
        finish_cancelled: bool,
    ) -> None:
        self.id = context_id
        self._stage = stage
        self._ended = ended
        self._failed = failed
        self._finish_cancelled = finish_cancelled
        self._gathered = ""
        self._gathered_by_ms = math.inf
        self._queue: list[tuple[str, Request] | _FlushMark] = []
        self._closed = False
        self._cancelled = False
        self._speech: Speech | None = None
        self._flush_id = 1
        self._clock_ms = 0.0
        self._spoke_ms = math.inf
        self._request: Request | None = None
        self._task = stage.schedule.start(self._steps())

    @property
    def deadline_ms(self) -> float:
        """When `time_is_up` must be called: gathered text is due, or the context expires."""
        if self._gathered:
            return self._gathered_by_ms
        idle = self._speech is None and not self._queue and not self._closed
        return self._spoke_ms + EXPIRY_MS if idle else math.inf

    def take(self, request: Request) -> None:
        """More input."""
        if not self._gathered:
            self._gathered_by_ms = self._stage.clock() + request.max_delay_ms
        self._request = request
        self._gathered += request.words
        self._closed = self._closed or not request.more
        self._release(all_of_it=self._closed or request.flush or not request.max_delay_ms)
        if request.flush:
            self._queue.append(_FlushMark())
        self._task.go_on()

    def cancel(self) -> None:
        """Drop what is not being spoken yet, and end."""
        self._gathered = ""
        self._queue.clear()
        self._closed = self._cancelled = True
        self._task.go_on()

    def time_is_up(self) -> None:
        """The deadline has come."""
        if self._gathered:
            self._release(all_of_it=True)
        else:
            self._closed = True
        self._task.go_on()

    def drop(self) -> None:
        """The connection is gone."""
        self._task.stop()
        if self._speech is not None:
            self._speech.stop()

    def event(self, kind: str, **fields: Any) -> None:
        """Queue one frame of this context."""
        self._stage.say({"type": kind, "context_id": self.id, "status_code": 206, "done": kind == "done", **fields})

    def _release(self, *, all_of_it: bool) -> None:
        found = _SENTENCES.match(self._gathered)
        end = len(self._gathered) if all_of_it else found.end() if found else 0
        words, self._gathered = self._gathered[:end], self._gathered[end:]
        if words.strip() and self._request is not None:
            self._queue.append((words, self._request))

    def _steps(self) -> Steps:
        if self._stage.pace.first_token_ms:
            yield self._stage.clock() + self._stage.pace.first_token_ms
        while True:
            while not self._queue and not (self._closed and not self._gathered):
                yield WAIT
            if not self._queue:
                self.event("done")
                self._ended(self)
                return
            item = self._queue.pop(0)
            if isinstance(item, _FlushMark):
                self.event("flush_done", flush_done=True, flush_id=self._flush_id)
                self._flush_id += 1
                continue
            yield from self._speak(*item)
            if self._speech is not None and self._speech.error is not None:
                self._failed(self, Fault("Internal error", f"The local voice failed: {self._speech.error}", status=500))
                return
            self._speech = None

    def _speak(self, words: str, request: Request) -> Steps:
        speech = self._speech = Speech(self._stage, words, request.format, voice=request.voice, speed=request.speed)
        times = _Times(words, request, speech.letters)
        before_ms = self._stage.clock()
        while data := (yield from speech.piece()):
            now_ms = self._stage.clock()
            text = b64encode(data).decode("ascii")
            self.event("chunk", data=text, step_time=float(now_ms - before_ms), flush_id=self._flush_id)
            before_ms = self._spoke_ms = now_ms
            for kind, fields in times.until(speech, self._clock_ms):
                self.event(kind, **fields, flush_id=self._flush_id)
            if self._cancelled and not self._finish_cancelled:
                speech.stop()
        self._clock_ms += speech.sent_ms


class _Times:
    """The word and phoneme times of one stretch of text, as far as it was spoken. A letter stands for a phoneme."""

    def __init__(self, words: str, request: Request, letters: Letters) -> None:
        self._letters = letters
        spoken = [(found.group(), *found.span()) for found in _WORDS.finditer(words)]
        sounds = [(c.lower(), i, i + 1) for i, c in enumerate(words) if c.isalnum()]
        self._wanted = [
            *([("timestamps", "word_timestamps", "words", spoken)] if request.word_times else []),
            *([("phoneme_timestamps", "phoneme_timestamps", "phonemes", sounds)] if request.phoneme_times else []),
        ]

    def until(self, speech: Speech, origin_ms: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """(frame type, its own fields, times in seconds) for what has been spoken since the last call."""
        _, end = self._letters.until(speech.sent_ms, last=speech.last)
        for kind, holder, name, pending in self._wanted:
            told = [each for each in pending if each[2] <= end]
            del pending[: len(told)]
            if told:
                spans = [self._letters.span_ms(first, after, speech.sent_ms) for _, first, after in told]
                times = {
                    name: [text for text, _, _ in told],
                    "start": [round((origin_ms + start) / 1000, 4) for start, _ in spans],
                    "end": [round((origin_ms + stop) / 1000, 4) for _, stop in spans],
                }
                yield kind, {holder: times}
