"""The sessions that cells share: what is within reach while they are open, and after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aigw_notebook.errors import ConfigurationError
from aigw_notebook.slots import MAX_FINISHED, Slot, Slots


def slot(*texts: object) -> Slot:
    session: Any = SimpleNamespace(close=lambda: None, records=[{"text": text} for text in texts])
    return Slot("openai", {}, session)


def texts(slots: Slots, name: str | None = None) -> list[object]:
    return [row["text"] for row in slots.records(name)]


def test_the_rows_of_one_session_or_of_all() -> None:
    slots = Slots()
    for name, said in (("a", "one"), ("b", "two"), ("a", "three")):
        slots.put(name, slot(said))
    assert (texts(slots), texts(slots, "b"), texts(slots, "a")) == (["three"], ["two"], ["three"])
    assert texts(slots, "all") == ["one", "two", "three"]
    slots.close("a")
    assert (texts(slots), texts(slots, "a")) == (["two"], ["three"])
    slots.close()
    assert (texts(slots), texts(slots, "a"), texts(slots, "all")) == (["two"], ["three"], ["one", "three", "two"])
    with pytest.raises(ConfigurationError, match="no session is open"):
        slots.records("c")


def test_finished_sessions_are_kept_up_to_a_limit() -> None:
    slots = Slots()
    for number in range(MAX_FINISHED + 3):
        slots.put("one", slot(number))
    slots.close()
    assert texts(slots, "all") == list(range(3, MAX_FINISHED + 3))
    assert slots.forgotten == 3
