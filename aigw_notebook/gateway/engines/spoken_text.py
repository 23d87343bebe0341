"""What is said of a text: words as they are read aloud, each with its place in the text as it was written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["CODE", "SpokenText", "spoken_text"]

CODE = "code omitted"
"""Said in place of a block of code."""

MAX_INLINE_CODE = 40  # characters; longer ones are omitted too

Part: TypeAlias = "tuple[str, int, int]"
"""What is said, and from where to where in the text it stands."""

Say: TypeAlias = "Callable[[re.Match[str]], Iterator[Part]]"


@dataclass(frozen=True, slots=True)
class SpokenText:
    """`text` is what is said; after its first n characters the first `ends[n - 1]` of the original have been spoken."""

    text: str
    ends: tuple[int, ...]

    def end_char(self, said: int) -> int:
        """How much of the original has been spoken when `said` characters have."""
        return self.ends[min(said, len(self.ends)) - 1] if said > 0 and self.ends else 0


def spoken_text(text: str) -> SpokenText:
    """`text` without what only the eye reads: marks, links, code, pictures; with words for signs.

    What is left out is counted with what is said next, at the end of the text with what was said last.
    """
    said: list[str] = []
    ends: list[int] = []
    for words, start, end in _parts(text):
        said.append(words)
        ends += [start + -(-(end - start) * number // len(words)) for number in range(1, len(words) + 1)]
    if not "".join(said).strip():
        return SpokenText("", ())
    ends[-1] = len(text)
    return SpokenText("".join(said), tuple(ends))


def _parts(text: str) -> Iterator[Part]:
    at = 0
    for found in _SCANNER.finditer(text):
        yield from _plain(text, at, found.start())
        yield from _RULES[found.lastgroup or ""][1](found)
        at = found.end()
    yield from _plain(text, at, len(text))


def _plain(text: str, start: int, end: int) -> Iterator[Part]:
    """The characters from `start` to before `end` as they are, but for pictures."""
    return ((text[at], at, at + 1) for at in range(start, end) if not _is_picture(text[at]))


def _is_picture(character: str) -> bool:
    return character >= "\u200b" and (unicodedata.category(character) in _PICTURES or character in _JOINERS)


_PICTURES = ("So", "Sk", "Co", "Cn", "Cs")
_JOINERS = "\u200b\u200d\u2060\ufe0e\ufe0f"


# ----------------------------------------------------------------------------------------------------------- rules


def _words(words: str) -> Say:
    def say(found: re.Match[str]) -> Iterator[Part]:
        if words:
            yield words, found.start(), found.end()

    return say


def _inner(name: str) -> Say:
    """Say what stands in one group of the match, as if it stood alone."""

    def say(found: re.Match[str]) -> Iterator[Part]:
        origin = found.start(name)
        for words, start, end in _parts(found[name]):
            yield words, origin + start, origin + end

    return say


def _domain(found: re.Match[str]) -> Iterator[Part]:
    trailing = re.search(r"[.,;:!?)\]}'\"]*$", found.group())
    end = trailing.start() + found.start() if trailing else found.end()
    yield found["domain"].rstrip(".").replace(".", " dot "), found.start(), end
    yield from _plain(found.string, end, found.end())


def _address(found: re.Match[str]) -> Iterator[Part]:
    yield f"{found['user'].replace('.', ' dot ')} at {found['host'].replace('.', ' dot ')}", *found.span()


def _inline_code(found: re.Match[str]) -> Iterator[Part]:
    code = found["code"]
    if len(code) > MAX_INLINE_CODE or "\n" in code:
        yield CODE, *found.span()
        return
    plain = re.sub(r"(?<=\w)\.(?=\w)", " dot ", code.replace("()", "").replace("_", " ").replace("`", ""))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    if words:
        yield words, *found.span()


_SIGNED = r"(?=[\d(]|[A-Za-z]\b)"
_BEFORE = r"(?<=[\d)]|(?<![A-Za-z])[A-Za-z])"

_RULES: Mapping[str, tuple[str, Say]] = {
    "fence": (r"^[ \t]*(?P<marks>```|~~~)[\s\S]*?(?:^[ \t]*(?P=marks)[ \t]*$|\Z)", _words(f"{CODE}.")),
    "inline": (r"(?P<ticks>`{1,2})(?P<code>[^`]+)(?P=ticks)", _inline_code),
    "image": (r"!\[(?P<alt>[^\]\n]*)\]\([^)\n]*\)", _inner("alt")),
    "link": (r"\[(?P<label>[^\]\n]+)\]\([^)\n]*\)", _inner("label")),
    "note": (r"[ \t]?\[\^?\d+\]", _words("")),
    "url": (r"<?(?:https?://|\bwww\.)(?:www\.)?(?P<domain>[\w.-]+\w)[^\s<>|]*>?", _domain),
    "address": (r"\b(?P<user>[\w.+-]+)@(?P<host>[\w-]+(?:\.[\w-]+)+)", _address),
    "tag": (r"</?[A-Za-z][^<>\n]{0,200}>", _words("")),
    "rule": (r"^[ \t]*(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|=+)$\n?", _words("")),
    "divider": (r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$\n?", _words("")),
    "row_start": (r"^[ \t]*\|[ \t]*", _words("")),
    "row_end": (r"[ \t]*\|[ \t]*$", _words(".")),
    "cell": (r"[ \t]+\|[ \t]+", _words(", ")),
    "heading": (r"^[ \t]*#{1,6}[ \t]+|[ \t]+#+[ \t]*$", _words("")),
    "quote": (r"^[ \t]*(?:>[ \t]?)+", _words("")),
    "bullet": (r"^[ \t]*[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?", _words("")),
    "power": (rf"{_BEFORE}(?:\*\*|\^){_SIGNED}", _words(" to the power of ")),
    "times": (rf"{_BEFORE}[ \t]*[*×·⋅][ \t]*{_SIGNED}", _words(" times ")),
    "divided": (r"[ \t]*÷[ \t]*", _words(" divided by ")),
    "not_equal": (r"[ \t]*(?:!=|≠)[ \t]*", _words(" is not ")),
    "at_least": (r"[ \t]*(?:>=|≥)[ \t]*", _words(" is at least ")),
    "at_most": (r"[ \t]*(?:<=|≤)[ \t]*", _words(" is at most ")),
    "about": (r"[ \t]*≈[ \t]*", _words(" is about ")),
    "arrow": (r"[ \t]*(?:->|=>|→|⇒)[ \t]*", _words(" to ")),
    "equals": (r"[ \t]*=+[ \t]*", _words(" equals ")),
    "plus": (r"(?<=[\w)])[ \t]*\+[ \t]*" + _SIGNED, _words(" plus ")),
    "minus": (r"(?<=[\d)])(?:[ \t]+[-−][ \t]+|−)(?=[\d(])", _words(" minus ")),
    "root": (r"√[ \t]*", _words("the square root of ")),
    "pi": (r"π", _words("pi")),
    "mark": (r"\*+|~~|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)|\\[()\[\]]|\\(?=[*_`#|~])", _words("")),
    "underscore": (r"_+", _words(" ")),
}
"""Name → pattern, and what is said of it; where two patterns match at a place, the upper one holds."""

_SCANNER = re.compile("|".join(f"(?P<{name}>{pattern})" for name, (pattern, _) in _RULES.items()), re.MULTILINE)
