"""Deleting from a terminal and from a notebook, and the setting of the magics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from aigw_notebook import cli, log
from aigw_notebook.log.writer import Writer
from tests.log.making import begun, header, turn


@pytest.fixture(autouse=True)
def two(home: Path) -> None:
    """A session from today, and one that is forty days old."""
    writer = Writer(home / "log.sqlite3")
    for name, days in (("old", 40), ("new", 0)):
        session = begun(writer, header(name, datetime.now(UTC) - timedelta(days=days)))
        turn(session, "hello")
        session.close()
    writer.close()


def left() -> list[str]:
    with log.reader() as reader:
        return [logged.header.session_id for logged in reader.sessions()]


@pytest.mark.parametrize(
    ("arguments", "stay"),
    [(["--older-than", "30"], ["new"]), (["--session", "new"], ["old"]), (["--all"], [])],
)
def test_the_command_deletes(arguments: list[str], stay: list[str], capsys) -> None:
    assert cli.main(["purge", *arguments]) == 0
    assert left() == stay
    assert "deleted from" in capsys.readouterr().out


def test_the_command_names_a_session_that_is_not_there(capsys) -> None:
    assert cli.main(["purge", "--session", "gone"]) == 2
    assert "there is no session 'gone'" in capsys.readouterr().err


@pytest.mark.parametrize(("what", "stay"), [("30", ["new"]), ("new", ["old"]), ("0", [])])
def test_the_magic_deletes(shell: InteractiveShell, what: str, stay: list[str], capsys) -> None:
    shell.run_line_magic("aigw", f"purge {what}")
    assert left() == stay and "Deleted from the log" in capsys.readouterr().out


def test_the_magic_asks_what_to_delete(shell: InteractiveShell, capsys) -> None:
    shell.run_line_magic("aigw", "purge")
    assert "say what to delete" in capsys.readouterr().err and left() == ["old", "new"]


def test_the_setting_of_the_magics_reaches_the_session(shell: InteractiveShell, capsys) -> None:
    shell.run_line_magic("aigw", "config log=off")
    shell.run_cell_magic("aigw", "openai --no-audio", "Count to three.")
    shell.run_line_magic("aigw", "close")
    assert left() == ["old", "new"]
    shell.run_line_magic("aigw", "config log=on")
    shell.run_cell_magic("aigw", "openai --no-audio --new", "Count to three.")
    shell.run_line_magic("aigw", "close")
    assert len(left()) == 3
