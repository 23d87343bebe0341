"""Waits as a picture, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from .errors import ConfigurationError, MissingExtra
from .told import Told
from .transcript import Transcript

__all__ = ["plot_latency"]

Wait: TypeAlias = Literal["first_token", "first_audio", "first_audible", "total"]

WAITS: dict[str, str] = {
    "first_token": "first word",
    "first_audio": "first sound",
    "first_audible": "first audible sound",
    "total": "end of the answer",
}


def plot_latency(
    sessions: Told | Transcript | Iterable[Told | Transcript], *, wait: Wait = "first_token", ax: Any = None
) -> Any:
    """How long one waited: for each provider the share of turns that had come after so many ms, as a step curve.

    `sessions` are sessions, recordings or transcripts, one or many. Only completed turns count. Returns matplotlib's
    axes: `ax`, or new ones. Raises `MissingExtra` without matplotlib, `ConfigurationError` where no turn has that wait.
    """
    if wait not in WAITS:
        raise ConfigurationError(f"wait={wait!r} is not understood; give {', '.join(WAITS)}")
    waits = _waits([sessions] if isinstance(sessions, Told | Transcript) else sessions, wait)
    if not waits:
        raise ConfigurationError(f"no completed turn of these sessions has a {WAITS[wait]}; choose another wait")
    axes = _new_axes() if ax is None else ax
    for name, found in sorted(waits.items()):
        shares = [number / len(found) for number in range(len(found) + 1)]
        axes.step([found[0], *found], shares, where="post", label=f"{name} (n={len(found)})")
    axes.set_xlabel(f"wait for the {WAITS[wait]}, ms")
    axes.set_ylabel("share of turns")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.02)
    axes.legend()
    return axes


def _waits(sessions: Iterable[Told | Transcript], wait: str) -> dict[str, list[float]]:
    """The waits in ms by provider, the shortest first."""
    found: dict[str, list[float]] = {}
    for session in sessions:
        for turn in list(session.turns):
            waited_ms = getattr(turn.latency, f"{wait}_ms")
            if turn.status == "completed" and waited_ms is not None:
                found.setdefault(turn.provider, []).append(waited_ms)
    return {name: sorted(waits) for name, waits in found.items()}


def _new_axes() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtra("plot_latency draws with matplotlib: pip install 'aigw-notebook[plot]'") from None
    return pyplot.subplots()[1]
