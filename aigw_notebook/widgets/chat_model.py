"""A conversation as the chat panel shows it: bubbles made of records, and the few operations that keep a view current.

Nothing here knows a widget or a loop. A bubble is a dict of JSON values; `Feed` compares what is to be seen with what
was told before and tells the difference, numbered, so that a view that missed something can ask again.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..cost import usd_of_turn

if TYPE_CHECKING:
    from ..records import Entry
    from ..transcript import Transcript
    from ..turn import Turn

__all__ = ["Bubble", "Feed", "Operation", "Said"]

Bubble: TypeAlias = dict[str, Any]
Operation: TypeAlias = dict[str, Any]

MAX_BATCHES = 512
"""Batches of operations that are kept for views that ask again; one that is farther behind gets the whole."""

MAX_BUBBLES = 400
"""Bubbles a panel shows; beyond it the oldest leave the screen. The records keep them."""

MAX_SHOWN_CHARACTERS = 20_000
"""Of a tool's arguments or output; the records keep all."""

_SPOKEN_OR_WRITTEN = ("text", "audio")


class Said:
    """What was said in one session, as bubbles. `index` sets its bubbles' ids apart from other sessions'.

    `before` is what the session began with, shown as its turn 0. `pictures` are the references of what was asked with,
    by turn number; `hidden` the turns that were taken back; `approval` tells how a tool call stands ("waiting",
    "approved", "refused"), None where nobody was asked.
    """

    def __init__(
        self,
        transcript: Transcript,
        index: int,
        *,
        before: Sequence[tuple[str, str]] = (),
        approval: Callable[[str | None], str | None] = lambda call_id: None,
    ) -> None:
        self.transcript = transcript
        self.index = index
        self._before = tuple(before)
        self.pictures: dict[int, list[str]] = {}
        self.hidden: set[int] = set()
        self._final: set[Entry] = set()
        self._approval = approval

    def words_final(self, item_id: str | None) -> None:
        """The user's words of that item, or of the last that was spoken, will not change any more."""
        entries = reversed(list(self.transcript.entries))
        spoken = (e for e in entries if e.role == "user" and e.kind == "audio" and item_id in (None, e.item_id))
        entry = next(spoken, None)
        if entry is not None:
            self._final.add(entry)

    def turn_of(self, bubble_id: str) -> Turn | None:
        """The turn of that bubble, if it is one of this session."""
        index, _, number = bubble_id.partition(".")
        entry = self.transcript.entry_of(f"a{number}") if index == str(self.index) else None
        return entry.turn if entry is not None else None

    def bubbles(self, last: int | None = None) -> list[Bubble]:
        """The bubbles of all that was said, or of the last so many entries, in spoken order."""
        entries = list(self.transcript.entries)
        start = 0 if last is None else max(0, len(entries) - last)
        shown = self._history() if last is None else []
        for position in range(start, len(entries)):
            entry = entries[position]
            make = self._MAKERS.get((entry.role, entry.kind))
            if make is not None and not (entry.turn is not None and entry.turn.number in self.hidden):
                shown.append(make(self, entry, position + 1))
        return shown

    # ------------------------------------------------------------------------------------------------------ makers

    def _history(self) -> list[Bubble]:
        """What the session began with; instructions among it are not shown."""
        known = {"turn": 0, "status": "completed", "facts": None}
        return [
            {"id": f"{self.index}.before{number}", "role": role, "text": words, **known}
            for number, (role, words) in enumerate(self._before if 0 not in self.hidden else ())
            if role in ("user", "assistant")
        ]

    def _bubble(self, entry: Entry, seq: int, role: str, **more: Any) -> Bubble:
        return {
            "id": f"{self.index}.{seq}",
            "role": role,
            "turn": entry.turn.number if entry.turn is not None else 0,
            "status": entry.status,
            "text": entry.text or "",
            **more,
        }

    def _user(self, entry: Entry, seq: int) -> Bubble:
        turn = entry.turn
        spoken = entry.kind == "audio"
        running = turn is not None and turn.status == "running"
        pictures = self.pictures.get(turn.number, []) if turn is not None and not spoken else []
        return self._bubble(
            entry,
            seq,
            "user",
            spoken=spoken,
            provisional=spoken and running and entry not in self._final,
            pictures=pictures,
            **_sound(entry, seq),
        )

    def _assistant(self, entry: Entry, seq: int) -> Bubble:
        return self._bubble(
            entry,
            seq,
            "assistant",
            spoken=entry.kind == "audio",
            heard_text=entry.heard_text if entry.status == "interrupted" else None,
            facts=_facts(entry),
            **_sound(entry, seq),
        )

    def _image(self, entry: Entry, seq: int) -> Bubble:
        image = entry.image
        known = image is not None and image.data is not None
        return self._bubble(entry, seq, "assistant", pictures=[f"{self.index}.{seq}"] if known else [], facts=None)

    def _tool(self, entry: Entry, seq: int) -> Bubble:
        turn = entry.turn
        result = next(
            (e for e in turn.entries if e.kind == "tool_result" and e.call_id == entry.call_id) if turn else iter(()),
            None,
        )
        bubble = self._bubble(
            entry,
            seq,
            "tool",
            name=entry.tool_name,
            call_id=entry.call_id,
            approval=self._approval(entry.call_id),
            output=None if result is None else _bounded(result.text or ""),
            failed=result is not None and result.status == "failed",
            duration_ms=None if result is None or result.end_ms is None else round(result.end_ms - result.start_ms, 1),
        )
        return {**bubble, "text": _bounded(bubble["text"])}

    def _error(self, entry: Entry, seq: int) -> Bubble:
        return self._bubble(entry, seq, "notice", level="error", code=entry.error_code)

    _MAKERS: dict[tuple[str, str], Callable[[Said, Entry, int], Bubble]] = {  # noqa: RUF012
        ("user", "text"): _user,
        ("user", "audio"): _user,
        ("assistant", "text"): _assistant,
        ("assistant", "audio"): _assistant,
        ("assistant", "image"): _image,
        ("assistant", "tool_call"): _tool,
        ("session", "error"): _error,
    }


def _sound(entry: Entry, seq: int) -> Bubble:
    over = entry.status != "running"
    return {
        "audio_ms": round(entry.audio_ms) if over and entry.audio_ms else None,
        "audio_ref": f"a{seq}" if over and entry.audio else None,
    }


def _facts(entry: Entry) -> Bubble | None:
    """Waits, tokens and money of a finished turn, told in the last bubble of its answer."""
    turn = entry.turn
    if turn is None or turn.status == "running":
        return None
    answers = [e for e in turn.entries if e.role == "assistant" and e.kind in _SPOKEN_OR_WRITTEN]
    if not answers or answers[-1] is not entry:
        return None
    latency, usage = turn.latency, turn.usage
    return {
        "first_token_ms": latency.first_token_ms,
        "first_audio_ms": latency.first_audio_ms,
        "total_ms": latency.total_ms,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usd_of_turn(turn),
    }


def _bounded(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return f"{text[:MAX_SHOWN_CHARACTERS]}\n… ({len(text) - MAX_SHOWN_CHARACTERS} more characters are in the records)"


class Feed:
    """What the views have been told. Each batch of operations has a number, the first 0; `seq` is the next one's.

    The operations: `put` a whole bubble at the end, or in place of the one with its id; `text` appends to a bubble's
    text; `set` changes some of its fields; `drop` takes bubbles away; `clear` takes all.
    """

    def __init__(self) -> None:
        self.seq = 0
        self._shown: dict[str, Bubble] = {}
        self._batches: deque[tuple[int, list[Operation]]] = deque(maxlen=MAX_BATCHES)

    @property
    def bubbles(self) -> list[Bubble]:
        """All that is shown, the oldest first."""
        return list(self._shown.values())

    def update(self, bubbles: Iterable[Bubble]) -> list[Operation]:
        """What brings the views to these bubbles; others stay as they are."""
        operations = [op for bubble in bubbles if (op := self._change(bubble)) is not None]
        excess = len(self._shown) - MAX_BUBBLES
        if excess > 0:
            operations.append(self._dropped(list(self._shown)[:excess]))
        return self._keep(operations)

    def drop(self, ids: Iterable[str]) -> list[Operation]:
        """What takes these bubbles away."""
        known = [bubble_id for bubble_id in ids if bubble_id in self._shown]
        return self._keep([self._dropped(known)] if known else [])

    def clear(self) -> list[Operation]:
        """What takes all bubbles away."""
        self._shown.clear()
        return self._keep([{"op": "clear"}])

    def since(self, have: int) -> list[tuple[int, list[Operation]]] | None:
        """The batches from number `have` on; None when some of them are kept no longer."""
        if have > self.seq or have < self.seq - len(self._batches):
            return None
        return [batch for batch in self._batches if batch[0] >= have]

    def snapshot(self) -> str:
        """All bubbles and the number of the next batch, as JSON."""
        return json.dumps({"seq": self.seq, "bubbles": self.bubbles}, ensure_ascii=False)

    def _change(self, bubble: Bubble) -> Operation | None:
        before = self._shown.get(bubble["id"])
        self._shown[bubble["id"]] = bubble
        if before is None:
            return {"op": "put", "bubble": bubble}
        changes = {key: value for key, value in bubble.items() if before.get(key) != value}
        if not changes:
            return None
        grown = changes.get("text")
        if len(changes) == 1 and grown is not None and grown.startswith(before["text"]):
            return {"op": "text", "id": bubble["id"], "text": grown[len(before["text"]) :]}
        return {"op": "set", "id": bubble["id"], "changes": changes}

    def _dropped(self, ids: list[str]) -> Operation:
        for bubble_id in ids:
            self._shown.pop(bubble_id, None)
        return {"op": "drop", "ids": ids}

    def _keep(self, operations: list[Operation]) -> list[Operation]:
        if operations:
            self._batches.append((self.seq, operations))
            self.seq += 1
        return operations
