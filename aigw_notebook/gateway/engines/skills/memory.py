"""What was said before: by whom, first, last, about what; names, numbers and facts the user gave."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..arithmetic import number_words_to_digits
from ..base import Said
from ..words import content_words, stems
from .base import Asked, Match, by_pattern

__all__ = ["named", "remember"]

_ASKED = r"(?:said|say|asked|ask|told|tell|answered|answer)"
_NAMES = re.compile(r"\b(?:my name is|my name's|call me|i am called) ([^\W\d_][\w'-]*)", re.IGNORECASE)
_MINE = re.compile(r"\bmy ((?:[a-z]+ ){1,3}?)(?:is|are|was) (?!called\b)([^.!?;]+)", re.IGNORECASE)
_NOT_NAMES = {"a", "an", "the", "back", "later", "when", "if", "what", "is"}


def _lines(asked: Asked, role: str) -> list[str]:
    return [said.text.strip() for said in asked.earlier if said.role == role]


def _quoted(role: str, text: str) -> str:
    return f"{'I' if role == 'assistant' else 'You'} said: “{text}”"


def _nothing(role: str) -> str:
    return f"{'I have' if role == 'assistant' else 'You have'} not said anything before that."


def _role(word: str) -> str:
    return "assistant" if word == "you" else "user"


def _last(found: Match, asked: Asked) -> str:
    role = _role(found.group(1))
    lines = _lines(asked, role)
    return _quoted(role, lines[-1]) if lines else _nothing(role)


def _first(found: Match, asked: Asked) -> str:
    role = _role(next((word for word in found.groups() if word), "i"))
    lines = _lines(asked, role)
    return _quoted(role, lines[0]) if lines else _nothing(role)


def _about(found: Match, asked: Asked) -> str | None:
    role = _role(found.group(1))
    wanted = set(content_words(stems(found.group(2))))
    lines = [text for text in reversed(_lines(asked, role)) if wanted & set(content_words(stems(text)))]
    return _quoted(role, lines[0]) if lines else f"I find nothing about {found.group(2).strip(' ?.!')} before."


def _who(found: Match, asked: Asked) -> str | None:
    wanted = content_words(stems(found.group(1)))
    for said in reversed(asked.earlier):
        if wanted and set(wanted) <= set(content_words(stems(said.text))):
            return f"{'I' if said.role == 'assistant' else 'You'} did: “{said.text.strip()}”"
    return None


def _again(found: Match, asked: Asked) -> str:
    answers = _lines(asked, "assistant")
    return answers[-1] if answers else "I have not said anything yet."


def named(asked: Asked) -> str | None:
    """The name the user gave last, in this question too."""
    texts = [asked.question, *reversed(_lines(asked, "user")), asked.instructions]
    names = (found.group(1) for text in texts for found in _NAMES.finditer(text))
    name = next((name for name in names if name.lower() not in _NOT_NAMES), None)
    return name[:1].upper() + name[1:] if name else None


def _name(found: Match, asked: Asked) -> str:
    name = named(asked)
    return f"Your name is {name}." if name else "You have not told me your name."


def _introduced(found: Match, asked: Asked) -> str | None:
    name = named(asked)
    return f"Hello, {name}! I will remember your name in this conversation." if name else None


def _number(found: Match, asked: Asked) -> str:
    for text in reversed(_lines(asked, "user")):
        numbers = re.findall(r"\d+(?:\.\d+)?", number_words_to_digits(text))
        if numbers and not re.search(r"\bhow (?:much|many)\b", text.lower()):
            return f"You told me {' and '.join(numbers)}."
    return "You have not told me a number."


def _facts(asked: Asked) -> Iterator[tuple[str, str]]:
    for text in (asked.question, *reversed(_lines(asked, "user"))):
        yield from ((what.strip().lower(), value.strip()) for what, value in _MINE.findall(text))


def _mine(found: Match, asked: Asked) -> str | None:
    wanted = found.group(1).strip()
    value = next((value for what, value in _facts(asked) if what == wanted), None)
    return f"Your {wanted} is {value}." if value else None


def _noted(found: Match, asked: Asked) -> str | None:
    said = _MINE.search(asked.question)
    return f"I will remember that your {said.group(1).strip()} is {said.group(2).strip()}." if said else None


def _kept(found: Match, asked: Asked) -> str:
    return "I will remember it in this conversation."


def _to_remember(found: Match, asked: Asked) -> str:
    lines = [text for text in reversed(_lines(asked, "user")) if re.search(r"\bremember\b", text, re.IGNORECASE)]
    return _quoted("user", lines[0]) if lines else "You have not asked me to remember anything."


def _how_many(found: Match, asked: Asked) -> str:
    count = len(_lines(asked, "user"))
    return f"Before this one you have said {count} {'thing' if count == 1 else 'things'}."


def _summary(found: Match, asked: Asked) -> str:
    said: list[Said] = [one for one in asked.earlier if one.role == "user"][-6:]
    if not said:
        return "Nothing has been said yet."
    return "You said, in this order: " + "; ".join(f"“{one.text.strip()[:80]}”" for one in said) + "."


remember = by_pattern(
    (
        (rf"\bwhat (?:did|have|had|was it) (i|you) (?:just |ever )?{_ASKED}(?: you| me)?(?: at)?(?: the)?"
         r"(?: very)? (?:first|beginning|start)\b", _first),
        (rf"\bwhat was the first thing (?:that )?(i|you) {_ASKED}\b"
         r"|\bwhat was (?:my|your) first (?:question|sentence|answer|thing)\b", _first),
        (r"\bwhat did i (?:ask|tell) you to remember\b|\bwhat should you remember\b", _to_remember),
        (rf"\bwhat (?:did|have|had) (i|you) (?:just )?{_ASKED}(?: you| me)? about (.+)", _about),
        (rf"\bwhat (?:did|have|had) (i|you) (?:just |last )?{_ASKED}\b", _last),
        (r"\bwho (?:said|mentioned|asked about|talked about) (.+)", _who),
        (r"\b(?:say|repeat) (?:that|it)(?: again)?(?: in [\w ]+)?\s*[.!?]*$", _again),
        (r"\bwhat(?:'s| is| was) my name\b|\bwho am i\b|\bdo you (?:know|remember) my name\b", _name),
        (r"\b(?:what|which)\b.*\bnumber\b.*\bi\b.*\b(?:told|tell|said|say|gave|give|mentioned?)\b"
         r"|\bwhat(?:'s| is| was) (?:my|the) number\b(?: i| that|\W*$)", _number),
        (r"\bhow many (?:questions|things|times) (?:have|did) i (?:ask|say|said)", _how_many),
        (r"\b(?:summari[sz]e|sum up|recap)\b.*\b(?:conversation|talk|we said|far|chat)\b", _summary),
        (r"\b(?:what|which)(?:'s| is| are| was) my ((?:[a-z]+ ?){1,3})[?.!]*$", _mine),
        (r"^(?:please )?remember\b.*\bmy .+ (?:is|are)\b", _noted),
        (r"^(?:please )?(?:remember|keep in mind|do not forget|don't forget)\b", _kept),
        (r"^(?:hi|hello|hey|well|ok|okay)?[, !.]*(?:(?:and )?(?:please )?(?:my name is|my name's|call me|i am called)) "
         r"[\w'-]+[\s.!]*$", _introduced),
        (r"^my (?:[a-z]+ ){1,3}?(?:is|are) [^?]+$", _noted),
    )
)  # fmt: skip
"""Answers about the conversation itself."""
