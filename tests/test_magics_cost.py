"""Money where a user of `%%aigw` looks: `%aigw status`, and the limit of a conversation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from aigw_notebook.gateway import LocalGateway

pytestmark = pytest.mark.sessions

Run = Callable[[str], tuple[Any, str, str]]


@pytest.fixture
def shell(gateway: LocalGateway, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """A shell whose cells ask that gateway as one that nobody knows to be an emulator: it costs the list price."""
    monkeypatch.setenv("AIGW_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("CF_AIG_TOKEN", gateway.token)
    return shell


@pytest.fixture
def run(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a cell; gives its value, what it printed and its complaints."""

    def run_cell(source: str) -> tuple[Any, str, str]:
        capsys.readouterr()
        result = shell.run_cell(source)
        out, err = capsys.readouterr()
        assert result.success, out + err
        return result.result, out, err

    return run_cell


def test_a_cell_ends_with_its_answer_and_no_price(run: Run) -> None:
    turn, out, _ = run("%%aigw openai --no-audio\nCount to three.")
    assert turn.cost.usd > 0 and turn.text in out and "$" not in out


def test_status_says_what_a_session_has_cost(run: Run) -> None:
    turn, _, _ = run("%%aigw openai --no-audio\nhello")
    assert run("%aigw status")[0].rows[0]["cost"] == str(turn.cost)
    assert re.fullmatch(r"\$0\.\d{4}", str(turn.cost))
    turn, _, _ = run("%%aigw openai --no-audio --max-cost 2\nhello")
    assert run("%aigw status")[0].rows[0]["cost"] == f"{turn.cost}, at most $2.00"
    run("%%aigw fal\nA boat.")
    assert run("%aigw status")[0].rows[1]["cost"] is None, "its price is not known"


def test_status_of_the_embedded_gateway_says_no_cost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIGW_GATEWAY_URL", "CF_AIG_TOKEN"):
        monkeypatch.delenv(name)
    _, out, _ = run("%%aigw openai --no-audio\nCount to three.")
    assert out.splitlines()[0].endswith("no cost)") and "$" not in out
    assert run("%aigw status")[0].rows[0]["cost"] == "no cost"


def test_the_limit_of_a_cell_ends_its_conversation_until_another_is_asked_for(
    run: Run, shell: InteractiveShell
) -> None:
    turn, out, err = run("%%aigw openai --no-audio --max-cost 0.0001\nMy name is Ana.")
    assert turn.status == "completed" and turn.text in out
    assert re.fullmatch(r"aigw: the session has cost \S+, more than its max_cost of \S+; --new begins .*\n", err)
    for cell in ("%%aigw openai\nWhat is my name?", "%%aigw openai --voice cedar\nWhat is my name?"):
        again, out, err = run(cell)
        assert (again, out) == (None, "") and err.startswith("aigw: the session has cost") and "--new" in err
    turn, out, err = run("%%aigw openai --max-cost 3\nWhat is my name?")
    assert (turn.number, err) == (1, "") and "A new conversation begins" in out
    assert shell.magics_manager.registry["AigwMagics"].slots.use().session.core.spending.max_cost == 3.0
    run("%%aigw openai --new --max-cost 0.0001\nhello")
    assert run("%%aigw openai --new\nhello")[2] == ""


def test_a_limit_that_cannot_be_kept_is_refused_in_the_cell(run: Run) -> None:
    turn, out, err = run("%%aigw fal --max-cost 1\nA boat.")
    assert (turn, out) == (None, "") and err.startswith("aigw: max_cost cannot be kept: the price of fal")
    assert "argument --max-cost: invalid float" in run("%%aigw openai --max-cost much\nhello")[2]
