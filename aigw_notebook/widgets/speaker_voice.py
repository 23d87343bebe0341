"""What a speaker counts, and the speaker as the player of a session."""

from __future__ import annotations

from asyncio import wrap_future
from collections.abc import Awaitable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from ..audio.formats import AudioFormat
from ..errors import ConfigurationError
from ..portal import portal

if TYPE_CHECKING:
    from ..session import SessionCore

__all__ = ["Played", "SessionVoice", "open_core"]

KEPT_ITEMS = 64


@dataclass(frozen=True, slots=True)
class Played:
    """How much of an item was heard, in ms of its own sound; `item_id` is None when nothing has been played yet.

    `dropped_ms` is what a flush threw away. `exact` is false when no page told so in time: then it is the last count
    that is known.
    """

    item_id: str | None
    played_ms: float
    dropped_ms: float = 0.0
    state: Literal["playing", "drained", "flushed"] = "playing"
    exact: bool = True


def open_core(session: Any) -> SessionCore:
    """The core of a session of either face, or the core itself. `ConfigurationError` for what is no open session."""
    core = getattr(session, "core", session)
    if not hasattr(core, "add_player"):
        raise ConfigurationError(
            "attach takes an open session: write `with aigw.connect(…) as session:` and attach inside, or await connect"
        )
    return cast("SessionCore", core)


class ItemPlayer(Protocol):
    """What a voice needs of a speaker."""

    def begin(self, item_id: str) -> None:
        """An item begins."""

    def push(self, item_id: str, data: bytes, format: AudioFormat) -> None:
        """The next sound of an item."""

    def end(self, item_id: str) -> None:
        """The item is complete."""

    def hold(self, on: bool = True) -> None:
        """Pause, and go on."""

    def silence(self) -> Future[Played]:
        """Silence at once."""

    def played_ms(self, item_id: str | None) -> float:
        """How much of an item was heard."""


class SessionVoice:
    """One session's answers on a speaker: a `session.playback.Playback`."""

    def __init__(self, speaker: ItemPlayer, core: SessionCore) -> None:
        self.core = core
        self._speaker = speaker
        self._names: dict[str | None, str] = {}
        self._count = 0

    def begin(self, item_id: str | None) -> None:
        """An item is about to come."""
        self._count += 1
        self._names.pop(item_id, None)
        self._names[item_id] = item_id or f"answer-{self._count}"
        while len(self._names) > KEPT_ITEMS:
            del self._names[next(iter(self._names))]
        self._speaker.begin(self._names[item_id])

    def add(self, item_id: str | None, data: bytes, format: AudioFormat) -> None:
        """The next piece of the item."""
        self._speaker.push(self._names[item_id], data, format)

    def end(self, item_id: str | None) -> None:
        """The item is complete."""
        if item_id in self._names:
            self._speaker.end(self._names[item_id])

    def hold(self, on: bool) -> None:
        """Pause, and go on."""
        self._speaker.hold(on)

    def flush(self) -> Awaitable[Mapping[str | None, float]]:
        """Silence at once; what is awaited is the ms heard of each item."""
        return self._counts(self._speaker.silence())

    def played_ms(self, item_id: str | None) -> float | None:
        """The ms heard of an item by the last report; None for an unknown one."""
        return self._speaker.played_ms(self._names[item_id]) if item_id in self._names else None

    def drained(self, played: Played) -> None:
        """The speaker has played an item to its end (any thread)."""
        for item_id in self._named(played):
            portal().loop.call_soon_threadsafe(self.core.played, item_id, played.played_ms)

    def stopped(self, played: Played) -> None:
        """The listener pressed Stop (any thread); a session whose answer that was is interrupted."""
        if self._named(played) and not self.core.closed:
            portal().submit(self.core.interrupt(played.played_ms))

    def _named(self, played: Played) -> list[str | None]:
        return [item_id for item_id, name in list(self._names.items()) if name == played.item_id]

    async def _counts(self, flushed: Future[Played]) -> Mapping[str | None, float]:
        played = await wrap_future(flushed)
        heard = {item_id: self._speaker.played_ms(name) for item_id, name in self._names.items()}
        return {**heard, **dict.fromkeys(self._named(played), played.played_ms)}
