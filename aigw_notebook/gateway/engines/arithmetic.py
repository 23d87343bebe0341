"""Sums in words or signs, worked out safely: numbers and operators only, every step bounded."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable

__all__ = ["UNITS", "NotASum", "evaluate", "find_sum", "number_words_to_digits", "plain_number"]

MAX_MAGNITUDE = 1e30
MAX_EXPONENT = 200
MAX_LENGTH = 200

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
UNITS, TENS = _UNITS.split(), _TENS.split()
VALUES = {
    **{word: value for value, word in enumerate(UNITS)},
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}

_WORD = rf"(?:{'|'.join([*VALUES, *SCALES])})"
_AND = rf"(?:{'|'.join(f'(?<={scale})' for scale in SCALES)})\s+and\s+"
_NUMBER = re.compile(rf"\b{_WORD}\b(?:(?:{_AND}|[\s-]+){_WORD}\b)*", re.IGNORECASE)
"""A run of number words; "and" continues it only after hundred, thousand and million."""

_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), sign)
    for pattern, sign in (
        (r"\bsquare root of\s+(\d[\d.]*)", r"(\1 ** 0.5)"),
        (r"(\d[\d.]*)\s*(?:%|percent|per cent)\s+of\s+", r"(\1 / 100) * "),
        (r"\b(?:multiplied by|times)\b|×", "*"),
        (r"\b(?:divided by|over)\b|÷", "/"),
        (r"\bto the power of\b|\braised to\b|\^", "**"),
        (r"\bsquared\b", "** 2"),
        (r"\bcubed\b", "** 3"),
        (r"\b(?:mod|modulo)\b", "%"),
        (r"\bplus\b", "+"),
        (r"\bminus\b|−", "-"),
        (r"(?<=\d)\s*x\s*(?=\d)", " * "),
        (r"(?<=\d),(?=\d{3}\b)", ""),
    )
)
_SUM = re.compile(r"[(\d.\-][\d\s.+\-*/%()]*")
_ASKED = re.compile(r"\b(?:what|what's|how much|calculate|compute|work out|evaluate|solve|sum|equals?|tell me)\b|=")
_DATE_OR_RANGE = re.compile(r"^\s*\d{1,4}(?:[-/]\d{1,2}){1,2}\s*$")

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


class NotASum(ValueError):
    """The text is no sum that can be worked out; the message says why, in words for the reader."""


def number_words_to_digits(text: str) -> str:
    """`text` with its number words as digits: "twenty-one and two hundred" gives "21 and 200"."""
    return _NUMBER.sub(lambda found: _as_digits(found.group()), text)


def _as_digits(words: str) -> str:
    """One run of number words; words that do not build one number ("one two") stay apart."""
    numbers: list[int] = []
    current, last = 0, -1
    for word in re.findall(r"[a-z]+", words.lower()):
        if word == "and":
            continue
        value = VALUES.get(word)
        if value is None:
            current = _scaled(current, SCALES[word])
        elif last < 0 or _continues(last, value):
            current += value
        else:
            numbers.append(current)
            current = value
        last = 100 if value is None else value
    return " ".join(str(number) for number in [*numbers, current])


def _scaled(current: int, scale: int) -> int:
    return current * scale if current else scale


def _continues(last: int, value: int) -> bool:
    return last == 100 or (20 <= last < 100 and 0 < value < 10)


def find_sum(text: str) -> str | None:
    """The sum that `text` asks for, in signs; None when it asks for none."""
    signs = number_words_to_digits(text.lower())
    for pattern, sign in _WORDS:
        signs = pattern.sub(sign, signs)
    candidates = [found.group().strip(" .") for found in _SUM.finditer(signs)]
    best = max(filter(_is_sum, candidates), key=len, default=None)
    return best if best and (_ASKED.search(signs) or signs.strip(" .?!") == best) else None


def _is_sum(text: str) -> bool:
    return bool(re.search(r"\d\s*\)*\s*[-+*/%]+\s*[-(]*\d", text)) and not _DATE_OR_RANGE.match(text)


def evaluate(text: str) -> float:
    """The value of a sum in signs. Raises `NotASum`."""
    if len(text) > MAX_LENGTH:
        raise NotASum("that sum is too long for me")
    try:
        return _value(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        raise NotASum("nothing can be divided by zero") from None
    except (SyntaxError, OverflowError, RecursionError, MemoryError):
        raise NotASum("I cannot work that sum out") from None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _apply(type(op), _value(left), _value(right))
    raise NotASum("I cannot work that sum out")


def _apply(op: type[ast.operator], left: float, right: float) -> float:
    if op is ast.Pow and (abs(right) > MAX_EXPONENT or (left < 0 and right != int(right))):
        raise NotASum("that power is too big for me")
    return _bounded(_BINARY[op](left, right))


def _bounded(value: float) -> float:
    if isinstance(value, complex) or not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise NotASum("that number is too big for me")
    return value


def plain_number(value: float) -> str:
    """A number as people write it: no ".0", at most six decimals."""
    if isinstance(value, int) or value == int(value):
        return str(int(value))
    return f"{value:.6f}".rstrip("0").rstrip(".")
