"""The user's voice on its way out: chunked, converted, sent with back-pressure, and kept for the records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import ConfigurationError
from ..events import AppendAudio, ClearAudio, ClientEvent, CommitAudio, SessionUpdate, SpeechStarted, SpeechStopped
from ..providers.base import Codec, TurnDetection
from ..transcript import Transcript
from .user_input import AudioRing, StreamConverter, audio_chunks

__all__ = ["VoiceInput"]


class VoiceInput:
    """Sends the user's audio in the session's input format and writes it to the transcript.

    Where the provider ends the turns, only what it marked as speech is kept; where the caller does, everything is.
    `automatic` gives the turn detection in force, None where the caller ends turns; `can_switch` says that a running
    session can change it. `send` queues a client event, `send_slowly` does so with back-pressure.
    """

    def __init__(
        self,
        codec: Codec,
        transcript: Transcript,
        *,
        automatic: Callable[[], TurnDetection | None],
        can_switch: bool,
        send: Callable[[ClientEvent], object],
        send_slowly: Callable[[ClientEvent], Awaitable[object]],
        now_ms: Callable[[], float],
    ) -> None:
        self._codec = codec
        self._transcript = transcript
        self._automatic = automatic
        self._can_switch = can_switch
        self._send = send
        self._send_slowly = send_slowly
        self._now_ms = now_ms
        self._convert = StreamConverter(codec.input_format)
        self._ring = AudioRing(codec.input_format)
        self._speech_ms: float | None = None
        self._kept_ms = 0.0
        self._committed_ms = 0.0

    @property
    def answered_unasked(self) -> bool:
        """Whether the provider alone ends the user's turns, and answers each by itself."""
        return self._automatic() is not None and not self._can_switch

    async def utterance(self, sound: Any, sample_rate: int | None) -> None:
        """Send one whole utterance and end it, whoever ends turns otherwise."""
        self._follow_format()
        automatic = self._automatic() if self._can_switch else None
        if automatic is not None:
            self._send(SessionUpdate(changes={"turn_detection": TurnDetection(mode="manual")}))
        try:
            await self._send_all(sound, sample_rate)
            self._send(CommitAudio())
        except BaseException:
            self._send(ClearAudio())  # half an utterance must not become the beginning of the next
            raise
        finally:
            if automatic is not None:
                self._send(SessionUpdate(changes={"turn_detection": automatic}))

    async def _send_all(self, sound: Any, sample_rate: int | None) -> None:
        before_ms = self._ring.length_ms
        async for data in audio_chunks(sound, self._codec.input_format, sample_rate=sample_rate):
            await self._keep_and_send(data)
        if self._ring.length_ms <= before_ms:
            raise ConfigurationError("the audio is empty: give a clip, an array or a stream with some sound in it")

    async def chunk(self, chunk: Any, sample_rate: int | None) -> None:
        """Send one chunk of a running microphone."""
        self._follow_format()
        data = self._convert(chunk, sample_rate)
        if self._automatic() is None:
            await self._keep_and_send(data)
        elif data:
            self._ring.append(data, self._now_ms())
            await self._send_slowly(AppendAudio(data=data))

    async def commit(self) -> None:
        """End the utterance of a running microphone; `ConfigurationError` when nothing was sent since the last."""
        await self._keep_and_send(self._convert.flush())
        if self._automatic() is None and self._ring.length_ms <= self._committed_ms:
            raise ConfigurationError("nothing was said since the last commit: call send_audio first")
        self._send(CommitAudio())
        self._committed_ms = self._ring.length_ms

    def on_speech_started(self, event: SpeechStarted) -> None:
        """Remember where in the sent audio the speech began, and write down when that was."""
        self._speech_ms = event.at_ms
        began_ms = None if event.at_ms is None else self._ring.spoken_ms(event.at_ms)
        if began_ms is not None:
            self._transcript.user_spoke(began_ms, self._now_ms())

    def on_speech_stopped(self, event: SpeechStopped) -> None:
        """Keep the audio that the provider took for speech."""
        if self._speech_ms is None or event.at_ms is None:
            return
        data = self._ring.between(max(self._speech_ms, self._kept_ms), event.at_ms)
        if data:
            self._transcript.user_audio(data, self._codec.input_format, self._now_ms())

    def _follow_format(self) -> None:
        """Begin anew when the session's input format is another than it was: some providers tell theirs late."""
        if self._ring.format != self._codec.input_format:
            self._convert = StreamConverter(self._codec.input_format)
            self._ring = AudioRing(self._codec.input_format)
            self._kept_ms = self._committed_ms = 0.0

    async def _keep_and_send(self, data: bytes) -> None:
        if data:
            self._ring.append(data, self._now_ms())  # the provider's times count all that it was sent
            self._kept_ms = self._ring.length_ms
            self._transcript.user_audio(data, self._codec.input_format, self._now_ms())
            await self._send_slowly(AppendAudio(data=data))
