"""What a skill is asked, and what it is: one function that answers what it knows and leaves the rest to others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

from ..arithmetic import number_words_to_digits
from ..base import Said

__all__ = ["Asked", "Match", "Rule", "Skill", "by_pattern", "fixed"]

Match: TypeAlias = "re.Match[str]"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question with all that was said before it. `question` is of bounded length and has no outer blanks."""

    question: str
    conversation: Sequence[Said] = ()
    instructions: str = ""
    now: datetime

    @cached_property
    def lowered(self) -> str:
        """The question in lower case."""
        return self.question.lower().replace("’", "'")

    @cached_property
    def spoken(self) -> str:
        """The question as one who hears it has it: lower case, numbers as digits, no punctuation but in numbers."""
        text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", number_words_to_digits(self.lowered))
        return " ".join(re.sub(r"(?<!\d)[.,]|[.,](?!\d)|[^\w\s.,'/%°+-]", " ", text).split())

    @cached_property
    def earlier(self) -> tuple[Said, ...]:
        """What user and assistant said before this question, in order."""
        said = [one for one in self.conversation if one.role in ("user", "assistant") and one.text.strip()]
        last = next((n for n in range(len(said) - 1, -1, -1) if said[n].role == "user"), len(said))
        return tuple(said[:last])


Skill: TypeAlias = Callable[[Asked], str | None]
"""Answers a question, or None when it is none of its own."""

Rule: TypeAlias = Callable[[Match, Asked], str | None]


def by_pattern(rules: Iterable[tuple[str, Rule]]) -> Skill:
    """A skill that asks the rules whose pattern is found in the lower-case question, in order, until one answers."""
    compiled = tuple((re.compile(pattern), rule) for pattern, rule in rules)

    def skill(asked: Asked) -> str | None:
        answers = (rule(found, asked) for pattern, rule in compiled if (found := pattern.search(asked.lowered)))
        return next((text for text in answers if text), None)

    return skill


def fixed(text: str) -> Rule:
    """A rule that always says the same."""
    return lambda found, asked: text
