"""From connecting to the provider's first word, `session.created`, decoded. Reference: the official SDK, one client."""

from __future__ import annotations

from bench import ours, reference_sdk
from bench.core import Goal, Row, interleaved, p50, server


def run(quick: bool) -> list[Row]:
    times, rounds = (20, 3) if quick else (60, 7)
    with server("bench.firehose") as port:
        contestants = {"ours": lambda: p50(ours.connect_times_ms(port, times))}
        if reference_sdk.available():
            contestants["theirs"] = lambda: p50(reference_sdk.connect_times_ms(port, times))
        figures = interleaved(contestants, rounds)
    row = Row(
        measure="connect until session.created, p50",
        unit="ms",
        ours=figures["ours"],
        goal=Goal(firm=0.7, stretch=0.5),
        reference_name=reference_sdk.name("connect"),
        reference=figures.get("theirs"),
    )
    return [row]
