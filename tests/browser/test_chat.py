"""The chat panel in a real page: type, hear, stop, approve, reload, look again. Pictures in build/screenshots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser_harness import IDLE, lab_url, opened, run_all, run_cell, saved, wait_until, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"

SETUP = "import aigw_notebook as aigw\nfrom IPython.display import display"
PANEL = f"{SETUP}\npanel = aigw.ChatPanel('openai')\npanel"
TOOLS = f'''{SETUP}
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {{city}}"
panel = aigw.ChatPanel("openai", tools=[weather], approve_tools=True)
panel'''

TAP = """() => {
  window.heard = 0;
  const post = MessagePort.prototype.postMessage;
  MessagePort.prototype.postMessage = function (message, ...rest) {
    if (message?.op === "push") window.heard += message.samples.length;
    if (message?.op === "flush") window.flushed = (window.flushed ?? 0) + 1;
    return post.call(this, message, ...rest);
  };
}"""

LAST = "([...document.querySelectorAll('.aigw-chat-assistant .aigw-chat-text')].at(-1)?.textContent ?? '')"
FACTS = "[...document.querySelectorAll('.aigw-chat-facts')].at(-1).textContent"
HEAR = ".aigw-chat-assistant button[title^='Hear it']"
STATUS = "document.querySelector('.aigw-chat')?.dataset.status"


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.locator(".aigw-chat").first.screenshot(path=SCREENSHOTS / f"chat-{name}.png")


@contextmanager
def shown(browser: Browser, lab: str, folder: Path, name: str, *cells: str) -> Iterator[Page]:
    """A notebook of these cells, run, with its panel connected."""
    path = write_notebook(folder, f"chat-{name}.ipynb", *cells)
    with opened(browser, lab_url(lab, path.name), f"chat-{name}", permissions=("microphone",)) as page:
        page.evaluate(TAP)
        run_all(page)
        wait_until(page, "() => document.querySelector('.aigw-chat')")
        page.locator(".aigw-chat").first.scroll_into_view_if_needed()
        yield page


def ask(page: Page, text: str) -> None:
    page.locator(".aigw-chat-composer textarea").first.fill(text)
    page.locator(".aigw-chat-composer textarea").first.press("Enter")


def ready(page: Page) -> None:
    wait_until(page, f"() => {STATUS} === 'ready'")


def test_a_typed_question_is_answered_aloud_and_a_reload_keeps_everything(
    browser: Browser, lab: str, folder: Path
) -> None:
    with shown(browser, lab, folder, "typed", PANEL) as page:
        ready(page)
        shoot(page, "empty")
        ask(page, "Count from 1 to 12")
        wait_until(page, f"() => {LAST}.startsWith('One, two')")
        seen = page.evaluate(f"() => {LAST}.length")
        wait_until(page, f"(seen) => {LAST}.length > seen", seen)
        wait_until(page, "() => window.heard > 4800")
        shoot(page, "streaming")
        ready(page)
        assert page.evaluate(f"() => {LAST}").startswith("One, two, three")
        assert "tokens" in page.locator(".aigw-chat-facts").last.inner_text()
        assert "OpenAI Realtime" in page.locator(".aigw-chat-where").inner_text()
        shoot(page, "light")
        before = page.locator(".aigw-chat-log").inner_text()
        saved(page, folder / "chat-typed.ipynb")
        page.reload()
        wait_until(page, f"() => {LAST}.startsWith('One, two')")
        assert page.locator(".aigw-chat-log").inner_text() == before


def test_stop_silences_and_a_later_answer_speaks_again(browser: Browser, lab: str, folder: Path) -> None:
    with shown(browser, lab, folder, "stop", PANEL) as page:
        ready(page)
        ask(page, "Count from 1 to 90")
        wait_until(page, "() => window.heard > 4800")
        page.get_by_role("button", name="Stop the answer").click()
        ready(page)
        wait_until(page, "() => window.flushed >= 1")
        wait_until(
            page, "() => [...document.querySelectorAll('.aigw-chat-facts')].at(-1).textContent.includes('stopped')"
        )
        shoot(page, "stopped")
        heard = page.evaluate("window.heard")
        ask(page, "What is the capital of Portugal?")
        wait_until(page, f"() => {LAST}.includes('Lisbon')")
        wait_until(page, "(before) => window.heard > before", heard)


def test_two_views_show_the_same_and_speak_once(browser: Browser, lab: str, folder: Path) -> None:
    with shown(browser, lab, folder, "views", PANEL, "display(panel)") as page:
        wait_until(page, "() => document.querySelectorAll('.aigw-chat').length === 2")
        ready(page)
        ask(page, "What is the capital of Portugal?")
        texts = "[...document.querySelectorAll('.aigw-chat-log')].map((log) => log.textContent)"
        wait_until(page, f"() => {{ const [a, b] = {texts}; return a.includes('Lisbon.') && a === b; }}")
        ready(page)
        wait_until(
            page, "() => document.querySelectorAll('.aigw-chat-assistant button[title^=\"Hear it\"]').length === 2"
        )
        played = page.evaluate("window.heard") / 24000
        length = page.locator(HEAR).first.get_attribute("title")
        assert length == f"Hear it (0:{round(played):02d})"


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
    magic = "%%aigw openai --into turn\nCount from 1 to 20"
    path = write_notebook(folder, "chat-at-once.ipynb", TWO_PANELS, magic, HEARD_OF_EACH)
    with opened(browser, lab_url(lab, path.name), "chat-at-once") as page:
        run_cell(page, 0)
        wait_until(page, "() => document.querySelectorAll('.aigw-chat[data-status=ready]').length === 2")
        first, second = page.locator(".aigw-chat").all()
        for panel, question in ((first, "Count from 1 to 90"), (second, "Count from 1 to 12")):
            panel.locator("textarea").last.fill(question)
            panel.locator("textarea").last.press("Enter")
        run_cell(page, 1)
        running = "[...document.querySelectorAll('.aigw-chat-assistant .aigw-chat-text, .aigw-live-text')]"
        wait_until(page, f"() => {running}.filter((text) => text.textContent.startsWith('One, two')).length === 3")
        first.get_by_role("button", name="Stop the answer").click()
        run_cell(page, 2)
        wait_until(page, IDLE, 3)
        notebook = saved(page, path)
        shown = [panel.locator(".aigw-chat-assistant .aigw-chat-text").all_inner_texts() for panel in (first, second)]
    stopped, whole, spoken, text = json.loads(notebook.cells[2].outputs[0].text)
    assert stopped[0] == "interrupted" and 0 < stopped[1] < 1
    assert whole == spoken == ["completed", 1.0]
    assert len(shown[0]) == len(shown[1]) == 1 and "90" not in shown[0][0]
    assert shown[1][0].endswith("eleven, twelve.") and text.endswith("nineteen, 20.")


def test_a_tool_waits_for_a_click(browser: Browser, lab: str, folder: Path) -> None:
    with shown(browser, lab, folder, "tool", TOOLS) as page:
        ready(page)
        ask(page, "What is the weather in Lisbon?")
        page.get_by_role("button", name="Approve").click(timeout=30_000, trial=True)
        shoot(page, "approve")
        page.get_by_role("button", name="Approve").click()
        wait_until(page, f"() => {LAST}.includes('Sunny in Lisbon')")
        ready(page)
        shoot(page, "tool")
        ask(page, "What is the weather in Porto?")
        page.get_by_role("button", name="Refuse").click(timeout=30_000)
        wait_until(page, "() => [...document.querySelectorAll('.aigw-chat-word')].at(-1).textContent === 'refused'")


def test_space_held_down_is_a_question(browser: Browser, lab: str, folder: Path) -> None:
    with shown(browser, lab, folder, "spoken", PANEL) as page:
        ready(page)
        page.locator(".aigw-chat-log").focus()
        page.keyboard.down("Space")
        wait_until(page, "() => document.querySelector('.aigw-chat-user')")
        page.wait_for_timeout(1000)
        shoot(page, "talking")
        page.keyboard.up("Space")
        wait_until(page, f"() => {LAST}.length > 0")
        ready(page)
        assert page.locator(".aigw-chat-user").count() == 1
        assert page.locator(".aigw-chat-mic").get_attribute("aria-pressed") == "false"


def test_dark_and_narrow(browser: Browser, lab: str, folder: Path) -> None:
    with shown(browser, lab, folder, "dark", PANEL) as page:
        ready(page)
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        wait_until(page, "() => document.body.dataset.jpThemeLight === 'false'")
        ask(page, "Write a list of three fruits in Markdown")
        wait_until(page, f"() => {STATUS} !== 'ready'")
        ready(page)
        colour = "getComputedStyle(document.querySelector('.aigw-chat-text')).color.match(/\\d+/g).slice(0, 3)"
        assert min(int(part) for part in page.evaluate(f"() => {colour}")) > 150
        page.locator('.aigw-chat button[title="Settings"]').click()
        wait_until(page, "() => document.querySelector('.aigw-chat-settings').offsetHeight > 60")
        shoot(page, "dark")
        page.locator('.aigw-chat button[title="Settings"]').click()
        page.evaluate("() => { document.querySelector('.aigw-chat').style.width = '280px'; }")
        shoot(page, "narrow")
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
        overflow = page.evaluate(
            "() => { const p = document.querySelector('.aigw-chat'); return p.scrollWidth - p.clientWidth; }"
        )
        assert overflow <= 0


def test_a_wrong_key_is_one_sentence_with_a_way_back(browser: Browser, lab: str, folder: Path) -> None:
    wrong = PANEL.replace("'openai'", "'openai', gateway='ws://127.0.0.1:9/v1/a/b', token='sk-secret-token'")
    with shown(browser, lab, folder, "error", wrong) as page:
        wait_until(page, f"() => {STATUS} === 'failed'")
        shoot(page, "error")
        assert page.get_by_role("button", name="Reconnect").is_visible()
        assert "Traceback" not in page.content() and "sk-secret-token" not in page.locator(".aigw-chat").inner_text()
