"""A transcript to read: Markdown and HTML. All words are escaped: they read as they were said, and do nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape
from itertools import groupby

from ..records import Entry
from ..transcript import Transcript
from .subtitles import NAMES

__all__ = ["by_turn", "mark", "rows_markdown", "said", "title_of", "to_html", "to_markdown"]

HEAD = """<!doctype html>
<html><head><meta charset="utf-8"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }}
section {{ margin: 1.5rem 0; }}
p {{ margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
.unheard {{ opacity: .55; }}
.note, time {{ opacity: .7; font-size: .85em; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
</style></head><body>
"""


def to_markdown(transcript: Transcript) -> str:
    """The conversation as Markdown (CommonMark), a heading for each turn."""
    parts = [f"# {_md(title_of(transcript))}", f"Began {transcript.started_at.isoformat(timespec='seconds')}."]
    for heading, entries in by_turn(transcript):
        parts += [f"## {heading}", *rows_markdown(entries)]
    return "\n\n".join(parts) + "\n"


def rows_markdown(entries: list[Entry]) -> list[str]:
    """These rows as paragraphs of Markdown."""
    return [line for entry in entries for line in _MARKDOWN.get(entry.kind, _md_said)(entry)]


def to_html(transcript: Transcript) -> str:
    """The conversation as a page of its own, without any script."""
    title = escape(title_of(transcript))
    parts = [HEAD.format(title=title), f"<h1>{title}</h1>\n"]
    parts.append(f"<p>Began <time>{transcript.started_at.isoformat(timespec='seconds')}</time></p>\n")
    for heading, entries in by_turn(transcript):
        body = "".join(line for entry in entries for line in _HTML.get(entry.kind, _html_said)(entry))
        parts.append(f"<section><h2>{heading}</h2>\n{body}</section>\n")
    return "".join(parts) + "</body></html>\n"


def title_of(transcript: Transcript) -> str:
    """What a session is called: provider, model, id."""
    return " ".join(filter(None, (transcript.provider, transcript.model, transcript.session_id)))


def by_turn(transcript: Transcript) -> Iterator[tuple[str, list[Entry]]]:
    """The rows by their turn, as they stand."""
    for number, entries in groupby(list(transcript.entries), lambda e: e.turn.number if e.turn is not None else 0):
        yield (f"Turn {number}" if number else "Outside any turn"), list(entries)


def said(entry: Entry) -> tuple[str, str]:
    """The words that were heard, and those that were not."""
    text, heard = entry.text or "", entry.heard_text
    if heard is None:
        return text, ""
    return (heard, text[len(heard) :]) if text.startswith(heard) else (heard, "")


def _about(entry: Entry) -> str:
    """What is to be said of a row besides its words."""
    told = [f"{entry.audio_ms / 1000:.1f} s of audio"] if entry.audio_ms else []
    told += [f"{entry.heard_ms / 1000:.1f} s heard"] if entry.heard_ms is not None else []
    told += [entry.status] if entry.status != "completed" else []
    return ", ".join(told)


_MD_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>&:@$])")


def _md(text: str) -> str:
    """Text that Markdown shows as it is, lines kept."""
    lines = _MD_SPECIAL.sub(r"\\\1", text).splitlines()
    return "\\\n".join(line.strip() for line in lines if line.strip())


def _md_said(entry: Entry) -> Iterator[str]:
    heard, unheard = said(entry)
    words = _md(heard) + (f" *(not heard: {_md(unheard)})*" if unheard.strip() else "")
    about = _about(entry)
    yield f"**{NAMES[entry.role]}:** {words or '*(no words)*'}" + (f"\n\n*{_md(about)}*" if about else "")


def _md_tool(entry: Entry) -> Iterator[str]:
    text = entry.text or ""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    fence = fence if len(fence) > 2 else "```"
    yield f"**{_tool_title(entry, _md)}:**\n\n{fence}\n{text}\n{fence}"


def _tool_title(entry: Entry, clean: Callable[[str], str]) -> str:
    verb = "Model calls" if entry.kind == "tool_call" else "Tool failed:" if entry.status == "failed" else "Tool"
    return f"{verb} {clean(entry.tool_name or '')}"


def _md_mark(entry: Entry) -> Iterator[str]:
    yield f"*{mark(entry, _md)}*"


def mark(entry: Entry, clean: Callable[[str], str]) -> str:
    """One line on what is no speech: an interruption, an error, a picture, the end."""
    detail = " ".join(filter(None, (entry.error_code, entry.text)))
    if entry.kind == "interruption" and entry.heard_ms is not None:
        detail = f"after {entry.heard_ms / 1000:.1f} s"
    name = _MARKS.get(entry.kind, entry.kind)
    return f"{name}: {clean(detail)}" if detail else name


_MARKS = {
    "interruption": "You interrupted",
    "error": "Error",
    "closed": "The session was closed",
    "seam": "Seam",
    "image": "The model made a picture",
}

_MARKDOWN: dict[str, Callable[[Entry], Iterator[str]]] = {
    "tool_call": _md_tool,
    "tool_result": _md_tool,
    "interruption": _md_mark,
    "error": _md_mark,
    "closed": _md_mark,
    "seam": _md_mark,
    "image": _md_mark,
}


def _html_said(entry: Entry) -> Iterator[str]:
    heard, unheard = said(entry)
    rest = f'<span class="unheard" title="not heard">{escape(unheard)}</span>' if unheard else ""
    words = escape(heard) + rest or "<em>no words</em>"
    yield f"<p><strong>{NAMES[entry.role]}:</strong> {words}</p>\n"
    if about := _about(entry):
        yield f'<p class="note">{escape(about)}</p>\n'


def _html_tool(entry: Entry) -> Iterator[str]:
    title = _tool_title(entry, escape)
    yield f"<details><summary>{title}</summary><pre>{escape(entry.text or '')}</pre></details>\n"


def _html_mark(entry: Entry) -> Iterator[str]:
    yield f'<p class="note">{mark(entry, escape)}</p>\n'


_HTML: dict[str, Callable[[Entry], Iterator[str]]] = {
    "tool_call": _html_tool,
    "tool_result": _html_tool,
    "interruption": _html_mark,
    "error": _html_mark,
    "closed": _html_mark,
    "seam": _html_mark,
    "image": _html_mark,
}
