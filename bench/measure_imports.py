"""Import and %load_ext, each in a fresh interpreter.

Reference: `%load_ext jupyter_ai_magic_commands`, the notebook chat magics most people know.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from statistics import median

from bench.core import OURS, ROOT, THEIRS, Goal, Row, absent, absolute, installed, interleaved, relative

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
    contestants = {"import": partial(fresh, IMPORT), OURS: partial(fresh, LOAD.format(name="aigw_notebook"))}
    if reference:
        contestants[THEIRS] = partial(fresh, LOAD.format(name="jupyter_ai_magic_commands"))
    samples = interleaved(contestants, 3 if quick else 7)
    name = f"%load_ext of {reference}" if reference else absent(PACKAGE, PINNED)
    return [
        absolute("import aigw_notebook, ms", "ms", Goal(firm=40), median(samples["import"])),
        absolute("%load_ext, ms", "ms", Goal(firm=64, stretch=25), median(samples[OURS])),
        relative("%load_ext", "ms", Goal(firm=0.03, stretch=0.012), samples, name),
    ]
