"""The rules of the house: who may import whom, what is documented, how large things may grow.

Most of it reads source text, so that a rule holds for code no test runs. A new module needs a line in `FLOORS`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import aigw_notebook
from aigw_notebook import providers
from aigw_notebook.faces import AsyncSession, Session
from aigw_notebook.session import SessionCore

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "aigw_notebook"

# ------------------------------------------------------------------------------------------------------- floors

FLOORS: dict[str, int] = {
    "errors": 0,
    "events": 1,
    "audio": 1,
    "endpoint": 2,
    "tools": 2,
    "turn": 2,
    "transcript": 2,
    "providers": 2,
    "pacing": 2,
    "session": 3,
    "gateway": 3,
    "portal": 4,
    "faces": 5,
    "connection": 5,
    "display": 6,
    "widgets": 6,
    "interpolation": 6,
    "completion": 6,
    "slots": 6,
    "commands": 6,
    "views": 6,
    "magics": 6,
    "cli": 6,
    "": 6,
    "__main__": 6,
}
"""Module or package below `aigw_notebook` → floor. A module imports its own floor and those below, never above."""

CLIENT = {"session"}
"""The client's side of floor 3; the other side is `gateway`."""

UPWARD: dict[tuple[str, str], str] = {
    ("aigw_notebook.turn", "aigw_notebook.display"): "a turn shows itself, and is asked to only inside a notebook",
}
"""(module, module above it that it imports by name when called) → why it may."""

PURE = 2
"""Up to this floor there is no loop, no socket and no notebook, not even inside a function."""

LOOPS_AND_SOCKETS = {"asyncio", "websockets", "socket", "ssl", "selectors"}
NOTEBOOK = {"IPython", "ipywidgets", "anywidget", "ipykernel"}
LATE = {"numpy", "pandas", "polars", "pyarrow"}
"""Not imported at the top of a pure module: they cost more than all the rest, and most calls need none of them."""

NO_NOTEBOOK_BELOW = 5

# -------------------------------------------------------------------------------------------------------- sizes

MAX_FILE_LINES = 500
MAX_BODY_LINES = 60
LARGER: dict[str, str] = {
    "aigw_notebook/events.py": "the whole vocabulary, one short value a piece and no logic: best read in one place",
}
"""Path, or path::function, → why it is larger than the limit."""

PROVIDER_NAMED: dict[str, str] = {}
"""Path of a shared module that names a provider → why it must."""

# ------------------------------------------------------------------------------------------------------ reading


def python_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


PACKAGE_FILES = python_files(PACKAGE)
TREE_FILES = [p for name in ("aigw_notebook", "tests", "bench", "scripts", "docs") for p in python_files(ROOT / name)]


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


def imports(path: Path) -> list[tuple[str, bool, int]]:
    """What a file imports at run time: absolute module name, whether inside a function, line."""
    found = []
    for node, nested in run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
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


IMPORTS = {path: imports(path) for path in PACKAGE_FILES}


def own_modules(path: Path) -> Iterator[tuple[str, int]]:
    yield from ((name, line) for name, _, line in IMPORTS[path] if name.split(".")[0] == "aigw_notebook")


def part(name: str) -> str:
    """The module or package directly below `aigw_notebook` that a dotted name lies in; "" is the package itself."""
    return [*name.split("."), ""][1]


def floor(name: str) -> int:
    key = part(name)
    assert key in FLOORS, f"aigw_notebook.{key} has no floor: add it to FLOORS in {relative(Path(__file__))}"
    return FLOORS[key]


def complaints(found: list[str]) -> str:
    return "\n  ".join(["", *found])


# ------------------------------------------------------------------------------------------------- import rules


def test_every_import_goes_down_or_level() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in PACKAGE_FILES
        for name, line in own_modules(path)
        if floor(name) > floor(module_name(path)) and (module_name(path), name) not in UPWARD
    ]
    assert not wrong, complaints(wrong)


def test_every_floor_has_a_module() -> None:
    assert FLOORS.keys() <= {part(name) for name in MODULES}
    assert all(name in MODULES and above in MODULES for name, above in UPWARD)


def test_gateway_and_session_do_not_know_each_other() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in PACKAGE_FILES
        for name, line in own_modules(path)
        if {part(module_name(path)), part(name)} in [{"gateway", client} for client in CLIENT]
    ]
    assert not wrong, complaints(wrong)


def test_an_emulator_never_imports_a_codec_nor_a_codec_an_emulator() -> None:
    """Otherwise one mistake agrees with itself."""
    codecs = {name for name in MODULES if name.startswith("aigw_notebook.providers.")} - {
        "aigw_notebook.providers.base"
    }
    emulators = {name for name in MODULES if name.startswith("aigw_notebook.gateway.emulators")}
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in PACKAGE_FILES
        for name, line in own_modules(path)
        if (module_name(path) in emulators and name in codecs) or (module_name(path) in codecs and name in emulators)
    ]
    assert not wrong, complaints(wrong)


def forbidden(path: Path) -> set[str]:
    name = module_name(path)
    banned = NOTEBOOK if floor(name) < NO_NOTEBOOK_BELOW else set()
    pure = floor(name) <= PURE or name.startswith("aigw_notebook.gateway.emulators.")
    return banned | LOOPS_AND_SOCKETS if pure else banned


def test_pure_modules_have_no_loop_no_socket_and_no_notebook() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in PACKAGE_FILES
        for name, _, line in IMPORTS[path]
        if name.split(".")[0] in forbidden(path)
    ]
    assert not wrong, complaints(wrong)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name} at the top"
        for path in PACKAGE_FILES
        if floor(module_name(path)) <= PURE
        for name, nested, line in IMPORTS[path]
        if name.split(".")[0] in LATE and not nested
    ]
    assert not wrong, complaints(wrong)


def test_no_star_imports() -> None:
    wrong = [
        f"{relative(path)}:{node.lineno}"
        for path in TREE_FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]
    assert not wrong, complaints(wrong)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_importing_the_package_brings_nothing_heavy() -> None:
    heavy = {"asyncio", "numpy", "websockets", "IPython", "ipywidgets", "anywidget", "nest_asyncio", "pandas"}
    assert not loaded_by("import aigw_notebook") & heavy
    assert "aigw_notebook" in loaded_by("import aigw_notebook")


def test_loading_the_extension_brings_neither_sockets_nor_widgets() -> None:
    """They come with the first turn; until then `%load_ext` is quick."""
    shell = "from IPython.core.interactiveshell import InteractiveShell as S; shell = S.instance()"
    before = loaded_by(shell)
    after = loaded_by(f"{shell}; shell.run_line_magic('load_ext', 'aigw_notebook')")
    assert "aigw_notebook" in after - before
    assert not (after - before) & {"numpy", "websockets", "ipywidgets", "anywidget", "nest_asyncio", "pandas"}


# ---------------------------------------------------------------------------------------------- provider names


def own_files(provider: str) -> re.Pattern[str]:
    """The places where a provider may be named: its codec, its emulator, and files that begin with their name."""
    return re.compile(rf"aigw_notebook/(providers|gateway/emulators)/{provider}(_\w+)?(\.py|/.*)")


def registry_line(provider: str) -> str:
    return f'"{provider}": "aigw_notebook.providers.{provider}",'


def shared_text_files() -> list[Path]:
    return [*PACKAGE_FILES, *sorted((PACKAGE / "widgets").rglob("*.js")), *sorted((PACKAGE / "widgets").rglob("*.css"))]


@pytest.mark.parametrize("provider", sorted(providers.BUILT_IN))
def test_shared_modules_name_no_provider(provider: str) -> None:
    name = re.compile(rf"(?<![a-z]){provider}(?![a-z])", re.IGNORECASE)
    allowed = own_files(provider)
    wrong = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in shared_text_files()
        if not allowed.fullmatch(relative(path)) and relative(path) not in PROVIDER_NAMED
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if name.search(line) and line.strip() != registry_line(provider)
    ]
    assert not wrong, complaints(wrong)


# ------------------------------------------------------------------------------------------ documented, exported


def public_modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(aigw_notebook.__path__, "aigw_notebook.")]
    public = [name for name in names if not any(p.startswith("_") for p in name.split(".")[1:])]
    return [aigw_notebook, *(importlib.import_module(name) for name in public)]


def defined_here(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The public classes and functions whose source is in this module."""
    for name, value in vars(module).items():
        is_code = inspect.isclass(value) or inspect.isfunction(value)
        if is_code and not name.startswith("_") and getattr(value, "__module__", None) == module.__name__:
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
    for name, value in defined_here(module):
        if not value.__doc__ or (inspect.isclass(value) and value.__doc__.startswith(f"{name}(")):
            yield f"{module.__name__}.{name}"
        if inspect.isclass(value):
            yield from (f"{module.__name__}.{name}.{m}" for m, code in methods(value) if not inspect.getdoc(code))


def test_everything_public_is_documented() -> None:
    wrong = [name for module in public_modules() for name in undocumented(module)]
    assert not wrong, complaints(wrong)


def export_faults(module: ModuleType) -> Iterator[str]:
    defined = {name for name, _ in defined_here(module)}
    exported = getattr(module, "__all__", None)
    if exported is None:
        yield from ([f"{module.__name__} has no __all__"] if defined else [])
        return
    yield from (f"{module.__name__}.{name} is listed and not there" for name in exported if not hasattr(module, name))
    yield from (f"{module.__name__}.{name} is listed twice" for name in set(exported) if exported.count(name) > 1)
    yield from (f"{module.__name__}.{name} is private and listed" for name in exported if name.startswith("_"))
    yield from (f"{module.__name__}.{name} is public and not listed" for name in sorted(defined - set(exported)))


def test_every_module_lists_what_is_public() -> None:
    wrong = [fault for module in public_modules() for fault in export_faults(module)]
    assert not wrong, complaints(wrong)


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


# ---------------------------------------------------------------------------------------------------- two faces

NOT_ON_A_FACE = {"open": "`connect` opens the session before anyone holds it"}


def waiting(cls: type) -> dict[str, object]:
    """The public coroutines and asynchronous generators of a class."""
    is_waiting = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return {name: code for name, code in methods(cls) if any(test(code) for test in is_waiting)}


def parameters(code: object) -> list[inspect.Parameter]:
    assert callable(code)
    return list(inspect.signature(code).parameters.values())


@pytest.mark.parametrize("face", [Session, AsyncSession])
def test_a_face_has_every_coroutine_of_the_core_with_its_signature(face: type) -> None:
    core = {name: code for name, code in waiting(SessionCore).items() if name not in NOT_ON_A_FACE}
    assert "ask" in core
    missing = sorted(core.keys() - vars(face).keys())
    assert not missing, f"{face.__name__} lacks {', '.join(missing)}"
    differing = [name for name, code in core.items() if parameters(getattr(face, name)) != parameters(code)]
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
    files = [*TREE_FILES, *sorted((PACKAGE / "widgets").rglob("*.js")), *sorted((PACKAGE / "widgets").rglob("*.css"))]
    counted = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    wrong = [f"{path}: {n} lines" for path, n in counted.items() if n > MAX_FILE_LINES and path not in LARGER]
    assert not wrong, complaints(wrong)


def test_no_function_is_longer_than_its_limit() -> None:
    wrong = [
        f"{relative(path)}::{node.name}: {body_lines(node)} lines"
        for path in TREE_FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and body_lines(node) > MAX_BODY_LINES
        and f"{relative(path)}::{node.name}" not in LARGER
    ]
    assert not wrong, complaints(wrong)


def text_files() -> list[Path]:
    """Every text file of the project: code, scripts, documents, notebooks."""
    kinds = {".py", ".js", ".css", ".md", ".ipynb", ".toml", ".txt", ".jsonl", ".yml", ""}
    built = {".git", "build", "dist", "node_modules", "__pycache__", ".ipynb_checkpoints"}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix in kinds
        and not any(p in built or p.startswith((".venv", ".mypy", ".ruff", ".pytest", ".hypo")) for p in path.parts)
        and path.name not in {".env", ".coverage"}
    ]


# Written in halves, so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
NOT_RUN = re.compile(r"(pytest|mark|it|test)\.sk" r"ip\b|importor" r"skip|xf" r"ail|Skip" r"Test")
MACHINE_PATH = re.compile(r"(?<![\w.:/@~-])/(?:wo" r"rk|ro" r"ot|ho" r"me|Us" r"ers)/\w")


@pytest.mark.parametrize("pattern", [UNFINISHED, NOT_RUN, MACHINE_PATH], ids=["unfinished", "not-run", "machine-path"])
def test_no_file_holds(pattern: re.Pattern[str]) -> None:
    wrong = [
        f"{relative(path)}:{number}: {line.strip()[:100]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not wrong, complaints(wrong)


# -------------------------------------------------------------------------------------------- the rules themselves


def test_the_walk_sees_nested_imports_and_leaves_out_types(tmp_path: Path) -> None:
    source = (
        "import os\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import numpy\n"
        "def f():\n    from . import session\n    import websockets.asyncio.client\n"
    )
    tree = ast.parse(source)
    names = [
        (node.names[0].name, nested)
        for node, nested in run_time_nodes(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert names == [("os", False), ("TYPE_CHECKING", False), ("session", True), ("websockets.asyncio.client", True)]


def test_relative_names_are_resolved_from_the_module_that_uses_them() -> None:
    base = PACKAGE / "gateway" / "emulators" / "base.py"
    assert absolute("providers.base", 3, base) == "aigw_notebook.providers.base"
    assert absolute("base", 1, PACKAGE / "providers" / "__init__.py") == "aigw_notebook.providers.base"
    assert ("aigw_notebook.gateway.engines.base") in {name for name, _ in own_modules(base)}
