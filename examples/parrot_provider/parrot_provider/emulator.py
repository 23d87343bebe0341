"""The parrot itself, for the embedded gateway. It is written from the README and knows nothing of the codec."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, ClassVar

from aigw_notebook.gateway.emulators.base import Emulator, Handshake, Refused
from aigw_notebook.providers.base import Message

__all__ = ["EMULATOR", "Parrot"]

SPECIES = ("grey", "macaw")


class Parrot(Emulator):
    """One connection to one parrot: it says the words one by one, at the gateway's pace."""

    routes: ClassVar[tuple[str, ...]] = ("parrot",)

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._answer: str | None = None
        self._words: deque[str] = deque()
        self._asked: deque[str] = deque()
        self._due_ms = 0.0

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        """There is no other species."""
        if handshake.query.get("species") in SPECIES:
            return None
        return Refused(status=404, body=b'{"error": "there is no such parrot"}')

    @property
    def next_wake_ms(self) -> float | None:
        """When the next word is said."""
        return None if self._answer is None else self._due_ms

    def open(self) -> None:
        """Greet."""
        self._say("hello", id=self.ids("parrot_"))

    def receive(self, message: Message) -> None:
        """Take one message; what is asked while another answer runs waits for its end."""
        try:
            asked = json.loads(message)
            kind, text = asked["type"], asked.get("text")
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
            kind, text = None, None
        if kind == "say" and isinstance(text, str):
            self._asked.append(text)
            self._begin()
        elif kind == "hush":
            self._end(hushed=True)
        else:
            self._say("error", message="a parrot knows 'say' with a text, and 'hush'")

    def wake(self) -> None:
        """Say the next word, or end."""
        if self._answer is None or self.clock() < self._due_ms:
            return
        if self._words:
            self._say("word", id=self._answer, text=self._words.popleft())
            self._due_ms = self.clock() + self.pace.text_delta_ms
        else:
            self._end(hushed=False)

    def _begin(self) -> None:
        if self._answer is None and self._asked:
            words = self._asked.popleft().split()
            self._words.extend(word if at == 0 else f" {word}" for at, word in enumerate(words))
            self._answer = self.ids("answer_")
            self._due_ms = self.clock() + self.pace.first_token_ms
            self._say("begin", id=self._answer)

    def _end(self, *, hushed: bool) -> None:
        if self._answer is not None:
            self._say("end", id=self._answer, hushed=hushed)
            self._answer = None
            self._words.clear()
            self._begin()

    def _say(self, kind: str, **fields: Any) -> None:
        self._out.append(json.dumps({"type": kind, **fields}))


EMULATOR = Parrot
