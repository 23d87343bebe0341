"""Every notebook is stored clean and runs from top to bottom without a key; the demo tells the truth."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from aigw_notebook.records import COLUMNS
from tests.notebook_files import read_notebook, write_notebook

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEMO = ROOT / "scripts" / "demo.py"
EVERY_PROVIDER = ROOT / "notebooks" / "02_every_provider.ipynb"
AS_DATA = ROOT / "notebooks" / "03_sessions_as_data.ipynb"
REPLAY = ROOT / "notebooks" / "05_record_and_replay.ipynb"

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


Run: TypeAlias = Callable[[Path], Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Executes a notebook in a kernel, in an empty directory, once; gives it with its outputs."""
    finished: dict[Path, Any] = {}

    def execute(path: Path) -> Any:
        from nbclient import NotebookClient
        from nbformat import validate

        if path not in finished:
            notebook = read_notebook(path)
            validate(notebook)
            place = {"metadata": {"path": str(tmp_path_factory.mktemp(path.stem))}}
            options = {"kernel_name": "python3", "timeout": 100, "store_widget_state": False, "resources": place}
            NotebookClient(notebook, **options).execute()
            finished[path] = notebook
        return finished[path]

    return execute


@by_name
def test_a_notebook_is_stored_clean(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]] == []
    assert notebook["cells"][0]["source"][0].startswith("# ")
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]


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
    notebook = read_notebook(made / "01_quickstart.ipynb")
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
def test_a_notebook_runs_without_a_key(path: Path, run: Run) -> None:
    notebook = run(path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def outputs_of(notebook: Any) -> dict[str, list[Any]]:
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def kinds_of(outputs: list[Any]) -> list[list[str]]:
    return [sorted(output.data) for output in outputs if "data" in output]


def shown(output: Any) -> str:
    """The words of a table, without the tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", output.data["text/html"]))


TEXT, PLAYER, PICTURE = ["text/markdown", "text/plain"], ["text/html", "text/plain"], ["image/png", "text/plain"]
QUESTION = "What is the capital of Portugal?"


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("cell", "answer", "kinds"),
    [
        ("openai", "6 × 7 is 42.", [TEXT, PLAYER]),
        ("google", "One, two, three, four, five.", [TEXT, PLAYER]),
        ("elevenlabs", "17 × 23 is 391.", [TEXT, PLAYER]),
        ("memory", "Your name is Ana.", [TEXT, PLAYER]),
        ("cartesia", QUESTION, [TEXT, PLAYER]),
        ("elevenlabs-tts", QUESTION, [TEXT, PLAYER]),
        ("aura", QUESTION, [TEXT, PLAYER]),
        ("nova", QUESTION.lower(), [TEXT]),
        ("flux", QUESTION.lower(), [TEXT]),
        ("deepgram", QUESTION.lower(), [TEXT]),
        ("asked-aloud", "The capital of Portugal is Lisbon.", [TEXT, PLAYER]),
        ("fal", "(1 picture)", [TEXT, PICTURE]),
        ("universal", "9 × 9 is 81.", [TEXT]),
    ],
)
def test_every_provider_does_its_job(run: Run, cell: str, answer: str, kinds: list[list[str]]) -> None:
    outputs = outputs_of(run(EVERY_PROVIDER))[cell]
    assert kinds_of(outputs) == kinds
    assert next(output.data["text/markdown"] for output in outputs if "data" in output).endswith(answer)


@pytest.mark.kernel
def test_every_provider_says_where_it_is_connected_and_all_are_used(run: Run) -> None:
    from aigw_notebook import providers

    notebook = run(EVERY_PROVIDER)
    asked = [cell for cell in notebook.cells if cell.source.startswith("%%aigw")]
    assert {re.split("[ :]", cell.source[7:].splitlines()[0])[0] for cell in asked} == set(providers.names())
    printed = "".join(o.text for cell in asked for o in cell.outputs if o.get("name") == "stdout")
    lines = printed.splitlines()
    assert len(lines) == 11
    assert all(line.endswith("(local emulator, no key, no cost)") for line in lines)
    table = shown(outputs_of(notebook)["providers"][0])
    assert all(name in table for provider in providers.names() for name in providers.forms(provider))


@pytest.mark.kernel
def test_the_sessions_of_all_providers_end_in_one_table(run: Run) -> None:
    from aigw_notebook import providers

    outputs = outputs_of(run(EVERY_PROVIDER))
    rows = shown(outputs["records"][0])
    assert all(name in rows for name in providers.names())
    assert rows.count(QUESTION) == 6
    compared = shown(outputs["compare"][0])
    assert "provider model" in compared and "first_token_ms first_audio_ms total_ms" in compared
    assert re.search(r"elevenlabs NaN \d+\.0 \d+\.0 \d+\.0 cartesia sonic-3.5 \d+\.0 \d+\.0", compared)
    assert re.search(r"fal fal-ai/fast-lcm-diffusion NaN NaN \d+\.0", compared)
    assert "elevenlabs:tts: Lisbon is the capital of Portugal.\n" in "".join(o.text for o in outputs["python"])
    printed, table = outputs["schema"]
    assert re.fullmatch(rf"\d+ rows of 8 more sessions, {len(COLUMNS)} columns in each\n", printed.text)
    sessions = dict(re.findall(r"([a-z-]+) (\d)\b", shown(table)))
    expected = {"openai": "2", "google": "2", "elevenlabs": "4", "cartesia": "2", "workers-ai": "4", "deepgram": "1"}
    assert sessions == {**expected, "fal": "2", "universal": "2"}
    assert outputs["close"][0].text.startswith("Closed: openai, google, elevenlabs, cartesia, elevenlabs:tts, ")


def told(outputs: list[Any]) -> str:
    """What a cell printed, and its last line as plain text."""
    return "".join(o.text if o.output_type == "stream" else o.data["text/plain"] for o in outputs)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("talk", "According to weather: 22 degrees and sunny in Lisbon."),
        ("cut", "closed, 4 turns: OpenAI Realtime, embedded gateway at"),
        ("columns", f"{len(COLUMNS)} columns: session_id turn seq"),
        ("where", "'According to weather: 22 degrees and sunny in Lisbon.'"),
        ("polars", "assistant"),
        ("duckdb", "assistant"),
        ("wav", "2 channels, "),
        ("markdown", "1\\.2 s heard, interrupted*"),
        ("subtitles", "Model: The capital of Portugal is Lisbon."),
        ("page", "(not heard: "),
        ("turn", "(interrupted)"),
        ("timeline", "<Timeline openai gpt-realtime-2.1 · 4 turns"),
        ("plot", "pip install 'aigw-notebook[plot]'"),
        ("cost", "<Cost $0.000000, $0.0"),
        ("log", "lines in tour/log.sqlite3"),
        ("across", "rows of 2 sessions>"),
        ("fork", "Your name is Ana.\nTrue"),
        ("purge", "(3, 0)"),
    ],
)
def test_a_session_is_taken_apart(run: Run, cell: str, words: str) -> None:
    assert words in told(outputs_of(run(AS_DATA))[cell])


@pytest.mark.kernel
def test_the_tables_hold_what_their_cells_promise(run: Run) -> None:
    outputs = outputs_of(run(AS_DATA))
    heard = shown(outputs["heard"][0])
    assert re.search(r"assistant audio interrupted One, two, .* One, two, .* 1200\.0 .*user interruption", heard)
    assert re.search(r"interrupted .* user interruption completed .* session closed", shown(outputs["records"][0]))
    assert re.search(r"output_audio_tokens 0 1 .* 1 2 .* 2 3 .* 3 3 .* 4 4 ", shown(outputs["usage"][0]))
    assert "weather {&quot;city&quot;:&quot;Lisbon&quot;} 22 degrees" in shown(outputs["tools"][0])
    found = shown(outputs["search"][0])
    assert "0 openai 1 assistant audio The capital of Portugal is Lisbon. 1 openai 3 " in found
    assert "response.output_audio.delta" in told(outputs["events"])


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("file", "audio/model-pcm16-24000.flac"),
        ("load-file", "('The capital of Portugal is Lisbon.', <Clip "),
        ("replay", "OpenAI Realtime, replay of visit.aigw at 127.0.0.1:"),
        ("differ", '- "What is the capital of Portugal?"\n+ "What is the capital of Spain?"\n'),
        ("match", "The capital of Portugal is Lisbon.\n[]"),
        ("magic-replay", "replay of count.aigw at "),
        ("first", "2 passed"),
        ("first", "'visit/cassettes/test_guide/test_the_guide_knows_portugal.aigw'"),
        ("second", "2 passed"),
        ("third", '- "What is the capital of Portugal?"\n+ "Name the capital of Portugal."\nrecord the cassette again'),
        ("third", "1 failed, 1 passed, 1 error"),
    ],
)
def test_a_session_is_recorded_and_played(run: Run, cell: str, words: str) -> None:
    assert words in told(outputs_of(run(REPLAY))[cell])


@pytest.mark.kernel
def test_a_replay_gives_what_was_recorded(run: Run) -> None:
    outputs = outputs_of(run(REPLAY))
    assert re.fullmatch(r"True \d+ messages\nTrue <Clip .*>\nno cost\n", told(outputs["same"]))
    recorded, played = ([o.data for o in outputs[name] if "data" in o] for name in ("magic-record", "magic-replay"))
    assert recorded[0] == played[0] and kinds_of(outputs["magic-replay"]) == [TEXT, PLAYER]


@pytest.mark.kernel
def test_a_notebook_that_nobody_watches_can_stop_at_an_error(tmp_path: Path, run: Run) -> None:
    from nbclient.exceptions import CellExecutionError

    cells = ["%load_ext aigw_notebook", "%%aigw openai --audio missing.wav", "%aigw config errors=raise"]
    printed = run(write_notebook(tmp_path, "prints.ipynb", *cells)).cells[1].outputs
    complaint = "cannot read missing.wav: No such file or directory; pass the path of a WAV file"
    assert [output.text for output in printed] == [f"aigw: {complaint}\n"]
    path = write_notebook(tmp_path, "raises.ipynb", cells[0], cells[2], cells[1])
    with pytest.raises(CellExecutionError, match="cannot read missing.wav"):
        run(path)


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
    done = run_demo(tmp_path, write_notebook(tmp_path, "broken.ipynb", *cells))
    assert (done.returncode, done.stderr) == (1, complaint)


def test_the_demo_says_when_there_is_no_notebook(tmp_path: Path) -> None:
    done = run_demo(tmp_path, tmp_path / "gone.ipynb")
    assert done.returncode == 1
    assert done.stderr.startswith("demo: ")
    assert done.stderr.count("\n") == 1
