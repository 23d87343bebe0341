"""One emulator on one real socket."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.protocol import State

from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.counters import Traffic
from aigw_notebook.gateway.emulate import OUTBOX_LIMIT, Conversation
from aigw_notebook.gateway.emulators.base import Handshake, Pace
from aigw_notebook.providers.base import Message, counting_ids
from tests.gateway.conftest import NO_ENGINES, EchoEmulator

MIB = 1024 * 1024
WRITE_LIMIT = 32 * 1024
"""Bytes waiting to be sent above which the websockets library lets a sender wait."""


def converse(dial: Callable[..., Any], gateway: LocalGateway, *said: str | bytes, answers: int) -> list[Any]:
    """The first `answers` messages after "hello" to a client that says all of `said` at once.

    It takes whatever comes: with a full queue it would not read the server's goodbye behind an endless answer.
    """

    async def main() -> list[Any]:
        async with dial(f"{gateway.url}/echo", max_queue=None) as client:
            assert await client.recv() == "hello"
            for message in said:
                await client.send(message)
            return [await client.recv() for _ in range(answers)]

    return asyncio.run(main())


def ended(dial: Callable[..., Any], gateway: LocalGateway, said: str) -> tuple[list[Any], int | None, str | None]:
    """What a client hears until the end after it said `said`, and the close code and reason."""

    async def main() -> tuple[list[Any], int | None, str | None]:
        heard: list[Any] = []
        async with dial(f"{gateway.url}/echo") as client:
            assert await client.recv() == "hello"
            await client.send(said)
            try:
                while True:
                    heard.append(await client.recv())
            except ConnectionClosed:
                return heard, client.close_code, client.close_reason

    return asyncio.run(main())


def test_messages_come_back_in_order_and_in_kind(gateway: LocalGateway, dial: Any) -> None:
    said: list[str | bytes] = [f"number {n}" if n % 2 else bytes([n]) for n in range(200)]
    assert converse(dial, gateway, *said, answers=200) == said


def test_a_burst_keeps_its_order_and_what_follows_comes_after(gateway: LocalGateway, dial: Any) -> None:
    heard = converse(dial, gateway, "burst:1000", "after", answers=1001)
    assert heard == [*(f"burst {n}" for n in range(1000)), "after"]


def test_the_emulator_is_woken_when_it_asked_to_be(gateway: LocalGateway, dial: Any) -> None:
    assert converse(dial, gateway, "ticks:5", answers=5) == [f"tick {n}" for n in range(1, 6)]


def test_a_client_is_heard_between_wakes_that_are_always_due(gateway: LocalGateway, dial: Any) -> None:
    async def main() -> None:
        async with dial(f"{gateway.url}/echo") as client:
            await client.send("stream:")
            while "tick" not in await client.recv():
                pass
            await client.send("can you hear me")
            while await client.recv() != "can you hear me":
                pass
            await _hang_up(client)

    asyncio.run(main())


def test_a_job_delivers_in_order_and_then_is_done(gateway: LocalGateway, dial: Any) -> None:
    heard = converse(dial, gateway, "job:50", answers=51)
    assert heard == [*(f"result {n}" for n in range(50)), "done None"]


def test_a_job_that_fails_says_so_once(gateway: LocalGateway, dial: Any) -> None:
    heard = converse(dial, gateway, "job_fails:no luck", answers=2)
    assert heard == ["result 0", "done ValueError('no luck')"]


def test_a_cancelled_job_delivers_nothing_more(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    async def main() -> None:
        async with dial(f"{gateway.url}/echo") as client:
            await client.send("endless:")
            while not (await client.recv()).startswith("result"):
                pass
            await client.send("cancel:")
            while await client.recv() != "cancelled":
                pass
            delivered = echo[0].delivered
            assert await asyncio.to_thread(echo[0].job_ended.wait, 10)
            await client.send("last")
            assert await client.recv() == "last"
            assert echo[0].delivered == delivered

    asyncio.run(main())


def test_jobs_end_and_the_emulator_is_told_when_the_client_goes(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    converse(dial, gateway, "endless:", answers=3)
    assert echo[0].job_ended.wait(10)
    assert echo[0].closed.wait(10)
    assert echo[0].job.cancelled


def test_a_client_that_vanishes_ends_the_job_too(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    async def main() -> None:
        async with dial(f"{gateway.url}/echo") as client:
            await client.send("endless:")
            while not (await client.recv()).startswith("result"):
                pass
            await _hang_up(client)

    asyncio.run(main())
    assert echo[0].closed.wait(10)
    assert echo[0].job_ended.wait(10)


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("close:1000:", 1000, ""),
        ("close:4001:your key is wrong", 4001, "your key is wrong"),
        ("close:1008:" + "é" * 100, 1008, "é" * 61),
        ("close:1005:", 1005, ""),
        ("close:1006:", 1006, ""),
        ("close:999:", 1011, ""),
    ],
)
def test_the_emulator_closes_after_its_last_words(
    gateway: LocalGateway, dial: Any, said: str, code: int, reason: str
) -> None:
    assert ended(dial, gateway, said) == (["last words"], code, reason)


@pytest.mark.parametrize("said", ["raise:s3cret", "cancel:"])
def test_an_emulator_that_fails_ends_only_its_connection(
    gateway: LocalGateway, dial: Any, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert ended(dial, gateway, said) == ([], 1011, "internal error")
    assert "the emulator of 'echo' failed" in caplog.text and "s3cret" not in caplog.text
    assert converse(dial, gateway, "still there", answers=1) == ["still there"]


class Talker:
    """A client that reads nothing before all its words are heard, and says goodbye, or answers one, only after them."""

    def __init__(self, *words: Message) -> None:
        self.words = deque(words)
        self.state = State.OPEN
        self.said: list[Message] = []
        self.waiting = 0
        self.transport = SimpleNamespace(get_write_buffer_size=lambda: self.waiting)
        self.heard = asyncio.Event()

    async def recv(self) -> Message:
        if self.words:
            await asyncio.sleep(0)
            return self.words.popleft()
        self.state = State.CLOSED
        self.heard.set()
        raise ConnectionClosedOK(None, None)

    async def send(self, message: Message) -> None:
        if self.state is not State.OPEN:
            raise ConnectionClosedOK(None, None)
        self.said.append(message)
        self.waiting += len(message)
        if self.waiting > WRITE_LIMIT:
            await self.heard.wait()

    async def close(self, code: int, reason: str = "") -> None:
        self.state = State.CLOSING
        await self.heard.wait()


def hear_out(talker: Talker) -> EchoEmulator:
    """The emulator that a talker spoke with, after the conversation's end."""

    async def main() -> EchoEmulator:
        emulator = EchoEmulator(
            Handshake(route="echo"), engines=NO_ENGINES, ids=counting_ids(""), clock=lambda: 0.0, pace=Pace()
        )
        with ThreadPoolExecutor(1) as executor:
            socket = cast(Any, talker)
            async with asyncio.timeout(20):
                await Conversation(socket, emulator, executor=executor, traffic=Traffic()).run()
        return emulator

    return asyncio.run(main())


def test_the_goodbye_is_heard_behind_words_whose_answers_nobody_reads() -> None:
    emulator = hear_out(Talker("pad:0", *["x" * 1000] * 100))
    assert emulator.received == 101


def test_one_large_answer_does_not_stop_the_hearing_either() -> None:
    emulator = hear_out(Talker("short", "x" * 30_000, "y" * 30_000, *["z"] * 20))
    assert emulator.received == 23


def test_words_that_come_after_the_emulators_goodbye_are_read_and_not_answered() -> None:
    talker = Talker("close:4001:enough", *[f"word {n}" for n in range(OUTBOX_LIMIT * 2)])
    emulator = hear_out(talker)
    assert not talker.words
    assert emulator.received < OUTBOX_LIMIT and talker.said == ["hello", "last words"]


async def _hang_up(client: Any) -> None:
    client.transport.abort()
    await client.wait_closed()


@asynccontextmanager
async def _stalled(dial: Any, gateway: LocalGateway, *said: str) -> AsyncIterator[Any]:
    """A client with small buffers that has said `said` and reads nothing by itself; it hangs up at the end."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, gateway.address)
    client = await dial(f"{gateway.url}/echo", sock=raw, max_queue=1)
    try:
        assert await client.recv() == "hello"
        for message in said:
            await client.send(message)
        yield client
    finally:
        await _hang_up(client)


async def _settled(gateway: LocalGateway, value: Callable[[], int]) -> int:
    """The value once it no longer changes while the gateway's loop turns."""
    seen = 0
    while seen == 0 or value() != seen:
        seen = value()
        await _turns(gateway)
    return seen


async def _turns(gateway: LocalGateway, count: int = 200) -> None:
    loop = gateway._current._loop  # type: ignore[union-attr]
    for _ in range(count):
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop))


def test_a_client_that_does_not_read_stops_the_wakes(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    async def main() -> None:
        async with _stalled(dial, gateway, "stream:") as client:
            wakes = await _settled(gateway, lambda: echo[0].wakes)
            assert wakes * 16_000 < 16 * MIB
            await client.send("are you there")
            while await client.recv() != "are you there":
                pass
            assert echo[0].wakes > wakes

    asyncio.run(main())


def test_a_client_that_does_not_read_is_heard_at_first(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    async def main() -> None:
        async with _stalled(dial, gateway, "stream:") as client:
            await _settled(gateway, lambda: echo[0].wakes)
            received = echo[0].received
            await client.send("are you there")
            while echo[0].received == received:
                await _turns(gateway, 1)

    asyncio.run(main())


def test_a_client_that_does_not_read_stops_a_job(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    async def main() -> None:
        async with _stalled(dial, gateway, "pad:16000", "endless:") as client:
            delivered = await _settled(gateway, lambda: echo[0].delivered)
            assert delivered < OUTBOX_LIMIT * 4
            while not (await client.recv()).startswith(f"result {delivered}"):
                pass
            assert echo[0].delivered > delivered

    asyncio.run(main())
    assert echo[0].job_ended.wait(10)


def test_a_client_that_only_talks_is_not_read_any_more(gateway: LocalGateway, dial: Any, echo: Any) -> None:
    async def main() -> None:
        async with _stalled(dial, gateway) as client:
            talking = asyncio.create_task(_talk(client, "x" * 60_000))
            received = await _settled(gateway, lambda: echo[0].received)
            assert received * 60_000 < (OUTBOX_LIMIT + 200) * 60_000
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    asyncio.run(main())


async def _talk(client: Any, message: str) -> None:
    while True:
        await client.send(message)
