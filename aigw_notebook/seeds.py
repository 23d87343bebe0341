"""A history in the form in which one provider takes it: the messages to send, and what none of them can say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from .audio.formats import AudioFormat
from .events import AppendCall, AppendSpeech, AppendText, ClientEvent, ToolResult
from .history import History, Part, Said

if TYPE_CHECKING:
    from .providers.base import Capabilities

__all__ = ["MAX_SOUND_BYTES", "NO_SEED", "Seed", "seed_of"]

MAX_SOUND_BYTES = 4 * 1024 * 1024
"""Sound that one history hands over, as it is sent; what was spoken before that is handed over in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What a new session is told first, each message an item; `confirmed` says that the provider names each it took.

    `said` are the words of it, by role; `parent` and `at` are the history's. `left_out` says in words what of it cannot
    be told.
    """

    messages: tuple[ClientEvent, ...] = field(default=(), repr=False)
    said: tuple[Said, ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()
    parent: str | None = None
    at: int | None = None
    confirmed: bool = False


NO_SEED = Seed()


def seed_of(history: History, can: Capabilities, form: AudioFormat) -> Seed:
    """The history for a provider that can do this much; `form` is the format in which it hears.

    The newest sound goes as sound, within `MAX_SOUND_BYTES`, where it is still kept.
    """
    sound = _sound_of(history, form) if can.seed_audio else {}
    writer = _Writer(can, sound)
    messages = tuple(message for number, part in enumerate(history.parts) for message in writer.write(number, part))
    return Seed(
        messages=messages,
        said=history.said,
        left_out=tuple(_counted(kind, count) for kind, count in writer.left_out.items() if count),
        parent=history.parent,
        at=history.at,
        confirmed=can.editable_history,
    )


def _sound_of(history: History, form: AudioFormat) -> dict[int, bytes]:
    """What the user spoke, by the number of the part, from the newest as far as the bound goes."""
    from .audio.convert import convert

    found: dict[int, bytes] = {}
    left = MAX_SOUND_BYTES
    for number, part in reversed(list(enumerate(history.parts))):
        entry = part.spoken
        if entry is None or entry.format is None or part.role != "user":
            continue
        if form.byte_count(entry.format.duration_ms(entry.audio_bytes)) > left:
            break
        data = b"".join(entry.audio)
        if len(data) == entry.audio_bytes:
            found[number] = convert(data, entry.format, form)
            left -= len(found[number])
    return found


class _Writer:
    """Writes part after part and counts what it has no message for. Calls get ids that no provider can take amiss."""

    def __init__(self, can: Capabilities, sound: dict[int, bytes]) -> None:
        self.left_out: Counter[str] = Counter()
        self._can = can
        self._sound = sound
        self._calls: dict[str | None, str] = {}

    def write(self, number: int, part: Part) -> list[ClientEvent]:
        """The messages for one part, often one, sometimes none."""
        if part.kind == "said":
            return self._spoken(part, self._sound[number]) if number in self._sound else self._written(part)
        if part.kind == "picture":
            self.left_out["made"] += 1
            return []
        if not self._can.seed_tools:
            self.left_out["call"] += part.kind == "call"
            return []
        return self._call(part) if part.kind == "call" else self._result(part)

    def _spoken(self, part: Part, data: bytes) -> list[ClientEvent]:
        return [AppendSpeech(data=data, text=part.text or None)]

    def _written(self, part: Part) -> list[ClientEvent]:
        shown = part.pictures if self._can.image_in else ()
        self.left_out["picture"] += len(part.pictures) - len(shown)
        if part.spoken is not None:
            self.left_out[part.role if part.text else "wordless"] += 1
        if not part.text and not shown:
            return []
        return [AppendText(text=part.text, role=cast(Any, part.role), images=shown)]

    def _call(self, part: Part) -> list[ClientEvent]:
        self._calls[part.call_id] = call_id = f"past_{len(self._calls) + 1}"
        return [AppendCall(call_id=call_id, name=part.name or "", arguments=part.text)]

    def _result(self, part: Part) -> list[ClientEvent]:
        call_id = self._calls.get(part.call_id)
        return [] if call_id is None else [ToolResult(call_id=call_id, output=part.text, name=part.name)]


_COUNTED = {
    "wordless": ("1 question without a transcript", "{} questions without a transcript"),
    "user": ("the sound of 1 question", "the sound of {} questions"),
    "assistant": ("the sound of 1 answer", "the sound of {} answers"),
    "picture": ("1 picture", "{} pictures"),
    "made": ("1 picture that the model made", "{} pictures that the model made"),
    "call": ("1 tool call", "{} tool calls"),
}
"""What is left out, in words: one of it, several."""


def _counted(kind: str, count: int) -> str:
    one, several = _COUNTED[kind]
    return one if count == 1 else several.format(count)
