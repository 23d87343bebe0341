"""Everything this package raises, in one tree.

* `AigwError`
    * `ConfigurationError`: the request cannot be made as asked
        * `MissingKey`: a credential is needed and none was found
        * `MissingExtra`: an optional library is needed and not installed
        * `UnknownProvider`: no provider of that name is registered
        * `Unsupported`: this provider lacks what was asked
    * `GatewayError`: the gateway or the provider refused, or the session is over
        * `Unreachable`: no connection could be made
        * `Unauthorized`: the gateway token or the provider key was refused
        * `UpstreamRefused`: the upgrade, the session right after it, or a change of it was refused
        * `SessionEnded`: an open session ended before the caller closed it
    * `ProtocolError`: somebody broke the protocol
        * `LocalProtocolError`: this side did; the call is at fault
        * `RemoteProtocolError`: the peer did
    * `SessionBusy`: a turn is already running on this session
    * `TurnTimeout`: an answer did not come in time (also a `TimeoutError`)
    * `ToolError`: a tool cannot be declared or called

What a peer says *inside* an open session is an event (`events.SessionError`), never an exception; only the end of the
session raises, and the refusal of a change that `update` asked for. Each message is one sentence or two and names the
next step. No message holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .turn import Turn

__all__ = [
    "AigwError",
    "ConfigurationError",
    "GatewayError",
    "LocalProtocolError",
    "MissingExtra",
    "MissingKey",
    "ProtocolError",
    "RemoteProtocolError",
    "SessionBusy",
    "SessionEnded",
    "ToolError",
    "TurnTimeout",
    "Unauthorized",
    "UnknownProvider",
    "Unreachable",
    "Unsupported",
    "UpstreamRefused",
]


class AigwError(Exception):
    """The root of every error of this package.

    `turn` is the partial turn, with its status and all that had arrived, when the error ended one; else None.
    """

    turn: Turn | None = None


class ConfigurationError(AigwError):
    """The request cannot be made as asked; nothing was sent."""


class MissingKey(ConfigurationError):
    """A credential is needed and none was found."""


class MissingExtra(ConfigurationError):
    """An optional library is needed and not installed; the message names the extra."""


class UnknownProvider(ConfigurationError):
    """No provider of that name is registered."""


class Unsupported(ConfigurationError):
    """This provider lacks what was asked; the message names who has it."""


class GatewayError(AigwError):
    """The gateway or the provider refused, or the session is over.

    `status` is the HTTP status of a refused upgrade, `code` the gateway's or the provider's own error code,
    `close_code` and `reason` those of the close frame; each None when there was none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | str | None = None,
        close_code: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.close_code = close_code
        self.reason = reason


class Unreachable(GatewayError):
    """No connection could be made: name, port or network."""


class Unauthorized(GatewayError):
    """The gateway token or the provider key was missing or refused."""


class UpstreamRefused(GatewayError):
    """The upgrade, the session right after it, or a change of it was refused."""


class SessionEnded(GatewayError):
    """An open session ended before the caller closed it."""


class ProtocolError(AigwError):
    """Somebody broke the protocol."""


class LocalProtocolError(ProtocolError):
    """This side broke the protocol: the call is at fault, the session goes on."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""


class SessionBusy(AigwError):
    """A turn is already running on this session."""


class TurnTimeout(AigwError, TimeoutError):
    """An answer did not come in time; `turn` holds what had arrived."""


class ToolError(AigwError):
    """A tool cannot be declared or called."""
