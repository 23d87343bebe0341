"""What an emulator needs done and does not do itself: answer, speak, listen.

Engines are called in worker threads; they must be safe to call from several at once and should yield early and often,
since abandoning the iterator is how an answer is cut short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["Engines", "Listener", "Reply", "Responder", "Said", "ToolRequest", "Voice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing said so far. A tool's output has role "tool" and the tool's name; `images` counts pictures shown."""

    role: Literal["user", "assistant", "system", "tool"]
    text: str
    name: str | None = None
    images: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """A tool the answer wants run: `arguments` fits the tool's JSON schema."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: words, or tools to run first, or both (the words come first)."""

    text: str = ""
    tools: tuple[ToolRequest, ...] = ()


class Responder(Protocol):
    """Decides what to say. One with a true attribute `instant` answers at once, and may be asked on the loop itself."""

    def answer(
        self,
        conversation: Sequence[Said],
        *,
        instructions: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: Any = "auto",
    ) -> Reply:
        """The answer to the last thing said. `tools` are declarations: name, description, parameters (JSON schema)."""
        ...


class Voice(Protocol):
    """Says it aloud."""

    def speak(self, text: str, *, sample_rate: int, voice: str = "", speed: float = 1.0) -> Iterator[bytes]:
        """PCM16 little-endian mono at `sample_rate`, piece by piece, from the first sample to the last.

        Nothing to say yields nothing. The same text, rate, voice and speed give the same bytes.
        """
        ...


class Listener(Protocol):
    """Makes out what was said."""

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        """The words in PCM16 little-endian mono audio; "" when none could be made out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The set of engines that every emulator of one gateway shares."""

    responder: Responder
    voice: Voice
    listener: Listener
