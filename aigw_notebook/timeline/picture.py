"""A timeline as SVG that needs nothing: no script, no library, no font; light or dark as the reader's system is."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from ..encodable import encodable
from ..errors import ConfigurationError
from ..lines import Line
from ..transcript import Transcript
from .scale import Bar, Scale, bars, merged
from .story import LANES, Mark, Span, Story, story_of

__all__ = ["Timeline"]

WIDTH, LEFT, RIGHT, TOP = 960, 104, 18, 58
LANE, GAP, AXIS = 26, 9, 30
CHARACTER_PX = 6.0
ROOMY_PX = 120.0
"""A span that wide keeps its words inside; those of a narrower one may run on to what comes next."""

MOST_MARKS = 200
TITLE_CHARACTERS = 400


class Timeline:
    """The time of a session as swim lanes; it displays itself in a notebook. `svg` is the picture as text.

    It shows what was known when it was made. However long the session was, the number of shapes is bounded: what lies
    too close together is drawn as one, and says how many it is.
    """

    def __init__(self, transcript: Transcript, lines: Iterable[Line] = ()) -> None:
        story = story_of(transcript, lines)
        self.title = encodable(story.title)
        self.svg = "".join(_picture(story, transcript.session_id))

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file (`.svg`); its path. In a browser a pointer is told what each shape is."""
        target = Path(path).expanduser()
        if target.suffix.lower() != ".svg":
            raise ConfigurationError(f"a timeline is an SVG picture: give a path that ends in .svg, not {target.name}")
        try:
            target.write_text(self.svg, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"the timeline could not be written to {target}: {error.strerror}") from None
        return target

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(self, **hints: Any) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<Timeline {self.title}>"


STYLE = """
.aigw-timeline{--ink:#1f2328;--quiet:#6a737d;--line:#d0d7de;--ground:#ffffff;--band:#f4f6f8;--you:#2f6fde;--text:#7a4fd0;
--audio:#0f8a72;--heard:#12a150;--tools:#b7791f;--alarm:#d1242f;font:11px system-ui,-apple-system,"Segoe UI",sans-serif}
@media (prefers-color-scheme:dark){.aigw-timeline{--ink:#e6edf3;--quiet:#9aa4af;--line:#3a424c;--ground:#14181d;
--band:#1c2229;--you:#6ea8ff;--text:#b794ff;--audio:#3fc9a9;--heard:#56d364;--tools:#e3b341;--alarm:#ff6b6b}}
.aigw-timeline text{fill:var(--ink)}.aigw-timeline .q{fill:var(--quiet)}
.aigw-timeline .h{font-weight:600;font-size:13px}
.aigw-timeline .ground{fill:var(--ground);stroke:var(--line)}.aigw-timeline .band{fill:var(--band)}
.aigw-timeline .grid{stroke:var(--line);stroke-width:1}.aigw-timeline .wait{stroke:var(--quiet);stroke-width:1.5;
stroke-dasharray:2 3;fill:none}.aigw-timeline .span{fill-opacity:.22;stroke-width:1}
.aigw-timeline .you{fill:var(--you);stroke:var(--you)}.aigw-timeline .text{fill:var(--text);stroke:var(--text)}
.aigw-timeline .audio{fill:var(--audio);stroke:var(--audio)}.aigw-timeline .heard{fill:var(--heard);stroke:var(--heard)}
.aigw-timeline .assumed{fill:var(--heard);stroke:var(--heard);fill-opacity:.06;stroke-dasharray:3 3}
.aigw-timeline .tool{fill:var(--tools);stroke:var(--tools)}.aigw-timeline .failed{fill:var(--alarm);stroke:var(--alarm)}
.aigw-timeline .sent{fill:var(--you)}.aigw-timeline .received{fill:var(--audio)}
.aigw-timeline .mark{stroke:var(--alarm);stroke-width:1.5}.aigw-timeline .dot{fill:var(--ground);stroke:var(--quiet);
stroke-width:1.5}.aigw-timeline text.alarm{fill:var(--alarm);font-weight:600}
"""


def _picture(story: Story, session_id: str) -> Iterator[str]:
    scale = Scale(story.length_ms, LEFT, WIDTH - LEFT - RIGHT)
    lanes = {name: merged(spans, scale) for name, spans in story.lanes.items() if spans}
    names = [name for name in LANES if name in lanes or (name == "network" and story.messages)]
    foot = TOP + len(names) * (LANE + GAP)
    ident = "aigw-" + "".join(c for c in session_id if c.isalnum())
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="aigw-timeline" viewBox="0 0 {WIDTH} {foot + AXIS}" '
        f'role="img" aria-labelledby="{ident}-t {ident}-d">'
        f'<title id="{ident}-t">Timeline of {_text(story.title)}</title>'
        f'<desc id="{ident}-d">{_text(_described(story))}</desc><style>{STYLE}</style>'
        f'<rect class="ground" x=".5" y=".5" width="{WIDTH - 1}" height="{foot + AXIS - 1}" rx="8"/>'
        f'<text class="h" x="14" y="22">{_text(_cut(story.title, WIDTH))}</text>'
    )
    yield from _turns(merged(story.turns, scale), scale, foot)
    yield from _axis(scale, foot)
    for row, name in enumerate(names):
        y = TOP + row * (LANE + GAP)
        yield f'<text class="q" x="{LEFT - 10}" y="{y + 17}" text-anchor="end">{LANES[name]}</text>'
        if name == "network":
            yield from _network(bars(story.messages, scale), y)
            continue
        waits = [wait for wait in merged(story.waits.get(name, []), scale) if wait.kind == "wait"]
        yield from _waits(waits, scale, y)
        yield from _spans(lanes[name], [scale.x(wait.start_ms) for wait in waits], scale, y)
    yield from _marks(story.marks, scale, foot)
    yield "</svg>"


def _described(story: Story) -> str:
    """The picture in words, for who does not see it."""
    waits = [f"{span.title}." for kind in ("text", "audio") for span in story.waits[kind][:10]]
    marks = [f"{mark.title}." for mark in story.marks[:10]]
    return " ".join([f"{len(story.messages)} messages.", *waits, *marks])


def _turns(turns: list[Span], scale: Scale, foot: float) -> Iterator[str]:
    """A band behind each turn with its number above it."""
    free_px = 0.0
    for turn in turns:
        x, width = _box(turn, scale)
        box = f'x="{x}" y="{TOP - 8}" width="{width}" height="{foot - TOP + 4}"'
        yield f'<g>{_title(turn.title)}<rect class="band" {box} rx="4"/>'
        if x >= free_px:
            yield f'<text class="q" x="{x + 3}" y="{TOP - 12}">{_text(_turn_name(turn, width))}</text>'
            free_px = x + 48
        yield "</g>"


def _turn_name(turn: Span, width: float) -> str:
    return f"turn {turn.label}" if turn.label.isdecimal() and width > 40 else turn.label


def _axis(scale: Scale, foot: float) -> Iterator[str]:
    for t_ms, name in scale.ticks():
        x = scale.x(t_ms)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{foot - 3}" y2="{foot + 3}"/>'
        yield f'<text class="q" x="{x}" y="{foot + 17}" text-anchor="middle">{name}</text>'
    yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{foot}" y2="{foot}"/>'


def _spans(spans: list[Span], taken: list[float], scale: Scale, y: float) -> Iterator[str]:
    """The spans of a lane. Words keep off the places in `taken`, which are in order."""
    begins = sorted([*taken, *(scale.x(span.start_ms) for span in spans), WIDTH - RIGHT])
    for span in spans:
        x, width = _box(span, scale)
        following = begins[min(bisect_right(begins, x), len(begins) - 1)]
        label = _cut(span.label, (width if width > ROOMY_PX else following - x) - 10)
        words = f'<text x="{x + 5}" y="{y + 17}">{_text(label)}</text>' if label else ""
        box = f'<rect class="span {span.kind}" x="{x}" y="{y}" width="{width}" height="{LANE}" rx="3"/>'
        yield f"<g>{_title(span.title)}{box}{words}</g>"


def _waits(waits: list[Span], scale: Scale, y: float) -> Iterator[str]:
    """A dashed line for each wait, with how long it was."""
    for wait in waits:
        x, end = scale.x(wait.start_ms), scale.x(wait.end_ms)
        words = _cut(wait.label, end - x - 6)
        label = f'<text class="q" x="{x + 3}" y="{y + 9}">{_text(words)}</text>' if words == wait.label else ""
        yield f'<g>{_title(wait.title)}<path class="wait" d="M{x} {y + 13}H{end}"/>{label}'
        yield f'<circle class="dot" cx="{end}" cy="{y + 13}" r="2.5"/></g>'


def _network(found: list[Bar], y: float) -> Iterator[str]:
    """Messages as bars, what was sent above the line and what was received below; their height is by size, log."""
    most = math.log1p(max((bar.bytes for bar in found), default=1))
    for bar in found:
        height = round(max(1.5, (LANE / 2 - 1) * math.log1p(bar.bytes) / most), 2)
        top = y + LANE / 2 - height if bar.sent else y + LANE / 2
        kind = "sent" if bar.sent else "received"
        title = _title(
            f"{bar.messages} message{'s' if bar.messages > 1 else ''} {kind}, about {bar.bytes / 1000:.1f} kB"
        )
        yield f'<rect class="{kind}" x="{bar.x:.2f}" y="{top:.2f}" width="2.2" height="{height}">{title}</rect>'


def _marks(marks: list[Mark], scale: Scale, foot: float) -> Iterator[str]:
    """A line through all lanes for each barge-in and error; of a great many the first are drawn."""
    free_px = 0.0
    for mark in marks[:MOST_MARKS]:
        x = scale.x(mark.t_ms)
        yield f'<g>{_title(mark.title)}<line class="mark" x1="{x}" x2="{x}" y1="{TOP - 22}" y2="{foot}"/>'
        if x >= free_px:
            anchor, place = ("end", x - 4) if x > WIDTH - RIGHT - 60 else ("start", x + 4)
            yield f'<text class="alarm" x="{place}" y="{TOP - 24}" text-anchor="{anchor}">{_text(mark.label)}</text>'
            free_px = x + 60
        yield "</g>"


def _box(span: Span, scale: Scale) -> tuple[float, float]:
    """Place and width of a span, which is never too narrow to be seen."""
    x = scale.x(span.start_ms)
    return x, round(max(2.0, scale.x(span.end_ms) - x), 2)


def _cut(text: str, room_px: float) -> str:
    """As much of a text as there is room for, in one line."""
    line = " ".join(text[:TITLE_CHARACTERS].split())
    fitting = int(room_px / CHARACTER_PX)
    if len(line) <= fitting:
        return line
    return line[: fitting - 1].rstrip() + "…" if fitting > 4 else ""


def _title(text: str) -> str:
    shown = text if len(text) <= TITLE_CHARACTERS else text[: TITLE_CHARACTERS - 1] + "…"
    return f"<title>{_text(shown)}</title>"


def _text(text: str) -> str:
    """Text as XML takes it: escaped, without the control characters that XML has no form for."""
    return escape(_NOT_XML.sub("", text))


_NOT_XML = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
