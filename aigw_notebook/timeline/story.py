"""What a timeline shows: spans in lanes, marks across them, and the messages, in ms since the session was opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..exports.placing import Placed, placed
from ..lines import Line, size_of
from ..records import Entry
from ..transcript import Transcript
from ..turn import Turn

__all__ = ["LANES", "Mark", "Message", "Span", "Story", "seconds", "story_of"]

LANES = {
    "you": "You",
    "text": "Model writes",
    "audio": "Sound comes",
    "heard": "Sound heard",
    "tools": "Tools",
    "network": "Messages",
}
"""Lane → what stands before it, from top to bottom. A lane with nothing in it is not drawn."""


class Span(NamedTuple):
    """Something that lasted. `label` stands in it, `title` is what a pointer is told; `kind` is how it looks."""

    start_ms: float
    end_ms: float
    kind: str
    label: str
    title: str


class Mark(NamedTuple):
    """A moment that concerns every lane: a barge-in or an error."""

    t_ms: float
    kind: str
    label: str
    title: str


class Message(NamedTuple):
    """One message of the socket."""

    t_ms: float
    sent: bool
    bytes: int


class Story(NamedTuple):
    """All that one timeline shows. `waits` are by lane, as `lanes` are."""

    title: str
    length_ms: float
    turns: list[Span]
    lanes: dict[str, list[Span]]
    waits: dict[str, list[Span]]
    marks: list[Mark]
    messages: list[Message]


def story_of(transcript: Transcript, lines: Iterable[Line]) -> Story:
    """What happened in a session so far."""
    entries = list(transcript.entries)
    turns = list(transcript.turns)
    sounds = placed(transcript)
    messages = [Message(t_ms, kind == "sent", size_of(value)) for t_ms, kind, value in lines if kind in _MESSAGES]
    length_ms = max(
        [1.0, *_times(entries, turns), *(s.start_ms + s.play_ms for s in sounds), *(m[0] for m in messages)]
    )
    lanes = {name: sorted(make(entries, sounds, length_ms)) for name, make in _MAKERS.items()}
    count = f"{len(turns)} turn{'' if len(turns) == 1 else 's'}"
    named = " ".join(filter(None, (transcript.provider, transcript.model)))
    return Story(
        title=f"{named} · {count} · {seconds(length_ms)}",
        length_ms=length_ms,
        turns=[_turn(turn, length_ms) for turn in turns],
        lanes=lanes,
        waits={"text": list(_waits(turns, "text")), "audio": list(_waits(turns, "audio"))},
        marks=[mark for entry in entries if (mark := _mark(entry)) is not None],
        messages=messages,
    )


def seconds(ms: float) -> str:
    """A time to read, as precise as its size deserves."""
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1_000:.3g} s"
    return f"{int(ms // 60_000)} min {int(ms % 60_000 // 1_000):02d} s"


_MESSAGES = ("sent", "received")


def _times(entries: list[Entry], turns: list[Turn]) -> Iterator[float]:
    for entry in entries:
        yield entry.start_ms if entry.end_ms is None else entry.end_ms
    for turn in turns:
        yield turn.ended_ms or turn.asked_ms or 0.0


def _turn(turn: Turn, now_ms: float) -> Span:
    starts = [entry.start_ms for entry in turn.entries]
    starts += [turn.asked_ms] if turn.asked_ms is not None else []
    end_ms = now_ms if turn.ended_ms is None else turn.ended_ms
    title = f"Turn {turn.number}, {turn.status}"
    return Span(min([*starts, end_ms]), end_ms, "turn", str(turn.number), title)


def _you(entries: list[Entry], sounds: list[Placed], now_ms: float) -> Iterator[Span]:
    for sound in sounds:
        if sound.entry.role == "user":
            words = sound.entry.text or ""
            title = (
                f"You spoke for {seconds(sound.play_ms)}: {words}"
                if words
                else f"You spoke for {seconds(sound.play_ms)}"
            )
            yield Span(sound.start_ms, sound.start_ms + sound.play_ms, "you", words, title)
    for entry in entries:
        if entry.role == "user" and entry.kind in ("text", "audio") and entry.audio_ms is None:
            yield Span(
                entry.start_ms, entry.end_ms or entry.start_ms, "you", entry.text or "", f"You: {entry.text or ''}"
            )


def _text(entries: list[Entry], sounds: list[Placed], now_ms: float) -> Iterator[Span]:
    for entry in entries:
        if entry.role == "assistant" and entry.first_token_ms is not None:
            end_ms = now_ms if entry.end_ms is None else entry.end_ms
            yield Span(
                entry.first_token_ms, max(end_ms, entry.first_token_ms), "text", entry.text or "", entry.text or ""
            )


def _audio(entries: list[Entry], sounds: list[Placed], now_ms: float) -> Iterator[Span]:
    for sound in sounds:
        entry = sound.entry
        if entry.role == "assistant" and entry.first_audio_ms is not None:
            end_ms = max(now_ms if entry.end_ms is None else entry.end_ms, entry.first_audio_ms)
            title = f"{seconds(entry.audio_ms or 0.0)} of sound came in {seconds(end_ms - entry.first_audio_ms)}"
            yield Span(entry.first_audio_ms, end_ms, "audio", f"{seconds(entry.audio_ms or 0.0)} of sound", title)


def _heard(entries: list[Entry], sounds: list[Placed], now_ms: float) -> Iterator[Span]:
    for sound in sounds:
        entry = sound.entry
        if entry.role != "assistant":
            continue
        if entry.heard_ms is None:
            title = f"{seconds(sound.play_ms)}, if it was played as it came: no player counted"
            yield Span(sound.start_ms, sound.start_ms + sound.play_ms, "assumed", "", title)
        else:
            words = entry.text if entry.heard_text is None else entry.heard_text
            title = f"{seconds(sound.play_ms)} of {seconds(entry.audio_ms or 0.0)} heard: {words or ''}"
            yield Span(sound.start_ms, sound.start_ms + sound.play_ms, "heard", words or "", title)


def _tools(entries: list[Entry], sounds: list[Placed], now_ms: float) -> Iterator[Span]:
    done = {entry.call_id for entry in entries if entry.kind == "tool_result"}
    for entry in entries:
        name = entry.tool_name or "tool"
        if entry.kind == "tool_result":
            end_ms = entry.start_ms if entry.end_ms is None else entry.end_ms
            kind = "failed" if entry.status == "failed" else "tool"
            title = f"{name}, {seconds(end_ms - entry.start_ms)}: {entry.text or ''}"
            yield Span(entry.start_ms, end_ms, kind, name, title)
        elif entry.kind == "tool_call" and entry.call_id not in done:
            yield Span(entry.start_ms, entry.start_ms, "failed", name, f"{name} was called and gave no answer")


_MAKERS: dict[str, Callable[[list[Entry], list[Placed], float], Iterable[Span]]] = {
    "you": _you,
    "text": _text,
    "audio": _audio,
    "heard": _heard,
    "tools": _tools,
}


def _waits(turns: list[Turn], kind: str) -> Iterator[Span]:
    """From a question to the first word, or the first sound, of its answer."""
    for turn in turns:
        times = [
            e.first_token_ms if kind == "text" else e.first_audio_ms for e in turn.entries if e.role == "assistant"
        ]
        first_ms = min((t_ms for t_ms in times if t_ms is not None), default=None)
        if first_ms is None or turn.asked_ms is None or first_ms < turn.asked_ms:
            continue
        wait = seconds(first_ms - turn.asked_ms)
        title = f"Turn {turn.number}: first {'word' if kind == 'text' else 'sound'} after {wait}"
        yield Span(turn.asked_ms, first_ms, "wait", wait, title)


def _mark(entry: Entry) -> Mark | None:
    if entry.kind == "interruption":
        heard = "" if entry.heard_ms is None else f", {seconds(entry.heard_ms)} had been heard"
        return Mark(entry.start_ms, "barge-in", "barge-in", f"Barge-in at {seconds(entry.start_ms)}{heard}")
    if entry.kind == "error":
        return Mark(entry.start_ms, "error", "error", f"Error {entry.error_code or ''}: {entry.text or ''}")
    return None
