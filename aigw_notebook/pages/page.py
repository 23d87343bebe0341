"""The page itself: what it is of, how much of it is shown, and the forms it has."""

from __future__ import annotations

from datetime import UTC
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..encodable import encodable
from ..exports.documents import by_turn, rows_markdown, said, title_of
from ..exports.subtitles import NAMES
from ..recording import Recording
from ..records import Entry
from ..transcript import Transcript
from ..turn import Turn
from .rows import turn_html
from .sounds import Sounds

__all__ = ["Page", "page"]

OUTPUT_BYTES = 2_000_000
"""Base64 characters of sound that one output of a notebook may hold."""

FILE_BYTES = 64_000_000
"""The same of a file."""

MOST_TURNS = 200

STATIC = Path(__file__).parent / "static"

TITLE = '<div class="aigw-title" role="heading" aria-level="2"><strong>{}</strong></div>'
"""No `h2`: a notebook's table of contents would list it."""

DOCUMENT = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>html {{ color-scheme: light dark; }} body {{ max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}</style>
</head><body>
{body}</body></html>
"""


class Told(Protocol):
    """A session that runs or was recorded."""

    @property
    def transcript(self) -> Transcript:
        """Everything said."""


Pageable: TypeAlias = Told | Recording | Transcript | Turn


class Source(NamedTuple):
    """What a page is of: turns with their headings, oldest first."""

    title: str
    about: str
    turns: list[tuple[str, list[Entry]]]


def page(of: Pageable, *, most_turns: int | None = MOST_TURNS, most_bytes: int = OUTPUT_BYTES) -> Page:
    """A page of a session, a recording, a transcript or a turn; the last line of a cell shows it.

    Rows that begin later are not in it. `most_turns`: the newest so many (None: all). `most_bytes`: base64 characters
    of sound in an output; what is longer is a preview of less quality, then left out, and the page says so.
    """
    return Page(_source(of), most_turns=most_turns, most_bytes=most_bytes)


def _source(of: Pageable) -> Source:
    if isinstance(of, Turn):
        return Source(f"{of.provider}, turn {of.number}", of.where, [(f"Turn {of.number}", list(of.entries))])
    if isinstance(of, Recording):
        return _source(of.transcript())
    transcript = of if isinstance(of, Transcript) else of.transcript
    began = f"{transcript.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Source(title_of(transcript), " · ".join(filter(None, (began, transcript.where))), list(by_turn(transcript)))


class Page:
    """Words, sound and all else of a session as HTML that needs nothing besides itself: no kernel, widget or network.

    A click on a word plays from there; where scripts are taken out, the words and the players stay.
    """

    def __init__(self, source: Source, *, most_turns: int | None, most_bytes: int) -> None:
        self._source = source
        self._most_bytes = most_bytes
        first = 0 if most_turns is None else max(0, len(source.turns) - most_turns)
        self._turns = source.turns[first:]
        self.turns_left_out = first

    @property
    def title(self) -> str:
        """What the page is called."""
        return self._source.title

    @cached_property
    def html(self) -> str:
        """The page as an element to put into any page."""
        return self._element(self._most_bytes)

    def to_markdown(self) -> str:
        """The same words as Markdown."""
        left_out = [f"*{self._turns_note()}*"] if self.turns_left_out else []
        body = [part for heading, entries in self._turns for part in (f"### {heading}", *rows_markdown(entries))]
        return encodable("\n\n".join([*left_out, *body]) + "\n")

    def save(self, path: str | PathLike[str], *, most_bytes: int = FILE_BYTES) -> Path:
        """Write a document of its own and return its path; an existing file is replaced.

        It holds the sound as it is up to `most_bytes` of base64.
        """
        target = Path(path).expanduser()
        document = DOCUMENT.format(title=escape(encodable(self.title)), body=self._element(most_bytes))
        target.write_text(document, encoding="utf-8")
        return target

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        return {"text/html": self.html, "text/markdown": self.to_markdown(), "text/plain": str(self)}

    def __repr__(self) -> str:
        return f"<Page of {self.title}: {len(self._turns)} turns>"

    def __str__(self) -> str:
        rows = [entry for _, entries in self._turns for entry in entries]
        lines = [self._turns_note()] if self.turns_left_out else []
        return encodable("\n".join([*lines, *map(_plain, rows)])) or "(nothing was said)"

    def _element(self, most_bytes: int) -> str:
        sounds = Sounds([entry for _, entries in self._turns for entry in entries], most_bytes)
        body = "".join(turn_html(heading, entries, sounds) for heading, entries in self._turns)
        notes = [*([self._turns_note()] if self.turns_left_out else []), *_sound_notes(sounds)]
        about = [escape(self._source.about), *map(escape, notes)]
        head = "".join(f"<p>{line}</p>" for line in about if line)
        return encodable(
            f"<style>{_static('page.css')}</style>\n"
            f'<div class="aigw-page"><header>{TITLE.format(escape(self.title))}{head}</header>\n'
            f"{body or '<p>Nothing was said.</p>'}</div>\n<script>{_static('page.js')}</script>\n"
        )

    def _turns_note(self) -> str:
        return f"The first {self.turns_left_out} turns are left out: aigw.page(…, most_turns=None) shows all."


def _sound_notes(sounds: Sounds) -> list[str]:
    notes = []
    if sounds.preview is not None:
        notes.append(
            f"The sound is a preview of {sounds.preview.sample_rate // 1000} kHz: all of it is too much for an output. "
            '.page().save("talk.html") writes a page with the sound as it is.'
        )
    if sounds.left_out:
        notes.append(f"The sound of the {sounds.left_out} oldest rows is left out: most_bytes= sets how much there is.")
    return notes


def _plain(entry: Entry) -> str:
    heard, unheard = said(entry)
    rest = f" (not heard: {unheard.strip()})" if unheard.strip() else ""
    name = NAMES[entry.role] if entry.kind in ("text", "audio") else f"{NAMES[entry.role]}, {entry.kind}"
    return f"{name}: {heard}{rest}"


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
