"""Gemini Live: one answer, from its first content to `turnComplete`, to a tool call, or to an interruption."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Generator, Sequence

from ...audio.formats import PCM16_24K
from ..engines.base import Reply, ToolRequest
from .google_conversation import Entry, said, tokens_of, usage
from .google_setup import Setup
from .google_wire import Frames
from .schedule import WAIT
from .stage import JsonObject, Speech, Stage, Steps, waited_for

__all__ = ["Answer"]

LEAD_CHARS = 16
"""The transcript leads the sound by about so many characters."""

FIRST_BYTES = 2
"""The service was seen to send one sample first."""

_PIECES = re.compile(r"\s*\S+|\s+$")


class Answer:
    """An answer in the making. The schedule drives it until it calls `ended`, `called` (tools) or `failed`.

    What it has said so far is in `entries`; it belongs into the conversation at index `at`.
    """

    def __init__(
        self,
        stage: Stage,
        frames: Frames,
        setup: Setup,
        context: Sequence[Entry],
        *,
        ended: Callable[[], None],
        called: Callable[[Sequence[ToolRequest]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.entries: list[Entry] = []
        self._stage = stage
        self._frames = frames
        self._setup = setup
        self._context = list(context)
        self.at = len(self._context)
        self._ended = ended
        self._called = called
        self._failed = failed
        self._speech: Speech | None = None
        self._task = stage.schedule.start(self._steps())

    def stop(self) -> None:
        """Say no more."""
        self._task.stop()
        if self._speech is not None:
            self._speech.stop()

    def usage(self) -> JsonObject:
        """What it has cost so far."""
        tools = [function.declaration for function in self._setup.functions]
        prompt = self._setup.instructions + (json.dumps(tools) if tools else "")
        return usage(self._context, prompt, self.entries)

    def _steps(self) -> Steps:
        while any(entry.unheard for entry in self._context):
            yield WAIT
        reply = yield from self._reply()
        if isinstance(reply, BaseException):
            self._failed(reply)
            return
        if self._stage.pace.first_token_ms:
            yield self._stage.clock() + self._stage.pace.first_token_ms
        if reply.text:
            yield from self._written(reply.text) if self._setup.modality == "TEXT" else self._spoken(reply.spoken)
        if self._speech is not None and self._speech.error is not None:
            self._failed(self._speech.error)
        elif reply.tools:
            self._called(reply.tools)
        else:
            self._ended()

    def _reply(self) -> Generator[float, None, Reply | BaseException]:
        if not getattr(self._stage.engines.responder, "instant", False):
            found: Reply | BaseException = yield from waited_for(self._stage, self._ask)
            return found
        try:
            return self._ask()
        except Exception as error:
            return error

    def _ask(self) -> Reply:
        if self._setup.transcribes_only:
            return Reply(text=next((e.text for e in reversed(self._context) if e.role == "user"), ""))
        return self._stage.engines.responder.answer(
            said(self._context),
            instructions=self._setup.instructions,
            tools=[function.declaration for function in self._setup.functions],
        )

    def _written(self, text: str) -> Steps:
        entry = self._new_entry()
        due_ms, waits_ms = self._stage.clock(), self._stage.pace.text_waits_ms()
        for found in _PIECES.finditer(text):
            if self._is_full():
                return
            entry.text += found.group()
            part = {"text": found.group()}
            self._frames.send(serverContent={"modelTurn": {"role": "model", "parts": [part]}})
            due_ms += next(waits_ms)
            yield due_ms

    def _spoken(self, text: str) -> Steps:
        entry = self._new_entry()
        speech = self._speech = Speech(self._stage, text, PCM16_24K, voice=self._setup.voice)
        pieces = _PIECES.findall(text)
        while data := (yield from speech.piece()):
            if self._is_full():
                speech.stop()
                return
            self._tell(entry, pieces, LEAD_CHARS + speech.letters.spoken_by(speech.sent_ms))
            if not entry.audio_ms:
                self._frames.audio(data[:FIRST_BYTES])
                data = data[FIRST_BYTES:]
            if data:
                self._frames.audio(data)
            entry.audio_ms = speech.sent_ms
        self._tell(entry, pieces, math.inf)

    def _tell(self, entry: Entry, pieces: list[str], chars: float) -> None:
        """Send the words that are due, in one piece."""
        words = ""
        while pieces and len(entry.text) + len(words) < chars:
            words += pieces.pop(0)
        entry.text += words
        if words and self._setup.transcribes_output:
            self._frames.send(serverContent={"outputTranscription": {"text": words}})

    def _new_entry(self) -> Entry:
        entry = Entry("assistant")
        self.entries.append(entry)
        return entry

    def _is_full(self) -> bool:
        limit = self._setup.max_output_tokens
        return limit is not None and sum(tokens_of(self.entries).values()) >= limit
