"""How fast each provider's emulator answers: one pace for all, or one by route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from .emulators.base import Pace

__all__ = ["READING", "PaceLike", "PaceTable"]

READING = Pace(text_delta_ms=80.0, jitter=0.3)
"""Words as a quick reader takes them in, audio four times faster than it is played."""

PaceLike: TypeAlias = "Pace | Mapping[str, Pace] | None"


class PaceTable:
    """The paces of a gateway by route; that of the route `*` is for all others, `READING` where there is none."""

    def __init__(self, given: PaceLike = None) -> None:
        by_route = given if isinstance(given, Mapping) else {"*": given or READING}
        self._by_route = {route.strip("/"): pace for route, pace in by_route.items()}

    def at(self, route: str) -> Pace:
        """That of the longest route that `route` is or lies below."""
        fitting = (key for key in self._by_route if route == key or route.startswith(f"{key}/"))
        return self._by_route.get(max(fitting, key=len, default="*"), READING)
