"""Realtime AI sessions in a notebook.

In a notebook `%load_ext aigw_notebook` brings `%aigw` and `%%aigw`; from Python:

    import aigw_notebook as aigw

    with aigw.connect(provider) as session:
        turn = session.ask("Say it in one sentence.")

Without any key this talks to a gateway embedded in the process, and says so. Names are loaded when they are first used:
importing this package opens nothing and needs neither IPython nor a network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio.clip import Clip as Clip
    from .audio.formats import AudioFormat as AudioFormat
    from .connection import Connection as Connection
    from .connection import connect as connect
    from .connection import embedded_gateway as embedded_gateway
    from .endpoint import Gateway as Gateway
    from .faces import AsyncSession as AsyncSession
    from .faces import Session as Session
    from .gateway.local import LocalGateway as LocalGateway
    from .portal import nest as nest
    from .providers.base import SessionSettings as SessionSettings
    from .providers.base import TurnDetection as TurnDetection
    from .tools import Tool as Tool
    from .tools import tool as tool
    from .transcript import Transcript as Transcript
    from .turn import Turn as Turn

__version__ = "0.1.0.dev0"

_HOMES = {
    "AsyncSession": "faces",
    "AudioFormat": "audio.formats",
    "Clip": "audio.clip",
    "Connection": "connection",
    "Gateway": "endpoint",
    "LocalGateway": "gateway.local",
    "Session": "faces",
    "SessionSettings": "providers.base",
    "Tool": "tools",
    "Transcript": "transcript",
    "Turn": "turn",
    "TurnDetection": "providers.base",
    "connect": "connection",
    "embedded_gateway": "connection",
    "nest": "portal",
    "tool": "tools",
}

__all__ = [*sorted(_HOMES), "__version__", "load_ipython_extension", "unload_ipython_extension"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """Bring `%aigw` and `%%aigw` into an IPython shell; called by `%load_ext aigw_notebook`."""
    import_module(".magics", __name__).load_ipython_extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again; called by `%unload_ext aigw_notebook`."""
    import_module(".magics", __name__).unload_ipython_extension(shell)
