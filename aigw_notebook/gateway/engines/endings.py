"""Whether what was made out so far sounds like a finished thought: by its last words alone, and often wrongly.

No grammar and no melody of the voice: a sentence that breaks off after a preposition, an article or a conjunction is
unfinished; one whose verb stands last may go on; anything else counts as finished once it is long enough to be a
thought, or is one of the words that are one by themselves. A recognizer's full stop is not trusted, for it writes one
wherever the sound ends. English only.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Ending", "ending_of"]

Ending: TypeAlias = Literal["finished", "unclear", "unfinished"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


DANGLING = _set(
    "a an the this that these those my your our their his its some any every each no "
    "and or but because so if when while although unless until than as since whether "
    "of to in on at by for from with without into onto about between through under over during against "
    "is are was were am be been has have had do does did can could will would shall should may might must "
    "i i'm i'd i'll we you're they he she "
    "very really more most just only also like um uh er hmm well"
)
"""Nobody's last words."""

WHOLE = _set(
    "yes no yeah nope okay ok sure right stop wait hello hi hey thanks thank goodbye bye please help why what who when "
    "where how never always maybe nothing none exactly correct continue next again"
)
"""A thought by themselves."""

BEFORE_A_VERB = _set("i you we they he she it to can could will would please let's")
"""After these the last word is a verb, whose object may still come."""

ENOUGH_WORDS = 4


def ending_of(words: str) -> Ending:
    """How the words so far end. Nothing made out is unclear."""
    said = [word.strip(".,?!;:…\"'-").lower() for word in words.split()]
    said = [word for word in said if word]
    if not said:
        return "unclear"
    if len(said) == 1 and said[0] in WHOLE:
        return "finished"
    if said[-1] in DANGLING or words.rstrip().endswith(("...", "…", ",", "-", ":")):
        return "unfinished"
    if len(said) < ENOUGH_WORDS or said[-2] in BEFORE_A_VERB:
        return "unclear"
    return "finished"
