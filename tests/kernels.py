"""A real kernel as a front end sees it: run cells, answer widgets, interrupt, and look at what each cell holds."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import mkdtemp
from typing import Any, TypeAlias

import ipykernel
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

VIEW = "application/vnd.jupyter.widget-view+json"
TIMEOUT_S = 60.0

Message: TypeAlias = dict[str, Any]


@dataclass
class Cell:
    """All that the kernel published while one cell ran, oldest first, and what the saved cell would hold."""

    messages: list[Message] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [message["msg_type"] for message in self.messages]

    @property
    def byte_count(self) -> int:
        """Bytes on the wire of all messages: header, parent, metadata, content and buffers."""
        return sum(map(_size, self.messages))

    def contents(self, kind: str) -> list[Mapping[str, Any]]:
        return [message["content"] for message in self.messages if message["msg_type"] == kind]

    def custom(self, kind: str) -> list[Mapping[str, Any]]:
        """Custom widget messages of that kind."""
        data = [content["data"] for content in self.contents("comm_msg")]
        return [d["content"] for d in data if d["method"] == "custom" and d["content"]["kind"] == kind]

    def of(self, mime: str) -> list[str]:
        return [output[mime] for output in self.outputs if mime in output]


class Kernel:
    """A running kernel. With `view` set it is answered as by a page: each widget shown says `ready`.

    What widgets are told goes to a subshell where the kernel has those, as from JupyterLab. With `classic` set it goes
    into the kernel's one queue, as from a front end that knows no subshells.
    """

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client
        self.view, self.classic = True, False
        self._subshell = _new_subshell(client)
        self._places: dict[str, tuple[Cell, int]] = {}

    def hears(self, *, awaited: bool) -> bool:
        """Whether a widget is told at once what it is told while a cell runs, or only after that cell."""
        through_subshell = self._subshell is not None and not self.classic
        return through_subshell or (awaited and ipykernel.version_info >= (7, 4))

    def run(self, *sources: str, on: Callable[[Message], object] = lambda message: None) -> list[Cell]:
        """Send all cells at once, and give what each published once the kernel is idle again.

        A message counts for the cell that the kernel is running; outputs go where a front end puts them.
        """
        cells = {self.client.execute(source, stop_on_error=False): Cell() for source in sources}
        waiting = list(cells)
        deadline = time.monotonic() + TIMEOUT_S
        while waiting:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if time.monotonic() > deadline:
                raise TimeoutError(f"the kernel is still busy after {TIMEOUT_S:g} s")
            request = message["parent_header"].get("msg_id")
            cells[waiting[0]].messages.append(message)
            self._put(message, cells.get(request))
            shown = message["content"].get("data", {}).get(VIEW)
            if shown and self.view:
                self.say(shown["model_id"], kind="ready", have=0)
            on(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle" and request in cells:
                waiting.remove(request)
        self._take_replies(set(cells), deadline)
        return list(cells.values())

    def _take_replies(self, requests: set[str], deadline: float) -> None:
        """Wait for the reply to each request.

        What reaches ipykernel 7.0 to 7.3 while it sends a reply may never be read, so nothing may be sent before.
        """
        while requests:
            reply = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            requests.discard(reply["parent_header"]["msg_id"])

    def _put(self, message: Message, cell: Cell | None) -> None:
        """New outputs go to the cell that is the message's parent, updates to wherever their id is."""
        content, kind = message["content"], message["msg_type"]
        place = content.get("transient", {}).get("display_id")
        if kind == "update_display_data":
            home, position = self._places[place]
            home.outputs[position] = content["data"]
        elif kind in ("display_data", "execute_result", "stream", "error") and not _from_a_view(message):
            assert cell is not None, f"a {kind} message for a cell that is not running"
            self._places[place] = cell, len(cell.outputs)
            _append(cell.outputs, kind, content)

    def cell(self, source: str, **options: Any) -> Cell:
        """Run one cell."""
        return self.run(source, **options)[0]

    def value(self, expression: str) -> Any:
        """The value of an expression that JSON can hold, evaluated in the kernel."""
        quoted = self.cell(f"import json; print(json.dumps({expression}))").of("stdout")
        return json.loads(quoted[0])

    def say(self, comm_id: str, **content: Any) -> None:
        """Send what a widget's view would send."""
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        if self._subshell is not None and not self.classic:
            message["header"]["subshell_id"] = self._subshell
        self.client.shell_channel.send(message)


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[Kernel]:
    """A kernel of this interpreter with these environment variables on top, the extension loaded."""
    sockets = mkdtemp(prefix="aigw-")
    channel = {"transport": "ipc", "ip": f"{sockets}/kernel"} if os.name == "posix" else {}
    manager = KernelManager(kernel_name="python3", **channel)
    manager.start_kernel(env={**os.environ, **environment})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=TIMEOUT_S)
        kernel = Kernel(manager, client)
        kernel.cell("%load_ext aigw_notebook")
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        shutil.rmtree(sockets)


def _new_subshell(client: BlockingKernelClient) -> str | None:
    """A new subshell of the kernel, or None where it has none."""
    info = client.kernel_info(reply=True, timeout=TIMEOUT_S)["content"]
    if "kernel subshells" not in info.get("supported_features", ()):
        return None
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    reply: Message = client.get_control_msg(timeout=TIMEOUT_S)
    return str(reply["content"]["subshell_id"])


def _from_a_view(message: Message) -> bool:
    """Whether it answers a view's message; the kernel logs one that comes when its widget is closed."""
    return bool(message["parent_header"].get("msg_type") == "comm_msg")


def _append(outputs: list[dict[str, Any]], kind: str, content: Mapping[str, Any]) -> None:
    if kind == "error":
        outputs.append({"error": content["ename"]})
    elif kind != "stream":
        outputs.append(content["data"])
    elif outputs and content["name"] in outputs[-1]:
        outputs[-1] = {content["name"]: outputs[-1][content["name"]] + content["text"]}
    else:
        outputs.append({content["name"]: content["text"]})


def _size(message: Message) -> int:
    parts = (message[name] for name in ("header", "parent_header", "metadata", "content"))
    return sum(len(json.dumps(part, default=str)) for part in parts) + sum(map(len, message.get("buffers", ())))
