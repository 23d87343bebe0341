"""Gemini Live: what the user says, on its way to being an entry of the conversation."""

from __future__ import annotations

from collections.abc import Callable

from ...audio.formats import PCM16_16K
from .google_conversation import Entry
from .hearing import Agreed, UserTurn
from .stage import Stage

__all__ = ["Utterance"]


class Utterance:
    """Sound whose words are put into `entry`, which is unheard until then.

    `tell` gets an increment for every word; joined without a separator they are the text. A word goes out as soon as
    two guesses agree on it, so a later one that knows better cannot change it.
    """

    def __init__(self, stage: Stage, entry: Entry, tell: Callable[[str], None] | None) -> None:
        self.entry = entry
        self._tell = tell
        self._agreed = Agreed()
        self._turn = UserTurn(stage, PCM16_16K.sample_rate, told=self._told)
        entry.unheard += 1

    def hear(self, pcm16: bytes) -> None:
        """More of it, at 16 kHz."""
        self.entry.audio_ms += PCM16_16K.duration_ms(len(pcm16))
        self._turn.hear(pcm16)

    def end(self) -> None:
        """That was all of it."""
        self._turn.end()

    def stop(self) -> None:
        """Nobody wants the words any more."""
        self._turn.stop()

    def _told(self, turn: UserTurn) -> None:
        first = not self._agreed.told
        words = self._agreed.rest(turn.words) if turn.over else self._agreed.more(turn.words)
        if self._tell is not None:
            for number, word in enumerate(words):
                self._tell(word if first and not number else f" {word}")
        if turn.over:
            self.entry.unheard -= 1
            self.entry.text = f"{self.entry.text} {turn.words}".strip()
