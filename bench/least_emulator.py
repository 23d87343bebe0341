"""The least that a Python emulator can be: one `json.dumps` and one `send` per event, nothing checked, nothing kept.

The events of an answer are those of the protocol, in its order; their fields are the least that a client reads.

The first line it prints is its port.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ITEM = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
AT = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
RESPONSE: dict[str, Any] = {"object": "realtime.response", "id": "resp_1", "output": []}


async def answer(connection: ServerConnection, words: list[str], numbers: itertools.count[int]) -> None:
    async def send(kind: str, **fields: Any) -> None:
        await connection.send(json.dumps({"type": kind, "event_id": f"event_{next(numbers):021d}", **fields}))

    await send("response.created", response={**RESPONSE, "status": "in_progress"})
    await send("response.output_item.added", response_id="resp_1", output_index=0, item=ITEM)
    await send("conversation.item.added", previous_item_id=None, item=ITEM)
    await send("response.content_part.added", **AT, part={"type": "text", "text": ""})
    for word in words:
        await send("response.output_text.delta", **AT, delta=word)
    await send("response.output_text.done", **AT, text="".join(words))
    await send("response.content_part.done", **AT, part={"type": "text", "text": "".join(words)})
    await send("conversation.item.done", previous_item_id=None, item=ITEM)
    await send("response.output_item.done", response_id="resp_1", output_index=0, item=ITEM)
    await send("response.done", response={**RESPONSE, "status": "completed"})
    await send("rate_limits.updated", rate_limits=[])


async def main(text: str) -> None:
    words = [word + " " for word in text.split()]
    numbers = itertools.count(1)

    async def handle(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "session.created", "session": {"type": "realtime", "id": "sess_1"}}))
        try:
            async for raw in connection:
                if json.loads(raw)["type"] == "response.create":
                    await answer(connection, words, numbers)
        except ConnectionClosed:
            return

    async with serve(handle, "127.0.0.1", 0, compression=None) as running:
        print(next(iter(running.sockets)).getsockname()[1], flush=True)
        await running.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
