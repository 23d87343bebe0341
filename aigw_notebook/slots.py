"""The sessions that notebook cells share, by name."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError, SessionEnded

if TYPE_CHECKING:
    from .faces import Session
    from .gateway.local import LocalGateway
    from .records import Row

__all__ = ["ALL", "AT_THE_LIMIT", "Player", "Slot", "Slots"]

ALL = "all"
"""In the place of a session's name: every session there was."""

AT_THE_LIMIT = "--new begins another conversation, and so does another --max-cost"
"""What to do where `max_cost` has ended a session."""

MAX_FINISHED = 64
"""How many finished sessions are remembered by their rows; beyond it the oldest is let go."""


@dataclass(slots=True)
class Slot:
    """A session under a name, with the provider and the settings it was opened with."""

    provider: str
    settings: dict[str, Any]
    session: Session
    opened_at: float = field(default_factory=time.monotonic)


class Slots:
    """Sessions by name. A cell that names only what it wants changed keeps the rest of the settings."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}
        self._last: str | None = None
        self._finished: deque[tuple[str, list[Row]]] = deque(maxlen=MAX_FINISHED)
        self.forgotten = 0
        """How many finished sessions were let go."""

    def __iter__(self) -> Iterator[tuple[str, Slot]]:
        return iter(list(self._slots.items()))

    def names(self) -> tuple[str, ...]:
        """All names, the oldest first."""
        return tuple(self._slots)

    def why_new(self, name: str, provider: str, wanted: dict[str, Any], *, new: bool) -> str | None:
        """Why a cell cannot go on with the session of that name: None when it can, "" when there was none.

        Raises `SessionEnded` where its `max_cost` ended it: another one takes a word from the user.
        """
        slot = self._slots.get(name)
        if slot is None:
            return ""
        changed = [key for key, value in wanted.items() if slot.settings.get(key) != value]
        changed += ["provider"] if slot.provider != provider else []
        if slot.session.closed:
            if slot.session.limit_reached and not new and "max_cost" not in changed:
                raise SessionEnded(f"{slot.session.limit_reached}; {AT_THE_LIMIT}")
            return "the session before has ended"
        if new:
            return "you asked for it"
        return f"changed {', '.join(changed)}" if changed else None

    def settings(self, name: str, provider: str, wanted: dict[str, Any], *, new: bool) -> dict[str, Any]:
        """What to open a session with: what is wanted now, on top of what the conversation had before."""
        slot = self._slots.get(name)
        kept = {} if slot is None or new or slot.provider != provider else slot.settings
        return {**kept, **wanted}

    def use(self, name: str | None = None) -> Slot:
        """The slot of that name, or the one used last; it becomes the last used.

        Raises `ConfigurationError` when there is none.
        """
        wanted = name or self._last
        if wanted is None or wanted not in self._slots:
            raise ConfigurationError(self._missing(name))
        self._last = wanted
        return self._slots[wanted]

    def put(self, name: str, slot: Slot) -> None:
        """Keep a newly opened session; the one that had the name is closed."""
        before = self._slots.pop(name, None)
        self._slots[name] = slot
        self._last = name
        if before is not None:
            self._finish(name, before)

    def close(self, name: str | None = None) -> tuple[str, ...]:
        """Close the session of that name, or all; the names of those closed."""
        if name is not None:
            self.use(name)
        names = (name,) if name is not None else self.names()
        for known in names:
            self._finish(known, self._slots.pop(known))
        if self._last not in self._slots:
            self._last = next(reversed(self._slots), None)
        return names

    def records(self, name: str | None = None) -> list[Row]:
        """The rows of one session, or of "all", the oldest first.

        One is the open session of that name, or else the last that had it; without a name the one used last. Raises
        `ConfigurationError` when there is none.
        """
        if name == ALL and (self._slots or self._finished):
            rows = [rows for _, rows in self._finished] + [slot.session.records for slot in self._slots.values()]
            return [row for session in rows for row in session]
        if name not in self._slots and not (name is None and self._slots):
            for known, finished in reversed(self._finished):
                if name in (None, known):
                    return finished
        return self.use(name).session.records

    def _finish(self, name: str, slot: Slot) -> None:
        slot.session.close()
        self.forgotten += len(self._finished) == MAX_FINISHED
        self._finished.append((name, slot.session.records))

    def _missing(self, name: str | None) -> str:
        if name is not None and self._slots:
            return f"there is no session {name!r}; there are: {', '.join(self._slots)}"
        return "no session is open; ask a question with %%aigw first"


class Player:
    """The gateway that plays the recording of `--replay`; a new recording takes the place of the one before."""

    def __init__(self) -> None:
        self._gateway: LocalGateway | None = None

    def instead_of(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings that connect to a recording where `settings` name one (`replay`); else the same."""
        if "replay" not in settings:
            return settings
        from .gateway.replay import replay

        gateway = replay(settings["replay"])
        self.stop()
        self._gateway = gateway.start()
        others = {name: value for name, value in settings.items() if name != "replay"}
        return {**others, "gateway": gateway}

    def stop(self) -> None:
        """Stop playing; whoever listens is disconnected."""
        if self._gateway is not None:
            self._gateway.stop()
