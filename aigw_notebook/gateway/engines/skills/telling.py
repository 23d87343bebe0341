"""Stories, jokes, poems and explanations: something long enough to be interrupted."""

from __future__ import annotations

from ..facts import EXPLANATIONS, JOKES, POEM, STORY
from .base import Asked, Match, by_pattern

__all__ = ["explain", "perform"]

MAX_SUBJECT_CHARS = 40


def _story(found: Match, asked: Asked) -> str:
    subject = found.group(1)
    subject = subject.strip()[:MAX_SUBJECT_CHARS] if subject else "a small fox"
    return " ".join(line.format(subject=subject) for line in STORY)


def _joke(found: Match, asked: Asked) -> str:
    told = sum(said.text.strip() in JOKES for said in asked.earlier if said.role == "assistant")
    return JOKES[told % len(JOKES)]


def _poem(found: Match, asked: Asked) -> str:
    return "\n".join(POEM)


def _explanation(found: Match, asked: Asked) -> str | None:
    words = asked.lowered
    return next((" ".join(lines) for keys, lines in EXPLANATIONS if any(key in words for key in keys)), None)


def _long(found: Match, asked: Asked) -> str:
    keys, lines = EXPLANATIONS[0]
    return _explanation(found, asked) or f"I know few things at length; this is about {keys[0]}. {' '.join(lines)}"


perform = by_pattern(
    (
        (r"\bstory\b(?:.*?\babout ((?:an? |the )?[\w ]{1,40}))?", _story),
        (r"\b(?:joke|make me laugh|something funny)\b", _joke),
        (r"\b(?:poem|rhyme|verse)\b", _poem),
        (r"^(?:please |can you |could you |now )*"
         r"(?:talk|speak|say something|tell me something|explain something|go on)\b"
         r"(?!.*\bhow\b).*\b(?:long|minutes?|while|at length)\b"
         r"|\b(?:give|tell|say|make|want|need|read)\b.*\blong (?:answer|explanation|text|speech|talk)\b", _long),
    )
)  # fmt: skip
"""A story, a joke, a poem, or something long."""

explain = by_pattern(
    ((r"\b(?:explain|describe|tell me about|how (?:do|does|is|are)|what (?:is|are|causes?)|why)\b", _explanation),)
)
"""Explains the few things there are words for."""
