"""How a finished turn looks: plain static outputs that survive saving.

A turn is one Markdown output and, for a spoken answer, one `IPython.display.Audio` without autoplay: both are readable
with no kernel, no widget manager and no script. Model text is handed over as a raw MIME bundle, because
`Markdown(text)` opens a text that is a path or a URL.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cost import usd_of_turn
from .inert import inert

if TYPE_CHECKING:
    from IPython.display import Audio

    from .audio.clip import Clip
    from .events import ImageOutput
    from .turn import Turn

__all__ = [
    "Table",
    "audio_offer",
    "audio_output",
    "file_name",
    "formatted",
    "in_kernel",
    "picture_bundles",
    "player",
    "publish",
    "show_turn",
    "text_bundle",
]


EMBED_BYTES = 2_000_000
"""Base64 characters of audio that one output may hold; a longer answer is a WAV file beside the notebook."""


def in_kernel() -> bool:
    """Whether a Jupyter kernel runs this code, so that somebody may show rich output."""
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def publish(content: Any, *, display_id: str | None = None, update: bool = False) -> None:
    """Display a MIME bundle (a dict) or an object that shows itself, in the place of that id if there is one."""
    import IPython.display

    display: Any = IPython.display.display
    known = {} if display_id is None else {"display_id": display_id, "update": update}
    display(content, raw=isinstance(content, dict), **known)


def player(**options: Any) -> Audio:
    """An `IPython.display.Audio`. Give it the bytes of a WAV file: samples would be scaled to full volume."""
    import IPython.display

    make: Any = IPython.display.Audio
    made: Audio = make(**options)
    return made


def show_turn(turn: Turn) -> None:
    """Display a turn: Markdown and a player in a notebook, its text in a terminal.

    A turn whose `shown` is set is on the screen already: the mark is taken away and nothing is displayed, save the
    one line that a terminal expects behind its `Out[n]:`.
    """
    kernel = in_kernel()
    if turn.shown:
        turn.shown = False
        if not kernel:
            print(repr(turn))
    elif kernel:
        _show_static(turn)
    else:
        print(_plain(turn))


def _show_static(turn: Turn) -> None:
    publish(text_bundle(turn))
    for picture in picture_bundles(turn):
        publish(picture)
    clip = turn.audio
    if clip is not None:
        publish(audio_output(clip, file_name(turn)))


def text_bundle(turn: Turn) -> dict[str, str]:
    """The MIME bundle of a turn's text, with a word on how it ended when that was not the plain way."""
    text = turn.text or _without_words(turn)
    note = "" if turn.status == "completed" else f"({turn.status})"
    return {
        "text/markdown": "\n\n".join(part for part in (inert(text), note and f"*{note}*") if part) or "*(no answer)*",
        "text/plain": " ".join(part for part in (text, note) if part) or "(no answer)",
    }


def _without_words(turn: Turn) -> str:
    if turn.audio is not None:
        return "(spoken, no transcript)"
    count = len(turn.images)
    return f"({count} picture{'s' if count > 1 else ''})" if count else ""


def picture_bundles(turn: Turn) -> list[dict[str, str]]:
    """The MIME bundles of the pictures a turn made; one that is known by its address only is told, not fetched."""
    return [_picture(image) for image in turn.images]


def _picture(image: ImageOutput) -> dict[str, str]:
    if image.data is None:
        return {"text/plain": f"picture at {image.url}"}
    return {image.media_type: b64encode(image.data).decode("ascii"), "text/plain": f"<{image.media_type} picture>"}


def formatted(turn: Turn, name: str) -> dict[str, Any] | None:
    """The MIME bundle of a turn in the format of that name; None for "markdown", the usual one."""
    form = _FORMS.get(name)
    return None if form is None else form(turn)


def _as_text(turn: Turn) -> dict[str, Any]:
    return {"text/plain": text_bundle(turn)["text/plain"]}


def _as_json(turn: Turn) -> dict[str, Any]:
    names = ("number", "provider", "where", "status", "error", "user_text", "text")
    known = {name: getattr(turn, name) for name in names}
    known |= {"latency": asdict(turn.latency), "usage": asdict(turn.usage), "cost_usd": usd_of_turn(turn)}
    known["tool_calls"] = [asdict(use) for use in turn.tool_calls]
    return {"application/json": known, "text/plain": json.dumps(known, ensure_ascii=False, indent=2)}


def _as_records(turn: Turn) -> dict[str, Any]:
    table = Table(turn.records)
    return {"text/html": table._repr_html_(), "text/plain": repr(table)}


def _as_audio(turn: Turn) -> dict[str, Any]:
    clip = turn.audio
    return {"text/plain": "(no audio)" if clip is None else f"{clip.duration_ms / 1000:.1f} s of audio"}


_FORMS: dict[str, Callable[[Turn], dict[str, Any]]] = {
    "text": _as_text,
    "json": _as_json,
    "records": _as_records,
    "audio": _as_audio,
}


def audio_output(clip: Clip, file_name: str, *, element_id: str | None = None) -> Audio:
    """A player without autoplay: the clip itself, or, beyond `EMBED_BYTES`, a link to the WAV file it is written to."""
    wav = clip.to_wav()
    if len(wav) * 4 / 3 <= EMBED_BYTES:
        return player(data=wav, element_id=element_id)
    Path(file_name).write_bytes(wav)
    return player(url=file_name, element_id=element_id)


def file_name(turn: Turn) -> str:
    """The name of the WAV file of a turn whose audio is too long to embed."""
    session = turn.records[0]["session_id"] if turn.records else turn.provider
    return f"aigw-{session}-turn-{turn.number}.wav"


def _plain(turn: Turn) -> str:
    offer = "" if turn.audio is None else f"\n{audio_offer(turn)}"
    return text_bundle(turn)["text/plain"] + offer


def audio_offer(turn: Turn) -> str:
    """The line that says, where nothing can play, how to get at a turn's audio."""
    seconds = turn.audio.duration_ms / 1000 if turn.audio is not None else 0.0
    return f"[{seconds:.1f} s of audio: _.audio.save('answer.wav')]"


class Table:
    """Rows as a small table, where no pandas is: HTML in a notebook, columns of text elsewhere."""

    def __init__(self, rows: list[dict[str, Any]], columns: list[str] | None = None) -> None:
        self.rows = rows
        self.columns = columns or list(dict.fromkeys(key for row in rows for key in row))

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>" for cells in self._cells())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        lines = [self.columns, *self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _cells(self) -> list[list[str]]:
        return [[_cell(row.get(column)) for column in self.columns] for row in self.rows]


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value).replace("\n", " ")
