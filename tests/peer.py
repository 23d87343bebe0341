"""A provider that does exactly what a test tells it to, on a real loopback socket; for what an emulator never does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve

from aigw_notebook.endpoint import Gateway

Handler = Callable[["Peer", ServerConnection], Awaitable[None]]


class Peer:
    """A WebSocket server on a thread of its own that runs `handler` for each connection."""

    def __init__(self, handler: Handler, **serve_options: Any) -> None:
        self.received: list[dict[str, Any]] = []
        self.requests: list[Any] = []
        self._handler = handler
        self._options = serve_options
        self._numbers = count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-peer", daemon=True)
        self._server: Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)
        return self

    def __exit__(self, *exc_info: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def gateway(self) -> Gateway:
        return Gateway.from_url(f"ws://127.0.0.1:{self.port}/v1/acct/gw", token="peer-token")

    async def _start(self) -> None:
        options = {"max_size": None, "compression": None, **self._options}
        self._server = await serve(self._handle, "127.0.0.1", 0, **options)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, socket: ServerConnection) -> None:
        self.requests.append(socket.request)
        await self._handler(self, socket)

    async def say(self, socket: ServerConnection, kind: str, **fields: Any) -> None:
        await socket.send(json.dumps({"type": kind, "event_id": f"event_{next(self._numbers)}", **fields}))

    async def hear(self, socket: ServerConnection, kind: str) -> dict[str, Any]:
        """The next message of that type; the others are kept in `received`."""
        async for raw in socket:
            message: dict[str, Any] = json.loads(raw)
            self.received.append(message)
            if message["type"] == kind:
                return message
        raise ConnectionError("the client left")

    async def greet(self, socket: ServerConnection) -> None:
        """Open a session as the provider does."""
        session = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": "gpt-realtime-2.1"}
        await self.say(socket, "session.created", session=session)
        await self.hear(socket, "session.update")
        await self.say(socket, "session.updated", session=session)

    async def begin(self, socket: ServerConnection, response_id: str = "resp_1") -> None:
        """Begin an answer to the next `response.create`."""
        await self.hear(socket, "response.create")
        await self.say(socket, "response.created", response=response(response_id, "in_progress"))

    async def text(self, socket: ServerConnection, *words: str, response_id: str = "resp_1") -> None:
        for word in words:
            await self.say(socket, "response.output_text.delta", **place(response_id), delta=word)

    async def done(self, socket: ServerConnection, response_id: str = "resp_1", status: str = "completed") -> None:
        await self.say(socket, "response.done", response=response(response_id, status))


def place(response_id: str) -> dict[str, Any]:
    return {"response_id": response_id, "item_id": f"item_{response_id}", "output_index": 0, "content_index": 0}


def response(response_id: str, status: str) -> dict[str, Any]:
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": None,
        "output": [],
        "conversation_id": "conv_1",
        "usage": None,
    }


async def stay(socket: ServerConnection) -> None:
    """Read on until the client leaves."""
    async for _ in socket:
        pass
