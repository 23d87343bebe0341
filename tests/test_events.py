"""The vocabulary itself: immutable values, one union for each side, and the table of legal orders."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from aigw_notebook import events
from aigw_notebook.audio.formats import PCM16_24K

SERVER, LOCAL, CLIENT = (
    get_args(union) for union in (events.AnyServerEvent, events.AnyLocalEvent, events.AnyClientEvent)
)


@pytest.mark.parametrize(
    ("base", "union"),
    [(events.ServerEvent, SERVER), (events.LocalEvent, LOCAL), (events.ClientEvent, CLIENT)],
)
def test_each_union_names_every_event_of_its_side(base: type, union: tuple[type, ...]) -> None:
    public = {value for value in vars(events).values() if isinstance(value, type) and issubclass(value, base)}
    assert set(union) == public - {base}


@pytest.mark.parametrize("event", [*SERVER, *LOCAL, *CLIENT])
def test_events_are_frozen_slotted_and_public(event: type) -> None:
    assert event.__dataclass_params__.frozen and hasattr(event, "__slots__")
    assert event.__name__ in events.__all__
    assert event.__doc__ and not event.__doc__.startswith(f"{event.__name__}(")


def test_raw_takes_no_part_in_equality_or_repr() -> None:
    one = events.TextDelta(text="a", raw={"type": "x", "secret": "s"})
    assert one == events.TextDelta(text="a")
    assert "secret" not in repr(one)


def test_audio_is_not_pasted_into_a_repr() -> None:
    assert "\\x00" not in repr(events.AudioDelta(data=bytes(4800), format=PCM16_24K))


def test_order_only_knows_server_events_and_its_own_states() -> None:
    for transitions in events.ORDER.values():
        assert set(transitions) <= set(SERVER)
        assert set(transitions.values()) <= set(events.ORDER)


def test_usage_adds_what_is_known_and_leaves_the_unknown_unknown() -> None:
    one = events.Usage(input_tokens=10, output_tokens=5, cached_tokens=4)
    two = events.Usage(input_tokens=1, output_audio_tokens=7)
    both = one + two
    assert (both.input_tokens, both.output_tokens, both.cached_tokens, both.output_audio_tokens) == (11, 5, 4, 7)
    assert both.input_text_tokens is None
    assert both.total_tokens == 16
    assert events.Usage().total_tokens is None
    assert dataclasses.astuple(sum([one], events.Usage())) == dataclasses.astuple(one)
