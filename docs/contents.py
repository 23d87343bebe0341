"""The lists of `docs/index.md`, and what is made of them: Sphinx's tables of contents and `llms.txt`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["INDEX", "LINK", "ROOT", "Entry", "llms", "llms_beside_pages", "outward", "sections", "toctrees"]

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "docs" / "index.md"

LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
ENTRY = re.compile(r"^\* \[(?P<title>[^\]]+)\]\((?P<page>[^)#:]+\.md)\): (?P<about>.+)$", re.MULTILINE)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


class Entry(NamedTuple):
    """One page: its title in the list, its file as seen from `docs/`, and one line on what it tells."""

    title: str
    page: str
    about: str


def sections(text: str | None = None) -> dict[str, list[Entry]]:
    """The pages by the headings of the index."""
    _, *parts = SECTION.split(INDEX.read_text(encoding="utf-8") if text is None else text)
    listed = {title: _entries(body) for title, body in zip(parts[::2], parts[1::2], strict=True)}
    return {title: entries for title, entries in listed.items() if entries}


def _entries(body: str) -> list[Entry]:
    return [Entry(**match.groupdict()) for match in ENTRY.finditer(body)]


def toctrees() -> str:
    """The lists once more, as Sphinx wants them; hidden, since the page shows its own."""
    return "\n".join(_toctree(title, entries) for title, entries in sections().items())


def _toctree(title: str, entries: list[Entry]) -> str:
    pages = "\n".join(entry.page.removesuffix(".md") for entry in entries)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n"


# ---------------------------------------------------------------------------------------------------------- llms.txt


def llms() -> str:
    """The file `llms.txt`: what the project is, and each page with a line on it."""
    about = _project()["description"]
    head = f"# aigw_notebook\n\n> {about}\n\n{_summary()}\n"
    return head + "".join(f"\n## {title}\n\n{_lines(entries)}" for title, entries in sections().items())


def llms_beside_pages() -> str:
    """The same for the built pages, beside which the sources lie in `_sources/`."""
    return re.sub(r"\]\(docs/([^)]+\.md)\)", r"](_sources/\1.txt)", llms())


def _lines(entries: list[Entry]) -> str:
    return "".join(f"- [{one.title}](docs/{one.page}): {one.about}\n" for one in entries)


def _summary() -> str:
    """The first paragraph of the index, without its links."""
    text = INDEX.read_text(encoding="utf-8").split("\n\n")[1]
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


# ------------------------------------------------------------------------------------------------- links, for Sphinx


def outward(text: str, page: Path) -> str:
    """The page with its links to files outside `docs/` as links into the repository on the network."""

    def rewritten(match: re.Match[str]) -> str:
        inside = _in_repository(match[2], page)
        return match[0] if inside is None else f"{match[1]}{_repository()}/{inside}{match[3]}"

    return LINK.sub(rewritten, text)


def _in_repository(target: str, page: Path) -> str | None:
    """Where a link leads, as seen from the root; None for one that stays among the pages, or leaves the project."""
    name, _, anchor = target.partition("#")
    if not name or re.match(r"[a-z]+:", target):
        return None
    file = (page.parent / name).resolve()
    if file.is_relative_to(ROOT / "docs") or not file.is_relative_to(ROOT):
        return None
    return file.relative_to(ROOT).as_posix() + (f"#{anchor}" if anchor else "")


def _repository() -> str:
    documentation: str = _project()["urls"]["Documentation"]
    return documentation.replace("/tree/", "/blob/").removesuffix("/docs")


def _project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found
