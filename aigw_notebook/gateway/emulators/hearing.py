"""The user's turn on its way to words: heard in worker threads while it is spoken, each piece after the one before."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

from ..engines.base import Hearing
from .base import Job
from .schedule import WAIT
from .stage import Stage

__all__ = ["Agreed", "UserTurn", "caught_up", "words_of"]

LEAST_MS, MOST_MS, MOST_SHARE = 100, 600, 4
"""A recognizer is given at least so much in one go, except at the end; at most so much, or a quarter of what waits."""

MAX_WAITING_S = 120
"""So much audio may wait for a recognizer that is slower than the speaker; what comes on top is not heard."""


class UserTurn:
    """One turn of the user's, at `sample_rate`.

    `words` are the turn's so far; they may change until it is `over`, and are the last ones known if it is over with
    an `error`. `told`, which may be replaced, is called whenever one of the three has changed. One job listens at a
    time; what comes meanwhile is joined and given to the next. `given_bytes` and `heard_bytes` count what came and
    what was listened to already, `dropped_bytes` what found no room.
    """

    def __init__(self, stage: Stage, sample_rate: int, *, told: Callable[[UserTurn], None] = lambda turn: None) -> None:
        self.words = ""
        self.ending = False
        self.over = False
        self.error: BaseException | None = None
        self.given_bytes = self.heard_bytes = self.dropped_bytes = 0
        self._stage = stage
        self._rate = sample_rate
        self.told = told
        self._waiting = bytearray()
        self._least, self._piece = (2 * (sample_rate * ms // 1000) for ms in (LEAST_MS, MOST_MS))
        self._most = 2 * sample_rate * MAX_WAITING_S
        self._job: Job | None = None
        self._hearing: Hearing | None = None

    def hear(self, pcm16: bytes) -> None:
        """Listen to more of it."""
        taken = pcm16[: self._most - len(self._waiting)]
        self.dropped_bytes += len(pcm16) - len(taken)
        self.given_bytes += len(taken)
        self._waiting += taken
        self._go_on()

    def end(self) -> None:
        """That was all of it: its last words are to be found."""
        self.ending = True
        self._go_on()

    def stop(self) -> None:
        """Forget it: nobody is told anything any more."""
        self.over = True
        self._waiting.clear()
        if self._job is not None:
            self._job.cancelled = True

    def _go_on(self) -> None:
        if self._job is not None or self.over or self.idle:
            return
        size = max(self._piece, len(self._waiting) // MOST_SHARE // 2 * 2)
        piece, last = bytes(self._waiting[:size]), self.ending and len(self._waiting) <= size
        del self._waiting[:size]
        self._job = self._stage.start_job(
            lambda: [(self._listen(piece, last), len(piece))], self._take, partial(self._done, last)
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is listened to before more comes."""
        return self._job is None and not self.ending and len(self._waiting) < self._least

    def _listen(self, piece: bytes, last: bool) -> str:
        """In a worker thread; there is one at a time."""
        if self._hearing is None:
            self._hearing = self._stage.engines.listener.listen(sample_rate=self._rate)
        words = self._hearing.hear(piece)
        return (self._hearing.finish() if last else words).strip()

    def _take(self, heard: tuple[str, int]) -> None:
        (self.words, size), before = heard, self.words
        self.heard_bytes += size
        if self.words != before:
            self.told(self)

    def _done(self, last: bool, error: BaseException | None) -> None:
        self._job = None
        self.error = error
        if error is None and not last:
            self._go_on()
            return
        self.over = True
        self._hearing = None
        self.told(self)


def words_of(turn: UserTurn) -> Generator[float, None, str]:
    """Wait for the turn's last words. Raises what the listener raised."""
    while not turn.over:
        yield WAIT
    if turn.error is not None:
        raise turn.error
    return turn.words


def caught_up(turn: UserTurn, given_bytes: int) -> Generator[float, None, None]:
    """Wait until so much of the turn has been listened to, or there is nothing to wait for."""
    while not turn.over and turn.heard_bytes < given_bytes and not turn.idle:
        yield WAIT


class Agreed:
    """For a protocol that cannot take a word back: the words on which one guess agrees with the next.

    The last word of a guess may still grow, so it never counts. `told` are the words that were given out.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self._before: list[str] = []

    def more(self, words: str) -> list[str]:
        """The words that have become certain."""
        before, self._before = self._before, words.split()[:-1]
        agreed = 0
        while agreed < min(len(before), len(self._before)) and _plain(before[agreed]) == _plain(self._before[agreed]):
            agreed += 1
        return self._tell(self._before[:agreed])

    def rest(self, words: str) -> list[str]:
        """The words at the end, without as many as were given out already: also if those were others."""
        return self._tell(words.split())

    def _tell(self, words: list[str]) -> list[str]:
        new = words[len(self.told) :]
        self.told += new
        return new


def _plain(word: str) -> str:
    return word.strip(".,?!;:…").lower()
