"""Bytes on the kernel's output channel for one answer of 2,000 deltas, one a millisecond, 12 kB of text in all.

The goal is an absolute one: bytes do not depend on the machine. A display update per delta takes 14 MB.
"""

from __future__ import annotations

from bench import ours
from bench.core import Goal, Row, absolute, server
from bench.kernel import kernel

DELTAS = 2_000
GOAL = Goal(firm=0.24, stretch=0.08)


def run(quick: bool) -> list[Row]:
    with server("bench.firehose") as port:
        return [heard(port, view=True, title="live view"), heard(port, view=False, title="no widgets")]


def heard(port: int, *, view: bool, title: str) -> Row:
    with kernel(ours.environment(port), view=view) as notebook:
        notebook.run(ours.SETUP)
        notebook.run(ours.cell("words-10-1"))
        messages = notebook.run(ours.cell(f"words-{DELTAS}-1"))
    megabytes = sum(message.size for message in messages) / 1e6
    return absolute(f"front-end bytes, 2,000 deltas, {title}", "MB", GOAL, megabytes, f"{len(messages)} messages")
