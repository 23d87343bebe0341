"""The chat panel in a real page: type, hear, stop, take back, copy, save, approve. Pictures in build/screenshots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.panels import SETUP, TAP, ask, fresh, last, panel, ready, shoot, until
from tests.browser_harness import SHOTS, lab_url, opened, run_cell, wait_until
from tests.notebook_files import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PANELS = f'''{SETUP}
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {{city}}"
gateway = aigw.LocalGateway(faults="drop_out=40").start()
plain = aigw.ChatPanel("openai")
careful = aigw.ChatPanel("openai", tools=[weather], approve_tools=True)
wrong = aigw.ChatPanel("openai", gateway="ws://127.0.0.1:9/v1/a/b", token="sk-secret-token")
dropped = aigw.ChatPanel("openai", gateway=gateway)
display(plain, careful, wrong, dropped)'''
PLAIN, CAREFUL, WRONG, DROPPED = range(4)
MEND = "gateway.faults = None"

HEAR, STOP_HEARING = ".aigw-chat-assistant button[title^='Hear it']", ".aigw-chat-assistant button[title='Stop']"
FOCUSED = "document.activeElement"


@pytest.fixture(scope="module")
def opened_page(browser: Browser, lab: str, folder: Path) -> Iterator[Page]:
    path = write_notebook(folder, "chat.ipynb", PANELS, MEND)
    may = ("clipboard-read", "clipboard-write")
    with opened(browser, lab_url(lab, path.name), "chat", permissions=may, size=(1200, 760)) as page:
        page.evaluate(TAP)
        run_cell(page, 0)
        wait_until(page, "() => document.querySelectorAll('.aigw-chat').length === 4")
        yield page


@pytest.fixture
def page(opened_page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page that these tests share; each begins a new conversation."""
    yield opened_page
    opened_page.screenshot(path=SHOTS / f"chat-{request.node.name}.png")


@pytest.fixture
def plain(page: Page) -> Locator:
    shown = panel(page, PLAIN)
    until(shown, "['ready', 'idle'].includes(el.dataset.status)")  # idle: begun anew, and not asked yet
    fresh(shown)
    return shown


def test_a_typed_question_is_answered_as_it_comes_and_aloud(page: Page, plain: Locator) -> None:
    shoot(plain, "empty")
    before = page.evaluate("window.heard")
    ask(plain, "Count from 1 to 12")
    last(plain, "One, two")
    answer = plain.locator(".aigw-chat-assistant .aigw-chat-text")
    seen = len(answer.inner_text())
    until(plain, f"el.querySelector('.aigw-chat-assistant .aigw-chat-text').textContent.length > {seen}")
    wait_until(page, "(before) => window.heard > before + 4800", before)
    shoot(plain, "streaming")
    ready(plain)
    assert answer.inner_text().startswith("One, two, three")
    assert "tokens" in plain.locator(".aigw-chat-facts").last.inner_text()
    assert "OpenAI Realtime" in plain.locator(".aigw-chat-where").inner_text()
    shoot(plain, "light")


def test_stop_silences_and_a_later_answer_speaks_again(page: Page, plain: Locator) -> None:
    before = page.evaluate("[window.heard, window.flushed ?? 0]")
    ask(plain, "Count from 1 to 90")
    wait_until(page, "(before) => window.heard > before[0] + 4800", before)
    plain.get_by_role("button", name="Stop the answer").click()
    ready(plain)
    wait_until(page, "(before) => window.flushed > before[1]", before)
    until(plain, "[...el.querySelectorAll('.aigw-chat-facts')].at(-1).textContent.includes('stopped')")
    shoot(plain, "stopped")
    heard = page.evaluate("window.heard")
    ask(plain, "What is the capital of Portugal?")
    until(plain, "el.textContent.includes('Lisbon')")
    wait_until(page, "(before) => window.heard > before", heard)


def test_what_was_said_is_heard_again_copied_and_saved(page: Page, plain: Locator) -> None:
    before = page.evaluate("window.heard")
    ask(plain, "What is the capital of Portugal?")
    plain.locator(HEAR).wait_for()
    ready(plain)
    played = page.evaluate("window.heard") - before
    plain.locator(HEAR).click()
    plain.locator(STOP_HEARING).wait_for()
    plain.locator(HEAR).wait_for()
    assert page.evaluate("window.heard") == before + 2 * played > before
    plain.locator(HEAR).click()
    plain.locator(STOP_HEARING).click()
    plain.locator(HEAR).wait_for()
    answer = plain.locator(".aigw-chat-assistant .aigw-chat-text").inner_text()
    plain.locator(".aigw-chat-assistant").get_by_role("button", name="Copy").click()
    plain.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == answer
    choose(plain, "Copy all")
    whole = f"You: What is the capital of Portugal?\n\nModel: {answer}"
    wait_until(page, "async (text) => await navigator.clipboard.readText() === text", whole)
    with page.expect_download() as saved:
        choose(plain, "Save as Markdown")
    assert saved.value.suggested_filename == "conversation.md"
    assert answer in Path(saved.value.path()).read_text(encoding="utf-8")
    with page.expect_download() as saved:
        choose(plain, "Save as JSON")
    assert len(json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))["conversation"]) == 2


def choose(shown: Locator, entry: str) -> None:
    shown.get_by_role("button", name="More").click()
    shown.get_by_role("button", name=entry).click()


def test_questions_are_changed_answered_again_taken_back_and_cleared(page: Page, plain: Locator) -> None:
    questions = plain.locator(".aigw-chat-user .aigw-chat-plain")
    for number, question in enumerate(("What is 2 times 3?", "What is 2 times 4?")):
        ask(plain, question)
        plain.locator(HEAR).nth(number).wait_for()
        ready(plain)
    edit = plain.get_by_role("button", name="Change and ask again").last
    edit.click()
    page.keyboard.press("Escape")
    assert edit.evaluate(f"(button) => button === {FOCUSED}")
    edit.click()
    plain.get_by_label("The question in other words").fill("What is the capital of Portugal?")
    page.keyboard.press("Enter")
    until(plain, "[...el.querySelectorAll('.aigw-chat-text')].at(-1).textContent.includes('Lisbon')")
    assert questions.all_inner_texts() == ["What is 2 times 3?", "What is the capital of Portugal?"]
    assert plain.locator(".aigw-chat-composer textarea").evaluate(f"(box) => box === {FOCUSED}")
    plain.locator(HEAR).nth(1).wait_for()
    ready(plain)
    before = plain.locator(".aigw-chat-assistant").last.get_attribute("data-id")
    plain.get_by_role("button", name="Answer again").last.click()
    until(plain, f"[...el.querySelectorAll('.aigw-chat-assistant')].at(-1).dataset.id !== '{before}'")
    plain.locator(HEAR).nth(1).wait_for()
    assert questions.count() == 2 == plain.locator(".aigw-chat-assistant").count()
    plain.get_by_role("button", name="Take the last turn back").click()
    until(plain, "el.querySelectorAll('.aigw-chat-bubble').length === 2")
    assert questions.all_inner_texts() == ["What is 2 times 3?"]
    fresh(plain)
    assert plain.get_by_role("button", name="What can you do?").is_visible()


PICTURE = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "seagreen";
  pen.fillRect(0, 0, 64, 48);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
  return new File([blob], "green.png", { type: "image/png" });
}"""
DROP = """(target, [type, kept]) => {
  const data = new DataTransfer();
  data.items.add(type === "kept" ? kept : new File(["none"], "a file", { type }));
  target.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_pictures_are_pasted_and_dropped_and_what_is_none_is_refused(page: Page, plain: Locator) -> None:
    file = page.evaluate_handle(PICTURE)
    preview = plain.locator(".aigw-chat-preview img")
    box = plain.locator(".aigw-chat-composer textarea")
    box.focus()
    page.keyboard.press("Control+v")
    preview.wait_for()
    plain.get_by_role("button", name="Remove the picture").click()
    assert preview.count() == 0
    box.evaluate(DROP, ["text/plain", None])
    assert preview.count() == 0
    box.evaluate(DROP, ["image/gif", None])
    until(plain, "el.querySelector('.aigw-chat-sentence').textContent.includes('choose a PNG')")
    box.evaluate(DROP, ["kept", file])
    preview.wait_for()
    ask(plain, "What do you see?")
    until(plain, "el.querySelector('.aigw-chat-user img')?.naturalWidth === 64")
    assert preview.count() == 0 and not plain.locator(".aigw-chat-alert").is_visible()
    plain.locator(HEAR).wait_for()
    shoot(plain, "picture")


def test_the_keyboard_is_enough(page: Page, plain: Locator) -> None:
    cells = page.locator(".jp-CodeCell").count()
    plain.locator(".aigw-chat-composer textarea").focus()
    page.keyboard.type("What is 2 times 3?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("And 2 times 4?")
    page.keyboard.press("Enter")
    plain.locator(HEAR).wait_for()
    ready(plain)
    assert plain.locator(".aigw-chat-plain").inner_text() == "What is 2 times 3?\nAnd 2 times 4?"
    back_to(page, "Hear it")
    assert page.evaluate(f"getComputedStyle({FOCUSED}).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    plain.locator(STOP_HEARING).wait_for()
    back_to(page, "Conversation")
    page.keyboard.press("b")  # in a notebook: a new cell
    back_to(page, "More")
    page.keyboard.press("Enter")
    assert page.evaluate(f"{FOCUSED}.textContent") == "Copy all"
    page.keyboard.press("Escape")
    assert page.evaluate(f"{FOCUSED}.getAttribute('aria-label')") == "More"
    assert not plain.locator(".aigw-chat-menu").is_visible()
    assert page.locator(".jp-CodeCell").count() == cells
    plain.locator(HEAR).wait_for()


def back_to(page: Page, label: str) -> None:
    """Press Shift+Tab until what is so named has the focus."""
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if page.evaluate(f"(label) => ({FOCUSED}.ariaLabel ?? '').startsWith(label)", label):
            return
    raise AssertionError(f"{label!r} is not reached by the keyboard")


def test_every_control_has_a_name(page: Page) -> None:
    nameless = """() => [...document.querySelectorAll(".aigw-chat :is(button, select, textarea, input)")]
      .filter((control) => control.type !== "file")
      .filter((control) => !(control.ariaLabel || control.textContent.trim() || control.closest("label")?.textContent))
      .map((control) => control.outerHTML)"""
    assert page.evaluate(nameless) == []


def test_a_tool_waits_for_a_click(page: Page) -> None:
    careful = panel(page, CAREFUL)
    ready(careful)
    ask(careful, "What is the weather in Lisbon?")
    approve = careful.get_by_role("button", name="Approve")
    approve.wait_for()
    shoot(careful, "approve")
    approve.click()
    assert page.evaluate(f"{FOCUSED}.tagName") == "SUMMARY"
    last(careful, "According to weather: Sunny in Lisbon")
    ready(careful)
    shoot(careful, "tool")
    ask(careful, "What is the weather in Porto?")
    careful.get_by_role("button", name="Refuse").click()
    until(careful, "[...el.querySelectorAll('.aigw-chat-word')].at(-1).textContent === 'refused'")


def test_a_wrong_address_is_one_sentence_with_a_way_back(page: Page) -> None:
    wrong = panel(page, WRONG)
    until(wrong, "el.dataset.status === 'failed'")
    shoot(wrong, "error")
    assert wrong.get_by_role("button", name="Reconnect").is_visible()
    assert "Traceback" not in page.content() and "sk-secret-token" not in wrong.inner_text()


def test_a_connection_that_broke_is_opened_again_by_a_click(page: Page) -> None:
    dropped = panel(page, DROPPED)
    ready(dropped)
    ask(dropped, "Count from 1 to 30")
    until(dropped, "el.dataset.status === 'ended'")
    last(dropped, "One")
    assert "The session has ended" in dropped.locator(".aigw-chat-sentence").inner_text()
    shoot(dropped, "ended")
    run_cell(page, 1)
    wait_until(page, "() => /\\[\\d+\\]/.test([...document.querySelectorAll('.jp-InputPrompt')].at(-1).textContent)")
    panel(page, DROPPED).get_by_role("button", name="Reconnect").click()
    ready(dropped)
    assert not dropped.locator(".aigw-chat-alert").is_visible()
    ask(dropped, "What is the capital of Portugal?")
    until(dropped, "el.textContent.includes('Lisbon')")
    assert dropped.locator(".aigw-chat-user").count() == 2


def test_dark_and_narrow(page: Page, plain: Locator) -> None:
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    wait_until(page, "() => document.body.dataset.jpThemeLight === 'false'")
    ask(plain, "Count from 1 to 5")
    plain.locator(HEAR).wait_for()
    ready(plain)
    colour = "getComputedStyle(document.querySelector('.aigw-chat-text')).color.match(/\\d+/g).slice(0, 3)"
    assert min(int(part) for part in page.evaluate(f"() => {colour}")) > 150
    settings = plain.get_by_role("button", name="Settings")
    settings.click()
    until(plain, "el.querySelector('.aigw-chat-settings').offsetHeight > 60")
    shoot(plain, "dark")
    page.keyboard.press("Escape")
    assert not plain.locator(".aigw-chat-settings").is_visible()
    panel(page, CAREFUL).evaluate("(el) => { el.style.width = '280px'; }")
    plain.evaluate("(el) => { el.style.width = '280px'; }")
    shoot(plain, "narrow")
    shoot(panel(page, CAREFUL), "narrow-tool")
    overflow = page.evaluate(
        "() => [...document.querySelectorAll('.aigw-chat, .aigw-chat-log')].map((p) => p.scrollWidth - p.clientWidth)"
    )
    for each in (plain, panel(page, CAREFUL)):
        each.evaluate("(el) => { el.style.width = ''; }")
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    assert max(overflow) <= 0


def test_a_reload_keeps_everything(page: Page) -> None:
    logs = page.locator(".aigw-chat-log").all_text_contents()
    assert "Sunny in Lisbon" in logs[CAREFUL]
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    wait_until(page, "() => document.querySelectorAll('.aigw-chat-log').length === 4")
    for shown in page.locator(".aigw-chat").all():
        until(shown, "el.dataset.status !== 'idle'")
    assert page.locator(".aigw-chat-log").all_text_contents() == logs
