"""What is told and done around a release: citation, versions, commands in the documents, and the scripts for it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import aigw_notebook as aigw
from aigw_notebook.cli import COMMANDS
from aigw_notebook.lines import Line
from tests import wire

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE)
SHELL = re.compile(r"^```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TESTS = ".venv/bin/python -m pytest "


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a file of scripts/, which are in no package."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module


def commands(*names: str) -> list[str]:
    """The lines of the shell blocks of these documents, without their comments."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in names]
    lines = [line for text in texts for block in SHELL.findall(text) for line in block.splitlines()]
    return [line.split(" #")[0].strip() for line in lines]


def citation() -> dict[str, str]:
    """The fields of CITATION.cff that stand on one line."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+): (.+)$", text, re.MULTILINE))


# -------------------------------------------------------------------------------------------------------- documents


def test_the_citation_is_that_of_this_version() -> None:
    cited = citation()
    assert cited["version"] == aigw.__version__
    assert (cited["title"], cited["license"]) == (PROJECT["name"], PROJECT["license"])
    assert cited["repository-code"] == PROJECT["urls"]["Repository"]


def test_every_address_of_the_project_is_in_its_repository() -> None:
    assert [url for url in PROJECT["urls"].values() if not url.startswith(PROJECT["urls"]["Repository"])] == []


def test_every_target_of_the_makefile_is_told_and_can_be_made() -> None:
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    told = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert set(TARGETS) - told == {"help", "clean"}
    for name in TARGETS:
        done = subprocess.run(["make", "-n", name], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_every_command_for_contributors_is_tried_somewhere() -> None:
    """Targets above, tests and wire files below; `make release-check` installs the example."""
    tried = {*(f"make {name}" for name in TARGETS), "binder/check", "pip install ./examples/parrot_provider"}
    tried.add(".venv/bin/python scripts/wire_lines.py counted.aigw")
    found = commands("CONTRIBUTING.md", "SECURITY.md", "binder/README.md")
    assert [line for line in found if line not in tried and not line.startswith(TESTS)] == []
    assert {"make release-check", "make binder-check", "make test-all", "binder/check"} <= set(found)


@pytest.mark.processes
@pytest.mark.parametrize("command", [line for line in commands("CONTRIBUTING.md") if line.startswith(TESTS)])
def test_a_command_for_a_part_of_the_tests_finds_tests(command: str) -> None:
    chosen = shlex.split(command.removeprefix(TESTS))
    run = [sys.executable, "-m", "pytest", "--collect-only", "-q", *chosen]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2_000:]
    assert int(re.findall(r"(\d+)(?:/\d+)? tests", done.stdout)[-1]) > 1


def test_the_commands_that_reports_ask_for_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`aigw-notebook (\w+)`", text)) == {"doctor"} <= set(COMMANDS)
    assert "`aigw-notebook --version`" in text
    assert "private vulnerability reporting" in text and not re.search(r"\w@\w", text)


def test_every_supported_python_is_looked_for(script: Callable[[str], ModuleType]) -> None:
    told = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert set(told) <= set(script("pythons").VERSIONS)


# ------------------------------------------------------------------------------------------------------ interpreters


def make_command(path: Path, said: str, status: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {said}\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def pythons(script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/pythons.py on a machine whose interpreters are all below `tmp_path`."""
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return script("pythons")


def test_an_interpreter_is_taken_that_runs_and_is_of_that_version(pythons: ModuleType, tmp_path: Path) -> None:
    make_command(tmp_path / "shims" / "python3.97", "pyenv: python3.97: command not found", 127)
    make_command(tmp_path / "shims" / "python3.98", "3.8")
    for patch in ("3.97.1", "3.97.2"):
        make_command(tmp_path / "pyenv" / "versions" / patch / "bin" / "python", "3.97")
    assert pythons.find("3.97") == tmp_path / "pyenv" / "versions" / "3.97.2" / "bin" / "python"
    assert pythons.find("3.98") is None
    assert pythons.find("3.99") is None


def test_a_version_that_is_missing_is_told_and_a_fault_only_if_it_was_asked_for(
    pythons: ModuleType, script: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    each = script("each_python")
    assert each.main(["--part", "unit=not kernel"]) == 0
    assert capsys.readouterr().out.count("not found on this machine") == len(pythons.VERSIONS)
    assert each.main(["3.99", "--part", "unit=not kernel"]) == 1
    assert "Python 3.99  not found on this machine" in capsys.readouterr().out


def test_each_part_is_run_and_its_outcome_told(
    script: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    each = script("each_python")
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\necho "== $5 tests in 1 s =="\nexit $4\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(each, "find", lambda version: python)
    monkeypatch.setattr(each, "environment", lambda version, interpreter: interpreter)
    run = ["3.12", "--part", "unit=0", "--part", "kernel=1"]
    assert each.main([*run, "--pytest", "7 -x"]) == 1
    *_, first, second = capsys.readouterr().out.splitlines()
    assert (first, second) == ("Python 3.12  unit: 7 tests in 1 s", "Python 3.12  kernel: 7 tests in 1 s")
    assert each.main([*run[:3], "--pytest=7"]) == 0
    assert each.main(["3.12", "--part", "unit=5", "--pytest=-k nothing"]) == 0
    assert each.main(["3.12", "--part", "unit=5"]) == 1


# -------------------------------------------------------------------------------------------------------- wire files


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A session with the embedded gateway, saved."""
    with aigw.LocalGateway() as gateway, aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count from 1 to 3")
        session.save(tmp_path / "counted.aigw")
    return tmp_path / "counted.aigw"


def test_the_messages_of_a_recording_are_lines_of_a_wire_file(
    script: Callable[[str], ModuleType], recorded: Path
) -> None:
    visit = aigw.load(recorded)
    messages = [line for line in visit.lines if line.kind in ("received", "sent")]
    found = [wire.Line(**json.loads(line)) for line in script("wire_lines").wire_lines(visit.lines)]
    assert [line.dir for line in found] == ["<" if line.kind == "received" else ">" for line in messages]
    kinds = [line.message["type"] for line in found]
    assert kinds == [json.loads(line.value)["type"] for line in messages]
    spoken = [line.message["delta"] for line in found if line.message["type"] == "response.output_audio.delta"]
    assert spoken and {len(delta) for delta in spoken} == {16}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("hello", {"dir": "<", "text": "hello"}),
        ("[1]", {"dir": "<", "text": "[1]"}),
        (bytes(600), {"dir": "<", "binary": "AAAAAAAAAAAAAAAA"}),
        ('{"a": ["é", 2]}', {"dir": "<", "message": {"a": ["é", 2]}}),
    ],
)
def test_each_kind_of_message_has_its_key(
    script: Callable[[str], ModuleType], value: str | bytes, line: dict[str, object]
) -> None:
    lines = [Line(1.0, "turn", {"turn": 1}), Line(2.0, "received", value)]
    assert [json.loads(each) for each in script("wire_lines").wire_lines(lines)] == [line]


def test_what_an_emulator_said_is_no_source(
    script: Callable[[str], ModuleType], recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = script("wire_lines")
    assert tool.main([str(recorded)]) == 1
    assert "this is no provider's word" in capsys.readouterr().err
    visit = aigw.load(recorded).recording()
    live = dataclasses.replace(visit, header=dataclasses.replace(visit.header, where="OpenAI Realtime, gateway x"))
    assert tool.refusal(aigw.Recorded(live)) == ""


def test_the_tool_says_what_it_wants(script: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]) -> None:
    assert script("wire_lines").main([]) == 2
    assert script("wire_lines").main(["gone.aigw"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "give one recording" in first and "gone.aigw" in second


# ------------------------------------------------------------------------------------------------------- the release


def test_the_panels_script_has_to_arrive_itself(script: Callable[[str], ModuleType]) -> None:
    opens = script("check_release").opens_the_panel
    state = {"_esm": "…; export default { render };", "_css": ".aigw-chat { color: red }"}
    assert opens({"widgets": [{}, state]})
    assert not opens({"widgets": [{**state, "_esm": "static/chat.js"}]})
    assert not opens({"widgets": []})


def test_the_extras_that_are_tried_are_all_that_a_user_has(script: Callable[[str], ModuleType]) -> None:
    for_work = {"bench", "demo", "docs", "lab", "test"}
    others = {"local-stt"}  # 400 MB, and covered by the tests of speech
    assert {*script("check_release").EXTRAS} == PROJECT["optional-dependencies"].keys() - for_work - others


@pytest.mark.kernel
def test_the_probe_tells_what_cells_published(script: Callable[[str], ModuleType]) -> None:
    cells = ["print('a')\n'b'", "1 / 0", "import ipywidgets; ipywidgets.Label('c')"]
    first, second, third = script("probe_kernel").run_cells(cells)
    assert (first["text"], first["errors"], first["widgets"]) == ("a\n'b'", [], [])
    assert second["errors"] == ["ZeroDivisionError: division by zero"]
    assert "c" in [state.get("value") for state in third["widgets"]]
