"""A session as data: every event folded into rows, both sides in spoken order.

The transcript is a reducer without a clock: whoever drives it says when each event happened. Rows are patched in place
while an answer grows or the user's words become known, so a list of records read later is more complete, never
reordered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

from .audio.formats import AudioFormat
from .events import (
    AnyEvent,
    AudioDelta,
    ImageOutput,
    InputCommitted,
    InputTranscript,
    InputTranscriptFailed,
    ItemAdded,
    OutputCorrected,
    OutputTranscript,
    PlaybackEnded,
    PlaybackInterrupted,
    ResponseDone,
    ResponseStarted,
    SessionClosed,
    SessionError,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    ToolCall,
    ToolFinished,
    Usage,
    WordTimings,
)
from .lines import Kind, Line, Log
from .pictures import PICTURES, Pictures
from .records import Entry, Row
from .seams import SEAMS, Seams
from .turn import Turn, TurnStatus
from .written import Written

__all__ = ["Transcript"]

AnswerPart: TypeAlias = TextDelta | OutputTranscript | AudioDelta | WordTimings

MAX_AUDIO_BYTES = 256 * 1024 * 1024
"""Audio a transcript keeps in memory, both sides together; beyond it the oldest audio is let go, and counted."""

MAX_STORED_AUDIO_BYTES = 8 * 1024 * 1024
"""The same where a log has all audio, from which it is read again: nothing is lost, so nothing is counted."""


class Transcript(Written, Seams, Pictures):
    """Everything said in a session, as turns and as rows. It is written by one thread and may be read from any.

    Iterate it for the rows; `len` counts them. All that it is told goes to `log` as well, as lines that `retell` makes
    a transcript of again.
    """

    def __init__(
        self,
        *,
        session_id: str,
        provider: str,
        model: str | None,
        where: str = "",
        answers: bool = True,
        started_at: datetime | None = None,
        max_audio_bytes: int = MAX_AUDIO_BYTES,
        log: Log | None = None,
    ) -> None:
        self.session_id = session_id
        self.provider = provider
        self.model = model
        self.where = where
        self._answers = answers
        self.gateway_log_id: str | None = None
        self.started_at = started_at or datetime.now(UTC)
        self.turns: list[Turn] = []
        self.entries: list[Entry] = []
        self.current: Turn | None = None
        self.errors_seen = 0
        self.audio_bytes = 0
        self.audio_bytes_dropped = 0
        self.late_events_dropped = 0
        self._max_audio_bytes = max_audio_bytes
        self._log = log
        self._store = log.store if log is not None else None
        self._by_item: dict[str | None, Entry] = {}
        self._unbound: Entry | None = None
        self._spoke_ms: float | None = None
        self._turn_of: dict[str | None, Turn | None] = {}
        self._oldest_with_audio = 0

    # ------------------------------------------------------------------------------------------ written by a session

    def start_turn(self, t_ms: float, *, out_of_band: bool = False, number: int | None = None) -> Turn:
        """A new running turn, which takes all rows from now on. Its number is the next, unless a log says which."""
        number = number or (self.turns[-1].number + 1 if self.turns else 1)
        answers = self._answers
        turn = Turn(number, provider=self.provider, where=self.where, out_of_band=out_of_band, answers=answers)
        turn.rows, turn.spent = self._rows_of, self.spent
        turn.asked_ms = t_ms
        self.turns.append(turn)
        self.current = turn
        self._note(t_ms, "turn", {"turn": number, "out_of_band": out_of_band})
        return turn

    def asked(self, turn: Turn, t_ms: float) -> None:
        """The question of that turn is complete: waits are counted from here."""
        turn.asked_ms = t_ms
        self._note(t_ms, "asked", {"turn": turn.number})

    def noted(self, t_ms: float, **facts: str | None) -> None:
        """Facts of the session that became known: `model`, `gateway_log_id`."""
        for name, value in facts.items():
            setattr(self, name, value)
        self._note(t_ms, "noted", facts)

    def user_said(self, text: str, t_ms: float) -> Entry:
        """The row of a written question; the provider's item id is added when it is told."""
        self._note(t_ms, "said", text)
        entry = self._add("user", "text", t_ms, status="completed")
        entry.pieces.append(text)
        entry.end_ms = t_ms
        self._unbound = entry
        return entry

    def user_spoke(self, began_ms: float, t_ms: float) -> None:
        """When the speech began that the provider is about to tell of: its row starts there."""
        self._note(t_ms, "spoke", began_ms)
        self._spoke_ms = began_ms

    def user_audio(self, data: bytes, format: AudioFormat, t_ms: float) -> None:
        """More of the user's voice, as it was sent. It belongs to the spoken row that is open, else opens one."""
        self._note(t_ms, "voice", (data, format))
        entry = self._open_voice()
        if entry is None:
            entry = self._unbound = self._add("user", "audio", t_ms)
        self._add_audio(entry, data, format)

    def finish_turn(self, turn: Turn, status: TurnStatus, t_ms: float, *, error: str | None = None) -> None:
        """End a turn: its running rows take the turn's status, and what comes late for it is dropped."""
        turn.status = status
        turn.error = error or turn.error
        turn.ended_ms = t_ms
        for entry in turn.entries:
            if entry.status == "running":
                entry.status = status
                entry.end_ms = t_ms
        if self.current is turn:
            self.current = None
        self._note(t_ms, "ended", {"turn": turn.number, "status": status, "error": error})

    def receive(self, event: AnyEvent, t_ms: float) -> None:
        """Fold one event into the rows. Events that say nothing about what was said change nothing."""
        if self._log is not None:
            self._log.add(t_ms, "event", event)
        fold = self._FOLDS.get(type(event))
        if fold is not None:
            fold(self, event, t_ms)

    def _note(self, t_ms: float, kind: Kind, value: Any) -> None:
        if self._log is not None:
            self._log.add(t_ms, kind, value)

    # ---------------------------------------------------------------------------------------------- told from a log

    def retell(self, lines: Iterable[Line], *, dropped: int = 0) -> Transcript:
        """This transcript, told all that a session's lines say happened. The messages among them are passed over.

        `dropped` lines are missing: what is left is told, and a row says how many they were.
        """
        from .retelling import retell

        retell(self, lines, dropped=dropped)
        return self

    def knows(self, response_id: str | None) -> bool:
        """Whether that response has begun and not ended."""
        return response_id in self._turn_of

    # --------------------------------------------------------------------------------------------------- read by all

    @property
    def records(self) -> list[Row]:
        """All rows as flat dicts of scalars, with the columns of `COLUMNS` in that order."""
        return self.records_from(1)

    def records_from(self, seq: int) -> list[Row]:
        """The rows from the one at position `seq` on."""
        return self._rows(enumerate(self.entries[seq - 1 :], seq))

    @property
    def usage(self) -> Usage:
        """Tokens of the whole session."""
        return sum((entry.usage for entry in list(self.entries) if entry.usage), Usage())

    @property
    def text(self) -> str:
        """The conversation to read: one paragraph for each thing said, with who said it."""
        said = [e for e in list(self.entries) if e.kind in ("text", "audio") and e.text]
        return "\n\n".join(f"{entry.role}: {entry.text}" for entry in said)

    def entry_of(self, audio_ref: str) -> Entry | None:
        """The row with that `audio_ref`; None where there is none."""
        number = audio_ref.removeprefix("a")
        if not number.isdecimal() or not 1 <= int(number) <= len(self.entries):
            return None
        return self.entries[int(number) - 1]

    def spoken_item(self, item_id: str | None = None) -> Entry | None:
        """The model's spoken row of that item, or its newest one."""
        if item_id is not None:
            return self._by_item.get(item_id)
        spoken = (e for e in reversed(self.entries) if e.role == "assistant" and e.audio_bytes)
        return next(spoken, None)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<Transcript {self.session_id} {self.provider}: {len(self.turns)} turns, {len(self)} rows>"

    # ----------------------------------------------------------------------------------------------------- the folds

    def _text(self, event: TextDelta, t_ms: float) -> None:
        entry = self._by_item.get(event.item_id)
        if entry is None or entry.status != "running":
            entry = self._answer(event, entry, t_ms)
            if entry is None:
                return
        if entry.first_token_ms is None:
            entry.first_token_ms = t_ms
        entry.pieces.append(event.text)

    def _output_transcript(self, event: OutputTranscript, t_ms: float) -> None:
        entry = self._by_item.get(event.item_id)
        if entry is None or entry.status != "running":
            entry = self._answer(event, entry, t_ms)
            if entry is None:
                return
        if entry.first_token_ms is None and event.text:
            entry.first_token_ms = t_ms
        if event.final:
            entry.pieces = [event.text] if event.text else entry.pieces
        else:
            entry.pieces.append(event.text)

    def _audio(self, event: AudioDelta, t_ms: float) -> None:
        entry = self._by_item.get(event.item_id)
        if entry is None or entry.status != "running":
            entry = self._answer(event, entry, t_ms)
            if entry is None:
                return
        if entry.first_audio_ms is None:
            entry.first_audio_ms = t_ms
        self._add_audio(entry, event.data, event.format)

    def _corrected(self, event: OutputCorrected, t_ms: float) -> None:
        entry = self._by_item.get(event.item_id) or self.spoken_item()
        if entry is not None:
            entry.corrected = event.text

    def _word_timings(self, event: WordTimings, t_ms: float) -> None:
        entry = self._by_item.get(event.item_id)
        if entry is None or entry.status != "running":
            entry = self._answer(event, entry, t_ms)
        if entry is not None:
            entry.timings.append(event)

    def _image(self, event: ImageOutput, t_ms: float) -> None:
        turn = self._turn_of.get(event.response_id)
        if turn is None or turn.status != "running":
            self.late_events_dropped += 1
            return
        entry = self._add_answer(turn, "image", event.response_id, t_ms)
        entry.image = event
        if event.url is not None:
            entry.pieces.append(event.url)

    def _response_started(self, event: ResponseStarted, t_ms: float) -> None:
        self._turn_of[event.response_id] = self.current
        while len(self._turn_of) > 64:
            del self._turn_of[next(iter(self._turn_of))]

    def _response_done(self, event: ResponseDone, t_ms: float) -> None:
        turn = self._turn_of.pop(event.response_id, None)
        rows = [entry for entry in turn.entries if entry.response_id == event.response_id] if turn else []
        for entry in rows:
            if entry.status == "running":
                entry.status = "interrupted" if event.reason == "turn_detected" else event.status
            entry.end_ms = entry.end_ms or t_ms
        if rows and event.usage is not None:
            rows[-1].usage = event.usage
        if event.reason == "turn_detected" and rows:
            self._interruption(rows[-1].item_id, t_ms)
        if event.error_message is not None:
            self._error(event.error_code, event.error_message, t_ms, turn)

    def _tool_call(self, event: ToolCall, t_ms: float) -> None:
        turn = self._turn_of.get(event.response_id)
        entry = self._add("assistant", "tool_call", t_ms, status="completed", turn=turn)
        entry.tool_name, entry.call_id, entry.item_id = event.name, event.call_id, event.item_id
        entry.response_id, entry.end_ms = event.response_id, t_ms
        entry.pieces.append(event.arguments)

    def _tool_finished(self, event: ToolFinished, t_ms: float) -> None:
        calls = (e for e in reversed(self.entries) if e.kind == "tool_call" and e.call_id == event.call_id)
        call, status = next(calls, None), "failed" if event.error else "completed"
        began_ms, turn = t_ms - event.duration_ms, call.turn if call is not None else None
        entry = self._add("tool", "tool_result", began_ms, status=status, turn=turn)
        entry.tool_name, entry.call_id, entry.end_ms = event.name, event.call_id, t_ms
        entry.pieces.append(event.output)

    def _item_added(self, event: ItemAdded, t_ms: float) -> None:
        if event.role == "user" and self._unbound is not None and event.item_id not in self._by_item:
            self._bind(self._unbound, event.item_id)

    def _speech_started(self, event: SpeechStarted, t_ms: float) -> None:
        entry = self._unbound if self._unbound is not None and self._unbound.kind == "audio" else None
        if entry is None:
            entry = self._add("user", "audio", t_ms if self._spoke_ms is None else self._spoke_ms)
        self._spoke_ms = None
        if event.item_id is not None:
            self._bind(entry, event.item_id)
        self._unbound = entry

    def _speech_stopped(self, event: SpeechStopped, t_ms: float) -> None:
        if self.current is not None:
            self.current.asked_ms = t_ms

    def _committed(self, event: InputCommitted, t_ms: float) -> None:
        entry = self._by_item.get(event.item_id) or self._unbound
        if entry is None or entry.role != "user":
            entry = self._add("user", "audio", t_ms)
        if event.item_id is not None:
            self._bind(entry, event.item_id)
        entry.status, entry.end_ms = "completed", t_ms
        self._unbound = None

    def _input_transcript(self, event: InputTranscript, t_ms: float) -> None:
        entry = self._by_item.get(event.item_id) or self._last_user()
        if entry is None:
            return
        if event.final or event.cumulative:
            entry.pieces = [event.text]
        else:
            entry.pieces.append(event.text)

    def _input_transcript_failed(self, event: InputTranscriptFailed, t_ms: float) -> None:
        said = self._by_item.get(event.item_id)
        self._error(event.code, event.message, t_ms, said.turn if said is not None else None)

    def _session_error(self, event: SessionError, t_ms: float) -> None:
        if not event.benign:
            self._error(event.code, event.message, t_ms)

    def _session_closed(self, event: SessionClosed, t_ms: float) -> None:
        entry = self._add("session", "closed", t_ms, status="completed")
        entry.end_ms, entry.error_code = t_ms, str(event.code)
        if event.reason:
            entry.pieces.append(event.reason)

    def _interrupted(self, event: PlaybackInterrupted, t_ms: float) -> None:
        spoken = self.spoken_item(event.item_id)
        if spoken is not None and spoken.item_id != event.item_id:
            spoken = None  # the answer had no sound yet: an earlier one was not interrupted
        if spoken is not None and event.played_ms is not None:
            spoken.heard_ms = min(event.played_ms, spoken.audio_ms or 0.0)
            spoken.status = spoken.status if spoken.status == "cancelled" else "interrupted"
        self._interruption(event.item_id, t_ms).heard_ms = event.played_ms

    def _interruption(self, item_id: str | None, t_ms: float) -> Entry:
        """The row of an interruption, which provider and player may both tell of."""
        recent = (e for e in self.entries[-8:] if e.kind == "interruption" and item_id is not None)
        entry = next((e for e in recent if e.item_id == item_id), None)
        if entry is None:
            entry = self._add("user", "interruption", t_ms, status="completed")
            entry.end_ms, entry.item_id = t_ms, item_id
        return entry

    def _played(self, event: PlaybackEnded, t_ms: float) -> None:
        spoken = self.spoken_item(event.item_id)
        if spoken is not None and spoken.item_id == event.item_id:
            spoken.heard_ms = min(event.played_ms, spoken.audio_ms or 0.0)

    _FOLDS: dict[type, Callable[[Transcript, Any, float], None]] = {  # noqa: RUF012
        TextDelta: _text,
        OutputTranscript: _output_transcript,
        AudioDelta: _audio,
        OutputCorrected: _corrected,
        WordTimings: _word_timings,
        ImageOutput: _image,
        ResponseStarted: _response_started,
        ResponseDone: _response_done,
        ToolCall: _tool_call,
        ToolFinished: _tool_finished,
        ItemAdded: _item_added,
        SpeechStarted: _speech_started,
        SpeechStopped: _speech_stopped,
        InputCommitted: _committed,
        InputTranscript: _input_transcript,
        InputTranscriptFailed: _input_transcript_failed,
        SessionError: _session_error,
        SessionClosed: _session_closed,
        PlaybackInterrupted: _interrupted,
        PlaybackEnded: _played,
        **SEAMS,
        **PICTURES,
    }

    # ---------------------------------------------------------------------------------------------------- the pieces

    def _add(self, role: str, kind: str, t_ms: float, *, status: str = "running", turn: Turn | None = None) -> Entry:
        """A new row, of that turn or else of the one that runs."""
        turn = turn if turn is not None else self.current
        entry = Entry(turn=turn, role=role, kind=kind, start_ms=t_ms, status=status)
        self.entries.append(entry)
        if turn is not None:
            turn.entries.append(entry)
        return entry

    def _answer(self, event: AnswerPart, known: Entry | None, t_ms: float) -> Entry | None:
        """The new row of an answer; None for what comes after its response, or its turn, was over."""
        turn = self._turn_of.get(event.response_id)
        over = known is not None and event.item_id is not None
        if over or turn is None or turn.status != "running":
            self.late_events_dropped += 1
            return None
        entry = self._add_answer(turn, "text", event.response_id, t_ms)
        entry.item_id = event.item_id
        self._by_item[event.item_id] = entry
        return entry

    def _add_answer(self, turn: Turn, kind: str, response_id: str | None, t_ms: float) -> Entry:
        entry = self._add("assistant", kind, t_ms, turn=turn)
        entry.response_id = response_id
        return entry

    def _bind(self, entry: Entry, item_id: str) -> None:
        entry.item_id = item_id
        self._by_item[item_id] = entry
        if entry is self._unbound and entry.kind == "text":
            self._unbound = None

    def _open_voice(self) -> Entry | None:
        entry = self._unbound
        return entry if entry is not None and entry.kind == "audio" and entry.status == "running" else None

    def _last_user(self) -> Entry | None:
        return next((e for e in reversed(self.entries) if e.role == "user" and e.kind == "audio"), None)

    def _error(self, code: str | None, message: str, t_ms: float, turn: Turn | None = None) -> None:
        self.errors_seen += 1
        entry = self._add("session", "error", t_ms, status="failed", turn=turn)
        entry.error_code, entry.end_ms = code, t_ms
        entry.pieces.append(message)

    def _add_audio(self, entry: Entry, data: bytes, format: AudioFormat) -> None:
        number = 0 if self._store is None else self._store.last
        entry.add_audio(data, format, number)
        if entry.store is None:
            self.audio_bytes += len(data)
            most = min(MAX_STORED_AUDIO_BYTES, self._max_audio_bytes) if number else self._max_audio_bytes
            if self.audio_bytes > most:
                self._let_go(most)

    def _let_go(self, most: int) -> None:
        newest = len(self.entries) - (self._store is None)
        while self.audio_bytes > most and self._oldest_with_audio < newest:
            freed, lost = self.entries[self._oldest_with_audio].let_go(self._store)
            self._oldest_with_audio += 1
            self.audio_bytes -= freed
            self.audio_bytes_dropped += lost

    def _rows_of(self, turn: Turn) -> list[Row]:
        return self._rows((seq, entry) for seq, entry in enumerate(list(self.entries), 1) if entry.turn is turn)
