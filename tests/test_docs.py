"""The documents: generated parts are current, links lead somewhere, what is promised exists."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from aigw_notebook import providers
from aigw_notebook.providers import Capabilities, SessionSettings, TurnDetection
from tests.kernels import Cell, Kernel, running

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"(?:<!-- (?P<mark>[\w ]+) -->\n+)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
ACCOUNT = "needs an account"
"""Stands as an HTML comment before a block that cannot be run here."""


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """docs/build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


INVENTED = "the tables of settings are made with values that no provider has"


@pytest.mark.bad_frames(reason=INVENTED)
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
    assert {name for _, name, _, _ in build.PART.findall(text)} == set(build.PARTS)


def test_every_target_named_in_the_documents_is_in_the_makefile(build: ModuleType) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    text = "\n".join(path.read_text(encoding="utf-8") for path in build.documents())
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    assert {"demo", "test", "lab", "check", "docs", "bench", "clean", "help"} <= targets


# ------------------------------------------------------------------------------------------------- providers' pages


def test_every_provider_has_its_page_with_all_its_parts(build: ModuleType) -> None:
    for name in providers.BUILT_IN:
        page = ROOT / "docs" / "providers" / f"{name}.md"
        assert page.exists(), f"write {page.relative_to(ROOT)}"
        text = page.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        expected = ["Models, voices, addresses", "The key", "Settings", "Only here", "Limits", "The emulator"]
        assert headings == [*expected, "Troubles", "Sources"], page.name
        parts = [(part, subject) for _, part, subject, _ in build.PART.findall(text)]
        assert parts == [(part, name) for part in ("facts", "key", "wire")]
        assert all(f"`{written}`" in text for written in providers.forms(name))
        assert "State of 20" in text and "../protocol/" in text
        assert f"](providers/{name}.md)" in (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
        assert f"](docs/providers/{name}.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_capability_stands_in_the_tables(build: ModuleType) -> None:
    shown = [field for columns in sys.modules["provider_tables"].GROUPS.values() for field in columns]
    assert sorted(shown) == sorted(field.name for field in fields(Capabilities))


def test_every_setting_stands_in_the_tables(build: ModuleType) -> None:
    settings = sys.modules["wire_table"].SETTINGS
    given = {name for tried in settings.values() for each in tried for name in each}
    assert given == {field.name for field in fields(SessionSettings)} - {"model"}
    tuned = {row.removeprefix("… ") for row in settings if row.startswith("… ")}
    assert tuned == {field.name for field in fields(TurnDetection)} - {"mode"}
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in given)


@pytest.mark.bad_frames(reason=INVENTED)
@pytest.mark.parametrize(
    ("written", "setting", "cell"),
    [
        ("openai", "voice", "`session.audio.output.voice`"),
        ("openai", 'turn_detection="manual"', "`session.audio.input.turn_detection = null`"),
        ("openai", "temperature", "–"),
        ("google", "… interrupt_response", "`setup.realtimeInputConfig.activityHandling = NO_INTERRUPTION`"),
        ("google", 'modalities="audio"', "taken, nothing is sent"),
        ("elevenlabs:tts", "voice", "`path = /v1/text-to-speech/a-voice/multi-stream-input`"),
        ("workers-ai:@cf/deepgram/flux", "… silence_duration_ms", "`?eot_timeout_ms`"),
        ("cartesia", "output_format", "`output_format.encoding = pcm_alaw`, `output_format.sample_rate = 8000`"),
    ],
)
def test_a_setting_is_found_on_the_wire(build: ModuleType, written: str, setting: str, cell: str) -> None:
    provider = providers.forms(written.partition(":")[0])[written]
    assert sys.modules["wire_table"].becomes(provider, setting) == cell


# --------------------------------------------------------------------------------------------------- blocks of code


class Block(NamedTuple):
    mark: str
    language: str
    code: str

    @property
    def is_code(self) -> bool:
        return self.language == "python" or (not self.language and self.code.startswith("%"))

    @property
    def cells(self) -> list[str]:
        """A cell magic that follows a blank line is the next cell."""
        return re.split(r"\n\n(?=%%)", self.code)


def blocks(path: Path) -> list[Block]:
    found = FENCE.finditer(path.read_text(encoding="utf-8"))
    return [Block(match["mark"] or "", match["language"], match["code"]) for match in found]


WITH_CODE = [path for path in DOCUMENTS if any(block.is_code for block in blocks(path))]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cell]]:
    """One kernel for all documents, in an empty directory; magics raise what they would otherwise print."""
    with running({"IPYTHONDIR": str(tmp_path_factory.mktemp("ipython"))}) as started:
        run: Kernel = started
        run.cell(f"import os; os.chdir({str(tmp_path_factory.mktemp('documents'))!r})")
        run.cell("%aigw config errors=raise")
        yield run.cell


def test_the_blocks_of_a_document_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    code = "```python\nx = 1\n```\n\n```\n%aigw help\n```\n\n```\nmake demo\n```\n"
    page.write_text(f"# A\n\n<!-- {ACCOUNT} -->\n\n```python\nlive()\n```\n\ntext\n\n{code}", encoding="utf-8")
    assert blocks(page) == [
        (ACCOUNT, "python", "live()\n"),
        ("", "python", "x = 1\n"),
        ("", "", "%aigw help\n"),
        ("", "", "make demo\n"),
    ]
    assert [block.is_code for block in blocks(page)] == [True, True, True, False]
    assert Block("", "", "%load_ext a\n\n%%aigw openai\nhello\n").cells == ["%load_ext a", "%%aigw openai\nhello\n"]


def test_the_readme_and_every_provider_page_show_code() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in WITH_CODE}
    assert {"README.md", "docs/settings.md", *(f"docs/providers/{name}.md" for name in providers.BUILT_IN)} <= names


@pytest.mark.kernel
@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_code_of_a_document_runs(path: Path, kernel: Callable[[str], Cell]) -> None:
    to_run = [block for block in blocks(path) if block.is_code and block.mark != ACCOUNT]
    assert to_run
    for source in [source for block in to_run for source in block.cells]:
        cell = kernel(source)
        failed = [content["ename"] + ": " + content["evalue"] for content in cell.contents("error")]
        assert (failed, cell.of("stderr")) == ([], []), source
        assert not source.startswith("%%aigw") or cell.of("text/plain")
