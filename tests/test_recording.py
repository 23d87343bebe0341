"""A session's lines make its transcript again: what was recorded is all there is to know."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aigw_notebook import events, providers
from aigw_notebook.audio.clip import Clip
from aigw_notebook.audio.formats import PCM16_16K, PCM16_24K
from aigw_notebook.connection import connect
from aigw_notebook.events.plain import from_plain, to_plain
from aigw_notebook.gateway.engines.tones import ToneVoice
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.lines import MemoryLog


@pytest.mark.parametrize("provider", sorted(set(providers.BUILT_IN)))
def test_the_lines_of_a_session_make_its_records_again(provider: str, gateway: LocalGateway) -> None:
    with connect(provider, gateway=gateway, quiet=True) as session:
        if session.core.provider.capabilities.text_in:
            session.ask("Count to three.")
        else:
            session.ask(audio=Clip(b"".join(ToneVoice().speak("hello there", sample_rate=16_000)), PCM16_16K))
    recording = session.recording()
    again = recording.transcript()
    assert session.records and again.records == session.records
    assert [turn.status for turn in again.turns] == [turn.status for turn in session.turns]
    assert {"received", "event", "turn", "ended"} <= {line.kind for line in recording.lines}
    told = [line.value for line in recording.lines if line.kind == "event"]
    assert [from_plain(to_plain(event)) for event in told] == told


def test_every_event_survives_being_made_plain() -> None:
    kinds = [getattr(events, name) for name in events.__all__]
    kinds = [k for k in kinds if isinstance(k, type) and issubclass(k, events.ServerEvent | events.LocalEvent)]
    made = 0
    for kind in kinds:
        needed = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
        event = kind(**{name: _SAMPLES[name] for name in needed})
        assert from_plain(to_plain(event)) == event
        made += 1
    assert made > 25


def test_an_unknown_type_of_event_is_named() -> None:
    with pytest.raises(KeyError, match="FromTheFuture"):
        from_plain({"type": "FromTheFuture"})


def test_a_full_memory_log_lets_go_of_the_oldest_and_counts() -> None:
    log = MemoryLog(lines_kept=2)
    for number in range(5):
        log.add(float(number), "said", str(number))
    assert [line.value for line in log.lines()] == ["3", "4"]
    assert log.dropped == 3


def test_a_memory_log_is_bounded_in_bytes_too() -> None:
    log = MemoryLog(bytes_kept=10_000)
    for number in range(10):
        log.add(float(number), "voice", (bytes(2_000), PCM16_16K))
    assert log.dropped == 6
    assert [line.t_ms for line in log.lines()] == [6.0, 7.0, 8.0, 9.0]


_SAMPLES: dict[str, Any] = {
    "text": "word", "item_id": "i1", "data": b"\x00\x01", "format": PCM16_24K,
    "words": ("a", "b"), "start_ms": (0.0, 10.0), "end_ms": (10.0, 20.0), "audio_end_ms": 12.5, "call_id": "c",
    "name": "n", "arguments": "{}", "call_ids": ("c", "d"), "message": "m", "code": 1006, "kind": "x", "turn": 1,
    "status": "completed", "output": "o", "limits": (events.RateLimit(name="r", limit=1, remaining=0, reset_s=1.5),),
    "raw": {}, "items": 2,
}  # fmt: skip
