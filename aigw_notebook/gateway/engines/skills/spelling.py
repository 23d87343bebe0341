"""Counting and spelling: numbers in turn, letters of a word, words of a sentence."""

from __future__ import annotations

import re

from ..arithmetic import UNITS, number_words_to_digits
from .base import Asked, Match, by_pattern

__all__ = ["count_and_spell"]

MAX_COUNT = 100
MAX_SPELLED = 60

_PLEASE = r"(?:^|[,.!?:;]\s*)(?:(?:now|please|just|can you|could you|would you|will you)\s+)*"


def _count(found: Match, asked: Asked) -> str | None:
    numbers = [int(n) for n in re.findall(r"\d{1,6}", number_words_to_digits(found.group()))]
    if not numbers:
        return None
    first, last = (numbers[0], numbers[1]) if len(numbers) > 1 else (1, numbers[0])
    if len(numbers) == 1 and re.search(r"\b(?:down|backwards?)\b", found.group()):
        first, last = last, 1
    step = 1 if last >= first else -1
    last = first + step * min(abs(last - first), MAX_COUNT - 1)
    counted = [UNITS[n] if n < len(UNITS) else str(n) for n in range(first, last + step, step)]
    return ", ".join(counted).capitalize() + "."


def _word(text: str) -> str:
    return text.strip(" \"'“”.?!,")[:MAX_SPELLED]


def _spell(found: Match, asked: Asked) -> str | None:
    word = re.sub(r"^the word ", "", _word(found.group(1)))
    backwards = word.endswith((" backwards", " backward"))
    word = re.sub(r" backwards?$", "", word)
    letters = [letter.upper() for letter in word if letter.isalnum()]
    return ", ".join(reversed(letters) if backwards else letters) + "." if letters else None


def _reverse(found: Match, asked: Asked) -> str | None:
    word = re.sub(r"^the word ", "", _word(found.group(1)))
    return f"Backwards it is {word[::-1]}." if word else None


def _letters(found: Match, asked: Asked) -> str | None:
    word = _word(found.group(1))
    count = sum(letter.isalpha() for letter in word)
    return f"{_sentence_start(word)} has {_some(count, 'letter')}." if count else None


def _one_letter(found: Match, asked: Asked) -> str | None:
    letter, word = found.group(1), _word(found.group(2))
    return f"The letter {letter.upper()} occurs {_times(word.count(letter))} in {word}." if word else None


def _words(found: Match, asked: Asked) -> str | None:
    text = _word(found.group(1))
    return f"I count {_some(len(text.split()), 'word')}." if text else None


def _sentence_start(word: str) -> str:
    return word[:1].upper() + word[1:]


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


count_and_spell = by_pattern(
    (
        (r"\bhow many letters (?:are there |are |does )?(?:in )?(?:the word )?(.+?)(?: have| has)?[?.!]*$", _letters),
        (r"\bhow many (?:letters? )?([a-z])(?:'?s)? (?:are there |are )?in (?:the word )?(.+)", _one_letter),
        (r"\bhow many words (?:are there |are )?in[:,]? (?:the sentence )?(.+)", _words),
        (rf"{_PLEASE}(?:how (?:do|would) (?:you|i|we) spell|spell(?: out)?)[:,]? (.+)", _spell),
        (rf"{_PLEASE}(?:reverse|say backwards?)[:,]? (?:the word )?(.+)", _reverse),
        (r"\bcount\b.*", _count),
    )
)
"""Counts up, down, letters and words; spells."""
