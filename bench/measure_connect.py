"""From connecting to the provider's first word, `session.created`, decoded. Reference: the official SDK, one client.

Loop is compared with loop, and the blocking face with the SDK's blocking client; the blocking face is timed until the
session is configured and ready, which the SDK leaves to its user.
"""

from __future__ import annotations

from bench import ours, reference_sdk
from bench.core import OURS, THEIRS, Goal, Row, interleaved, one_core, p50, relative, server


def run(quick: bool) -> list[Row]:
    times, rounds = (20, 3) if quick else (60, 7)
    with one_core(), server("bench.firehose") as port:
        contestants = {OURS: lambda: p50(ours.connect_times_ms(port, times))}
        blocking = {OURS: lambda: p50(ours.blocking_connect_times_ms(port, times))}
        if reference_sdk.available():
            contestants[THEIRS] = lambda: p50(reference_sdk.connect_times_ms(port, times))
            blocking[THEIRS] = lambda: p50(reference_sdk.blocking_connect_times_ms(port, times))
        samples, blocking_samples = interleaved(contestants, rounds), interleaved(blocking, rounds)
    name = reference_sdk.name("connect")
    goal = Goal(firm=0.7, stretch=0.5)
    return [
        relative("connect until session.created, p50", "ms", goal, samples, name),
        relative("blocking connect until ready, p50", "ms", Goal(firm=1.0), blocking_samples, name),
    ]
