"""The embedded emulator, answering as fast as it can, against the least a Python emulator could be.

Both are separate processes; one client asks both the same. The text of the answer is 2,000 words.
"""

from __future__ import annotations

import asyncio
import json
import time

from websockets.asyncio.client import ClientConnection, connect

from bench.core import Goal, Row, interleaved, p50, server

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


def first_delta_ms(port: int, answers: int) -> float:
    return p50([first * 1000 for first, _, _ in asyncio.run(converse(port, answers))])


def run(quick: bool) -> list[Row]:
    rounds = 3 if quick else 7
    with server("bench.our_emulator", WORDS) as ours, server("bench.least_emulator", WORDS) as least:
        rates = interleaved(
            {"ours": lambda: deltas_per_second(ours, 5), "least": lambda: deltas_per_second(least, 5)}, rounds
        )
    with server("bench.our_emulator", "A word.") as ours, server("bench.least_emulator", "A word.") as least:
        firsts = interleaved(
            {"ours": lambda: first_delta_ms(ours, 50), "least": lambda: first_delta_ms(least, 50)}, rounds
        )
    return [
        Row(
            measure="emulator, deltas",
            unit="/s",
            ours=rates["ours"],
            goal=Goal(firm=0.6, higher=True),
            reference_name=REFERENCE,
            reference=rates["least"],
        ),
        Row(
            measure="emulator, first delta, p50",
            unit="ms",
            ours=firsts["ours"],
            goal=Goal(firm=1.5),
            reference_name=REFERENCE,
            reference=firsts["least"],
        ),
    ]
