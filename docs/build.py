"""Writes the generated parts of the documents and checks every link in them. `--check` only says what is stale.

A generated part stands between `<!-- generated: name -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def columns() -> str:
    """The columns of a session's records, as a table."""
    from aigw_notebook.records import COLUMNS

    lines = ["| column | type | what it says |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| `{c.name}` | {c.type} | {c.doc} |" for c in COLUMNS)])


def providers() -> str:
    """The registered providers and what they can do, as a table."""
    from aigw_notebook import providers as registry

    lines = ["| provider | name | default model | speaks | hears | sees | tools | turns |", "| --- " * 8 + "|"]
    for name in registry.BUILT_IN:
        provider = registry.get(name)
        can = provider.capabilities
        answers = ["yes" if able else "no" for able in (can.audio_out, can.audio_in, can.image_in, can.tools)]
        turns = ", ".join(n for n in ("server", "semantic", "manual") if getattr(can, f"{n}_turns")) or "–"
        model = f"`{provider.default_model}`" if provider.default_model else "-"
        cells = [provider.title, f"`{name}`", model, *answers, turns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def errors() -> str:
    """The tree of exceptions, as the module that defines them draws it."""
    from aigw_notebook import errors as module

    return "\n".join(line for line in (module.__doc__ or "").splitlines() if line.lstrip().startswith("* "))


PARTS: dict[str, Callable[[], str]] = {"columns": columns, "providers": providers, "errors": errors}


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def current(text: str) -> str:
    """The document with its generated parts as they should be now."""
    return PART.sub(lambda m: f"{m[1]}{PARTS[m[2]]()}\n{m[3]}", text)


def anchors(path: Path) -> set[str]:
    """The names that a link into this document may end in, made from its headings as GitHub does."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+\s+(.*?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def broken_links(path: Path) -> Iterator[str]:
    """The links of a document that lead nowhere in this tree; addresses on the network are not tried."""
    for target in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield f"{path.relative_to(ROOT)}: {target}"


def stale() -> list[Path]:
    """The documents whose generated parts differ from what the code says."""
    return [path for path in documents() if current(text := path.read_text(encoding="utf-8")) != text]


def main(arguments: list[str]) -> int:
    """0 when all is in order."""
    old = stale()
    if "--check" not in arguments:
        for path in old:
            path.write_text(current(path.read_text(encoding="utf-8")), encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
        old = []
    faults = [f"{path.relative_to(ROOT)}: stale, run 'make docs'" for path in old]
    faults += [fault for path in documents() for fault in broken_links(path)]
    print("\n".join(faults) if faults else f"{len(documents())} documents in order")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
