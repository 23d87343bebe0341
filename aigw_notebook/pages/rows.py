"""Turns and their rows as HTML. Whatever a model, a tool or a provider said is escaped, and stands in no attribute."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from html import escape

from ..events import Usage
from ..exports.documents import mark
from ..exports.subtitles import NAMES
from ..records import Entry
from ..turn import Latency, Turn
from .sounds import Sounds
from .words import pieces, words_html

__all__ = ["turn_html"]

TURN = '<div class="aigw-turn" role="heading" aria-level="3"><strong>{}</strong></div>'

PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""Shown; a picture of another type is told."""

MOST_PRELOADED = 50
"""Players of a page that read their sound's length before they play: a browser has only so many at once."""

PICTURE_BYTES = 1_500_000
"""Of one picture in a page."""


def turn_html(heading: str, entries: list[Entry], sounds: Sounds) -> str:
    """One turn as a section: its facts, and its rows in spoken order."""
    turn = entries[0].turn if entries else None
    facts = _facts(turn) if turn is not None else ""
    answered = {entry.call_id: entry for entry in entries if entry.kind == "tool_result"}
    called = {entry.call_id for entry in entries if entry.kind == "tool_call"}
    body = "".join(
        _row(entry, sounds, answered) for entry in entries if entry.kind != "tool_result" or entry.call_id not in called
    )
    return (
        f'<section aria-label="{escape(heading)}"><header>{TURN.format(escape(heading))}{facts}</header>\n'
        f"{body}{_trouble(turn, entries)}</section>\n"
    )


def _row(entry: Entry, sounds: Sounds, answered: dict[str | None, Entry]) -> str:
    if entry.kind == "tool_call":
        return _tool(entry, answered.get(entry.call_id))
    form = _ROWS.get(entry.kind)
    return _said(entry, sounds) if form is None else form(entry)


def _said(entry: Entry, sounds: Sounds) -> str:
    sound = sounds.of(entry)
    words = words_html(entry, seekable=sound is not None) or f"<em>{_wordless(entry)}</em>"
    _, told = pieces(entry)
    name = NAMES[entry.role]
    notes = [entry.status] if entry.status != "completed" else []
    if sound is not None:
        player = _player(f"{name}, {_seconds(entry.audio_ms)} of sound", sound.uri, sound.wave, sounds.count)
        times = "told" if told else "shared"
    else:
        player, times = "", "none"
        notes += [f"{_seconds(entry.audio_ms)} of sound, not in this page"] if entry.audio_ms else []
    note = f'<p class="aigw-note">{escape(", ".join(notes))}</p>' if notes else ""
    return (
        f'<div class="aigw-row aigw-{entry.role}"><strong>{name}</strong><div>'
        f'<p class="aigw-words" dir="auto" data-times="{times}">{words}</p>{player}{note}</div></div>\n'
    )


def _wordless(entry: Entry) -> str:
    return "spoken, no transcript" if entry.audio_ms else "no words"


def _player(label: str, uri: str, wave: str, count: int) -> str:
    preload = "metadata" if count <= MOST_PRELOADED else "none"
    return (
        f'<div class="aigw-sound"><div class="aigw-wave">{wave}<i></i></div>'
        f'<audio controls preload="{preload}" aria-label="{escape(label)}" src="{uri}"></audio></div>'
    )


def _tool(call: Entry, result: Entry | None) -> str:
    name = escape(call.tool_name or "")
    state, output = "no answer", ""
    if result is not None:
        failed = result.status == "failed"
        took = "" if result.end_ms is None else f" after {_ms(result.end_ms - result.start_ms)}"
        state = f"{'failed' if failed else 'answered'}{took}"
        output = _block("Error" if failed else "Answer", result.text)
    body = _block("Arguments", call.text) + output
    return f"<details><summary>Tool <code>{name}</code> <small>{escape(state)}</small></summary>{body}</details>\n"


def _lone_result(entry: Entry) -> str:
    """A tool's answer whose call stands elsewhere."""
    name = escape(entry.tool_name or "")
    return f"<details><summary>Tool <code>{name}</code></summary>{_block('Answer', entry.text)}</details>\n"


def _block(title: str, text: str | None) -> str:
    return f'<p class="aigw-note">{title}</p><pre>{escape(text or "")}</pre>'


def _picture(entry: Entry) -> str:
    image = entry.image
    if image is None or image.data is None:
        known = "" if image is None or not image.url else f" at {image.url}"
        return f'<p class="aigw-note">The model made a picture{escape(known)}</p>\n'
    if image.media_type not in PICTURES or len(image.data) > PICTURE_BYTES:
        return f'<p class="aigw-note">The model made a picture, {len(image.data):,} bytes, not in this page</p>\n'
    uri = f"data:{image.media_type};base64,{b64encode(image.data).decode('ascii')}"
    return f'<img alt="The picture the model made" src="{uri}">\n'


def _mark(entry: Entry) -> str:
    kind = "aigw-error" if entry.kind == "error" else "aigw-mark"
    return f'<p class="{kind}">{mark(entry, escape)}</p>\n'


_ROWS: dict[str, Callable[[Entry], str]] = {
    "tool_result": _lone_result,
    "image": _picture,
    "interruption": _mark,
    "error": _mark,
    "closed": _mark,
    "seam": _mark,
}


def _trouble(turn: Turn | None, entries: list[Entry]) -> str:
    """What ended a turn, where no row of it says so."""
    if turn is None or not turn.error or any(turn.error in (entry.text or "") for entry in entries):
        return ""
    return f'<p class="aigw-error">Error: {escape(turn.error)}</p>\n'


# ----------------------------------------------------------------------------------------------------------- the facts


def _facts(turn: Turn) -> str:
    told = [
        *([turn.status] if turn.status != "completed" else []),
        *(["outside the conversation"] if turn.out_of_band else []),
        *_waits(turn.latency),
        *_tokens(turn.usage),
    ]
    return f"<p>{escape(' · '.join(told))}</p>" if told else ""


def _waits(latency: Latency) -> list[str]:
    named = (
        ("first word", latency.first_token_ms),
        ("first sound", latency.first_audible_ms),
        ("all", latency.total_ms),
    )
    return [f"{name} {_ms(value)}" for name, value in named if value is not None]


def _tokens(usage: Usage) -> list[str]:
    if usage.total_tokens is None:
        return []
    sides = ((usage.input_tokens, "read"), (usage.output_tokens, "made"))
    return ["tokens: " + ", ".join(f"{count:,} {verb}" for count, verb in sides if count is not None)]


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def _seconds(value_ms: float | None) -> str:
    return f"{(value_ms or 0.0) / 1000:.1f} s"
