"""Builds the release and tries it: what is in it, and whether it works where there is nothing else.

    python scripts/check_release.py

It leaves the source distribution and the wheel in build/release/dist. Exit status 0: they can be published; else one
line on standard error says what is wrong with them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pythons import install, make_environment

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
DIST = BUILD / "dist"
TOOLS = ("build==1.6.1", "twine==7.0.0")
EXTRAS = ("pandas", "polars", "arrow", "plot", "flac", "fast", "local")
LEFT_OUT = ("PYTHON", "AIGW_", "CF_", "CLOUDFLARE_")
"""Beginnings of the names of variables that would lead to the source tree, or to a service that costs money."""

PROBE = ROOT / "scripts" / "probe_kernel.py"
EXAMPLE = ROOT / "examples" / "parrot_provider"


class Failed(Exception):
    """The release is not fit to be published; the message is one line that says why."""


@dataclass(frozen=True)
class Probe:
    """A cell, and what has to be true of what it published; `why` tells the person who reads of a failure."""

    cell: str
    holds: Callable[[dict[str, Any]], bool]
    why: str


def says(text: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a cell showed this text."""
    return lambda published: text in published["text"]


def opens_the_panel(published: dict[str, Any]) -> bool:
    """Whether a widget was sent to the page with its script and its style, not with their paths."""
    sent = [(state.get("_esm", ""), state.get("_css", "")) for state in published["widgets"]]
    return any("export default" in script and "{" in style for script, style in sent)


PROBES = (
    Probe("%load_ext aigw_notebook", lambda published: not published["text"], "the extension prints something"),
    Probe(
        "import sys, aigw_notebook as aigw; print(aigw.__file__.startswith(sys.prefix))",
        says("True"),
        "the package was not taken from the environment",
    ),
    Probe(
        "from importlib.util import find_spec; print([find_spec(n) for n in ('tests', 'bench', 'scripts', 'docs')])",
        says("[None, None, None, None]"),
        "something beside the package was installed",
    ),
    Probe("%%aigw openai\nWhat is 6 times 7?", says("42"), "the embedded gateway did not answer"),
    Probe("_.cost", says("at the list price"), "the table of prices is not there"),
    Probe("%%aigw openai\nHow do I save the transcript?", says("dataframe"), "the questions and answers are not there"),
    Probe("aigw.ChatPanel('openai')", opens_the_panel, "the panel's script or style is not there"),
)
"""What holds in any environment in which the wheel is installed."""

SPOKEN = Probe("%%aigw openai\nCount from 1 to 3", says("<audio"), "the voice of the extra `local` did not speak")
PARROT = Probe("%%aigw parrot\nPolly wants a cracker", says("Polly wants a cracker"), "the example is not found")


def tell(step: str, text: str) -> None:
    """One line of what was found."""
    print(f"{step:10} {text}", flush=True)


def run(*command: str | Path, **options: Any) -> str:
    """What a command wrote to standard output; `Failed` with its last line if it failed."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        print(done.stdout + done.stderr, file=sys.stderr)
        raise Failed(f"{' '.join(map(str, command[:4]))} ended with {done.returncode}: {lines[-1]}")
    return done.stdout


def make_tools() -> Path:
    """The interpreter of the environment that builds and checks, which is kept from run to run."""
    python = BUILD / "tools" / "bin" / "python"
    stamp = BUILD / "tools" / f".{'-'.join(TOOLS)}"
    if not stamp.exists():
        make_environment(Path(sys.executable), BUILD / "tools", *TOOLS)
        stamp.touch()
    return python


def build(tools: Path) -> Path:
    """The wheel; it is built from the source distribution, which lies beside it."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(tools, "-m", "build", "--outdir", DIST, ROOT)
    made = sorted(path.name for path in DIST.iterdir())
    if len(made) != 2:
        raise Failed(f"not a wheel and a source distribution, but {', '.join(made)}")
    tell("build", ", ".join(f"{name} ({(DIST / name).stat().st_size / 1000:.0f} kB)" for name in made))
    return next(DIST.glob("*.whl"))


def check_contents() -> None:
    """Hold these two files to the tests of what is shipped."""
    these = {**os.environ, "DISTRIBUTIONS": str(DIST)}
    said = run(sys.executable, "-m", "pytest", "tests/test_packaging.py", cwd=ROOT, env=these)
    tell("contents", said.strip().splitlines()[-1].strip("= "))


def check_metadata(tools: Path) -> None:
    """Hold them to what the package index asks for."""
    run(tools, "-m", "twine", "--no-color", "check", "--strict", *sorted(DIST.iterdir()))
    tell("twine", "the index would take both")


def try_out(name: str, wheel: Path, extras: Sequence[str], probes: Sequence[Probe], *more: str) -> None:
    """Install the wheel into an empty environment, and run the probes in a kernel away from the source tree."""
    python = make_environment(Path(sys.executable), BUILD / name)
    install(python, f"{wheel}[{','.join(extras)}]" if extras else str(wheel), "ipykernel")
    if more:
        install(python, *more)
    with TemporaryDirectory(prefix="aigw-") as away:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
        places = {"AIGW_NOTEBOOK_HOME": away, "IPYTHONDIR": away, "JUPYTER_DATA_DIR": away}
        cells = json.dumps([probe.cell for probe in probes])
        answer = run(python, "-P", PROBE, input=cells, cwd=away, env={**kept, **places})
    for probe, published in zip(probes, json.loads(answer.splitlines()[-1]), strict=True):
        if published["errors"] or not probe.holds(published):
            first = [*published["errors"], published["text"][:200]][0]
            raise Failed(f"with {name}, {probe.why}: {probe.cell!r} gave {first!r}")
    run(python.parent / "aigw-notebook", "doctor", cwd=BUILD)
    tell(name, f"{len(probes)} cells in a kernel of its own, %load_ext first")


def check() -> None:
    """All of it, in order."""
    tools = make_tools()
    wheel = build(tools)
    check_contents()
    check_metadata(tools)
    try_out("bare", wheel, (), PROBES)
    try_out("extras", wheel, EXTRAS, [*PROBES, SPOKEN, PARROT], "--no-deps", str(EXAMPLE))


def main() -> int:
    """Run the check; the exit status."""
    try:
        check()
    except Failed as error:
        print(f"release-check: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"release-check: {' '.join(map(str, error.cmd[:6]))} ended with {error.returncode}", file=sys.stderr)
        return 1
    tell("dist", f"fit to be published: {DIST.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
