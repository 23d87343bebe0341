"""Runs tests on each Python that is found here, every one in an environment of its own.

    python scripts/each_python.py [3.12 …] [--part NAME=MARKS …] [--pytest "-k stop"]

The environments are kept in build/pythons. A version that is not here is told at the end, and is a fault only if it
was asked for. Exit status 0: every part passed on every Python that was found.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pythons import VERSIONS, find, install, make_environment

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "build" / "pythons"

NO_TESTS = 5
"""pytest's exit status where it found none: no fault of a part when options narrow it down."""


def environment(version: str, interpreter: Path) -> Path:
    """The interpreter of this version's environment; it is made anew when pyproject.toml has changed since."""
    folder = ENVIRONMENTS / version
    stamp = folder / ".stamp-test"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        print(f"Python {version}: installing the test tools (once) …", flush=True)
        python = make_environment(interpreter, folder)
        install(python, "-e", ".[test]", cwd=ROOT)
        stamp.touch()
    return folder / "bin" / "python"


def run_part(python: Path, marks: str, more: Sequence[str]) -> tuple[bool, str]:
    """Whether the tests with these marks passed, and the last line that pytest wrote."""
    command = [python, "-m", "pytest", "-m", marks, *more]
    kept = {**os.environ, "PYTHONPATH": str(ROOT)}
    last = ""
    with subprocess.Popen(command, cwd=ROOT, env=kept, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip(" =\n") or last
    return process.returncode == 0 or (bool(more) and process.returncode == NO_TESTS), last


def outcomes(version: str, parts: Sequence[str], more: Sequence[str], wanted: bool) -> Iterator[tuple[bool, str]]:
    """One (good, line) for each part of the tests on this version."""
    interpreter = find(version)
    if interpreter is None:
        yield not wanted, "not found on this machine"
        return
    try:
        python = environment(version, interpreter)
    except subprocess.CalledProcessError:
        yield False, "the test tools could not be installed"
        return
    for part in parts:
        name, _, marks = part.partition("=")
        print(f"Python {version}: {name}", flush=True)
        good, last = run_part(python, marks, more)
        yield good, f"{name}: {last}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts on all versions; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("versions", nargs="*", default=[], metavar="3.12", help="default: each that is found")
    parser.add_argument("--part", action="append", default=[], metavar="NAME=MARKS", help="tests by their marks")
    parser.add_argument("--pytest", default="", metavar="OPTIONS", help="more options for pytest")
    chosen = parser.parse_args(arguments)
    # A shell makes what it starts in the background deaf to Interrupt, and some tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = {
        version: list(outcomes(version, chosen.part, shlex.split(chosen.pytest), version in chosen.versions))
        for version in chosen.versions or VERSIONS
    }
    print("\n" + "\n".join(f"Python {version:5} {line}" for version, lines in found.items() for _, line in lines))
    return 0 if all(good for lines in found.values() for good, _ in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
