"""The Python interpreters of this machine, by version."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["VERSIONS", "find", "install", "make_environment"]

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
"""What is looked for: all that the project supports, and the next one."""

TOLD = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def find(version: str) -> Path | None:
    """An interpreter of this version ("3.12") that can make environments, or None."""
    return next((path for path in _candidates(version) if _told(path) == version), None)


def make_environment(interpreter: Path, folder: Path, *packages: str) -> Path:
    """The interpreter of a fresh environment in `folder` with these packages, installed at the working directory."""
    subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    if packages:
        install(python, *packages)
    return python


def install(python: Path, *packages: str, cwd: Path | None = None) -> None:
    """Install packages, or what other arguments of pip say, into the environment of `python`."""
    quiet = ["-qq", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, *packages], check=True, cwd=cwd)


def _candidates(version: str) -> Iterator[Path]:
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
    managed = {
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions": f"{version}.*/bin/python",
        Path.home() / ".local" / "share" / "uv" / "python": f"cpython-{version}.*/bin/python{version}",
    }
    for folder, pattern in managed.items():
        yield from sorted(folder.glob(pattern), reverse=True)


def _told(path: Path) -> str | None:
    """The version that an interpreter tells; None where it does not run or lacks what an environment takes."""
    if shutil.which(path) is None:
        return None
    done = subprocess.run([path, "-c", TOLD], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
