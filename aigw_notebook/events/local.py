"""Local events: facts of this side of the socket, which take the same road as what a provider says."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "HistorySent",
    "LocalEvent",
    "PictureShown",
    "PlaybackEnded",
    "PlaybackInterrupted",
    "ToolFinished",
    "TurnFinished",
    "TurnStarted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEvent:
    """The base of what happens on this side of the socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySent(LocalEvent):
    """The session was told what was said before it: so many `items`.

    They are of the session `parent`, up to its turn `at` (None: all); without a parent they come from elsewhere.
    `left_out` says in words what could not be told, as in "2 pictures".
    """

    items: int
    parent: str | None = None
    at: int | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureShown(LocalEvent):
    """The user has shown a picture with the question that was written last: an encoded PNG or JPEG file."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(LocalEvent):
    """Turn number `turn` (from 1) of the session has begun, by `ask` or by the user's voice."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished(LocalEvent):
    """Turn number `turn` is over and its records are written."""

    turn: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished(LocalEvent):
    """A tool has run: `output` is what went back to the model; `error` one sentence if it failed."""

    call_id: str
    name: str
    output: str
    error: str | None = None
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEnded(LocalEvent):
    """A player has played an item of the answer to its end: `played_ms` of it."""

    item_id: str | None = None
    played_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackInterrupted(LocalEvent):
    """The listener stopped the answer having heard `played_ms` of it (None: nobody counted)."""

    item_id: str | None = None
    played_ms: float | None = None
