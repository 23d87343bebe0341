"""A real Jupyter kernel and all it says to a front end, stamped and counted as it arrives.

The client answers a widget that is displayed as a browser's view would: it says `ready`. With `view=False` it stays
silent, like nbclient or a front end without widgets.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True, slots=True)
class Heard:
    """One message on the kernel's output channel: when it came (monotonic ns), its bytes on the wire, what it says."""

    at_ns: int
    size: int
    kind: str
    content: Mapping[str, Any]


class Kernel:
    """A kernel of this interpreter, ready to run cells."""

    def __init__(self, client: BlockingKernelClient, *, view: bool) -> None:
        self.client = client
        self.view = view

    def run(self, code: str, *, timeout_s: float = 120.0) -> list[Heard]:
        """Runs a cell; gives all that was heard until the kernel was idle again. Raises what the cell raised."""
        request = self.client.execute(code)
        heard: list[Heard] = []
        deadline = time.monotonic() + timeout_s
        while not (heard and _is_end(heard[-1])):
            if (message := self._hear(request, deadline)) is not None:
                heard.append(message)
                self._answer(message)
        failures = [h.content for h in heard if h.kind == "error"]
        if failures:
            raise RuntimeError(f"{failures[0]['ename']}: {failures[0]['evalue']}")
        return heard

    def _answer(self, heard: Heard) -> None:
        shown = heard.content.get("data", {}).get(WIDGET) if heard.kind == "display_data" else None
        if shown and self.view:
            data = {"method": "custom", "content": {"kind": "ready", "have": 0}}
            message = self.client.session.msg("comm_msg", {"comm_id": shown["model_id"], "data": data})
            self.client.shell_channel.send(message)

    def _hear(self, request: str, deadline: float) -> Heard | None:
        socket = self.client.iopub_channel.socket
        if not socket.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError("the cell did not end in time")
        frames = socket.recv_multipart()
        now = time.monotonic_ns()
        _, parts = self.client.session.feed_identities(frames)
        message = self.client.session.deserialize(parts)
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "status" and message["parent_header"].get("msg_id") != request:
            return None
        return Heard(now, sum(len(f) for f in frames), kind, content)


def _is_end(heard: Heard) -> bool:
    return heard.kind == "status" and heard.content["execution_state"] == "idle"


@contextmanager
def kernel(environment: Mapping[str, str], *, view: bool = True) -> Iterator[Kernel]:
    """A fresh kernel for the block, with these variables on top of the environment."""
    manager = KernelManager(kernel_name="python3")
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel(env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(client, view=view)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
