"""Deepgram speak v1 (aura), emulated: text is gathered until it is flushed, and spoken by the local voice.

Wire facts: `docs/protocol/deepgram.md`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ...audio.formats import PCM16_24K
from .base import Close, Handshake, Refused
from .deepgram_wire import GUESSED_FAILURE, DeepgramConnection, refused, sound_format
from .schedule import WAIT
from .stage import JsonObject, Speech, Steps

__all__ = ["SpeakEmulator"]

RATES = (8_000, 16_000, 24_000, 32_000, 48_000)
MAX_FLUSHES, FLUSH_WINDOW_MS = 20, 60_000.0
GUESSED_TOO_MANY = ("FLUSH_RATE_LIMIT", "Flush was ignored: no more than 20 are taken in 60 seconds.")
GUESSED_UNKNOWN = ("UNPARSABLE_CLIENT_MESSAGE", "Could not read the last message.")
DONE = Close(code=1000)


class SpeakEmulator(DeepgramConnection):
    """One speak v1 connection. Flushes are spoken one after the other."""

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._format = sound_format(handshake.query) or PCM16_24K
        self._text: list[str] = []
        self._flushes: deque[str] = deque()
        self._flush_times: deque[float] = deque()
        self._sequence = 0
        self._closing = False
        self._speech: Speech | None = None
        self._task = self._schedule.start(self._steps())

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        query = handshake.query
        if "encoding" not in query and "sample_rate" not in query:
            return None
        sound = sound_format({"encoding": "linear16", "sample_rate": "24000", **query})
        if sound is None or sound.sample_rate not in RATES:
            return refused("this encoding and sample_rate are not supported")
        return None

    def open(self) -> None:
        self._say(
            "Metadata",
            request_id=self.request_id,
            model_name=self.model,
            model_version="local emulator",
            model_uuid=self.uuid("model"),
        )

    def close(self) -> None:
        super().close()
        self._hush()

    # -------------------------------------------------------------------------------------------------- messages

    def _on_unknown(self, message: str) -> None:
        code, description = GUESSED_UNKNOWN
        self._say("Warning", description=description, code=code)

    def _on_binary(self, data: bytes) -> None:
        self._on_unknown("")

    def _on_speak(self, message: JsonObject) -> None:
        text = message.get("text")
        if isinstance(text, str):
            self._text.append(text)
        else:
            self._on_unknown("")

    def _on_flush(self, message: JsonObject) -> None:
        now_ms = self.clock()
        while self._flush_times and now_ms - self._flush_times[0] >= FLUSH_WINDOW_MS:
            self._flush_times.popleft()
        if len(self._flush_times) >= MAX_FLUSHES:
            code, description = GUESSED_TOO_MANY
            self._say("Warning", description=description, code=code)
            return
        self._flush_times.append(now_ms)
        self._release()

    def _release(self) -> None:
        self._flushes.append(" ".join(self._text))
        self._text.clear()
        self._task.go_on()

    def _on_clear(self, message: JsonObject) -> None:
        self._text.clear()
        self._flushes.clear()
        self._hush()
        self._task.stop()
        self._task = self._schedule.start(self._steps())
        self._say("Cleared", sequence_id=self._sequence)

    def _on_close(self, message: JsonObject) -> None:
        self._closing = True
        if self._text:
            self._release()
        self._task.go_on()

    handlers: ClassVar[Mapping[str, Callable[[Any, JsonObject], None]]] = {
        "Speak": _on_speak,
        "Flush": _on_flush,
        "Clear": _on_clear,
        "Close": _on_close,
    }

    # ---------------------------------------------------------------------------------------------------- speaking

    def _hush(self) -> None:
        if self._speech is not None:
            self._speech.stop()
            self._speech = None

    def _steps(self) -> Steps:
        while True:
            while not self._flushes and not self._closing:
                yield WAIT
            if not self._flushes:
                self._end(DONE)
                return
            yield from self._speak(self._flushes.popleft())

    def _speak(self, text: str) -> Steps:
        if self.pace.first_token_ms:
            yield self.clock() + self.pace.first_token_ms
        voice = self.handshake.query.get("speaker") or self.model
        self._speech = speech = Speech(self._stage, text, self._format, voice=voice)
        while data := (yield from speech.piece()):
            self._put(data)
        self._speech = None
        if speech.error is not None:
            self._end(GUESSED_FAILURE)
            return
        self._say("Flushed", sequence_id=self._sequence)
        self._sequence += 1
