"""A folder of its own for the log of each test, and no writer left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aigw_notebook import log


@pytest.fixture(autouse=True)
def home(clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the log, which is on."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AIGW_NOTEBOOK_HOME", str(folder))
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "on")
    yield folder
    log.close_writers()
