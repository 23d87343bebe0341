"""Gemini Live: the user's audio on its way to being an utterance, ended by the service or by the client."""

from __future__ import annotations

import re
from typing import Protocol

from ...audio.convert import Converter
from ...audio.formats import PCM16_16K, AudioFormat
from ..engines.bands import BandDetector, Started
from .google_setup import Setup
from .google_wire import INVALID, Refusal

__all__ = ["Listening", "SpokenInput"]

MAX_SILENCE_MS = 2_000.0
"""While nobody speaks, older audio than this is forgotten."""

_RATE = re.compile(r"rate=(\d{4,6})\b")


class Listening(Protocol):
    """Who is told what the user does."""

    def activity_started(self) -> None:
        """The user has begun to speak."""

    def utterance_goes_on(self, pcm16: bytes) -> None:
        """The user has spoken: this, at 16 kHz."""

    def utterance_ended(self) -> None:
        """The user has said what there was to say."""


class SpokenInput:
    """The audio of one session. Times are ms of audio since the session began."""

    def __init__(self, setup: Setup, listening: Listening) -> None:
        self._setup = setup
        self._listening = listening
        self._data = bytearray()
        self._start_ms = 0.0
        self._active = False
        self._converter: Converter | None = None
        self._detector = self._new_detector()

    def append(self, data: bytes, mime_type: str) -> None:
        """More audio, PCM16 at the rate that its MIME type names (16 kHz if it names none)."""
        pcm16 = self._at_16k(data, mime_type)
        if self._detector is None:
            if self._active:
                self._listening.utterance_goes_on(pcm16)
            return
        self._data += pcm16
        for edge in self._detector.feed(pcm16):
            self._start(edge.at_ms) if isinstance(edge, Started) else self._end(edge.at_ms)
        if self._detector.speaking:
            self._tell(self._written_ms)
        else:
            self._cut(self._written_ms - MAX_SILENCE_MS)

    def end_stream(self) -> None:
        """The microphone is off: what is being said is over."""
        if self._detector is None:
            raise Refusal(1007, INVALID)
        if self._detector.speaking:
            self._end(self._written_ms)
        self._cut(self._written_ms)
        self._detector = self._new_detector()

    def start_activity(self) -> None:
        """The client says that the user begins."""
        if self._detector is not None:
            raise Refusal(1007, INVALID)
        self._active = True
        self._listening.activity_started()

    def end_activity(self) -> None:
        """The client says that the user is done."""
        if self._detector is not None or not self._active:
            raise Refusal(1007, INVALID)
        self._active = False
        self._listening.utterance_ended()

    @property
    def _written_ms(self) -> float:
        return self._start_ms + PCM16_16K.duration_ms(len(self._data))

    def _new_detector(self) -> BandDetector | None:
        setup = self._setup
        if not setup.automatic:
            return None
        return BandDetector(
            PCM16_16K.sample_rate,
            threshold=setup.threshold,
            prefix_padding_ms=setup.prefix_padding_ms,
            silence_duration_ms=setup.silence_duration_ms,
            origin_ms=self._written_ms,
        )

    def _at_16k(self, data: bytes, mime_type: str) -> bytes:
        if not mime_type.lower().startswith("audio/pcm"):
            raise Refusal(1007, INVALID)
        named = _RATE.search(mime_type)
        source = AudioFormat("pcm16", int(named.group(1)) if named else PCM16_16K.sample_rate)
        if self._converter is None or self._converter.source != source:
            self._converter = Converter(source, PCM16_16K)
        return self._converter.process(data)

    def _start(self, at_ms: float) -> None:
        self._cut(at_ms)
        self._listening.activity_started()

    def _end(self, at_ms: float) -> None:
        self._tell(at_ms)
        self._listening.utterance_ended()

    def _tell(self, until_ms: float) -> None:
        """Pass on the audio before `until_ms`."""
        self._listening.utterance_goes_on(self._cut(until_ms))

    def _cut(self, at_ms: float) -> bytes:
        """The audio before `at_ms`; it is kept no longer."""
        cut = bytes(self._data[: PCM16_16K.byte_count(max(0.0, at_ms - self._start_ms))])
        self._start_ms += PCM16_16K.duration_ms(len(cut))
        del self._data[: len(cut)]
        return cut
