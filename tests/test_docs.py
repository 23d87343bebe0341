"""The documents: generated parts are current, links lead somewhere, what is promised exists."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """docs/build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_current(build: ModuleType) -> None:
    assert [str(path) for path in build.stale()] == [], "run `make docs`"


def test_links_lead_somewhere(build: ModuleType) -> None:
    assert [link for path in build.documents() for link in build.broken_links(path)] == []


def test_a_broken_link_is_found(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    links = "[a](#one-thing) [b](#other) [c](gone.md) [d](https://example.com)"
    page.write_text(f"# One thing\n\n{links}\n", encoding="utf-8")
    assert list(build.broken_links(page)) == ["page.md: #other", "page.md: gone.md"]


def test_every_part_is_used(build: ModuleType) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in build.documents())
    assert {name for _, name, _ in build.PART.findall(text)} == set(build.PARTS)


def test_every_target_named_in_the_documents_is_in_the_makefile(build: ModuleType) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    text = "\n".join(path.read_text(encoding="utf-8") for path in build.documents())
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    assert {"demo", "test", "lab", "check", "docs", "bench", "clean", "help"} <= targets
