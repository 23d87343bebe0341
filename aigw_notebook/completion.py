"""Tab completion for `%aigw` and `%%aigw`: commands, providers, models, options and their values.

The matcher answers only on a line that begins with the magic, so it costs nothing elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult

__all__ = ["Vocabulary", "candidates", "make_matcher"]

MAGIC_LINE = re.compile(r"^\s*(?P<magic>%{1,2})aigw\s+(?P<rest>.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words there are. `values` maps an option to what may follow it, given the provider of the line."""

    commands: Sequence[str]
    flags: Sequence[str]
    providers: Callable[[], Iterable[str]]
    models: Callable[[str], Iterable[str]]
    sessions: Callable[[], Iterable[str]]
    values: Mapping[str, Callable[[str], Iterable[str]]] = field(default_factory=dict)


def make_matcher(vocabulary: Callable[[], Vocabulary]) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """A matcher for `shell.Completer.custom_matchers`; `vocabulary` is asked for on lines of the magic only."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    def aigw_matcher(context: CompletionContext) -> SimpleMatcherResult:
        line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
        words = candidates(line, vocabulary()) if MAGIC_LINE.match(line) else []
        found = [SimpleCompletion(text=text, type="magic") for text in words]
        return {"completions": found, "matched_fragment": _last_word(line), "suppress": bool(found)}

    decorate: Callable[[Any], Any] = context_matcher()
    matcher: Callable[[CompletionContext], SimpleMatcherResult] = decorate(aigw_matcher)
    return matcher


def candidates(line: str, words: Vocabulary) -> list[str]:
    """The words that may complete the last one of `line`, sorted; none when it is no line of this magic."""
    match = MAGIC_LINE.match(line)
    if match is None:
        return []
    last = _last_word(line)
    before = match["rest"].split()
    if last:
        before = before[:-1]
    possible = _cell_words if match["magic"] == "%%" else _line_words
    return sorted({text for text in possible(before, last, words) if text.startswith(last)})


def _line_words(before: list[str], last: str, words: Vocabulary) -> Iterable[str]:
    return words.sessions() if before else words.commands


def _cell_words(before: list[str], last: str, words: Vocabulary) -> Iterable[str]:
    provider = before[0].partition(":")[0] if before and not before[0].startswith("-") else ""
    if before and before[-1] in words.values:
        return words.values[before[-1]](provider)
    if last.startswith("-") or provider:
        return words.flags
    name, colon, _ = last.partition(":")
    return (f"{name}:{model}" for model in words.models(name)) if colon else words.providers()


def _last_word(line: str) -> str:
    return "" if not line or line[-1].isspace() else line.split()[-1]
