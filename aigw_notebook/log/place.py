"""Where the log of all sessions lies on this machine, and whether there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ..errors import ConfigurationError

__all__ = ["FILE", "Mode", "folder", "log_path", "mode_of", "shown"]

Mode: TypeAlias = Literal["on", "memory", "off"]
"""`on`: in a file, across sessions and kernels; `memory`: until the session object is gone; `off`: nowhere."""

FILE = "log.sqlite3"


def folder() -> Path:
    """The folder of this package's data: `AIGW_NOTEBOOK_HOME`, else the one that the system keeps for the user."""
    named = os.environ.get("AIGW_NOTEBOOK_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("aigw_notebook", appauthor=False)


def log_path() -> Path:
    """The file that holds the log of every session of this user."""
    return folder() / FILE


def mode_of(wanted: str | None) -> Mode:
    """What is `wanted`, else what `AIGW_NOTEBOOK_LOG` says, else "on". Raises `ConfigurationError` for another word."""
    word = wanted or os.environ.get("AIGW_NOTEBOOK_LOG") or "on"
    for mode in get_args(Mode):
        if word == mode:
            known: Mode = mode
            return known
    source = "log" if wanted else "AIGW_NOTEBOOK_LOG"
    raise ConfigurationError(f"{source}={word!r} is not known; use one of: {', '.join(get_args(Mode))}")


def shown(path: Path) -> str:
    """The path as a person writes it, the home folder as `~`."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)
