"""Waits are drawn as they were, on any axes; without matplotlib one is told what to install."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook import events
from aigw_notebook.errors import ConfigurationError, MissingExtra
from aigw_notebook.transcript import Transcript


class Axes:
    """Notes what is drawn on it."""

    def __init__(self) -> None:
        self.curves: dict[str, tuple[list[float], list[float]]] = {}
        self.labels: list[str] = []

    def step(self, x: list[float], y: list[float], *, where: str, label: str) -> None:
        assert where == "post"
        self.curves[label] = (x, y)

    def set_xlabel(self, label: str) -> None:
        self.labels.append(label)

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def waited(provider: str, *waits_ms: float) -> Transcript:
    told = Transcript(session_id="s1", provider=provider, model=None)
    for number, wait_ms in enumerate(waits_ms):
        at_ms, response = number * 1_000.0, f"r{number}"
        turn = told.start_turn(at_ms)
        told.receive(events.ResponseStarted(response_id=response), at_ms)
        told.receive(events.TextDelta(text="Yes.", response_id=response, item_id=response), at_ms + wait_ms)
        told.finish_turn(turn, "completed", at_ms + wait_ms + 10.0)
    return told


def test_each_provider_has_a_curve_of_its_waits() -> None:
    told = waited("acme", 300.0, 100.0, 200.0)
    told.finish_turn(told.start_turn(9_000.0), "failed", 9_999.0)
    axes = Axes()
    assert aigw.plot_latency([told, waited("parrot", 50.0), waited("acme", 400.0)], ax=axes) is axes
    assert axes.curves == {
        "acme (n=4)": ([100.0, 100.0, 200.0, 300.0, 400.0], [0.0, 0.25, 0.5, 0.75, 1.0]),
        "parrot (n=1)": ([50.0, 50.0], [0.0, 1.0]),
    }
    assert axes.labels == ["wait for the first word, ms"]


def test_another_wait_of_one_session() -> None:
    axes = Axes()
    aigw.plot_latency(waited("acme", 100.0), wait="total", ax=axes)
    assert axes.curves == {"acme (n=1)": ([110.0, 110.0], [0.0, 1.0])}


def test_what_cannot_be_drawn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no completed turn of these sessions has a first sound"):
        aigw.plot_latency(waited("acme", 100.0), wait="first_audio", ax=Axes())
    with pytest.raises(ConfigurationError, match="first_token, first_audio"):
        aigw.plot_latency(waited("acme", 100.0), wait="last", ax=Axes())  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"aigw-notebook\[plot\]"):
        aigw.plot_latency(waited("acme", 100.0))
