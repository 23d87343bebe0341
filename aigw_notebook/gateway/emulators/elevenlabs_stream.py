"""The emulated text-to-speech sockets: `stream-input` with one answer, `multi-stream-input` with several contexts."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from ...audio.formats import AudioFormat
from .base import Handshake, is_wrong_key
from .elevenlabs_setup import Failure
from .schedule import WAIT
from .stage import JsonObject, Speech, Stage, Steps

__all__ = ["BAD_VOICE", "Streams"]

BAD_VOICE = "unknown"
"""The name that stands for a voice that is not there; any other is taken."""

MAX_CONTEXTS = 5
INACTIVITY_S, MAX_INACTIVITY_S = 20.0, 180.0
DEFAULT_SCHEDULE = (120, 160, 250, 290)
TRIGGER_CHARS = 50  # a guess: the least that `try_trigger_generation` starts with
FORMATS: Mapping[str, AudioFormat] = {
    **{f"pcm_{rate}": AudioFormat("pcm16", rate) for rate in (8_000, 16_000, 22_050, 24_000, 44_100)},
    "ulaw_8000": AudioFormat("ulaw", 8_000),
    "alaw_8000": AudioFormat("alaw", 8_000),
}
DEFAULT_FORMAT = "mp3_44100_128"

_SENTENCES = re.compile(r".*[.!?:;…。！？][\"')\]]*(?:\s+|$)", re.DOTALL)


class Streams:
    """One text-to-speech connection. `end` closes it.

    `format_name` is what was asked for; a compressed format is refused, as there is nothing here to make it with.
    """

    def __init__(
        self,
        stage: Stage,
        handshake: Handshake,
        end: Callable[[int, str], None],
        *,
        voice: str,
        multi: bool,
        format_name: str | None = None,
    ) -> None:
        self.stage = stage
        self.multi = multi
        self.voice = voice
        self.query = handshake.query
        self._key = handshake.key
        self._end = end
        self._format_name = format_name or handshake.query.get("output_format") or DEFAULT_FORMAT
        self._contexts: dict[str | None, Context] = {}
        self._closing = False
        self._inactivity_ms = 1_000 * _inactivity_s(handshake.query)
        self._idle_by_ms = stage.clock() + self._inactivity_ms

    @property
    def format(self) -> AudioFormat:
        """What is sent."""
        return FORMATS[self._format_name]

    @property
    def next_wake_ms(self) -> float:
        """When something is due beside the answers."""
        return min(self._idle_by_ms, *(context.idle_by_ms for context in self._contexts.values()), math.inf)

    def receive(self, message: JsonObject) -> None:
        """Take one message. Raises the `Failure` that ends the connection."""
        now_ms = self.stage.clock()
        self._idle_by_ms = math.inf if self.multi else now_ms + self._inactivity_ms
        self._check(message)
        if message.get("close_socket") is True:
            self._close_all()
            return
        name = message.get("context_id") if self.multi else None
        context = self._contexts.get(name)
        if context is None:
            if message.get("close_context") is True:
                return
            context = self._open(name)
        context.idle_by_ms = now_ms + self._inactivity_ms if self.multi else math.inf
        context.take(message)

    def wake(self) -> None:
        """Do what has become due. Raises the `Failure` that ends the connection."""
        now_ms = self.stage.clock()
        if now_ms >= self._idle_by_ms:
            raise Failure("input_timeout_exceeded", "No text was received in time.")
        for context in list(self._contexts.values()):
            if now_ms >= context.idle_by_ms:
                context.close()

    def stop(self) -> None:
        """The connection is gone: do nothing more."""
        self._idle_by_ms = math.inf
        for context in self._contexts.values():
            context.drop()
        self._contexts.clear()

    def fail(self, failure: Failure) -> None:
        """End the connection with an error."""
        self.stage.say({"message": failure.message, "error": failure.error_type, "code": failure.code})
        self._end(failure.code, failure.error_type)

    def ended(self, context: Context) -> None:
        """A context has voiced all of its words."""
        self._contexts.pop(context.name, None)
        place: JsonObject = {"contextId": context.name} if self.multi else {"audio": None}
        self.stage.say({**place, "isFinal": True})
        if not self.multi or (self._closing and not self._contexts):
            self._end(1000, "")

    def _check(self, message: JsonObject) -> None:
        keys = (message.get(name) for name in ("xi_api_key", "xi-api-key", "authorization"))
        if any(is_wrong_key(str(key)) for key in (self._key, self.query.get("authorization"), *keys)):
            raise Failure("invalid_api_key", "Invalid API key")
        if self.voice == BAD_VOICE:
            raise Failure("voice_id_does_not_exist", f"A voice with voice_id {self.voice} does not exist.")
        if self._format_name not in FORMATS:
            raise Failure(
                "unsupported_output_format", f"There is no encoder for {self._format_name} here: ask for pcm."
            )
        if str(self.query.get("model_id", "")).startswith("eleven_v3"):
            raise Failure("unsupported_model", "This model is not available over a WebSocket.")

    def _open(self, name: str | None) -> Context:
        if len(self._contexts) >= MAX_CONTEXTS:
            raise Failure("max_active_conversations", f"More than {MAX_CONTEXTS} contexts are open.")
        context = self._contexts[name] = Context(self, name)
        return context

    def _close_all(self) -> None:
        self._closing = True
        if not self._contexts:
            self._end(1000, "")
        for context in list(self._contexts.values()):
            context.close()


class Context:
    """One answer in the making: words are gathered, released by the rules, and spoken in order."""

    def __init__(self, streams: Streams, name: str | None) -> None:
        self.name = name
        self.idle_by_ms = math.inf
        self._streams = streams
        self._stage = streams.stage
        self._gathered = ""
        self._queue: list[str] = []
        self._closed = False
        self._speech: Speech | None = None
        self._schedule = list(DEFAULT_SCHEDULE)
        self._generations = 0
        self._speed = 1.0
        self._auto = streams.query.get("auto_mode", "").lower() == "true"
        self._task = self._stage.schedule.start(self._steps())

    def take(self, message: JsonObject) -> None:
        """More words, or a wish."""
        self._configure(message)
        text = message.get("text")
        if isinstance(text, str):
            self._gathered += text if self._gathered or text.strip() else ""
            self._closed = self._closed or (text == "" and not self._streams.multi)
        self._closed = self._closed or message.get("close_context") is True
        at_once = self._closed or message.get("flush") is True
        early = message.get("try_trigger_generation") is True and len(self._gathered) >= TRIGGER_CHARS
        self._release(at_once=at_once or early)
        self._task.go_on()

    def close(self) -> None:
        """No more words will come."""
        self.idle_by_ms = math.inf
        self._closed = True
        self._release(at_once=True)
        self._task.go_on()

    def drop(self) -> None:
        """The connection is gone."""
        self._task.stop()
        if self._speech is not None:
            self._speech.stop()

    def _configure(self, message: JsonObject) -> None:
        for key in ("generation_config", "generator_config"):
            config = message.get(key)
            schedule = config.get("chunk_length_schedule") if isinstance(config, Mapping) else None
            if isinstance(schedule, list) and schedule:
                self._schedule = [_chunk_length(length) for length in schedule]
        settings = message.get("voice_settings")
        speed = settings.get("speed") if isinstance(settings, Mapping) else None
        if isinstance(speed, int | float) and not isinstance(speed, bool):
            self._speed = min(1.2, max(0.7, speed))

    def _release(self, *, at_once: bool) -> None:
        needed = self._schedule[min(self._generations, len(self._schedule) - 1)]
        if self._auto and not at_once:
            found = _SENTENCES.match(self._gathered)
            end = found.end() if found else 0
        else:
            end = len(self._gathered) if at_once or len(self._gathered) >= needed else 0
        words, self._gathered = self._gathered[:end], self._gathered[end:]
        if words.strip():
            self._queue.append(words)
            self._generations += 1

    def _steps(self) -> Steps:
        if self._stage.pace.first_token_ms:
            yield self._stage.clock() + self._stage.pace.first_token_ms
        while True:
            while not self._queue and not self._closed:
                yield WAIT
            if not self._queue:
                self._streams.ended(self)
                return
            yield from self._speak(self._queue.pop(0))

    def _speak(self, words: str) -> Steps:
        speech = self._speech = Speech(
            self._stage, words, self._streams.format, voice=self._streams.voice, speed=self._speed
        )
        before_ms = 0.0
        while data := (yield from speech.piece()):
            chars, starts_ms, lasts_ms = speech.letters.piece(before_ms, speech.sent_ms, last=speech.last)
            alignment = {"chars": chars, "charStartTimesMs": starts_ms, "charDurationsMs": lasts_ms}
            before_ms = speech.sent_ms
            place = {"contextId": self.name} if self._streams.multi else {}
            frame = {"audio": b64encode(data).decode("ascii"), "isFinal": None, **place}
            self._stage.say({**frame, "normalizedAlignment": alignment, "alignment": alignment})
        if speech.error is not None:
            self._streams.fail(Failure("internal_error", f"The local voice failed: {speech.error}", 1011))


def _chunk_length(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 50 <= value <= 500:
        raise Failure("invalid_chunk_length_schedule", "Each item of chunk_length_schedule is a number from 50 to 500.")
    return value


def _inactivity_s(query: Mapping[str, str]) -> float:
    try:
        return min(MAX_INACTIVITY_S, max(1.0, float(query.get("inactivity_timeout", INACTIVITY_S))))
    except ValueError:
        return INACTIVITY_S
