"""Deltas per second from a socket that never runs dry, through our session to a record and a sink.

Reference: the receive loop of the official SDK, which parses events and leaves audio as base64; ours hands out bytes.
"""

from __future__ import annotations

from functools import partial

from bench import ours, reference_sdk
from bench.core import OURS, THEIRS, Goal, Row, interleaved, relative, server

CASES = {
    "text": ("text deltas", 20_000, Goal(firm=4, stretch=6, higher=True)),
    "audio": ("audio deltas of 100 ms", 5_000, Goal(firm=2, stretch=3, higher=True)),
}


def run(quick: bool) -> list[Row]:
    with server("bench.firehose") as port:
        return [case(port, kind, quick) for kind in CASES]


def case(port: int, kind: str, quick: bool) -> Row:
    title, full, goal = CASES[kind]
    count = full // 4 if quick else full
    contestants = {OURS: partial(ours.deltas_per_second, port, kind, count)}
    if reference_sdk.available():
        contestants[THEIRS] = partial(reference_sdk.deltas_per_second, port, kind, count)
    contestants[OURS]()
    samples = interleaved(contestants, 3 if quick else 7)
    return relative(title, "/s", goal, samples, reference_sdk.name("receive loop"))
