"""Notebooks for tests, made from the sources of their cells. nbformat comes when it is needed: it takes a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["cell_of", "notebook_of", "read_notebook", "write_notebook"]

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def cell_of(source: str, *outputs: Mapping[str, Any], count: int | None = None) -> Any:
    """A code cell, with those outputs as they are in a file."""
    from nbformat import from_dict, v4

    return v4.new_code_cell(source, outputs=[from_dict(output) for output in outputs], execution_count=count)


def notebook_of(*cells: Any) -> Any:
    """A notebook of code cells; a text is the source of one."""
    from nbformat import v4

    made = [cell_of(cell) if isinstance(cell, str) else cell for cell in cells]
    return v4.new_notebook(cells=made, metadata=KERNEL)


def write_notebook(folder: Path, name: str, *sources: str) -> Path:
    """The file of a notebook with those cells."""
    import nbformat

    nbformat.write(notebook_of(*sources), folder / name)
    return folder / name


def read_notebook(path: Path) -> Any:
    """A notebook as it is in its file."""
    import nbformat

    return nbformat.read(path, as_version=4)
