"""Money in the chat panel: what each answer cost, and a limit that outlives no session but asks before the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.errors import ConfigurationError, SessionEnded
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.widgets.chat import ChatPanel
from tests.widgets.page import Page, paneled, texts

pytestmark = pytest.mark.sessions


@pytest.fixture(autouse=True)
def own_prices() -> Iterator[None]:
    yield
    aigw.prices({})


def costs(panel: ChatPanel) -> list[float | None]:
    """The money below each answer."""
    return [bubble["facts"]["cost_usd"] for bubble in panel.bubbles if bubble.get("facts")]


def settled(panel: ChatPanel, page: Page, answers: int) -> None:
    """Wait until the page has been told the facts of so many answers."""
    page.until(lambda: len(costs(panel)) == answers and json.loads(panel.transcript)["bubbles"] == panel.bubbles)


@pytest.fixture
def paid(gateway: LocalGateway) -> Any:
    """The same gateway as one that nobody knows to be an emulator: its answers cost the list price."""
    return aigw.Gateway.from_url(gateway.url, token=gateway.token)


def test_below_each_answer_stands_what_its_turn_cost(paid: Any) -> None:
    with paneled(paid) as (panel, page):
        turns = [panel.ask("Count to three."), panel.ask("And on.")]
        settled(panel, page, 2)
        assert costs(panel) == [turn.cost.usd for turn in turns] and min(costs(panel)) > 0
        assert sum(row["cost_usd"] or 0.0 for row in panel.records) == pytest.approx(sum(costs(panel)))


def test_the_embedded_gateway_costs_nothing(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        panel.ask("Count to three.")
        settled(panel, page, 1)
        assert costs(panel) == [0.0]


def test_what_is_not_known_is_left_out_and_never_zero(paid: Any) -> None:
    aigw.prices({("openai", "gpt-realtime-2.1"): aigw.Price({"input_text": 1.0})})
    with paneled(paid) as (panel, page):
        panel.ask("Count to three.")
        settled(panel, page, 1)
        assert costs(panel) == [None]


def test_the_limit_ends_the_session_in_words_and_reconnect_begins_another(gateway: LocalGateway) -> None:
    with paneled(gateway, max_cost=1e-6) as (panel, page):
        assert panel.ask("My name is Ana.").status == "completed"
        page.until(lambda: panel.status == "ended")
        assert "more than its max_cost of $0.000001" in panel.state["ended"]
        with pytest.raises(SessionEnded, match="max_cost of .*; Reconnect goes on in a new session"):
            panel.ask("What is my name?")
        page.say("ask", text="What is my name?")
        page.until(lambda: any("Reconnect goes on" in text for text in texts(page.shown(), "notice")))
        assert len(panel.turns) == 1
        page.say("reconnect")
        page.until(lambda: panel.session is not None)
        assert panel.ask("What is my name?").text == "Your name is Ana."
        page.until(lambda: panel.status == "ended")


def test_a_cleared_panel_has_a_new_allowance(gateway: LocalGateway) -> None:
    with paneled(gateway, max_cost=1e-6) as (panel, page):
        panel.ask("Count to three.")
        page.until(lambda: panel.status == "ended")
        panel.clear()
        assert panel.ask("Count to three.").status == "completed"


def test_a_limit_that_cannot_be_kept_is_said_in_the_panel(gateway: LocalGateway) -> None:
    with paneled(gateway, "elevenlabs", max_cost=1) as (panel, page):
        with pytest.raises(ConfigurationError, match="price of elevenlabs"):
            panel.ask("Count to three.")
        assert panel.status == "failed" and "max_cost cannot be kept" in panel.state["error"]
        assert page.of("audio") == []
