"""Where each piece of sound lies on the session's clock, as somebody in the room would have heard it."""

from __future__ import annotations

from typing import NamedTuple

from ..records import Entry
from ..transcript import Transcript

__all__ = ["Placed", "placed"]


class Placed(NamedTuple):
    """The sound of a row: it plays from `start_ms` of the session for `play_ms`, which may be less than all of it."""

    entry: Entry
    audio_ref: str
    start_ms: float
    play_ms: float


def placed(transcript: Transcript) -> list[Placed]:
    """All rows with sound, each side without overlap.

    A user's row begins when it was spoken. A model's begins when its first audio came, or when the one before it has
    been played, and lasts as long as it was heard. Where it was interrupted and nobody counted, it lasts until then.
    """
    free_ms: dict[str, float] = {}
    found = []
    for seq, entry in enumerate(list(transcript.entries), 1):
        if entry.audio_ms is None:
            continue
        arrived_ms = entry.start_ms if entry.first_audio_ms is None else entry.first_audio_ms
        start_ms = max(arrived_ms, free_ms.get(entry.role, 0.0))
        play_ms = _play_ms(entry, entry.audio_ms, start_ms)
        free_ms[entry.role] = start_ms + play_ms
        found.append(Placed(entry, f"a{seq}", start_ms, play_ms))
    return found


def _play_ms(entry: Entry, audio_ms: float, start_ms: float) -> float:
    if entry.heard_ms is not None:
        return min(entry.heard_ms, audio_ms)
    if entry.role == "assistant" and entry.status == "interrupted" and entry.end_ms is not None:
        return min(audio_ms, max(0.0, entry.end_ms - start_ms))
    return audio_ms
