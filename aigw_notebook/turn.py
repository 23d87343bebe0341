"""One turn: what was asked, what came back, when, and at what cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .errors import ConfigurationError
from .events import Usage

if TYPE_CHECKING:
    from .audio.clip import Clip
    from .cost import Cost
    from .events import ImageOutput, WordTimings
    from .records import Entry, Row

__all__ = ["Latency", "ToolUse", "Turn", "TurnStatus"]

TurnStatus: TypeAlias = Literal[
    "running", "completed", "incomplete", "failed", "cancelled", "interrupted", "timeout", "lost"
]
"""How a turn stands. "cancelled": the caller gave up; "interrupted": the listener spoke or pressed Stop; "incomplete":
the provider stopped early (a limit, a filter); "timeout": nothing more came; "lost": the session ended in mid-turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Waits in ms, counted from the moment the whole question had been handed to the socket.

    In a spoken turn that the provider ends by itself they are counted from its "speech stopped". `first_audible_ms` is
    when a listener who plays from the first delta hears the first sound: providers begin with silence.
    Each is None when it never came.
    """

    first_token_ms: float | None = None
    first_audio_ms: float | None = None
    first_audible_ms: float | None = None
    total_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One tool call of a turn: `arguments` is the model's JSON text, `output` what went back to it."""

    call_id: str
    name: str
    arguments: str
    output: str | None = None
    error: str | None = None
    duration_ms: float | None = None


class Turn:
    """One question and its answer; complete once `status` is no longer "running".

    While it runs every attribute may be read from any thread and grows. It displays itself: Markdown and a player in a
    notebook, its text in a terminal.
    """

    def __init__(
        self, number: int, *, provider: str, where: str, out_of_band: bool = False, answers: bool = True
    ) -> None:
        self.number = number
        self._has_answers = answers
        self.provider = provider
        self.where = where
        self.out_of_band = out_of_band
        self.status: TurnStatus = "running"
        self.error: str | None = None
        self.shown = False
        """Set by whoever has put this turn on the screen already; the next display of it is left out, once."""
        self.entries: list[Entry] = []
        self.asked_ms: float | None = None
        self.ended_ms: float | None = None
        self.spent: Callable[[list[Entry]], Cost] | None = None
        self.rows: Callable[[Turn], list[Row]] = lambda turn: []

    @property
    def text(self) -> str:
        """All that the model wrote or said in words; the parts before and after a tool call are paragraphs.

        With a provider that only writes down what it hears, it is that.
        """
        if not self._has_answers:
            return self.user_text or ""
        return "\n\n".join(text for entry in self._answers() if (text := entry.text or ""))

    @property
    def user_text(self) -> str | None:
        """What was asked, in words; None when it was spoken and not transcribed."""
        texts = [entry.text for entry in self.entries if entry.role == "user" and entry.text]
        return "\n\n".join(texts) or None

    @property
    def audio(self) -> Clip | None:
        """All that the model spoke, as one clip; None when it spoke nothing."""
        from .audio.clip import Clip

        spoken = [entry for entry in self._answers() if entry.audio_bytes]
        data = b"".join(part for entry in spoken for part in entry.audio)
        return Clip(data, spoken[0].format) if data and spoken[0].format is not None else None

    @property
    def images(self) -> list[ImageOutput]:
        """The pictures the model made, in order."""
        return [entry.image for entry in self.entries if entry.image is not None]

    @property
    def timings(self) -> list[WordTimings]:
        """When the words of the answer are spoken, where the provider tells."""
        return [timing for entry in self._answers() for timing in entry.timings]

    @property
    def latency(self) -> Latency:
        """How long one waited for what; see `Latency`."""
        answers = self._answers()
        first_token = _least(entry.first_token_ms for entry in answers)
        first_audio = _least(entry.first_audio_ms for entry in answers)
        return Latency(
            first_token_ms=self._since_asked(first_token),
            first_audio_ms=self._since_asked(first_audio),
            first_audible_ms=self._first_audible_ms(self._since_asked(first_audio)),
            total_ms=self._since_asked(self.ended_ms),
        )

    @property
    def usage(self) -> Usage:
        """Tokens of all responses of this turn; fields the provider did not tell are None."""
        return sum((entry.usage for entry in self.entries if entry.usage), Usage())

    @property
    def cost(self) -> Cost:
        """What this turn costs in US dollars, `usd` and its `parts`; None in `usd` where a price is not known."""
        from .cost import Cost

        return Cost(unknown=1) if self.spent is None else self.spent(list(self.entries))

    @property
    def tool_calls(self) -> list[ToolUse]:
        """The tools the model called, in order, with what they answered."""
        results = {entry.call_id: entry for entry in self.entries if entry.kind == "tool_result"}
        return [_tool_use(entry, results.get(entry.call_id)) for entry in self.entries if entry.kind == "tool_call"]

    @property
    def records(self) -> list[Row]:
        """The rows of this turn, as flat dicts in the columns of `records.COLUMNS`."""
        return self.rows(self)

    def _answers(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.role == "assistant" and entry.kind in ("text", "audio")]

    def _since_asked(self, t_ms: float | None) -> float | None:
        return None if t_ms is None or self.asked_ms is None else round(max(0.0, t_ms - self.asked_ms), 3)

    def _first_audible_ms(self, first_audio_ms: float | None) -> float | None:
        clip = self.audio if first_audio_ms is not None else None
        try:
            silence_ms = clip.first_audible_ms() if clip is not None else None
        except ConfigurationError:  # a provider's samples may hold NaN
            return None
        return None if silence_ms is None or first_audio_ms is None else round(first_audio_ms + silence_ms, 3)

    def __repr__(self) -> str:
        text = self.text
        shown = text if len(text) <= 60 else text[:57] + "…"
        return f"<Turn {self.number} {self.provider} {self.status}: {shown!r}>"

    def _ipython_display_(self) -> None:
        from importlib import import_module

        import_module("aigw_notebook.display").show_turn(self)


def _least(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _tool_use(call: Entry, result: Entry | None) -> ToolUse:
    failed = result is not None and result.status == "failed"
    return ToolUse(
        call_id=call.call_id or "",
        name=call.tool_name or "",
        arguments=call.text or "",
        output=result.text if result else None,
        error=result.text if result and failed else None,
        duration_ms=None if result is None or result.end_ms is None else result.end_ms - result.start_ms,
    )
