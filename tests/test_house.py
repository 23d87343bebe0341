"""The rules of the house on imports and names: who may import whom, and where a provider may be named.

They are read from the source, so that a rule holds for code no test runs. A new module needs a line in `FLOORS`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aigw_notebook
from aigw_notebook import providers
from tests.source import (
    MODULES,
    PACKAGE,
    PACKAGE_FILES,
    ROOT,
    absolute,
    complaints,
    front_end_files,
    imports,
    module_name,
    own_modules,
    relative,
    run_time_nodes,
)

# ------------------------------------------------------------------------------------------------------- floors

FLOORS: dict[str, int] = {
    "errors": 0,
    "encodable": 0,
    "events": 1,
    "audio": 1,
    "home": 1,
    "endpoint": 2,
    "tools": 2,
    "turn": 2,
    "records": 2,
    "lines": 2,
    "doctor": 6,
    "history": 2,
    "transcript": 2,
    "recording": 2,
    "retelling": 2,
    "seams": 2,
    "seeds": 2,
    "pictures": 2,
    "tables": 2,
    "exports": 2,
    "cost": 2,
    "timeline": 2,
    "pages": 2,
    "written": 2,
    "inert": 2,
    "archive": 5,
    "recording_file": 2,
    "scrubbing": 2,
    "providers": 2,
    "pacing": 2,
    "session": 3,
    "log": 3,
    "gateway": 3,
    "portal": 4,
    "told": 5,
    "recorded": 5,
    "faces": 5,
    "connection": 5,
    "branches": 5,
    "log_rows": 5,
    "plots": 5,
    "display": 6,
    "widgets": 6,
    "interpolation": 6,
    "options": 6,
    "completion": 6,
    "slots": 6,
    "commands": 6,
    "views": 6,
    "magics": 6,
    "cli": 6,
    "pytest_plugin": 6,
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

PROVIDER_NAMED: dict[str, str] = {
    "aigw_notebook/tools/declaration.py": "a style of docstrings has the name of a provider",
    "aigw_notebook/tools/docstrings.py": "a style of docstrings has the name of a provider",
    "aigw_notebook/providers/workers_ai.py": "its models and their protocols are another provider's",
    "aigw_notebook/providers/universal.py": "its models are named by their providers",
    "aigw_notebook/gateway/emulators/workers_ai.py": "its models and their protocols are another provider's",
}
"""Path of a shared module that names a provider → why it must."""


def part(name: str) -> str:
    """The module or package directly below `aigw_notebook` that a dotted name lies in; "" is the package itself."""
    return [*name.split("."), ""][1]


def floor(name: str) -> int:
    key = part(name)
    assert key in FLOORS, f"aigw_notebook.{key} has no floor: add it to FLOORS in {relative(Path(__file__))}"
    return FLOORS[key]


# ------------------------------------------------------------------------------------------------- import rules


def test_every_import_goes_down_or_level() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in PACKAGE_FILES
        for name, line in own_modules(path)
        if floor(name) > floor(module_name(path)) and (module_name(path), name) not in UPWARD
    ]
    assert not wrong, complaints(wrong)


def test_no_public_name_is_also_a_modules() -> None:
    """Whoever imports the module first would find it in place of what the name promises."""
    both = set(aigw_notebook._HOMES) & {part(name) for name in MODULES}
    assert not both, f"rename the modules {sorted(both)}"


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
        for name, _, line in imports(path)
        if name.split(".")[0] in forbidden(path)
    ]
    assert not wrong, complaints(wrong)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name} at the top"
        for path in PACKAGE_FILES
        if floor(module_name(path)) <= PURE
        for name, nested, line in imports(path)
        if name.split(".")[0] in LATE and not nested
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


def module_of(provider: str) -> str:
    return provider.replace("-", "_")


def own_files(provider: str) -> re.Pattern[str]:
    """The places where a provider may be named: its codec, its emulator, and files that begin with their name."""
    return re.compile(rf"aigw_notebook/(providers|gateway/emulators)/{module_of(provider)}(_\w+)?(\.py|/.*)")


def registry_line(provider: str) -> str:
    return f'"{provider}": "aigw_notebook.providers.{module_of(provider)}",'


@pytest.mark.parametrize("provider", [*sorted(providers.BUILT_IN), "parrot"])
def test_shared_modules_name_no_provider(provider: str) -> None:
    name = re.compile(rf"(?<![a-z]){provider}(?![a-z])", re.IGNORECASE)
    allowed = own_files(provider)
    wrong = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in [*PACKAGE_FILES, *front_end_files()]
        if not allowed.fullmatch(relative(path)) and relative(path) not in PROVIDER_NAMED
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if name.search(line) and line.strip() != registry_line(provider)
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
