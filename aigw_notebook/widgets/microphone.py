"""The microphone of a page: PCM16 as it is spoken, for a session or for itself."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..audio.formats import AudioFormat
from ..errors import ConfigurationError
from .bundle import STATIC, bundle
from .live import keep_front_end_route
from .microphone_feed import SessionEar
from .speaker_voice import open_core

if TYPE_CHECKING:
    from ..audio.clip import Clip

__all__ = ["Microphone"]

KEPT_MS = 600_000.0
"""How much of a recording `clip` keeps; beyond it the oldest is let go."""

QUEUED_CHUNKS = 500
PERMISSION_S = 60.0
"""How long a person may take to allow the microphone."""


class Microphone(anywidget.AnyWidget):
    """The page's microphone, or a sound file chosen there, as chunks of PCM16 mono. Show it: a person has to allow it.

    `sample_rate` (Hz), `chunk_ms` (20 to 100), `echo_cancellation`, `mode` ("open": a click begins and ends; "push":
    it listens while the button, or the space bar on it, is held) and `half_duplex` (silence is sent while a player of
    the page is heard) are shared with the page. Change them while it is off. Told by it: `recording`, `trouble` (why
    there is no microphone, in words), and the counters `received` (chunks), `lost` (numbers that never came), `dropped`
    (chunks the page or a slow reader let go) and `muted_chunks`.
    """

    _esm = bundle("microphone.js")
    _css = STATIC / "sound.css"
    sample_rate = traitlets.Int(24_000, min=8_000, max=48_000).tag(sync=True)
    chunk_ms = traitlets.Float(40.0, min=20.0, max=100.0).tag(sync=True)
    echo_cancellation = traitlets.Bool(True).tag(sync=True)
    half_duplex = traitlets.Bool(False).tag(sync=True)
    mode = traitlets.Enum(["open", "push"], "open").tag(sync=True)
    recording = traitlets.Bool(False)
    trouble = traitlets.Unicode("")
    received = traitlets.Int(0)
    lost = traitlets.Int(0)
    dropped = traitlets.Int(0)
    muted_chunks = traitlets.Int(0)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._lock = threading.RLock()
        self._page: str | None = None
        self._next = 0
        self._dropped_there = 0
        self._dropped_here = 0
        self._rate = self.sample_rate
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._ears: list[SessionEar] = []
        self._readers: list[Callable[[bytes | None], object]] = []
        self._handlers: Mapping[Any, Callable[[dict[str, Any], list[Any]], None]] = {
            "ready": self._on_ready,
            "begin": self._on_begin,
            "chunk": self._on_chunk,
            "end": self._on_end,
            "trouble": self._on_trouble,
        }
        self.on_msg(self._on_message)
        keep_front_end_route(self)

    # ------------------------------------------------------------------------------------------------------- for users

    def start(self) -> None:
        """Ask the page to listen, as a click on its button does. A person may have to allow it first."""
        self.send({"kind": "start", "page": self._page} if self._page else {"kind": "start"})

    def stop(self) -> None:
        """Listen no more."""
        self.send({"kind": "stop"})

    @property
    def clip(self) -> Clip:
        """What was recorded since the microphone was last turned on; ten minutes at most."""
        from ..audio.clip import Clip

        with self._lock:
            return Clip(b"".join(self._kept), AudioFormat("pcm16", self._rate))

    async def chunks(self) -> AsyncIterator[bytes]:
        """What comes from the microphone, piece by piece, until it is turned off; turned on first where it is off.

        PCM16 of `sample_rate`. A reader that falls 500 pieces behind loses the oldest; `dropped` counts them. Raises
        `ConfigurationError` when there is no microphone to be had.
        """
        queue, reader = self._reader()
        try:
            if not self.recording:
                self.start()
                await self._begun(queue)
            while (data := await queue.get()) is not None:
                yield data
        finally:
            self._readers.remove(reader)

    async def record(self, seconds: float) -> Clip:
        """So much sound from the microphone, which is turned on before and off afterwards, if it was off."""
        from ..audio.clip import Clip

        was_on = self.recording
        parts = bytearray()
        wanted = 0
        try:
            async for data in self.chunks():
                parts += data
                wanted = AudioFormat("pcm16", self._rate).byte_count(seconds * 1000)
                if len(parts) >= wanted:
                    break
        finally:
            if not was_on:
                self.stop()
        return Clip(bytes(parts[:wanted]), AudioFormat("pcm16", self._rate))

    def attach(self, session: Any) -> Microphone:
        """Send what is heard to a session, until that is closed; slow sending makes the page wait.

        Where the caller ends the user's turns, turning the microphone off (or letting the button go) ends one, and the
        answer is asked for.
        """
        core = open_core(session)
        self._ears = [ear for ear in self._ears if not ear.core.closed]
        if not any(ear.core is core for ear in self._ears):
            self._ears.append(SessionEar(core))
        return self

    def detach(self, session: Any) -> None:
        """Send no more to this session; an unknown one is ignored."""
        core = getattr(session, "core", session)
        self._ears = [ear for ear in self._ears if ear.core is not core]

    # -------------------------------------------------------------------------------------------------- from the page

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        handler = self._handlers.get(content.get("kind")) if isinstance(content, dict) else None
        if handler is not None:
            handler(content, buffers or [])

    def _on_ready(self, content: dict[str, Any], buffers: list[Any]) -> None:
        was_on, self._page = self.recording, str(content["page"])
        if was_on:
            self._over()  # the page that listened is gone

    def _on_begin(self, content: dict[str, Any], buffers: list[Any]) -> None:
        with self._lock:
            if content["page"] != self._page or self._next == 0:
                self._page, self._next = str(content["page"]), 0
            self._rate = int(content["rate"])
            self._kept.clear()
            self._kept_bytes = 0
        self.trouble = ""
        self.recording = True

    def _on_chunk(self, content: dict[str, Any], buffers: list[Any]) -> None:
        if content["page"] != self._page or not buffers:
            return
        data, seq = bytes(buffers[0]), int(content["seq"])
        with self._lock:
            missing = max(0, seq - self._next)
            self._next = seq + 1
            self._keep(data)
        self._count(content)
        self.received += 1
        self.lost += missing
        for reader in tuple(self._readers):
            reader(data)
        ears = [ear for ear in self._ears if not ear.core.closed]
        for ear in ears[:-1]:
            ear.hear(data, self._rate, lambda: None)
        if ears:
            ears[-1].hear(data, self._rate, lambda: self._acknowledge(seq + 1))
        else:
            self._acknowledge(seq + 1)

    def _on_end(self, content: dict[str, Any], buffers: list[Any]) -> None:
        if content["page"] != self._page:
            return
        self._count(content)
        self._over()

    def _on_trouble(self, content: dict[str, Any], buffers: list[Any]) -> None:
        self.trouble = str(content["message"])
        self._over()

    def _over(self) -> None:
        was_on, self.recording = self.recording, False
        for reader in tuple(self._readers):
            reader(None)
        for ear in self._ears if was_on else ():
            ear.end()

    # ---------------------------------------------------------------------------------------------------------- inside

    def _count(self, content: Mapping[str, Any]) -> None:
        self._dropped_there = int(content["dropped"])
        self.dropped = self._dropped_there + self._dropped_here
        self.muted_chunks = int(content["muted"])

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._kept_bytes += len(data)
        while self._kept_bytes > AudioFormat("pcm16", self._rate).byte_count(KEPT_MS):
            self._kept_bytes -= len(self._kept.popleft())

    def _acknowledge(self, seq: int) -> None:
        self.send({"kind": "ack", "page": self._page, "seq": seq})

    def _reader(self) -> tuple[asyncio.Queue[bytes | None], Callable[[bytes | None], object]]:
        """A bounded queue on the running loop, and what fills it from any thread."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(data: bytes | None) -> None:
            if queue.qsize() >= QUEUED_CHUNKS:
                queue.get_nowait()
                self._dropped_here += 1
                self.dropped = self._dropped_there + self._dropped_here
            queue.put_nowait(data)

        def reader(data: bytes | None) -> object:
            return loop.call_soon_threadsafe(put, data) if not loop.is_closed() else None

        self._readers.append(reader)
        return queue, reader

    async def _begun(self, queue: asyncio.Queue[bytes | None]) -> None:
        """Wait for the first chunk, and leave it in the queue."""
        self.trouble = ""
        waited_s = 0.0
        while queue.empty() and waited_s < PERMISSION_S:
            await asyncio.sleep(0.05)
            waited_s += 0.05
        if self.trouble or queue.empty():
            why = self.trouble or "no page turned its microphone on: show the widget, and allow the microphone there"
            raise ConfigurationError(why)

    def __repr__(self) -> str:
        state = "listening" if self.recording else "off"
        return f"<Microphone {state}, {self.sample_rate} Hz, {self.received} chunks, {self.lost} lost>"
