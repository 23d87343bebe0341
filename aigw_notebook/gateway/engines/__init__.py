"""What emulators answer, speak and listen with: one set of local engines for all of them."""

from __future__ import annotations

from .base import EngineInfo, Engines

__all__ = ["EngineInfo", "Engines", "default_engines"]


def default_engines() -> Engines:
    """The best engine installed for each job, unless the environment variable `AIGW_NOTEBOOK_ENGINES` names others.

    Without extras those are: rules and the toolkit's questions for answers, the operating system's voice if it has
    one, else chords, and a listener that reads only these.
    """
    from .selection import choose_engines

    return choose_engines()
