"""An emulator's slow work in worker threads, its results handed back on the loop, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .emulators.base import Job

__all__ = ["WINDOW", "JobRun"]

WINDOW = 8
"""How many results of one job may wait to be taken; the worker waits then."""


class JobRun:
    """One `Job` in a worker thread.

    On the loop, `deliver` is called with a function for each step: call it to take the result into the emulator. The
    taker calls `take_more` when there is room for another result, and `cancel` to give the job up.
    """

    def __init__(self, job: Job, deliver: Callable[[JobRun, Callable[[], None]], None]) -> None:
        self.job = job
        self.finished = False
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._window = threading.Semaphore(WINDOW)

    def start(self, executor: ThreadPoolExecutor) -> None:
        """Hand the job to `executor`; a pool that takes no more work ends the job with that error."""
        try:
            executor.submit(self._work)
        except RuntimeError as error:
            self._loop.call_soon(self._finish, error)

    def take_more(self) -> None:
        """Let the worker hand over another result."""
        self._window.release()

    def cancel(self) -> None:
        """Give the job up: nothing is delivered any more and the worker stops at its next result."""
        self.job.cancelled = True
        self._window.release()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            self._iterate()
        except BaseException as raised:
            error = raised
        self._post(self._finish, error)

    def _iterate(self) -> None:
        if self.job.cancelled:
            return
        results = iter(self.job.results())
        try:
            for result in results:
                self._window.acquire()
                if self.job.cancelled or not self._post(self._take, result):
                    return
        finally:
            if (close := getattr(results, "close", None)) is not None:
                close()

    def _post(self, step: Callable[[object], None], value: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(step, value)
        except RuntimeError:  # the loop is closed: the gateway was stopped
            return False
        return True

    def _take(self, result: object) -> None:
        if self.job.cancelled:
            self.take_more()
            return
        self._deliver(self, lambda: self.job.deliver(result))

    def _finish(self, error: object) -> None:
        self.finished = True
        known = error if isinstance(error, BaseException) else None
        self._deliver(self, lambda: None if self.job.cancelled else self.job.done(known))
