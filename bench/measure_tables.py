"""100,000 records as a frame of pandas, each road in a fresh interpreter, libraries loaded before the clock starts.

Reference: `pandas.DataFrame(list_of_dataclasses)` of the same values, the way most would write it. Ours begins with a
table, which holds columns, and, for the whole way, with the list of dicts that `session.records` is.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.core import OURS, ROOT, THEIRS, Goal, Row, installed, interleaved, relative

RECORDS = 100_000
PINNED = "3.1.1"


def records() -> list[dict[str, Any]]:
    """Rows of a long session: questions and answers of a few words, waits and tokens."""
    from aigw_notebook.events import ResponseDone, ResponseStarted, TextDelta, Usage
    from aigw_notebook.transcript import Transcript

    told = Transcript(session_id="s1", provider="acme", model="m1")
    for n in range(500):
        at, name = 100.0 * n, f"r{n}"
        turn = told.start_turn(at)
        told.user_said(f"question number {n}", at)
        told.receive(ResponseStarted(response_id=name), at + 10)
        told.receive(TextDelta(text=f"answer number {n} in a few words", response_id=name, item_id=f"i{n}"), at + 20)
        usage = Usage(input_text_tokens=n, output_text_tokens=7)
        told.receive(ResponseDone(response_id=name, usage=usage), at + 30)
        told.finish_turn(turn, "completed", at + 31)
    once = told.records
    return [dict(row) for _ in range(RECORDS // len(once)) for row in once]


def roads(road: str, rows: list[dict[str, Any]]) -> Callable[[], Any]:
    """What is to be measured, with all it begins with made before."""
    import pandas as pd

    from aigw_notebook.tables import SCHEMAS, Table

    schema = SCHEMAS["turns"]
    if road == "dataclasses":
        from dataclasses import make_dataclass

        record = make_dataclass("Record", schema.names, slots=True, frozen=True)
        made = [record(**row) for row in rows]
        return lambda: pd.DataFrame(made)
    if road == "table":
        return Table.of(schema, rows).to_pandas
    return lambda: Table.of(schema, rows).to_pandas()


def main(road: str) -> None:
    """Print the ms that one frame takes and the MiB that the process grows by, at most, meanwhile."""
    import gc
    import time

    rows = records()
    roads(road, rows[:10])()
    make = roads(road, rows)
    gc.collect()
    reset_peak()
    before, start = memory("VmRSS"), time.perf_counter()
    frame = make()
    took_ms = (time.perf_counter() - start) * 1000
    assert len(frame) == RECORDS
    print(took_ms, memory("VmHWM") - before)


def reset_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123 - a file of the kernel
        file.write("5")


def memory(name: str) -> float:
    """A figure of the kernel about this process, in MiB."""
    with open("/proc/self/status") as file:  # noqa: PTH123 - a file of the kernel
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))


def fresh(road: str) -> tuple[float, float]:
    code = f"from bench.measure_tables import main; main({road!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    took_ms, mib = map(float, done.stdout.split())
    return took_ms, mib


def run(quick: bool) -> list[Row]:
    if not sys.platform.startswith("linux"):
        return []  # memory is asked of the Linux kernel
    kept: dict[str, list[float]] = {road: [] for road in ROADS}

    def sample(road: str) -> float:
        took_ms, mib = fresh(road)
        kept[road].append(mib)
        return took_ms

    took = interleaved({road: partial(sample, road) for road in ROADS}, 2 if quick else 5)
    reference = f"DataFrame(list_of_dataclasses), {installed('pandas', PINNED)}"
    rows = []
    for road, title in (("table", "from a table"), ("rows", "from rows")):
        for samples, unit, goal, what in ((took, "ms", TIME, "time"), (kept, "MiB", MEMORY, "memory")):
            both = {OURS: samples[road], THEIRS: samples["dataclasses"]}
            rows.append(relative(f"to_pandas of 100,000 records {title}: {what}", unit, goal, both, reference))
    return rows


ROADS = ("dataclasses", "table", "rows")
TIME = Goal(firm=0.15, stretch=0.08)
MEMORY = Goal(firm=0.6, stretch=0.4)
