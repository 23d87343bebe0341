"""The official SDK's receive loop and connect, as references: `openai`, pinned in the `bench` extra."""

from __future__ import annotations

import asyncio
import time

from bench.core import absent, installed

PACKAGE, PINNED = "openai", "3.54.0"


def name(what: str) -> str:
    version = installed(PACKAGE, PINNED)
    return f"{what} of {version}" if version else absent(PACKAGE, PINNED)


def available() -> bool:
    return installed(PACKAGE, PINNED) is not None


def deltas_per_second(port: int, kind: str, count: int) -> float:
    """`async for event in connection`, reading the type and the delta of each event, as its users do."""
    from openai import AsyncOpenAI

    async def receive() -> float:
        client = AsyncOpenAI(api_key="sk-local", websocket_base_url=f"ws://127.0.0.1:{port}/v1")
        async with client.realtime.connect(model=f"{kind}-{count}-0") as connection:
            await connection.recv()
            start, seen = time.perf_counter(), 0
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    break
                if event.type in ("response.output_text.delta", "response.output_audio.delta"):
                    seen += bool(event.delta)
            assert seen == count
            return count / (time.perf_counter() - start)

    return asyncio.run(receive())


def connect_times_ms(port: int, times: int) -> list[float]:
    """From `connect` to the decoded `session.created`, one client object for all."""
    from openai import AsyncOpenAI

    async def once(client: AsyncOpenAI) -> float:
        start = time.perf_counter()
        async with client.realtime.connect(model="text-1-0") as connection:
            event = await connection.recv()
            took = time.perf_counter() - start
            assert event.type == "session.created"
        return took * 1000

    async def all_of_them() -> list[float]:
        client = AsyncOpenAI(api_key="sk-local", websocket_base_url=f"ws://127.0.0.1:{port}/v1")
        await once(client)
        return [await once(client) for _ in range(times)]

    return asyncio.run(all_of_them())


def blocking_connect_times_ms(port: int, times: int) -> list[float]:
    """The same with the SDK's blocking client."""
    from openai import OpenAI

    def once(client: OpenAI) -> float:
        start = time.perf_counter()
        with client.realtime.connect(model="text-1-0") as connection:
            event = connection.recv()
            took = time.perf_counter() - start
            assert event.type == "session.created"
        return took * 1000

    client = OpenAI(api_key="sk-local", websocket_base_url=f"ws://127.0.0.1:{port}/v1")
    once(client)
    return [once(client) for _ in range(times)]
