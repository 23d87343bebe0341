"""A file that cannot be written never harms a session: it goes on in memory, and one line says what to do."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from aigw_notebook import connect, log
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.log import schema
from aigw_notebook.log.file import LogFile, connected
from aigw_notebook.log.writer import Writer, writer_of
from tests.log.making import begun, file_bytes, header, turn, written

LATER = len(schema.MIGRATIONS) + 6


def corrupt(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, and never was one\n" * 200)


def from_the_future(path: Path) -> None:
    connected(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {LATER}")
    db.close()


def a_folder(path: Path) -> None:
    path.mkdir(parents=True)


def a_file_for_a_folder(path: Path) -> None:
    path.parent.write_text("in the way")


TROUBLES: dict[str, tuple[Callable[[Path], None], str]] = {
    "corrupt": (corrupt, "move it away"),
    "future": (from_the_future, rf"written by a newer aigw-notebook \(format {LATER}.*upgrade"),
    "folder": (a_folder, "set AIGW_NOTEBOOK_HOME to another folder"),
    "file for a folder": (a_file_for_a_folder, "its folder is a file; move that away"),
}


@pytest.mark.sessions
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_session_goes_on_in_memory(trouble: str, home: Path, gateway: LocalGateway, caplog) -> None:
    spoil, sentence = TROUBLES[trouble]
    spoil(home / "log.sqlite3")
    with caplog.at_level(logging.WARNING), connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count to three.")
        session.ask("Count to four.")
    assert session.recording().transcript().records == session.records
    assert session.log.mode == "memory" and session.log.dropped == 0
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1 and warnings == [session.log.warning]
    assert re.search(sentence, warnings[0])


def test_a_file_of_a_later_version_is_left_as_it_is_and_not_read(home: Path) -> None:
    path = home / "log.sqlite3"
    from_the_future(path)
    before = file_bytes(home)
    turn(begun(writer_of(path)), "hello")
    assert file_bytes(home) == before
    with pytest.raises(ConfigurationError, match="upgrade aigw-notebook"):
        log.LogReader(path)
    with pytest.raises(ConfigurationError, match="upgrade aigw-notebook"):
        log.purge(older_than=0)


def test_a_file_that_cannot_be_read_is_named(home: Path) -> None:
    corrupt(home / "log.sqlite3")
    with pytest.raises(ConfigurationError, match=r"log.sqlite3 cannot be read.*move it away"):
        log.reader()


def test_a_truncated_file_costs_no_line_of_the_session(home: Path) -> None:
    path = home / "log.sqlite3"
    writer = Writer(path)
    turn(begun(writer), "hello")
    writer.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    writer = Writer(path)
    session = begun(writer, header("s2"))
    turn(session, "hello again")
    assert session.in_memory and [line.value for line in session.lines() if line.kind == "said"] == ["hello again"]
    writer.close()


def test_a_full_disk_loses_nothing(home: Path, caplog) -> None:
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    turn(session, "the first")
    assert writer._file is not None
    used = writer._file.db.execute("PRAGMA page_count").fetchone()[0]
    writer._file.db.execute(f"PRAGMA max_page_count = {used}")
    for number in range(300):
        session.add(float(number), "said", f"{number} " + "words " * 200)
    written(session)
    turn(session, "the last")
    said = [line.value for line in session.lines() if line.kind == "said"]
    assert said[0] == "the first" and said[-1] == "the last"
    assert [text.split()[0] for text in said[1:-1]] == [str(number) for number in range(300)]
    assert session.in_memory and session.dropped == 0
    assert caplog.text.count("the disk is full; make room") == 1
    writer.close()


def test_a_file_that_another_holds_for_a_while_is_waited_for(home: Path) -> None:
    path = home / "log.sqlite3"
    other = connected(path)
    other.execute("BEGIN IMMEDIATE")
    writer = Writer(path)
    session = begun(writer)
    session.add(0.0, "said", "patience")
    kept = session.kept()
    other.execute("ROLLBACK")
    other.close()
    kept.result(10.0)
    assert not session.in_memory and [line.value for line in session.lines()] == ["patience"]
    writer.close()


def test_a_file_that_another_never_lets_go_of_is_done_without(home: Path, caplog) -> None:
    path = home / "log.sqlite3"
    other = connected(path)
    other.execute("BEGIN IMMEDIATE")
    writer = Writer(path, patience_s=0.0)
    session = begun(writer)
    session.add(0.0, "said", "patience")
    written(session)
    assert session.in_memory and [line.value for line in session.lines()] == ["patience"]
    assert caplog.text.count("another program holds it; close that one") == 1
    other.close()
    writer.close()


def test_a_read_only_file_is_done_without(home: Path, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect
    connected(home / "log.sqlite3").close()
    monkeypatch.setattr(  # the user who runs the tests may be one whom no mode of a file stops
        "aigw_notebook.log.file.sqlite3.connect",
        lambda path, **options: real(f"file:{path}?mode=ro", uri=True, **options),
    )
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    turn(session, "hello")
    assert session.in_memory and [line.value for line in session.lines() if line.kind == "said"] == ["hello"]
    assert caplog.text.count("it is read-only; make it writable") == 1
    writer.close()


@pytest.mark.sessions
def test_the_next_session_tries_the_file_anew(home: Path, gateway: LocalGateway) -> None:
    corrupt(home / "log.sqlite3")
    with connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count to three.")
    assert session.log.mode == "memory"
    (home / "log.sqlite3").unlink()
    with connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count to three.")
    assert session.log.mode == "on"


def test_a_fault_of_the_writer_costs_no_line(home: Path, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigw_notebook.log.file.store", lambda *args, **kwargs: 1 / 0)
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    turn(session, "hello")
    assert session.in_memory and [line.value for line in session.lines() if line.kind == "said"] == ["hello"]
    assert "ZeroDivisionError: please report it" in caplog.text
    writer.close()


# -------------------------------------------------------------------------------------------------------- migrations


def test_an_old_file_is_brought_to_the_new_format(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "log.sqlite3"
    writer = Writer(path)
    turn(begun(writer), "from before")
    writer.close()
    monkeypatch.setattr(
        schema, "MIGRATIONS", [*schema.MIGRATIONS, lambda db: db.execute("ALTER TABLE sessions ADD COLUMN mood TEXT")]
    )
    writer = Writer(path)
    turn(begun(writer, header("s2")), "from after")
    writer.close()
    with log.LogReader(path) as reader:
        assert [row["text"] for row in reader.records()] == ["from before", "from after"]


def test_a_migration_that_fails_changes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "log.sqlite3"
    connected(path).close()

    def half(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE records")
        db.execute("this is no SQL")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, half])
        with pytest.raises(sqlite3.OperationalError):
            LogFile(path)
    with log.LogReader(path) as reader:
        assert reader.records() == []


@pytest.mark.sessions
def test_the_first_migration_makes_the_format_that_was_published() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    schema.prepare(db)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"sessions", "lines", "blobs", "packed", "records", "words"} <= tables
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(schema.MIGRATIONS) == 1
    db.close()


def test_only_the_user_may_read_the_file(home: Path) -> None:
    connected(home / "log.sqlite3").close()
    if os.name == "posix":
        assert (home / "log.sqlite3").stat().st_mode & 0o077 == 0
    assert (home / "log.sqlite3").exists()
