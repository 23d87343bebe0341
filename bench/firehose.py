"""A server in its own process that sends frames built beforehand, so that the client is the limit.

It speaks as much of OpenAI Realtime as a client needs to run one turn. What it sends as the answer is told by the
model's name in the URL, `<kind>-<count>-<gap_ms>`:

* `text-20000-0`: text deltas of some 200 bytes, `audio-5000-0`: audio deltas of 100 ms at 24 kHz, as fast as they go
* `words-2000-1`: text deltas of six characters, one every millisecond
* `stamped-200-60`: text deltas that hold the time of sending as `@<monotonic ns>@`

The first line it prints is its port.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

BLOCK = 64 * 1024
AT = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
ITEM = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "assistant", "content": []}
RESPONSE: dict[str, Any] = {
    "object": "realtime.response",
    "id": "resp_1",
    "conversation_id": "conv_1",
    "status_details": None,
    "output_modalities": ["text"],
    "metadata": None,
}
KINDS = {"text": ("output_text", "text"), "words": ("output_text", "text"), "stamped": ("output_text", "text")}
AUDIO_DELTA = base64.b64encode(bytes(range(256)) * 18 + bytes(192)).decode()
PATTERNS: dict[str, Callable[[int], str]] = {
    "text": lambda n: "well, ",
    "words": lambda n: "word. ",
    "audio": lambda n: AUDIO_DELTA,
    "stamped": lambda n: f" @{time.monotonic_ns()}@",
}


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_CkzXo0000000000000001", **fields})


def delta(kind: str, number: int) -> str:
    name = "response.output_audio.delta" if kind == "audio" else "response.output_text.delta"
    return event(name, **AT, delta=PATTERNS[kind](number))


def before(kind: str) -> list[str]:
    part = {"type": "audio", "transcript": ""} if kind == "audio" else {"type": "text", "text": ""}
    return [
        event("response.created", response={**RESPONSE, "status": "in_progress", "output": []}),
        event(
            "response.output_item.added", response_id="resp_1", output_index=0, item={**ITEM, "status": "in_progress"}
        ),
        event("response.content_part.added", **AT, part=part),
    ]


def after(kind: str) -> list[str]:
    done = (
        event("response.output_audio.done", **AT)
        if kind == "audio"
        else event("response.output_text.done", **AT, text="")
    )
    item = {**ITEM, "status": "completed"}
    usage = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
    return [
        done,
        event("response.output_item.done", response_id="resp_1", output_index=0, item=item),
        event("response.done", response={**RESPONSE, "status": "completed", "output": [item], "usage": usage}),
    ]


def framed(messages: list[str]) -> bytes:
    return b"".join(Frame(Opcode.TEXT, m.encode()).serialize(mask=False) for m in messages)


@cache
def blocks(kind: str, count: int) -> tuple[bytes, ...]:
    """The whole answer as bytes on the wire, cut into blocks without regard to frames."""
    data = framed([*before(kind), *(delta(kind, n) for n in range(count)), *after(kind)])
    return tuple(data[i : i + BLOCK] for i in range(0, len(data), BLOCK))


async def flood(connection: ServerConnection, kind: str, count: int) -> None:
    for block in blocks(kind, count):
        connection.transport.write(block)
        await connection.drain()


async def pace(connection: ServerConnection, kind: str, count: int, gap_ms: float) -> None:
    for message in before(kind):
        await connection.send(message)
    start = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number * gap_ms / 1000 - time.monotonic()))
        await connection.send(delta(kind, number))
    for message in after(kind):
        await connection.send(message)


def plan(connection: ServerConnection) -> tuple[str, int, float]:
    assert connection.request is not None
    model = parse_qs(urlsplit(connection.request.path).query).get("model", ["text-10-0"])[0]
    kind, count, gap_ms = model.split("-")
    return kind, int(count), float(gap_ms)


def session_of(connection: ServerConnection) -> dict[str, Any]:
    kind, count, gap_ms = plan(connection)
    return {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": f"{kind}-{count}-{gap_ms:g}"}


def answers(connection: ServerConnection, message: dict[str, Any]) -> Iterator[str]:
    if message["type"] == "session.update":
        yield event("session.updated", session={**session_of(connection), **message["session"]})
    if message["type"] == "conversation.item.create":
        item = {"id": "item_user", "object": "realtime.item", "status": "completed", **message["item"]}
        yield event("conversation.item.added", previous_item_id=None, item=item)
        yield event("conversation.item.done", previous_item_id=None, item=item)


async def handle(connection: ServerConnection) -> None:
    await connection.send(event("session.created", session=session_of(connection)))
    kind, count, gap_ms = plan(connection)
    try:
        async for raw in connection:
            message = json.loads(raw)
            for answer in answers(connection, message):
                await connection.send(answer)
            if message["type"] == "response.create":
                await (pace(connection, kind, count, gap_ms) if gap_ms else flood(connection, kind, count))
    except ConnectionClosed:
        return


def choose(connection: ServerConnection, offered: Any) -> Any:
    return "realtime" if "realtime" in offered else (offered[0] if offered else None)


async def main() -> None:
    for kind, count in (("text", 20_000), ("audio", 5_000)):
        blocks(kind, count)
    async with serve(
        handle, "127.0.0.1", 0, compression=None, write_limit=4 * BLOCK, select_subprotocol=choose
    ) as running:
        print(next(iter(running.sockets)).getsockname()[1], flush=True)
        await running.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
