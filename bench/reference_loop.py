"""The shortest way from a socket to the front end: a bare websockets loop that sends each delta through a widget."""

NAME = "bare websockets loop and widget.send"

SETUP = """
import asyncio, json, threading
import anywidget
from websockets.asyncio.client import connect

class Bare(anywidget.AnyWidget):
    _esm = "export default { render() {} }"

bare = Bare()

async def receive(port, model):
    async with connect(f"ws://127.0.0.1:{port}/v1/a/g/openai?model={model}", compression=None) as socket:
        await socket.recv()
        await socket.send('{"type": "response.create"}')
        async for raw in socket:
            event = json.loads(raw)
            if event["type"] == "response.output_text.delta":
                bare.send({"text": event["delta"]})
            elif event["type"] == "response.done":
                return

def bare_turn(port, model):
    thread = threading.Thread(target=lambda: asyncio.run(receive(port, model)))
    thread.start()
    thread.join()
"""


def cell(port: int, model: str) -> str:
    return f"bare_turn({port}, {model!r})"
