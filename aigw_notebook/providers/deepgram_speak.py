"""Deepgram speak v1 (aura): text in, raw audio out.

Wire facts: `docs/protocol/deepgram.md`. The provider speaks what it was given when it is told to flush, and says
`Flushed` after the last of it. An answer is what lies between; its words are those that were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..audio.formats import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, ULAW_8K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import (
    AppendText,
    CancelResponse,
    ClientEvent,
    CreateResponse,
    ProviderMessage,
    SessionOpened,
)
from . import reading as read
from .base import Ids, SessionSettings, raw_event
from .deepgram_codec import DeepgramCodec, Events, check_format
from .limits import check_modalities, check_voice, refuse_overrides
from .reading import WireObject
from .speaking import Utterance

__all__ = ["OUTPUT_FORMATS", "SpeakCodec"]

OUTPUT_FORMATS = (PCM16_24K, PCM16_8K, PCM16_16K, AudioFormat("pcm16", 32_000), PCM16_48K, ULAW_8K, ALAW_8K)
MODALITIES = (("audio",),)


class SpeakCodec(DeepgramCodec):
    """Speak v1. Answers are spoken in the order in which they were asked for."""

    title: ClassVar[str] = "Deepgram aura"
    takes: ClassVar[frozenset[str]] = frozenset({"voice", "modalities", "output_format"})
    voices: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        check_modalities(self.title, settings.modalities, known=MODALITIES)
        check_voice(self.title, settings.voice)
        self._format = check_format(self.title, settings.output_format, OUTPUT_FORMATS, "output_formats")
        self._unspoken: list[str] = []
        self._answers: list[Utterance] = []
        self._clearing = False
        self._odd = b""

    @property
    def input_format(self) -> AudioFormat:
        """Nothing is heard; the format of the output stands in."""
        return self._format

    @property
    def output_format(self) -> AudioFormat:
        """What `AudioDelta` carries."""
        return self._format

    # -------------------------------------------------------------------------------------- server to client

    def _on_metadata(self, message: WireObject) -> Events:
        return [SessionOpened(raw=message, session_id=read.text(message["request_id"]))]

    def _on_binary(self, data: bytes) -> Events:
        if self._clearing:
            return []  # what was under way when the answer was cancelled
        if not self._answers and not self._unspoken:
            return raw_event("binary", data)  # nothing was given to be spoken: an answer to it would never end
        data = self._odd + data
        whole = len(data) - len(data) % self._format.bytes_per_sample
        self._odd = data[whole:]
        if not whole:
            return []
        answer = self._current()
        return answer.heard(None, answer.sound(None, data[:whole]))

    def _current(self) -> Utterance:
        """The answer being spoken; the provider may begin before it is told to flush."""
        if not self._answers:
            self._answers.append(self._new_answer())
        return self._answers[0]

    def _new_answer(self) -> Utterance:
        answer = Utterance(self.ids("resp_"), self._format)
        answer.say(" ".join(self._unspoken))
        self._unspoken.clear()
        return answer

    def _on_flushed(self, message: WireObject) -> Events:
        read.integer(message["sequence_id"])
        self._odd = b""
        return self._answers.pop(0).over(message) if self._answers and not self._clearing else []

    def _on_cleared(self, message: WireObject) -> Events:
        read.integer(message["sequence_id"])
        self._clearing, self._odd = False, b""
        gone, self._answers = self._answers, []
        for answer in gone:
            answer.cancelled = True
        return [event for answer in gone for event in answer.over(message)]

    def _on_speak_warning(self, message: WireObject) -> Events:
        """A flush that the provider ignored (more than 20 in a minute) will never be answered."""
        code, words = read.text_or_none(message.get("code")), read.text(message["description"])
        if "flush" not in f"{code} {words}".lower() or not self._answers:
            return self._on_warning(message)
        return self._answers.pop().over(message, code=code, error=words)

    decoders: ClassVar[Mapping[str, Callable[[Any, WireObject], Events]]] = {
        "Metadata": _on_metadata,
        "Flushed": _on_flushed,
        "Cleared": _on_cleared,
        "Warning": _on_speak_warning,
        "Error": DeepgramCodec._on_error,
    }

    # -------------------------------------------------------------------------------------- client to server

    def _say_text(self, event: AppendText) -> None:
        if event.images:
            raise Unsupported(f"{self.title} takes no pictures: leave them out")
        if event.text.strip():
            self._unspoken.append(event.text)
            self._queue("Speak", text=event.text)

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(self.title, event)
        check_modalities(self.title, event.modalities, known=MODALITIES)
        if not self._unspoken and not any(not answer.closed for answer in self._answers):
            raise LocalProtocolError("there is nothing to speak: append some text first")
        answer = next((answer for answer in self._answers if not answer.closed), None) or self._new_answer()
        answer.closed = True
        if answer not in self._answers:
            self._answers.append(answer)
        self._queue("Flush")

    def _say_own(self, event: ProviderMessage) -> None:
        self._say_verbatim(event)
        words = event.message.get("text")
        if event.message.get("type") == "Speak" and isinstance(words, str) and words.strip():
            self._unspoken.append(words)

    def _say_cancel(self, event: CancelResponse) -> None:
        self._clearing = True
        self._unspoken.clear()
        self._queue("Clear")

    sayers: ClassVar[Mapping[type[ClientEvent], Callable[[Any, Any], None]]] = {
        AppendText: _say_text,
        CreateResponse: _say_create,
        CancelResponse: _say_cancel,
        ProviderMessage: _say_own,
    }
