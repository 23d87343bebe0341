"""What was said before a session begins: by both sides and by tools, from whatever holds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from .errors import ConfigurationError
from .records import Entry
from .turn import Turn

if TYPE_CHECKING:
    from .recording import Recording
    from .told import Told
    from .transcript import Transcript

__all__ = ["History", "HistoryLike", "Part", "Said", "history_of"]

Said: TypeAlias = tuple[str, str]
"""Who ("user", "assistant" or "system"), and the words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing of a history: what somebody `said`, a `call` of a tool or its `result`, a `picture` the model made.

    `text` is the words, the call's arguments, or the result. `pictures` are those that the user showed, as encoded
    files; `spoken` is the row that holds the sound of what was said aloud. `name` and `call_id` are the tool's.
    """

    kind: Literal["said", "call", "result", "picture"] = "said"
    role: str
    text: str = field(default="", repr=False)
    name: str | None = None
    call_id: str | None = None
    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    spoken: Entry | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class History:
    """What a session begins with, in order; `parent` is the session it was said in, `at` the last turn of it."""

    parts: tuple[Part, ...] = ()
    parent: str | None = None
    at: int | None = None

    @property
    def said(self) -> tuple[Said, ...]:
        """The words of both sides."""
        return tuple((part.role, part.text) for part in self.parts if part.kind == "said" and part.text)


HistoryLike: TypeAlias = "History | Transcript | Recording | Told | Sequence[Turn | Said]"

ROLES = ("user", "assistant", "system")


def history_of(source: HistoryLike, *, at: Turn | int | None = None, sound: bool = True) -> History:
    """What was said in a session (or its recording, or its transcript), in turns, or in (role, words) pairs.

    `at` is the last turn of a session that counts, or its number. Of an answer that was broken off it is what was
    heard, where that is known. Asides are left out, and calls of tools that had no result; without `sound` so is what
    was spoken and never transcribed. Raises `ConfigurationError` for what is no history.
    """
    if isinstance(source, History):
        return source
    transcript = _transcript(source)
    if transcript is not None:
        turns = _until(transcript.turns, at)
        last = turns[-1].number if turns else None
        return History(_of_turns(turns, sound=sound), parent=transcript.session_id, at=last)
    if isinstance(source, str) or not isinstance(source, Sequence):
        raise ConfigurationError(f"a history cannot be made of {type(source).__name__}; {_FORMS}")
    return History(tuple(part for given in source for part in _given(given, sound=sound)))


_FORMS = 'give a session, a recording, turns or pairs such as ("user", "Hello")'


def _transcript(source: object) -> Transcript | None:
    """The transcript that the source is, has or makes; None where there is none."""
    if hasattr(source, "turns") and hasattr(source, "entries"):
        return cast("Transcript", source)
    held: Any = getattr(source, "transcript", None)
    return cast("Transcript | None", held() if callable(held) else held)


def _until(turns: Sequence[Turn], at: Turn | int | None) -> list[Turn]:
    known = list(turns)
    if at is None:
        return known
    number = at.number if isinstance(at, Turn) else at
    end = next((place for place, turn in enumerate(known, 1) if turn.number == number), None)
    if end is None or (isinstance(at, Turn) and known[end - 1] is not at):
        has = f"{known[0].number} to {known[-1].number}" if known else "none"
        raise ConfigurationError(f"turn {number} is not one of this session's, which has {has}: choose one of these")
    return known[:end]


def _given(given: object, *, sound: bool) -> tuple[Part, ...]:
    if isinstance(given, Turn):
        return _of_turns([given], sound=sound)
    if not isinstance(given, tuple | list) or len(given) != 2 or not isinstance(given[1], str):
        raise ConfigurationError(f"{given!r} is no part of a history; {_FORMS}")
    role, words = given
    if role not in ROLES:
        raise ConfigurationError(f"{role!r} is nobody in a conversation: give {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    return (Part(role=role, text=words),) if words.strip() else ()


def _of_turns(turns: Iterable[Turn], *, sound: bool) -> tuple[Part, ...]:
    entries = [entry for turn in turns if not turn.out_of_band for entry in list(turn.entries)]
    answered = {entry.call_id for entry in entries if entry.kind == "tool_result"}
    return tuple(part for entry in entries for part in _parts(entry, answered, sound=sound))


def _parts(entry: Entry, answered: set[str | None], *, sound: bool) -> Iterator[Part]:
    """What a row adds to a history; many add nothing."""
    if entry.kind in ("text", "audio") and entry.role in ("user", "assistant"):
        spoken = entry if sound and entry.audio_bytes else None
        said = Part(role=entry.role, text=_words(entry), pictures=tuple(entry.pictures), spoken=spoken)
        if said.text or said.pictures or (spoken and entry.role == "user"):
            yield said
    elif entry.kind == "tool_call" and entry.call_id in answered:
        yield Part(kind="call", role="assistant", text=entry.text or "{}", name=entry.tool_name, call_id=entry.call_id)
    elif entry.kind == "tool_result":
        yield Part(kind="result", role="tool", text=entry.text or "", name=entry.tool_name, call_id=entry.call_id)
    elif entry.kind == "image":
        yield Part(kind="picture", role=entry.role)


def _words(entry: Entry) -> str:
    return ((entry.text if entry.heard_text is None else entry.heard_text) or "").strip()
