"""Processes that are killed, and processes that share the file: no turn that was seen to end is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aigw_notebook import log
from aigw_notebook.log.writer import Writer
from tests.source import ROOT

pytestmark = pytest.mark.processes

TALKER = Path(__file__).with_name("talker.py")
KILLED = 50
SEED = 20261122


def talker(*arguments: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, str(TALKER), *map(str, arguments)], env=environment)


def seen(folder: Path) -> list[tuple[str, int, str]]:
    """Session, number and text of every turn whose end a process saw."""
    lines = [line for path in folder.glob("said-*.txt") for line in path.read_text().splitlines(keepends=True)]
    found = [line.rstrip("\n").split("\t") for line in lines if line.endswith("\n")]
    return [(session, int(number), text) for session, number, text in found]


def told(reader: log.LogReader, status: str = "completed") -> set[tuple[str, int, str]]:
    """The same of the turns in the log."""
    rows = [row for row in reader.records() if row["role"] == "assistant" and row["status"] == status]
    return {(row["session_id"], row["turn"], row["text"]) for row in rows}


def test_killed_at_fifty_moments_no_turn_that_ended_is_lost(tmp_path: Path) -> None:
    assert talker(tmp_path, SEED, KILLED).wait(100.0) == 0
    turns = 0
    for number in range(KILLED):
        folder = tmp_path / str(number)
        path = folder / "log.sqlite3"
        ended = seen(folder)
        turns += len(ended)
        if not path.exists():
            assert not ended
            continue
        with log.LogReader(path) as reader:
            assert set(ended) <= told(reader)
            for logged in reader.sessions():
                transcript = reader.recording(logged.header.session_id).transcript()
                rows = {(row["turn"], row["seq"]): row for row in transcript.records}
                kept = [row for row in reader.records() if row["turn"] in {turn for _, turn, _ in ended}]
                assert [rows[row["turn"], row["seq"]] for row in kept] == kept
    assert turns > KILLED


def test_the_next_process_puts_a_killed_session_in_order(tmp_path: Path) -> None:
    assert talker(tmp_path, SEED + 1, 5).wait(60.0) == 0
    folder = max((tmp_path / str(number) for number in range(5)), key=lambda folder: len(seen(folder)))
    path = folder / "log.sqlite3"
    with log.LogReader(path) as reader:
        (before,) = reader.sessions()
        lines = reader.lines(before.header.session_id)
        assert before.state == "open"
    writer = Writer(path)
    while writer._nap_s() is not None:
        writer._thread.join(0.02)
    writer.close()
    with log.LogReader(path) as reader:
        (after,) = reader.sessions()
        assert after.state == "packed" and after.header == before.header
        assert reader.lines(before.header.session_id) == lines
        assert set(seen(folder)) <= told(reader)
        assert len(told(reader, "lost")) <= 1
        assert all(row["status"] != "running" for row in reader.records() if row["turn"])


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    both = [talker(tmp_path) for _ in range(2)]
    assert [process.wait(60.0) for process in both] == [0, 0]
    with log.LogReader(tmp_path / "log.sqlite3") as reader:
        assert len(reader.sessions()) == 2
        assert len(seen(tmp_path)) == 20 and set(seen(tmp_path)) == told(reader)
        assert all(logged.dropped == 0 for logged in reader.sessions())


@pytest.mark.timeout(240)
def test_an_hour_of_talk_takes_little_memory_and_no_sound_is_lost(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    hour = [sys.executable, str(TALKER.with_name("hour.py")), str(tmp_path), "60"]
    done = subprocess.run(hour, env=environment, capture_output=True, text=True, check=True)
    first, last, wrong, dropped = map(int, done.stdout.split())
    assert last - first < 20_000_000
    assert wrong == dropped == 0
