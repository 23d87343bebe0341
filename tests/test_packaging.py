"""What is shipped: the wheel and the source distribution hold what they must and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest

import aigw_notebook

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STRAY = ("tests/", "bench/", "notebooks/", "scripts/", "binder/", ".ci/", ".venv", "__pycache__", ".ipynb", ".env")


NEEDED = (
    "aigw_notebook/py.typed",
    "aigw_notebook/prices.json",
    "aigw_notebook/gateway/engines/faq.json",
    "aigw_notebook/pages/static/page.css",
    "aigw_notebook/pages/static/page.js",
    "aigw_notebook/widgets/static/chat.css",
    "aigw_notebook/widgets/static/chat.js",
    "aigw_notebook/widgets/static/live.css",
    "aigw_notebook/widgets/static/live.js",
    "aigw_notebook/widgets/static/player_worklet.js",
    "aigw_notebook/widgets/static/recorder_worklet.js",
)
"""What no import would miss, and a user would."""

DOCUMENTS = {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions: `DISTRIBUTIONS`, else built from the working tree by the declared backend."""
    if named := os.environ.get("DISTRIBUTIONS"):
        return Path(named)
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(dist.glob("*.whl")))


@pytest.fixture(scope="module")
def wheel_names(wheel: zipfile.ZipFile) -> list[str]:
    return wheel.namelist()


@pytest.fixture(scope="module")
def sdist_names(dist: Path) -> list[str]:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        return [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]


def shipped() -> list[str]:
    """Every file of the package in the tree: the modules, the marker of types, the front end's scripts and styles."""
    files = (ROOT / "aigw_notebook").rglob("*")
    return [p.relative_to(ROOT).as_posix() for p in files if p.is_file() and "__pycache__" not in p.parts]


@pytest.mark.processes
def test_the_wheel_holds_the_package_whole(wheel_names: list[str]) -> None:
    assert sorted(shipped()) == sorted(name for name in wheel_names if ".dist-info/" not in name)


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_no_module_is_shipped_too(name: str, wheel_names: list[str], sdist_names: list[str]) -> None:
    assert name in wheel_names and name in sdist_names


def test_the_source_distribution_can_be_built_from(sdist_names: list[str]) -> None:
    assert set(shipped()) <= set(sdist_names)
    assert {"pyproject.toml", "PKG-INFO", *DOCUMENTS} <= set(sdist_names)


@pytest.mark.parametrize("stray", STRAY)
def test_nothing_stray_is_shipped(stray: str, wheel_names: list[str], sdist_names: list[str]) -> None:
    assert [name for name in [*wheel_names, *sdist_names] if name.startswith(stray) or f"/{stray}" in name] == []


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    about = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
    text = wheel.read(about).decode()
    assert f"Version: {aigw_notebook.__version__}" in text
    assert "License-Expression: BSD-3-Clause" in text
    assert "Requires-Python: >=3.11" in text


def test_the_command_and_the_provider_group_are_declared(wheel: zipfile.ZipFile) -> None:
    points = wheel.read(next(name for name in wheel.namelist() if name.endswith("/entry_points.txt"))).decode()
    assert "aigw-notebook = aigw_notebook.cli:main" in points


def test_every_dependency_is_explained() -> None:
    """Each package that is declared, extras too, has a line in docs/dependencies.md."""
    declared = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
    names = {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0] for requirement in declared}
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names - {"aigw-notebook"}) if f"`{name}`" not in text] == []
