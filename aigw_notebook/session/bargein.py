"""Barge-in: what becomes of an answer when the user speaks into it, or presses Stop.

The players fall silent first, in the call that brings the news. Then the provider is told, and only then what was heard
is waited for and written down: the records and the provider's memory end where the listener's hearing ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ..errors import AigwError
from ..events import (
    AnyEvent,
    AudioDelta,
    ClientEvent,
    CreateResponse,
    DeleteItem,
    InputCommitted,
    InputTranscript,
    PlaybackEnded,
    PlaybackInterrupted,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TruncateOutput,
)
from ..providers.base import Capabilities, TurnDetection
from ..records import Entry
from ..transcript import Transcript
from ..turn import Turn
from . import playback
from .playback import Playback, Players
from .tasks import TaskSet
from .turns import TurnDriver

__all__ = ["BargeIn", "BargeInMode", "ruled"]

BargeInMode: TypeAlias = Literal["server", "hold", "off"]
"""Who may break off an answer by speaking.

"server": the provider decides, and playback stops as soon as it hears speech. "hold": playback pauses, and goes on when
no words follow, as after a cough. "off": nobody; the answer is played to its end, and what was said is answered then.
"""

MAX_PLAYING = 64
SHORTEST_MS = 1.0
"""Less than this was not heard; providers refuse to keep no audio at all of an item."""


def ruled(detection: TurnDetection | None, mode: BargeInMode | None, can: Capabilities) -> TurnDetection | None:
    """The turn detection that goes with `mode`: the provider is kept from breaking answers off by itself."""
    if mode in (None, "server") or not can.server_turns or (detection is not None and detection.mode == "manual"):
        return detection
    known = detection or TurnDetection()
    answers = False if can.answers_on_request else known.create_response
    return replace(known, interrupt_response=False, create_response=answers)


@dataclass(slots=True)
class Utterance:
    """Something the user says while it is not yet known whether it is speech."""

    stopped: bool = False
    committed: bool = False
    real: bool = False


class BargeIn:
    """Hands the answers of a session to its players, and takes them back when the listener breaks in.

    `mode` is as in `BargeInMode`; `hold_s` is how long playback pauses at most before it is known whether somebody
    speaks. With `answers` the provider was told not to answer by itself, and this side asks it to. `expects_words` says
    whether the user's words will be told; `listens` whether the provider notices by itself that the user speaks.
    """

    def __init__(
        self,
        transcript: Transcript,
        turns: TurnDriver,
        can: Capabilities,
        *,
        mode: BargeInMode,
        hold_s: float,
        answers: bool,
        expects_words: Callable[[], bool],
        listens: Callable[[], bool],
        send: Callable[[ClientEvent], object],
        emit: Callable[[AnyEvent], None],
    ) -> None:
        self.players = Players()
        self.mode = mode
        self._transcript = transcript
        self._turns = turns
        self._can = can
        self._hold_s = hold_s
        self._answers = answers
        self._expects_words = expects_words
        self._listens = listens
        self._send = send
        self._emit = emit
        self._tasks = TaskSet()
        self._playing: dict[str | None, Entry] = {}
        self._silenced: Turn | None = None
        self._utterance: Utterance | None = None
        self._holding: asyncio.TimerHandle | None = None
        self._counting: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------------------------------------ called by users

    def add_player(self, player: Playback) -> None:
        """One more player. It begins with what is being said, from the beginning: counts are counts of whole items."""
        turn = self._turns.answering
        for entry in turn.entries if turn is not None and turn is not self._silenced else ():
            if entry.role == "assistant" and entry.status == "running" and entry.format is not None:
                self._playing[entry.item_id] = entry
                player.begin(entry.item_id)
                player.add(entry.item_id, b"".join(entry.audio), entry.format)
        self.players.add_player(player)

    def user_speaks(self) -> None:
        """Somebody speaks into this side's microphone, as far as its loudness tells.

        Where the provider listens, playback pauses until it confirms that, or `hold_s` is over; else it is a barge-in.
        """
        if self.mode == "off" or not self._heard():
            return
        if self._listens():
            self._hold()
        else:
            self._break_in(cancel=True)

    async def interrupt(self, played_ms: float | None) -> None:
        """Stop the answer; what was heard is counted by the players, and by the caller if `played_ms` is given."""
        if self.players:
            self._break_in(cancel=True, at_least_ms=played_ms, within_s=playback.STOP_S)
            await self.counted()
        else:
            self._stop_unplayed(played_ms)

    def hush(self) -> None:
        """Be silent: nobody waits for the answer any more."""
        if self._heard():
            self._break_in(cancel=False)

    def played(self, item_id: str | None, played_ms: float) -> None:
        """A player has played an item to its end."""
        entry = self._playing.pop(item_id, None)
        if entry is not None:
            self._emit(PlaybackEnded(item_id=item_id, played_ms=played_ms))

    async def counted(self) -> None:
        """Return when it is known what was heard of an answer that was broken off."""
        while self._counting is not None and not self._counting.done():
            await asyncio.wait([self._counting])

    def lose(self) -> None:
        """The session is over: no more sound comes, and what the players have is played to its end."""
        for item_id, entry in self._playing.items():
            if entry.status == "running":
                self.players.end(item_id)

    async def close(self) -> None:
        """End what still runs; held playback goes on."""
        self._let_go()
        await self._tasks.cancel()

    # ---------------------------------------------------------------------------------------------------- reactions

    def on_audio(self, event: AudioDelta) -> None:
        """Hand on what the transcript took, unless the listener has had enough of that answer."""
        if not self.players:
            return
        entry = self._transcript.spoken_item(event.item_id)
        if entry is None or entry.status != "running" or entry.turn is self._silenced:
            return
        if self._playing.get(event.item_id) is not entry:
            self._playing[event.item_id] = entry
            self.players.begin(event.item_id)
            self._forget_old()
        self.players.add(event.item_id, event.data, event.format)

    def on_response_done(self, event: ResponseDone) -> None:
        """No more audio will come; a provider that cut its answer off has heard the user."""
        if event.reason == "turn_detected" and self.mode != "off" and self._heard():
            self._break_in(cancel=False)
        for item_id, entry in self._playing.items():
            if entry.response_id == event.response_id:
                self.players.end(item_id)

    def on_speech_started(self, event: SpeechStarted) -> None:
        """The provider hears the user."""
        doubtful = self.mode == "hold" and (self._heard() or self._turns.answering is not None)
        self._utterance = Utterance(real=not doubtful)
        if doubtful:
            self._hold()
        elif self.mode == "server" and self._heard():
            self._break_in(cancel=False)

    def on_speech_stopped(self, event: SpeechStopped) -> None:
        """The provider hears silence; what was heard may still turn out to be words."""
        if self._utterance is not None:
            self._utterance.stopped = True

    def on_committed(self, event: InputCommitted) -> None:
        """The user's utterance is part of the conversation, and wants an answer if it was one."""
        if self._utterance is not None:
            self._utterance.committed = True
            if self._utterance.real or not self._expects_words():
                self._is_real(self._utterance)

    def on_words(self, event: InputTranscript) -> None:
        """Words: it was speech."""
        if self._utterance is not None and event.text.strip():
            self._is_real(self._utterance)

    def take_over(self) -> None:
        """The caller ends this utterance, and asks for its answer."""
        self._utterance = None

    # -------------------------------------------------------------------------------------------------- hold, let go

    def _hold(self) -> None:
        if self._holding is None:
            self._holding = asyncio.get_running_loop().call_later(self._hold_s, self._hold_over)
            self.players.hold(True)

    def _let_go(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None
            self.players.hold(False)

    def _hold_over(self) -> None:
        said = self._utterance
        if said is not None and not said.stopped and not said.real:
            self._is_real(said)  # nobody coughs for so long
            return
        self._let_go()
        if said is not None and not said.real:
            self._turns.discard()

    def _is_real(self, said: Utterance) -> None:
        if not said.real:
            said.real = True
            if self._heard() or self._turns.answering is not None:
                self._break_in(cancel=True)
            self._turns.begin_by_voice()
        if said.committed and self._answers:
            self._utterance = None
            self._tasks.spawn(self._answer(), "aigw-answer-utterance")

    async def _answer(self) -> None:
        await self._turns.gate.wait_free()
        self._turns.respond(CreateResponse())

    # ------------------------------------------------------------------------------------------------------ break in

    def _heard(self) -> bool:
        """Whether something is being played, or is about to be."""
        return bool(self.players) and any(self._unheard(item_id, entry) for item_id, entry in self._playing.items())

    def _unheard(self, item_id: str | None, entry: Entry) -> bool:
        return entry.status == "running" or (self.players.played_ms(item_id) or 0.0) < (entry.audio_ms or 0.0)

    def _break_in(self, *, cancel: bool, at_least_ms: float | None = None, within_s: float = playback.FLUSH_S) -> None:
        """Silence, at once; with `cancel` the provider is told to stop. `within_s` it is to be known what was heard."""
        turn = self._turns.answering or (self._transcript.current if cancel else None)
        cut = {item: (e, e.status == "running") for item, e in self._playing.items() if self._unheard(item, e)}
        self._playing.clear()
        self._silenced = turn
        if turn is None and not cut:
            return
        counts = self.players.flush(within_s)
        self._let_go()
        if cancel and turn is not None:
            self._turns.stop(turn, "interrupted")
        if not cut:
            self._emit(PlaybackInterrupted(played_ms=at_least_ms))
        self._counting = self._tasks.spawn(self._count(cut, counts, at_least_ms), "aigw-count-heard")

    async def _count(
        self,
        cut: dict[str | None, tuple[Entry, bool]],
        counts: Awaitable[dict[str | None, float]],
        at_least_ms: float | None,
    ) -> None:
        heard = await counts
        for item_id, (entry, running) in cut.items():
            played_ms = max(heard.get(item_id, self.players.played_ms(item_id) or 0.0), at_least_ms or 0.0)
            played_ms = min(played_ms, entry.audio_ms or 0.0)
            at_least_ms = None  # the caller counted what was being played: the first
            if running or played_ms < (entry.audio_ms or 0.0):
                self._emit(PlaybackInterrupted(item_id=item_id, played_ms=played_ms))
                self._cut(entry, played_ms)
            else:
                self._emit(PlaybackEnded(item_id=item_id, played_ms=played_ms))

    def _cut(self, entry: Entry, played_ms: float) -> None:
        """Let the provider remember of an item what was heard of it, where it can."""
        if entry.item_id is None or not entry.audio_ms:
            return
        try:
            if played_ms >= SHORTEST_MS and self._can.truncation:
                self._send(TruncateOutput(item_id=entry.item_id, played_ms=played_ms))
            elif played_ms < SHORTEST_MS and self._can.editable_history:
                self._send(DeleteItem(item_id=entry.item_id))
        except AigwError:
            return  # the session is over: nothing is remembered

    def _stop_unplayed(self, played_ms: float | None) -> None:
        """Stop where this side has no player: the caller's count holds, and without one nothing is cut."""
        turn = self._turns.answering or self._transcript.current
        spoken = self._transcript.spoken_item()
        if turn is not None and spoken is not None and spoken.turn is not turn:
            spoken = None
        if turn is None and spoken is None:
            return
        running = spoken is not None and spoken.status == "running"
        self._emit(PlaybackInterrupted(item_id=spoken.item_id if spoken else None, played_ms=played_ms))
        if turn is not None:
            self._turns.stop(turn, "interrupted")
        if spoken is not None and played_ms is not None and (running or played_ms < (spoken.audio_ms or 0.0)):
            self._cut(spoken, min(played_ms, spoken.audio_ms or 0.0))

    def _forget_old(self) -> None:
        while len(self._playing) > MAX_PLAYING:
            del self._playing[next(iter(self._playing))]
