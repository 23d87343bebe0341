"""Who plays a session's answers, and how much of each has been heard: only a player can tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Protocol, TypeAlias

from ..audio.formats import AudioFormat

__all__ = ["Playback", "Players"]

log = logging.getLogger("aigw_notebook")

_Counts: TypeAlias = Awaitable[Mapping[str | None, float]]

FLUSH_S, STOP_S = 2.0, 0.5
"""How long a player may take to say what was heard, after speech and after Stop, for which somebody waits.

After that its last word counts, which may be seconds old where a busy kernel reads no messages of its page.
"""


class Playback(Protocol):
    """Plays answers, item after item, and counts in ms what has been heard of each.

    Called on the session's loop: nothing here may block or raise, and only `flush` takes time. `item_id` is the
    provider's, None where it has none. An item that was flushed gets no more audio.
    """

    def begin(self, item_id: str | None) -> None:
        """An item is about to come; `add` follows."""

    def add(self, item_id: str | None, data: bytes, format: AudioFormat) -> None:
        """The next piece of the item, to be played behind all that came before."""

    def end(self, item_id: str | None) -> None:
        """The item is complete; what is still queued is played to its end."""

    def hold(self, on: bool) -> None:
        """Pause in mid-sample, and go on there when `on` is False."""

    def flush(self) -> Awaitable[Mapping[str | None, float]]:
        """Be silent at once, before this returns, and in no pause; what is awaited is the ms heard of each item."""

    def played_ms(self, item_id: str | None) -> float | None:
        """The ms heard of an item as far as is known now; None for an unknown one."""


class Players:
    """All players of one session as one. A player that raises is dropped, with a line in the log.

    Of several players the one that has played most tells what was heard.
    """

    def __init__(self) -> None:
        self._players: tuple[Playback, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._players)

    def add_player(self, player: Playback) -> None:
        """Hand every item from now on to `player` too."""
        self._players = (*self._players, player)

    def remove(self, player: Playback) -> None:
        """No more answers for `player`; an unknown one is ignored."""
        self._players = tuple(known for known in self._players if known is not player)

    def begin(self, item_id: str | None) -> None:
        """An item is about to come."""
        for player in self._players:
            self._tell(player, "begin", item_id)

    def add(self, item_id: str | None, data: bytes, format: AudioFormat) -> None:
        """The next piece of an item."""
        for player in self._players:
            self._tell(player, "add", item_id, data, format)

    def end(self, item_id: str | None) -> None:
        """The item is complete."""
        for player in self._players:
            self._tell(player, "end", item_id)

    def hold(self, on: bool) -> None:
        """Pause, or go on."""
        for player in self._players:
            self._tell(player, "hold", on)

    def played_ms(self, item_id: str | None) -> float | None:
        """The largest count of the item; None when no player knows it."""
        counts = [self._tell(player, "played_ms", item_id) for player in self._players]
        return max((count for count in counts if count is not None), default=None)

    def flush(self, within_s: float) -> Awaitable[dict[str | None, float]]:
        """Silence everybody at once; what is awaited is the ms heard of each item, as known by then."""
        counting = []
        for player in self._players:
            try:
                counting.append((player, player.flush()))
            except Exception:
                self._drop(player, "flush")
        return self._counts(counting, within_s)

    async def _counts(self, counting: list[tuple[Playback, _Counts]], within_s: float) -> dict[str | None, float]:
        heard: dict[str | None, float] = {}
        for counts in await asyncio.gather(*(self._counted(*each, within_s) for each in counting)):
            for item_id, played_ms in counts.items():
                heard[item_id] = max(played_ms, heard.get(item_id, 0.0))
        return heard

    async def _counted(self, player: Playback, counts: _Counts, within_s: float) -> Mapping[str | None, float]:
        try:
            async with asyncio.timeout(within_s):
                return await counts
        except TimeoutError:
            log.warning("a player did not say what was heard; its last count is taken")
        except Exception:
            self._drop(player, "flush")
        return {}

    def _tell(self, player: Playback, what: str, *args: object) -> float | None:
        try:
            told: float | None = getattr(player, what)(*args)
            return told
        except Exception:
            self._drop(player, what)
            return None

    def _drop(self, player: Playback, what: str) -> None:
        log.warning("a player raised on %s and was dropped", what, exc_info=True)
        self.remove(player)
