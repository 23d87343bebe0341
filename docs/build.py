"""Writes the generated parts of the documents and checks every link in them. `--check` only says what is stale.

A generated part stands between `<!-- generated: name -->` and `<!-- end -->`. What it is about may follow the name.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "aigw_notebook"
sys.path.insert(0, str(ROOT / "docs"))

import wire_table  # noqa: E402  (stands beside this script, in no package)
from api_page import api  # noqa: E402
from command_pages import cell_options, command_line, line_commands, magic_settings  # noqa: E402
from contents import llms  # noqa: E402
from event_pages import EVENTS, error_table, order  # noqa: E402
from house_picture import house, picture  # noqa: E402
from provider_tables import CAPABILITIES, facts, key, keys, providers  # noqa: E402

PART = re.compile(r"(<!-- generated: (\w+)(?: ([\w-]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def columns() -> str:
    """The columns of a session's records, as a table."""
    from aigw_notebook.records import COLUMNS

    return _column_table(COLUMNS)


def tables() -> str:
    """The tables beside the records, each with its columns."""
    from aigw_notebook.tables import SCHEMAS

    others = [schema for name, schema in SCHEMAS.items() if name != "turns"]
    return (
        "\n".join(f"\n### `tables.{s.name}`\n\nA row is {s.doc}.\n\n{_column_table(s.columns)}" for s in others) + "\n"
    )


def rooms() -> str:
    """The packages of the house, each in the first words of its docstring."""
    return _module_table("room", sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE))


def modules() -> str:
    """The modules of the house that stand in no room, likewise."""
    return _module_table("module", sorted(PACKAGE.glob("[a-z]*.py")))


def _module_table(head: str, paths: Iterable[Path]) -> str:
    lines = [f"| {head} | what is in it |", "| --- | --- |"]
    lines += [f"| `{path.relative_to(PACKAGE).as_posix()}` | {_first_line(path)} |" for path in paths]
    return "\n".join(lines)


def _first_line(path: Path) -> str:
    """The first line of the docstring of a module or a package; it is read, not imported."""
    source = path / "__init__.py" if path.is_dir() else path
    return (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _column_table(columns: Iterable[Any]) -> str:
    lines = ["| column | type | what it says |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| `{c.name}` | {c.type} | {c.doc} |" for c in columns)])


def errors() -> str:
    """The tree of exceptions, as the module that defines them draws it."""
    from aigw_notebook import errors as module

    return "\n".join(line for line in (module.__doc__ or "").splitlines() if line.lstrip().startswith("* "))


def faq() -> str:
    """The questions and answers that the local answerer knows, as sections."""
    from aigw_notebook.gateway.engines.faq import entries

    sections = (
        f"## {one.title}\n\n{one.answer}" + (f"\n\n```\n{one.code}\n```" if one.code else "") for one in entries()
    )
    return "\n" + "\n\n".join(sections) + "\n"


PARTS: dict[str, Callable[..., str]] = {
    "columns": columns,
    "tables": tables,
    "errors": errors,
    "faq": faq,
    "rooms": rooms,
    "modules": modules,
    "providers": providers,
    "facts": facts,
    "key": key,
    "keys": keys,
    "settings": wire_table.by_kind,
    "wire": wire_table.by_provider,
    "api": api,
    "cell_options": cell_options,
    "line_commands": line_commands,
    "magic_settings": magic_settings,
    "command_line": command_line,
    "order": order,
    "error_table": error_table,
    "house": house,
    **CAPABILITIES,
    **EVENTS,
}
"""What makes each part; a part with a subject is made by a function of it."""

FILES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "images" / "house.svg": picture,
    ROOT / "llms.txt": llms,
}
"""What makes each file that is generated as a whole."""


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "binder" / "README.md"]


def current(path: Path) -> str:
    """The file as it should be now: generated as a whole, or a document with its generated parts."""
    if path in FILES:
        return FILES[path]()
    return PART.sub(lambda m: f"{m[1]}{PARTS[m[2]](*filter(None, [m[3]]))}\n{m[4]}", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The names that a link into this document may end in, made from its headings as GitHub does."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)]
    return {f"{name}-{before}" if (before := names[:place].count(name)) else name for place, name in enumerate(names)}


def broken_links(path: Path) -> Iterator[str]:
    """The links of a document that lead nowhere in this tree; addresses on the network are not tried."""
    for target in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield f"{path.relative_to(ROOT)}: {target}"


def stale() -> dict[Path, str]:
    """The files that differ from what the code says, each with what should stand there."""
    found = {path: current(path) for path in [*documents(), *FILES]}
    return {path: text for path, text in found.items() if not path.exists() or path.read_text(encoding="utf-8") != text}


def main(arguments: list[str]) -> int:
    """0 when all is in order."""
    old = stale()
    if "--check" not in arguments:
        for path, text in old.items():
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
        old = {}
    faults = [f"{path.relative_to(ROOT)}: stale, run 'make docs'" for path in old]
    faults += [fault for path in documents() for fault in broken_links(path)]
    print("\n".join(faults) if faults else f"{len(documents())} documents in order")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
