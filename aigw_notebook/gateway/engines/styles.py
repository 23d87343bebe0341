"""How an answer should be: as short, as loud or as piratical as the instructions and the user want it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .arithmetic import UNITS, number_words_to_digits
from .base import Said

__all__ = ["exact_words", "fitted", "only_wish", "wishes"]

Match: TypeAlias = "re.Match[str]"
Change: TypeAlias = Callable[[str, Match], str]

MAX_WISHES_CHARS = 8_000
"""So much of instructions and earlier wishes is read, from the end."""

_CODE = re.compile(r"\n*```.*?```", re.DOTALL)
_LASTING = re.compile(
    r"\b(?:always|from now on|for the rest|every (?:answer|reply)|in future|(?:speak|talk|answer|reply) like)\b",
    re.IGNORECASE,
)


def wishes(instructions: str, conversation: Sequence[Said], question: str) -> str:
    """All that was said about how to answer: instructions, what the user wished for good, and this question."""
    lasting = [said.text for said in conversation if said.role == "user" and _LASTING.search(said.text[:1000])]
    earlier = [text[:1000] for text in lasting if text.strip() != question]
    return "\n".join([instructions, *earlier])[-MAX_WISHES_CHARS:] + "\n" + question


def exact_words(instructions: str) -> str | None:
    """What the instructions want said word for word; None when they leave it open."""
    found = _EXACT.search(instructions)
    return found.group(1) if found else None


def only_wish(question: str) -> bool:
    """Whether the question asks for nothing but a way to answer."""
    return bool(_ONLY_WISH.match(question))


def fitted(text: str, wished: str) -> str:
    """`text` as `wished`. Code in it stays as it is, or is left out of an answer made short."""
    words = _CODE.sub("", text)
    code = text[len(words) :] if text.startswith(words) else ""
    for pattern, change in _STYLES:
        found = pattern.search(wished)
        if found is not None:
            code = "" if change in (_sentences, _few_words) else code
            words = change(words, found)
    return words + code


def _sentences(text: str, found: Match) -> str:
    wanted = _small_number(found.group(1) or "one")
    return " ".join(re.split(r"(?<=[.!?])\s+", text)[:wanted])


def _few_words(text: str, found: Match) -> str:
    words = text.split()
    wanted = _small_number(found.group(1))
    return text if len(words) <= wanted else " ".join(words[:wanted]).rstrip(",;:") + "…"


def _small_number(word: str) -> int:
    digits = number_words_to_digits(word.lower().replace("single", "one"))
    return max(1, int(digits)) if digits.isdigit() else 1


def _pirate(text: str, found: Match) -> str:
    for plain, rough in _PIRATE:
        text = re.sub(rf"\b{plain}\b", rough, text)
    return text if text.startswith(("Ahoy", "Arr")) else f"Arr! {text}"


_PIRATE = (
    ("Hello", "Ahoy"), ("you", "ye"), ("You", "Ye"), ("your", "yer"), ("Your", "Yer"), ("my", "me"), ("My", "Me"),
    ("are", "be"), ("is", "be"), ("and", "an'"),
)  # fmt: skip


def _ending(text: str, found: Match) -> str:
    ending = found.group(1) or found.group(2)
    return text if text.rstrip(".!?").endswith(ending.rstrip(".!?")) else f"{text} {ending}"


def _beginning(text: str, found: Match) -> str:
    beginning = found.group(1) or found.group(2)
    return text if text.startswith(beginning) else f"{beginning} {text}"


_NUMBER_WORD = r"(\d{1,3}|single|" + "|".join(UNITS[1:]) + ")"
_ONLY = r"\b(?:in|with|use|only|than|exactly|most) (?:only |just |exactly |at most )?"
_WHAT = r"(?:[\"“]([^\"”\n]{1,80})[\"”]|(?:the words? )?([^\"“\n.;]{1,40}[.!?]?))"
_ANSWERS = r"(?:every|each|all|your|the|an?|all your|each of your) (?:answers?|repl(?:y|ies)|sentences?|responses?)"


def _with(verbs: str) -> re.Pattern[str]:
    """What every answer is to begin, or end, with."""
    every = rf"\b(?:always (?:{verbs})(?: {_ANSWERS})?|(?:{verbs}) {_ANSWERS})"
    return re.compile(rf"{every} (?:with|by saying)[:,]? {_WHAT}", re.IGNORECASE)


_STYLES: tuple[tuple[re.Pattern[str], Change], ...] = (
    (re.compile(rf"{_ONLY}{_NUMBER_WORD} sentences?\b", re.I), _sentences),
    (re.compile(r"\b(?:be|very|extremely|answer|reply|keep it)\b[\w ]{0,20}"
                r"\b(?:brief|briefly|short|concise|concisely|succinct|terse)()\b", re.I), _sentences),
    (re.compile(r"\b(?:brief|short|concise|terse)(?:ly)?()\s*\.?$", re.I), _sentences),
    (re.compile(rf"{_ONLY}{_NUMBER_WORD} words?\b", re.I), _few_words),
    (re.compile(r"\b(?:like|as|you are|you're|be|play) an? pirate\b", re.I), _pirate),
    (_with("end|finish"), _ending),
    (_with("start|begin"), _beginning),
    (re.compile(r"\b(?:upper[- ]?case|all caps|capital letters|capitals only)\b", re.I),
     lambda text, found: text.upper()),
    (re.compile(r"\blower[- ]?case\b", re.I), lambda text, found: text.lower()),
)  # fmt: skip
_EXACT = re.compile(
    r"(?<!every )(?<!each )(?<!your )(?<!all )\b(?:say|reply|respond|answer)(?: with| exactly| only| just)*"
    r"(?: the words?)?[:,]?\s+[\"“]([^\"”]+)[\"”]",
    re.IGNORECASE,
)
_ONLY_WISH = re.compile(
    r"^\W*(?:(?:please|from now on|can you|could you|now)[, ]+)*(?:always |only )*"
    r"(?:(?:speak|talk|answer|reply|respond|write)\b[\w ]{0,30}\b(?:like|in|with|briefly|short|concisely|as)\b"
    r"|be (?:very |more |extremely )?(?:brief|short|concise|terse)|(?:end|finish|start|begin) (?:every|each|all|your)\b"
    r"|(?:like|as) an? pirate)[^?\n]{0,120}[.!]*$",
    re.IGNORECASE,
)
