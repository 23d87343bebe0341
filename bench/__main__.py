"""Runs the measures and prints one table. `--only` names measures, `--quick` takes fewer and shorter rounds."""

from __future__ import annotations

import argparse
import os
import platform
import time
from importlib import import_module
from tempfile import TemporaryDirectory

from bench.core import Row, table

MEASURES = {
    "throughput": "deltas per second through a session, to a record and a sink",
    "connect": "from connecting to the provider's first word",
    "imports": "import and %load_ext",
    "log": "an event into the durable log, on the session's thread",
    "emulator": "the embedded emulator against the least that one could be",
    "latency": "from the provider's send to the notebook's front end",
    "speech": "spoken questions: how soon it speaks, and how even two answers at once are",
    "bytes": "bytes sent to the front end for one long answer",
    "tables": "100,000 records as a frame of pandas: time and memory",
    "stored": "bytes of a saved session against those of the wire",
}
"""Name → what it measures; each is the module `bench.measure_<name>` with `run(quick) -> list[Row]`."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, rougher figures")
    return parser.parse_args()


def measure(name: str, quick: bool) -> list[Row]:
    start = time.monotonic()
    print(f"{name}: {MEASURES[name]} …", end=" ", flush=True)
    rows: list[Row] = import_module(f"bench.measure_{name}").run(quick)
    print(f"{time.monotonic() - start:.0f} s", flush=True)
    return rows


def main() -> None:
    chosen = arguments()
    print(f"{platform.platform()}, CPython {platform.python_version()}; ratios are ours to the reference's")
    with TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["AIGW_NOTEBOOK_HOME"] = home  # sessions are logged as usual, and leave nothing behind
        rows = [row for name in chosen.only or MEASURES for row in measure(name, chosen.quick)]
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
