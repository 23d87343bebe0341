"""What an emulator needs done and does not do itself: answer, speak, listen.

Engines are called in worker threads; they must be safe to call from several at once and should yield early and often,
since abandoning the iterator is how an answer is cut short.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = [
    "JOBS",
    "EngineInfo",
    "Engines",
    "Hearing",
    "Listener",
    "Reply",
    "Responder",
    "Said",
    "Sound",
    "ToolRequest",
    "Voice",
]

JOBS = ("answers", "voice", "listening")
"""What `EngineInfo.job` may be: the parts of `Engines`, in words."""

_CODE = re.compile(r"\n*```.*?(?:```|$)", re.DOTALL)

MAX_HEARING_S = 600
"""So much of one turn is kept for a listener that hears it at once; what comes after is not heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine is, for whoever asks: every engine has one as its attribute `about`.

    `install` is the command that gets a better engine for the job; "" when there is none. `placeholder` says that the
    engine only stands in for one: chords for a voice.
    """

    job: str
    name: str
    version: str
    licence: str
    note: str = "local, not the provider's model"
    install: str = ""
    placeholder: bool = False


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
    """An answer: words, or tools to run first, or both (the words come first). Code stands in fences of ```."""

    text: str = ""
    tools: tuple[ToolRequest, ...] = ()

    @property
    def spoken(self) -> str:
        """The words without the code: what is said of it aloud."""
        return _CODE.sub("", self.text).strip() or self.text


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


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of speech: by its end the first `end_char` characters of the text have been spoken."""

    pcm16: bytes
    end_char: int


class Voice(ABC):
    """Says it aloud.

    An engine has an attribute `about: EngineInfo`, and a `warm_up` that takes what the first call would otherwise
    wait for; it is called in a worker thread, and may be called twice.
    """

    about: EngineInfo

    @abstractmethod
    def say(self, text: str, *, sample_rate: int, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """The text as sound, piece by piece: PCM16 little-endian mono at `sample_rate`.

        `end_char` never falls; what the voice leaves out of the text is counted with what it says before or after.
        Nothing to say yields nothing. The same text, rate, voice and speed give the same bytes on the same machine.
        """

    def speak(self, text: str, *, sample_rate: int, voice: str = "", speed: float = 1.0) -> Iterator[bytes]:
        """Only the sound of `say`."""
        for sound in self.say(text, sample_rate=sample_rate, voice=voice, speed=speed):
            yield sound.pcm16

    def warm_up(self) -> None:
        """Be ready to speak at once."""


class Hearing(Protocol):
    """One turn of the user, made out while it is spoken. Not thread-safe: one caller feeds it."""

    def hear(self, pcm16: bytes) -> str:
        """Take the next audio; the words so far, which may still change."""
        ...

    def finish(self) -> str:
        """The words of the whole turn; "" when none could be made out. Nothing may be fed any more."""
        ...


class Listener(ABC):
    """Makes out what was said. `about` and `warm_up` are as a voice's."""

    about: EngineInfo

    @abstractmethod
    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        """The words in PCM16 little-endian mono audio; "" when none could be made out."""

    def listen(self, *, sample_rate: int) -> Hearing:
        """Listen to a turn as it is spoken. Unless the engine knows better, words come only at its end."""
        return _HeardAtOnce(self, sample_rate)

    def warm_up(self) -> None:
        """Be ready to listen at once."""


class _HeardAtOnce:
    """Keeps the turn's audio, at most `MAX_HEARING_S` of it, and transcribes it at the end."""

    def __init__(self, listener: Listener, sample_rate: int) -> None:
        self._listener = listener
        self._sample_rate = sample_rate
        self._audio = bytearray()
        self._left = 2 * sample_rate * MAX_HEARING_S

    def hear(self, pcm16: bytes) -> str:
        taken = pcm16[: self._left]
        self._audio += taken
        self._left -= len(taken)
        return ""

    def finish(self) -> str:
        return self._listener.transcribe(bytes(self._audio), sample_rate=self._sample_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The set of engines that every emulator of one gateway shares."""

    responder: Responder
    voice: Voice
    listener: Listener

    def describe(self) -> list[dict[str, str]]:
        """One row for each job: which engine does it, its version and licence, and what to install for a better one."""
        parts = zip(JOBS, (self.responder, self.voice, self.listener), strict=True)
        return [_row(job, getattr(engine, "about", None), type(engine).__name__) for job, engine in parts]

    def warm_up(self) -> None:
        """Have every engine that takes long to begin get ready; may take a second."""
        for engine in (self.voice, self.listener, self.responder):
            getattr(engine, "warm_up", _nothing)()


def _row(job: str, about: EngineInfo | None, name: str) -> dict[str, str]:
    known = about or EngineInfo(job=job, name=name, version="", licence="")
    return {
        "job": job,
        "engine": known.name,
        "version": known.version or "built in",
        "licence": known.licence,
        "note": known.note,
        "for better": known.install,
    }


def _nothing() -> None:
    """For engines that have nothing to get ready."""
