"""The example provider of a third party, installed as far as discovery can tell: files and metadata on the path."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aigw_notebook import providers

__all__ = ["EXAMPLE", "example_installed"]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "parrot_provider"


@contextmanager
def example_installed(folder: Path) -> Iterator[str]:
    """The name under which the example is registered meanwhile. `folder` gets what an installer would write."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"][providers.ENTRY_POINT_GROUP]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    lines = [f"[{providers.ENTRY_POINT_GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    paths = [str(folder), str(EXAMPLE)]
    sys.path += paths
    try:
        yield next(iter(points))
    finally:
        for path in paths:
            sys.path.remove(path)
        for name in points:
            providers._loaded.pop(name, None)
