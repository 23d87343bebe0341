"""Spoken questions to the embedded gateway with real engines: how soon it speaks, and how even two answers at once are.

The questions are said by the neural voice and sent in real time, 40 ms at a time; the gateway finds their end itself.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from itertools import cycle, islice
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench.core import Goal, Row, absolute, p50, server

RATE = 24_000
CHUNK_MS = 40
SILENCE_MS = 400
QUESTIONS = (
    "how can I save the transcript",
    "which providers can I use",
    "how do I choose a different model",
    "how much does it cost",
    "how do I close the session",
)
STORY = "Tell me a long story."
KEY = {"Authorization": "Bearer sk-local"}
LISTENERS = ("pocketsphinx", "whisper")

STOPPED = "input_audio_buffer.speech_stopped"
STAGES = (
    ("recognised", "conversation.item.input_audio_transcription.completed"),
    ("answered", "response.output_item.added"),
    ("first text", "response.output_audio_transcript.delta"),
    ("first audio", "response.output_audio.delta"),
)
"""What has happened when the event of that type comes, each counted from the detector's word that the turn is over."""

DELTA_MS = 25
STORY_S = 6.0


@asynccontextmanager
async def conversation(port: int, **input_settings: Any) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{port}/v1/local/notebook/openai?model=gpt-realtime"
    async with connect(url, compression=None, additional_headers=KEY, max_size=None) as socket:
        settings = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}, **input_settings}}}
        await socket.send(json.dumps({"type": "session.update", "session": settings}))
        yield socket


# --------------------------------------------------------------------------------------------------- how soon it speaks


@cache
def said(text: str) -> bytes:
    from aigw_notebook.gateway.engines.hibari import HibariVoice

    return b"".join(HibariVoice().speak(text, sample_rate=RATE)) + bytes(2 * RATE * SILENCE_MS // 1000)


async def speak(socket: ClientConnection, pcm16: bytes) -> None:
    """The sound as a microphone sends it, chunk by chunk, each when it is over."""
    size, start = 2 * RATE * CHUNK_MS // 1000, time.perf_counter()
    for number, at in enumerate(range(0, len(pcm16), size), 1):
        await asyncio.sleep(max(0.0, start + number * CHUNK_MS / 1000 - time.perf_counter()))
        audio = base64.b64encode(pcm16[at : at + size]).decode()
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))


async def stages_ms(socket: ClientConnection, question: str) -> dict[str, float]:
    """One spoken question: when each event came first, in ms since the turn was over."""
    speaking = asyncio.create_task(speak(socket, said(question)))
    first: dict[str, float] = {}
    async for raw in socket:
        kind = json.loads(raw)["type"]
        first.setdefault(kind, time.perf_counter())
        if kind == "response.done":
            break
    await speaking
    return {name: (first[kind] - first[STOPPED]) * 1000 for name, kind in STAGES}


async def all_stages_ms(port: int, count: int) -> list[dict[str, float]]:
    async with conversation(port) as socket:
        return [await stages_ms(socket, question) for question in islice(cycle(QUESTIONS), count)]


def first_audio(listener: str, count: int) -> Row:
    for question in QUESTIONS:
        said(question)
    with server("bench.speaking_gateway", f"local,hibari,{listener}", "0", "100") as port:
        measured = asyncio.run(all_stages_ms(port, count))
    medians = {name: p50([stages[name] for stages in measured]) for name, _ in STAGES}
    note = ", ".join(f"{name} {ms:.0f}" for name, ms in medians.items())
    name = f"spoken question to first spoken audio, {listener}, p50"
    return absolute(name, "ms", Goal(firm=800, stretch=500), medians["first audio"], note)


# -------------------------------------------------------------------------------------------------- two answers at once


async def ask(socket: ClientConnection, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send('{"type": "response.create"}')


async def delays_ms(port: int) -> list[float]:
    """How late each audio delta of a story comes behind the earliest, were they even."""
    came: list[float] = []
    async with conversation(port) as socket:
        await ask(socket, STORY)
        async for raw in socket:
            if b"response.output_audio.delta" in (raw if isinstance(raw, bytes) else raw.encode()):
                came.append(time.perf_counter() * 1000 - len(came) * DELTA_MS)
                if len(came) * DELTA_MS > STORY_S * 1000:
                    break
    return [at - min(came) for at in came]


async def talk_away(port: int) -> None:
    """Have another voice speak, answer after answer, until cancelled."""
    for number in range(10_000):
        async with conversation(port) as socket:
            await ask(socket, f"{STORY} Say: Number {number} of the quaint zarglebots at {number * 37} o'clock.")
            async for raw in socket:
                if "response.output_audio.delta" in str(raw):
                    break


async def latest_ms(port: int, *, beside: bool) -> float:
    other = asyncio.create_task(talk_away(port)) if beside else None
    late = await delays_ms(port)
    if other is not None:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
    return max(late)


def evenness(rounds: int) -> Row:
    with server("bench.speaking_gateway", "local,hibari,pocketsphinx", "1", str(DELTA_MS)) as port:
        samples = {
            name: [asyncio.run(latest_ms(port, beside=beside)) for _ in range(rounds)]
            for name, beside in (("beside", True), ("alone", False))
        }
    worst = max(samples["beside"])
    note = f"alone: {max(samples['alone']):.0f} ms"
    return absolute("latest frame of an answer beside others, worst", "ms", Goal(firm=50, stretch=25), worst, note)


def run(quick: bool) -> list[Row]:
    count = 5 if quick else 15
    return [*(first_audio(listener, count) for listener in LISTENERS), evenness(2 if quick else 5)]
