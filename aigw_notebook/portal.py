"""The portal: one background thread with one event loop, which owns every client socket of the process.

A notebook's own loop belongs to its kernel; nothing here runs on it. `blocking` and `awaitable` turn a coroutine of a
session into a method for callers on any other thread.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from importlib import import_module
from types import ModuleType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from .errors import ConfigurationError, LocalProtocolError

__all__ = ["Portal", "awaitable", "blocking", "nest", "portal", "ticking"]

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")
C_co = TypeVar("C_co", covariant=True)

TICK_S = 0.1
SETTLE_S = 2.0


class Portal:
    """A running event loop on a daemon thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.pid = os.getpid()
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._thread = threading.Thread(target=self._run, name="aigw-portal", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, R]) -> Future[R]:
        """A future of `coroutine`, started on the portal's loop. Cancelling the future cancels the coroutine."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """The result of `coroutine`; the caller's thread waits.

        Ctrl-C, or the notebook's Interrupt, cancels the coroutine, gives it up to 2 s to put its things in order, and
        is raised then. On the portal's own thread this would wait for itself: `LocalProtocolError`.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise LocalProtocolError(
                "a blocking call was made on the portal's own thread (from an async tool or a sink); use the async face"
            )
        work = _Work()
        try:  # Ctrl-C may come at any line from here on
            future = self.submit(work.of(coroutine))
            while True:
                try:
                    return future.result(TICK_S)
                except FutureTimeoutError:
                    if future.done():
                        raise
        except BaseException:
            if not work.ended.is_set():
                self.loop.call_soon_threadsafe(work.cancel, self.loop)
                work.ended.wait(SETTLE_S)
            raise

    def at_close(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `closer` on the loop before the portal, or the process, ends."""
        self._closers.append(closer)

    def forget(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Undo `at_close`."""
        if closer in self._closers:
            self._closers.remove(closer)

    def close(self) -> None:
        """Close what is open, within 3 s, and end the thread. Closing twice does nothing."""
        if self.loop.is_closed() or not self._thread.is_alive():
            return
        try:
            self.submit(self._close_all()).result(3.0)
        except (FutureTimeoutError, RuntimeError):
            pass
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(2.0)

    async def _close_all(self) -> None:
        closers, self._closers = self._closers, []
        await asyncio.gather(*(closer() for closer in closers), return_exceptions=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


class _Work:
    """A coroutine on the portal's loop that can be cancelled by who has no future of it; `ended` is set at its end."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._task: asyncio.Task[Any] | None = None

    async def of(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """The result of `coroutine`."""
        self._task = asyncio.current_task()
        try:
            return await coroutine
        finally:
            self.ended.set()

    def cancel(self, loop: asyncio.AbstractEventLoop, *, turns: int = 2) -> None:
        """Cancel it (on the loop), in a turn or two where it was handed over and has not begun."""
        if self._task is not None:
            self._task.cancel()
        elif turns:
            loop.call_soon(lambda: self.cancel(loop, turns=turns - 1))
        else:
            self.ended.set()


async def ticking(future: Future[R]) -> R:
    """The result of `future`, awaited on any loop; cancelling the wait cancels it.

    It wakes every `TICK_S`: a kernel's Interrupt reaches a cell only when the kernel's loop turns.
    """
    waiting = asyncio.wrap_future(future)
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=TICK_S)
    except asyncio.CancelledError:
        waiting.cancel()
        raise
    return waiting.result()


_lock = threading.Lock()
_portal: Portal | None = None


def portal() -> Portal:
    """The portal of this process, started at the first call, anew after a fork."""
    global _portal
    with _lock:
        if _portal is None or _portal.pid != os.getpid() or _portal.loop.is_closed():
            _portal = Portal()
        return _portal


@atexit.register
def _close() -> None:
    if _portal is not None and _portal.pid == os.getpid():
        _portal.close()


class Face(Protocol[C_co]):
    """Whatever holds the object whose coroutines it gives another form."""

    @property
    def core(self) -> C_co: ...


def blocking(method: Callable[Concatenate[C, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[Face[C], P], R]:
    """`method` of the core as a method that returns when it is done."""

    @functools.wraps(method)
    def call(self: Face[C], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return portal().run(method(self.core, *args, **kwargs))

    return call


def awaitable(
    method: Callable[Concatenate[C, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Face[C], P], Awaitable[R]]:
    """`method` of the core as a method to await on any loop; cancelling the wait cancels the work."""

    @functools.wraps(method)
    async def call(self: Face[C], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await ticking(portal().submit(method(self.core, *args, **kwargs)))

    return call


def nest() -> str:
    """Let the loop that runs in this thread be run again from inside; gives the name of the package that did it.

    Nothing of this package needs it: sessions live on the portal. It is for code that must drive a coroutine to its end
    on the loop that already runs, for instance an object bound to that loop. It uses `nest_asyncio2` where that is
    installed, else `nest_asyncio`, never both. On a kernel's own loop widget messages can get lost: it warns there.

    Raises `ConfigurationError` when no loop runs here, or the loop is one that cannot be patched (uvloop).
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "no event loop is running in this thread: use asyncio.run(), no nesting needed"
        ) from None
    if not isinstance(loop, asyncio.BaseEventLoop):
        raise ConfigurationError(
            f"a {type(loop).__module__} loop cannot be nested; use the blocking session, which needs no nesting"
        )
    if _is_kernel_loop():
        warnings.warn(
            "nesting the kernel's own loop can lose widget messages; prefer `await`, or the blocking session",
            RuntimeWarning,
            stacklevel=2,
        )
    package = _nesting_package()
    package.apply(loop)
    return package.__name__


def _nesting_package() -> ModuleType:
    try:
        return import_module("nest_asyncio2")
    except ImportError:
        return import_module("nest_asyncio")


def _is_kernel_loop() -> bool:
    import sys

    application = sys.modules.get("ipykernel.kernelapp")
    in_kernel = application is not None and application.IPKernelApp.initialized()
    return bool(in_kernel and threading.current_thread() is threading.main_thread())
