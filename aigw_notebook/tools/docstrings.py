"""What a docstring says of a function and of each parameter, in Google, NumPy or reST style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["first_paragraph", "parameter_notes"]

_GOOGLE_HEAD = re.compile(r"(?:Args|Arguments|Params|Parameters|Other Parameters|Keyword Args|Keyword Arguments):\s*")
_GOOGLE_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)")
_NUMPY_HEAD = re.compile(r"(?:Other )?Parameters\s*")
_NUMPY_ENTRY = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?")
_REST_ENTRY = re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_SECTION = re.compile(r"[A-Z][A-Za-z ]*:\s*")
_RULE = re.compile(r"-{3,}\s*")


def first_paragraph(doc: str) -> str:
    """The first paragraph of a dedented docstring as one line; a section head or a field ends it, too."""
    lines: list[str] = []
    for line in doc.strip().splitlines():
        if not line.strip() or line.startswith(":") or (lines and _SECTION.fullmatch(line)):
            break
        lines.append(line.strip())
    return " ".join(lines)


def parameter_notes(doc: str) -> dict[str, str]:
    """What a dedented docstring says of each parameter, each as one line."""
    lines = doc.splitlines()
    found = [*_google(lines), *_numpy(lines), *_rest(lines)]
    return {name: " ".join(text.split()) for name, text in found if text.strip()}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _google(lines: list[str]) -> Iterator[tuple[str, str]]:
    for start, line in enumerate(lines):
        if _GOOGLE_HEAD.fullmatch(line):
            yield from _entries(_block(lines[start + 1 :]), _GOOGLE_ENTRY)


def _block(lines: list[str]) -> list[str]:
    """The lines up to the first that is not indented."""
    end = next((i for i, line in enumerate(lines) if line.strip() and not _indent(line)), len(lines))
    return [line for line in lines[:end] if line.strip()]


def _entries(lines: list[str], entry: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Entries begin at the indent of the first line; what is indented further belongs to the entry before."""
    name, parts = "", list[str]()
    for line in lines:
        found = entry.fullmatch(line.strip()) if _indent(line) <= _indent(lines[0]) else None
        if found:
            yield name, " ".join(parts)
            name, parts = found[1], [found[2]]
        else:
            parts.append(line.strip())
    yield name, " ".join(parts)


def _numpy(lines: list[str]) -> Iterator[tuple[str, str]]:
    for start, (head, rule) in enumerate(pairwise(lines)):
        if _NUMPY_HEAD.fullmatch(head) and _RULE.fullmatch(rule):
            yield from _numpy_entries(lines[start + 2 :])


def _numpy_entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    for start, line in enumerate(lines):
        if start + 1 < len(lines) and _RULE.fullmatch(lines[start + 1]):
            return
        found = _NUMPY_ENTRY.fullmatch(line)
        for name in found[1].split(",") if found else ():
            yield name.strip(" *"), " ".join(_block(lines[start + 1 :]))


def _rest(lines: list[str]) -> Iterator[tuple[str, str]]:
    for start, line in enumerate(lines):
        if found := _REST_ENTRY.fullmatch(line.strip()):
            yield found[1], " ".join([found[2], *_block(lines[start + 1 :])])
