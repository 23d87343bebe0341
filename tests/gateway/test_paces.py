"""How fast each route's emulator answers, and when engines get ready."""

from __future__ import annotations

import threading
from itertools import islice

import pytest
from websockets.sync.client import connect

from aigw_notebook.gateway import LocalGateway, server
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines import default_engines
from aigw_notebook.gateway.paces import READING, PaceTable

FAST, SLOW = Pace(text_delta_ms=1), Pace(text_delta_ms=900)


def test_the_longest_route_that_fits_decides() -> None:
    paces = PaceTable({"fal": SLOW, "fal/fal-ai/any-llm": FAST, "*": READING})
    assert paces.at("fal/fal-ai/flux") is SLOW
    assert paces.at("fal/fal-ai/any-llm") is FAST and paces.at("fal/fal-ai/any-llm/x") is FAST
    assert paces.at("falsetto") is READING


def test_one_pace_is_for_all_and_none_is_a_readers() -> None:
    assert PaceTable(SLOW).at("openai") is SLOW
    assert PaceTable().at("openai") is READING and PaceTable({"openai": SLOW}).at("cartesia") is READING


def test_jitter_is_bounded_and_the_same_for_one_seed() -> None:
    def waits(**options: float) -> list[float]:
        return list(islice(Pace(text_delta_ms=100, **options).text_waits_ms(), 50))  # type: ignore[arg-type]

    assert waits() == [100] * 50
    assert waits(jitter=0.3) == waits(jitter=0.3) != waits(jitter=0.3, seed=1)
    assert all(70 <= wait <= 130 for wait in waits(jitter=0.3)) and len(set(waits(jitter=0.3))) > 10


@pytest.mark.parametrize("fails", [False, True])
def test_engines_get_ready_after_the_first_connection(
    fails: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engines, ready = default_engines(), threading.Event()

    def warm_up() -> None:
        ready.set()
        if fails:
            raise RuntimeError("secret words")

    monkeypatch.setattr(engines.voice, "warm_up", warm_up)
    monkeypatch.setattr(server, "_default_engines", lambda: engines)
    monkeypatch.setattr(server, "WARM_UP_AFTER_S", 0.0)
    with LocalGateway() as gateway:
        assert not ready.is_set()
        headers = {"cf-aig-authorization": f"Bearer {gateway.token}"}
        with connect(f"{gateway.url}/openai?model=gpt-realtime", additional_headers=headers) as socket:
            socket.recv()
            assert ready.wait(10)
    assert ("could not get ready: RuntimeError" in caplog.text) is fails and "secret" not in caplog.text
