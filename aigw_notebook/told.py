"""What can be told of a session: the same of one that runs and of one that was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .events import Usage
from .records import Row
from .turn import Turn

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from .audio.clip import Clip
    from .connection import Connection
    from .cost import Cost
    from .exports.sound import Sides
    from .pages import Page
    from .providers.base import Provider
    from .recording import Recording
    from .tables import Tables
    from .timeline import Timeline
    from .transcript import Transcript

__all__ = ["Told"]


class Told:
    """The views of a session. A subclass gives `transcript` and `recording`, all else is made of these."""

    @property
    def transcript(self) -> Transcript:
        """Everything said, as turns and as rows; that of a running session grows."""
        raise NotImplementedError

    def recording(self) -> Recording:
        """The session as a value: what it was, and its lines so far, without a secret."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Write the session so far to a file (`.aigw`) that `aigw.load` and `aigw.replay` read; returns its path.

        A file that is there is replaced, in one step. Raises `ConfigurationError` where it cannot be written.
        """
        from .recording_file import write

        return write(path, self.recording())

    def fork(
        self,
        at: Turn | int | None = None,
        *,
        provider: str | Provider | None = None,
        sound: bool = True,
        **settings: Any,
    ) -> Connection:
        """A new session that knows what was said in this one, up to and with the turn `at` (None: all), to be opened.

        It may be with another provider. `settings` are those of `connect`; with the same provider what this session
        was given is taken over, save for tools and the gateway, which are given again. This session stays as it is.
        What the user spoke is handed over as sound where the provider takes it; without `sound` in words only.
        """
        from .connection import connect
        from .history import history_of

        past = history_of(self.transcript, at=at, sound=sound)
        taken = {"provider": provider} if provider is not None else self._origin()
        return connect(**{**taken, **settings, "history": past})

    def _origin(self) -> dict[str, Any]:
        """What `connect` is given for another session like this one."""
        return {"provider": self.provider, "model": self.model}

    @property
    def session_id(self) -> str:
        """The session's id in the records."""
        return self.transcript.session_id

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.transcript.provider

    @property
    def model(self) -> str | None:
        """The model, as the provider names it."""
        return self.transcript.model

    @property
    def turns(self) -> list[Turn]:
        """All turns so far, the running one last."""
        return list(self.transcript.turns)

    @property
    def records(self) -> list[Row]:
        """All rows so far, as flat dicts in the columns of `records.COLUMNS`: `pd.DataFrame(session.records)`."""
        return self.transcript.records

    @property
    def tables(self) -> Tables:
        """The same and more as tables: `turns`, `events`, `audio`, `tools`, `usage`, `latency`; see docs/records.md."""
        from .tables import Source, Tables

        return Tables(lambda: [Source(self.transcript, lambda: self.recording().lines)])

    def timeline(self) -> Timeline:
        """A picture of the session's time so far: who spoke, what was heard, where one waited and who broke in.

        Where no log is kept it goes without the messages.
        """
        from .timeline import Timeline

        try:
            lines = self.recording().lines
        except ConfigurationError:
            lines = []
        return Timeline(self.transcript, lines)

    def export(self, path: str | PathLike[str]) -> Path:
        """Write the conversation as its suffix says (.md, .html, .srt, .vtt, .jsonl, .csv, .parquet)."""
        return self.transcript.export(path)

    def save_audio(self, path: str | PathLike[str], *, sides: Sides = "both") -> Path:
        """Write the sound on the session's clock, left the user and right the model, as .wav or .flac; see `exports`.

        A side alone ("user", "model") is one channel. Raises `ConfigurationError` when nothing was spoken.
        """
        from .exports.sound import save_audio

        return save_audio(self.transcript, self.audio, path, sides=sides)

    def page(self) -> Page:
        """The session so far as a page: words, sound, a click on a word plays from there; see `aigw.page`."""
        from .pages import page

        return page(self)

    @property
    def usage(self) -> Usage:
        """Tokens of the whole session so far."""
        return self.transcript.usage

    @property
    def cost(self) -> Cost:
        """What the session costs so far, as far as it is known; see docs/cost.md."""
        return self.transcript.cost

    def audio(self, audio_ref: str) -> Clip | None:
        """The audio of the row with that `audio_ref`; None when there is none, or it is no longer kept."""
        from .audio.clip import Clip

        entry = self.transcript.entry_of(audio_ref)
        if entry is None or entry.format is None:
            return None
        data = b"".join(entry.audio)
        return Clip(data, entry.format) if data else None
