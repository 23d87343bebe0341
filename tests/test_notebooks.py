"""Every notebook is stored clean and runs from top to bottom without a key; the demo tells the truth."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEMO = ROOT / "scripts" / "demo.py"

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@by_name
def test_a_notebook_is_stored_clean(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
    assert notebook.cells[0].source.startswith("# ")
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata


def run_demo(out: Path, notebook: Path) -> subprocess.CompletedProcess[str]:
    places = {"IPYTHONDIR": str(out / "ipython"), "JUPYTER_RUNTIME_DIR": str(out / "runtime")}
    command = [sys.executable, DEMO, "--notebook", notebook, "--out", out / "made"]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, env={**os.environ, **places})


@pytest.mark.kernel
def test_the_demo_runs_the_quickstart_and_keeps_what_came_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_GATEWAY_URL", "ws://127.0.0.1:9/v1/costs/money")
    done = run_demo(tmp_path, ROOT / "notebooks" / "01_quickstart.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no key, no cost" in done.stdout
    assert "\nThe capital of Portugal is Lisbon. Visit it for" in done.stdout
    assert done.stdout.count("The capital of Portugal is Lisbon. Visit it for") == 2  # the answer, and its row
    assert '{"city":"Lisbon"}' in done.stdout
    made = tmp_path / "made"
    notebook = read(made / "01_quickstart.ipynb")
    assert_answers(notebook)
    assert (made / "01_quickstart.html").read_text(encoding="utf-8").count("<audio") >= 5
    with wave.open(str(made / "turn.wav")) as sound:
        assert sound.getnframes() / sound.getframerate() > 5


def assert_answers(notebook: Any) -> None:
    """Each question has one text and one player, and nothing that needs a kernel or a widget manager."""
    asked = [cell for cell in notebook.cells if cell.source.startswith("%%aigw")]
    assert len(asked) == 4
    for cell in asked:
        kinds = [sorted(output.data) for output in cell.outputs if "data" in output]
        assert kinds == [["text/markdown", "text/plain"], ["text/html", "text/plain"]]
    assert "widgets" not in notebook.metadata


@pytest.mark.kernel
@by_name
def test_a_notebook_runs_without_a_key(path: Path, tmp_path: Path) -> None:
    from nbclient import NotebookClient

    notebook = read(path)
    place = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=100, store_widget_state=False, resources=place)
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        (["%load_ext aigw_notebook", "1 / 0", "1"], "demo: a cell failed: ZeroDivisionError: division by zero\n"),
        (
            ["%load_ext aigw_notebook", "%%aigw openai --no-audio\nCount from 1 to 2", "1"],
            "demo: no answer was spoken\n",
        ),
    ],
    ids=["a cell fails", "no voice"],
)
def test_the_demo_says_in_one_line_what_went_wrong(tmp_path: Path, cells: list[str], complaint: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    done = run_demo(tmp_path, tmp_path / "broken.ipynb")
    assert (done.returncode, done.stderr) == (1, complaint)


def test_the_demo_says_when_there_is_no_notebook(tmp_path: Path) -> None:
    done = run_demo(tmp_path, tmp_path / "gone.ipynb")
    assert done.returncode == 1
    assert done.stderr.startswith("demo: ")
    assert done.stderr.count("\n") == 1
