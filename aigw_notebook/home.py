"""The folder where this package keeps what is the user's: the log of all sessions, and prices of their own."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["folder", "shown"]


def folder() -> Path:
    """The folder of this package's data: `AIGW_NOTEBOOK_HOME`, else the one that the system keeps for the user."""
    named = os.environ.get("AIGW_NOTEBOOK_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("aigw_notebook", appauthor=False)


def shown(path: Path) -> str:
    """The path as a person writes it, the home folder as `~`."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)
