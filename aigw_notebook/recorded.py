"""A session that was recorded, to be asked everything that a running one can tell."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from .lines import Line
from .recording import Header, Recording
from .recording_file import read
from .told import Told
from .transcript import Transcript

__all__ = ["Recorded", "load"]


class Recorded(Told):
    """A recorded session: turns, records, audio and all else, as the session itself had them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def recording(self) -> Recording:
        """The session as a value."""
        return self._recording

    @cached_property
    def _transcript(self) -> Transcript:
        return self._recording.transcript()

    @property
    def transcript(self) -> Transcript:
        """Everything said, as turns and as rows."""
        return self._transcript

    @property
    def header(self) -> Header:
        """What the session was, and when."""
        return self._recording.header

    @property
    def lines(self) -> list[Line]:
        """Every message and every fact, in the order in which they happened."""
        return self._recording.lines

    @property
    def where(self) -> str:
        """One line that says where the session was connected."""
        return self.header.where

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        return self.transcript._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        branch = f" branched off {self.header.parent}" if self.header.parent else ""
        missing = f", {self._recording.dropped:,} lines missing" if self._recording.dropped else ""
        return f"<Recorded {self.session_id} {self.provider}{branch}, {len(self.turns)} turns{missing}: {self.where}>"


def load(path: str | Path) -> Recorded:
    """The session in a file that `session.save` has written. Raises `ConfigurationError`, which says what is wrong."""
    return Recorded(read(path))
