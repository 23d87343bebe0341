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
from ..errors import (
    AigwError,
    ConfigurationError,
    SessionBusy,
    TurnTimeout,
)
from ..events import (
    AnyEvent,
    AnyServerEvent,
    AppendText,
    ClientEvent,
    CreateResponse,
    InputTranscript,
    InputTranscriptFailed,
    PlaybackInterrupted,
    ResponseDone,
    ResponseStarted,
    SessionClosed,
    SessionError,
    SessionOpened,
    SessionUpdate,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolCallCancelled,
    TruncateOutput,
)
from ..providers.base import Message, Provider, SessionSettings, TurnDetection, counting_ids
from ..tools import Tool
from ..transcript import Transcript
from ..turn import Turn, TurnStatus
from .alarm import AlarmClock
from .dial import dial
from .lifetime import Lifetime
from .needs import check_question, check_wait, need
from .reading import read, without_secrets
from .sinks import Sink, Sinks
from .toolrun import ToolRunner
from .turns import TurnDriver
from .user_input import encoded_image, read_audio
from .voice import VoiceInput
from .wire import Wire

__all__ = ["SessionCore", "Sink"]

WORDS_TIMEOUT_S = 2.0
"""How long `ask` waits, after the answer, for the provider's transcript of what the user said."""


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.settings = settings
        self.endpoint = endpoint
        self.session_id = f"s{secrets.token_hex(6)}"
        self.provider_session_id: str | None = None
        self.closed = False
        self.connect_ms: float | None = None
        self.created_ms: float | None = None
        self.sinks = Sinks()
        self.on_over: Callable[[], None] = lambda: None
        """Called once when the session is over, however it ended."""
        self.transcript = Transcript(
            session_id=self.session_id,
            provider=provider.name,
            model=settings.model,
            where=endpoint.where,
            answers=provider.capabilities.answers,
        )
        self._codec = provider.codec(settings, ids=counting_ids())
        self._alarm = AlarmClock(self._codec, self._rung)
        self._clock = clock
        self.opened_at = clock()
        self._wire: Wire | None = None
        self._asking = False
        self._closing = False
        self._heard_words = asyncio.Event()
        self._life = Lifetime(endpoint)
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
        self.turn_settled = self._turns.settled
        self._reactions = self._reaction_table()

    @property
    def where(self) -> str:
        """One line that says where the session is connected; safe to show."""
        return self.endpoint.where

    # ------------------------------------------------------------------------------------------------- open and close

    async def open(self, *, timeout_s: float = 10.0) -> None:
        """Connect, configure, and return once the provider is ready.

        Raises `Unreachable`, `Unauthorized`, `UpstreamRefused` or `ConfigurationError`; nothing is left open then.
        """
        self.opened_at = self._clock()
        self._life.begin()
        socket = await dial(self.endpoint, self.provider, timeout_s=timeout_s)
        self.connect_ms = self._now_ms()
        self._wire = Wire(socket, take=self._take, over=self._over, codec=self._codec)
        self.transcript.gateway_log_id = self._wire.log_id
        try:
            await asyncio.sleep(0)  # a greeting that came with the upgrade is read before anything is written
            self._codec.opening()
            self._wire.post(self._codec.messages_to_send())
            if self._codec.ready is None:
                self._life.be_ready()
            await self._life.until_ready(timeout_s)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the session. A running turn is cancelled and its records are kept. Closing twice does nothing."""
        if self._closing:
            return
        self._closing = True
        if self.transcript.current is not None:
            self._turns.stop(self.transcript.current, "cancelled")
        if self._wire is not None:
            await self._wire.close()
        await self._turns.close()
        self.closed = True

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
        images = () if image is None else (encoded_image(image),)
        sound = None if audio is None else read_audio(audio, sample_rate)
        check_question(self.provider, text, sound, images)
        if out_of_band:
            need(self.provider, "out_of_band", "answers outside the conversation")
        if self._asking:
            raise SessionBusy("a turn is already running on this session; wait for it, or call interrupt() first")
        self._asking = True
        try:
            await self._wait_free(timeout_s)
            turn = self._turns.begin(out_of_band=out_of_band, claimed=True)
            try:
                await self._hand_over(turn, text, images, sound, sample_rate)
                self._turns.respond(
                    CreateResponse(
                        instructions=text if out_of_band and instructions is None else instructions,
                        modalities=(modalities,) if isinstance(modalities, str) else tuple(modalities or ()) or None,
                        out_of_band=out_of_band,
                    ),
                    turn,
                )
                await self._turns.end_of(turn, silence_s=timeout_s)
                await self._words_known(turn)
                self._life.raise_if_lost(turn)
                return turn
            except BaseException as error:
                raise self._given_up(turn, error) from None
        finally:
            self._asking = False

    async def next_turn(self, *, timeout_s: float = 60.0) -> Turn:
        """The oldest finished turn that was begun by voice and not yet given; waits until there is one.

        The way to get the answers to `send_audio`. Raises `TurnTimeout`, and `SessionEnded` when the session is over.
        """
        self._check_open()
        try:
            turn = await self._turns.next_end(timeout_s=timeout_s)
        except TimeoutError:
            raise TurnTimeout(f"no turn ended for {timeout_s:g} s; was anything said, and committed?") from None
        self._life.raise_if_lost(turn)
        await self._words_known(turn)
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
        await self._voice.commit()
        if self.transcript.current is not None:
            self.transcript.current.asked_ms = self._now_ms()
        if respond and not self._voice.answered_unasked:
            self._turns.respond(CreateResponse())

    async def interrupt(self, played_ms: float | None = None) -> None:
        """Stop the answer. `played_ms` is how much of its audio the listener heard, counted by the player.

        The running turn ends as "interrupted"; the provider's memory and the records are cut to what was heard, where
        the provider keeps editable audio. Without `played_ms` nobody counted and nothing is cut. With no answer
        running only the cut is made; with nothing spoken nothing happens.
        """
        self._check_open()
        turn = self._turns.answering or self.transcript.current
        spoken = self.transcript.spoken_item()
        if turn is not None and spoken is not None and spoken.turn is not turn:
            spoken = None
        if turn is None and spoken is None:
            return
        self._emit(PlaybackInterrupted(item_id=spoken.item_id if spoken else None, played_ms=played_ms))
        if turn is not None:
            self._turns.stop(turn, "interrupted")
        received_ms = spoken.audio_ms if spoken is not None else None
        if spoken is None or spoken.item_id is None or received_ms is None or played_ms is None:
            return
        if self.provider.capabilities.truncation and 0 < played_ms < received_ms:
            self._send(TruncateOutput(item_id=spoken.item_id, played_ms=played_ms))

    async def update(self, /, **changes: Any) -> None:
        """Change settings of the running session: any field of `SessionSettings`."""
        self._check_open()
        need(self.provider, "live_update", "change of a running session")
        try:
            settings = self.settings.changed(changes)
        except TypeError:
            known = ", ".join(SessionSettings.__dataclass_fields__)
            raise ConfigurationError(f"unknown setting in {', '.join(changes)}; the settings are: {known}") from None
        self._send(SessionUpdate(changes=changes))
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

    async def _wait_free(self, timeout_s: float) -> None:
        try:
            await self._turns.wait_free(timeout_s)
        except TimeoutError:
            raise TurnTimeout(f"the last answer did not end within {timeout_s:g} s; open a new session") from None

    async def _hand_over(
        self, turn: Turn, text: str | None, images: tuple[bytes, ...], sound: Any, sample_rate: int | None
    ) -> None:
        if text or images:
            if not turn.out_of_band:
                self._send(AppendText(text=text or "", images=images))
            self.transcript.user_said(text or "", self._now_ms())
        if sound is not None:
            self._heard_words.clear()
            await self._voice.utterance(sound, sample_rate)
        turn.asked_ms = self._turns.heard_ms = self._now_ms()

    async def _words_known(self, turn: Turn) -> None:
        """Wait a little for the words of what the user said aloud, where they were asked for."""
        wanted = self.settings.transcription not in (None, False) and not self.closed
        if not wanted or not any(e.role == "user" and e.kind == "audio" and e.text is None for e in turn.entries):
            return
        try:
            async with asyncio.timeout(WORDS_TIMEOUT_S):
                await self._heard_words.wait()
        except TimeoutError:
            return

    def _given_up(self, turn: Turn, error: BaseException) -> BaseException:
        """End the turn that `error` broke off; gives what to raise, with the partial turn in it."""
        if isinstance(error, asyncio.CancelledError):
            self._turns.stop(turn, "cancelled")
            return error
        status: TurnStatus = "failed"
        if type(error) is TimeoutError:
            status = "timeout"
            error = TurnTimeout("the provider fell silent in mid-turn; ask again, or give a longer timeout_s")
        self._turns.stop(turn, status, error=str(error))
        if isinstance(error, AigwError):
            error.turn = turn
        return error

    def _send(self, event: ClientEvent) -> str | None:
        self._codec.send(event)
        if self._wire is not None:
            self._wire.post(self._codec.messages_to_send())
            self._alarm.look()
        return self._codec.last_sent_id

    async def _send_slowly(self, event: ClientEvent) -> None:
        self._codec.send(event)
        if self._wire is not None:
            await self._wire.post_slowly(self._codec.messages_to_send())

    # -------------------------------------------------------------------------------------------------- receiving side

    def _take(self, message: Message) -> None:
        t_ms = self._turns.heard_ms = (self._clock() - self.opened_at) * 1000.0
        self._deliver(read(self._codec, message, self.endpoint.secrets), t_ms)

    def _rung(self) -> None:
        self._deliver(self._codec.ring(), self._now_ms())

    def _deliver(self, events: Sequence[AnyServerEvent], t_ms: float) -> None:
        codec = self._codec
        record, hand, reactions = self.transcript.receive, self.sinks.hand, self._reactions
        for event in events:
            before, after = reactions.get(type(event), _NO_REACTION)
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
        self._life.end(code, reason, wanted=self._closing)
        self._emit(without_secrets(SessionClosed(code=code, reason=reason), self.endpoint.secrets))
        self._turns.lose(self._life.ended)
        self.on_over()

    def _reaction_table(self) -> Mapping[type, tuple[Callable[..., None] | None, Callable[..., None] | None]]:
        """What this session does on an event, before and after the transcript and the sinks have it."""
        turns, voice = self._turns, self._voice
        table: dict[type, tuple[Callable[..., None] | None, Callable[..., None] | None]] = {
            SessionOpened: (self._on_opened, None),
            SpeechStarted: (self._on_speech_started, None),
            SpeechStopped: (voice.on_speech_stopped, None),
            InputTranscript: (None, self._on_words),
            InputTranscriptFailed: (None, self._on_words),
            ResponseStarted: (turns.on_response_started, None),
            ToolCall: (None, turns.on_tool_call),
            ToolCallCancelled: (None, turns.on_calls_cancelled),
            ResponseDone: (None, turns.on_response_done),
            SessionError: (None, self._on_error),
        }
        ready = self._codec.ready or SessionOpened
        table[ready] = (table.get(ready, _NO_REACTION)[0], self._life.be_ready)
        return table

    def _on_opened(self, event: SessionOpened) -> None:
        self.provider_session_id = event.session_id
        self.created_ms = self._now_ms()
        if event.model is not None:
            self.settings = replace(self.settings, model=event.model)
            self.transcript.model = event.model

    def _on_speech_started(self, event: SpeechStarted) -> None:
        self._heard_words.clear()
        self._turns.begin_by_voice()
        self._voice.on_speech_started(event)

    def _on_words(self, event: InputTranscript | InputTranscriptFailed) -> None:
        if isinstance(event, InputTranscriptFailed) or event.final:
            self._heard_words.set()

    def _on_error(self, event: SessionError) -> None:
        if event.benign or not self._life.complain(event):
            self._turns.on_error(event)

    def _now_ms(self) -> float:
        return (self._clock() - self.opened_at) * 1000.0


_NO_REACTION: tuple[None, None] = (None, None)
