"""A small answerer made of rules: sums, dates, counting, a few facts, tools. It says what it is and guesses nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from .arithmetic import UNITS, NotASum, evaluate, find_sum, number_words_to_digits, plain_number
from .base import Reply, Said
from .facts import CAPITALS, CITIES, FACTS, STORY
from .slots import choose_tools

__all__ = ["RuleResponder"]

MAX_COUNT = 100

ABILITIES = (
    "sums, the date and the time, counting, repeating what you say, a few capitals and other facts, "
    "a short story, and calling the tools you declare"
)
IDENTITY = (
    "I am a local emulator inside aigw_notebook, running on this machine; I am not the provider's model. "
    f"I answer by rules: {ABILITIES}."
)
NOT_HEARD = (
    "I received your audio but could not make out any words in it. "
    "The listener that runs locally without extra packages understands only the placeholder voice; text always works."
)

Match: TypeAlias = "re.Match[str]"


MAX_QUESTION_CHARS = 4_000
"""What is read of a question: the rules look for short things, and one client's book must not hold up the others."""


def _read(text: str) -> str:
    half = MAX_QUESTION_CHARS // 2
    return (text if len(text) <= MAX_QUESTION_CHARS else f"{text[:half]} … {text[-half:]}").strip()


class RuleResponder:
    """Answers at once and always in the same way. `now` gives the time it tells."""

    instant = True

    def __init__(self, now: Callable[[], datetime] = datetime.now) -> None:
        self._now = now

    def answer(
        self,
        conversation: Sequence[Said],
        *,
        instructions: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: Any = "auto",
    ) -> Reply:
        """A tool's output put into words, else the tools that are asked for, else what the rules know."""
        instructions = " ".join([instructions, *(said.text for said in conversation if said.role == "system")]).strip()
        outputs = _trailing_outputs(conversation)
        asked = next((said for said in reversed(conversation) if said.role == "user"), None)
        question = _read(asked.text if asked else instructions)
        if outputs:
            return Reply(text=_fit(" ".join(map(_phrase, outputs)), question, instructions))
        requests = choose_tools(question, tools, tool_choice)
        if requests:
            return Reply(tools=requests)
        text = self._exact(instructions) or self._say(question, asked, conversation)
        return Reply(text=_fit(text, question, instructions))

    @staticmethod
    def _exact(instructions: str) -> str | None:
        found = _EXACT.search(instructions)
        return found.group(1) if found else None

    def _say(self, question: str, asked: Said | None, conversation: Sequence[Said]) -> str:
        if asked is not None and asked.images:
            return _seen(asked)
        if not question:
            return NOT_HEARD if asked else "Hello! I am the local emulator. Ask me something."
        lowered = question.lower()
        for pattern, rule in _RULES:
            found = pattern.search(lowered)
            text = rule(self, found, question, conversation) if found else None
            if text:
                return text
        return self._sum(question) or _capital(lowered) or _fact(lowered) or _unknown(question)

    def _sum(self, question: str) -> str | None:
        signs = find_sum(question)
        if signs is None:
            return None
        try:
            said = _readable(signs)
            return f"{said[:1].upper()}{said[1:]} is {plain_number(evaluate(signs))}."
        except NotASum as error:
            return f"I understood the sum {_readable(signs)}, but {error}."

    def _clock(self, found: Match, question: str, conversation: Sequence[Said]) -> str:
        now = self._now()
        day = f"{now:%A}, {now.day} {now:%B %Y}"
        if "time" in found.group():
            return f"It is {now:%H:%M} on this machine, on {day}."
        return f"Today is {day}."

    def _count(self, found: Match, question: str, conversation: Sequence[Said]) -> str | None:
        numbers = [int(n) for n in re.findall(r"\d{1,6}", number_words_to_digits(found.group()))]
        if not numbers:
            return None
        first, last = (numbers[0], numbers[1]) if len(numbers) > 1 else (1, numbers[0])
        step = 1 if last >= first else -1
        last = first + step * min(abs(last - first), MAX_COUNT - 1)
        counted = [UNITS[n] if n < len(UNITS) else str(n) for n in range(first, last + step, step)]
        return ", ".join(counted).capitalize() + "."

    def _memory(self, found: Match, question: str, conversation: Sequence[Said]) -> str:
        mine = found.group(1) == "you"
        earlier = [said.text for said in conversation if said.role == ("assistant" if mine else "user") and said.text]
        earlier = earlier if mine else earlier[:-1]
        if not earlier:
            return f"{'I have' if mine else 'You have'} not said anything before that."
        return f"{'I' if mine else 'You'} said: “{earlier[-1]}”"

    def _again(self, found: Match, question: str, conversation: Sequence[Said]) -> str:
        answers = (said.text for said in reversed(conversation) if said.role == "assistant" and said.text)
        return next(answers, "I have not said anything yet.")

    def _name(self, found: Match, question: str, conversation: Sequence[Said]) -> str:
        names = (_NAME.search(said.text) for said in reversed(conversation) if said.role == "user")
        name = next((name.group(1) for name in names if name), None)
        return f"Your name is {name}." if name else "You have not told me your name."

    def _repeat(self, found: Match, question: str, conversation: Sequence[Said]) -> str:
        said = question[found.start(1) : found.end(1)].strip()
        quoted = re.match(r"[\"“']([^\"”]+)[\"”']", said)
        return quoted.group(1) if quoted else said

    def _story(self, found: Match, question: str, conversation: Sequence[Said]) -> str:
        subject = found.group(1)
        return " ".join(line.format(subject=subject.strip() if subject else "a small fox") for line in STORY)


def _trailing_outputs(conversation: Sequence[Said]) -> list[Said]:
    outputs: list[Said] = []
    for said in reversed(conversation):
        if said.role != "tool":
            break
        outputs.insert(0, said)
    return outputs


def _phrase(output: Said) -> str:
    """One tool's output as a sentence."""
    name = (output.name or "the tool").replace("_", " ")
    try:
        value = json.loads(output.text)
    except ValueError:
        value = output.text.strip()
    if isinstance(value, Mapping) and value.get("error"):
        return f"{name.capitalize()} failed: {value['error']}."
    if isinstance(value, Mapping):
        facts = ", ".join(f"{str(key).replace('_', ' ')} is {_plain(part)}" for key, part in value.items())
        return f"According to {name}, {facts}." if facts else f"{name.capitalize()} is done."
    said = _plain(value).rstrip(".")
    return f"According to {name}: {said}." if said else f"{name.capitalize()} is done."


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "nothing"
    if isinstance(value, Mapping):
        return " and ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "nothing"}[value]
    return str(value)


def _seen(asked: Said) -> str:
    pictures = "one picture" if asked.images == 1 else f"{asked.images} pictures"
    heard = f" I understood: “{asked.text.strip()}”." if asked.text.strip() else ""
    return f"I was shown {pictures}. Locally I cannot see, so I cannot say what is in them.{heard}"


def _capital(lowered: str) -> str | None:
    country = next((name for name in CAPITALS if re.search(rf"\b{name}\b", lowered)), None)
    if "capital" in lowered and country:
        city = CAPITALS[country]
        named = "the " if country in ("netherlands", "united kingdom", "united states") else ""
        why = CITIES.get(city.lower(), "") if re.search(r"\b(?:why|visit|see|about)\b", lowered) else ""
        return f"The capital of {named}{country.title()} is {city}. {why}".strip()
    if not re.search(r"\b(?:why|visit|see)\b", lowered):
        return None
    city = next((name for name in CITIES if re.search(rf"\b{name}\b", lowered)), "")
    return CITIES[city].replace("Visit it", f"Visit {city.title()}", 1) if city else None


def _fact(lowered: str) -> str | None:
    words = set(re.findall(r"[a-z]+", lowered))
    known = ((needed, text) for needed, text in FACTS if all(any(w.startswith(n) for w in words) for n in needed))
    return next((text for _, text in known), None)


def _unknown(question: str) -> str:
    understood = question if len(question) <= 200 else question[:200] + "…"
    return (
        f"I understood: “{understood}”. I am the local emulator, not the provider's model, and have no rule for that. "
        f"Locally I can do {ABILITIES}."
    )


def _readable(signs: str) -> str:
    text = re.sub(r"\(([\d.]+) \*\* 0\.5\)", r"the square root of \1", signs)
    text = re.sub(r"(?<=[\d)])\s*(\*\*|[-+*/%])\s*", r" \1 ", text)
    return re.sub(r"\s+", " ", text.replace("**", "to the power of").replace(" * ", " × ")).strip()


def _fit(text: str, question: str, instructions: str) -> str:
    """`text` as short, or as loud, as the question or the instructions want it."""
    for pattern, change in _STYLES:
        found = pattern.search(f"{instructions} {question}")
        text = change(text, found) if found else text
    return text


def _sentences(text: str, found: Match) -> str:
    wanted = _small_number(found.group(1) or "one")
    return " ".join(re.split(r"(?<=[.!?])\s+", text)[:wanted])


def _few_words(text: str, found: Match) -> str:
    words = text.split()
    wanted = _small_number(found.group(1))
    return text if len(words) <= wanted else " ".join(words[:wanted]).rstrip(",;:") + "…"


def _small_number(word: str) -> int:
    digits = number_words_to_digits(word.replace("single", "one"))
    return max(1, int(digits)) if digits.isdigit() else 1


_NUMBER_WORD = r"(\d{1,3}|single|" + "|".join(UNITS[1:]) + ")"
_STYLES: tuple[tuple[re.Pattern[str], Callable[[str, Match], str]], ...] = (
    (re.compile(rf"\b(?:in|with|use|only|than|exactly) (?:only |just )?{_NUMBER_WORD} sentences?\b", re.I), _sentences),
    (re.compile(r"\b(?:be|very|extremely|answer|reply)\b[\w ]{0,20}\b(?:brief|short|concise|succinct|terse)()\b", re.I),
     _sentences),
    (re.compile(r"\b(?:brief|short|concise|terse)(?:ly)?()\s*\.?$", re.I), _sentences),
    (re.compile(rf"\b(?:in|with|use|only|than|exactly) (?:only |just )?{_NUMBER_WORD} words?\b", re.I), _few_words),
    (re.compile(r"\b(?:upper[- ]?case|all caps|capital letters)\b", re.I), lambda text, found: text.upper()),
    (re.compile(r"\blower[- ]?case\b", re.I), lambda text, found: text.lower()),
)  # fmt: skip
_EXACT = re.compile(
    r"\b(?:say|reply|respond|answer)(?: with| exactly| only| just)*(?: the words?)?[:,]?\s+[\"“]([^\"”]+)[\"”]",
    re.IGNORECASE,
)

_NAME = re.compile(r"\b(?:my name is|call me) (\w+)", re.IGNORECASE)

Rule: TypeAlias = "Callable[[RuleResponder, Match, str, Sequence[Said]], str | None]"


def _fixed(text: str) -> Rule:
    return lambda self, found, question, conversation: text


_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"\bwhat (?:did|have|had) (i|you) (?:just |last )?(?:said|say|asked|ask|told|tell|answered|answer)\b",
         RuleResponder._memory),
        (r"\b(?:say|repeat) (?:that|it)(?: again)?(?: in [\w ]+)?\s*[.!?]*$", RuleResponder._again),
        (r"\bwhat(?:'s| is) my name\b|\bwho am i\b", RuleResponder._name),
        (r"\b(?:repeat after me|repeat|echo|say)\b[:,]?\s+(?:the words? |exactly )?[:,]?\s*(.*[^\s.!?:,].*)",
         RuleResponder._repeat),
        (r"\b(?:what|who) (?:are|r) you\b|\bare you (?:the |a |an )?(?:real|human|robot|ai|gpt|model|emulator)\b"
         r"|\bwhat(?:'s| is) your name\b|\bwhich model\b", _fixed(IDENTITY)),
        (r"\bwhat can you do\b|^\s*help\b", _fixed(f"Locally I can do {ABILITIES}.")),
        (r"\bcount\b.*", RuleResponder._count),
        (r"\bwhat(?:'s| is)?(?: the)? (?:current )?(?:time|date)\b|\btime is it\b|\bcurrent time\b"
         r"|\b(?:what|which) (?:week)?day\b|\bweekday\b|\btoday's date\b|\bwhat(?:'s| is) today\b",
         RuleResponder._clock),
        (r"\bstory\b(?:.*?\babout ((?:an? |the )?[\w ]{1,40}))?", RuleResponder._story),
        (r"^\s*(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings)\b(?:[\s,]+\w+){0,2}\s*[.!?]*$",
         _fixed("Hello! I am the local emulator. What can I do for you?")),
        (r"\b(?:thanks|thank you)\b", _fixed("You are welcome.")),
        (r"^\s*(?:good)?\s*(?:bye|goodbye|see you)\b", _fixed("Goodbye!")),
        (r"\bhow are you\b", _fixed("I run well, thank you: locally, and by rules.")),
    )
)  # fmt: skip
