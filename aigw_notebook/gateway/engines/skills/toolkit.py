"""Questions about the toolkit itself, answered from its FAQ."""

from __future__ import annotations

from ..faq import Entry
from ..retrieval import Found, faq_index
from .base import Asked

__all__ = ["explain_toolkit", "guess_toolkit"]

SURE, LIKELY = 0.62, 0.35
"""Scores from which the nearest entry is the answer, and from which it is offered with two others."""


def explain_toolkit(asked: Asked) -> str | None:
    """The answer of the entry that the question surely means."""
    found = faq_index().find(asked.question, 1)
    return _answer(found[0].entry) if found and found[0].score >= SURE else None


def guess_toolkit(asked: Asked) -> str | None:
    """The answer of the entry it may mean, with the two that come next."""
    found = faq_index().find(asked.question)
    if not found or found[0].score < LIKELY:
        return None
    return _answer(found[0].entry, found[1:])


def _answer(entry: Entry, others: list[Found] | None = None) -> str:
    others = others or []
    offered = f" If you meant something else: {' '.join(one.entry.title for one in others)}" if others else ""
    code = f"\n\n```\n{entry.code}\n```" if entry.code else ""
    return f"{entry.answer}{offered}{code}"
