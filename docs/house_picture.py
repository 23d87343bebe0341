"""The house drawn from the code: the packages on their floors, and what each imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path

from api_page import flat
from provider_tables import NONE, table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import source  # noqa: E402

__all__ = ["FLOOR_NAMES", "edges", "floors", "house", "picture"]

FLOOR_NAMES: dict[int, str] = {
    6: "IPython, ipywidgets, argparse",
    5: "what a caller holds, blocking and async",
    4: "the background thread",
    3: "asyncio, websockets, SQLite; gateway and session never import each other",
    2: "no socket, no loop, no notebook",
    1: "values",
    0: "errors",
}
"""What stands on a floor may import; the numbers are those of `tests/test_house.py`."""

WIDTH, ROOM, GAP, LINE, LABEL = 1000, 120, 12, 34, 22

STYLE = """
  svg { color-scheme: light dark; font: 13px system-ui, sans-serif }
  .ground { fill: #fff } .floor { fill: #f3f5f8 } .room { fill: #fff; stroke: #8592a6 }
  text { fill: #1d2733 } .small { fill: #5a6675; font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #131416 } .floor { fill: #1e2126 } .room { fill: #2a2f37; stroke: #6b7787 }
    text { fill: #e4e8ee } .small { fill: #a9b3c1 }
  }
"""


@cache
def floors() -> dict[str, int]:
    """Package or module below `aigw_notebook` → its floor, as the tests of the house have it."""
    tree = ast.parse((ROOT / "tests" / "test_house.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "FLOORS" and node.value:
            found: dict[str, int] = ast.literal_eval(node.value)
            return found
    raise LookupError("tests/test_house.py has no FLOORS")


@cache
def edges() -> dict[str, set[str]]:
    """Package or module → those that it imports, at the top of a file or when called."""
    found: dict[str, set[str]] = {name: set() for name in floors()}
    for path in source.PACKAGE_FILES:
        own = _part(source.module_name(path))
        found[own] |= {_part(name) for name, _ in source.own_modules(path)} - {own}
    return found


def _part(name: str) -> str:
    return [*name.split("."), ""][1]


def _file(name: str) -> Path:
    package = source.PACKAGE / name
    return package if package.is_dir() else package.with_suffix(".py")


def _sentence(name: str) -> str:
    """The first paragraph of its docstring; it is read, not imported."""
    path = _file(name) / "__init__.py" if _file(name).is_dir() else _file(name)
    return flat((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")[0])


def house() -> str:
    """A row for each package or module, the highest floor first: what it is, what it imports."""
    order = sorted(floors(), key=lambda name: (-floors()[name], name))
    return table(["floor", "part", "what it is", "imports"], map(_row, order))


def _row(name: str) -> list[str]:
    imported = ", ".join(f"`{each}`" for each in sorted(edges()[name]) if each) or NONE
    return [str(floors()[name]), f"`{name or 'aigw_notebook'}`", _sentence(name), imported]


# ------------------------------------------------------------------------------------------------------ the picture


def picture() -> str:
    """The floors as an SVG, the highest on top; light or dark as the reader's system is."""
    bands = []
    top = GAP
    for floor in sorted(FLOOR_NAMES, reverse=True):
        band, height = _band(floor, top)
        bands.append(band)
        top += height + GAP
    title = "The packages of aigw_notebook on their floors: each imports its own floor and those below it"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{top}"/>\n' + "\n".join(bands) + "\n</svg>\n"
    )


def _band(floor: int, top: int) -> tuple[str, int]:
    names = sorted(name for name, on in floors().items() if on == floor and name)
    each_line = (WIDTH - 2 * GAP) // (ROOM + GAP)
    height = LABEL + LINE * -(-len(names) // each_line) + GAP
    label = f"{floor}  ·  {FLOOR_NAMES[floor]}"
    head = (
        f'<rect class="floor" x="{GAP}" y="{top}" width="{WIDTH - 2 * GAP}" height="{height}" rx="6"/>\n'
        f'<text class="small" x="{2 * GAP}" y="{top + 17}">{escape(label)}</text>'
    )
    return "\n".join([head, *_rooms(names, each_line, top + LABEL)]), height


def _rooms(names: list[str], each_line: int, top: int) -> Iterator[str]:
    for place, name in enumerate(names):
        x = 2 * GAP + (place % each_line) * (ROOM + GAP)
        y = top + (place // each_line) * LINE
        shown = name + ("/" if _file(name).is_dir() else "")
        yield (
            f'<rect class="room" x="{x}" y="{y + 2}" width="{ROOM}" height="{LINE - 8}" rx="4"/>'
            f'<text x="{x + ROOM // 2}" y="{y + 19}" text-anchor="middle">{escape(shown)}</text>'
        )
