"""Gemini Live: what the user says aloud, which the wire tells in words only, as events of utterances with ids.

The service promises no order between the words of the user and its answer to them. Words that come belong to the
utterance that is open: it stays open until it was answered and its words are known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..events import InputCommitted, InputTranscript, SpeechStarted, SpeechStopped
from .base import Ids

__all__ = ["Tell", "UserSpeech"]

Tell: TypeAlias = Callable[..., None]
"""Takes an event's class and its fields."""


@dataclass(slots=True)
class _Utterance:
    item_id: str
    words: list[str] = field(default_factory=list)
    committed: bool = False
    answered: bool = False
    final: bool = False


class UserSpeech:
    """The utterances of one session. With `automatic` the service finds their beginnings and ends by itself."""

    def __init__(self, tell: Tell, ids: Ids, *, automatic: bool) -> None:
        self._tell = tell
        self._ids = ids
        self._automatic = automatic
        self._open: _Utterance | None = None

    @property
    def unanswered(self) -> bool:
        """Whether something was heard that has no answer yet."""
        return self._open is not None and not self._open.answered

    def started(self, at_ms: float | None) -> None:
        """The service has told that the user began to speak."""
        self._open = _Utterance(self._ids("user_"))
        self._tell(SpeechStarted, at_ms=at_ms, item_id=self._open.item_id)

    def stopped(self, at_ms: float | None) -> None:
        """The service has told that the user fell silent."""
        if self._open is not None:
            self._tell(SpeechStopped, at_ms=at_ms, item_id=self._open.item_id)

    def heard(self, words: str, *, finished: bool) -> None:
        """More words of the user have come; with `finished` these were the last."""
        if self._open is None or self._open.final:
            self._open = self._new()
        if words:
            self._open.words.append(words)
            self._tell(InputTranscript, text=words, item_id=self._open.item_id)
        if finished:
            self._finish(self._open)

    def answered(self) -> None:
        """An answer to what was said aloud begins."""
        if self._open is None or self._open.answered:
            self._open = self._new()
        self._commit(self._open)
        self._open.answered = True

    def close(self) -> None:
        """The answer is over. Unless its words are still to come, so is the utterance."""
        if self._open is not None and self._open.answered and self._open.words:
            self._finish(self._open)
            self._open = None

    def _new(self) -> _Utterance:
        utterance = _Utterance(self._ids("user_"))
        if self._automatic:
            self._tell(SpeechStarted, item_id=utterance.item_id)
        else:
            self._commit(utterance)
        return utterance

    def _commit(self, utterance: _Utterance) -> None:
        if not utterance.committed:
            utterance.committed = True
            self._tell(InputCommitted, item_id=utterance.item_id)

    def _finish(self, utterance: _Utterance) -> None:
        if not utterance.final:
            utterance.final = True
            self._tell(InputTranscript, text="".join(utterance.words), item_id=utterance.item_id, final=True)
