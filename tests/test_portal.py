"""The portal's promises to callers on other threads: results, errors, Interrupt, and an end without leftovers."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from aigw_notebook.errors import ConfigurationError, LocalProtocolError
from aigw_notebook.portal import Portal, nest, portal, ticking


@pytest.fixture
def own():
    made = Portal()
    yield made
    made.close()


def run_python(source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_results_and_errors_come_back(own: Portal) -> None:
    async def fail() -> None:
        raise ValueError("told")

    assert own.run(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(ValueError, match="told"):
        own.run(fail())


def test_a_timeout_of_the_coroutine_is_not_taken_for_a_tick(own: Portal) -> None:
    async def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        own.run(late())


def test_one_portal_in_a_process_and_a_new_one_after_close() -> None:
    assert portal() is portal()


def test_a_blocking_call_on_the_portals_own_thread_is_refused(own: Portal) -> None:
    async def reenter() -> None:
        own.run(asyncio.sleep(0))

    with pytest.raises(LocalProtocolError, match="async face"):
        own.run(reenter())


def test_cancelling_the_future_cancels_the_coroutine(own: Portal) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    future = own.submit(wait())
    assert begun.wait(5)
    future.cancel()
    assert ended.wait(5)


def test_interrupt_cancels_the_coroutine_and_waits_for_its_tidying() -> None:
    out = run_python(
        f"""
        import asyncio, os, signal, threading
        from aigw_notebook.portal import portal

        begun = threading.Event()
        async def turn():
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)
                print("tidied")
                raise

        def press():
            begun.wait(5)
            os.kill(os.getpid(), {int(signal.SIGINT)})

        threading.Thread(target=press).start()
        try:
            portal().run(turn())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert out.split() == ["tidied", "interrupted"]


def test_closers_run_when_the_process_ends() -> None:
    out = run_python(
        """
        from aigw_notebook.portal import portal

        async def close():
            print("closed")

        portal().at_close(close)
        """
    )
    assert out == "closed\n"


def test_close_ends_thread_and_loop_and_may_be_called_twice() -> None:
    made = Portal()
    made.submit(asyncio.sleep(60))
    made.close()
    made.close()
    assert made.loop.is_closed()


def test_a_forked_child_gets_its_own_portal() -> None:
    out = run_python(
        """
        import asyncio, os, sys, warnings
        from aigw_notebook.portal import portal

        parent = portal()
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
        if pid == 0:
            print(portal() is not parent, portal().run(asyncio.sleep(0, "child")), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        """
    )
    assert out == "True child\n"


def test_nest_lets_a_running_loop_be_run_again() -> None:
    out = run_python(
        """
        import asyncio
        import aigw_notebook as aigw

        async def main():
            name = aigw.nest()
            loop = asyncio.get_running_loop()
            print(name, loop.run_until_complete(asyncio.sleep(0, "nested")))

        asyncio.run(main())
        """
    )
    assert out in ("nest_asyncio nested\n", "nest_asyncio2 nested\n")


def test_nest_without_a_loop_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="asyncio.run"):
        nest()


def test_nest_refuses_a_loop_that_cannot_be_patched() -> None:
    class Foreign(asyncio.AbstractEventLoop):
        pass

    loop = Foreign()
    asyncio._set_running_loop(loop)
    try:
        with pytest.raises(ConfigurationError, match="cannot be nested"):
            nest()
    finally:
        asyncio._set_running_loop(None)


def test_nothing_is_patched_on_import() -> None:
    out = run_python(
        """
        import asyncio, sys
        import aigw_notebook.portal, aigw_notebook.connection
        print(any(name.startswith("nest_asyncio") for name in sys.modules), hasattr(asyncio, "_nest_patched"))
        """
    )
    assert out == "False False\n"


def test_awaiting_lets_the_callers_loop_turn_and_cancels_with_it(own: Portal) -> None:
    """A kernel's Interrupt is seen only when its loop turns: the wait may not sleep until the result is there."""
    ended = threading.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def main() -> int:
        loop, turns = asyncio.get_running_loop(), 0
        select = loop._selector.select

        def counting(timeout: float | None = None) -> object:
            nonlocal turns
            turns += 1
            assert timeout is not None
            return select(timeout)

        task = asyncio.create_task(ticking(own.submit(long())))
        await asyncio.sleep(0)
        loop._selector.select = counting
        await asyncio.wait([task], timeout=0.35)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return turns

    assert asyncio.run(main()) >= 3
    assert ended.wait(5)
