"""One ES module out of several of ours, as a widget needs it: a front end loads a widget's script as a single text."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["STATIC", "bundle"]

STATIC = Path(__file__).parent / "static"

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./([\w-]+\.js)\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?:default |(?=(?:async )?(?:function|class|const|let)\b))", re.MULTILINE)


def bundle(name: str) -> str:
    """The module `static/<name>` with the modules of ours that it imports put before it, each once.

    They are written as plain modules: `import { a, b } from "./other.js";` in one statement without renaming, and
    `export` before a declaration; the default export of an imported one is left out. All their names share one scope,
    so top-level names are unique among the files.
    """
    parts: list[str] = []
    _collect(name, parts, seen=set())
    return "\n".join(parts)


def _collect(name: str, parts: list[str], *, seen: set[str]) -> None:
    if name in seen:
        return
    inlined = bool(seen)
    seen.add(name)
    source = (STATIC / name).read_text(encoding="utf-8")
    for other in _IMPORT.findall(source):
        _collect(other, parts, seen=seen)
    source = _IMPORT.sub("", source)
    parts.append(_EXPORT.sub("", source) if inlined else source)
