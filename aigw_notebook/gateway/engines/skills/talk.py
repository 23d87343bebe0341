"""Small talk: greetings, thanks, who is speaking, and repeating what one is told to."""

from __future__ import annotations

import re

from .base import Asked, Match, by_pattern, fixed
from .memory import named

__all__ = ["ABILITIES", "small_talk"]

ABILITIES = (
    "questions about this toolkit, sums, dates, units, counting and spelling, what was said before, "
    "a few capitals and other facts, a story, a joke or a poem, and calling the tools you declare"
)
IDENTITY = (
    "I am a local emulator inside aigw_notebook, running on this machine; I am not the provider's model. "
    f"I answer by rules: {ABILITIES}."
)
_ROLE = re.compile(
    r"\b(?i:you are|you're|act as|act like|pretend to be|play the role of|play|be) (an? [\w -]{2,40}?|[A-Z][\w-]{1,20})"
    r"(?=[.,;:!?\n]| who\b| that\b| and\b| in\b|$)"
)
_PLAIN_ROLES = re.compile(r"\b(?:assistant|helpful|model|ai|bot|chatbot|voice|agent)\b", re.IGNORECASE)
_TOLD = r"(?:^|[,.!?:;]\s*)(?:(?:now|please|just|can you|could you|would you|will you)\s+)*"


def _role(asked: Asked) -> str | None:
    """Who the instructions want it to be, "a pirate"; None for a plain assistant."""
    found = _ROLE.search(asked.instructions)
    return found.group(1) if found and not _PLAIN_ROLES.search(found.group(1)) else None


def _identity(found: Match, asked: Asked) -> str:
    role = _role(asked)
    return f"I play {role} here. In truth: {IDENTITY}" if role else IDENTITY


def _hello(found: Match, asked: Asked) -> str:
    name, role = named(asked), _role(asked)
    who = f"I play {role} here, by rules" if role else "I am the local emulator"
    return f"Hello{f', {name}' if name else ''}! {who}. What can I do for you?"


def _thanks(found: Match, asked: Asked) -> str:
    name = named(asked)
    return f"You are welcome{f', {name}' if name else ''}."


def _bye(found: Match, asked: Asked) -> str:
    name = named(asked)
    return f"Goodbye{f', {name}' if name else ''}!"


def _repeat(found: Match, asked: Asked) -> str:
    said = asked.question[found.start(1) : found.end(1)].strip()
    quoted = re.match(r"[\"“']([^\"”]+)[\"”']", said)
    return quoted.group(1) if quoted else said


small_talk = by_pattern(
    (
        (_TOLD + r"(?:repeat after me|repeat|echo|say)\b[:,]?\s+(?:the words? |exactly )?[:,]?\s*(.*[^\s.!?:,].*)",
         _repeat),
        (r"\b(?:what|who) (?:are|r) you\b|\bare you (?:the |a |an )?(?:real|human|robot|ai|gpt|model|emulator)\b"
         r"|\bwhat(?:'s| is) your name\b|\bwhich model\b|\bwho am i (?:talking|speaking) (?:to|with)\b", _identity),
        (r"\bwhat can you do\b|\bwhat do you know\b|^\s*help\W*$", fixed(f"Locally I can do this: {ABILITIES}.")),
        (r"^\s*(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings)\b(?:[\s,]+\w+){0,2}\s*[.!?]*$", _hello),
        (r"\b(?:thanks|thank you)\b", _thanks),
        (r"^\s*(?:good)?\s*(?:bye|goodbye|see you)\b", _bye),
        (r"\bhow are you\b", fixed("I run well, thank you: locally, and by rules.")),
    )
)  # fmt: skip
"""Answers what is said for company."""
