"""Running a tool the model called: off the loop, bounded in number and time, never raising."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from ..errors import ToolError
from ..events import ToolCall, ToolFinished
from ..tools import Tool, result_text

__all__ = ["CURRENT_CALL", "ToolRunner", "in_thread"]

R = TypeVar("R")

CURRENT_CALL: contextvars.ContextVar[ToolCall] = contextvars.ContextVar("aigw_current_call")
"""The call that the code of a tool runs for."""

MAX_TOOLS_AT_ONCE = 8


class ToolRunner:
    """Runs tool calls. A plain function gets a thread of its own, a coroutine function runs on the loop.

    A plain function that outlives its time cannot be stopped: its thread goes on and its result is thrown away. Such
    threads do not keep the process alive, and at most `MAX_TOOLS_AT_ONCE` calls run side by side.
    """

    def __init__(self, tools: Mapping[str, Tool], *, timeout_s: float) -> None:
        self.tools = dict(tools)
        self.timeout_s = timeout_s
        self._places = asyncio.Semaphore(MAX_TOOLS_AT_ONCE)

    async def run(self, call: ToolCall) -> ToolFinished:
        """What the tool answered, or one sentence saying what went wrong, for the model and the records."""
        began = time.monotonic()
        CURRENT_CALL.set(call)
        try:
            async with asyncio.timeout(self.timeout_s), self._places:
                output, error = await self._call(call), None
        except TimeoutError:
            output = error = f"tool {call.name!r} did not finish within {self.timeout_s:g} s"
        except ToolError as exc:
            output = error = str(exc)
        except Exception as exc:
            output = error = f"tool {call.name!r} failed: {type(exc).__name__}: {exc}"
        duration_ms = (time.monotonic() - began) * 1000
        return ToolFinished(call_id=call.call_id, name=call.name, output=output, error=error, duration_ms=duration_ms)

    async def _call(self, call: ToolCall) -> str:
        tool = self.tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no tool {call.name!r}; the tools are: {', '.join(self.tools) or 'none'}")
        arguments = tool.bind(call.arguments)
        if tool.is_async:
            value = await tool.function(**arguments)
            return await in_thread(lambda: result_text(value), name=f"aigw-result-{call.name}")
        return await in_thread(lambda: result_text(tool.function(**arguments)), name=f"aigw-tool-{call.name}")


async def in_thread(work: Callable[[], R], *, name: str) -> R:
    """The result of `work()`, run in a daemon thread; when the waiter is cancelled the result is thrown away."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: Callable[[], None]) -> None:
        if not future.done():
            outcome()

    def outcome_of_work() -> Callable[[], None]:
        try:
            return partial(future.set_result, context.run(work))
        except Exception as error:
            return partial(future.set_exception, error)
        except BaseException as error:
            return partial(future.set_exception, ToolError(f"the tool ended with {type(error).__name__}"))

    def body() -> None:
        outcome = outcome_of_work()
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=body, name=name, daemon=True).start()
    return await future
