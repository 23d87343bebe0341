"""The embedded emulator, answering as fast as it can, against the least a Python emulator could be.

Both are separate processes; one client asks both the same. The text of the answer is 2,000 words.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect

from bench.core import OURS, THEIRS, Goal, Row, interleaved, one_core, p50, relative, server

WORDS = " ".join(["word"] * 2_000)
REFERENCE = "one json.dumps and one send per event"
DELTA = b'response.output_text.delta"'
DONE = b'"response.done"'
ASK = (
    {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}},
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]},
    },
)
KEY = {"Authorization": "Bearer sk-local"}


async def ask(socket: ClientConnection) -> tuple[float, float, int]:
    """One answer: seconds to the first delta, seconds to the end, number of deltas."""
    start = time.perf_counter()
    await socket.send('{"type": "response.create"}')
    first, count = 0.0, 0
    while True:
        raw = await socket.recv(decode=False)
        if DELTA in raw:
            first = first or time.perf_counter() - start
            count += 1
        elif DONE in raw:
            return first, time.perf_counter() - start, count


async def converse(port: int, answers: int) -> list[tuple[float, float, int]]:
    url = f"ws://127.0.0.1:{port}/v1/local/notebook/openai?model=gpt-realtime"
    async with connect(url, compression=None, additional_headers=KEY, max_size=None) as socket:
        await socket.recv()
        for message in ASK:
            await socket.send(json.dumps(message))
        await ask(socket)
        return [await ask(socket) for _ in range(answers)]


def deltas_per_second(port: int, answers: int) -> float:
    return p50([count / took for _, took, count in asyncio.run(converse(port, answers))])


def first_delta_ms(port: int, conversations: int) -> float:
    """Of the second to sixth answer of each conversation: what a long one costs is another question."""
    return p50([first * 1000 for _ in range(conversations) for first, _, _ in asyncio.run(converse(port, 5))])


def compared(text: str, sample: Callable[[int], float], rounds: int) -> dict[str, list[float]]:
    with server("bench.our_emulator", text) as ours, server("bench.least_emulator", text) as least:
        return interleaved({OURS: lambda: sample(ours), THEIRS: lambda: sample(least)}, rounds)


def run(quick: bool) -> list[Row]:
    rounds = 3 if quick else 7
    rates = compared(WORDS, lambda port: deltas_per_second(port, 5), rounds)
    with one_core():
        short = compared("A word.", lambda port: first_delta_ms(port, 10), rounds)
        long = compared(WORDS, lambda port: first_delta_ms(port, 1), rounds)
    return [
        relative("emulator, deltas", "/s", Goal(firm=0.6, higher=True), rates, REFERENCE),
        relative("emulator, first of 2 deltas, p50", "ms", Goal(firm=1.5), short, REFERENCE),
        relative("emulator, first of 2,000 deltas, p50", "ms", Goal(firm=1.5), long, REFERENCE),
    ]
