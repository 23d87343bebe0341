"""The project's source as text and syntax trees, for the tests that hold the rules of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "aigw_notebook"


def python_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


PACKAGE_FILES = python_files(PACKAGE)
TREE = ("aigw_notebook", "tests", "bench", "scripts", "docs", "examples")
TREE_FILES = [p for name in TREE for p in python_files(ROOT / name)]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(p): p for p in PACKAGE_FILES}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def run_time_nodes(node: ast.AST, nested: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node that runs (type-checking blocks left out), and whether a function has to be called first."""
    for child in ast.iter_child_nodes(node):
        inside = nested or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if is_type_checking(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield from run_time_nodes(other, inside)
            continue
        yield child, inside
        yield from run_time_nodes(child, inside)


def absolute(name: str | None, level: int, path: Path) -> str:
    if not level:
        return name or ""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    base = package[: len(package) - (level - 1)]
    return ".".join([*base, name] if name else base)


def from_import(node: ast.ImportFrom, path: Path) -> Iterator[str]:
    base = absolute(node.module, node.level, path)
    for alias in node.names:
        full = f"{base}.{alias.name}"
        yield full if full in MODULES else base


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> list[tuple[str, bool, int]]:
    """What a file imports at run time: absolute module name, whether inside a function, line."""
    found = []
    for node, nested in run_time_nodes(tree(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, nested, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(name, nested, node.lineno) for name in from_import(node, path)]
        elif name := by_name(node):
            found.append((name, nested, getattr(node, "lineno", 0)))
    return found


def by_name(node: ast.AST) -> str | None:
    """The module that `import_module("…")` asks for, where it is written out."""
    if not isinstance(node, ast.Call) or not node.args or not ast.unparse(node.func).endswith("import_module"):
        return None
    name = node.args[0]
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def own_modules(path: Path) -> Iterator[tuple[str, int]]:
    yield from ((name, line) for name, _, line in imports(path) if name.split(".")[0] == "aigw_notebook")


def complaints(found: list[str]) -> str:
    return "\n  ".join(["", *found])


def front_end_files() -> list[Path]:
    """The scripts and styles that the package ships."""
    folders = (PACKAGE / "widgets", PACKAGE / "pages")
    return sorted(p for folder in folders for p in folder.rglob("*") if p.suffix in (".js", ".css"))
