"""Sphinx's settings. The pages are plain Markdown that reads on GitHub too; what Sphinx wants besides is added here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import contents

project = "aigw_notebook"
extensions = ["myst_nb"]
exclude_patterns = ["_build"]
highlight_language = "text"
nitpicky = True

myst_heading_anchors = 4
nb_execution_mode = "off"

html_theme = "furo"
html_title = "aigw_notebook"
html_copy_source = True
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["pages.css"]


def setup(app: Any) -> None:
    """Have the pages prepared as they are read, and `llms.txt` written beside them."""
    app.connect("source-read", prepare)
    app.connect("build-finished", write_llms)


def prepare(app: Any, name: str, source: list[str]) -> None:
    """Turn links that leave `docs/` into links to the repository, and give the index its tables of contents."""
    source[0] = contents.outward(source[0], Path(app.env.doc2path(name)))
    if name == "index":
        source[0] += contents.toctrees()


def write_llms(app: Any, error: Exception | None) -> None:
    """Put `llms.txt` among the built pages."""
    if error is None and app.builder.name == "html":
        (Path(app.outdir) / "llms.txt").write_text(contents.llms_beside_pages(), encoding="utf-8")
