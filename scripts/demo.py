"""Runs the quickstart notebook in a real kernel, prints the answers as they come, and keeps what came out.

    python scripts/demo.py [--notebook notebooks/01_quickstart.ipynb] [--out build/demo]

It writes the executed notebook, the same as a page, and the first answer's voice as turn.wav, and checks all three.
It needs no key and never spends money: gateway settings of the environment are left out. Exit status 0 means that
everything was made and is sound; else one line on standard error says what was not.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import time
import wave
from array import array
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VIEW = "application/vnd.jupyter.widget-view+json"
LEFT_OUT = re.compile(r"^(AIGW|CLOUDFLARE|CF_AIG)_|_(API_)?KEY$")
CELL_TIMEOUT_S = 120

SLOTS = "get_ipython().magics_manager.registry['AigwMagics'].slots"
ROWS = f"__import__('json').dumps([row for _, slot in {SLOTS} for row in slot.session.records])"
VOICE = (
    f"next((str(turn.audio.save({{path!r}})) for _, slot in {SLOTS} for turn in slot.session.turns if turn.audio), '')"
)


class Failed(Exception):
    """The demo did not come out as it should; the message is one line for the person who ran it."""


# --------------------------------------------------------------------------------------------------------- the run


def make_client(notebook: Any, folder: Path, sockets: str) -> Any:
    """A notebook client that also prints what the running cell says; `sockets` is a folder for the kernel's own."""
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class PrintingClient(NotebookClient):  # type: ignore[misc]
        """Answers each live view as a page would, and prints its text."""

        def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
            printer.take(message, self.kc)
            return super().process_message(message, cell, cell_index)

    printer = Printer()
    manager = AsyncKernelManager(kernel_name="python3", **private_channel(sockets))
    return PrintingClient(
        notebook,
        km=manager,
        timeout=CELL_TIMEOUT_S,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=lambda cell, cell_index: printer.begin(cell),
        on_cell_executed=lambda cell, cell_index, execute_reply: printer.end(),
    )


def private_channel(folder: str) -> dict[str, str]:
    """How to talk to the kernel: by sockets in a folder of its own, where the system has such; they need no network."""
    return {"transport": "ipc", "ip": str(Path(folder) / "kernel")} if os.name == "posix" else {}


class Printer:
    """One cell's question and its answer, written to the terminal as they come."""

    def __init__(self) -> None:
        self.shown = ""
        self.asking = False

    def begin(self, cell: Any) -> None:
        """Print the question of a cell that asks one."""
        first, _, question = cell.source.partition("\n")
        self.shown, self.asking = "", cell.cell_type == "code" and first.startswith("%%aigw")
        if self.asking:
            print(f"\n{first}\n> {question}", flush=True)

    def end(self) -> None:
        """End the answer's line."""
        if self.asking:
            print(flush=True)
        self.asking = False

    def take(self, message: Any, client: Any) -> None:
        """Print what a message of the kernel adds to the answer."""
        content = message["content"]
        data = content.get("data", {})
        kind = message["msg_type"]
        if kind == "display_data" and VIEW in data:
            reply = {"method": "custom", "content": {"kind": "ready", "have": 0}}
            request = {"comm_id": data[VIEW]["model_id"], "data": reply}
            client.shell_channel.send(client.session.msg("comm_msg", request))
        elif (
            kind == "comm_msg" and data.get("content", {}).get("kind") == "text" and "elapsed_ms" not in data["content"]
        ):
            self.add("".join(data["content"]["parts"]))
        elif kind == "update_display_data" and self.asking and "text/markdown" in data:
            whole = data["text/markdown"]
            self.add(whole[len(self.shown) :] if whole.startswith(self.shown) else "")
        elif kind == "stream" and self.asking:
            print(content["text"], end="", flush=True)

    def add(self, text: str) -> None:
        """Print more of the answer."""
        self.shown += text
        sys.stdout.write(text)
        sys.stdout.flush()


async def execute(notebook: Any, folder: Path) -> list[dict[str, Any]]:
    """Run all cells; the rows of all conversations of the notebook. The voice of the first turn is in turn.wav."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    try:
        with TemporaryDirectory(prefix="aigw-") as sockets:
            client = make_client(notebook, folder, sockets)
            try:
                # What a kernel writes there is of its own shutting down; what a cell writes comes as messages.
                async with client.async_setup_kernel(env=environment(), stderr=subprocess.DEVNULL):
                    return await run_cells(client, notebook, folder)
            finally:
                await client.km.shutdown_kernel()
    except CellExecutionError as error:
        raise Failed(f"a cell failed: {error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise Failed(f"a cell took longer than {CELL_TIMEOUT_S} s") from None
    except (DeadKernelError, RuntimeError) as error:
        raise Failed(f"the kernel did not run: {error}") from None


async def run_cells(client: Any, notebook: Any, folder: Path) -> list[dict[str, Any]]:
    """Run the cells in order; what was said is fetched before the last one, which closes the conversations."""
    *others, last = enumerate(notebook.cells)
    for index, cell in others:
        await client.async_execute_cell(cell, index)
    rows = json.loads(await value_of(client, ROWS))
    if not await value_of(client, VOICE.format(path=str(folder / "turn.wav"))):
        raise Failed("no answer was spoken")
    await client.async_execute_cell(last[1], last[0])
    return list(rows)


async def value_of(client: Any, expression: str) -> str:
    """The text value of an expression in the kernel."""
    reply = await client.kc.execute(
        "", silent=True, store_history=False, user_expressions={"value": expression}, reply=True, timeout=30
    )
    value = reply["content"]["user_expressions"]["value"]
    if value["status"] != "ok":
        raise Failed(f"the conversation could not be read: {value.get('evalue', value)}")
    return str(ast.literal_eval(value["data"]["text/plain"]))


def environment() -> dict[str, str]:
    """The environment without what could lead to a service that costs money."""
    return {name: value for name, value in os.environ.items() if not LEFT_OUT.search(name)}


# ------------------------------------------------------------------------------------------------------ the results


def print_table(rows: list[dict[str, Any]]) -> None:
    """The transcript, one line for each row."""
    print(f"\n{'turn':>4}  {'who':9}  {'what':11}  {'first word':>10}  {'audio':>7}  text")
    session_id = None
    for row in rows:
        if session_id not in (None, row["session_id"]):
            print("      another session")
        session_id = row["session_id"]
        first = "" if row["first_token_ms"] is None else f"{row['first_token_ms']:.0f} ms"
        audio = "" if not row["audio_ms"] else f"{row['audio_ms'] / 1000:.1f} s"
        text = (row["text"] or "").replace("\n", " ")
        text = text if len(text) <= 60 else f"{text[:59]}…"
        print(f"{row['turn']:>4}  {row['role']:9}  {row['kind']:11}  {first:>10}  {audio:>7}  {text}")


def write_page(notebook: Any, path: Path) -> None:
    """The executed notebook as one HTML file."""
    from nbconvert import HTMLExporter

    logging.getLogger("traitlets").setLevel(logging.ERROR)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    path.write_text(page, encoding="utf-8")


def check(notebook: Any, rows: list[dict[str, Any]], folder: Path) -> None:
    """Raise `Failed` unless every answer is there, in words and in sound."""
    asked = [cell for cell in notebook.cells if cell.source.startswith("%%aigw")]
    for cell in asked:
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        question = cell.source.partition("\n")[2]
        for kind, what in (("text/markdown", "text"), ("text/html", "player")):
            if kinds.count(kind) != 1:
                raise Failed(f"the answer to {question!r} has {kinds.count(kind)} {what} outputs instead of one")
        if VIEW in kinds:
            raise Failed(f"the answer to {question!r} still holds a widget")
    if not asked or not rows:
        raise Failed("nothing was asked")
    unfinished = [row for row in rows if row["status"] != "completed"]
    if unfinished:
        raise Failed(f"turn {unfinished[0]['turn']} {unfinished[0]['status']}: {unfinished[0]['text']}")
    if "<audio" not in (folder / "01_quickstart.html").read_text(encoding="utf-8"):
        raise Failed("the page holds no player")
    check_voice(folder / "turn.wav")


def check_voice(path: Path) -> None:
    """Raise `Failed` unless the file is a second of sound at least, and not silence."""
    with wave.open(str(path)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
        samples = array("h", sound.readframes(sound.getnframes()))
    peak = max(map(abs, samples), default=0)
    if seconds < 1.0 or peak < 1_000:
        raise Failed(f"{path} holds {seconds:.1f} s of sound with a peak of {peak}: that is no answer")


def demo(source: Path, folder: Path) -> None:
    """Run the notebook at `source` and leave its results in `folder`."""
    text = source.read_text(encoding="utf-8")
    import nbformat

    folder.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.reads(text, as_version=4)
    began = time.monotonic()
    rows = asyncio.run(execute(notebook, folder))
    seconds = time.monotonic() - began
    print_table(rows)
    made = folder / "01_quickstart.ipynb"
    nbformat.write(notebook, made)
    write_page(notebook, made.with_suffix(".html"))
    check(notebook, rows, folder)
    print(f"\nThe notebook ran in {seconds:.1f} s. Written and checked:")
    for path in (made, made.with_suffix(".html"), folder / "turn.wav"):
        print(f"  {shown(path)}  {path.stat().st_size / 1000:.0f} kB")
    print("`make lab` opens the notebook in JupyterLab, where the answers are spoken while they arrive.")


def shown(path: Path) -> str:
    """The path as a person in the project's folder would type it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--notebook", type=Path, default=ROOT / "notebooks" / "01_quickstart.ipynb")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo")
    options = parser.parse_args(arguments)
    try:
        demo(options.notebook.resolve(), options.out.resolve())
    except Failed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"demo: {error.name} is not installed; `make demo` installs what is needed", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
