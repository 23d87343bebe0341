"""The scripts of the widgets as single texts, as front ends load them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aigw_notebook.widgets import bundle as bundling


def test_modules_are_put_before_those_that_import_them_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "top.js": 'import { a } from "./left.js";\nimport {\n  b,\n} from "./right.js";\nexport default { a, b };\n',
        "left.js": 'import { base } from "./base.js";\nexport function a() {}\nconst exported = "export class";\n',
        "right.js": 'import { base } from "./base.js";\nexport const b = 1;\nexport default () => b;\n',
        "base.js": "export class base {}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(bundling, "STATIC", tmp_path)
    whole = " ".join(bundling.bundle("top.js").split())
    wanted = (
        'class base {} function a() {} const exported = "export class"; const b = 1; () => b; export default { a, b };'
    )
    assert whole == wanted


def test_our_modules_share_no_top_level_name() -> None:
    """They end in one scope."""
    declared: dict[str, str] = {}
    for path in sorted(bundling.STATIC.glob("*.js")):
        source = path.read_text(encoding="utf-8")
        for name in re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", source, re.MULTILINE):
            assert name not in declared, f"{name} is declared in {declared[name]} and in {path.name}"
            declared[name] = path.name
    assert {"Player", "Recorder", "Resampler"} <= declared.keys()
    assert "import {" not in bundling.bundle("audio.js")
