"""Takes the pictures of the chat panel for the README, light and dark, keyless. `python docs/picture_panel.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser_harness import chromium, jupyter, lab_url, opened, run_all, wait_until  # noqa: E402
from tests.notebook_files import write_notebook  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PANEL = '''import aigw_notebook as aigw
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"
panel = aigw.ChatPanel("openai", tools=[weather])
panel'''

READY = "() => document.querySelector('.aigw-chat')?.dataset.status === 'ready'"
ANSWERED = "(count) => document.querySelectorAll('.aigw-chat-facts:not(:empty)').length === count"
TELLING = "() => [...document.querySelectorAll('.aigw-chat-text')].at(-1).textContent.length > 230"


def ask(page: Page, text: str) -> None:
    composer = page.locator(".aigw-chat-composer textarea")
    composer.fill(text)
    composer.press("Enter")


def shoot(page: Page, name: str) -> None:
    page.evaluate("() => document.activeElement.blur()")
    page.locator(".aigw-chat").screenshot(path=IMAGES / f"{name}.png")


def themed(page: Page, name: str) -> None:
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        jupyter("lab", Path(name), {"AIGW_NOTEBOOK_ENGINES": "auto"}) as address,
        chromium(scale=1.5) as browser,
    ):
        path = write_notebook(Path(name), "panel.ipynb", PANEL)
        with opened(browser, lab_url(address, path.name), "picture-panel", size=(1200, 780)) as page:
            run_all(page)
            wait_until(page, READY)
            page.locator(".aigw-chat").scroll_into_view_if_needed()
            ask(page, "What is the weather in Lisbon?")
            wait_until(page, ANSWERED, 1)
            ask(page, "How do I stop an answer that is too long?")
            wait_until(page, ANSWERED, 2)
            wait_until(page, READY)
            page.locator(".aigw-chat-tool summary").click()
            shoot(page, "panel-light")
            themed(page, "JupyterLab Dark")
            wait_until(page, "() => document.body.dataset.jpThemeLight === 'false'")
            ask(page, "Tell me a long story.")
            wait_until(page, TELLING)
            shoot(page, "panel-dark")


if __name__ == "__main__":
    main()
