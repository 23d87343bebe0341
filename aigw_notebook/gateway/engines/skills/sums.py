"""Sums, in signs or in words."""

from __future__ import annotations

import re

from ..arithmetic import NotASum, evaluate, find_sum, plain_number
from .base import Asked

__all__ = ["work_out"]


def work_out(asked: Asked) -> str | None:
    """The value of the sum in the question."""
    signs = find_sum(asked.question)
    if signs is None:
        return None
    said = _readable(signs)
    try:
        return f"{said[:1].upper()}{said[1:]} is {plain_number(evaluate(signs))}."
    except NotASum as error:
        return f"I understood the sum {said}, but {error}."


def _readable(signs: str) -> str:
    text = re.sub(r"\(([\d.]+) \*\* 0\.5\)", r"the square root of \1", signs)
    text = re.sub(r"(?<=[\d)])\s*(\*\*|[-+*/%])\s*", r" \1 ", text)
    return re.sub(r"\s+", " ", text.replace("**", "to the power of").replace(" * ", " × ")).strip()
