"""Between a session and a gateway, on real sockets: passes all on, counts it, and breaks in where a test says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

import aigw_notebook as aigw
from aigw_notebook.endpoint import SILENT
from aigw_notebook.providers.base import Message
from tests.peer import Peer

__all__ = ["WAYS", "Middleman", "Watch", "Way"]

Way: TypeAlias = Literal["to client", "to server"]
WAYS: tuple[Way, ...] = ("to client", "to server")
OWN_HEADERS = ("host", "upgrade", "connection", "user-agent", "cf-aig-authorization")


@dataclass
class Watch:
    """What is to be done in the next connection, and what was seen in it. `cut` drops it after so many messages."""

    cut: tuple[Way, int] | None = None
    seen: dict[Way, list[Message]] = field(default_factory=lambda: {way: [] for way in WAYS})
    path: str = ""


class Middleman(Peer):
    """A server that leads each connection on to `gateway`. It lets anybody in: `Peer.gateway` is the way to it."""

    def __init__(self, gateway: aigw.LocalGateway, **serve_options: Any) -> None:
        super().__init__(_lead, logger=SILENT, **serve_options)
        self.upstream = gateway
        self.watch = Watch()
        self._client: ServerConnection | None = None

    def expect(self, cut: tuple[Way, int] | None = None) -> Watch:
        """A new watch, for the next connection."""
        self.watch, self._client = Watch(cut=cut), None
        return self.watch

    def inject(self, message: Message) -> None:
        """Send the client a message that the gateway never sent."""
        asyncio.run_coroutine_threadsafe(self._inject(message), self._loop).result(5)

    async def _inject(self, message: Message) -> None:
        while self._client is None:  # a session may be open before its connection is led on
            await asyncio.sleep(0.001)
        await self._client.send(message)

    async def lead(self, socket: ServerConnection) -> None:
        """Pass messages both ways until one side ends, or the cut is due."""
        watch, self._client = self.watch, socket
        assert socket.request is not None
        watch.path = socket.request.path
        if watch.cut is not None and watch.cut[1] == 0:
            socket.transport.abort()
            return
        try:
            upstream = await self._dial(socket)
        except InvalidStatus:
            await socket.close(1011, "refused upstream")
            return
        ways = ((upstream, socket, WAYS[0]), (socket, upstream, WAYS[1]))
        tasks = [asyncio.create_task(_pass(*way, watch, socket)) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        upstream.transport.abort()
        await upstream.wait_closed()

    async def _dial(self, socket: ServerConnection) -> Any:
        request = socket.request
        assert request is not None
        headers = [(name, value) for name, value in request.headers.raw_items() if name.lower() not in OWN_HEADERS]
        headers = [(name, value) for name, value in headers if not name.lower().startswith("sec-websocket")]
        return await connect(
            self.upstream.url + request.path.removeprefix("/v1/acct/gw"),
            additional_headers=[*headers, ("cf-aig-authorization", f"Bearer {self.upstream.token}")],
            subprotocols=[Subprotocol(socket.subprotocol)] if socket.subprotocol else None,
            compression=None,
            max_size=None,
            logger=SILENT,
        )


async def _lead(peer: Peer, socket: ServerConnection) -> None:
    assert isinstance(peer, Middleman)
    await peer.lead(socket)


async def _pass(source: Any, target: Any, way: Way, watch: Watch, client: ServerConnection) -> None:
    try:
        async for message in source:
            watch.seen[way].append(message)
            await target.send(message)
            if watch.cut == (way, len(watch.seen[way])):
                client.transport.abort()
                return
    except ConnectionClosed:
        pass  # with which code is passed on below
    said = source.close_code not in (None, 1005, 1006)
    await target.close(*((source.close_code, source.close_reason) if said else ()))
