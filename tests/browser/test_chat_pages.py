"""Chat panels seen twice, and several voices at once: two views, two tabs, two panels and a magic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.panels import SETUP, TAP, ask, panel, ready
from tests.browser_harness import (
    IDLE,
    READY,
    WAIT_MS,
    lab_url,
    opened,
    run_all,
    run_cell,
    saved,
    wait_until,
)
from tests.notebook_files import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

HEAR = ".aigw-chat-assistant button[title^='Hear it']"
LOGS = "[...document.querySelectorAll('.aigw-chat-log')].map((log) => log.textContent)"


@pytest.fixture(scope="module")
def twice(browser: Browser, lab: str, folder: Path) -> Iterator[Page]:
    """A page with two views of one panel."""
    path = write_notebook(
        folder, "chat-views.ipynb", f"{SETUP}\npanel = aigw.ChatPanel('openai')\ndisplay(panel, panel)"
    )
    with opened(browser, lab_url(lab, path.name), "chat-views") as page:
        page.evaluate(TAP)
        run_all(page)
        wait_until(page, "() => document.querySelectorAll('.aigw-chat[data-status=ready]').length === 2")
        saved(page, path)
        yield page


def test_two_views_show_the_same_and_speak_once(twice: Page) -> None:
    ask(panel(twice), "What is the capital of Portugal?")
    wait_until(twice, f"() => {{ const [a, b] = {LOGS}; return a.includes('Lisbon.') && a === b; }}")
    ready(panel(twice))
    wait_until(twice, f'() => document.querySelectorAll("{HEAR}").length === 2')
    seconds = round(twice.evaluate("window.heard") / 24000)
    assert twice.locator(HEAR).first.get_attribute("title") == f"Hear it (0:{seconds:02d})"


def test_of_two_tabs_the_one_speaks_in_which_one_asks(twice: Page, lab: str) -> None:
    before = twice.locator(".aigw-chat-log").first.text_content()
    tab = twice.context.new_page()
    tab.goto(lab_url(lab, "chat-views.ipynb"))
    tab.wait_for_function(READY, timeout=WAIT_MS)
    tab.evaluate(TAP)
    wait_until(tab, f"(text) => {LOGS}.filter((log) => log === text).length === 2", before)
    for here, other in ((tab, twice), (twice, tab)):
        here.bring_to_front()
        heard = here.evaluate("window.heard"), other.evaluate("window.heard")
        ask(panel(here), "What is 2 times 3?")
        wait_until(here, "(before) => window.heard > before", heard[0])
        ready(panel(here))
        wait_until(other, f"(text) => {LOGS}[0] === text", here.locator(".aigw-chat-log").first.text_content())
        assert other.evaluate("window.heard") == heard[1]
        played = here.evaluate("window.heard")
        panel(here).locator(HEAR).last.click()
        wait_until(here, "(before) => window.heard > before", played)
        panel(here).locator(HEAR).last.wait_for()
        assert other.evaluate("window.heard") == heard[1]
    tab.close()


TWO_PANELS = f"""{SETUP}
import asyncio, json, time
%load_ext aigw_notebook
first, second = aigw.ChatPanel("openai"), aigw.ChatPanel("google")
display(first, second)"""
HEARD_OF_EACH = """def heard():
    rows = [row for talk in (first, second, turn) for row in talk.records if row["role"] == "assistant"]
    return [(row["status"], row["heard_ms"] and round(row["heard_ms"] / row["audio_ms"], 2)) for row in rows]
deadline = time.time() + 45
while None in [part for _, part in heard()] and time.time() < deadline:
    await asyncio.sleep(0.1)
print(json.dumps([*heard(), turn.text]))"""


def test_two_panels_and_a_magic_at_once_do_not_disturb_each_other(browser: Browser, lab: str, folder: Path) -> None:
    magic = "%%aigw openai --into turn\nCount from 1 to 12"
    path = write_notebook(folder, "chat-at-once.ipynb", TWO_PANELS, magic, HEARD_OF_EACH)
    with opened(browser, lab_url(lab, path.name), "chat-at-once") as page:
        run_cell(page, 0)
        wait_until(page, "() => document.querySelectorAll('.aigw-chat[data-status=ready]').length === 2")
        first, second = page.locator(".aigw-chat").all()
        for shown, question in ((first, "Count from 1 to 90"), (second, "Count from 1 to 8")):
            ask(shown, question)
        run_cell(page, 1)
        running = "[...document.querySelectorAll('.aigw-chat-assistant .aigw-chat-text, .aigw-live-text')]"
        wait_until(page, f"() => {running}.filter((text) => text.textContent.startsWith('One, two')).length === 3")
        first.get_by_role("button", name="Stop the answer").click()
        run_cell(page, 2)
        wait_until(page, IDLE, 3)
        notebook = saved(page, path)
        shown_ = [each.locator(".aigw-chat-assistant .aigw-chat-text").all_inner_texts() for each in (first, second)]
    stopped, whole, spoken, text = json.loads(notebook.cells[2].outputs[0].text)
    assert stopped[0] == "interrupted" and 0 < stopped[1] < 1
    assert whole == spoken == ["completed", 1.0]
    assert len(shown_[0]) == len(shown_[1]) == 1 and "90" not in shown_[0][0]
    assert shown_[1][0].endswith("seven, eight.") and text.endswith("eleven, twelve.")
