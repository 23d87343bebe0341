"""Where the log of all sessions lies on this machine, and whether there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ..errors import ConfigurationError
from ..home import folder

__all__ = ["FILE", "Mode", "log_path", "mode_of"]

Mode: TypeAlias = Literal["on", "memory", "off"]
"""`on`: in a file, across sessions and kernels; `memory`: until the session object is gone; `off`: nowhere."""

FILE = "log.sqlite3"


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
