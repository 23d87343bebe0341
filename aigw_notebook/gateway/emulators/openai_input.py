"""The input audio buffer: what is written to it, who ends the user's turn, and what was heard in it."""

from __future__ import annotations

import math
from typing import Protocol

from ...audio.convert import convert
from ...audio.formats import AudioFormat
from ..engines.bands import BandDetector, Edge, Started
from ..engines.endings import ending_of
from .hearing import Agreed, UserTurn
from .openai_items import INPUT_MS_PER_TOKEN, Conversation, Item, Part, text_tokens
from .openai_schema import Refusal
from .openai_session import LIVE_TRANSCRIPTION_MODELS, SEMANTIC_SILENCE_MS, JsonObject, audio_format
from .openai_wire import Deltas, Wire
from .stage import Stage

__all__ = ["InputAudio", "Turns", "transcription_usage"]

MIN_COMMIT_MS = 100
ROUNDING_MS = 1e-6
MAX_IDLE_MS = 60_000
"""While nobody speaks, older audio than this is forgotten: it keeps a long silence from filling the memory."""

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
        self._stage = Stage(
            put=wire.put,
            ids=wire.ids,
            clock=wire.clock,
            pace=wire.pace,
            engines=wire.engines,
            schedule=wire.schedule,
        )
        self._heard: UserTurn | None = None
        self._heard_ms = 0.0
        self._agreed = Agreed()
        self._listeners: list[UserTurn] = []
        self._detector: BandDetector | None = None
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
            self._unhear()
            self._format = audio_format(listening["format"])
        detection = listening["turn_detection"]
        if before.get("turn_detection", {}) != detection or before.get("format") != listening["format"]:
            self._detector = self._new_detector(detection)

    def append(self, data: bytes) -> None:
        """Take audio in the session's input format."""
        self._data += data
        if self._detector is not None:
            self._set_silence(self._detector)
            for edge in self._detector.feed(self._pcm(data)):
                self._turn(edge)
            self._forget()
        if self.speaking or self._detector is None:
            self._hear_until(self.written_ms)

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
        self._unhear()
        self._cut(self.written_ms)
        self._wire.event("input_audio_buffer.cleared")

    def time_out(self, since_ms: float) -> None:
        """Nobody has spoken for the idle time: commit an empty turn."""
        self._unhear()
        self._item_id = self._wire.ids("item_")
        span = {"audio_start_ms": round(since_ms), "audio_end_ms": round(self.written_ms)}
        self._wire.event("input_audio_buffer.timeout_triggered", **span, item_id=self._item_id)
        self._commit(b"", self.written_ms)

    def listen(self, item: Item, *, transcribe: bool = True) -> None:
        """Have the audio of `item` listened to; until then it is unheard. `transcribe`: the client may be told."""
        part = _audio_part(item)
        if part is None or part.format is None:
            return
        rate = part.format.sample_rate
        turn = UserTurn(self._stage, rate)
        self._listeners.append(turn)
        turn.hear(convert(bytes(part.audio), part.format, AudioFormat("pcm16", rate)))
        self._finish(turn, item, part, Agreed(), transcribe=transcribe)

    def close(self) -> None:
        """Cancel what still listens."""
        for turn in self._listeners:
            turn.stop()

    # ------------------------------------------------------------------------------------------------------- turns

    def _new_detector(self, detection: JsonObject | None) -> BandDetector | None:
        if detection is None:
            return None
        rate, origin_ms = self._format.sample_rate, self.written_ms
        if detection["type"] == "semantic_vad":
            return BandDetector(rate, origin_ms=origin_ms)
        settings = {name: detection[name] for name in ("threshold", "prefix_padding_ms", "silence_duration_ms")}
        return BandDetector(rate, **settings, origin_ms=origin_ms)

    def _set_silence(self, detector: BandDetector) -> None:
        """By meaning: the silence that ends the turn depends on how what was made out so far ends."""
        detection = self._listening["turn_detection"]
        if detection["type"] == "semantic_vad":
            words = self._heard.words if self._heard is not None else ""
            detector.silence_duration_ms = SEMANTIC_SILENCE_MS[detection["eagerness"]][ending_of(words)]

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
        if data:
            self._hear_until(end_ms)
        turn, agreed = self._heard, self._agreed
        self._heard, self._agreed = None, Agreed()
        self._cut(end_ms)
        before = self._conversation.add(item)
        self._wire.event("input_audio_buffer.committed", previous_item_id=before, item_id=item.id)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._wire.event(kind, previous_item_id=before, item=item.wire())
        if turn is not None:
            self._finish(turn, item, part, agreed)

    # --------------------------------------------------------------------------------------------------- listening

    def _hear_until(self, at_ms: float) -> None:
        """Have what was written before `at_ms` listened to, as far as it was not yet."""
        if self._heard is None:
            self._heard = UserTurn(self._stage, self._format.sample_rate, told=self._tell_live)
            self._listeners.append(self._heard)
            self._heard_ms = max(self._start_ms, self._speech_ms) if self.speaking else self._start_ms
        start, end = (self._bytes_until(ms) for ms in (max(self._heard_ms, self._start_ms), at_ms))
        self._heard_ms = max(self._heard_ms, at_ms)
        self._heard.hear(self._pcm(bytes(self._data[start:end])))

    def _unhear(self) -> None:
        if self._heard is not None:
            self._heard.stop()
            self._listeners.remove(self._heard)
        self._heard, self._agreed = None, Agreed()

    def _finish(self, turn: UserTurn, item: Item, part: Part, agreed: Agreed, *, transcribe: bool = True) -> None:
        """Have the last words made out; the item is unheard until then."""
        item.unheard = True

        def told(turn: UserTurn) -> None:
            if not turn.over:
                return
            self._listeners.remove(turn)
            item.unheard = False
            part.words = turn.words if turn.error is None else ""
            if transcribe and self._listening["transcription"] is not None:
                self._transcribe(item, part, agreed, turn.error)
            self._turns.heard()
            self._wire.schedule.run()

        turn.told = told
        turn.end()

    def _transcribe(self, item: Item, part: Part, agreed: Agreed, error: BaseException | None) -> None:
        place = {"item_id": item.id, "content_index": item.parts.index(part)}
        if error is not None:
            message = f"The local listener failed: {error}"
            self._wire.event(
                f"{TRANSCRIPTION}.failed", **place, error={**GUESSED_TRANSCRIPTION_ERROR, "message": message}
            )
            return
        part.transcript = part.words
        self._tell(item.id, agreed.rest(part.words))
        usage = transcription_usage(self._listening["transcription"]["model"], part.audio_ms, part.words)
        self._wire.event(f"{TRANSCRIPTION}.completed", **place, transcript=part.words, usage=usage)

    def _tell(self, item_id: str, words: list[str]) -> None:
        """A delta for each word; each begins with a space, which the transcript drops."""
        deltas = Deltas(self._wire, f"{TRANSCRIPTION}.delta", item_id=item_id, content_index=0)
        for word in words:
            deltas.text(f" {word}")

    def _tell_live(self, turn: UserTurn) -> None:
        """Some models transcribe before the commit, which only a client that ends its turns itself may ask of them."""
        transcription = self._listening["transcription"]
        if transcription is None or transcription["model"] not in LIVE_TRANSCRIPTION_MODELS or turn.over:
            return
        if self._detector is None and (words := self._agreed.more(turn.words)):
            self._item_id = self._item_id or self._wire.ids("item_")
            self._tell(self._item_id, words)


def _audio_part(item: Item) -> Part | None:
    return next((part for part in item.parts if part.kind == "input_audio" and part.audio), None)


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
