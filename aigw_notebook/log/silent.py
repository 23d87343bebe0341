"""The log of a session of which nothing is to be kept."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from ..lines import Kind, Line

__all__ = ["NoLog"]


class NoLog:
    """A log that keeps nothing. To ask it for lines is a mistake: `ConfigurationError`."""

    dropped = 0
    store = None

    def add(self, t_ms: float, kind: Kind, value: Any) -> None:
        """Let the line go."""

    def kept(self) -> None:
        """There is nothing to wait for."""

    def lines(self) -> list[Line]:
        """There is none to give."""
        raise ConfigurationError('nothing is kept of this session; open one with log="memory" or log="on"')
