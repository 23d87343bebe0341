"""One session: a socket, a codec, a transcript, tools and sinks, driven on one event loop.

A message takes one way: socket, codec, events, transcript, sinks, inline on the loop's thread with no queue between.
Only coroutines are written here; `faces` gives them their blocking and their awaitable form.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..endpoint import Endpoint
from ..errors import TurnTimeout
from ..events import (
    AnyEvent,
    AnyServerEvent,
    AudioDelta,
    ClientEvent,
    CreateResponse,
    InputCommitted,
    InputTranscript,
    InputTranscriptFailed,
    ResponseDone,
    ResponseStarted,
    SessionClosed,
    SessionError,
    SessionOpened,
    SessionUpdate,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolCallCancelled,
)
from ..lines import Log, MemoryLog
from ..providers.base import Message, Provider, SessionSettings, TurnDetection, counting_ids
from ..recording import Recording
from ..scrubbing import scrub
from ..seeds import NO_SEED, Seed
from ..tools import Tool
from ..transcript import Transcript
from ..turn import Turn
from .alarm import AlarmClock
from .bargein import BargeIn, BargeInMode
from .dial import dial
from .keeping import header_of, until_kept
from .lifetime import Lifetime
from .needs import check_wait, need
from .playback import Playback
from .questions import Questions, question_of, request_of
from .reading import read, without_secrets
from .seeding import hand_over
from .sinks import Sink, Sinks
from .spending import Spending
from .toolrun import ToolRunner
from .turns import TurnDriver
from .updates import Updates, changed
from .voice import VoiceInput
from .wire import Wire

__all__ = ["SessionCore", "Sink"]


class SessionCore:
    """One session with one provider. Every coroutine runs on the loop that ran `open`.

    Attributes are safe to read from any thread: `transcript`, `settings`, `where`, `closed`, `session_id` (ours),
    `provider_session_id`, `sinks` (with its drop counts), `opened_at` (seconds on the session's clock) and, in ms from
    then, `connect_ms` (the upgrade) and `created_ms` (the provider's first word).
    """

    def __init__(
        self,
        provider: Provider,
        settings: SessionSettings,
        endpoint: Endpoint,
        *,
        tools: Sequence[Tool] = (),
        tool_timeout_s: float = 30.0,
        barge_in: BargeInMode | None = None,
        hold_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        log: Log | None = None,
        ids_seed: str | None = None,
        seed: Seed = NO_SEED,
        max_cost: float | None = None,
    ) -> None:
        self.provider = provider
        self.settings = settings
        self.endpoint = endpoint
        self.session_id = f"s{secrets.token_hex(6)}"
        self.seed = seed
        self.ids_seed = ids_seed or self.session_id[1:]
        self.provider_session_id: str | None = None
        self.closed = False
        self.connect_ms: float | None = None
        self.created_ms: float | None = None
        self.sinks = Sinks()
        self.on_over: Callable[[], None] = lambda: None
        """Called once when the session is over, however it ended."""
        self.log: Log = log if log is not None else MemoryLog()
        self.transcript = Transcript(
            session_id=self.session_id,
            provider=provider.name,
            model=settings.model,
            where=endpoint.where,
            answers=provider.capabilities.answers,
            log=self.log,
        )
        self._codec = provider.codec(settings, ids=counting_ids(self.ids_seed))
        self._alarm = AlarmClock(self._codec, self._rung)
        self._clock = clock
        self.opened_at = clock()
        self._wire: Wire | None = None
        self._closing = False
        self._life = Lifetime(endpoint)
        self._updates = Updates()
        self._turns = TurnDriver(
            self.transcript,
            ToolRunner({tool.name: tool for tool in tools}, timeout_s=tool_timeout_s),
            can_cancel=provider.capabilities.cancel,
            send=self._send,
            emit=self._emit,
            now_ms=self._now_ms,
        )
        self._voice = VoiceInput(
            self._codec,
            self.transcript,
            automatic=self._automatic_turns,
            can_switch=provider.capabilities.can_change("turn_detection"),
            send=self._send,
            send_slowly=self._send_slowly,
            now_ms=self._now_ms,
        )
        self._barge_in = self._make_barge_in(barge_in, hold_s)
        self._questions = self._make_questions()
        self.spending = Spending(self.transcript, self._life, max_cost, self._questions.settled, self.close)
        self.spending.watch(self.sinks)
        self.turn_settled = self._turns.settled
        self._reactions = self._reaction_table()

    def _make_barge_in(self, mode: BargeInMode | None, hold_s: float) -> BargeIn:
        can, detection = self.provider.capabilities, self.settings.turn_detection
        refused = detection is not None and detection.interrupt_response is False
        return BargeIn(
            self.transcript,
            self._turns,
            can,
            mode=mode or ("off" if refused else "server"),
            hold_s=hold_s,
            answers=mode in ("hold", "off") and can.answers_on_request,
            expects_words=self._wants_words,
            listens=lambda: self._automatic_turns() is not None,
            send=self._send,
            emit=self._emit,
        )

    def _make_questions(self) -> Questions:
        return Questions(
            self.transcript,
            self._turns,
            self._voice,
            self._life,
            send=self._send,
            now_ms=self._now_ms,
            wants_words=self._wants_words,
            hush=self._barge_in.hush,
            counted=self._barge_in.counted,
        )

    @property
    def where(self) -> str:
        """One line that says where the session is connected; safe to show."""
        return self.endpoint.where

    def recording(self) -> Recording:
        """The session as a value: what it was, and its lines so far, without a secret."""
        lines = scrub(self.log.lines(), self.endpoint.secrets)
        return Recording(header=header_of(self), lines=lines, dropped=self.log.dropped)

    # ------------------------------------------------------------------------------------------------- open and close

    async def open(self, *, timeout_s: float = 10.0) -> None:
        """Connect, configure, and return once the provider is ready.

        Raises `Unreachable`, `Unauthorized`, `UpstreamRefused` or `ConfigurationError`; nothing is left open then.
        """
        self.opened_at = self._clock()
        self._life.begin()
        socket = await dial(self.endpoint.naming(self.session_id), self.provider, timeout_s=timeout_s)
        self.connect_ms = self._now_ms()
        self._wire = Wire(socket, take=self._take, over=self._over, codec=self._codec, sent=self._sent)
        self.transcript.noted(self._now_ms(), gateway_log_id=self._wire.log_id)
        try:
            await asyncio.sleep(0)  # a greeting that came with the upgrade is read before anything is written
            self._codec.opening()
            self._wire.post(self._codec.messages_to_send())
            if self._codec.ready is None:
                self._life.be_ready()
            await self._life.until_ready(timeout_s)
            self.spending.check()
            await hand_over(self.seed, self.sinks, self._send_slowly, self._emit, timeout_s=timeout_s)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the session. A running turn is cancelled and its records are kept. Closing twice does nothing."""
        if self._closing:
            await self.spending.over()
            return
        self._closing = True
        await self.spending.stop()
        if self.transcript.current is not None:
            self._turns.stop(self.transcript.current, "cancelled")
        if self._wire is not None:
            await self._wire.close()
        await self._barge_in.close()
        await self._turns.close()
        self.closed = True
        await until_kept(self.log)

    # ------------------------------------------------------------------------------------------------------- the turn

    async def ask(
        self,
        text: str | None = None,
        *,
        audio: Any = None,
        sample_rate: int | None = None,
        image: Any = None,
        instructions: str | None = None,
        modalities: Sequence[str] | str | None = None,
        out_of_band: bool = False,
        timeout_s: float = 60.0,
    ) -> Turn:
        """The finished turn that answers a question of words, sound or a picture, or several together.

        `audio` is a WAV path or bytes, a clip, an array with its `sample_rate`, or a stream of chunks; `image` a path,
        PNG or JPEG bytes, a PIL image or an array. `instructions` and `modalities` hold for this answer only. With
        `out_of_band` the answer stands outside the conversation and later turns know nothing of it. `timeout_s` is
        the longest silence: an answer that keeps coming is never cut.

        Raises `SessionBusy` while another `ask` runs, `TurnTimeout` or `SessionEnded` with the partial turn in their
        `turn`, `Unsupported` and `ConfigurationError` before anything is sent. A turn the provider failed, or that was
        interrupted, is returned with that `status`. When the caller is cancelled the answer is cancelled too.
        """
        self._check_open()
        check_wait(timeout_s)
        question = question_of(self.provider, text, audio, sample_rate, image)
        request = request_of(self.provider, text, instructions, modalities, out_of_band=out_of_band)
        turn = await self._questions.ask(question, request, timeout_s=timeout_s)
        await self.spending.over()
        await until_kept(self.log)
        return turn

    async def next_turn(self, *, timeout_s: float = 60.0) -> Turn:
        """The oldest finished turn that was begun by voice and not yet given; waits until there is one.

        The way to get the answers to `send_audio`. Raises `TurnTimeout`, and `SessionEnded` when the session is over.
        """
        if not self._turns.unclaimed:
            self._check_open()
        try:
            turn = await self._turns.next_end(timeout_s=timeout_s)
        except TimeoutError:
            raise TurnTimeout(f"no turn ended for {timeout_s:g} s; was anything said, and committed?") from None
        self._life.raise_if_lost(turn)
        await self._questions.settled(turn)
        await until_kept(self.log)
        return turn

    async def send_audio(self, data: Any, *, sample_rate: int | None = None) -> None:
        """Send microphone audio: bytes in the session's input format, PCM16 bytes or an array with `sample_rate`.

        Where the provider detects turns, it answers by itself when the user falls silent; else call `commit`.
        """
        self._check_open()
        need(self.provider, "audio_in", "spoken input")
        if self._automatic_turns() is None:
            self._turns.begin_by_voice()
        await self._voice.chunk(data, sample_rate)

    async def commit(self, *, respond: bool = True) -> None:
        """End the user's utterance; with `respond`, ask for the answer (see `next_turn`)."""
        self._check_open()
        need(self.provider, "audio_in", "spoken input")
        self._barge_in.take_over()
        await self._voice.commit()
        if self.transcript.current is not None:
            self.transcript.asked(self.transcript.current, self._now_ms())
        if respond and not self._voice.answered_unasked:
            self._turns.respond(CreateResponse())

    async def interrupt(self, played_ms: float | None = None) -> None:
        """Stop the answer. `played_ms` is how much of its audio the listener heard, counted by the player.

        The running turn ends as "interrupted"; the provider's memory and the records are cut to what was heard, where
        the provider keeps editable audio. The session's players count for themselves; without any, and without
        `played_ms`, nobody counted and nothing is cut. With no answer running only the cut is made; with nothing spoken
        nothing happens.
        """
        self._check_open()
        await self._barge_in.interrupt(played_ms)

    async def user_speaks(self) -> None:
        """Say that somebody speaks into the microphone, before the provider can know.

        Playback pauses until the provider hears speech too, and goes on when it does not within `hold_s`. Where the
        provider does not listen for that, it is an interruption.
        """
        self._check_open()
        self._barge_in.user_speaks()

    async def update(self, /, **changes: Any) -> None:
        """Change settings of the running session: any field of `SessionSettings`.

        Returns when the provider has taken the change, where it says so, else when it was sent. Raises `Unsupported`
        before anything is sent, `UpstreamRefused` when the provider refuses; `settings` is then as it was.
        """
        self._check_open()
        need(self.provider, "live_update", "change of a running session")
        settings = changed(self.settings, changes)
        self._send(SessionUpdate(changes=changes))
        await self._updates.answered()
        self.settings = settings

    async def send(self, event: ClientEvent) -> None:
        """Send any client event; the door to what has no method here (`RetrieveItem`, `ProviderMessage` …)."""
        self._check_open()
        if isinstance(event, CreateResponse) and not self._codec.mid_input:
            await self._turns.gate.wait_free()
            self._turns.respond(event)
        else:
            self._send(event)

    def events(self) -> AsyncIterator[AnyEvent]:
        """Every event from now on, until the session is closed; a reader that falls far behind loses the oldest."""
        self._check_open()
        return self.sinks.stream()

    def add_sink(self, sink: Sink) -> None:
        """Hand every event from now on to `sink` too, on the loop's thread."""
        self.sinks.add(sink)

    def remove_sink(self, sink: Sink) -> None:
        """No more events for `sink`; an unknown one is ignored."""
        self.sinks.remove(sink)

    def add_player(self, player: Playback) -> None:
        """Let `player` play every answer from the one that is being made; what it counts is what was heard."""
        self._barge_in.add_player(player)

    def remove_player(self, player: Playback) -> None:
        """No more answers for `player`; an unknown one is ignored."""
        self._barge_in.players.remove(player)

    def played(self, item_id: str | None, played_ms: float) -> None:
        """Take note that a player has played an item to its end; for players, on the loop's thread."""
        self._barge_in.played(item_id, played_ms)

    # --------------------------------------------------------------------------------------------------- sending side

    def _check_open(self) -> None:
        is_open = not self._closing and not self.closed and self._wire is not None
        self._life.check(is_open=is_open)

    def _automatic_turns(self) -> TurnDetection | None:
        """The turn detection in force, where the provider ends the user's turns; None where the caller does."""
        if not self.provider.capabilities.server_turns:
            return None
        detection = self.settings.turn_detection or TurnDetection()
        return None if detection.mode == "manual" else detection

    def _wants_words(self) -> bool:
        return self.settings.transcription not in (None, False) and not self._closing and not self.closed

    def _send(self, event: ClientEvent) -> str | None:
        self._codec.send(event)
        if self._wire is not None:
            messages = self._codec.messages_to_send()
            if messages and isinstance(event, SessionUpdate) and self._codec.confirms_updates:
                self._updates.sent(self._codec.last_sent_id)
            self._wire.post(messages)
            self._alarm.look()
        return self._codec.last_sent_id

    async def _send_slowly(self, event: ClientEvent) -> str | None:
        self._codec.send(event)
        sent_id = self._codec.last_sent_id
        if self._wire is not None:
            await self._wire.post_slowly(self._codec.messages_to_send())
        return sent_id

    # -------------------------------------------------------------------------------------------------- receiving side

    def _take(self, message: Message) -> None:
        t_ms = self._turns.heard_ms = (self._clock() - self.opened_at) * 1000.0
        self.log.add(t_ms, "received", message)
        self._deliver(read(self._codec, message, self.endpoint.secrets), t_ms)

    def _sent(self, message: Message) -> None:
        self.log.add(self._now_ms(), "sent", message)

    def _rung(self) -> None:
        self._deliver(self._codec.ring(), self._now_ms())

    def _deliver(self, events: Sequence[AnyServerEvent], t_ms: float) -> None:
        codec = self._codec
        record, hand, reactions = self.transcript.receive, self.sinks.hand, self._reactions
        for event in events:
            before, after = reactions.get(type(event), (None, None))
            if before is not None:
                before(event)
            record(event, t_ms)
            hand(event)
            if after is not None:
                after(event)
        if codec._out and self._wire is not None:
            self._wire.post(codec.messages_to_send())
        self._alarm.look()

    def _emit(self, event: AnyEvent) -> None:
        """Record a fact of this side and hand it on."""
        self.transcript.receive(event, self._now_ms())
        self.sinks.hand(event)

    def _over(self, code: int, reason: str) -> None:
        self.closed = True
        self._alarm.stop()
        self._life.end(code, reason, wanted=self._closing, silent=self._wire is not None and not self._wire.heard)
        self._updates.lose(self._life.ended)
        closed = SessionClosed(code=code, reason=self.spending.reason or reason, by_us=self._closing)
        self._emit(without_secrets(closed, self.endpoint.secrets))
        self._questions.lose()
        self._barge_in.lose()
        self._turns.lose(self._life.ended)
        self.on_over()

    def _reaction_table(self) -> Mapping[type, tuple[Callable[..., None] | None, Callable[..., None] | None]]:
        """What this session does on an event, before and after the transcript and the sinks have it."""
        turns, barge_in = self._turns, self._barge_in
        table: dict[type, tuple[Callable[..., None] | None, Callable[..., None] | None]] = {
            SessionOpened: (self._on_opened, None),
            SessionUpdated: (self._updates.on_updated, None),
            SpeechStarted: (self._on_speech_started, None),
            SpeechStopped: (self._on_speech_stopped, None),
            InputCommitted: (None, barge_in.on_committed),
            InputTranscript: (None, self._on_words),
            InputTranscriptFailed: (None, self._questions.on_words),
            AudioDelta: (None, barge_in.on_audio),
            ResponseStarted: (turns.on_response_started, None),
            ToolCall: (None, turns.on_tool_call),
            ToolCallCancelled: (None, turns.on_calls_cancelled),
            ResponseDone: (None, self._on_response_done),
            SessionError: (None, self._on_error),
        }
        ready = self._codec.ready or SessionOpened
        table[ready] = (table.get(ready, (None, None))[0], self._life.be_ready)
        return table

    def _on_opened(self, event: SessionOpened) -> None:
        self.provider_session_id = event.session_id
        self.created_ms = self._now_ms()
        if event.model is not None:
            self.settings = replace(self.settings, model=event.model)
            self.transcript.noted(self._now_ms(), model=event.model)

    def _on_speech_started(self, event: SpeechStarted) -> None:
        self._barge_in.on_speech_started(event)
        self._questions.words_are_coming()
        self._turns.begin_by_voice()
        self._voice.on_speech_started(event)

    def _on_speech_stopped(self, event: SpeechStopped) -> None:
        self._voice.on_speech_stopped(event)
        self._barge_in.on_speech_stopped(event)

    def _on_words(self, event: InputTranscript) -> None:
        self._questions.on_words(event)
        self._barge_in.on_words(event)

    def _on_response_done(self, event: ResponseDone) -> None:
        self._turns.on_response_done(event)
        self._barge_in.on_response_done(event)

    def _on_error(self, event: SessionError) -> None:
        self._updates.on_error(event)
        if event.benign or not self._life.complain(event):
            self._turns.on_error(event)

    def _now_ms(self) -> float:
        return (self._clock() - self.opened_at) * 1000.0
