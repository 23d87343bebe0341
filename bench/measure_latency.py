"""From the provider's send of a text delta to its receipt on the front end's side of a real kernel.

The deltas carry their time of sending and come 60 ms apart, so that the batching of text (50 ms) is not what is
measured. Reference: the same, by a bare websockets loop.
"""

from __future__ import annotations

import json
import re

from bench import ours, reference_loop
from bench.core import OURS, THEIRS, Goal, Row, interleaved, one_core, p50, relative, server
from bench.kernel import Heard, Kernel, kernel

STAMP = re.compile(r"@(\d+)@")


def delays_ms(heard: list[Heard]) -> list[float]:
    """The delay of each stamped delta, at the first widget message that holds it."""
    first: dict[int, float] = {}
    for message in heard:
        if message.kind == "comm_msg":
            for stamp in map(int, STAMP.findall(json.dumps(message.content))):
                first.setdefault(stamp, (message.at_ns - stamp) / 1e6)
    return list(first.values())


def sampled(notebook: Kernel, cell: str, count: int) -> float:
    delays = delays_ms(notebook.run(cell))
    if len(delays) < count * 0.9:
        raise RuntimeError(f"only {len(delays)} of {count} deltas came as widget messages")
    return p50(delays)


def run(quick: bool) -> list[Row]:
    count, rounds = (20, 2) if quick else (60, 5)
    model = f"stamped-{count}-60"
    with one_core(), server("bench.firehose") as port, kernel(ours.environment(port)) as notebook:
        notebook.run(reference_loop.SETUP)
        notebook.run(ours.SETUP)
        notebook.run(ours.cell(model))
        samples = interleaved(
            {
                OURS: lambda: sampled(notebook, ours.cell(model), count),
                THEIRS: lambda: sampled(notebook, reference_loop.cell(port, model), count),
            },
            rounds,
        )
    goal = Goal(firm=1.5, stretch=1.15)
    return [relative("delta, provider to front end, p50", "ms", goal, samples, reference_loop.NAME)]
