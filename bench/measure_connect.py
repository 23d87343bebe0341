"""From connecting to the provider's first word, `session.created`, decoded. Reference: the official SDK, one client."""

from __future__ import annotations

from bench import ours, reference_sdk
from bench.core import OURS, THEIRS, Goal, Row, interleaved, one_core, p50, relative, server


def run(quick: bool) -> list[Row]:
    times, rounds = (20, 3) if quick else (60, 7)
    with one_core(), server("bench.firehose") as port:
        contestants = {OURS: lambda: p50(ours.connect_times_ms(port, times))}
        if reference_sdk.available():
            contestants[THEIRS] = lambda: p50(reference_sdk.connect_times_ms(port, times))
        samples = interleaved(contestants, rounds)
    goal = Goal(firm=0.7, stretch=0.5)
    note = "ours has sent its configuration by then, the SDK nothing"
    name = reference_sdk.name("connect")
    return [relative("connect until session.created, p50", "ms", goal, samples, name, note)]
