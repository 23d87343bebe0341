"""Whether a client says what was recorded: exactly, or but for ids, white space and how its sound is cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..providers.base import Message
from ..providers.base64text import decode
from ..recording_file.spans import SHORTEST, base64_in
from ..scrubbing import scrub_message

__all__ = ["Divergence", "Match", "Said", "difference", "said"]

Match: TypeAlias = Literal["loose", "strict", "ignore"]
"""How a client's messages are held to the recorded ones: `loose` but for ids, white space and how sound is cut into
messages; `strict` to the letter; `ignore` not at all, each counts for the next."""

SHOWN_CHARS = 60

_ID_NAME = re.compile(r"(?:^|[_-])ids?$|[a-z]Ids?$")
_SOUND_NAME = re.compile(r"audio|sound|media|chunk|data", re.IGNORECASE)
_ID, _SOUND = "<id>", "<sound>"
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Divergence:
    """A client's message that was not the recorded one: `number` counts the client's messages from 1."""

    number: int
    where: str
    recorded: str
    now: str

    def __str__(self) -> str:
        where = f" at {self.where}" if self.where else ""
        return f"message {self.number} differs from the recording{where}\n- {self.recorded}\n+ {self.now}"


@dataclass(frozen=True, slots=True)
class Said:
    """A message taken apart to be compared: its `words` without ids and sound, these in the order they stood."""

    words: Any
    ids: tuple[str, ...] = ()
    sound: bytes = b""


def said(message: Message, match: Match) -> Said:
    """What a message says, as much of it as counts. Credentials never do."""
    if match == "ignore":
        return Said(None)
    clean = scrub_message(message)
    if match == "strict":
        return Said(clean)
    parsed = _parsed(clean)
    if parsed is None:
        return Said(_SOUND, (), clean) if isinstance(clean, bytes) else Said(_spaced(clean))
    ids: list[str] = []
    sound: list[bytes] = []
    return Said(_words(parsed, "", ids, sound), tuple(ids), b"".join(sound))


def difference(recorded: Said, now: Said) -> tuple[str, str, str]:
    """Where two things that were said differ first, and what stands there in each."""
    return next(_differences(recorded.words, now.words, "$"), ("", _shown(recorded.words), _shown(now.words)))


def _parsed(message: Message) -> Any:
    """The JSON of a message; None where it is none."""
    if isinstance(message, bytes) and message[:1] not in (b"{", b"["):
        return None
    try:
        parsed = json.loads(message)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict | list) else None


def _words(value: Any, name: str, ids: list[str], sound: list[bytes]) -> Any:
    if isinstance(value, dict):
        return {key: _words(inner, key, ids, sound) for key, inner in value.items()}
    if isinstance(value, list):
        return [_words(inner, name, ids, sound) for inner in value]
    if not isinstance(value, str):
        return value
    if _ID_NAME.search(name):
        ids.append(value)
        return _ID
    data = _sound_in(value, name)
    if data is None:
        return _spaced(value)
    sound.append(data)
    return _SOUND


def _sound_in(text: str, name: str) -> bytes | None:
    """The bytes of a value that is base64: a long one anywhere, a short one where the name speaks of sound."""
    if len(text) >= SHORTEST:
        found = base64_in(text)
        return found[0].data if found and (found[0].start, found[0].end) == (0, len(text)) else None
    if not _SOUND_NAME.search(name):
        return None
    try:
        return decode(text) if text else None
    except ValueError:
        return None


def _spaced(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _differences(recorded: Any, now: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(recorded, dict) and isinstance(now, dict):
        for name in [*recorded, *(name for name in now if name not in recorded)]:
            yield from _differences(recorded.get(name, _MISSING), now.get(name, _MISSING), f"{path}.{name}")
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for number, (before, after) in enumerate(zip(recorded, now, strict=True)):
            yield from _differences(before, after, f"{path}[{number}]")
    elif recorded != now:
        yield path, _shown(recorded), _shown(now)


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


_MISSING = _Missing()


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, bytes | _Missing) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"
