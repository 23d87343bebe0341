"""What can be made to go wrong on purpose: the troubles that users of AI Gateway meet, as switches that are off.

A switch is set for a gateway or a route from Python, or for one connection by its client: in the header `aigw-fault` or
the query parameter `aigw_fault`, as `name` or `name=value`, several with commas between. Values are percent-decoded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import unquote, unquote_plus

from ..errors import ConfigurationError
from .refusals import ANSWERS
from .request import ClientRequest

__all__ = [
    "FAULT_HEADER",
    "FAULT_PARAMETER",
    "FaultTable",
    "Faults",
    "FaultsLike",
    "faults_by_route",
    "take_switches",
]

FAULT_HEADER = "aigw-fault"
FAULT_PARAMETER = "aigw_fault"
OFF = "off"
"""The switch that puts all others off: what the gateway itself was given does not hold for this connection."""

MAX_WAIT_MS = 60_000.0
"""The longest wait that a switch may ask for; what happens later than that is no fault of a frame."""

MAX_FRAMES = 1_000_000
_LONGEST_TEXT = 1_000
_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong on a connection; nothing by default. Raises `ConfigurationError` for a value out of range.

    Before the upgrade: `refuse` answers with that code of AI Gateway, or that HTTP status; with `no_stored_key` a
    provider that wants a key and got none in the request refuses, as if no stored key were applied (emulators only).
    In the answer: `no_subprotocol`, `no_ids` (no `cf-aig-*` header) and `ulid_ids` (ids in the form of before 2026-10).

    After it: `drop_first_frame` says nothing and breaks off (1006) at the client's first frame; `drop_in` breaks off
    when the client's n-th frame has come, `drop_out` after the n-th to the client. `close` is a close code, sent with
    `close_reason` after `close_after` frames to the client or `close_after_ms` from the upgrade, before
    anything is said without either. After `expire_after_ms` the provider says that the session's time is up (emulators
    that know such a word). `first_frame_ms` holds the first frame to the client back and `frame_ms` each one, the
    latter up to `jitter_ms` longer; `seed` fixes that. Waits are 60 s at most.
    """

    refuse: int | None = None
    no_stored_key: bool = False
    no_subprotocol: bool = False
    no_ids: bool = False
    ulid_ids: bool = False
    drop_first_frame: bool = False
    drop_in: int | None = None
    drop_out: int | None = None
    close: int | None = None
    close_reason: str = ""
    close_after: int | None = None
    close_after_ms: float | None = None
    expire_after_ms: float | None = None
    first_frame_ms: float = 0.0
    frame_ms: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None and not check.passes(value):
                raise ConfigurationError(f"the fault {name} takes {check.what}")
        if self.close is None and (self.close_after, self.close_after_ms, self.close_reason) != (None, None, ""):
            raise ConfigurationError("close_after, close_after_ms and close_reason go with close=<code>")

    @classmethod
    def of(cls, given: Faults | str | None, base: Faults | None = None) -> Faults:
        """The faults that a value or a text of switches stands for, laid over `base`.

        Raises `ConfigurationError`, which names the switch that cannot be read.
        """
        if isinstance(given, Faults):
            return given
        switches = [part.strip() for part in (given or "").split(",") if part.strip()]
        if len(given or "") > _LONGEST_TEXT:
            raise ConfigurationError(f"the fault switches are longer than {_LONGEST_TEXT} characters: give fewer")
        if OFF in switches:
            base, switches = None, [switch for switch in switches if switch != OFF]
        return replace(base or cls(), **dict(_switch(switch) for switch in switches))

    @property
    def says_nothing(self) -> bool:
        """Whether no frame reaches the client."""
        closes_at_once = self.close is not None and self.close_after is None and not self.close_after_ms
        return self.drop_first_frame or closes_at_once

    @property
    def any_after_upgrade(self) -> bool:
        """Whether frames are touched."""
        counts = (self.drop_in, self.drop_out, self.close)
        waits = (self.first_frame_ms, self.frame_ms, self.jitter_ms)
        return self.drop_first_frame or any(n is not None for n in counts) or any(waits)


FaultsLike: TypeAlias = Faults | str | Mapping[str, Faults | str] | None
"""Faults for every route, as a value or a text of switches; or `{route: faults}`."""


class FaultTable:
    """The faults of a gateway by route. They may be changed from any thread; a connection keeps those it began with."""

    def __init__(self, given: FaultsLike = None) -> None:
        self.given = given

    @property
    def given(self) -> Mapping[str, Faults]:
        """Faults by route; those of the route `*` are for all others."""
        return self._by_route

    @given.setter
    def given(self, given: FaultsLike) -> None:
        by_route = given if isinstance(given, Mapping) else {"*": given}
        self._by_route = {route.strip("/"): Faults.of(value) for route, value in by_route.items()}

    def at(self, route: str) -> Faults:
        """Those of the longest route that `route` is or lies below."""
        by_route = self._by_route
        fitting = (key for key in by_route if route == key or route.startswith(f"{key}/"))
        return by_route.get(max(fitting, key=len, default="*"), _NONE)


def faults_by_route(given: Sequence[str]) -> dict[str, Faults | str]:
    """What texts of the form `switches` (for all routes) or `route=switches` stand for."""
    by_route: dict[str, list[str]] = {}
    for text in given:
        first, _, rest = text.partition("=")
        is_switch = first.partition(",")[0].strip() in (*_CHECKS, OFF) or not rest
        route, switches = ("*", text) if is_switch else (first, rest)
        by_route.setdefault(route, []).append(switches)
    return {route: ",".join(switches) for route, switches in by_route.items()}


def take_switches(asked: ClientRequest) -> tuple[str, ClientRequest]:
    """The fault switches in a request, and the request without them: they go no further than this gateway."""
    parts = asked.query.split("&") if FAULT_PARAMETER in unquote(asked.query) else []
    found = [*asked.values(FAULT_HEADER), *(_value(part) for part in parts if _is_switch(part))]
    if not found:
        return "", asked
    headers = tuple(pair for pair in asked.headers if pair[0] != FAULT_HEADER)
    query = "&".join(part for part in parts if not _is_switch(part)) if parts else asked.query
    return ",".join(found), replace(asked, headers=headers, query=query)


def _is_switch(part: str) -> bool:
    return unquote_plus(part.partition("=")[0]) == FAULT_PARAMETER


def _value(part: str) -> str:
    return unquote_plus(part.partition("=")[2])


# ------------------------------------------------------------------------------------------------- single switches


@dataclass(frozen=True, slots=True)
class _Check:
    what: str
    passes: Callable[[Any], bool]


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _wait(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= MAX_WAIT_MS


_FLAG = _Check("no value", lambda value: isinstance(value, bool))
_FRAMES = _Check(f"a number of frames from 1 to {MAX_FRAMES}", _whole(1, MAX_FRAMES))
_MS = _Check(f"milliseconds from 0 to {MAX_WAIT_MS:.0f}", _wait)

_CHECKS: Mapping[str, _Check] = {
    "refuse": _Check(f"one of {', '.join(str(code) for code in ANSWERS)}", lambda value: value in ANSWERS),
    "no_stored_key": _FLAG,
    "no_subprotocol": _FLAG,
    "no_ids": _FLAG,
    "ulid_ids": _FLAG,
    "drop_first_frame": _FLAG,
    "drop_in": _FRAMES,
    "drop_out": _FRAMES,
    "close": _Check("a close code from 1000 to 4999", _whole(1000, 4999)),
    "close_reason": _Check("words", lambda value: isinstance(value, str)),
    "close_after": _FRAMES,
    "close_after_ms": _MS,
    "expire_after_ms": _MS,
    "first_frame_ms": _MS,
    "frame_ms": _MS,
    "jitter_ms": _MS,
    "seed": _Check("a whole number", lambda value: type(value) is int),
}
_NONE = Faults()


def _switch(text: str) -> tuple[str, Any]:
    """Name and value of one switch."""
    name, equals, value = (part.strip() for part in text.partition("="))
    check = _CHECKS.get(name)
    if check is None:
        raise ConfigurationError(f"unknown fault {_shown(name)}: the switches are {', '.join((*_CHECKS, OFF))}")
    if bool(equals) is (check is _FLAG):
        raise ConfigurationError(f"the fault {name} takes {check.what}")
    return name, True if check is _FLAG else _read(name, check, unquote(value))


def _read(name: str, check: _Check, value: str) -> str | int | float:
    if name == "close_reason":
        return value
    try:
        return float(value) if check is _MS else int(value)
    except ValueError:
        raise ConfigurationError(f"the fault {name} takes {check.what}") from None


def _shown(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")
