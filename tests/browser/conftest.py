"""One JupyterLab and one browser for these tests, whose microphone hears a tone of 500 Hz. To it this machine is
`notebook.lan` too, a page that is not secure.

Playwright holds an event loop for as long as it runs, so a browser must end before tests of another kind begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from aigw_notebook import Clip
from tests.browser_harness import chromium, jupyter, paced_gateway

MIC_RATE = 48_000


@pytest.fixture(scope="package")
def environment() -> Iterator[dict[str, str]]:
    with paced_gateway() as environment:
        yield environment


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="package")
def lab(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    with jupyter("lab", folder, environment) as address:
        yield address


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(4 * MIC_RATE) / MIC_RATE)
    path = Clip.from_any(tone, sample_rate=MIC_RATE).save(tmp_path_factory.mktemp("mic") / "tone.wav")
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}",
        "--host-resolver-rules=MAP notebook.lan 127.0.0.1",
    )
    with chromium(*flags) as browser:
        yield browser
