"""The tables of one session, or of many: each is made of what a transcript and a log say, when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import datetime, timedelta
from typing import NamedTuple

from ..events import AudioDelta, Usage
from ..lines import Line
from ..records import Entry, Row
from ..transcript import Transcript
from ..turn import Turn
from .schemas import SCHEMAS
from .table import Table

__all__ = ["Source", "Tables"]


class Source(NamedTuple):
    """One session to make tables of: its transcript, and how to get its lines."""

    transcript: Transcript
    lines: Callable[[], Iterable[Line]]


class Tables:
    """Six tables, made anew whenever one is asked for: `turns`, `events`, `audio`, `tools`, `usage`, `latency`.

    `sources` gives the sessions, one at a time. All tables have their columns in every session, so that tables of
    several sessions go together.
    """

    def __init__(self, sources: Callable[[], Iterable[Source]]) -> None:
        self._sources = sources

    @property
    def turns(self) -> Table:
        """The records: one row for each thing said or done, in spoken order."""
        return self._made("turns", lambda source: source.transcript.records)

    @property
    def events(self) -> Table:
        """The log: every message, every event and every fact of this side, in the order in which it happened."""
        return self._made("events", _event_rows)

    @property
    def audio(self) -> Table:
        """The pieces of sound, without the sound itself."""
        return self._made("audio", _audio_rows)

    @property
    def tools(self) -> Table:
        """The calls of tools."""
        return self._made("tools", _tool_rows)

    @property
    def usage(self) -> Table:
        """The tokens of each response."""
        return self._made("usage", _usage_rows)

    @property
    def latency(self) -> Table:
        """The waits of each turn."""
        return self._made("latency", _latency_rows)

    def _made(self, name: str, rows: Callable[[Source], Iterable[Row]]) -> Table:
        schema = SCHEMAS[name]
        return Table.of(schema, (row for source in self._sources() for row in rows(source)))

    def __repr__(self) -> str:
        return f"<Tables {', '.join(SCHEMAS)}>"


# --------------------------------------------------------------------------------------------------------- the events


def _event_rows(source: Source) -> Iterator[Row]:
    transcript, turn = source.transcript, 0
    for seq, line in enumerate(source.lines(), 1):
        if line.kind == "turn":
            turn = line.value["turn"]
        told = _TOLD.get(line.kind, _local)(line)
        yield (
            _NOTHING
            | {
                "session_id": transcript.session_id,
                "seq": seq,
                "t_ms": round(line.t_ms, 3),
                "at": _utc(transcript.started_at, line.t_ms),
                "turn": turn,
            }
            | told
        )
        if line.kind == "ended" and line.value["turn"] == turn:
            turn = 0


_NOTHING: Row = dict.fromkeys(SCHEMAS["events"].names)


def _message(line: Line) -> Row:
    value = line.value
    size = len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else len(value)
    return {"direction": line.kind, "type": _message_type(value), "bytes": size}


def _message_type(message: str | bytes) -> str:
    """What a message calls itself: its type, else its first key; "binary" for what is no JSON."""
    try:
        found = json.loads(message)
    except ValueError:
        return "binary" if isinstance(message, bytes) else "text"
    if not isinstance(found, dict):
        return type(found).__name__
    named = (found.get(key) for key in ("type", "message_type", "event"))
    return next((name for name in named if isinstance(name, str)), next(iter(found), "{}"))


def _event(line: Line) -> Row:
    event = line.value
    words = (getattr(event, name, None) for name in ("text", "arguments", "output", "message", "reason"))
    row = {
        "direction": "event",
        "type": type(event).__name__,
        "item_id": getattr(event, "item_id", None),
        "response_id": getattr(event, "response_id", None),
        "text": next((text for text in words if isinstance(text, str)), None),
    }
    number = getattr(event, "turn", None)
    if number is not None:
        row["turn"] = number
    if isinstance(event, AudioDelta):
        row |= {"audio_ms": round(event.format.duration_ms(event.data), 3), "bytes": len(event.data)}
    return row


def _voice(line: Line) -> Row:
    data, form = line.value
    return {
        "direction": "local",
        "type": "voice",
        "audio_ms": round(form.duration_ms(data), 3),
        "bytes": len(data),
    }


def _local(line: Line) -> Row:
    text = line.value if isinstance(line.value, str) else None
    return {"direction": "local", "type": line.kind, "text": text}


_TOLD: dict[str, Callable[[Line], Row]] = {"received": _message, "sent": _message, "event": _event, "voice": _voice}


def _utc(started_at: datetime, t_ms: float) -> str:
    moment = started_at + timedelta(milliseconds=t_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ------------------------------------------------------------------------------------------------------ of the rows


def _entries(source: Source) -> list[tuple[int, Entry]]:
    return list(enumerate(list(source.transcript.entries), 1))


def _audio_rows(source: Source) -> Iterator[Row]:
    for seq, entry in _entries(source):
        if entry.audio_bytes and entry.format is not None:
            start_ms = entry.start_ms if entry.first_audio_ms is None else entry.first_audio_ms
            yield {
                "session_id": source.transcript.session_id,
                "turn": _number(entry),
                "seq": seq,
                "audio_ref": f"a{seq}",
                "role": entry.role,
                "start_ms": round(start_ms, 3),
                "audio_ms": _rounded(entry.audio_ms),
                "heard_ms": _rounded(entry.heard_ms),
                "sample_rate": entry.format.sample_rate,
                "encoding": entry.format.encoding,
                "bytes": entry.audio_bytes,
            }


def _tool_rows(source: Source) -> Iterator[Row]:
    entries = [entry for _, entry in _entries(source)]
    results = {entry.call_id: entry for entry in entries if entry.kind == "tool_result"}
    for call in entries:
        if call.kind == "tool_call":
            result = results.get(call.call_id)
            failed = result is not None and result.status == "failed"
            ended_ms = result.end_ms if result is not None else None
            yield {
                "session_id": source.transcript.session_id,
                "turn": _number(call),
                "call_id": call.call_id,
                "name": call.tool_name,
                "arguments": call.text,
                "output": result.text if result is not None else None,
                "error": result.text if result is not None and failed else None,
                "called_ms": round(call.start_ms, 3),
                "duration_ms": None if result is None or ended_ms is None else round(ended_ms - result.start_ms, 3),
            }


_COUNTS = tuple(field.name for field in fields(Usage))


def _usage_rows(source: Source) -> Iterator[Row]:
    for _, entry in _entries(source):
        if entry.usage is not None:
            yield {
                **_session(source),
                "turn": _number(entry),
                "response_id": entry.response_id,
                **{name: getattr(entry.usage, name) for name in _COUNTS},
                "total_tokens": entry.usage.total_tokens,
            }


def _latency_rows(source: Source) -> Iterator[Row]:
    for turn in list(source.transcript.turns):
        waits = turn.latency
        yield {
            **_session(source),
            "turn": turn.number,
            "status": turn.status,
            "asked_ms": _rounded(turn.asked_ms),
            "first_token_ms": waits.first_token_ms,
            "first_audio_ms": waits.first_audio_ms,
            "first_audible_ms": waits.first_audible_ms,
            "total_ms": waits.total_ms,
            "gap_ms": _gap_ms(turn, waits.first_audible_ms),
        }


def _gap_ms(turn: Turn, first_audible_ms: float | None) -> float | None:
    voices = [entry for entry in turn.entries if entry.role == "user" and entry.audio_ms]
    if not voices or first_audible_ms is None or turn.asked_ms is None:
        return None
    silent_from_ms = max(entry.start_ms + (entry.audio_ms or 0.0) for entry in voices)
    gap_ms = turn.asked_ms + first_audible_ms - silent_from_ms
    return round(gap_ms, 3) if gap_ms >= 0 else None


def _session(source: Source) -> Row:
    told = source.transcript
    return {"session_id": told.session_id, "provider": told.provider, "model": told.model}


def _number(entry: Entry) -> int:
    return entry.turn.number if entry.turn is not None else 0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
