"""The words of a row with the times at which they are spoken, as HTML in which each can be clicked."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from ..exports.cues import SENTENCE, timed_words
from ..exports.documents import said
from ..records import Entry

__all__ = ["Piece", "pieces", "words_html"]


class Piece(NamedTuple):
    """The characters from `start` to `end` of a row's text, and when they are spoken, in ms of the row's sound."""

    start: int
    end: int
    start_ms: float
    end_ms: float


def pieces(entry: Entry) -> tuple[list[Piece], bool]:
    """The pieces of a row's text, in order, and whether the provider told their times.

    Where it did not, they are sentences, each with a share of the sound by length. None without sound.
    """
    text, audio_ms = entry.text or "", entry.audio_ms
    if not audio_ms or not text.strip():
        return [], False
    told = list(_told(entry, text))
    return (told, True) if told else (list(_shared(text, audio_ms)), False)


def _told(entry: Entry, text: str) -> Iterator[Piece]:
    at = 0
    for word in timed_words(entry):
        found = text.find(word.text, at)
        if found >= 0:
            at = found + len(word.text)
            yield Piece(found, at, word.start_ms, word.end_ms)


def _shared(text: str, audio_ms: float) -> Iterator[Piece]:
    for sentence in SENTENCE.finditer(text):
        start, end = sentence.span()
        yield Piece(start, end, audio_ms * start / len(text), audio_ms * end / len(text))


def words_html(entry: Entry, *, seekable: bool) -> str:
    """The words of a row, escaped. A mark stands where the listener stopped; what follows it was not heard.

    `seekable`: the row's sound is beside it, so that words carry their time.
    """
    heard, unheard = said(entry)
    known, _ = pieces(entry) if seekable and heard + unheard == entry.text else ([], False)
    known = [part for piece in known for part in _split(piece, len(heard))]
    words = _marked(heard, 0, [p for p in known if p.end <= len(heard)])
    if not unheard.strip():
        return words
    rest = _marked(unheard, len(heard), [p for p in known if p.start >= len(heard)])
    return f'{words} {_stopped(entry)}<span class="aigw-unheard" title="not heard">{rest}</span>'


def _split(piece: Piece, at: int) -> list[Piece]:
    """The piece in two where hearing ended within it."""
    if not piece.start < at < piece.end:
        return [piece]
    middle_ms = piece.start_ms + (piece.end_ms - piece.start_ms) * (at - piece.start) / (piece.end - piece.start)
    return [Piece(piece.start, at, piece.start_ms, middle_ms), Piece(at, piece.end, middle_ms, piece.end_ms)]


def _marked(text: str, offset: int, known: list[Piece]) -> str:
    """The text, which begins at `offset` of the row's, with its pieces as elements that carry their time."""
    parts, at = [], 0
    for piece in known:
        start, end = piece.start - offset, piece.end - offset
        parts.append(escape(text[at:start]))
        parts.append(f'<span data-ms="{piece.start_ms:.0f}">{escape(text[start:end])}</span>')
        at = end
    return "".join([*parts, escape(text[at:])])


def _stopped(entry: Entry) -> str:
    after = "" if entry.heard_ms is None else f" after {entry.heard_ms / 1000:.1f} s"
    return f'<span class="aigw-stopped">[heard up to here{after}]</span>'
