"""The folder binder/ agrees with the project; what it does in an environment of its own is for `make binder-check`."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.notebook_files import cell_of, notebook_of, write_notebook

ROOT = Path(__file__).resolve().parent.parent
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BADGE = re.compile(r"https://mybinder\.org/v2/gh/([\w-]+/[\w-]+)/(\w+)\?urlpath=lab/tree/([\w/.]+)")
SCRIPTS = ("check", "postBuild", "start")


def requirements() -> list[str]:
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def package_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]


# ------------------------------------------------------------------------------------------------------------ files


def test_the_python_is_one_that_the_project_supports() -> None:
    version = (BINDER / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_the_project_is_installed_with_extras_that_exist() -> None:
    own = [line for line in requirements() if line.startswith(".")]
    assert own == [".[local]"]
    assert "local" in PROJECT["optional-dependencies"]


def test_what_is_required_besides_is_bounded_as_in_the_project() -> None:
    declared = {each for extra in PROJECT["optional-dependencies"].values() for each in extra}
    assert [line for line in requirements() if not line.startswith(".") and line not in declared] == []


def imported(path: Path) -> set[str]:
    """The top-level modules that a notebook imports, but for those it looks for first; magics are left out."""
    read = json.loads(path.read_text(encoding="utf-8"))["cells"]
    cells = ["".join(cell["source"]) for cell in read if cell["cell_type"] == "code"]
    plain = [re.sub(r"(?m)^(\w+ = )?[%!].*", "", cell) for cell in cells if not cell.startswith("%%")]
    nodes = [node for cell in plain for node in ast.walk(ast.parse(cell))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    looked_for = {name for cell in plain for name in re.findall(r"find_spec\(\"(\w+)\"\)", cell)}
    return {name.partition(".")[0] for name in names} - looked_for


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_whatever_a_notebook_imports_is_installed(path: Path) -> None:
    brought = {package_of(each).lower() for each in [*PROJECT["dependencies"], *requirements()]}
    known = {*sys.stdlib_module_names, "aigw_notebook", "ipython", *(name.replace("-", "_") for name in brought)}
    assert {name for name in imported(path) if name.lower() not in known} == set()


def test_the_imports_of_a_notebook_are_found(tmp_path: Path) -> None:
    sources = [
        "%load_ext a\nimport json\nrows = %aigw records",
        "%%aigw openai\nimport this",
        "from pandas.io import x",
        'from importlib.util import find_spec\nif find_spec("duckdb"):\n    import duckdb',
    ]
    assert imported(write_notebook(tmp_path, "n.ipynb", *sources)) == {"importlib", "json", "pandas"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_can_be_run_and_read(name: str) -> None:
    assert os.access(BINDER / name, os.X_OK)
    assert subprocess.run(["bash", "-n", BINDER / name], capture_output=True, text=True).stderr == ""


def test_start_becomes_the_command_that_it_is_given() -> None:
    told = "import os, sys; print(os.getpid(), os.environ['MALLOC_ARENA_MAX'], sys.argv[1:])"
    command = [BINDER / "start", sys.executable, "-c", told, "two words", "$HOME"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=30)
    assert said == f"{process.pid} 2 ['two words', '$HOME']\n"


def test_every_badge_opens_a_notebook_of_this_repository() -> None:
    documents = [*ROOT.glob("*.md"), BINDER / "README.md"]
    badges = [badge for path in documents for badge in BADGE.findall(path.read_text(encoding="utf-8"))]
    assert "notebooks/01_quickstart.ipynb" in {path for _, _, path in badges}
    for repository, branch, path in badges:
        assert PROJECT["urls"]["Repository"] == f"https://github.com/{repository}"
        assert branch == "main" and (ROOT / path) in NOTEBOOKS


# -------------------------------------------------------------------------------------------------------- the check


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/check_binder.py, which is a script and in no package."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("check_binder")


DOCKERFILE = """\
COPY build_script_files/environment-2epy-2d3-2e12-2dlinux-2d64-2elock-ea1760 /tmp/env/environment.lock
RUN apt-get install --yes --no-install-recommends flite && \\
RUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"
RUN ./binder/postBuild
ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"
"""


def repo2docker_that_says(text: str, folder: Path) -> Path:
    """An environment whose repo2docker prints this."""
    (folder / "bin").mkdir(parents=True)
    tool = folder / "bin" / "jupyter-repo2docker"
    tool.write_text(f"#!{sys.executable}\nprint({text!r})\n", encoding="utf-8")
    tool.chmod(0o755)
    return folder


@pytest.fixture
def tree(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This repository in place of the copy that the check makes of it."""
    monkeypatch.setattr(check, "TREE", ROOT)
    return ROOT


def test_a_folder_that_is_read_as_meant_passes(check: ModuleType, tree: Path, tmp_path: Path) -> None:
    check.read_by_repo2docker(repo2docker_that_says(DOCKERFILE, tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("3-2e12", "3-2e10", "the Python in runtime.txt"),
        ("flite", "less", "apt.txt"),
        ('-r "binder/requirements.txt"', ".", "requirements.txt"),
        ("./binder/postBuild", "./postBuild", "postBuild"),
        ("/binder/start", "/start", "start"),
        ("RUN ./binder", "RUN pip install .\nRUN ./binder", "beside binder/requirements.txt"),
    ],
)
def test_a_folder_that_is_read_otherwise_fails(
    check: ModuleType, tree: Path, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in DOCKERFILE
    with pytest.raises(check.Failed, match=complaint):
        check.read_by_repo2docker(repo2docker_that_says(DOCKERFILE.replace(old, new), tmp_path))


def test_a_version_of_the_base_that_is_gone_fails(check: ModuleType) -> None:
    installed = {"nbformat": version("nbformat")}
    check.check_base(Path(sys.executable), installed)
    with pytest.raises(check.Failed, match=r"nbformat 0\.1 to \d"):
        check.check_base(Path(sys.executable), {"nbformat": "0.1"})


def notebook_with(*outputs: Any, count: int | None = 1, source: str = "%%aigw openai\nHello") -> Any:
    return notebook_of(cell_of(source, *outputs, count=count))


PLAYER = {"output_type": "display_data", "data": {"text/html": "<audio controls></audio>"}, "metadata": {}}
GONE = {"output_type": "error", "ename": "E", "evalue": "gone", "traceback": []}
COMPLAINT = {"output_type": "stream", "name": "stderr", "text": "a\nb\n"}


def test_a_notebook_that_spoke_passes(check: ModuleType) -> None:
    path = Path("a.ipynb")
    assert check.check_outputs(path, notebook_with(PLAYER, PLAYER), samples=0) == 2
    assert check.check_outputs(path, notebook_with(), samples=4_800) == 0
    assert check.check_outputs(path, notebook_with(source="panel.ask('Hello')"), samples=0) == 0


@pytest.mark.parametrize(
    ("outputs", "count", "complaint"),
    [
        ([PLAYER, GONE], 1, "failed: E: gone"),
        ([PLAYER, COMPLAINT], 1, "complained: b"),
        ([PLAYER], None, "not all cells"),
        ([], 1, "without a sound"),
    ],
)
def test_a_notebook_that_did_not_do_its_job_fails(
    check: ModuleType, outputs: list[Any], count: int | None, complaint: str
) -> None:
    with pytest.raises(check.Failed, match=complaint):
        check.check_outputs(Path("a.ipynb"), notebook_with(*outputs, count=count), samples=0)


def test_too_much_memory_fails(check: ModuleType) -> None:
    assert check.check_memory("a", check.Memory(server=124.0, kernels=900.0)) == "1024 MB (server 124, kernel 900)"
    with pytest.raises(check.Failed, match="a took 1025 MB"):
        check.check_memory("a", check.Memory(server=125.0, kernels=900.0))


def test_the_memory_kept_is_that_of_the_fullest_moment(check: ModuleType) -> None:
    memory = check.Memory()
    memory.take(check.psutil.Process())
    first = memory.total
    memory.server, memory.kernels = 0.0, 10 * first
    memory.take(check.psutil.Process())
    assert first > 1 and memory.total == 10 * first
