"""The rules of the house on shape: what is documented and exported, how large things may grow, what no file holds."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import aigw_notebook
from aigw_notebook.faces import AsyncSession, Session
from aigw_notebook.session import SessionCore
from tests.source import PACKAGE, ROOT, TREE_FILES, complaints, front_end_files, relative, tree

MAX_FILE_LINES = 500
MAX_BODY_LINES = 60
LARGER: dict[str, str] = {}
"""Path, or path::function, → why it is larger than the limit."""

# ------------------------------------------------------------------------------------------ documented, exported


def public_modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(aigw_notebook.__path__, "aigw_notebook.")]
    public = [name for name in names if not any(p.startswith("_") for p in name.split(".")[1:])]
    return [aigw_notebook, *(importlib.import_module(name) for name in public)]


def listed(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The classes and functions that a module lists as public and defines itself."""
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name, None)
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__:
            yield name, value


def methods(cls: type) -> Iterator[tuple[str, object]]:
    """A class's own public methods. Properties are left out: they read like fields, whose name is their document."""
    for name, value in vars(cls).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, getattr(cls, name)


def undocumented(module: ModuleType) -> Iterator[str]:
    if not inspect.getdoc(module):
        yield module.__name__
    for name, value in listed(module):
        if not value.__doc__ or (inspect.isclass(value) and value.__doc__.startswith(f"{name}(")):
            yield f"{module.__name__}.{name}"
        if inspect.isclass(value):
            yield from (f"{module.__name__}.{name}.{m}" for m, code in methods(value) if not inspect.getdoc(code))


def test_everything_public_is_documented() -> None:
    wrong = [name for module in public_modules() for name in undocumented(module)]
    assert not wrong, complaints(wrong)


def defines(module: ModuleType) -> bool:
    """Whether a module has classes or functions of its own that look public."""
    code = [value for name, value in vars(module).items() if not name.startswith("_")]
    code = [value for value in code if inspect.isclass(value) or inspect.isfunction(value)]
    return any(value.__module__ == module.__name__ for value in code)


def export_faults(module: ModuleType) -> Iterator[str]:
    exported = getattr(module, "__all__", None)
    if exported is None:
        yield from ([f"{module.__name__} has no __all__"] if defines(module) else [])
        return
    yield from (f"{module.__name__}.{name} is listed and not there" for name in exported if not hasattr(module, name))
    yield from (f"{module.__name__}.{name} is listed twice" for name in set(exported) if exported.count(name) > 1)
    private = re.compile(r"_(?!_)")
    yield from (f"{module.__name__}.{name} is private and listed" for name in exported if private.match(name))


def test_every_module_lists_what_is_public() -> None:
    wrong = [fault for module in public_modules() for fault in export_faults(module)]
    assert not wrong, complaints(wrong)


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


# ---------------------------------------------------------------------------------------------------- two faces

NOT_ON_A_FACE = {"open": "`connect` opens the session before anyone holds it"}


STREAMS = {"events"}
"""What a session yields rather than returns; how one waits between two events is each face's own."""


def waiting(cls: type) -> dict[str, object]:
    """The public coroutines of a class, inherited ones too."""
    members = inspect.getmembers(cls, inspect.iscoroutinefunction)
    return {name: code for name, code in members if not name.startswith("_")}


def parameters(code: object) -> list[inspect.Parameter]:
    assert callable(code)
    return list(inspect.signature(code).parameters.values())


@pytest.mark.parametrize("face", [Session, AsyncSession])
def test_a_face_has_every_coroutine_of_the_core_with_its_signature(face: type) -> None:
    wanted = {name for name in waiting(SessionCore) if name not in NOT_ON_A_FACE} | STREAMS
    assert "ask" in wanted
    missing = sorted(wanted - set(dir(face)))
    assert not missing, f"{face.__name__} lacks {', '.join(missing)}"
    differing = [name for name in wanted if parameters(getattr(face, name)) != parameters(getattr(SessionCore, name))]
    assert not differing, f"{face.__name__} differs in {', '.join(differing)}"


def test_the_two_faces_differ_only_in_how_one_waits() -> None:
    def public(face: type) -> set[str]:
        return {name for name in dir(face) if not name.startswith("_")}

    assert public(Session) == public(AsyncSession)
    assert not waiting(Session)
    assert waiting(AsyncSession).keys() == waiting(SessionCore).keys() - NOT_ON_A_FACE.keys()


# -------------------------------------------------------------------------------------------------- sizes, text


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, its docstring not counted."""
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_file_is_longer_than_its_limit() -> None:
    files = [*TREE_FILES, *front_end_files()]
    counted = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    wrong = [f"{path}: {n} lines" for path, n in counted.items() if n > MAX_FILE_LINES and path not in LARGER]
    assert not wrong, complaints(wrong)


def test_no_function_is_longer_than_its_limit() -> None:
    wrong = [
        f"{relative(path)}::{node.name}: {body_lines(node)} lines"
        for path in TREE_FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and body_lines(node) > MAX_BODY_LINES
        and f"{relative(path)}::{node.name}" not in LARGER
    ]
    assert not wrong, complaints(wrong)


CACHES = (".venv", ".mypy", ".ruff", ".pytest", ".hypo")
"""How the folders of tools begin."""


@functools.cache
def texts() -> list[tuple[Path, str]]:
    """Every text file of the project, read: code, scripts, documents, notebooks."""
    kinds = {".py", ".js", ".css", ".md", ".ipynb", ".toml", ".txt", ".jsonl", ".yml", ""}
    built = {".git", "build", "dist", "node_modules", "__pycache__", ".ipynb_checkpoints"}
    found: list[tuple[Path, str]] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in built and not name.startswith(CACHES))
        paths = [Path(folder, name) for name in sorted(names) if name not in {".env", ".coverage"}]
        readable = [path for path in paths if path.suffix in kinds and path.is_file()]
        found += [(path, path.read_text(encoding="utf-8", errors="replace")) for path in readable]
    return found


# Written in halves, so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
NOT_RUN = re.compile(r"(pytest|mark|it|test)\.sk" r"ip\b|importor" r"skip|xf" r"ail|Skip" r"Test")
MACHINE_PATH = re.compile(r"(?<![\w.:/@~-])/(?:wo" r"rk|ro" r"ot|ho" r"me|Us" r"ers)/\w")


@pytest.mark.parametrize("pattern", [UNFINISHED, NOT_RUN, MACHINE_PATH], ids=["unfinished", "not-run", "machine-path"])
def test_no_file_holds(pattern: re.Pattern[str]) -> None:
    wrong = [
        f"{relative(path)}:{number}: {line.strip()[:100]}"
        for path, text in texts()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not wrong, complaints(wrong)
