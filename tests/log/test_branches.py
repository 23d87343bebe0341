"""The tree of branches: from the log, from sessions that nothing is written of, and from a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import aigw_notebook as aigw
from aigw_notebook import branches
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.log.writer import Writer, writer_of
from aigw_notebook.recorded import Recorded
from aigw_notebook.recording import Recording
from tests.log.making import NOON, begun, header, turn


def logged(writer: Writer, name: str, parent: str | None = None, at: int | None = None, *, turns: int = 1) -> None:
    """A session in the log that was branched off another one, and is over."""
    minutes = timedelta(minutes=int(name[1:]))
    session = begun(writer, replace(header(name, NOON + minutes), parent=parent, parent_turn=at))
    for number in range(turns):
        turn(session, f"question {number}")
    session.close()


@pytest.fixture
def family(home: Path) -> None:
    """s1 with two branches, one of which has another; s9 stands alone; s7's parent is gone."""
    writer = writer_of(home / "log.sqlite3")
    logged(writer, "s1", turns=3)
    logged(writer, "s4", "s1", 2)
    logged(writer, "s2", "s1", 1)
    logged(writer, "s3", "s2", 1, turns=0)
    logged(writer, "s9")
    logged(writer, "s7", "s6", 5)


@pytest.fixture
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No session of another test is found that has not been collected yet."""
    monkeypatch.setattr(branches, "living", list)


DRAWN = """\
s1  openai some-model, 2026-03-01 12:01, 3 turns
├─ after turn 1: s2  openai some-model, 2026-03-01 12:02, 1 turn{two}
│  └─ after turn 1: s3  openai some-model, 2026-03-01 12:03, 0 turns
└─ after turn 2: s4  openai some-model, 2026-03-01 12:04, 1 turn"""


@pytest.mark.usefixtures("family")
def test_the_tree_of_a_session_is_that_of_all_its_relatives() -> None:
    tree = aigw.tree("s2")
    assert str(tree) == DRAWN.format(two="  ← this one")
    assert [(row["session_id"], row["parent"], row["at_turn"]) for row in tree] == [
        ("s1", None, None), ("s2", "s1", 1), ("s3", "s2", 1), ("s4", "s1", 2),
    ]  # fmt: skip
    shown = tree._repr_mimebundle_()
    assert shown["text/plain"] == str(tree) and "└─ after turn 2: s4" in shown["text/html"]


@pytest.mark.usefixtures("family", "nobody_else")
def test_all_trees_leave_out_who_has_no_relative() -> None:
    tree = aigw.tree()
    assert [row["session_id"] for row in tree] == ["s1", "s2", "s3", "s4", "s7"]
    assert DRAWN.format(two="") in str(tree) and "after turn 5: s7" in str(tree)


@pytest.mark.usefixtures("family")
def test_a_tree_is_a_frame() -> None:
    frame = aigw.tree("s4").to_pandas()
    assert list(frame.columns) == ["session_id", "parent", "at_turn", "provider", "model", "started_at", "turns"]
    assert list(frame["turns"]) == [3, 1, 0, 1]
    assert str(frame["started_at"][0]) == "2026-03-01 12:01:00+00:00"


def test_sessions_that_nothing_is_written_of_are_found_while_they_are_held(home: Path, gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, log="memory") as session:
        session.ask("My name is Ada.")
        with session.fork(gateway=gateway, provider="google", quiet=True, log="off") as branch:
            branch.ask("What is my name?")
            tree = aigw.tree(session)
    assert [(row["session_id"], row["provider"], row["turns"]) for row in tree] == [
        (session.session_id, "openai", 1),
        (branch.session_id, "google", 1),
    ]
    assert tree.records[1]["parent"] == session.session_id and tree.records[1]["at_turn"] == 1


@pytest.mark.usefixtures("family")
def test_a_recording_that_is_in_no_log_belongs_to_the_tree_of_its_parent() -> None:
    recorded = Recorded(Recording(header=replace(header("s8"), parent="s4", parent_turn=1), lines=[]))
    assert [row["session_id"] for row in aigw.tree(recorded)] == ["s1", "s2", "s3", "s4", "s8"]


@pytest.mark.usefixtures("family")
def test_a_session_that_is_nowhere_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no session 'gone'.*aigw\.transcripts"):
        aigw.tree("gone")


@pytest.mark.usefixtures("nobody_else")
def test_without_any_branch_the_tree_is_empty(home: Path) -> None:
    tree = aigw.tree()
    assert (len(tree), str(tree)) == (0, "no session was branched off another one")
    assert list(tree.table) == []


def test_a_log_that_goes_in_a_circle_ends(home: Path) -> None:
    writer = writer_of(home / "log.sqlite3")
    logged(writer, "s1", "s2", 1)
    logged(writer, "s2", "s1", 1)
    assert sorted(row["session_id"] for row in aigw.tree("s1")) == ["s1", "s2"]
