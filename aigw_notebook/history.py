"""What was said before a session begins: the words of both sides, from whatever holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from .errors import ConfigurationError
from .records import Entry
from .turn import Turn

if TYPE_CHECKING:
    from .recording import Recording
    from .told import Told
    from .transcript import Transcript

__all__ = ["NO_HISTORY", "History", "HistoryLike", "Said", "history_of"]

Said: TypeAlias = tuple[str, str]
"""Who ("user", "assistant" or "system"), and the words."""


@dataclass(frozen=True, slots=True)
class History:
    """The words that a session begins with, in order. `parent` is the id of the session they were said in."""

    said: tuple[Said, ...] = field(default=(), repr=False)
    parent: str | None = None


NO_HISTORY = History()

HistoryLike: TypeAlias = "History | Transcript | Recording | Told | Sequence[Turn | Said]"

ROLES = ("user", "assistant", "system")


def history_of(source: HistoryLike, *, at: Turn | int | None = None) -> History:
    """The words of a session (or its recording, or its transcript), of turns, or of (role, words) pairs.

    `at` is the last turn of a session that counts, or its number. Of an answer that was broken off it is what was
    heard, where that is known. What was spoken and never transcribed is left out, as are asides.
    Raises `ConfigurationError` for what is no history.
    """
    if isinstance(source, History):
        return source
    transcript = _transcript(source)
    if transcript is not None:
        return History(_of_turns(_until(transcript.turns, at)), parent=transcript.session_id)
    if isinstance(source, str) or not isinstance(source, Sequence):
        raise ConfigurationError(f"a history cannot be made of {type(source).__name__}; {_FORMS}")
    return History(tuple(said for part in source for said in _of_part(part)))


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


def _of_part(part: object) -> tuple[Said, ...]:
    if isinstance(part, Turn):
        return _of_turns([part])
    if not isinstance(part, tuple | list) or len(part) != 2 or not isinstance(part[1], str):
        raise ConfigurationError(f"{part!r} is no part of a history; {_FORMS}")
    role, words = part
    if role not in ROLES:
        raise ConfigurationError(f"{role!r} is nobody in a conversation: give {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    return ((role, words),) if words.strip() else ()


def _of_turns(turns: Iterable[Turn]) -> tuple[Said, ...]:
    entries = [entry for turn in turns if not turn.out_of_band for entry in list(turn.entries)]
    return tuple((entry.role, words) for entry in entries if (words := _words(entry)))


def _words(entry: Entry) -> str:
    spoken = entry.role in ("user", "assistant") and entry.kind in ("text", "audio")
    words = entry.text if entry.heard_text is None else entry.heard_text
    return (words or "").strip() if spoken else ""
