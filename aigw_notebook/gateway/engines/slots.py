"""Which of the declared tools a sentence asks for, and with what arguments: words against names, slots by type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from .arithmetic import number_words_to_digits
from .base import ToolRequest

__all__ = ["choose_tools"]

MIN_SCORE = 2.0
NAME_WEIGHT, DESCRIPTION_WEIGHT, PARAMETER_WEIGHT = 3.0, 1.0, 1.0
MAX_CALLS = 8

_COMMON = (
    "a an and any are as at be by can could current do does for from function get gets give given has have how i in is "
    "it its like make me my of on one or please return returns set should show some tell that the their there this to "
    "tool use user using value want was we what when where which who will with would you your"
)
_STOP = frozenset(_COMMON.split())
_QUOTED = re.compile(r"[\"“”]([^\"“”]+)[\"“”]|(?<!\w)'([^']+)'(?!\w)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_TRAILING = re.compile(r"\b(?:in|at|for|of|to|from|about|on|near|with|called|named|is)\s+([^,.;:?!]+)", re.IGNORECASE)
_TAIL_WORDS = re.compile(r"\s+(?:today|tomorrow|now|right now|please|like|then)\s*$|^(?:the|a|an)\s+", re.IGNORECASE)
_DAY = re.compile(
    r"\b(\d{4}-\d\d-\d\d|today|tomorrow|yesterday|tonight|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
_PATTERNS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile("date|day|when"), _DAY),
    (re.compile("mail"), re.compile(r"(\S+@\S+\.\w+)")),
    (re.compile("url|link|uri"), re.compile(r"(https?://\S+)")),
    (re.compile("from|origin|source|start"), re.compile(r"\bfrom\s+([\w .'-]+?)(?=\s+to\b|[,.;:?!]|$)", re.IGNORECASE)),
    (
        re.compile("to$|destination|target|end"),
        re.compile(r"\bto\s+([\w .'-]+?)(?=\s+from\b|[,.;:?!]|$)", re.IGNORECASE),
    ),
)
_WHOLE = re.compile("query|question|text|message|prompt|content|input|note|expression|body")
Filler: TypeAlias = "Callable[[_Slots, str, Mapping[str, Any], bool], Any]"

_NO = re.compile(r"\b(?:no|not|don't|without|off|disable|false|never)\b", re.IGNORECASE)


def choose_tools(text: str, tools: Sequence[Mapping[str, Any]], tool_choice: Any = "auto") -> tuple[ToolRequest, ...]:
    """The calls that `text` asks for, in its order. `tool_choice` is "none", "auto", "required" or names a tool."""
    if not tools or tool_choice == "none":
        return ()
    named = _named(tools, tool_choice)
    if named is not None:
        return (_request(named, text),)
    requests = _by_clause(text, tools)
    if not requests and tool_choice == "required":
        return (_request(max(tools, key=lambda tool: _score(text, tool)), text),)
    return requests


def _named(tools: Sequence[Mapping[str, Any]], tool_choice: Any) -> Mapping[str, Any] | None:
    name = tool_choice.get("name") if isinstance(tool_choice, Mapping) else None
    return next((tool for tool in tools if tool["name"] == name), None)


def _by_clause(text: str, tools: Sequence[Mapping[str, Any]]) -> tuple[ToolRequest, ...]:
    """One call for every clause that asks for a tool; "… in Lisbon and Porto" asks twice for the same."""
    whole = _best(text, tools)
    clauses = _clauses(text)
    if whole is None:
        return ()
    if len(clauses) < 2 or not _takes_one_value(whole):
        requests = [_request(tool, clause) for clause in clauses if (tool := _best(clause, tools))]
        return tuple(requests[:MAX_CALLS]) if len({r.name for r in requests}) > 1 else (_request(whole, text),)
    requests, last = [], whole
    for clause in clauses:
        tool = _best(clause, tools) or (last if len(clause.split()) <= 3 else None)
        if tool is not None:
            requests.append(_request(tool, clause))
            last = tool
    return tuple(requests[:MAX_CALLS]) or (_request(whole, text),)


def _takes_one_value(tool: Mapping[str, Any]) -> bool:
    properties = list(_properties(tool).values())
    return len(properties) == 1 and properties[0].get("type") not in ("array", "object")


def _clauses(text: str) -> list[str]:
    parts = re.split(r"\s*(?:,\s*(?:and\s+)?(?:also\s+|then\s+)?|;\s*|\band\s+(?:also\s+|then\s+)?)", text)
    return [part.strip() for part in parts if part.strip(" ?.!")]


def _best(text: str, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    best = max(tools, key=lambda tool: _score(text, tool))
    return best if _score(text, best) >= MIN_SCORE else None


def _score(text: str, tool: Mapping[str, Any]) -> float:
    said = _words(text)
    pairs = re.findall(r"[a-z0-9]+", text.lower())
    said |= {first + second for first, second in pairwise(pairs)}
    name, description = _words(_spaced(tool["name"])), _words(str(tool.get("description") or ""))
    parameters = _words(" ".join(_spaced(key) for key in _properties(tool)))
    return (
        NAME_WEIGHT * len(said & name)
        + DESCRIPTION_WEIGHT * len(said & (description - name))
        + PARAMETER_WEIGHT * len(said & (parameters - name - description))
    )


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", name)


def _words(text: str) -> set[str]:
    return {_stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in _STOP}


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "ed", "es", "s"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            return word[: -len(ending)]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _properties(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    return _parts(tool.get("parameters"))


def _parts(schema: Any) -> Mapping[str, Any]:
    """The properties of an object schema, as far as they are schemas themselves."""
    found = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {name: part for name, part in found.items() if isinstance(part, Mapping)}


def _request(tool: Mapping[str, Any], text: str) -> ToolRequest:
    return ToolRequest(name=tool["name"], arguments=_Slots(text).fill(_schema(tool.get("parameters"))))


def _values(schema: Mapping[str, Any]) -> Sequence[Any]:
    """What an enumeration allows; nothing when the schema is none."""
    found = schema.get("enum")
    return found if isinstance(found, list | tuple) else ()


def _schema(value: Any) -> Mapping[str, Any]:
    """`value` if it is a JSON schema with keywords, else one without any."""
    return value if isinstance(value, Mapping) else {}


class _Slots:
    """The values a sentence holds, each given away once."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.quoted: list[str] = [a or b for a, b in _QUOTED.findall(text)]
        self.numbers = _NUMBER.findall(number_words_to_digits(text))
        self.used: set[str] = set()

    def fill(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments that fit an object schema: all that is required, and the optional ones that were said."""
        names = schema.get("required")
        required = names if isinstance(names, list | tuple) else ()
        parts = _parts(schema)
        for part in parts.values():
            self.used |= {str(value) for value in _values(part) if self.says(value)}
        values = {name: self.value(name, part, required=name in required) for name, part in parts.items()}
        return {name: value for name, value in values.items() if value is not None}

    def value(self, name: str, schema: Mapping[str, Any], *, required: bool) -> Any:
        if "const" in schema:
            return schema["const"]
        if _values(schema):
            return self.enum(_values(schema), schema.get("default"), required=required)
        kind = self.kind(schema)
        fill: Filler = _FILLERS.get(kind, _Slots.string)
        found = fill(self, name, schema, required)
        return schema.get("default") if found is None else found

    @staticmethod
    def kind(schema: Mapping[str, Any]) -> str:
        options = schema.get("anyOf") or schema.get("oneOf")
        options = options if isinstance(options, list) else []
        kinds = [schema.get("type"), *(_schema(option).get("type") for option in options)]
        flat = [k for kind in kinds for k in (kind if isinstance(kind, list) else [kind])]
        return next((k for k in flat if isinstance(k, str) and k != "null"), "string")

    def enum(self, values: Sequence[Any], default: Any, *, required: bool) -> Any:
        for value in values:
            if self.says(value):
                return value
        return default if default is not None else values[0] if required else None

    def says(self, value: Any) -> bool:
        return bool(re.search(rf"\b{re.escape(_spaced(str(value)).lower())}\b", self.text.lower()))

    def number(self, name: str, schema: Mapping[str, Any], required: bool) -> float | None:
        if self.numbers:
            said = self.numbers.pop(0)
            return float(said) if "." in said else int(said)
        least = schema.get("minimum")
        least = least if isinstance(least, int | float) else 0
        return least if required and "default" not in schema else None

    def integer(self, name: str, schema: Mapping[str, Any], required: bool) -> int | None:
        found = self.number(name, schema, required)
        return None if found is None else int(found)

    def boolean(self, name: str, schema: Mapping[str, Any], required: bool) -> bool | None:
        said = any(self.says(word) for word in _spaced(name).split())
        return not _NO.search(self.text) if said else False if required else None

    def array(self, name: str, schema: Mapping[str, Any], required: bool) -> list[Any] | None:
        items = _schema(schema.get("items"))
        if self.kind(items) in ("integer", "number"):
            numbers, self.numbers = self.numbers, []
            return [int(n) if self.kind(items) == "integer" else float(n) for n in numbers] or (
                [] if required else None
            )
        if self.kind(items) == "object":
            return [self.fill(items)] if required else None
        found = self.string(name, items, required)
        return (
            [part.strip() for part in re.split(r",|\band\b", found) if part.strip()]
            if found
            else []
            if required
            else None
        )

    def object(self, name: str, schema: Mapping[str, Any], required: bool) -> dict[str, Any] | None:
        return self.fill(schema) or ({} if required else None)

    def string(self, name: str, schema: Mapping[str, Any], required: bool) -> str | None:
        found = self._string(_spaced(name).lower(), required)
        if found is not None:
            self.used.add(found)
        return found

    def _string(self, name: str, required: bool) -> str | None:
        if self.quoted:
            return self.quoted.pop(0)
        for wanted, pattern in _PATTERNS:
            if wanted.search(name) and (found := pattern.search(self.text)):
                return _trimmed(found.group(1))
            if wanted.search(name) and not required:
                return None
        if _WHOLE.search(name):
            return self.text or None
        phrase = self._noun_phrase(self.text)
        if phrase is not None and (required or not self.used):
            return phrase
        return self.text if required else None

    def _noun_phrase(self, text: str) -> str | None:
        """The last "in Lisbon", else the last capitalised words that do not begin the sentence."""
        phrases = [_trimmed(found) for found in _TRAILING.findall(text)]
        last = [_trimmed(re.split(r"\b(?:in|at|for|of|to|from|about|on|near)\s+", p)[-1]) for p in phrases]
        names = re.findall(r"(?<=[\w,] )((?:[A-Z][\w'-]*)(?: [A-Z][\w'-]*)*)", text)
        single = [text.strip(" ?.!")] if text[:1].isupper() and len(text.split()) <= 2 else []
        found = [name for name in (*names, *single, *last) if name and name not in self.used and name != "I"]
        return found[-1] if found else None


def _trimmed(phrase: str) -> str:
    before = ""
    while before != phrase:
        before, phrase = phrase, _TAIL_WORDS.sub("", phrase.strip())
    return phrase


_FILLERS: Mapping[str, Filler] = {
    "string": _Slots.string,
    "number": _Slots.number,
    "integer": _Slots.integer,
    "boolean": _Slots.boolean,
    "array": _Slots.array,
    "object": _Slots.object,
}
