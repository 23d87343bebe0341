"""The guard of `conftest.frames` guards: it sees what is sent on real sockets and refuses what the SDK refuses."""

from __future__ import annotations

import importlib.util
import json
import threading

import pytest

import aigw_notebook as aigw
from aigw_notebook.events import ProviderMessage, SessionError
from aigw_notebook.gateway.emulators.openai_wire import Wire
from aigw_notebook.gateway.local import LocalGateway
from tests.frames import FrameTap

GOOD = json.dumps({"type": "input_audio_buffer.cleared", "event_id": "event_1"})
BAD_SERVER = {
    "missing field": {"type": "response.output_text.delta", "event_id": "event_1", "delta": "x"},
    "beta name": {"type": "response.text.delta", "event_id": "event_1"},
    "wrong type": {"type": "input_audio_buffer.speech_started", "event_id": "e", "item_id": "i", "audio_start_ms": "0"},
    "unknown field": {"type": "input_audio_buffer.cleared", "event_id": "event_1", "more": 1},
    "no object": [],
}
BAD_CLIENT = {
    "missing field": {"type": "input_audio_buffer.append"},
    "beta name": {"type": "transcription_session.update", "session": {}},
    "unknown field": {"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}},
}


@pytest.mark.parametrize("name", BAD_SERVER)
def test_a_bad_server_event_is_a_fault(name: str) -> None:
    tap = FrameTap()
    tap.server = [GOOD, json.dumps(BAD_SERVER[name]), GOOD]
    (fault,) = tap.faults()
    assert fault.startswith("an emulator sent") and tap.verdict() == fault


@pytest.mark.parametrize("name", BAD_CLIENT)
def test_a_bad_client_event_is_a_fault(name: str) -> None:
    tap = FrameTap()
    tap.client = [json.dumps(BAD_CLIENT[name])]
    (fault,) = tap.faults()
    assert fault.startswith("a session sent")


def test_a_binary_frame_is_a_fault() -> None:
    tap = FrameTap()
    tap.server = [GOOD.encode()]
    assert "a binary frame" in (tap.verdict() or "")


def test_both_directions_of_a_session_are_seen(gateway: LocalGateway, frames: FrameTap) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, modalities="text") as session:
        session.ask("Say hello")
    assert [json.loads(frame)["type"] for frame in frames.client] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]
    assert json.loads(frames.server[0])["type"] == "session.created"
    assert "response.done" in [json.loads(frame)["type"] for frame in frames.server]
    assert frames.verdict() is None


@pytest.mark.bad_frames(reason="this is how the guard is seen to refuse them")
def test_what_is_sent_wrongly_on_sockets_is_refused(
    gateway: LocalGateway, frames: FrameTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = Wire.event
    monkeypatch.setattr(Wire, "event", lambda self, kind, **fields: event(self, kind, **{**fields, "shoe_size": 43}))
    refused = threading.Event()
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.core.add_sink(lambda heard: refused.set() if isinstance(heard, SessionError) else None)
        session.send(ProviderMessage(message=BAD_CLIENT["unknown field"]))
        assert refused.wait(10)
    faults = frames.faults()
    assert any(fault.startswith("an emulator sent") and "shoe_size" in fault for fault in faults)
    assert any(fault.startswith("a session sent") and "temperature" in fault for fault in faults)


def test_a_missing_sdk_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    tap = FrameTap()
    assert tap.verdict() is None
    tap.server = [GOOD]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install openai" in (tap.verdict() or "")
