"""The notebook face in a real page: headless Chromium, JupyterLab and Notebook 7; screenshots in build/browser.

A page is driven by its commands and by clicks; what it plays is written down by listeners put in before any cell runs.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Pace

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SHOTS = Path(__file__).resolve().parent.parent / "build" / "browser"
PACE = Pace(first_token_ms=50.0, text_delta_ms=60.0, audio_speed=2.0)
WAIT_MS = 60_000

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]

LOG_SOUND = """() => {
  window.sounds = [];
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    if (!this.logged) {
      this.logged = true;
      for (const kind of ["playing", "pause", "ended"])
        this.addEventListener(kind, () => window.sounds.push(
          { kind, id: this.id, muted: this.muted, at: performance.now() / 1000, position: this.currentTime }));
    }
    return play.call(this);
  };
}"""

READY = """() => {
  const kernel = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
  return kernel && kernel.connectionStatus === "connected" && kernel.status === "idle";
}"""

IDLE = """(count) => {
  const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map((prompt) => prompt.textContent);
  return prompts.filter((text) => /\\[\\d+\\]/.test(text)).length === count;
}"""


# ------------------------------------------------------------------------------------------------- server and browser


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def jupyter(app: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of a running JupyterLab ("lab") or Notebook 7 ("notebook") that serves `folder`."""
    port = free_port()
    settings = folder / ".settings"
    settings.mkdir()
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(quiet))
    own = {
        "lab": ["jupyterlab", "--LabApp.expose_app_in_browser=True", f"--LabApp.app_settings_dir={settings}"],
        "notebook": ["notebook", "--JupyterNotebookApp.expose_app_in_browser=True"],
    }[app]
    shared = [
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        f"--ServerApp.root_dir={folder}",
    ]
    places = {
        name: str(folder / ".jupyter" / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    }
    with (folder / "server.log").open("w") as log:
        command = [sys.executable, "-m", *own, *shared]
        process = subprocess.Popen(command, env={**os.environ, **places, **environment}, stdout=log, stderr=log)
        try:
            answer_of(f"http://127.0.0.1:{port}/api/status", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def answer_of(url: str, process: subprocess.Popen[bytes], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not answer; its exit status is {process.poll()}")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with LocalGateway(pace=PACE, token="browser-token") as gateway:
        yield {"AIGW_GATEWAY_URL": gateway.url, "CF_AIG_TOKEN": gateway.token}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    with jupyter("lab", folder, environment) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "these tests need Chromium on the PATH"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=CHROMIUM_FLAGS, ignore_default_args=["--mute-audio"]
        )
        yield browser
        browser.close()


def write_notebook(folder: Path, name: str, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / name)
    return folder / name


@contextmanager
def opened(browser: Browser, url: str, shot: str) -> Iterator[Page]:
    """The notebook at `url`, its kernel ready; a screenshot is taken at the end, however that comes."""
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    SHOTS.mkdir(parents=True, exist_ok=True)
    try:
        page.goto(url)
        page.wait_for_function(READY, timeout=WAIT_MS)
        page.evaluate(LOG_SOUND)
        yield page
    finally:
        page.screenshot(path=SHOTS / f"{shot}.png")
        page.close()


def lab_url(lab: str, name: str) -> str:
    return f"{lab}/lab/workspaces/{secrets.token_hex(4)}/tree/{name}?reset"


def command(page: Page, name: str) -> None:
    page.evaluate("(name) => { void window.jupyterapp.commands.execute(name); }", name)


def run_all(page: Page) -> None:
    command(page, "notebook:run-all-cells")


def wait_until(page: Page, expression: str, argument: Any = None) -> None:
    page.wait_for_function(expression, arg=argument, timeout=WAIT_MS)


def saved(page: Page, path: Path) -> Any:
    """The notebook file after a save."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    return nbformat.read(path, as_version=4)


def final_outputs(cell: Any) -> list[str]:
    """The kind of each output of a saved cell, the richest MIME type first."""
    order = ("application/vnd.jupyter.widget-view+json", "text/markdown", "text/html", "text/plain")
    return [next(m for m in order if m in out.data) if "data" in out else out.output_type for out in cell.outputs]


TEXT = "document.querySelector('.aigw-live-text')?.textContent ?? ''"
PLAYER = "document.querySelector('.jp-OutputArea-output audio[controls]')"

# -------------------------------------------------------------------------------------------------------- JupyterLab


def test_text_streams_the_voice_speaks_and_what_is_saved_stays(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(
        folder, "turn.ipynb", "%load_ext aigw_notebook", "%%aigw openai\nCount from 1 to 16", "_.text"
    )
    with opened(browser, lab_url(lab, path.name), "lab-turn") as page:
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
    path = write_notebook(folder, "dark.ipynb", "%load_ext aigw_notebook", "%%aigw openai\nCount from 1 to 20")
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
    path = write_notebook(folder, "seven.ipynb", "%load_ext aigw_notebook", "%%aigw openai\nCount from 1 to 12")
    with (
        jupyter("notebook", folder, environment) as address,
        opened(browser, f"{address}/notebooks/{path.name}", "notebook-7") as page,
    ):
        run_all(page)
        wait_until(page, f"() => {TEXT}.startsWith('One, two')")
        wait_until(page, "() => window.sounds.some((sound) => sound.kind === 'playing')")
        page.screenshot(path=SHOTS / "notebook-7-live.png")
        wait_until(page, IDLE, 2)
        wait_until(page, f"() => {PLAYER}?.ended")
        notebook = saved(page, path)
    assert final_outputs(notebook.cells[1]) == ["stream", "text/markdown", "text/html"]
