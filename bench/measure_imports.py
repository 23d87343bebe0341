"""Import and %load_ext, each in a fresh interpreter.

Reference: `%load_ext jupyter_ai_magic_commands`, the notebook chat magics most people know.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from bench.core import ROOT, Goal, Row, absent, installed, interleaved

PACKAGE, PINNED = "jupyter-ai-magic-commands", "0.0.4"

IMPORT = """
import time
start = time.perf_counter()
import aigw_notebook
print((time.perf_counter() - start) * 1000)
"""

LOAD = """
import logging, sys, time, warnings
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
start = time.perf_counter()
shell.run_line_magic("load_ext", {name!r})
took = (time.perf_counter() - start) * 1000
assert {name!r} in shell.extension_manager.loaded, "not loaded"
print()
print(took)
"""


def fresh(code: str) -> float:
    """The last line that the code prints, a number of ms, run in its own interpreter."""
    environment = {**os.environ, "IPYTHONDIR": str(ROOT / "build" / "ipython")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout.split()[-1])


def run(quick: bool) -> list[Row]:
    reference = installed(PACKAGE, PINNED)
    contestants = {"import": partial(fresh, IMPORT), "ours": partial(fresh, LOAD.format(name="aigw_notebook"))}
    if reference:
        contestants["theirs"] = partial(fresh, LOAD.format(name="jupyter_ai_magic_commands"))
    figures = interleaved(contestants, 3 if quick else 7)
    return [
        Row(measure="import aigw_notebook (ms)", unit="ms", ours=figures["import"], goal=Goal(firm=40)),
        Row(measure="%load_ext (ms)", unit="ms", ours=figures["ours"], goal=Goal(firm=64, stretch=25)),
        Row(
            measure="%load_ext",
            unit="ms",
            ours=figures["ours"],
            goal=Goal(firm=0.03, stretch=0.012),
            reference_name=f"%load_ext of {reference}" if reference else absent(PACKAGE, PINNED),
            reference=figures.get("theirs"),
        ),
    ]
