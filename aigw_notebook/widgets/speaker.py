"""The speaker of a page: plays what it is given at once and without a gap, and counts what was heard."""

from __future__ import annotations

import itertools
import threading
from asyncio import wait_for, wrap_future
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..audio.formats import AudioFormat
from ..errors import ConfigurationError
from ..portal import portal
from .bundle import STATIC, bundle
from .feed import Feed
from .live import keep_front_end_route
from .speaker_voice import Played, SessionVoice, open_core

if TYPE_CHECKING:
    from ..audio.convert import Converter

__all__ = ["Played", "Speaker"]

CHUNK_MS = 500.0
MAX_MS = 300_000.0
"""As much as a page queues."""

KEPT_ITEMS = 256
FLUSH_TIMEOUT_S = 1.0


class Speaker(anywidget.AnyWidget):
    """A player in the page, for sound as it comes. Show it, or just make it: it plays without a view too.

    Any thread may call its methods. `volume` (0 to 1), `muted` and `pre_roll_ms` (how much of an item must be there
    before it begins; against gaps on a bad line) are shared with the page; `playing`, `underruns` (gaps so far) and
    `context_state` are told by it: "suspended" means that the page waits for a click on "Enable audio".
    """

    _esm = bundle("speaker.js")
    _css = STATIC / "sound.css"
    volume = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    muted = traitlets.Bool(False).tag(sync=True)
    pre_roll_ms = traitlets.Float(0.0, min=0.0, max=10_000.0).tag(sync=True)
    playing = traitlets.Bool(False)
    underruns = traitlets.Int(0)
    context_state = traitlets.Unicode("")

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.latency_ms = 0.0
        """From the player to the ear, as the browser reckons it."""
        self._lock = threading.RLock()
        self._feed = Feed(self._send_now, later=_later)
        self._numbers = itertools.count(1)
        self._heard: dict[str, Played] = {}
        self._converters: dict[str, Converter] = {}
        self._flushes: dict[int, Future[Played]] = {}
        self._waiters: dict[str, list[Future[Played]]] = {}
        self._observers: list[Callable[[Played], object]] = []
        self._voices: list[SessionVoice] = []
        self._handlers: Mapping[Any, Callable[[dict[str, Any]], None]] = {
            "ready": self._on_ready,
            "at": self._on_at,
            "drained": self._on_drained,
            "flushed": self._on_flushed,
        }
        self.on_msg(self._on_message)
        keep_front_end_route(self)

    # ------------------------------------------------------------------------------------------------------- to play

    def play(self, sound: Any, sample_rate: int | None = None, *, item_id: str | None = None) -> str:
        """Queue whole sound behind what is queued; gives the item's id. Returns at once.

        `sound` is a clip or whatever makes one (see `Clip.from_any`); bytes with `sample_rate` are PCM16.
        """
        from ..audio.clip import Clip

        raw = isinstance(sound, bytes | bytearray | memoryview) and sample_rate is not None
        clip = (
            Clip(sound, AudioFormat("pcm16", sample_rate or 0))
            if raw
            else Clip.from_any(sound, sample_rate=sample_rate)
        )
        if clip.duration_ms > MAX_MS:
            raise ConfigurationError("a page queues 5 minutes of sound at most: play a part, with .cut(300_000)")
        item = item_id or f"play-{next(self._numbers)}"
        self.begin(item)
        size = clip.format.byte_count(CHUNK_MS)
        for start in range(0, len(clip.data), size):
            self.push(item, clip.data[start : start + size], clip.format)
        self.end(item)
        return item

    def begin(self, item_id: str) -> None:
        """An item begins: its sound follows by `push`, and nothing of another item before `end`."""
        with self._lock:
            self._heard.pop(item_id, None)
            self._heard[item_id] = Played(item_id, 0.0)
            while len(self._heard) > KEPT_ITEMS:
                del self._heard[next(iter(self._heard))]
        self._feed.post({"kind": "begin", "item": item_id})

    def push(self, item_id: str, data: bytes | bytearray | memoryview, format: AudioFormat) -> None:
        """The next sound of an item, of any length and rate. What comes after a flush is not played."""
        pcm = self._pcm16(item_id, data, format)
        if pcm:
            rate = format.sample_rate
            self._feed.post({"kind": "push", "item": item_id, "rate": rate, "bytes": len(pcm)}, pcm)

    def end(self, item_id: str) -> None:
        """The item is complete; it is `drained` once it has been heard to its end."""
        self._converters.pop(item_id, None)
        self._feed.post({"kind": "end", "item": item_id})

    def hold(self, on: bool = True) -> None:
        """Silence that keeps what is queued; `hold(False)` goes on where it stopped."""
        self._feed.post({"kind": "hold", "on": on})

    def silence(self) -> Future[Played]:
        """Silence at once, and forget what is queued. The future tells what was heard of the item that played."""
        future: Future[Played] = Future()
        with self._lock:
            waiting_ms = sum(_push_ms(content) for content in self._feed.discard())
            number = next(self._numbers)
            self._flushes[number] = future
            while len(self._flushes) > KEPT_ITEMS:
                self._flushes.pop(next(iter(self._flushes))).cancel()
        if self._feed.page is None:
            last = self._last_known()
            self._flush_told(number, Played(last.item_id, last.played_ms, waiting_ms, "flushed"))
        else:
            self._feed.post({"kind": "flush", "id": number, "waiting_ms": waiting_ms})
        return future

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> Played:
        """`silence`, and wait for the count. In a cell that must not block, `await speaker.flushed()` does the same."""
        try:
            return self.silence().result(timeout_s)
        except FutureTimeout:
            return self._last_known()

    async def flushed(self, timeout_s: float = FLUSH_TIMEOUT_S) -> Played:
        """`silence`, and the count."""
        try:
            return await wait_for(wrap_future(self.silence()), timeout_s)
        except TimeoutError:
            return self._last_known()

    async def finished(self, item_id: str, timeout_s: float = MAX_MS / 1000) -> Played:
        """Wait until an item that was ended has been heard to its end, or was flushed."""
        future: Future[Played] = Future()
        with self._lock:
            known = self._heard.get(item_id)
            if known is not None and known.state != "playing":
                return known
            self._waiters.setdefault(item_id, []).append(future)
        try:
            return await wait_for(wrap_future(future), timeout_s)
        except TimeoutError:
            with self._lock:
                self._waiters.get(item_id, [future]).remove(future)
            return Played(item_id, self.played_ms(item_id), exact=False)

    def played_ms(self, item_id: str | None) -> float:
        """How much of an item was heard by the last report: one comes at least twice a second, and at its end."""
        known = self._heard.get(item_id or "")
        return known.played_ms if known is not None else 0.0

    def on_played(self, callback: Callable[[Played], object], *, remove: bool = False) -> None:
        """Call `callback` with each report, on the thread it came by; `remove` undoes that."""
        if remove:
            self._observers.remove(callback)
        else:
            self._observers.append(callback)

    @property
    def dropped_ms(self) -> float:
        """Sound that no page took because too much was waiting, reckoned at 24 kHz."""
        return AudioFormat().duration_ms(self._feed.dropped_bytes)

    # ---------------------------------------------------------------------------------------------------- to listen to

    def attach(self, session: Any) -> Speaker:
        """Play every spoken answer of a session as it comes, and tell the session what was heard.

        So an answer that is broken off, by speech, by `interrupt` or by Stop in the page, falls silent at once and is
        kept as far as it was heard.
        """
        core = open_core(session)
        self._voices = [voice for voice in self._voices if not voice.core.closed]
        if not any(voice.core is core for voice in self._voices):
            voice = SessionVoice(self, core)
            self._voices.append(voice)
            portal().loop.call_soon_threadsafe(core.add_player, voice)
        return self

    def detach(self, session: Any) -> None:
        """Play no more answers of this session; an unknown one is ignored."""
        core = getattr(session, "core", session)
        for voice in [voice for voice in self._voices if voice.core is core]:
            self._voices.remove(voice)
            portal().loop.call_soon_threadsafe(core.remove_player, voice)

    # ------------------------------------------------------------------------------------------------- from the page

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        handler = self._handlers.get(content.get("kind")) if isinstance(content, dict) else None
        if handler is None or (content["kind"] != "ready" and content.get("page") != self._feed.page):
            return
        self.context_state = str(content.get("state", self.context_state))
        handler(content)

    def _on_ready(self, content: dict[str, Any]) -> None:
        before = self._feed.page
        waiting = {waiting["item"] for waiting in self._feed.waiting() if "item" in waiting}
        if self._feed.ready(str(content["page"]), int(content.get("have") or 0)) and before is not None:
            self.playing = False  # the page that played is gone, and with it what it had queued
            for item, known in list(self._heard.items()):
                if known.state == "playing" and item not in waiting:
                    self._tell(Played(item, known.played_ms, state="flushed", exact=False))

    def _on_at(self, content: dict[str, Any]) -> None:
        self._feed.received(int(content["have"]))
        self.latency_ms = float(content.get("latency_ms", 0.0))
        self.underruns = int(content["underruns"])
        self.playing = bool(content["sounding"])
        if content["item"] is not None:
            self._tell(Played(content["item"], float(content["played_ms"])))

    def _on_drained(self, content: dict[str, Any]) -> None:
        self._tell(Played(content["item"], float(content["played_ms"]), state="drained"))

    def _on_flushed(self, content: dict[str, Any]) -> None:
        dropped_ms = float(content["dropped_ms"]) + float(content.get("waiting_ms") or 0.0)
        played = Played(content["item"], float(content["played_ms"]), dropped_ms, "flushed", bool(content["exact"]))
        self.playing = False
        self._flush_told(content["id"], played)
        if content["id"] is None:
            for voice in self._voices:
                voice.stopped(played)

    def _flush_told(self, number: int | None, played: Played) -> None:
        with self._lock:
            future = self._flushes.pop(number, None) if number is not None else None
            cut = [item for item, known in self._heard.items() if known.state == "playing" and item != played.item_id]
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(played)
        for item in cut:
            self._tell(Played(item, self.played_ms(item), state="flushed"))
        if played.item_id is not None:
            self._tell(played)

    def _tell(self, played: Played) -> None:
        with self._lock:
            item = played.item_id or ""
            known = self._heard.get(item)
            if known is not None and known.state == "playing":
                self._heard[item] = played
            waiters = self._waiters.pop(item, []) if played.state != "playing" else []
        if played.state == "drained":
            for voice in self._voices:
                voice.drained(played)
        for waiter in waiters:
            if waiter.set_running_or_notify_cancel():
                waiter.set_result(played)
        for observer in tuple(self._observers):
            observer(played)

    # ----------------------------------------------------------------------------------------------------- to the page

    def _send_now(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(content, buffers)

    def _pcm16(self, item_id: str, data: bytes | bytearray | memoryview, format: AudioFormat) -> bytes:
        from ..audio.convert import Converter

        converter = self._converters.get(item_id)
        if converter is None or converter.source != format:
            converter = self._converters[item_id] = Converter(format, AudioFormat("pcm16", format.sample_rate))
            while len(self._converters) > KEPT_ITEMS:
                del self._converters[next(iter(self._converters))]
        return converter.process(data)

    def _last_known(self) -> Played:
        item = next((item for item, known in reversed(self._heard.items()) if known.state == "playing"), None)
        return Played(item, self.played_ms(item), state="flushed", exact=False)

    def __repr__(self) -> str:
        return f"<Speaker {'playing' if self.playing else 'silent'}, volume {self.volume:.0%}>"


def _push_ms(content: Mapping[str, Any]) -> float:
    return AudioFormat("pcm16", content["rate"]).duration_ms(content["bytes"])


def _later(delay_s: float, call: Callable[[], None]) -> object:
    loop = portal().loop
    return loop.call_soon_threadsafe(loop.call_later, delay_s, call)
