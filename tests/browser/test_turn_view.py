"""The view of a running `%%aigw` cell in a real page: its sound outlives it, Stop and Interrupt end it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser_harness import (
    IDLE,
    READY,
    SHOTS,
    WAIT_MS,
    command,
    final_outputs,
    lab_url,
    opened,
    run_all,
    run_cell,
    saved,
    wait_until,
)
from tests.notebook_files import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LOAD = "%load_ext aigw_notebook"
TEXT = "(document.querySelector('.aigw-live-text')?.textContent ?? '')"
SOUNDING = "((globalThis[Symbol.for('aigw_notebook.audio')]?.sounding.size ?? 0) > 0)"
EDGE = "(document.querySelector('.aigw-edge-line')?.textContent ?? '')"
ANY_PLAYER = "[...document.querySelectorAll('audio')].some((player) => !player.paused)"

HEARD = """import asyncio
async def heard(turn):
    for _ in range(300):
        told = [(row["heard_ms"], row["audio_ms"]) for row in turn.records if row["audio_ms"]]
        if told and all(ms is not None for ms, _ in told):
            return [round(ms / whole, 3) for ms, whole in told]
        await asyncio.sleep(0.1)
"""

SINCE = """() => new Promise((resolve) => {
  const begun = performance.now();
  const look = () => (%s) ? requestAnimationFrame(look) : resolve(performance.now() - begun);
  look();
})"""
"""Ms until an expression is false."""


def test_the_voice_plays_on_after_its_cell_and_tells_what_was_heard(browser: Browser, lab: str, folder: Path) -> None:
    cells = [LOAD, "%%aigw openai --into turn\nCount from 1 to 8", HEARD + "print(await heard(turn))"]
    path = write_notebook(folder, "voice.ipynb", *cells)
    with opened(browser, lab_url(lab, path.name), "turn-voice") as page:
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two') && {SOUNDING}")
        page.screenshot(path=SHOTS / "turn-voice-live.png")
        wait_until(page, IDLE, 2)
        assert page.evaluate(f"() => [{SOUNDING}, {ANY_PLAYER}]") == [True, False]
        assert page.evaluate(f"() => {EDGE}").startswith("playing ")
        page.screenshot(path=SHOTS / "turn-voice-after.png")
        wait_until(page, IDLE, 3)
        wait_until(page, f"() => {EDGE} === ''")
        notebook = saved(page, path)
    assert final_outputs(notebook.cells[1]) == ["stream", "text/markdown", "text/html"]
    assert "autoplay" not in notebook.cells[1].outputs[2].data["text/html"]
    assert "widgets" not in notebook.metadata
    assert notebook.cells[2].outputs[0].text == "[1.0]\n"


def test_answers_of_cells_run_together_are_heard_one_after_the_other(browser: Browser, lab: str, folder: Path) -> None:
    asked = [f"%%aigw openai --into turn_{n}\nCount from {n} to {n + 4}" for n in (1, 2)]
    told = HEARD + "print(await heard(turn_1), await heard(turn_2))"
    path = write_notebook(folder, "queue.ipynb", LOAD, *asked, told)
    with opened(browser, lab_url(lab, path.name), "turn-queue") as page:
        run_all(page)
        wait_until(page, IDLE, 4)
        notebook = saved(page, path)
    assert notebook.cells[3].outputs[0].text == "[1.0] [1.0]\n"


def test_stop_silences_the_page_and_the_records_say_what_was_heard(browser: Browser, lab: str, folder: Path) -> None:
    cells = [LOAD, "%%aigw openai --into turn\nCount from 1 to 90", HEARD + "print(turn.status, await heard(turn))"]
    path = write_notebook(folder, "stop.ipynb", *cells)
    with opened(browser, lab_url(lab, path.name), "turn-stop") as page:
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two') && {SOUNDING}")
        page.wait_for_timeout(700)
        page.evaluate("() => document.querySelector('.aigw-live-stop').click()")
        silent_ms = page.evaluate(SINCE % SOUNDING)
        live_ms = page.evaluate(SINCE % "document.querySelector('.aigw-live')")
        wait_until(page, IDLE, 3)
        notebook = saved(page, path)
    print(f"Stop to silence {silent_ms:.0f} ms, and to the end of the cell {live_ms:.0f} ms more")
    assert silent_ms + live_ms < 500
    status, heard = notebook.cells[2].outputs[0].text.split(" ", 1)
    assert status == "interrupted"
    assert 0 < float(heard.strip("[]\n")) < 1
    assert "90" not in notebook.cells[1].outputs[1].data["text/markdown"]


def test_the_edge_stops_a_voice_whose_cell_has_ended(browser: Browser, lab: str, folder: Path) -> None:
    cells = [LOAD, "%%aigw openai --into turn\nCount from 1 to 16", HEARD + "print(turn.status, await heard(turn))"]
    path = write_notebook(folder, "edge.ipynb", *cells)
    with opened(browser, lab_url(lab, path.name), "turn-edge") as page:
        run_all(page)
        wait_until(page, IDLE, 2)
        page.locator(".aigw-edge-button").click()
        wait_until(page, f"() => !({SOUNDING}) && {EDGE} === ''")
        wait_until(page, IDLE, 3)
        notebook = saved(page, path)
    status, heard = notebook.cells[2].outputs[0].text.split(" ", 1)
    assert status == "completed"
    assert 0 < float(heard.strip("[]\n")) < 1


def test_interrupt_ends_the_cell_and_the_voice(browser: Browser, lab: str, folder: Path) -> None:
    cells = [LOAD, "%%aigw openai\nCount from 1 to 90"]
    path = write_notebook(folder, "interrupt.ipynb", *cells)
    with opened(browser, lab_url(lab, path.name), "turn-interrupt") as page:
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two') && {SOUNDING}")
        command(page, "notebook:interrupt-kernel")
        live_ms = page.evaluate(SINCE % "document.querySelector('.aigw-live')")
        silent_ms = page.evaluate(SINCE % SOUNDING)
        wait_until(page, IDLE, 2)
        notebook = saved(page, path)
    print(f"Interrupt to the end of the cell {live_ms:.0f} ms, to silence {silent_ms:.0f} ms more")
    assert live_ms + silent_ms < 500
    text = notebook.cells[1].outputs[1].data["text/markdown"]
    assert text.startswith("One, ") and text.endswith("*(cancelled)*")
    assert notebook.cells[1].outputs[-1].ename == "KeyboardInterrupt"


def test_a_reload_in_mid_turn_loses_nothing_of_it(browser: Browser, lab: str, folder: Path) -> None:
    cells = [LOAD, "%%aigw openai --into turn\nCount from 1 to 24", "print(turn.status, turn.text[-3:])"]
    path = write_notebook(folder, "reload.ipynb", *cells)
    with opened(browser, lab_url(lab, path.name), "turn-reload") as page:
        wait_until(page, READY)
        for _ in range(2):
            command(page, "notebook:run-cell-and-select-next")
        wait_until(page, f"() => {TEXT}.startsWith('One, two')")
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        page.reload()
        page.wait_for_function(READY, timeout=WAIT_MS)
        run_cell(page, 2)
        wait_until(page, "() => document.body.textContent.includes('completed ')")
        notebook = saved(page, path)
    assert notebook.cells[2].outputs[0].text == "completed 24.\n"


DELTAS = """import asyncio, json, time
from aigw_notebook.events import TextDelta
from aigw_notebook.portal import portal
from aigw_notebook.views import NotebookView
view = NotebookView(loop=portal().loop, stop=print, title="many")
view.open()
async def say():
    await asyncio.sleep(0.5)
    for number in range(2_000):
        view(TextDelta(text="voila ", item_id="one"))
        await asyncio.sleep(0.001)
    view._batches.flush()
    return time.time() * 1000
last_ms = await asyncio.wrap_future(portal().submit(say()))
await asyncio.sleep(1.0)
print(json.dumps(last_ms))
"""


def test_two_thousand_deltas_are_in_the_page_at_once(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "deltas.ipynb", LOAD, DELTAS)
    with opened(browser, lab_url(lab, path.name), "turn-deltas") as page:
        page.evaluate(
            "() => { new MutationObserver(() => {"
            f" if (!window.doneMs && ({TEXT}).length >= 12_000) window.doneMs = Date.now();"
            " }).observe(document.body, { childList: true, subtree: true }); }"
        )
        run_all(page)
        wait_until(page, IDLE, 2)
        done_ms: Any = page.evaluate("() => window.doneMs")
        notebook = saved(page, path)
    last_ms = float(notebook.cells[1].outputs[-1].text)
    print(f"the page had all {done_ms - last_ms:.0f} ms after the kernel's last word")
    assert done_ms - last_ms < 100
