"""Turns under way: the one response at a time, the tools it calls, and who waits for its end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from ..errors import AigwError, SessionEnded
from ..events import (
    AnyEvent,
    CancelResponse,
    ClientEvent,
    CreateResponse,
    ResponseDone,
    ResponseStarted,
    SessionError,
    ToolCall,
    ToolCallCancelled,
    ToolFinished,
    ToolResult,
    TurnFinished,
    TurnStarted,
)
from ..transcript import Transcript
from ..turn import Turn, TurnStatus
from .gate import ResponseGate
from .tasks import TaskSet
from .toolrun import ToolRunner

__all__ = ["TurnDriver"]

log = logging.getLogger("aigw_notebook")

MAX_TOOL_ROUNDS = 8
MAX_UNCLAIMED_TURNS = 64


class TurnDriver:
    """Begins turns, asks for responses, answers tool calls, and ends turns, each once.

    `send` sends a client event and gives the id it was sent under, if it has one; `emit` records a local event;
    `now_ms` is the session's clock. `answering` is the turn whose response runs. `heard_ms` is when the peer was heard
    last. `settled` is set while no turn runs.
    """

    def __init__(
        self,
        transcript: Transcript,
        tools: ToolRunner,
        *,
        can_cancel: bool,
        send: Callable[[ClientEvent], str | None],
        emit: Callable[[AnyEvent], None],
        now_ms: Callable[[], float],
    ) -> None:
        self.gate = ResponseGate()
        self.tools = tools
        self.answering: Turn | None = None
        self.heard_ms = 0.0
        self.settled = threading.Event()
        self.settled.set()
        self._transcript = transcript
        self._can_cancel = can_cancel
        self._send = send
        self._emit = emit
        self._now_ms = now_ms
        self._tasks = TaskSet()
        self._create_id: str | None = None
        self._again = False
        self._cancel_on_start = False
        self._rounds = 0
        self._calls: dict[str, tuple[ToolCall, asyncio.Task[ToolFinished]]] = {}
        self._answering_calls: asyncio.Task[None] | None = None
        self._waiters: dict[Turn, asyncio.Future[None]] = {}
        self._ended: asyncio.Queue[Turn | AigwError] = asyncio.Queue(MAX_UNCLAIMED_TURNS)

    @property
    def unclaimed(self) -> int:
        """How many ended turns, or the end of the session after them, wait for `next_end`."""
        return self._ended.qsize()

    # ------------------------------------------------------------------------------------------------ begin and ask

    def begin(self, *, out_of_band: bool = False, claimed: bool = False) -> Turn:
        """A new running turn. A `claimed` one is for `end_of`, any other for `next_end`."""
        turn = self._transcript.start_turn(self._now_ms(), out_of_band=out_of_band)
        if claimed:
            self._waiters[turn] = asyncio.get_running_loop().create_future()
        self._rounds = 0
        self.settled.clear()
        self._emit(TurnStarted(turn=turn.number))
        return turn

    def begin_by_voice(self) -> None:
        """A new turn because the user began to speak, unless one is already listening."""
        current = self._transcript.current
        if current is None or current is self.answering:
            self.begin()

    def respond(self, event: CreateResponse, turn: Turn | None = None) -> None:
        """Ask the model to answer, unless `turn` is over: a provider may answer by itself what it hears."""
        if turn is not None and turn.status != "running":
            return
        self._create_id = self._send(event)
        self._cancel_on_start = False
        self.gate.request()

    async def wait_free(self, timeout_s: float) -> None:
        """Return once no response runs. Raises `TimeoutError`; one that never began is given up instead."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.gate.wait_free()
        except TimeoutError:
            if self.gate.state != "requested":
                raise
            self.gate.free()

    # ---------------------------------------------------------------------------------------------------------- end

    async def end_of(self, turn: Turn, *, silence_s: float) -> None:
        """Return when `turn` has ended. Raises `TimeoutError` when the peer has said nothing for `silence_s`.

        A running tool is no silence: tools have a time limit of their own.
        """
        while (future := self._waiters.get(turn)) is not None:
            waited_s = (self._now_ms() - self.heard_ms) / 1000
            if waited_s >= silence_s and not self._calls:
                raise TimeoutError
            await asyncio.wait([future], timeout=max(silence_s - waited_s, 0.05))

    async def next_end(self, *, timeout_s: float) -> Turn:
        """The oldest unclaimed turn that has ended, once there is one.

        Raises `TimeoutError`, and after the last turn of a session that is over the error that ended it.
        """
        async with asyncio.timeout(timeout_s):
            ended = await self._ended.get()
        if isinstance(ended, AigwError):
            self._put_ended(ended)
            raise ended
        return ended

    def stop(self, turn: Turn, status: TurnStatus, *, error: str | None = None) -> None:
        """End a running turn from this side, and ask the provider to stop answering."""
        if self.gate.state == "active":
            self._cancel_response()
        elif self.gate.state == "requested":
            self._cancel_on_start = True
        self._drop_calls()
        self.settle(turn, status, error=error)

    def settle(self, turn: Turn, status: TurnStatus, *, error: str | None = None) -> None:
        """Write the end of a running turn and wake who waits for it. A turn that has ended is left as it is."""
        if turn.status != "running":
            return
        self._transcript.finish_turn(turn, status, self._now_ms(), error=error)
        if self.answering is turn:
            self.answering = None
        self._emit(TurnFinished(turn=turn.number, status=status))
        if self._transcript.current is None:
            self.settled.set()
        waiter = self._waiters.pop(turn, None)
        if waiter is not None:
            waiter.set_result(None)
        else:
            self._put_ended(turn)

    def discard(self) -> None:
        """Nothing was said: the turn that only listens ends, and nobody gets it."""
        turn = self._transcript.current
        if turn is not None and turn is not self.answering and turn not in self._waiters:
            self._transcript.finish_turn(turn, "cancelled", self._now_ms())
            self._emit(TurnFinished(turn=turn.number, status="cancelled"))
            if self.answering is None:
                self.settled.set()

    def lose(self, error: AigwError | None) -> None:
        """The session is over: end the running turns as lost, and everybody's waiting."""
        self.gate.free()
        self._drop_calls()
        for turn in self._transcript.turns[-2:]:
            self.settle(turn, "lost", error=str(error) if error else None)
        self._put_ended(error or SessionEnded("this session was closed; open a new one with connect()"))

    async def close(self) -> None:
        """End the tasks that still run."""
        await self._tasks.cancel()

    # ---------------------------------------------------------------------------------------------------- reactions

    def on_response_started(self, event: ResponseStarted) -> None:
        """The answer belongs to the running turn; without one the provider began a turn by itself."""
        self.gate.start(event.response_id)
        if self._cancel_on_start:
            self._cancel_on_start = False
            self._cancel_response()
        else:
            self.answering = self._transcript.current or self.begin()

    def on_tool_call(self, event: ToolCall) -> None:
        """Start the tool at once; its answer is sent when the response is done."""
        if self.answering is not None and self.answering.status == "running":
            self._calls[event.call_id] = (event, self._tasks.spawn(self.tools.run(event), "aigw-tool"))

    def on_calls_cancelled(self, event: ToolCallCancelled) -> None:
        """Drop the calls that the model no longer wants answered."""
        for call_id in event.call_ids:
            if call_id in self._calls:
                self._calls.pop(call_id)[1].cancel()

    def on_response_done(self, event: ResponseDone) -> None:
        """Go on with the tools' answers, or end the turn."""
        self.gate.free()
        turn, self.answering = self.answering, None
        if turn is None or turn.status != "running":
            return
        if self._calls and event.status == "completed":
            self.answering = turn
            if self._answering_calls is None or self._answering_calls.done():
                self._answering_calls = self._tasks.spawn(self._answer_calls(turn), "aigw-answer-calls")
        elif self._again:
            self._again = False
            self.respond(CreateResponse())
        else:
            self._drop_calls()
            status: TurnStatus = "interrupted" if event.reason == "turn_detected" else event.status
            self.settle(turn, status, error=event.error_message)

    def on_error(self, event: SessionError) -> None:
        """A refused request for a response ends its turn; one that came too early is made again."""
        if event.client_event_id is None or event.client_event_id != self._create_id:
            return
        if event.benign:
            self._again = True
        elif self.gate.state == "requested":
            self.gate.free()
            if self._transcript.current is not None:
                self.settle(self._transcript.current, "failed", error=event.message)

    # ------------------------------------------------------------------------------------------------------- pieces

    async def _answer_calls(self, turn: Turn) -> None:
        self._rounds += 1
        try:
            while self._calls:
                call, task = next(iter(self._calls.values()))
                await asyncio.wait([task])
                self._calls.pop(call.call_id, None)
                if task.cancelled():
                    continue
                finished = task.result()
                self._emit(finished)
                self._send(ToolResult(call_id=call.call_id, output=finished.output, name=call.name))
            if turn.status != "running":
                return
            self.heard_ms = self._now_ms()
            if self._rounds >= MAX_TOOL_ROUNDS:
                sentence = (
                    f"the model called tools {self._rounds} times in one turn without an answer; simplify the tools"
                )
                self.settle(turn, "incomplete", error=sentence)
            else:
                self.respond(CreateResponse())
        except AigwError as error:
            self.settle(turn, "failed", error=str(error))

    def _cancel_response(self) -> None:
        if not self._can_cancel:
            return
        try:
            self._send(CancelResponse(response_id=self.gate.response_id))
        except AigwError as error:
            log.debug("the response could not be cancelled: %s", error)

    def _drop_calls(self) -> None:
        for _, task in self._calls.values():
            task.cancel()
        self._calls.clear()

    def _put_ended(self, ended: Turn | AigwError) -> None:
        if self._ended.full():
            self._ended.get_nowait()
        self._ended.put_nowait(ended)
