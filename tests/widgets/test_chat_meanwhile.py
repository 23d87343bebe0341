"""What is done in the chat panel while an answer is spoken: stopped, asked, talked over, lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Pace
from tests.widgets.page import paneled, texts

pytestmark = pytest.mark.sessions

SLOW = Pace(first_token_ms=0, text_delta_ms=20, audio_speed=2.0)


@pytest.fixture
def slow() -> Iterator[LocalGateway]:
    with LocalGateway(pace=SLOW) as running:
        yield running


def test_stop_in_the_page_ends_the_answer_at_what_was_heard(slow: LocalGateway) -> None:
    with paneled(slow) as (panel, page):
        page.heard_ms = 120.0
        page.say("listening")
        page.say("ask", text="Count from 1 to 90")
        page.until(lambda: len(page.of("audio")) > 3)
        page.say("stop")
        page.until(lambda: bool(panel.turns) and panel.turns[0].status == "interrupted")
        page.until(lambda: any(row["heard_ms"] == 120.0 for row in panel.records))
        page.until(lambda: page.shown()[-1]["status"] == "interrupted")


def test_a_question_during_an_answer_stops_it_first(slow: LocalGateway) -> None:
    with paneled(slow) as (panel, page):
        page.say("ask", text="Count from 1 to 90")
        page.until(lambda: len(texts(page.shown(), "assistant")) == 1)
        turn = panel.ask("What is the capital of Portugal?")
        assert "Lisbon" in turn.text
        assert [t.status for t in panel.turns] == ["interrupted", "completed"]


def test_holding_to_talk_silences_the_answer_at_once(slow: LocalGateway) -> None:
    with paneled(slow) as (panel, page):
        page.say("listening")
        page.say("ask", text="Count from 1 to 90")
        page.until(lambda: len(page.of("audio")) > 3)
        page.say("microphone", on=True, push=True, rate=24000)
        page.until(lambda: bool(panel.turns) and panel.turns[0].status == "interrupted")
        assert page.of("hush")[0]["page"] == "page"
        page.say("microphone", on=False, push=True, rate=24000)


@pytest.mark.parametrize(("sample", "pauses"), [(4_000, True), (1_000, False)])
def test_loudness_at_an_open_microphone_pauses_the_answer(slow: LocalGateway, sample: int, pauses: bool) -> None:
    with paneled(slow, microphone="open", hold_s=0.05) as (panel, page):
        page.say("listening")
        page.say("ask", text="Count from 1 to 12")
        page.until(lambda: len(page.of("audio")) > 3)
        page.say("microphone", on=True, push=False, rate=24000)
        for _ in range(4):
            page.say("chunk", [sample.to_bytes(2, "little", signed=True) * 240])
        page.until(lambda: (panel.microphone_counts["received"] == 4 and page.of("hold") != []) or not pauses)
        page.until(lambda: bool(panel.turns) and panel.turns[0].status == "completed")
        assert [content["on"] for content in page.of("hold")] == [True, False] * pauses


def test_a_connection_that_breaks_in_mid_answer_ends_the_session_and_the_sound(slow: LocalGateway) -> None:
    slow.faults = "drop_out=40"
    with paneled(slow) as (panel, page):
        page.say("listening")
        page.say("ask", text="Count from 1 to 90")
        page.until(lambda: bool(panel.turns) and panel.turns[0].status == "lost")
        page.until(lambda: panel.status == "ended" and not panel.state["running"])
        assert page.of("spoken") == [{"kind": "spoken", "page": "page", "item": page.of("audio")[-1]["item"]}]
        slow.faults = None
        page.say("reconnect")
        page.until(lambda: panel.status == "ready")
        assert "Lisbon" in panel.ask("What is the capital of Portugal?").text


def test_two_panels_do_not_disturb_each_other(slow: LocalGateway) -> None:
    with paneled(slow) as (first, page), paneled(slow) as (second, other):
        page.say("ask", text="Count from 1 to 5")
        other.say("ask", text="What is the capital of Portugal?")
        page.until(lambda: bool(first.turns) and first.turns[0].status == "completed")
        other.until(lambda: bool(second.turns) and second.turns[0].status == "completed")
        assert "Lisbon" in second.text and "Lisbon" not in first.text
        assert first.panel_id != second.panel_id
