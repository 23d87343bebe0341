"""`{{expression}}` in a prompt, replaced by its value in the user's namespace.

Only double braces mean anything, so a prompt may hold JSON, code or single braces untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType
from typing import Any, NamedTuple

__all__ = ["Interpolated", "interpolate"]


class Interpolated(NamedTuple):
    """The text with every expression that could be evaluated replaced; one sentence for each that could not."""

    text: str
    warnings: list[str]


def interpolate(text: str, namespace: Mapping[str, Any]) -> Interpolated:
    """Replace each `{{expression}}` by `str` of its value; one that fails stays as it was written, with a warning.

    The expression is Python, evaluated once, left to right, with `namespace` as its globals. Values are never searched
    for braces again.
    """
    parts: list[str] = []
    warnings: list[str] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        parts.append(text[position:start])
        end, code = _expression(text, start)
        written = text[start:end]
        parts.append(written if code is None else _value(written, code, namespace, warnings))
        position = end
    parts.append(text[position:])
    return Interpolated("".join(parts), warnings)


def _expression(text: str, start: int) -> tuple[int, CodeType | None]:
    """The end of the shortest valid expression that opens at `start`; no code when there is none."""
    end = text.find("}}", start + 2)
    while end >= 0:
        source = text[start + 2 : end].strip()
        try:
            return end + 2, compile(source, "<{{…}}>", "eval")
        except (SyntaxError, ValueError):
            end = text.find("}}", end + 1)
    return start + 2, None


def _value(written: str, code: CodeType, namespace: Mapping[str, Any], warnings: list[str]) -> str:
    try:
        return str(eval(code, dict(namespace)))
    except Exception as error:
        warnings.append(f"{written} is left as it is: {type(error).__name__}: {error}")
        return written
