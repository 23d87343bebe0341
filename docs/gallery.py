"""Makes docs/gallery.md: cells with their real outputs, keyless, from a kernel. `python docs/gallery.py`.

The cells stand in the page itself, in its blocks of code; what is between a block and the next heading is made anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["main", "shown"]

PAGE = Path(__file__).resolve().parent / "gallery.md"
PICTURES = PAGE.parent / "images" / "gallery"
BLOCK = re.compile(
    r"(?P<before>.*?)```(?P<language>\w*)\n(?P<code>.*?)```\n(?P<outputs>.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE
)
PLAYER = re.compile(r"<audio\b")
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def main() -> None:
    """Run all cells of the page and write it with what they gave."""
    blocks = list(BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    cells = [nbformat.v4.new_code_cell(source, metadata={"block": n}) for n, source in _sources(blocks)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, kernel_name="python3", timeout=120, resources=place).execute()
    PICTURES.mkdir(parents=True, exist_ok=True)
    parts = []
    for number, block in enumerate(blocks, 1):
        outputs = [output for cell in notebook.cells if cell.metadata.block == number for output in cell.outputs]
        told = "".join(f"{text}\n\n" for output in outputs if (text := shown(output, number)))
        parts.append(f"{block['before']}```{block['language']}\n{block['code']}```\n\n{told}")
    PAGE.write_text("".join(parts).rstrip() + "\n", encoding="utf-8")


def _sources(blocks: list[re.Match[str]]) -> Iterator[tuple[int, str]]:
    """The cells of the page with the number of their block; a cell magic behind a blank line is the next cell."""
    for number, block in enumerate(blocks, 1):
        for source in re.split(r"\n\n(?=%%)", block["code"]):
            yield number, source.rstrip()


def shown(output: Any, number: int) -> str:
    """An output as it stands in a page of Markdown; a picture becomes a file with the number of its block."""
    if output.output_type == "stream":
        return _block(output.text)
    data = output.get("data", {})
    if "image/png" in data:
        return _picture(f"{number}.png", b64decode(data["image/png"]))
    if "image/svg+xml" in data:
        return _picture(f"{number}.svg", data["image/svg+xml"].encode("utf-8"))
    if PLAYER.search(data.get("text/html", "")):
        return "*(here the notebook has a player)*"
    if "text/markdown" in data:
        return "\n".join(f"> {line}".rstrip() for line in data["text/markdown"].splitlines())
    return _block(data.get("text/plain", ""))


def _block(text: str) -> str:
    return f"```text\n{COLOUR.sub('', text).rstrip()}\n```" if text.strip() else ""


def _picture(name: str, data: bytes) -> str:
    (PICTURES / name).write_bytes(data)
    return f"![What the cell shows](images/gallery/{name})"


if __name__ == "__main__":
    sys.exit(main())
