"""A saved notebook's pages in a browser without a kernel: they play and seek by click, and are read without scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser_harness import (
    IDLE,
    SHOTS,
    WAIT_MS,
    lab_url,
    opened,
    paced_gateway,
    run_all,
    wait_until,
)
from tests.emulation import AT_ONCE
from tests.notebook_files import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

CELLS = (
    """import aigw_notebook as aigw
with aigw.connect("cartesia") as session:
    session.ask("The quick brown fox jumps over the lazy dog.")
    session.ask("It does so each day, at noon, when the sun stands high.")
    spoken = session.transcript.turns[-1].entries[-1]
    spoken.heard_ms = 1500.0
session.page()""",
    """with aigw.connect("openai") as other:
    other.ask("Count from 1 to 5", audio=None)
    other.ask(audio=session.turns[0].audio)
other.transcript""",
)


@pytest.fixture(scope="module")
def at_once() -> Iterator[dict[str, str]]:
    """The environment in which sessions are over at once."""
    with paced_gateway(AT_ONCE) as environment:
        yield environment


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, at_once: dict[str, str]) -> str:
    """The address of a notebook that was run and exported by nbconvert."""
    folder = tmp_path_factory.mktemp("exported")
    path = write_notebook(folder, "talk.ipynb", *CELLS)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", path.name]
    places = {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **places, **at_once}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return (folder / "talk.html").as_uri()


def at(browser: Browser, address: str, **options: object) -> Page:
    """The exported notebook, without a network."""
    page = browser.new_page(viewport={"width": 1100, "height": 1000}, **options)  # type: ignore[arg-type]
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto(address, wait_until="domcontentloaded")
    return page


def words(page: Page) -> str:
    """The selector of the first timed text of an answer."""
    return ".aigw-page >> nth=0 >> .aigw-words[data-times=told] >> nth=0 >> [data-ms]"


def settled(page: Page) -> None:
    page.wait_for_function(
        "() => [...document.querySelectorAll('audio')].every((a) => a.readyState >= 1)", timeout=WAIT_MS
    )


def test_a_click_on_a_word_plays_from_there(browser: Browser, exported: str) -> None:
    page = at(browser, exported)
    settled(page)
    word = page.locator(words(page)).nth(4)
    assert word.inner_text() == "jumps"
    word.click()
    audio = page.locator("audio").first
    page.wait_for_function("() => !document.querySelector('audio').paused", timeout=WAIT_MS)
    seen = audio.evaluate("(audio, word) => [audio.currentTime, Number(word.dataset.ms) / 1000]", word.element_handle())
    assert 0 < seen[1] <= seen[0] + 0.001 < seen[1] + 1.5
    page.wait_for_function("() => document.querySelector('.aigw-now')", timeout=WAIT_MS)
    assert page.locator(".aigw-now").count() == 1
    page.screenshot(path=SHOTS / "static-page-plays.png")
    page.close()


def test_another_sound_of_the_page_stops_the_first_and_other_pages_are_left_alone(
    browser: Browser, exported: str
) -> None:
    page = at(browser, exported)
    settled(page)
    page.evaluate("() => document.querySelectorAll('.aigw-page')[1].querySelector('audio').play()")
    page.locator(words(page)).first.click()
    second = page.locator(".aigw-page >> nth=0 >> .aigw-assistant >> nth=1")
    second.locator(".aigw-wave").click(position={"x": 60, "y": 10})
    page.wait_for_function(
        "() => document.querySelectorAll('audio')[0].paused && !document.querySelectorAll('audio')[1].paused"
    )
    assert page.evaluate("() => document.querySelectorAll('.aigw-page')[1].querySelector('audio').played.length") == 1
    assert second.locator("audio").evaluate("(audio) => audio.currentTime") > 0
    page.close()


def test_keys_choose_a_word_and_play_from_it(browser: Browser, exported: str) -> None:
    page = at(browser, exported)
    settled(page)
    text = page.locator(".aigw-words[data-times=told]").first
    text.focus()
    for key in ("End", "ArrowLeft", "ArrowLeft", "Enter"):
        text.press(key)
    wanted = text.locator("[data-ms]").nth(6)
    assert "aigw-chosen" in (wanted.get_attribute("class") or "")
    page.wait_for_function("() => !document.querySelector('audio').paused", timeout=WAIT_MS)
    time, word = page.evaluate(
        "(word) => [document.querySelector('audio').currentTime, Number(word.dataset.ms) / 1000]",
        wanted.element_handle(),
    )
    assert 0 < word <= time + 0.001
    text.press(" ")
    assert page.evaluate("() => document.querySelector('audio').paused")
    page.close()


def test_the_script_may_run_again(browser: Browser, exported: str) -> None:
    page = at(browser, exported)
    settled(page)
    page.evaluate("""() => {
      window.plays = 0;
      const play = HTMLMediaElement.prototype.play;
      HTMLMediaElement.prototype.play = function () { window.plays += 1; return play.call(this); };
      const script = document.createElement("script");
      script.textContent = document.querySelector(".aigw-page + script").textContent;
      document.body.append(script);
    }""")
    page.locator(words(page)).first.click()
    assert page.evaluate("() => window.plays") == 1
    page.close()


def test_without_scripts_words_and_players_are_there(browser: Browser, exported: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(exported, wait_until="domcontentloaded")
    assert page.get_by_text("The quick brown fox jumps over the lazy dog.").last.is_visible()
    assert page.locator(".aigw-page audio[controls]").count() == 5
    assert all(audio.is_visible() for audio in page.locator("audio").all())
    assert page.get_by_text("[heard up to here after 1.5 s]").is_visible()
    page.screenshot(path=SHOTS / "static-page-no-script.png")
    context.close()


def test_in_jupyterlab_a_click_plays_and_the_theme_is_followed(
    browser: Browser, lab: str, folder: Path, at_once: dict[str, str]
) -> None:
    write_notebook(folder, "page.ipynb", f"import os\nos.environ |= {at_once}\n{CELLS[0]}")
    with opened(browser, lab_url(lab, "page.ipynb"), "static-page-lab") as page:
        run_all(page)
        wait_until(page, IDLE, 1)
        page.locator(words(page)).nth(4).click()
        wait_until(page, "() => !document.querySelector('.aigw-page audio').paused")
        assert page.locator(".aigw-page audio").first.evaluate("(audio) => audio.currentTime") > 0.3
        change = "() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"
        page.evaluate(change)
        wait_until(page, "() => document.body.dataset.jpThemeLight === 'false'")
        scheme = page.locator(".aigw-page").evaluate("(page) => getComputedStyle(page).colorScheme")
        assert scheme == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_document_follows_the_scheme(browser: Browser, exported: str, scheme: str, tmp_path: Path) -> None:
    page = at(browser, exported, color_scheme=scheme)
    element = page.evaluate(
        "() => [document.querySelector('.aigw-page')].map((p) => p.previousElementSibling.outerHTML + p.outerHTML)[0]"
    )
    (tmp_path / "alone.html").write_text(f"<!doctype html><meta charset='utf-8'>{element}", encoding="utf-8")
    page.goto((tmp_path / "alone.html").as_uri())
    ground, ink = page.evaluate("""() => {
      const light = (color) => color.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
      const style = getComputedStyle(document.querySelector(".aigw-page"));
      return [light(style.backgroundColor), light(style.color)];
    }""")
    assert (ground > ink + 300) if scheme == "light" else (ink > ground + 300)
    page.screenshot(path=SHOTS / f"static-page-{scheme}.png", full_page=True)
    page.close()
