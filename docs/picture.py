"""Takes the picture of the README: the quickstart in a real JupyterLab, keyless. `python docs/picture.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser_harness import CHROMIUM_FLAGS, READY, jupyter  # noqa: E402
from tests.notebook_files import write_notebook  # noqa: E402

CELLS = [
    "%load_ext aigw_notebook",
    "%%aigw openai\nWhat is the capital of Portugal, and why should I visit?",
    "turn = _\nturn.latency, turn.audio",
    'records = %aigw records\nrecords[["turn", "role", "kind", "text", "audio_ms", "output_audio_tokens"]]',
    "%%aigw openai\nTell me a story.",
]
DONE = """(count) => [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")]
  .filter((prompt) => /\\[\\d+\\]/.test(prompt.textContent)).length >= count"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_notebook(folder, "quickstart.ipynb", *CELLS)
        with jupyter("lab", folder, {}) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
            size = {"width": 1180, "height": 800}
            page = browser.new_page(viewport=size, device_scale_factor=1.5)
            page.goto(f"{address}/lab/workspaces/picture/tree/quickstart.ipynb?reset")
            page.wait_for_function(READY, timeout=60_000)
            page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
            page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
            page.wait_for_function(DONE, arg=len(CELLS) - 1, timeout=60_000)
            page.evaluate("window.jupyterapp.shell.currentWidget.content.scrollToItem(4)")
            page.wait_for_function(
                "() => (document.querySelector('.aigw-live-text')?.textContent ?? '').length > 150", timeout=20_000
            )
            page.screenshot(path=ROOT / "docs" / "images" / "quickstart.png")
            browser.close()


if __name__ == "__main__":
    main()
