"""The official SDK's client on a gateway of ours, unmodified, with what its tests ask of it over and over."""

from __future__ import annotations

import asyncio
import functools
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from aigw_notebook.gateway.local import LocalGateway
from tests import speech
from tests.speech import letters

MODEL = "gpt-realtime-2.1"
SAMPLE_RATE = 24_000
CHUNK_BYTES = 40 * 48  # 40 ms
TEST_TIMEOUT_S = 30.0

Event = Any
"""What the SDK makes of a message: a class of its own for every type."""


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine, run by itself on a new loop."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(TEST_TIMEOUT_S):
                await test(**fixtures)

        asyncio.run(bounded())

    return run


def options(gateway: LocalGateway, **named: Any) -> dict[str, Any]:
    """What to make the SDK's client with."""
    settings = {
        "api_key": "sk-local",
        "websocket_base_url": f"{gateway.url}/openai",
        "default_headers": {"cf-aig-authorization": f"Bearer {gateway.token}"},
    }
    return {**settings, **named}


@asynccontextmanager
async def call(gateway: LocalGateway, *, client: dict[str, Any] | None = None, **named: Any) -> AsyncIterator[Call]:
    """An open session, `session.created` already taken; `client` and `named` change the client and its connect."""
    async with AsyncOpenAI(**options(gateway, **(client or {}))) as sdk:
        async with sdk.realtime.connect(**{"model": MODEL, **named}) as connection:
            calling = Call(connection)
            calling.created = await connection.recv()
            assert calling.created.type == "session.created"
            yield calling


class Call:
    """One session of the SDK's; `heard` keeps every event of it."""

    created: Event

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.sdk = connection
        self.heard: list[Event] = []

    async def configure(self, **session: Any) -> Event:
        """Send `session.update` and wait for its answer."""
        await self.sdk.session.update(session={"type": "realtime", **session})  # type: ignore[typeddict-item, misc]
        return (await self.until("session.updated"))[-1]

    async def until(self, *kinds: str) -> list[Event]:
        """The events up to and with the next one of these types."""
        events: list[Event] = []
        while not events or events[-1].type not in kinds:
            events.append(await self.sdk.recv())
            self.heard.append(events[-1])
            assert events[-1].type != "error" or "error" in kinds, events[-1].error
        return events

    async def answer(self) -> list[Event]:
        """The events up to and with what follows the end of a response."""
        return await self.until("rate_limits.updated")

    async def refused(self) -> Event:
        """The error that comes next."""
        return (await self.until("error"))[-1].error

    async def ask(self, text: str, **response: Any) -> list[Event]:
        """A question in words, and the events of its answer."""
        await self.say({"type": "input_text", "text": text})
        await (self.sdk.response.create(response=response) if response else self.sdk.response.create())  # type: ignore[arg-type]
        return await self.answer()

    async def say(self, *content: dict[str, Any]) -> str:
        """A user item; its id."""
        item = {"type": "message", "role": "user", "content": list(content)}
        await self.sdk.conversation.item.create(item=item)  # type: ignore[arg-type]
        item_id: str = (await self.until("conversation.item.done"))[-1].item.id
        return item_id

    async def stream(self, pcm16: bytes) -> None:
        """Audio in pieces of 40 ms, as a microphone brings it."""
        for start in range(0, len(pcm16), CHUNK_BYTES):
            await self.sdk.input_audio_buffer.append(audio=b64encode(pcm16[start : start + CHUNK_BYTES]).decode())


def types(events: list[Event]) -> list[str]:
    """The types of events, a run of one type as one."""
    return [kind for kind, _ in groupby(event.type for event in events)]


def one(events: list[Event], kind: str) -> Event:
    """The only event of that type."""
    (found,) = (event for event in events if event.type == kind)
    return found


def every(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event.type == kind]


def deltas(events: list[Event], kind: str) -> str:
    """All deltas of that type in one string."""
    return "".join(event.delta for event in every(events, kind))


def sound(events: list[Event]) -> bytes:
    """All audio of an answer."""
    return b"".join(b64decode(event.delta) for event in every(events, "response.output_audio.delta"))


spoken = partial(speech.spoken, sample_rate=SAMPLE_RATE)


def understood(pcm16: bytes) -> str:
    """The letters and digits of what was said."""
    return letters(speech.understood(pcm16, SAMPLE_RATE))
