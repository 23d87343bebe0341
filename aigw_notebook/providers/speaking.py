"""What a codec that only speaks keeps of each answer: the words it was given, and what has been told of them.

Such a protocol has no messages for the beginning of an answer and none for its words. Both are made here: the answer
begins with its first frame, and its words are those that were sent.
"""

from __future__ import annotations

from typing import Any

from ..audio.formats import AudioFormat
from ..events import AnyServerEvent, AudioDelta, OutputTranscript, ResponseDone, ResponseStarted, ResponseStatus

__all__ = ["Utterance"]


class Utterance:
    """One answer being spoken. `id` is its response, its item and the provider's own context.

    `closed` says that no more words will come for it, `cancelled` that this side asked to stop it. `audio_ms` is how
    much of it has been received.
    """

    def __init__(self, utterance_id: str, format: AudioFormat) -> None:
        self.id = utterance_id
        self.format = format
        self.begun = False
        self.closed = False
        self.cancelled = False
        self.audio_ms = 0.0
        self._untold: list[str] = []

    def say(self, text: str) -> None:
        """These words were sent to be spoken."""
        if text:
            self._untold.append(text)

    def heard(self, raw: Any, *events: AnyServerEvent) -> list[AnyServerEvent]:
        """The events of one frame, after the beginning of the answer and the words that nobody was told yet."""
        begin: list[AnyServerEvent] = [] if self.begun else [ResponseStarted(raw=raw, response_id=self.id)]
        self.begun = True
        if self._untold:
            words = "".join(self._untold)
            begin.append(OutputTranscript(raw=raw, text=words, response_id=self.id, item_id=self.id))
            self._untold.clear()
        return [*begin, *events]

    def sound(self, raw: Any, data: bytes) -> AudioDelta:
        """The event of the next piece of audio."""
        self.audio_ms += self.format.duration_ms(data)
        return AudioDelta(raw=raw, data=data, format=self.format, response_id=self.id, item_id=self.id)

    def over(self, raw: Any, *, code: str | None = None, error: str | None = None) -> list[AnyServerEvent]:
        """The events of its last frame: as completed, as cancelled when this side asked for that, or as failed."""
        status: ResponseStatus = "failed" if error is not None else "cancelled" if self.cancelled else "completed"
        done = ResponseDone(
            raw=raw,
            response_id=self.id,
            status=status,
            reason="client_cancelled" if status == "cancelled" else None,
            error_code=code,
            error_message=error,
        )
        return self.heard(raw, done)
