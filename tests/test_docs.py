"""The documents: generated parts are current, links lead somewhere, what is promised exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import aigw_notebook
from aigw_notebook import cli, errors, events, providers
from aigw_notebook.commands import COMMANDS
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.options import OPTIONS
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


def test_the_gallery_shows_what_cells_gave(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = importlib.import_module("gallery")  # beside docs/build.py, whose folder is on the path by now
    monkeypatch.setattr(gallery, "PICTURES", tmp_path)
    from nbformat.v4 import new_output as given

    stream = given("stream", name="stdout", text="\x1b[1mbold\x1b[0m\n")
    assert gallery.shown(stream, 1) == "```text\nbold\n```"
    for data, expected in (
        ({"text/markdown": "two\n\nlines", "text/plain": "x"}, "> two\n>\n> lines"),
        ({"text/html": "<audio src='a'>", "text/plain": "x"}, "*(here the notebook has a player)*"),
        ({"text/html": "<b>", "text/plain": "x"}, "```text\nx\n```"),
        ({"image/svg+xml": "<svg/>", "text/plain": "x"}, "![What the cell shows](images/gallery/7.svg)"),
    ):
        assert gallery.shown(given("display_data", data=data), 7) == expected
    assert (tmp_path / "7.svg").read_text() == "<svg/>"
    assert len(list(gallery.BLOCK.finditer(gallery.PAGE.read_text(encoding="utf-8")))) > 6


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


def test_a_part_or_a_file_that_is_not_current_is_found(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, fresh, missing = tmp_path / "part.md", tmp_path / "fresh.md", tmp_path / "made.txt"
    part.write_text("# A\n\n<!-- generated: order -->\nold\n<!-- end -->\n", encoding="utf-8")
    fresh.write_text("# B\n", encoding="utf-8")
    monkeypatch.setattr(build, "documents", lambda: [part, fresh])
    monkeypatch.setattr(build, "FILES", {missing: lambda: "made\n"})
    found = build.stale()
    assert list(found) == [part, missing] and found[missing] == "made\n"
    assert "| idle | `ResponseStarted` | responding |" in found[part] and "old" not in found[part]


def test_headings_of_one_name_have_anchors_of_their_own(build: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# The `one` thing\n\n## Notes\n\n```\n# no heading\n```\n\n## Notes\n", encoding="utf-8")
    assert build.anchors(page) == {"the-one-thing", "notes", "notes-1"}


# ------------------------------------------------------------------------------------------- the index and llms.txt


def listed(build: ModuleType) -> list[str]:
    assert build.llms
    return [entry.page for entries in sys.modules["contents"].sections().values() for entry in entries]


def test_every_page_stands_in_the_index_once(build: ModuleType) -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed(build)) == sorted(pages - {"index.md"})


def test_llms_txt_has_a_line_for_every_page(build: ModuleType) -> None:
    text = (ROOT / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# aigw_notebook\n\n> ")
    lines = re.findall(r"^- \[[^\]]+\]\(docs/(.+\.md)\): .+$", text, re.MULTILINE)
    assert lines == listed(build)


def test_links_out_of_the_documents_lead_into_the_repository(build: ModuleType) -> None:
    contents = sys.modules["contents"]
    text = "[a](../README.md#more) [b](log.md) [c](https://example.com) [d](#here) ![e](images/panel-dark.png)"
    where = "https://github.com/aigw-notebook/aigw-notebook/blob/main/README.md#more"
    assert contents.outward(text, ROOT / "docs" / "index.md") == text.replace("../README.md#more", where)


# ---------------------------------------------------------------------------------------------------- the reference


def reference(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def test_every_public_name_is_in_the_reference() -> None:
    headings = set(re.findall(r"^### `(\w+)`$", reference("api") + reference("errors"), re.MULTILINE))
    told = headings | set(re.findall(r"^\| `(\w+)` \|", reference("errors"), re.MULTILINE))
    assert set(aigw_notebook.__all__) - told == {"__version__", "errors", "events"}


def test_the_methods_of_a_session_are_in_the_reference() -> None:
    text = reference("api")
    for cls in (aigw_notebook.Session, aigw_notebook.ChatPanel, aigw_notebook.Speaker, aigw_notebook.Clip):
        own = {name for name, value in vars(cls).items() if callable(value) and not name.startswith("_")}
        assert own
        assert own <= set(re.findall(rf"^#### `{cls.__name__}\.(\w+)`$", text, re.MULTILINE))
    assert "To be awaited, and else as with [`Session`](#session): `ask`" in text


def test_every_error_has_a_next_step(build: ModuleType) -> None:
    assert set(sys.modules["event_pages"].NEXT_STEPS) == set(errors.__all__)


def test_every_event_and_field_is_in_the_reference() -> None:
    parts = re.split(r"^### `(\w+)`$", reference("events"), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    classes = {
        name: getattr(events, name) for name in events.__all__ if hasattr(getattr(events, name), "__match_args__")
    }
    assert set(sections) == set(classes) > {"AudioDelta", "Usage", "ToolFinished"}
    for name, cls in classes.items():
        own = {field.name for field in fields(cls)} - {"raw"}
        assert set(re.findall(r"^\| `(\w+)` \|", sections[name], re.MULTILINE)) - set(ORDERED) == own
    assert "| `played_ms` | `float` | `0.0` | ms |" in sections["PlaybackEnded"]


ORDERED = ("idle", "responding")


def test_every_word_and_option_is_in_the_reference() -> None:
    assert all(f"| `{f'%aigw {name} '.strip()}" in reference("magics") for name in COMMANDS)
    assert all(f"`{names[-1]}" in reference("magics") for names, _ in OPTIONS)
    for command in cli.COMMANDS:
        assert f"## `aigw-notebook {command}`" in reference("cli")
    assert "| `--upstream [ROUTE=]URL`, any number of times |" in reference("cli")


def test_the_picture_of_the_house_has_every_room(build: ModuleType) -> None:
    house = sys.modules["house_picture"]
    names = {name for name in house.floors() if name}
    drawn = re.findall(r'text-anchor="middle">([\w]+)/?<', (ROOT / "docs" / "images" / "house.svg").read_text("utf-8"))
    assert sorted(drawn) == sorted(names) and set(house.floors().values()) == set(house.FLOOR_NAMES)
    assert "session" in house.edges()["faces"] and "gateway" not in house.edges()["session"]


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


TOLD = ("text", "json", "py")
"""Languages of blocks that nobody is meant to run: output, pictures, addresses, messages, signatures."""


def line_of_make(line: str) -> bool:
    words = shlex.split(line, comments=True)
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return words[:1] == ["make"] and set(words[1:]) <= set(targets)


def unexplained(path: Path) -> Iterator[str]:
    """Blocks that are neither cells, nor targets of make, nor told, nor the output of the cell before."""
    before: Block | None = None
    for block in blocks(path):
        commands = not block.language and all(map(line_of_make, block.code.splitlines()))
        output = not block.language and before is not None and before.is_code
        if not (block.is_code or block.language in TOLD or commands or output):
            yield f"{path.name}: {block.code[:60]}"
        before = block


RUN_BY = {"docs/faq.md": "tests/gateway/engines/test_faq_code.py", "CONTRIBUTING.md": "tests/test_release.py"}
"""The pages whose blocks are run by other tests than those here."""


def test_every_block_is_run_or_explained() -> None:
    elsewhere = {ROOT / page for page in RUN_BY}
    assert [found for path in DOCUMENTS if path not in elsewhere for found in unexplained(path)] == []
    assert all((ROOT / test).exists() for test in RUN_BY.values())


def test_a_block_that_nobody_runs_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```\nmake test\n```\n\n```\nmake tea\n```\n\n```sh\ncurl x\n```\n", encoding="utf-8")
    assert list(unexplained(page)) == ["page.md: make tea\n", "page.md: curl x\n"]


SPAN = re.compile(r"`([^`\n]+)`")


def test_the_commands_in_the_text_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    """Each `aigw-notebook …` and `%aigw …` that stands in a sentence, and each extra that one is to install."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    spans = [span for path in DOCUMENTS for span in SPAN.findall(path.read_text(encoding="utf-8"))]
    lines = [span.split()[1:] for span in spans if span.startswith("aigw-notebook ") and "…" not in span]
    given = [words for words in lines if words[0] in cli.COMMANDS and len(words) > 1]
    assert given and {words[0] for words in lines if not words[0].startswith("--")} <= {*cli.COMMANDS}
    for words in given:
        parser = cli._parser()
        assert parser.parse_args(
            [*words, "x"] if words[-1].startswith("--") and words[-1] != "--live" else words
        ).command
    words = {span.split()[1] for span in spans if span.startswith("%aigw ")}
    assert words and words <= set(COMMANDS)
    wanted = {
        name for span in spans for group in re.findall(r"aigw-notebook\[([\w,-]+)\]", span) for name in group.split(",")
    }
    assert wanted and wanted <= set(extras)


WITH_CODE = [path for path in DOCUMENTS if any(block.is_code for block in blocks(path))]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cell]]:
    """One kernel for all documents, in an empty directory; magics raise what they would otherwise print."""
    homes = {name: str(tmp_path_factory.mktemp("home")) for name in ("IPYTHONDIR", "AIGW_NOTEBOOK_HOME")}
    with running(homes) as started:
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


def test_the_readme_shows_the_rows_that_come(gateway: LocalGateway) -> None:
    with aigw_notebook.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("What is 17 times 23?")
    shown = re.findall(r"(?m)^\d +\d +(\w+) +(\w+) ", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown == [(row["role"], row["kind"]) for row in session.records]
