"""A session of the log file whose lines are gone in part, at either end or in between, packed or not, is still told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from aigw_notebook import transcripts
from aigw_notebook.log import LogReader, packing
from aigw_notebook.log.file import LogFile
from aigw_notebook.log.writer import Writer
from tests.log.making import begun, turn


def three_turns(home: Path) -> Path:
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    for question in ("one", "two", "three"):
        turn(session, question)
    session.close()
    writer.close()
    return writer.path


def cut(path: Path, where: str) -> None:
    db = sqlite3.connect(path)
    db.execute(f"DELETE FROM lines WHERE {where}")
    db.commit()
    db.close()


def packed(path: Path) -> None:
    file = LogFile(path)
    while packing.pack_some(file, 1):
        pass
    file.close()


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(
    ("where", "numbers", "said"),
    [
        ("seq <= 1", [1, 2, 3], ["one", "two", "three"]),
        ("seq <= 2", [1, 2, 3], ["two", "three"]),
        ("seq <= 5", [2, 3], ["three"]),
        ("seq BETWEEN 4 AND 4", [1, 2, 3], ["one", "two", "three"]),
        ("seq > 5", [1, 2], ["one", "two"]),
    ],
)
def test_what_is_left_of_a_session_is_told(
    home: Path, where: str, numbers: list[int], said: list[str], *, pack: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = three_turns(home)
    cut(path, where)
    if pack:
        packed(path)
    with LogReader(path) as reader:
        recording = reader.recording("s1")
    transcript = recording.transcript()
    assert [turn.number for turn in transcript.turns] == numbers
    rows = [row for row in transcript.records if row["role"] == "user"]
    assert [row["text"] for row in rows] == said
    assert all(row["turn"] in numbers for row in rows)
    seams = [row["text"] for row in transcript.records if row["kind"] == "seam"]
    assert len(seams) == (recording.dropped > 0)
    assert len(transcripts(session="s1").tables.latency) == len(numbers)


def test_a_line_whose_sound_is_gone_is_passed_over(home: Path) -> None:
    path = three_turns(home)
    db = sqlite3.connect(path)
    voice = ("voice", "plain", '[{"$blob": "nowhere"}, ["pcm16", 24000]]')
    db.execute("UPDATE lines SET kind = ?, form = ?, body = ? WHERE seq = 2", voice)
    db.commit()
    db.close()
    with LogReader(path) as reader:
        recording = reader.recording("s1")
    assert (len(recording.lines), recording.dropped) == (8, 1)
    assert [turn.user_text for turn in recording.transcript().turns] == [None, "two", "three"]
