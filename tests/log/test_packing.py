"""A session that is over is packed, piece by piece, and tells the same as before."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
from pathlib import Path

import pytest

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.events import AudioDelta
from aigw_notebook.lines import Line
from aigw_notebook.log import LogReader, packing
from aigw_notebook.log.file import LogFile, owner
from aigw_notebook.log.writer import Writer
from tests.log.making import add, begun, header, turn


def speech(count: int) -> list[Line]:
    """Messages with sound, and the events they became."""
    noise = random.Random(7)
    pieces = [noise.randbytes(3_000) for _ in range(count)]
    message = [json.dumps({"type": "delta", "delta": base64.b64encode(piece).decode()}) for piece in pieces]
    return [
        line
        for piece, text in zip(pieces, message, strict=True)
        for line in (
            Line(1.0, "received", text),
            Line(1.0, "event", AudioDelta(data=piece, format=PCM16_24K, item_id="i")),
        )
    ]


def packed(path: Path, piece: int | None = None) -> int:
    """Pack everything in the file that can be; in how many pieces the first session is."""
    file = LogFile(path)
    for number in packing.left_over(file.db):
        while packing.pack_some(file, number):
            pass
    count: int = file.db.execute("SELECT count(*) FROM packed WHERE session = 1").fetchone()[0]
    left = file.db.execute("SELECT (SELECT count(*) FROM lines) + (SELECT count(*) FROM blobs)").fetchone()[0]
    file.close()
    assert left == 0
    return count


def test_a_packed_session_has_the_same_lines(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PIECE_BYTES", 40_000)
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    turn(session, "hello")
    lines = speech(40)
    add(session, lines)
    session.close()
    writer.close()
    assert packed(writer.path) > 3
    with LogReader(writer.path) as reader:
        assert [logged.state for logged in reader.sessions()] == ["packed"]
        assert reader.lines("s1")[-len(lines) :] == lines
        assert reader.lines("s1", first=10, last=12) == reader.lines("s1")[9:12]
        assert reader.recording("s1").transcript().records == reader.records()


def test_packing_may_be_broken_off_anywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PIECE_BYTES", 20_000)
    monkeypatch.setattr(packing, "BLOBS_AT_ONCE", 5)
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    lines = speech(20)
    add(session, lines)
    session.close()
    writer.close()
    more = True
    while more:
        file = LogFile(writer.path)
        more = packing.pack_some(file, 1)
        file.close()
        with LogReader(writer.path) as reader:
            assert reader.lines("s1") == lines


def test_a_line_of_a_later_version_keeps_its_session_from_being_packed(home: Path) -> None:
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    add(session, [Line(1.0, "said", "before"), Line(2.0, "said", "after")])
    session.close()
    writer.close()
    file = LogFile(writer.path)
    file.db.execute("INSERT INTO lines VALUES (1, 3, 3.0, 'event', 'plain', '{\"type\": \"FromTheFuture\"}', NULL, 0)")
    assert not packing.pack_some(file, 1)
    assert file.db.execute("SELECT count(*) FROM lines").fetchone()[0] == 3
    file.close()
    with LogReader(writer.path) as reader:
        assert [line.value for line in reader.lines("s1")] == ["before", "after"]
        assert [logged.state for logged in reader.sessions()] == ["unpacked"]


@pytest.mark.parametrize(
    ("whose", "running"),
    [
        (owner(), True),
        (f"{socket.gethostname()}:{os.getpid()}:another", False),
        (f"{socket.gethostname()}:{2**22 + 5}:gone", False),
        ("another-machine:1:there", True),
    ],
    ids=["this process", "another with its number", "one that is gone", "another machine's"],
)
def test_a_session_belongs_to_its_process(whose: str, running: bool) -> None:
    assert packing.is_running(whose) is running


def test_sessions_that_are_open_are_not_packed(home: Path) -> None:
    writer = Writer(home / "log.sqlite3")
    for name in ("s1", "s2"):
        turn(begun(writer, header(name)), "hello")
    writer._logs[1].close()
    writer.flush(5.0)
    writer.close()
    with LogReader(writer.path) as reader:
        assert reader.sessions()[0].state == "open"
    file = LogFile(writer.path)
    assert 1 not in packing.left_over(file.db)
    file.close()
