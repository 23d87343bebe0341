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
    from .archive import transcripts as transcripts
    from .audio.clip import Clip as Clip
    from .audio.formats import AudioFormat as AudioFormat
    from .branches import Tree as Tree
    from .branches import tree as tree
    from .connection import Connection as Connection
    from .connection import connect as connect
    from .connection import embedded_gateway as embedded_gateway
    from .cost import Cost as Cost
    from .cost import Price as Price
    from .cost import prices as prices
    from .endpoint import Gateway as Gateway
    from .errors import AigwError as AigwError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import GatewayError as GatewayError
    from .errors import LocalProtocolError as LocalProtocolError
    from .errors import MissingExtra as MissingExtra
    from .errors import MissingKey as MissingKey
    from .errors import ProtocolError as ProtocolError
    from .errors import RemoteProtocolError as RemoteProtocolError
    from .errors import SessionBusy as SessionBusy
    from .errors import SessionEnded as SessionEnded
    from .errors import ToolError as ToolError
    from .errors import TurnTimeout as TurnTimeout
    from .errors import Unauthorized as Unauthorized
    from .errors import UnknownProvider as UnknownProvider
    from .errors import Unreachable as Unreachable
    from .errors import Unsupported as Unsupported
    from .errors import UpstreamRefused as UpstreamRefused
    from .faces import AsyncSession as AsyncSession
    from .faces import Session as Session
    from .gateway.local import LocalGateway as LocalGateway
    from .gateway.replay import replay as replay
    from .log import purge as purge
    from .log_rows import gateway_logs as gateway_logs
    from .pages import Page as Page
    from .pages import page as page
    from .plots import plot_latency as plot_latency
    from .portal import nest as nest
    from .providers.base import SessionSettings as SessionSettings
    from .providers.base import TurnDetection as TurnDetection
    from .recorded import Recorded as Recorded
    from .recorded import load as load
    from .recording import Recording as Recording
    from .tools import Tool as Tool
    from .tools import tool as tool
    from .transcript import Transcript as Transcript
    from .turn import Turn as Turn
    from .widgets.chat import ChatPanel as ChatPanel
    from .widgets.microphone import Microphone as Microphone
    from .widgets.speaker import Speaker as Speaker

__version__ = "0.1.0.dev0"

_HOMES = {
    "AigwError": "errors",
    "AsyncSession": "faces",
    "AudioFormat": "audio.formats",
    "ChatPanel": "widgets.chat",
    "Clip": "audio.clip",
    "ConfigurationError": "errors",
    "Connection": "connection",
    "Cost": "cost",
    "Gateway": "endpoint",
    "GatewayError": "errors",
    "LocalGateway": "gateway.local",
    "LocalProtocolError": "errors",
    "Microphone": "widgets.microphone",
    "MissingExtra": "errors",
    "MissingKey": "errors",
    "Page": "pages",
    "Price": "cost",
    "ProtocolError": "errors",
    "RemoteProtocolError": "errors",
    "Recorded": "recorded",
    "Recording": "recording",
    "Session": "faces",
    "SessionBusy": "errors",
    "SessionEnded": "errors",
    "SessionSettings": "providers.base",
    "Speaker": "widgets.speaker",
    "Tool": "tools",
    "ToolError": "errors",
    "Transcript": "transcript",
    "Tree": "branches",
    "Turn": "turn",
    "TurnDetection": "providers.base",
    "TurnTimeout": "errors",
    "Unauthorized": "errors",
    "UnknownProvider": "errors",
    "Unreachable": "errors",
    "Unsupported": "errors",
    "UpstreamRefused": "errors",
    "connect": "connection",
    "embedded_gateway": "connection",
    "gateway_logs": "log_rows",
    "load": "recorded",
    "nest": "portal",
    "page": "pages",
    "plot_latency": "plots",
    "prices": "cost",
    "purge": "log",
    "replay": "gateway.replay",
    "tool": "tools",
    "transcripts": "archive",
    "tree": "branches",
}

_MODULES = ("errors", "events")

__all__ = [*sorted(_HOMES), *_MODULES, "__version__", "load_ipython_extension", "unload_ipython_extension"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Bring `%aigw` and `%%aigw` into an IPython shell; called by `%load_ext aigw_notebook`."""
    import_module(".magics", __name__).load_ipython_extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again; called by `%unload_ext aigw_notebook`."""
    import_module(".magics", __name__).unload_ipython_extension(shell)
