"""How a turn looks while it runs: in a notebook a widget and a growing row of sound, in a terminal plain text.

Two threads meet here. Session events come on the portal thread, which may only touch what is addressed by id: widget
messages and display updates. Whatever makes a *new* output is a job for the cell's own thread (`pump`), as anything
else would land in the cell that happens to run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from .audio.formats import AudioFormat
from .display import (
    audio_offer,
    audio_output,
    file_name,
    in_kernel,
    picture_bundles,
    player,
    publish,
    text_bundle,
)
from .events import AnyEvent, AudioDelta, OutputTranscript, TextDelta, ToolCall, ToolFinished
from .inert import inert
from .pacing import AudioSegments, GrowingText, Scheduler, TextBatches

if TYPE_CHECKING:
    from IPython.display import Audio

    from .faces import Session
    from .turn import Turn
    from .widgets.live import LiveView
    from .widgets.turn_speaker import TurnSpeaker

__all__ = ["CellView", "NotebookView", "TerminalView", "make_view"]

READY_S = 1.0
"""How long after the first words a view may take to answer, before the text goes on as plain display updates."""

SPEAKER_S = 0.6
"""How long a page may take to say that it plays sound, before the sound goes on as a row of players."""

SPEAKER_TICK_S = 0.05

EARLY_MS = 200.0
"""How early the next audio segment is sent to a page that plays segments in turn."""

MARGIN_MS = 100.0
"""How late it is sent to a page that merely shows what it is sent: cutting words off is worse than a pause."""


class CellView(Protocol):
    """The view of one running turn. It is a sink of the session: calling it with an event must not block or raise."""

    def open(self) -> None:
        """Put the view into the cell (cell thread)."""

    def __call__(self, event: AnyEvent) -> None:
        """Take an event (portal thread)."""

    def pump(self, timeout_s: float) -> None:
        """Do what only the cell's thread may do; wait for such work up to `timeout_s`."""

    def wake(self) -> None:
        """End a running `pump` (any thread)."""

    def shut(self) -> None:
        """Take no more events and stop all timers (portal thread)."""

    def close(self, turn: Turn | None, *, text: dict[str, Any] | None = None, audio: bool = True) -> None:
        """Put the turn's static outputs in the place of the live ones (cell thread)."""


Stop = Callable[[float | None], object]
"""Asked to stop the turn, with the milliseconds of audio the listener has heard, if known."""


def make_view(*, loop: Scheduler, stop: Stop, title: str, session: Session, sound: bool = True) -> CellView:
    """The view that fits where this code runs: a widget in a kernel, plain text in a terminal."""
    if not in_kernel():
        return TerminalView()
    return NotebookView(loop=loop, stop=stop, title=title, session=session, sound=sound)


class _Jobs:
    """Work handed from the portal thread to the cell's thread."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def put(self, job: Callable[[], object] | None) -> None:
        self._jobs.put(job)

    def run(self, timeout_s: float) -> None:
        try:
            job = self._jobs.get(timeout_s > 0, timeout_s)
            while True:
                if job is not None:
                    job()
                job = self._jobs.get_nowait()
        except Empty:
            return


class _Words:
    """The words of a turn as they come: each piece once, parts of the answer as paragraphs."""

    def __init__(self) -> None:
        self._streamed: set[str | None] = set()
        self._last: str | None = None

    def piece(self, event: AnyEvent) -> str:
        """The text that `event` adds; empty when it adds none."""
        if not isinstance(event, TextDelta | OutputTranscript) or not event.text:
            return ""
        if isinstance(event, OutputTranscript) and event.final and event.item_id in self._streamed:
            return ""
        begins = event.item_id not in self._streamed
        self._streamed.add(event.item_id)
        return f"\n\n{event.text}" if begins and len(self._streamed) > 1 else event.text


class TerminalView:
    """The answer as it comes, on standard output; the audio is offered as a file."""

    def __init__(self) -> None:
        self._jobs = _Jobs()
        self._words = _Words()
        self._wrote = False

    def open(self) -> None:
        """Nothing to prepare."""

    def __call__(self, event: AnyEvent) -> None:
        """Hand the event's words to the cell's thread."""
        if piece := self._words.piece(event):
            self._jobs.put(lambda: self._write(piece))

    def pump(self, timeout_s: float) -> None:
        """Write what has come."""
        self._jobs.run(timeout_s)

    def wake(self) -> None:
        """End a running `pump`."""
        self._jobs.put(None)

    def shut(self) -> None:
        """Nothing runs by itself here."""

    def close(self, turn: Turn | None, *, text: dict[str, Any] | None = None, audio: bool = True) -> None:
        """End the line; say how the turn ended and where its audio is."""
        self._jobs.run(0)
        if turn is None:
            return
        whole = text or (None if self._wrote else text_bundle(turn))
        notes = [whole["text/plain"]] if whole else []
        notes += [f"({turn.status})"] if self._wrote and turn.status != "completed" else []
        notes += [audio_offer(turn)] if audio and turn.audio is not None else []
        print(("\n" if self._wrote else "") + "\n".join(notes), flush=True)

    def _write(self, piece: str) -> None:
        self._wrote = True
        sys.stdout.write(piece)
        sys.stdout.flush()


class NotebookView:
    """The live view in a notebook: a widget for the text, one audio output for the sound.

    The widget's place becomes the static text at the end (same display id), so the saved file holds no widget. Where no
    view answers (nbclient, no widget manager) the text goes on as Markdown updates of that same place, which get rarer
    as the text grows.

    The sound goes to the page's speaker (`widgets.turn_speaker`) as it comes. That one outlives the cell: answers queue
    in it, one after the other, and what was heard of each is told to the session. The cell ends with the whole answer
    as a player without autoplay, while the voice is still to be heard.

    Where no page has said by `SPEAKER_S` that it plays, the sound is a row of `IPython.display.Audio` segments in one
    display handle, each with autoplay. Then the page's part (`static/live.js`), if there is one, plays the segments
    without a break and lets the final player go on where the listener was; a page without that script goes silent
    there and keeps the player.
    """

    def __init__(
        self, *, loop: Scheduler, stop: Stop, title: str, session: Session | None = None, sound: bool = True
    ) -> None:
        self._session = session
        self._speaker: TurnSpeaker | None = None
        self._attached = False
        self._undecided: list[AudioDelta] = []
        self._loop = loop
        self._stop = stop
        self._title = title
        self._jobs = _Jobs()
        self._words = _Words()
        self._parts: list[str] = []
        self._batches = TextBatches(self._send_text, loop)
        self._growing: GrowingText | None = None
        self._segments = AudioSegments(self._play, loop, early_ms=self._early_ms) if sound else None
        self._marks: dict[str, float] = {}
        self._begun = loop.time()
        self._text_id = f"aigw-{uuid4().hex}"
        self._sound_id = f"aigw-{uuid4().hex[:12]}"
        self._played = 0
        self._audio_shown = False
        self._widget: LiveView | None = None
        self._ready = False
        self._awaits_view = False
        self._over = threading.Event()
        self._timers: list[Any] = []

    # -- cell thread

    def open(self) -> None:
        """Show the widget, at the place where the static text will be."""
        from .widgets.live import LiveView

        self._widget = LiveView(
            on_ready=lambda have: self._hop(self._on_ready, have),
            on_stop=self._stop,
        )
        bundle = {
            "application/vnd.jupyter.widget-view+json": _view_json(self._widget.model_id),
            "text/plain": f"{self._title} …",
        }
        publish(bundle, display_id=self._text_id)
        self._attach_speaker()

    def _hop(self, callback: Callable[..., object], *args: Any) -> None:
        """Call on the loop's thread; a scheduler that is no loop has one thread only."""
        call = getattr(self._loop, "call_soon_threadsafe", None)
        if call is not None:
            call(callback, *args)
        else:
            callback(*args)

    def pump(self, timeout_s: float) -> None:
        """Make the audio output when the first segment is there."""
        self._jobs.run(timeout_s)

    def wake(self) -> None:
        """End a running `pump`."""
        self._jobs.put(None)

    def close(self, turn: Turn | None, *, text: dict[str, Any] | None = None, audio: bool = True) -> None:
        """Replace the live outputs by the static ones and let the widget go."""
        self._over.wait(1.0)
        self._jobs.run(0)
        if self._widget is not None and (turn is None or turn.status in ("cancelled", "interrupted")):
            self._widget.hush()  # the segments; the speaker has been silenced by the session
        whole = {"text/plain": "(no answer)"} if turn is None else text_bundle(turn)
        self._show_text(text or whole)
        for picture in picture_bundles(turn) if turn is not None else ():
            publish(picture)
        clip = turn.audio if turn is not None and audio else None
        if clip is not None and turn is not None:
            self._show_audio(audio_output(clip, file_name(turn), element_id=self._sound_id))
        if self._widget is not None:
            self._widget.close()

    # -- portal thread

    def __call__(self, event: AnyEvent) -> None:
        """Show what the event brings."""
        if self._over.is_set():
            return
        if piece := self._words.piece(event):
            self._mark("first_text_ms")
            self._add_text(piece)
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def shut(self) -> None:
        """Stop all timers; what is held back is in the static outputs."""
        if not self._attached:
            self._use_segments()
        self._over.set()
        self._batches.flush()
        if self._segments is not None:
            self._segments.close()
        for timer in self._timers:
            timer.cancel()

    def _on_ready(self, have: int) -> None:
        self._ready = True
        if self._widget is not None:
            self._widget.send_text(have, self._parts[have:], elapsed_ms=self._elapsed_ms())

    def _add_text(self, piece: str) -> None:
        if self._growing is not None:
            return self._growing.add(piece)
        if not self._parts and not self._awaits_view:
            self._awaits_view = True
            self._timers.append(self._loop.call_later(READY_S, self._fall_back))
        self._batches.add(piece)
        return None

    def _send_text(self, text: str) -> None:
        self._parts.append(text)
        if self._widget is not None:
            self._widget.send_text(len(self._parts) - 1, [text])

    def _fall_back(self) -> None:
        if not self._ready:
            self._batches.flush()
            self._growing = GrowingText(lambda text: self._show_text({"text/markdown": inert(text)}))
            self._growing.add("".join(self._parts))

    def _show_text(self, bundle: dict[str, Any]) -> None:
        publish(bundle, display_id=self._text_id, update=True)

    def _on_audio(self, event: AudioDelta) -> None:
        self._mark("first_audio_ms")
        if self._segments is None:
            return
        if self._speaker is None:
            self._segments.add(event.data, event.format)
        elif not self._attached:
            self._undecided.append(event)

    def _attach_speaker(self) -> None:
        """Let the page's speaker have the sound, if a page says in time that it plays."""
        from .widgets.turn_speaker import detach_turn_speaker, turn_speaker

        if self._session is None or self._segments is None or not _speaks(self._session):
            detach_turn_speaker(self._session)
            self._use_segments()
        else:
            self._speaker = turn_speaker()
            self._hop(self._await_speaker, self._loop.time() + SPEAKER_S)

    def _await_speaker(self, until: float) -> None:
        if self._speaker is None:
            return
        if self._speaker.listening:
            self._speaker.attach(self._session)
            self._attached = True
            self._undecided.clear()
        elif self._loop.time() < until:
            self._timers.append(self._loop.call_later(SPEAKER_TICK_S, self._await_speaker, until))
        else:
            self._use_segments()

    def _use_segments(self) -> None:
        self._speaker = None
        if self._widget is not None and self._segments is not None:
            self._widget.sound_id = self._sound_id
        for event in self._undecided:
            self._on_audio(event)
        self._undecided.clear()

    def _on_tool(self, event: ToolCall | ToolFinished) -> None:
        if self._widget is not None:
            self._widget.mark(tool=event.name if isinstance(event, ToolCall) else None)

    def _early_ms(self) -> float:
        return EARLY_MS if self._ready else -MARGIN_MS

    def _play(self, data: bytes, format: AudioFormat) -> None:
        from .audio.wav import write_wav

        self._played += 1
        segment = player(data=write_wav(data, format), autoplay=True, element_id=f"{self._sound_id}-{self._played}")
        if self._audio_shown:
            self._show_audio(segment)
        else:
            self._jobs.put(lambda: self._show_audio(segment))

    def _show_audio(self, audio: Audio) -> None:
        publish(audio, display_id=f"{self._text_id}-audio", update=self._audio_shown)
        self._audio_shown = True

    def _mark(self, name: str) -> None:
        if name not in self._marks:
            self._marks[name] = self._elapsed_ms()
            if self._widget is not None:
                self._widget.mark(**self._marks)

    def _elapsed_ms(self) -> float:
        return round((self._loop.time() - self._begun) * 1000, 1)


_HANDLERS: dict[type, Callable[[NotebookView, Any], None]] = {
    AudioDelta: NotebookView._on_audio,
    ToolCall: NotebookView._on_tool,
    ToolFinished: NotebookView._on_tool,
}


def _speaks(session: Session) -> bool:
    modalities = session.settings.modalities
    return session.core.provider.capabilities.audio_out and (modalities is None or "audio" in modalities)


def _view_json(model_id: str) -> dict[str, Any]:
    return {"version_major": 2, "version_minor": 0, "model_id": model_id}
