"""What the durable log costs the thread that the session lives on, for each event.

Reference: `json.dumps` of the same event's plain form, the least that writing it there and then would cost. Only that
thread's own time counts; the writing is done by another.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.events import AnyEvent, AudioDelta, ResponseDone, TextDelta, Usage
from aigw_notebook.events.plain import to_plain
from aigw_notebook.log import SessionLog, writer_of
from aigw_notebook.recording import Header
from aigw_notebook.transcript import Transcript
from bench.core import OURS, THEIRS, Goal, Row, interleaved, relative

GOAL = Goal(firm=2, stretch=1.5)
EVENTS: tuple[AnyEvent, ...] = (
    TextDelta(text="a few words", item_id="item_0123456789", response_id="resp_0123456789"),
    TextDelta(text=" and more", item_id="item_0123456789", response_id="resp_0123456789"),
    ResponseDone(response_id="resp_0123456789", status="completed", usage=Usage(input_text_tokens=9)),
)
SOUND = AudioDelta(data=bytes(4_800), format=PCM16_24K, item_id="item_0123456789", response_id="resp_0123456789")
BURST = 500
"""Events between two waits for the writer, so that its bounds are not what is measured."""


def run(quick: bool) -> list[Row]:
    rounds = 5 if quick else 15
    with TemporaryDirectory() as folder:
        writer = writer_of(Path(folder) / "log.sqlite3")
        session = _session(writer)
        contestants = {OURS: partial(_add_us, session, EVENTS), THEIRS: partial(_dumps_us, EVENTS)}
        contestants[OURS]()
        samples = interleaved(contestants, rounds)
        sound_us = sorted(_add_us(session, (SOUND,)) for _ in range(rounds))[rounds // 2]
        writer.close()
    note = f"with 0.1 s of sound {sound_us:.2g} µs"
    return [relative("an event into the log", "µs", GOAL, samples, "json.dumps of it", note)]


def _session(writer: object) -> SessionLog:
    started = datetime.now(UTC)
    log = SessionLog(writer)  # type: ignore[arg-type]
    transcript = Transcript(session_id="bench", provider="none", model=None, started_at=started, log=log)
    log.begin(transcript, Header(session_id="bench", provider="none", started_at=started))
    return log


def _add_us(log: SessionLog, events: tuple[AnyEvent, ...]) -> float:
    count = BURST // len(events)
    start = time.thread_time()
    for number in range(count):
        for event in events:
            log.add(float(number), "event", event)
    took = time.thread_time() - start
    kept = log.kept()
    if kept is not None:
        kept.result(30.0)
    return took * 1e6 / (count * len(events))


def _dumps_us(events: tuple[AnyEvent, ...]) -> float:
    plain = [to_plain(event) for event in events]
    count = BURST // len(events)
    start = time.thread_time()
    for _ in range(count):
        for value in plain:
            json.dumps(value)
    return (time.thread_time() - start) * 1e6 / (count * len(events))
