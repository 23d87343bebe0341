"""The scripts of the widgets, in the Node that the browser driver brings along."""

from __future__ import annotations

import subprocess
from pathlib import Path

import playwright
import pytest

HERE = Path(__file__).resolve().parent / "js"
NODE = Path(playwright.__file__).parent / "driver" / "node"


@pytest.mark.parametrize("script", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_script(script: Path) -> None:
    done = subprocess.run([NODE, "--test", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail 0" in done.stdout
