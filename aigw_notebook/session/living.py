"""The sessions of this process that somebody still holds, whether they are open or over."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from .core import SessionCore

__all__ = ["living", "remember"]

_lock = threading.Lock()
_cores: WeakSet[SessionCore] = WeakSet()


def remember(core: SessionCore) -> None:
    """Count that session among the living until nobody holds it any more."""
    with _lock:
        _cores.add(core)


def living() -> list[SessionCore]:
    """These sessions, from any thread, in no order."""
    with _lock:
        return list(_cores)
