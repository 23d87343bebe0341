"""The input audio buffer: what is written to it, who ends the user's turn, and what was heard in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ...audio.convert import convert
from ...audio.formats import AudioFormat
from ..engines.energy import Edge, EnergyDetector, Started
from .base import Job
from .openai_items import INPUT_MS_PER_TOKEN, Conversation, Item, Part, text_tokens
from .openai_schema import Refusal
from .openai_session import LIVE_TRANSCRIPTION_MODELS, SEMANTIC_SILENCE_MS, JsonObject, audio_format
from .openai_wire import Deltas, Wire

__all__ = ["InputAudio", "Turns", "transcription_usage"]

MIN_COMMIT_MS = 100
ROUNDING_MS = 1e-6
MAX_IDLE_MS = 60_000
"""While nobody speaks, older audio than this is forgotten: it keeps a long silence from filling the memory."""

PARTIAL_MS = 600
"""A live transcription is brought up to date after so much new audio."""

DURATION_MODELS = (*LIVE_TRANSCRIPTION_MODELS, "whisper-1")
"""Billed by the second; for the last one that is a guess."""

GUESSED_TRANSCRIPTION_ERROR = {"type": "server_error", "code": "audio_unintelligible"}

TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Turns(Protocol):
    """Who is told about the user's turns."""

    def speech_started(self) -> None:
        """The user has begun to speak."""

    def turn_over(self) -> None:
        """The detector has ended the user's turn and its audio is in the conversation."""

    def heard(self) -> None:
        """An item has been listened to."""


class InputAudio:
    """The buffer of one session. Times are ms of audio written to it since the session began."""

    def __init__(self, wire: Wire, conversation: Conversation, turns: Turns, listening: JsonObject) -> None:
        self._wire = wire
        self._conversation = conversation
        self._turns = turns
        self._data = bytearray()
        self._start_ms = 0.0
        self._item_id: str | None = None
        self._speech_ms = 0.0
        self._partial = ""
        self._partial_ms = 0.0
        self._jobs: list[Job] = []
        self._detector: EnergyDetector | None = None
        self._listening: JsonObject = {}
        self.configure(listening)

    @property
    def speaking(self) -> bool:
        return self._detector is not None and self._detector.speaking

    @property
    def written_ms(self) -> float:
        return self._start_ms + self._format.duration_ms(len(self._data))

    def configure(self, listening: JsonObject) -> None:
        """Put the session's `audio.input` in force. Another format empties the buffer, another detector starts anew."""
        before, self._listening = self._listening, listening
        if before.get("format") != listening["format"]:
            self._start_ms = self.written_ms if before else 0.0
            self._data.clear()
            self._format = audio_format(listening["format"])
        detection = listening["turn_detection"]
        if before.get("turn_detection", {}) != detection or before.get("format") != listening["format"]:
            self._detector = self._new_detector(detection)

    def append(self, data: bytes) -> None:
        """Take audio in the session's input format."""
        self._data += data
        if self._detector is not None:
            for edge in self._detector.feed(self._pcm(data)):
                self._turn(edge)
            self._forget()
        elif self._live():
            self._listen_live()

    def commit(self) -> None:
        """Make an item of all that was written since the last commit. Raises `Refusal` for less than 100 ms."""
        length_ms = self.written_ms - self._start_ms
        if length_ms < MIN_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. "
                f"Expected at least 100ms of audio, but buffer only has {length_ms:.2f}ms of audio.",
            )
        self._commit(bytes(self._data), self.written_ms)

    def clear(self) -> None:
        """Forget what was written since the last commit."""
        self._cut(self.written_ms)
        self._wire.event("input_audio_buffer.cleared")

    def time_out(self, since_ms: float) -> None:
        """Nobody has spoken for the idle time: commit an empty turn."""
        self._item_id = self._wire.ids("item_")
        span = {"audio_start_ms": round(since_ms), "audio_end_ms": round(self.written_ms)}
        self._wire.event("input_audio_buffer.timeout_triggered", **span, item_id=self._item_id)
        self._commit(b"", self.written_ms)

    def listen(self, item: Item, *, transcribe: bool = True) -> None:
        """Have the audio of `item` listened to; until then it is unheard. `transcribe`: the client may be told."""
        part = next((part for part in item.parts if part.kind == "input_audio" and part.audio), None)
        if part is None or part.format is None:
            return
        item.unheard = True
        found: list[str] = []

        def done(error: BaseException | None) -> None:
            item.unheard = False
            part.words = found[0].strip() if found else ""
            if transcribe and self._listening["transcription"] is not None:
                self._transcribe(item, part, self._listening["transcription"], error)
            self._turns.heard()

        self._job(bytes(part.audio), part.format, found.append, done)

    def close(self) -> None:
        """Cancel what still listens."""
        for job in self._jobs:
            job.cancelled = True

    # ------------------------------------------------------------------------------------------------------- turns

    def _new_detector(self, detection: JsonObject | None) -> EnergyDetector | None:
        if detection is None:
            return None
        rate, origin_ms = self._format.sample_rate, self.written_ms
        if detection["type"] == "semantic_vad":
            silence_ms = SEMANTIC_SILENCE_MS[detection["eagerness"]]
            return EnergyDetector(rate, silence_duration_ms=silence_ms, origin_ms=origin_ms)
        settings = {name: detection[name] for name in ("threshold", "prefix_padding_ms", "silence_duration_ms")}
        return EnergyDetector(rate, **settings, origin_ms=origin_ms)

    def _pcm(self, data: bytes) -> bytes:
        return convert(data, self._format, AudioFormat("pcm16", self._format.sample_rate))

    def _turn(self, edge: Edge) -> None:
        at_ms = max(edge.at_ms, math.ceil(self._start_ms))
        if isinstance(edge, Started):
            self._item_id = self._wire.ids("item_")
            self._speech_ms = at_ms
            self._wire.event("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._item_id)
            self._turns.speech_started()
        elif self._item_id is not None:
            self._wire.event("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=self._item_id)
            self._cut(self._speech_ms)
            self._commit(bytes(self._data[: self._bytes_until(at_ms)]), at_ms)
            self._turns.turn_over()

    def _bytes_until(self, at_ms: float) -> int:
        return self._format.byte_count(at_ms - self._start_ms + ROUNDING_MS)

    def _cut(self, at_ms: float) -> None:
        """Forget the audio before `at_ms`."""
        if at_ms > self._start_ms:
            del self._data[: self._bytes_until(at_ms)]
            self._start_ms = at_ms

    def _forget(self) -> None:
        if not self.speaking and self.written_ms - self._start_ms > 2 * MAX_IDLE_MS:
            self._cut(self.written_ms - MAX_IDLE_MS)

    def _commit(self, data: bytes, end_ms: float) -> None:
        part = Part("input_audio", audio=bytearray(data), format=self._format)
        item = Item(self._item_id or self._wire.ids("item_"), role="user", parts=[part])
        self._item_id = None
        self._cut(end_ms)
        before = self._conversation.add(item)
        self._wire.event("input_audio_buffer.committed", previous_item_id=before, item_id=item.id)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._wire.event(kind, previous_item_id=before, item=item.wire())
        self.listen(item)

    # --------------------------------------------------------------------------------------------------- listening

    def _job(
        self,
        data: bytes,
        source: AudioFormat,
        deliver: Callable[[Any], None],
        done: Callable[[BaseException | None], None],
    ) -> None:
        listener, rate = self._wire.engines.listener, source.sample_rate

        def results() -> Iterator[str]:
            yield listener.transcribe(convert(data, source, AudioFormat("pcm16", rate)), sample_rate=rate)

        def over(error: BaseException | None) -> None:
            self._jobs.remove(job)
            done(error)
            self._wire.schedule.run()

        job = Job(results, deliver, over)
        self._jobs.append(job)
        self._wire.put(job)

    def _transcribe(self, item: Item, part: Part, transcription: JsonObject, error: BaseException | None) -> None:
        place = {"item_id": item.id, "content_index": item.parts.index(part)}
        if error is not None:
            message = f"The local listener failed: {error}"
            self._wire.event(
                f"{TRANSCRIPTION}.failed", **place, error={**GUESSED_TRANSCRIPTION_ERROR, "message": message}
            )
            return
        part.transcript = part.words
        self._more(item.id, part.words)
        self._partial = ""
        usage = transcription_usage(transcription["model"], part.audio_ms, part.words)
        self._wire.event(f"{TRANSCRIPTION}.completed", **place, transcript=part.words, usage=usage)

    def _more(self, item_id: str, words: str) -> None:
        """Deltas for the words that have not been sent yet; each begins with a space, which the transcript drops."""
        if not words.startswith(self._partial):
            return
        deltas = Deltas(self._wire, f"{TRANSCRIPTION}.delta", item_id=item_id, content_index=0)
        for word in words[len(self._partial) :].split():
            deltas.text(f" {word}")
        self._partial = words

    def _live(self) -> bool:
        transcription = self._listening["transcription"]
        return transcription is not None and transcription["model"] in LIVE_TRANSCRIPTION_MODELS

    def _listen_live(self) -> None:
        """Transcribe what is in the buffer so far, whole words only; not while that is under way or little is new."""
        if self._jobs or self.written_ms - max(self._partial_ms, self._start_ms) < PARTIAL_MS:
            return
        self._partial_ms = self.written_ms
        item_id = self._item_id = self._item_id or self._wire.ids("item_")

        def deliver(words: str) -> None:
            if item_id == self._item_id:
                self._more(item_id, " ".join(words.split()[:-1]))

        self._job(bytes(self._data), self._format, deliver, lambda error: None)


def transcription_usage(model: str, audio_ms: float, words: str) -> JsonObject:
    """What transcribing this much audio is billed: seconds, or tokens, as the model goes."""
    if model in DURATION_MODELS:
        return {"type": "duration", "seconds": math.ceil(audio_ms / 1000)}
    heard, written = math.ceil(audio_ms / INPUT_MS_PER_TOKEN), text_tokens(words)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": written,
    }
