"""The documents as a site: Sphinx builds it without a warning, and what it built hangs together."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages. A warning of Sphinx is an error."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-q", "-d", str(folder / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder / "pages")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "pages"


class Page(HTMLParser):
    """What a page leads to, what it loads, and the names it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.names |= {found["id"]} if "id" in found else set()
        self.targets += [found["href"]] if tag == "a" and "href" in found else []
        self.loaded += [found["src"]] if "src" in found else []
        self.loaded += [found["href"]] if tag == "link" and found.get("rel") == "stylesheet" else []


read = cache(Page)


def broken(page: Path, site: Path) -> Iterator[str]:
    for target in read(page).targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and file.suffix == ".html" and anchor not in read(file).names):
            yield f"{page.relative_to(site)}: {target}"


def test_every_page_is_built(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert {"index.html", "tutorial.html", "reference/api.html"} <= pages
    assert pages <= {path.relative_to(site).as_posix() for path in site.rglob("*.html")}


def test_the_links_of_the_built_pages_lead_somewhere(site: Path) -> None:
    pages = [site / path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")]
    assert [link for page in pages for link in broken(page, site)] == []


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = read(site / "index.html").loaded
    assert any("furo" in address for address in loaded)
    assert [address for address in loaded if "//" in address] == []


def test_llms_txt_is_among_the_pages_and_leads_to_their_sources(site: Path) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    targets = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", text, re.MULTILINE)
    assert len(targets) > 30
    assert [target for target in targets if not (site / target).exists()] == []
