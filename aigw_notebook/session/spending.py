"""What a session may cost: watched as its turns end, and kept by closing the session politely."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable

from ..cost import price_of
from ..errors import ConfigurationError, SessionEnded
from ..events import AnyEvent, ResponseDone, SessionClosed, TurnFinished
from ..transcript import Transcript
from ..turn import Turn
from .lifetime import Lifetime
from .sinks import Sinks
from .tasks import TaskSet

__all__ = ["Spending", "check_max_cost"]

LATE = 2
"""How many of the newest turns may still be charged: the tokens of a stopped answer are told after its end."""

RESPONSES_KNOWN = 16


def check_max_cost(provider: str, model: str | None, max_cost: float | None) -> None:
    """Nothing, where `max_cost` can be kept with that model, or is None; else `ConfigurationError`.

    The user's prices are read in any case: a file in disorder is told before anything is sent.
    """
    price = price_of(provider, model)
    if max_cost is None:
        return
    is_number = isinstance(max_cost, int | float) and not isinstance(max_cost, bool)
    if not is_number or not (math.isfinite(max_cost) and max_cost > 0):
        raise ConfigurationError(f"max_cost is {max_cost!r}: give the US dollars a session may cost, above 0")
    if price is None:
        raise ConfigurationError(
            f"max_cost cannot be kept: the price of {provider} {model or '(no model)'} is not known; give it as in "
            f"aigw.prices({{({provider!r}, {model or ''!r}): aigw.Price(…)}}), see docs/cost.md, or leave max_cost out"
        )


class Spending:
    """Keeps a session to `max_cost` US dollars at the list price; with None it only has nothing to say.

    It is a sink. A turn is always let finish. Once the turns that are over have cost more than `max_cost`, or what one
    of them cost stays unknown, no further turn is taken: `life` has the error for whoever asks, `ended` is set, and
    the session is closed with `close` when `settled` returns, as all is known of the last turn then.
    """

    def __init__(
        self,
        transcript: Transcript,
        life: Lifetime,
        max_cost: float | None,
        settled: Callable[[Turn], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.max_cost = max_cost
        self.ended: SessionEnded | None = None
        """What ended the session, once the limit has."""
        self._transcript = transcript
        self._life = life
        self._settled = settled
        self._close = close
        self._spent: dict[int, float | None] = {}
        self._done: deque[str | None] = deque(maxlen=RESPONSES_KNOWN)
        self._is_over = False
        self._tasks = TaskSet()
        self._closing: asyncio.Task[None] | None = None

    @property
    def reason(self) -> str | None:
        """Why the session is closed, in one line; None while the limit has not been reached."""
        return None if self.ended is None else self.ended.reason

    def watch(self, sinks: Sinks) -> None:
        """Be handed what happens, where there is a limit."""
        if self.max_cost is not None:
            sinks.add(self)

    def check(self) -> None:
        """Nothing, where the price of the model that answers is known; else `ConfigurationError`."""
        check_max_cost(self._transcript.provider, self._transcript.model, self.max_cost)

    def __call__(self, event: AnyEvent) -> None:
        """Look at what has been spent, when a turn has ended or the tokens of an answer are told."""
        if isinstance(event, SessionClosed):
            self._is_over = True
        elif isinstance(event, ResponseDone):
            self._done.append(event.response_id)
            self._look()
        elif isinstance(event, TurnFinished):
            self._look()

    async def over(self) -> None:
        """Return when the session is closed, if its limit closes it."""
        if self._closing is not None and self._closing is not asyncio.current_task():
            await asyncio.wait({self._closing})

    async def stop(self) -> None:
        """Watch no longer: the session is closed by its caller."""
        self._is_over = True
        await self._tasks.cancel()

    def _look(self) -> None:
        if self._is_over or self.ended is not None or self.max_cost is None:
            return
        turns = [turn for turn in self._transcript.turns[-LATE:] if turn.status != "running"]
        self._spent |= {turn.number: self._spent_in(turn) for turn in turns}
        spent = sum(usd for usd in self._spent.values() if usd is not None)
        limit = _dollars(self.max_cost)
        if spent > self.max_cost:
            listed = " at the list price" if self._transcript.is_free else ""
            self._end(f"the session has cost {_dollars(spent)}{listed}, more than its max_cost of {limit}")
        elif any(self._spent[turn.number] is None and self._is_told(turn) for turn in turns):
            self._end(f"what a turn of the session cost is not known, so its max_cost of {limit} cannot be kept")

    def _spent_in(self, turn: Turn) -> float | None:
        try:
            return turn.cost.list_usd
        except ConfigurationError:
            return None

    def _is_told(self, turn: Turn) -> bool:
        """Whether the provider has said all that it will say of a turn's tokens."""
        return all(entry.response_id in self._done for entry in turn.entries if entry.role == "assistant")

    def _end(self, reason: str) -> None:
        sentence = f"{reason}; go on with session.fork(max_cost=…), or open a new session with connect()"
        self._life.ended = self.ended = SessionEnded(sentence, close_code=1000, reason=reason)
        self._closing = self._tasks.spawn(self._close_politely(self._transcript.turns[-1]), "aigw-max-cost")

    async def _close_politely(self, turn: Turn) -> None:
        await self._settled(turn)
        await self._close()


def _dollars(usd: float) -> str:
    """An amount with all its digits, so that one is seen to be more than the other."""
    whole, _, part = f"{usd:.{6 if usd >= 1e-5 else 9}f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
