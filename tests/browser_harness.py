"""A notebook in a real page, for tests: headless Chromium with JupyterLab or Notebook 7 before it.

A page is driven by its commands and by clicks. Every wait has a deadline; what the page showed at the end, however that
came, is in build/browser.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Pace
from tests.notebook_files import read_notebook

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


SHOWN = """
while not speaker.context_state:
    await asyncio.sleep(0.02)
"""
"""A cell that waits until the page has a player for its `speaker`."""

SETTINGS = re.compile(r"^(CLOUDFLARE|CF|AIGW)_|_(API_)?(KEY|TOKEN)$|_PROXY$", re.IGNORECASE)
"""What kernels do not take over from who runs the tests: it could lead them to the real service."""

NOTEBOOK = re.compile(r"http://[^/:]+:(\d+)/.*?(?:tree|notebooks)/([^?]+)")
"""The port of a server and the path of a notebook there, in the address of its page."""

OWN_FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "AIGW_NOTEBOOK_HOME")
"""What the kernels of a test write elsewhere than in the folders of who runs it."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def told(path: Path) -> Any:
    """What a cell wrote down as JSON."""
    return json.loads(path.read_text())


@contextmanager
def jupyter(
    app: str, folder: Path, environment: dict[str, str], launch: Sequence[str | Path] = (sys.executable,)
) -> Iterator[str]:
    """The address of a running JupyterLab ("lab") or Notebook 7 ("notebook") that serves `folder`.

    `launch` is the beginning of its command: an interpreter, or what ends as one.
    """
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
        "--ServerApp.allow_remote_access=True",
        "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={folder}",
    ]
    places = {name: str(folder / ".jupyter" / name) for name in OWN_FOLDERS}
    kept = {name: value for name, value in os.environ.items() if not SETTINGS.search(name)}
    with (folder / "server.log").open("w") as log:
        command = [*launch, "-m", *own, *shared]
        process = subprocess.Popen(
            command, env={**kept, **places, "AIGW_NOTEBOOK_LOG": "memory", **environment}, stdout=log, stderr=log
        )
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


@contextmanager
def paced_gateway(pace: Pace = PACE) -> Iterator[dict[str, str]]:
    """The environment in which a kernel finds a gateway whose emulators answer at `pace`."""
    with LocalGateway(pace=pace, token="browser-token") as gateway:
        yield {"AIGW_GATEWAY_URL": gateway.url, "CF_AIG_TOKEN": gateway.token}


@contextmanager
def chromium(*more_flags: str, scale: float = 1.0) -> Iterator[Browser]:
    """A running headless browser that plays sound without a click.

    It has a profile, because only then it keeps compiled scripts, and JupyterLab is mostly scripts.
    """
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "these tests need Chromium on the PATH"
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=found,
            args=[*CHROMIUM_FLAGS, *more_flags],
            ignore_default_args=["--mute-audio"],
            device_scale_factor=scale,
        )
        assert context.browser
        yield context.browser
        context.close()


def start_kernel(url: str) -> None:
    """Begin the session of the notebook at `url`, so that its kernel starts while its page is loaded."""
    found = NOTEBOOK.match(url)
    assert found, url
    port, path = found.groups()
    session = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/sessions", json.dumps(session).encode())
    urllib.request.urlopen(request, timeout=WAIT_MS / 1000).close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    shot: str,
    permissions: Sequence[str] = (),
    size: tuple[int, int] = (1200, 1000),
) -> Iterator[Page]:
    """The notebook at `url`, its kernel ready; in the end, whatever happens, a screenshot is taken and kernels end."""
    context = browser.contexts[0]
    context.grant_permissions(list(permissions))
    page = context.new_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    SHOTS.mkdir(parents=True, exist_ok=True)
    try:
        start_kernel(url)
        page.goto(url)
        page.wait_for_function(READY, timeout=WAIT_MS)
        page.evaluate(LOG_SOUND)
        yield page
    finally:
        page.screenshot(path=SHOTS / f"{shot}.png")
        page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")
        page.close()
        context.clear_permissions()


def lab_url(lab: str, name: str) -> str:
    return f"{lab}/lab/workspaces/{secrets.token_hex(4)}/tree/{name}?reset"


def command(page: Page, name: str) -> None:
    page.evaluate("(name) => { void window.jupyterapp.commands.execute(name); }", name)


def run_all(page: Page) -> None:
    command(page, "notebook:run-all-cells")


def run_cell(page: Page, number: int) -> None:
    """Run one cell; the first has the number 0."""
    page.evaluate(
        "(number) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number;"
        " void window.jupyterapp.commands.execute('notebook:run-cell'); }",
        number,
    )


def wait_until(page: Page, expression: str, argument: Any = None) -> None:
    page.wait_for_function(expression, arg=argument, timeout=WAIT_MS)


def saved(page: Page, path: Path) -> Any:
    """The notebook file after a save."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    return read_notebook(path)


def final_outputs(cell: Any) -> list[str]:
    """The kind of each output of a saved cell, the richest MIME type first."""
    order = ("application/vnd.jupyter.widget-view+json", "text/markdown", "text/html", "text/plain")
    return [next(m for m in order if m in out.data) if "data" in out else out.output_type for out in cell.outputs]
