"""The voice of a chat panel on its way to the page: each delta at once, and none before somebody listens."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

from ..audio.convert import Converter
from ..audio.formats import AudioFormat

__all__ = ["PanelSound"]

MAX_HELD_MS = 30_000.0
"""Audio that is kept for a page that does not listen yet; beyond it the oldest is let go."""

MAX_AGE_S = 10.0
"""What was said longer ago is not played to a page that begins to listen."""

MAX_ITEMS = 64
"""Items whose counts are remembered."""

Send = Callable[[dict[str, Any], list[bytes]], object]


class PanelSound:
    """A `Playback` in one page. Audio goes as `{kind: "audio", page, item, rate}` with one buffer of PCM16.

    Until a page says that it listens, what is said is held, bounded; a panel nobody looks at plays nothing. Of several
    pages the one plays that came last, or that is preferred since. `speaks` is called with each piece, `ended` with an
    item's id and the ms heard when it was played to its end.
    """

    def __init__(
        self, send: Send, *, speaks: Callable[[], object], ended: Callable[[str | None, float], object]
    ) -> None:
        self.dropped_ms = 0.0
        """Audio that was let go because no page listened."""
        self._send = send
        self._speaks = speaks
        self._ended = ended
        self._page: str | None = None
        self._next_page: str | None = None
        self._held: deque[tuple[dict[str, Any], bytes, float]] = deque()
        self._held_since = 0.0
        self._held_ms = 0.0
        self._numbers = count(1)
        self._keys: dict[str, str | None] = {}
        self._played: dict[str | None, float] = {}
        self._converter: Converter | None = None
        self._counting: dict[int, asyncio.Future[None]] = {}

    @property
    def listening(self) -> bool:
        """Whether a page has said that it plays."""
        return self._page is not None

    # ---------------------------------------------------------------------------------------------- told by a session

    def begin(self, item_id: str | None) -> None:
        """An item is about to come; one whose beginning was held goes on."""
        if item_id is not None and self._key(item_id) is not None:
            return
        self._move(self._next_page)
        self._keys[f"i{next(self._numbers)}"] = item_id
        self._played[item_id] = 0.0
        self._converter = None
        while len(self._keys) > MAX_ITEMS:
            self._played.pop(self._keys.pop(next(iter(self._keys))), None)

    def add(self, item_id: str | None, data: bytes, format: AudioFormat) -> None:
        """The next piece of an item."""
        key = self._key(item_id)
        if key is None:
            return
        target = AudioFormat("pcm16", format.sample_rate)
        if format != target:
            if self._converter is None or self._converter.source != format:
                self._converter = Converter(format, target)
            data = self._converter.process(data)
        self._speaks()
        self._out({"kind": "audio", "item": key, "rate": target.sample_rate}, data, target.duration_ms(data))

    def end(self, item_id: str | None) -> None:
        """The item is complete."""
        key = self._key(item_id)
        if key is not None:
            self._out({"kind": "spoken", "item": key}, b"", 0.0)

    def hold(self, on: bool) -> None:
        """Pause, or go on."""
        self._tell({"kind": "hold", "on": on})

    def flush(self) -> Awaitable[Mapping[str | None, float]]:
        """Silence the page; what is awaited is what it says was heard."""
        self._held.clear()
        self._held_ms = 0.0
        number = next(self._numbers)
        self._tell({"kind": "hush", "id": number})
        return self._counts(number)

    def played_ms(self, item_id: str | None) -> float | None:
        """The ms heard of an item as far as the page has told."""
        return self._played.get(item_id)

    async def _counts(self, number: int) -> Mapping[str | None, float]:
        if self.listening:
            self._counting[number] = asyncio.get_running_loop().create_future()
            try:
                await self._counting[number]
            finally:
                del self._counting[number]
        return dict(self._played)

    def hold_back(self, item_id: str | None, data: bytes, format: AudioFormat) -> None:
        """A piece that comes while no page listens."""
        if self._key(item_id) is None or not self._held:
            self.begin(item_id)
        self.add(item_id, data, format)

    # ------------------------------------------------------------------------------------------------ told by the page

    def listen(self, page: str) -> None:
        """A page is there and plays from now on: it gets what was held, unless that is old. Another falls silent."""
        self._next_page = page
        self._move(page)
        held, self._held, self._held_ms = list(self._held), deque(), 0.0
        if time.monotonic() - self._held_since <= MAX_AGE_S:
            for content, data, _ in held:
                self._tell(content, data)

    def prefer(self, page: str) -> None:
        """Somebody is at that page: it plays what begins from now on."""
        if self.listening:
            self._next_page = page

    def heard(self, items: Mapping[str, float], number: int | None = None) -> None:
        """The page's counts; with `number`, its answer to that flush."""
        for key, played_ms in items.items():
            if key in self._keys:
                item_id = self._keys[key]
                self._played[item_id] = max(float(played_ms), self._played.get(item_id, 0.0))
        waiting = self._counting.get(number) if number is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def drained(self, key: str, played_ms: float) -> None:
        """The page has played an item to its end."""
        if key in self._keys:
            self.heard({key: played_ms})
            self._ended(self._keys[key], played_ms)

    def _key(self, item_id: str | None) -> str | None:
        return next((key for key in reversed(self._keys) if self._keys[key] == item_id), None)

    def _out(self, content: dict[str, Any], data: bytes, duration_ms: float) -> None:
        if self.listening:
            self._tell(content, data)
            return
        if not self._held:
            self._held_since = time.monotonic()
        self._held.append((content, data, duration_ms))
        self._held_ms += duration_ms
        while self._held_ms > MAX_HELD_MS:
            _, _, lost_ms = self._held.popleft()
            self._held_ms -= lost_ms
            self.dropped_ms += lost_ms

    def _move(self, page: str | None) -> None:
        if self._page not in (None, page):
            self._tell({"kind": "hush", "id": None})
        self._page = page

    def _tell(self, content: dict[str, Any], data: bytes = b"") -> None:
        self._send({**content, "page": self._page}, [data] if data else [])
