"""A model's Markdown with nothing in it that runs or loads: front ends take HTML in Markdown as it is, scripts too."""

from __future__ import annotations

import re

__all__ = ["inert"]

WORD_JOINER = "\u2060"
"""Has no width and breaks no line; a `<` before it begins no tag, in code as outside."""

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!(?=\[)")
_MATH = re.compile(r"\$|\\[(\[]|\\begin")
_FENCE = re.compile(r"(?P<before>[ \t>*+\-\d.)]*)(?P<marks>`{3,}|~{3,})(?P<rest>.*)")


def inert(text: str) -> str:
    """The text to be shown as Markdown, in which no HTML and no picture is left.

    Code between fences stays as it is where every parser agrees on where it ends. Elsewhere `<` becomes `&lt;`, or is
    followed by a word joiner where it may stand in code. A picture becomes a link.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    fenced = _fenced(lines)
    if fenced is None or _MATH.search(text):
        return _joined("\n".join(lines))
    return "\n".join(line if inside else _line(line) for line, inside in zip(lines, fenced, strict=True))


def _line(line: str) -> str:
    """A line outside fences."""
    if "`" in line or line.startswith(("    ", "\t")):
        return _joined(line)
    return _PICTURE.sub(f"!{WORD_JOINER}", _TAG.sub("&lt;", line))


def _joined(text: str) -> str:
    return _PICTURE.sub(f"!{WORD_JOINER}", _TAG.sub(f"<{WORD_JOINER}", text))


def _fenced(lines: list[str]) -> list[bool] | None:
    """Which lines stand between fences; None where a fence is indented, in a list or quote, odd, or never closed."""
    found = []
    fence = ""
    for line in lines:
        match = _FENCE.match(line)
        if match and (match["before"] or (not fence and "`" in match["rest"])):
            return None
        found.append(bool(fence))
        if match and fence:
            fence = "" if _closes(match, fence) else fence
        elif match:
            fence = match["marks"]
    return None if fence else found


def _closes(match: re.Match[str], fence: str) -> bool:
    return match["marks"].startswith(fence) and not match["rest"].strip(" \t")
