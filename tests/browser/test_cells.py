"""The notebook face in a real page: headless Chromium, JupyterLab and Notebook 7; screenshots in build/browser.

A page is driven by its commands and by clicks; what it plays is written down by listeners put in before any cell runs.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser_harness import (
    IDLE,
    SHOTS,
    final_outputs,
    jupyter,
    lab_url,
    opened,
    run_all,
    saved,
    wait_until,
)
from tests.notebook_files import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


TEXT = "(document.querySelector('.aigw-live-text')?.textContent ?? '')"
NO_WEB_AUDIO = "() => { delete window.AudioContext; }"
"""A page that cannot stream sound: it comes as a row of players."""

PLAYER = "document.querySelector('.jp-OutputArea-output audio[controls]')"

# -------------------------------------------------------------------------------------------------------- JupyterLab


def test_text_streams_the_voice_speaks_and_what_is_saved_stays(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(
        folder, "turn.ipynb", "%load_ext aigw_notebook", "%%aigw openai\nCount from 1 to 12", "_.text"
    )
    with opened(browser, lab_url(lab, path.name), "lab-turn") as page:
        page.evaluate(NO_WEB_AUDIO)
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two')")
        seen = page.evaluate(f"() => {TEXT}.length")
        wait_until(page, f"(seen) => {TEXT}.length > seen", seen)
        wait_until(page, "() => window.sounds.some((sound) => sound.kind === 'playing')")
        status = page.evaluate("() => document.querySelector('.aigw-live-line').textContent")
        page.screenshot(path=SHOTS / "lab-live.png")
        assert "first words" in status and "first audio" in status
        wait_until(page, IDLE, 3)
        wait_until(page, f"() => {PLAYER} && !{PLAYER}.paused && !{PLAYER}.muted")
        reached = page.evaluate(f"() => {PLAYER}.currentTime")
        notebook = saved(page, path)
        wait_until(page, f"() => {PLAYER}.ended")
        sounds = page.evaluate("window.sounds")
        length = page.evaluate(f"() => {PLAYER}.duration")
        assert page.evaluate(f"() => [document.querySelectorAll('audio').length, {TEXT}]") == [1, ""]
    assert 0.2 < reached < length
    assert final_outputs(notebook.cells[1]) == ["stream", "text/markdown", "text/html"]
    assert "autoplay" not in notebook.cells[1].outputs[2].data["text/html"]
    assert "widgets" not in notebook.metadata
    assert notebook.cells[2].outputs[0].data["text/plain"].startswith("'One, two, three")
    assert_without_breaks(sounds, length)


def test_what_a_model_writes_runs_nothing_in_the_page(browser: Browser, lab: str, folder: Path) -> None:
    """Shown as it is, the same Markdown runs: JupyterLab trusts the outputs of a cell that was run."""
    markdown = "<img src=none.png onerror='window.NAME = 1'>\n\n- a\n  ```\n<script>window.NAME = 2</script>"
    cells = [
        f"text = {markdown!r}\nfrom IPython.display import display\nfrom aigw_notebook.inert import inert",
        "display({'text/markdown': text.replace('NAME', 'asItIs')}, raw=True)",
        "display({'text/markdown': inert(text.replace('NAME', 'inert')) + ' **done**'}, raw=True)",
    ]
    path = write_notebook(folder, "inert.ipynb", *cells)
    with opened(browser, lab_url(lab, path.name), "lab-inert") as page:
        run_all(page)
        wait_until(page, IDLE, 3)
        wait_until(page, "() => document.querySelector('.jp-RenderedMarkdown strong') && window.asItIs === 1")
        assert page.evaluate("window.inert") is None
        shown = page.evaluate("[...document.querySelectorAll('.jp-RenderedMarkdown')].at(-1).textContent")
    assert "onerror" in shown and "<script>" in shown.replace("\u2060", "")


def assert_without_breaks(sounds: list[dict[str, Any]], length: float) -> None:
    """Segments follow each other, and the final player goes on where they stopped."""
    segments = [sound for sound in sounds if not sound["id"]]
    breaks = [
        after["at"] - before["at"]
        for before, after in itertools.pairwise(segments)
        if (before["kind"], after["kind"]) == ("ended", "playing")
    ]
    heard = sum(sound["position"] for sound in segments if sound["kind"] == "ended")
    last = max((sound["position"] for sound in segments if sound["kind"] == "pause"), default=0.0)
    whole = next(sound for sound in sounds if sound["id"])
    print(f"{len(breaks)} joints, longest {max(breaks, default=0) * 1000:.0f} ms; handed over at {heard:.2f} s")
    assert max(breaks, default=0.0) < 0.5
    assert whole["position"] <= heard + last + 0.1 < length + 0.2


def test_a_reopened_notebook_shows_text_and_player_and_is_silent(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "again.ipynb", "%load_ext aigw_notebook", "%%aigw openai\nCount from 1 to 5")
    with opened(browser, lab_url(lab, path.name), "lab-again-first") as page:
        run_all(page)
        wait_until(page, IDLE, 2)
        saved(page, path)
    with opened(browser, lab_url(lab, path.name), "lab-reopened") as page:
        wait_until(page, "() => document.querySelector('.jp-RenderedMarkdown.jp-OutputArea-output')")
        wait_until(page, f"() => {PLAYER}?.readyState >= 1")
        text = page.evaluate("() => document.querySelector('.jp-RenderedMarkdown.jp-OutputArea-output').textContent")
        assert text.strip() == "One, two, three, four, five."
        assert page.evaluate(f"() => [{PLAYER}.paused, {PLAYER}.currentTime]") == [True, 0]
        assert page.evaluate("() => document.querySelectorAll('.aigw-live').length") == 0
        assert page.evaluate(f"() => {PLAYER}.duration") > 1


@pytest.mark.parametrize("autoawait", [True, False], ids=["awaited", "blocking"])
def test_stop_ends_the_answer_and_the_voice(browser: Browser, lab: str, folder: Path, autoawait: bool) -> None:
    name = f"stop-{autoawait}.ipynb"
    setup = f"%load_ext aigw_notebook\n%autoawait {autoawait}"
    path = write_notebook(folder, name, setup, "%%aigw openai\nCount from 1 to 90", "print(_.status, _.number)")
    with opened(browser, lab_url(lab, name), f"lab-stop-{autoawait}") as page:
        page.evaluate(NO_WEB_AUDIO)
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two')")
        wait_until(page, "() => window.sounds.some((sound) => sound.kind === 'playing')")
        page.locator(".aigw-live-stop").click()
        wait_until(page, IDLE, 3)
        wait_until(page, PLAYER)
        wait_until(page, f"() => {PLAYER}.readyState >= 1")
        assert page.evaluate(f"() => {PLAYER}.paused")
        assert page.evaluate("() => window.sounds.at(-1).kind") == "pause"
        notebook = saved(page, path)
    assert "*(interrupted)*" in notebook.cells[1].outputs[1].data["text/markdown"]
    assert "90" not in notebook.cells[1].outputs[1].data["text/markdown"]
    assert notebook.cells[2].outputs[0].text == "interrupted 1\n"


def test_a_second_view_opened_in_mid_turn_catches_up(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(
        folder, "views.ipynb", "%load_ext aigw_notebook", "%%aigw openai --no-audio\nCount from 1 to 90"
    )
    with opened(browser, lab_url(lab, path.name), "lab-two-views") as page:
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two')")
        page.evaluate("() => document.querySelector('.aigw-live-text').scrollIntoView()")
        page.locator(".jp-CodeCell .jp-OutputArea-output").last.click(button="right")
        page.get_by_text("Create New View for Cell Output").click()
        wait_until(page, "() => document.querySelectorAll('.aigw-live-text').length === 2")
        wait_until(
            page,
            "() => { const texts = [...document.querySelectorAll('.aigw-live-text')].map((view) => view.textContent);"
            " return texts[0].startsWith('One, two, three') && texts[0] === texts[1]; }",
        )


def test_a_dark_theme_is_readable(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "dark.ipynb", "%load_ext aigw_notebook", "%%aigw openai\nCount from 1 to 12")
    with opened(browser, lab_url(lab, path.name), "lab-dark") as page:
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        wait_until(page, "() => document.body.dataset.jpThemeLight === 'false'")
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two, three, four')")
        colour = "getComputedStyle(document.querySelector('.aigw-live-text')).color"
        page.screenshot(path=SHOTS / "lab-dark-live.png")
        bright = [int(part) for part in page.evaluate(f"() => {colour}.match(/\\d+/g)")[:3]]
        assert min(bright) > 150
        wait_until(page, IDLE, 2)
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")


# -------------------------------------------------------------------------------------------------------- Notebook 7


def test_notebook_7_shows_the_same(
    browser: Browser, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("notebook")
    path = write_notebook(folder, "seven.ipynb", "%load_ext aigw_notebook", "%%aigw openai\nCount from 1 to 8")
    with (
        jupyter("notebook", folder, environment) as address,
        opened(browser, f"{address}/notebooks/{path.name}", "notebook-7") as page,
    ):
        page.evaluate(NO_WEB_AUDIO)
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two')")
        wait_until(page, "() => window.sounds.some((sound) => sound.kind === 'playing')")
        page.screenshot(path=SHOTS / "notebook-7-live.png")
        wait_until(page, IDLE, 2)
        wait_until(page, f"() => {PLAYER}?.ended")
        notebook = saved(page, path)
    assert final_outputs(notebook.cells[1]) == ["stream", "text/markdown", "text/html"]
