"""What a conversation's codec keeps of the agent's answer that is under way, and how its end is found out."""

from __future__ import annotations

from typing import Any

from ..audio.formats import AudioFormat
from ..events import AudioDelta, ResponseDone, ResponseStarted, ResponseStatus, WordTimings

__all__ = ["Answer"]

TAIL_CHARS = 12


class Answer:
    """One answer of the agent's. `event_id` is the wire's number of the turn, which several answers may share.

    `text` is all of its words, once they are known. In writing, `parts` and `stopped` say that its pieces have begun
    and ended.
    """

    def __init__(self, event_id: int, response_id: str, item_id: str) -> None:
        self.event_id = event_id
        self.response_id = response_id
        self.item_id = item_id
        self.text = ""
        self.parts = False
        self.stopped = False
        self.tools = 0
        self.audio_ms = 0.0
        self._spoken = ""

    @property
    def place(self) -> dict[str, Any]:
        """The ids that its events carry."""
        return {"response_id": self.response_id, "item_id": self.item_id}

    @property
    def is_heard(self) -> bool:
        """Whether the letters that were spoken so far are all those of its text, as far as letters were told.

        Spoken letters may be spelt out ("17" as "seventeen"), so they must be as many at least and end alike.
        """
        wanted = _letters(self.text)
        return bool(wanted) and len(self._spoken) >= len(wanted) and self._spoken.endswith(wanted[-TAIL_CHARS:])

    @property
    def only_calls(self) -> bool:
        """Whether it has tool calls, and neither words nor sound."""
        return bool(self.tools) and not self.text and not self.audio_ms and not self.parts

    def started(self, raw: Any) -> ResponseStarted:
        """The event of its beginning."""
        return ResponseStarted(raw=raw, response_id=self.response_id)

    def sound(self, raw: Any, data: bytes, format: AudioFormat) -> AudioDelta:
        """The event of the next piece of audio."""
        self.audio_ms += format.duration_ms(data)
        return AudioDelta(raw=raw, data=data, format=format, **self.place)

    def timings(
        self, raw: Any, letters: tuple[str, ...], start_ms: tuple[float, ...], lasts_ms: tuple[float, ...]
    ) -> WordTimings:
        """The event of when letters are spoken, which the wire counts from the start of the next piece of audio."""
        self._spoken += _letters("".join(letters))
        begins = tuple(self.audio_ms + start for start in start_ms)
        ends = tuple(begin + lasts for begin, lasts in zip(begins, lasts_ms, strict=True))
        return WordTimings(raw=raw, words=letters, start_ms=begins, end_ms=ends, unit="character", **self.place)

    def done(self, raw: Any, status: ResponseStatus = "completed", reason: str | None = None) -> ResponseDone:
        """The event of its end."""
        return ResponseDone(raw=raw, response_id=self.response_id, status=status, reason=reason)


def _letters(text: str) -> str:
    return "".join(text.lower().split())
