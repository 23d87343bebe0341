"""The embedded gateway: AI Gateway's routes, auth and errors on this machine, with a relay or an emulator behind each.

The names below are loaded when first used: an emulator can be imported without asyncio or a socket library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .faults import Faults
    from .local import LocalGateway
    from .upstreams import Upstream

__all__ = ["Faults", "LocalGateway", "Upstream"]

_HOMES = {"Faults": ".faults", "LocalGateway": ".local", "Upstream": ".upstreams"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
