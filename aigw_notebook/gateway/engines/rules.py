"""The local answerer without the toolkit's FAQ and without guesses: rules alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .responder import LocalResponder
from .skills import SKILLS
from .skills.toolkit import explain_toolkit

__all__ = ["RuleResponder"]


class RuleResponder(LocalResponder):
    """Answers at once, always in the same way, and only what a rule knows for sure; it calls tools without a word."""

    def __init__(self, now: Callable[[], datetime] = datetime.now) -> None:
        rules = [skill for skill in SKILLS if skill is not explain_toolkit]
        super().__init__(now, skills=rules, guesses=(), announces=False)
