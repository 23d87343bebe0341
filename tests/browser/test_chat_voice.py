"""Speaking to the chat panel: the key, the open microphone, half duplex, and what it says where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.panels import SETUP, TAP, ask, fresh, last, mouth, panel, ready, shoot, until
from tests.browser_harness import SHOTS, lab_url, opened, run_cell, wait_until
from tests.notebook_files import write_notebook
from tests.speech import spoken_clip

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PANELS = f"""{SETUP}
push, voice = aigw.ChatPanel("openai"), aigw.ChatPanel("openai", microphone="open")
display(push, voice)"""
PUSH, VOICE = range(2)

SENTENCE = "el.querySelector('.aigw-chat-sentence').textContent"
STOPPED = "[...el.querySelectorAll('.aigw-chat-facts')].some((facts) => facts.textContent.includes('stopped'))"
LEVEL = "Number(el.querySelector('.aigw-chat-mic').style.getPropertyValue('--aigw-level'))"
ALONE = "http://notebook.lan"
"""An address that is neither https nor localhost; the browser of these tests is told where it is."""


@pytest.fixture(scope="module")
def opened_page(browser: Browser, lab: str, folder: Path) -> Iterator[Page]:
    path = write_notebook(folder, "chat-voice.ipynb", PANELS)
    with opened(browser, lab_url(lab, path.name), "chat-voice", size=(1200, 760)) as page:
        page.evaluate(TAP)
        run_cell(page, 0)
        wait_until(page, "() => document.querySelectorAll('.aigw-chat[data-status=ready]').length === 2")
        yield page


@pytest.fixture
def page(opened_page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page that these tests share, with a microphone that the test plays."""
    mouth(opened_page)
    yield opened_page
    opened_page.screenshot(path=SHOTS / f"chat-voice-{request.node.name}.png")


def spoken_for(page: Page, ms: float) -> None:
    """Wait until the microphone has heard the test for so long."""
    wait_until(page, "([from, ms]) => performance.now() > from + ms", [page.evaluate("performance.now()"), ms])


def test_space_held_down_is_a_question_and_silences_the_answer(page: Page) -> None:
    push = panel(page, PUSH)
    ask(push, "Count from 1 to 90")
    last(push, "One, two")
    push.locator(".aigw-chat-log").focus()
    page.keyboard.down("Space")
    until(push, STOPPED)
    mouth(page, speaks=True)
    until(push, f"{LEVEL} > 0.3")
    until(push, "el.querySelectorAll('.aigw-chat-user').length === 2")
    spoken_for(page, 400)
    shoot(push, "talking")
    page.keyboard.up("Space")
    until(push, "el.querySelectorAll('.aigw-chat-assistant').length === 2")
    assert push.locator(".aigw-chat-user").count() == 2
    assert push.locator(".aigw-chat-mic").get_attribute("aria-pressed") == "false"


def test_a_refused_microphone_is_said_in_words_and_a_sound_file_does_instead(page: Page, tmp_path: Path) -> None:
    push = panel(page, PUSH)
    before = push.locator(".aigw-chat-user").count()
    mouth(page, refused="NotAllowedError")
    push.locator(".aigw-chat-mic").click()
    until(push, f"{SENTENCE}.includes('was not allowed')")
    assert push.locator(".aigw-chat-user").count() == before
    shoot(push, "refused")
    clip = spoken_clip("what is the capital of portugal")
    file = clip.save(tmp_path / "question.wav")
    push.locator(".aigw-chat-composer input[type=file]").set_input_files(file)
    until(push, f"el.querySelectorAll('.aigw-chat-user').length === {before + 1}")
    assert not push.locator(".aigw-chat-alert").is_visible()
    heard = push.locator(".aigw-chat-user button[title^='Hear it']").nth(before - 1)
    assert heard.get_attribute("title") == f"Hear it (0:{round(clip.duration_ms / 1000):02d})"
    until(push, f"el.querySelectorAll('.aigw-chat-assistant').length === {before + 1}")


@pytest.fixture
def voice(page: Page) -> Iterator[Locator]:
    """The panel with the open microphone, switched on."""
    shown = panel(page, VOICE)
    fresh(shown)
    shown.locator(".aigw-chat-mic").click()
    wait_until(page, "() => window.microphone.asked > 0")
    yield shown
    mouth(page, speaks=False)
    shown.locator(".aigw-chat-mic").click()


def test_an_open_microphone_breaks_in(page: Page, voice: Locator) -> None:
    ask(voice, "Count from 1 to 90")
    last(voice, "One, two")
    page.evaluate("() => { window.holds = []; window.heard = 0; }")
    wait_until(page, "() => window.heard > 0")
    mouth(page, speaks=True)
    until(voice, STOPPED)
    assert page.evaluate("window.holds[0]") is True, "loudness at the microphone pauses before the provider hears it"
    assert voice.locator(".aigw-chat-mic").get_attribute("aria-pressed") == "true"


def test_half_duplex_hears_nothing_while_it_speaks(page: Page, voice: Locator) -> None:
    voice.get_by_role("button", name="Settings").click()
    voice.get_by_label("Hear nothing while it speaks").check()
    page.keyboard.press("Escape")
    ask(voice, "Count from 1 to 90")
    last(voice, "One, two")
    before = page.evaluate("[window.heard, window.holds.length]")
    mouth(page, speaks=True)
    until(voice, f"{LEVEL} > 0.3")
    wait_until(page, "(before) => window.heard > before[0] + 48_000", before)
    assert voice.evaluate("el => el.dataset.status") == "speaking"
    assert page.evaluate("window.holds.length") == before[1]
    mouth(page, speaks=False)
    voice.get_by_role("button", name="Stop the answer").click()
    until(voice, STOPPED)


def test_on_a_page_that_is_not_secure_it_says_so_and_all_else_works(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "chat-lan.ipynb", f"{SETUP}\naigw.ChatPanel('openai')")
    port = lab.rpartition(":")[2]
    with opened(browser, lab_url(f"{ALONE}:{port}", path.name), "chat-lan", size=(1200, 760)) as page:
        assert page.evaluate("[window.isSecureContext, navigator.mediaDevices === undefined]") == [False, True]
        run_cell(page, 0)
        shown = panel(page)
        ready(shown)
        shown.locator(".aigw-chat-mic").click()
        until(shown, f"{SENTENCE}.startsWith('A browser gives the microphone only to https or localhost pages')")
        shoot(shown, "insecure")
        ask(shown, "What is the capital of Portugal?")
        shown.locator(".aigw-chat-assistant button[title^='Hear it']").wait_for()
        ready(shown)
        answer = shown.locator(".aigw-chat-assistant .aigw-chat-text").inner_text()
        shown.locator(".aigw-chat-assistant").get_by_role("button", name="Copy").click()
        shown.get_by_role("button", name="Copied").wait_for()
        box = shown.locator(".aigw-chat-composer textarea")
        box.focus()
        page.keyboard.press("Control+v")
        assert box.input_value() == answer
