"""What a chat panel does: opens sessions, asks, takes back, and tells the page what changed. It lives on the portal."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..connection import connect
from ..errors import AigwError, ConfigurationError, SessionEnded, Unsupported
from ..events import (
    AnyEvent,
    AudioDelta,
    DeleteItem,
    InputTranscript,
    ItemAdded,
    ItemDeleted,
    ResponseStarted,
    SessionClosed,
    SessionExpiring,
    SessionOpened,
    SpeechStarted,
    SpeechStopped,
    TurnFinished,
    TurnStarted,
)
from ..session import SessionCore
from ..turn import Turn
from .chat_approval import Approvals
from .chat_controls import why_not_take_back
from .chat_microphone import PanelMicrophone
from .chat_model import Bubble, Said
from .chat_screen import Page, Screen
from .chat_sound import PanelSound

__all__ = ["ChatDriver", "Choice"]

log = logging.getLogger("aigw_notebook")

RECENT = 40
"""Entries that may still change while a turn runs."""

MAX_SESSIONS = 32
"""Sessions of one panel whose records are kept; beyond it the oldest are let go."""

MAX_PICTURES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person may change in the panel; None is the provider's own default."""

    provider: str
    model: str | None = None
    voice: str | None = None
    instructions: str | None = None


@dataclass(slots=True, eq=False)
class Run:
    """One session of the panel, and what is shown of it."""

    core: SessionCore
    said: Said
    choice: Choice
    items: dict[int, list[str]]


class ChatDriver:
    """Holds the panel's sessions. Every method runs on the portal's loop; coroutines raise `AigwError` with a sentence.

    `settings` go to `connect` as they are. A session that was given (`core`) is used, and never closed or replaced.
    """

    def __init__(
        self,
        page: Page,
        choice: Choice,
        settings: Mapping[str, Any],
        *,
        approvals: Approvals,
        core: SessionCore | None = None,
    ) -> None:
        self.choice = choice
        self.screen = Screen(page, recent=self._recent, whole=self._bubbles)
        self.approvals = approvals
        self.runs: list[Run] = []
        self.sound = PanelSound(page.tell, speaks=self._on_sound, ended=self._on_played)
        self.microphone = PanelMicrophone(self.open, page.mark, sent=lambda: self.screen.touch())
        self.pictures: dict[str, bytes] = {}
        self.closed = False
        self._page = page
        self._settings = dict(settings)
        self._given = core
        self._sessions = 0
        self._notes = 0
        self._opening = asyncio.Lock()
        self._asking: asyncio.Task[Turn] | None = None
        self._asked_with: list[str] = []
        self._stale = ""
        self._limit: str | None = None

    # ---------------------------------------------------------------------------------------------------- sessions

    @property
    def run(self) -> Run | None:
        """The session in use, or the last that was."""
        return self.runs[-1] if self.runs else None

    @property
    def core(self) -> SessionCore | None:
        """The open session; None while there is none."""
        run = self.run
        return run.core if run is not None and not run.core.closed else None

    async def adopt(self) -> None:
        """Show the session that was given, with all that was said in it."""
        if self._given is not None:
            self._begin(self._given)

    async def open(self) -> SessionCore:
        """The open session; a new one where there is none, or the settings have changed since."""
        async with self._opening:
            core = self.core
            if core is not None and not self._stale:
                return core
            if self._given is not None:
                raise SessionEnded("the session that this panel shows is over; open another and make a new panel")
            if self._limit is not None:
                raise SessionEnded(f"{self._limit}; Reconnect goes on in a new session, which may cost as much again")
            self._page.mark(status="connecting", error="")
            try:
                return await self._open(core)
            except AigwError as error:
                self._page.mark(status="failed", error=str(error))
                raise

    async def _open(self, before: SessionCore | None) -> SessionCore:
        choice, known = self.choice, asdict(self.choice)
        history = self._history() if before is not None or self.runs else []
        seeded = bool(history) and _can_seed(self._provider_now())
        more = {"history": history} if seeded else {}
        session = await connect(**{**self._settings, **known, **more, "quiet": True})
        self._stale = ""
        if before is not None:
            await before.close()
        run = self._begin(session.core, choice, shown=seeded)
        if history and not seeded:
            self.note(f"This is a new session with {run.core.provider.title}: it does not know what was said above.")
        return run.core

    def _begin(self, core: SessionCore, choice: Choice | None = None, *, shown: bool = False) -> Run:
        """Show that session; with `shown`, what it began with is on the screen already."""
        before = () if shown else core.seed.said
        said = Said(core.transcript, self._sessions, before=before, approval=self.approvals.state)
        run = Run(core, said, choice or self.choice, {})
        self._sessions += 1
        self.runs.append(run)
        del self.runs[:-MAX_SESSIONS]
        core.add_sink(lambda event: self._take(run, event))
        if self.sound.listening:
            core.add_player(self.sound)
        limit_s = core.provider.capabilities.session_limit_s
        self._page.mark(
            status="ready",
            error="",
            where=core.where,
            ends_at=time.time() + limit_s if limit_s else None,
            microphone_rate=core.provider.capabilities.input_formats[0].sample_rate,
        )
        self.screen.settle()
        return run

    async def reconnect(self) -> SessionCore:
        """The open session; a new one where the one before has ended, also by its `max_cost`."""
        self._limit = None
        return await self.open()

    async def close(self) -> None:
        """End the session, unless it was given, and all that waits."""
        self.closed = True
        await self.microphone.stop()
        core = self.core
        if core is not None and self._given is None:
            await core.close()
        elif core is not None:
            core.remove_player(self.sound)
        self.screen.close()

    # --------------------------------------------------------------------------------------------------- conversation

    async def ask(self, text: str | None, *, images: tuple[bytes, ...] = (), **more: Any) -> Turn:
        """The finished turn that answers this. An answer that still runs, or is still played, is stopped first."""
        await self._hush()
        core = await self.open()
        if self._asking is not None:
            await asyncio.wait({self._asking})
        self._asked_with = [self._keep_picture(image) for image in images]
        question = core.ask(text, image=images[0] if images else None, **more)
        self._asking = asyncio.create_task(question, name="aigw-chat-ask")
        try:
            return await self._asking
        finally:
            self._asking = None
            self._asked_with = []

    async def stop(self) -> None:
        """Stop the answer, also one that is only still played."""
        if self.core is not None:
            await self.core.interrupt()

    async def _hush(self) -> None:
        """Silence what is said or played. An answer that is complete stays in the model's memory: it can be read."""
        core = self.core
        if core is None:
            return
        if core.transcript.current is not None:
            await core.interrupt()
        elif self.sound.listening:
            for item_id, played_ms in (await self.sound.flush()).items():
                core.played(item_id, played_ms)

    def listen(self, page: str) -> None:
        """That page plays sound from now on."""
        if not self.sound.listening and self.core is not None:
            self.core.add_player(self.sound)
        self.sound.listen(page)

    async def undo(self) -> None:
        """Take the last turn back."""
        turn = next((t for run in reversed(self.runs) for t in reversed(_shown(run))), None)
        if turn is None:
            raise ConfigurationError("there is nothing to take back")
        await self._take_back(turn)

    async def regenerate(self) -> Turn:
        """Ask the last question again, and forget the answer."""
        turn = next((t for run in reversed(self.runs) for t in reversed(_shown(run))), None)
        if turn is None:
            raise ConfigurationError("there is no question to ask again")
        return await self._ask_again(turn, turn.user_text)

    async def edit(self, bubble_id: str, text: str) -> Turn:
        """Ask that question in other words; what followed it is forgotten."""
        turn = next((t for run in self.runs if (t := run.said.turn_of(bubble_id)) is not None), None)
        if turn is None:
            raise ConfigurationError("that question is no longer there to be changed")
        return await self._ask_again(turn, text)

    async def _ask_again(self, turn: Turn, text: str | None) -> Turn:
        run = self._run_of(turn)
        references = run.said.pictures.get(turn.number, [])
        images = tuple(self.pictures[ref] for ref in references if ref in self.pictures)
        if text is None:
            raise ConfigurationError("the words of that question are not known; say it again")
        await self._take_back(turn)
        return await self.ask(text, images=images)

    async def clear(self) -> None:
        """Forget the conversation; the next question opens a new session. The records stay."""
        if self._given is not None:
            raise Unsupported("this panel shows a session of yours: it cannot begin a new one")
        await self._hush()
        core, self._limit = self.core, None
        for run in self.runs:
            run.said.hidden.update(range(len(run.core.transcript.turns) + 1))
        self.screen.clear()
        if core is not None:
            await core.close()
        self._page.mark(status="idle", error="", ends_at=None)

    async def choose(self, choice: Choice) -> None:
        """Use these settings from now on: in the running session where it can be changed, else in a new one."""
        before, self.choice = self.choice, choice
        core = self.core
        if core is None or self._given is not None or choice == before:
            return
        changes = {name: value for name, value in asdict(choice).items() if value != getattr(before, name)}
        can = core.provider.capabilities
        spoke = any(entry.audio_bytes for entry in core.transcript.entries if entry.role == "assistant")
        fixed = {"provider", "model", "voice"} if spoke else {"provider", "model"}
        live = not fixed & changes.keys() and all(can.can_change(name) for name in changes)
        if live and not self._stale:
            try:
                await core.update(**changes)
                return
            except AigwError as error:
                log.debug("the running session keeps its settings: %s", error)
        self._stale = ", ".join(changes)
        self.note(f"The new {self._stale} will hold from the next question on, in a new session.")

    # ---------------------------------------------------------------------------------------------------- take back

    async def _take_back(self, turn: Turn) -> None:
        await self._hush()
        run = self._run_of(turn)
        later = self.runs[self.runs.index(run) :]
        gone = [(r, t.number) for r in later for t in _shown(r) if r is not run or t.number >= turn.number]
        left = [t for r in self.runs for t in _shown(r) if (r, t.number) not in gone]
        in_place = run is self.run and self.core is not None and run.core.provider.capabilities.editable_history
        if not in_place and left and not _can_seed(self._provider_now()):
            raise Unsupported(why_not_take_back(run.core.provider))
        if not in_place and self._given is not None:
            raise Unsupported(why_not_take_back(run.core.provider))
        for owner, number in gone:
            owner.said.hidden.add(number)
            if in_place:
                for item_id in reversed(owner.items.pop(number, [])):
                    await owner.core.send(DeleteItem(item_id=item_id))
        if not in_place:
            self._stale = "history"
        self.screen.keep(bubble["id"] for bubble in self._bubbles())

    def _run_of(self, turn: Turn) -> Run:
        return next(run for run in self.runs if turn in run.core.transcript.turns)

    def _provider_now(self) -> Any:
        from .. import providers

        return providers.get(self.choice.provider).for_model(self.choice.model)

    def _bubbles(self) -> list[Bubble]:
        return [bubble for run in self.runs for bubble in run.said.bubbles()]

    def _recent(self) -> list[Bubble]:
        return self.run.said.bubbles(RECENT) if self.run is not None else []

    def _history(self) -> list[tuple[str, str]]:
        """What was said and not taken back, as (role, words): of an answer that was stopped, what was heard of it."""
        return [
            (bubble["role"], words)
            for bubble in self._bubbles()
            if bubble["role"] in ("user", "assistant") and (words := bubble.get("heard_text") or bubble["text"])
        ]

    # -------------------------------------------------------------------------------------------------------- the page

    def note(self, text: str, *, level: str = "info") -> None:
        """Put a remark into the conversation."""
        self.screen.note(text, level=level)

    async def attempt(self, work: Awaitable[object]) -> None:
        """Do what was asked for in the page; what went wrong is told there, in one sentence."""
        try:
            await work
        except AigwError as error:
            self.note(str(error), level="error")
        except Exception as error:
            log.exception("the chat panel failed")
            self.note(f"That failed inside the panel ({type(error).__name__}); the log has the details.", level="error")

    def send_clip(self, bubble_id: str, page: str) -> None:
        """Send the sound of a bubble as PCM16, to that page."""
        from ..audio.clip import Clip
        from ..audio.formats import AudioFormat

        index, _, number = bubble_id.partition(".")
        run = next((r for r in self.runs if str(r.said.index) == index), None)
        entry = run.core.transcript.entry_of(f"a{number}") if run is not None else None
        if entry is None or not entry.audio or entry.format is None:
            self.note("The sound of that is no longer kept.")
            return
        clip = Clip(b"".join(entry.audio), entry.format).converted(AudioFormat("pcm16", entry.format.sample_rate))
        self._page.tell({"kind": "clip", "id": bubble_id, "page": page, "rate": clip.sample_rate}, [clip.data])

    def send_picture(self, reference: str) -> None:
        """Send a picture that was asked with, or that the model made; nothing if it is no longer kept."""
        data = self.pictures.get(reference)
        if data is None:
            index, _, number = reference.partition(".")
            run = next((r for r in self.runs if str(r.said.index) == index), None)
            entry = run.core.transcript.entry_of(f"a{number}") if run is not None else None
            data = entry.image.data if entry is not None and entry.image is not None else None
        if data is not None:
            self._page.tell({"kind": "picture", "ref": reference}, [data])

    def approval_changed(self) -> None:
        """A tool call waits, or no longer."""
        self._page.mark(status="approval" if self.approvals.waiting else "thinking")
        self.screen.touch()

    def _keep_picture(self, data: bytes) -> str:
        reference = f"p{len(self.pictures)}-{time.monotonic_ns():x}"
        self.pictures[reference] = data
        while len(self.pictures) > MAX_PICTURES:
            del self.pictures[next(iter(self.pictures))]
        return reference

    # ------------------------------------------------------------------------------------------------------- the sink

    def _take(self, run: Run, event: AnyEvent) -> None:
        """An event of that session (on the loop); must not raise."""
        react = self._REACTIONS.get(type(event))
        if react is not None:
            react(self, run, event)
        if isinstance(event, AudioDelta) and not self.sound.listening:
            self.sound.hold_back(event.item_id, event.data, event.format)
        if isinstance(event, TurnFinished):
            self.screen.settle()
        elif not isinstance(event, AudioDelta):
            self.screen.touch()

    def _on_sound(self) -> None:
        self._page.mark(status="speaking")

    def _on_played(self, item_id: str | None, played_ms: float) -> None:
        if self.core is not None:
            self.core.played(item_id, played_ms)

    def _on_turn_started(self, run: Run, event: TurnStarted) -> None:
        run.said.pictures[event.turn] = self._asked_with
        self._asked_with = []
        self._page.mark(status="listening" if self.microphone.on else "thinking", running=True)

    def _on_turn_finished(self, run: Run, event: TurnFinished) -> None:
        status = "ended" if run.core.closed else "ready"
        self._page.mark(status=status, running=False, text=run.core.transcript.turns[event.turn - 1].text)

    def _on_item(self, run: Run, event: ItemAdded) -> None:
        turns = run.core.transcript.turns
        if turns:
            run.items.setdefault((run.core.transcript.current or turns[-1]).number, []).append(event.item_id)

    def _on_item_deleted(self, run: Run, event: ItemDeleted) -> None:
        for items in run.items.values():
            if event.item_id in items:
                items.remove(event.item_id)

    def _on_words(self, run: Run, event: InputTranscript) -> None:
        if event.final:
            run.said.words_final(event.item_id)

    def _on_opened(self, run: Run, event: SessionOpened) -> None:
        if event.expires_at is not None:
            self._page.mark(ends_at=event.expires_at)

    def _on_expiring(self, run: Run, event: SessionExpiring) -> None:
        left_ms = event.time_left_ms
        self._page.mark(ends_at=time.time() + left_ms / 1000 if left_ms is not None else time.time())

    def _on_closed(self, run: Run, event: SessionClosed) -> None:
        if run is self.run and not self.closed:
            self._limit = run.core.spending.reason
            reason = event.reason or f"close code {event.code}"
            self._page.mark(status="ended", running=False, ends_at=None, ended=reason)

    _REACTIONS: dict[type, Callable[[ChatDriver, Run, Any], None]] = {  # noqa: RUF012
        SpeechStarted: lambda self, run, event: self._page.mark(status="listening"),
        SpeechStopped: lambda self, run, event: self._page.mark(status="thinking"),
        TurnStarted: _on_turn_started,
        TurnFinished: _on_turn_finished,
        ResponseStarted: lambda self, run, event: self._page.mark(status="thinking", running=True),
        ItemAdded: _on_item,
        ItemDeleted: _on_item_deleted,
        InputTranscript: _on_words,
        SessionOpened: _on_opened,
        SessionExpiring: _on_expiring,
        SessionClosed: _on_closed,
    }


def _shown(run: Run) -> list[Turn]:
    return [turn for turn in run.core.transcript.turns if turn.number not in run.said.hidden]


def _can_seed(provider: Any) -> bool:
    """Whether a new session with that provider can be told what was said before."""
    told = "history" in inspect.signature(connect).parameters
    return told and bool(getattr(provider.capabilities, "seed_history", False))
