"""Subtitles: WebVTT (W3C) and SubRip (.srt)."""

from __future__ import annotations

from ..encodable import encodable
from ..transcript import Transcript
from .cues import Cue, cues

__all__ = ["NAMES", "to_srt", "to_vtt"]

NAMES = {"user": "You", "assistant": "Model", "tool": "Tool", "session": "Session"}
"""How each role is called in what people read."""

SHOWN_AT_LEAST_MS = 1

ESTIMATED = """NOTE
Cues whose identifier ends in "estimated" have a share of their row's time by length: the provider
did not tell when their words are spoken."""


def to_vtt(transcript: Transcript) -> str:
    """WebVTT with a voice for each side. A note says which times are estimated, if any are."""
    found = cues(transcript)
    blocks = ["WEBVTT", *([] if all(cue.told for cue in found) else [ESTIMATED])]
    for number, cue in enumerate(found, 1):
        name = f"{number}" if cue.told else f"{number} estimated"
        blocks.append(f"{name}\n{_span(cue, '.')}\n<v {NAMES[cue.role]}>{_vtt_text(cue.text)}</v>")
    return "\n\n".join(blocks) + "\n"


def to_srt(transcript: Transcript) -> str:
    """SubRip, each cue with the side that speaks. The format has no comments: times are told or estimated as in VTT."""
    found = enumerate(cues(transcript), 1)
    blocks = [f"{n}\n{_span(cue, ',')}\n{NAMES[cue.role]}: {_srt_text(cue.text)}\n" for n, cue in found]
    return "\n".join(blocks)


def _span(cue: Cue, point: str) -> str:
    start_ms = round(cue.start_ms)
    end_ms = max(start_ms + SHOWN_AT_LEAST_MS, round(cue.end_ms))
    return f"{_time(start_ms, point)} --> {_time(end_ms, point)}"


def _time(t_ms: int, point: str) -> str:
    seconds, ms = divmod(max(0, t_ms), 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in encodable(text)).split())


def _vtt_text(text: str) -> str:
    return _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt_text(text: str) -> str:
    """Players take tags in angle brackets and braces for orders and know no escape: other brackets stand for these."""
    return _one_line(text).translate(_SRT_BRACKETS)


_SRT_BRACKETS = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
