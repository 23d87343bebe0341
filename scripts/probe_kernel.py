"""Runs cells in a kernel of the interpreter that runs this script, and prints what each published.

Cells come as a JSON list on standard input; a JSON list with an object for each goes to standard output. It needs
ipykernel and nothing else, so that it can look into an environment that holds just what a release brings along.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from jupyter_client.manager import start_new_kernel

__all__ = ["run_cells"]

CELL_TIMEOUT_S = 60


def run_cells(cells: Sequence[str]) -> list[dict[str, Any]]:
    """What each cell printed and showed (`text`), its errors, and the states of the widgets that it opened."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        return [run_cell(client, cell) for cell in cells]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run_cell(client: Any, cell: str) -> dict[str, Any]:
    """What one cell published."""
    published: dict[str, Any] = {"cell": cell, "text": "", "errors": [], "widgets": []}

    def take(message: dict[str, Any]) -> None:
        content = message["content"]
        published["text"] += content.get("text", "") + "".join(shown(content.get("data", {})))
        if message["msg_type"] == "error":
            published["errors"].append(f"{content['ename']}: {content['evalue']}")
        if message["msg_type"] == "comm_open":
            published["widgets"].append(content["data"].get("state", {}))

    client.execute_interactive(cell, output_hook=take, timeout=CELL_TIMEOUT_S, allow_stdin=False)
    return published


def shown(data: dict[str, Any]) -> list[str]:
    """The texts of an output, whatever their kinds; the data of a widget's message has none."""
    return [value for kind, value in data.items() if "/" in kind and isinstance(value, str)]


if __name__ == "__main__":
    print(json.dumps(run_cells(json.load(sys.stdin))))
