"""The guard of `conftest.frames` guards: it sees what is sent, on sockets or without, and refuses what must not be."""

from __future__ import annotations

import json
import sys
import threading
from base64 import b64encode
from importlib import import_module
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.events import ProviderMessage, SessionError
from aigw_notebook.gateway.emulators.base import Close, Emulator, Handshake, Pace
from aigw_notebook.gateway.emulators.google import GoogleEmulator
from aigw_notebook.gateway.emulators.openai import OpenAIEmulator
from aigw_notebook.gateway.emulators.openai_wire import Wire
from aigw_notebook.gateway.engines import default_engines
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.providers import get, names
from aigw_notebook.providers.base import Codec, Message, SessionSettings, counting_ids
from tests.frames import JUDGES, Connection, FrameTap, provider_of

ON_PURPOSE = pytest.mark.bad_frames(reason="this is how the guard is seen to refuse them")
ODD, EVEN = (b64encode(bytes(size)).decode() for size in (3, 4))
AT_2024 = {"query": {"cartesia_version": "2024-06-10"}}
PCM = {"query": {"output_format": "pcm_16000"}}
META = {"conversation_id": "c", "agent_output_audio_format": "pcm_16000", "user_input_audio_format": "pcm_16000"}
STARTED = {
    "type": "conversation_initiation_metadata",
    "conversation_initiation_metadata_event": META,
}
SET_UP: dict[str, Any] = {"setupComplete": {}}
CHUNK = {"type": "chunk", "context_id": "c", "status_code": 206, "done": False, "step_time": 1.0, "data": EVEN}
DONE = {"type": "done", "context_id": "c", "status_code": 206, "done": True}
TIMED = {"type": "timestamps", "context_id": "c", "status_code": 206, "done": False, "flush_id": 1}
PLACED = {"event_id": "e", "response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
FLUSHED = {"type": "flush_done", "context_id": "c", "status_code": 206, "done": False, "flush_done": True}
TEXT = {"Content-Type": "text/event-stream"}
UUID = "00000000-0000-4000-8000-000000000001"
BEGIN = {"type": "start", "request_id": UUID, "status": 200, "headers": {"Content-Type": "application/json"}}
END = {"type": "end", "request_id": UUID, "status": 200, "time_to_first_byte_seconds": 0.1}
GREETED = {"type": "Metadata", "request_id": "r", "model_name": "m", "model_version": "1", "model_uuid": "u"}
CONNECTED = {"type": "Connected", "request_id": "r", "sequence_id": 0}
SPEAK, FLUX, LISTEN = "deepgram/v1/speak", "deepgram/v2/listen", "deepgram/v1/listen"
TTS, MULTI = (f"elevenlabs/v1/text-to-speech/v/{name}" for name in ("stream-input", "multi-stream-input"))
CLEARED = {"type": "input_audio_buffer.cleared", "event_id": "event_1"}
AUDIO = {"type": "audio", "audio_event": {"audio_base_64": EVEN, "event_id": 2}}
CUT = {"type": "interruption", "interruption_event": {"event_id": 2}}


def blob(**inline: Any) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": inline}]}}}


def called(**fields: Any) -> dict[str, Any]:
    call = {"tool_name": "add", "tool_call_id": "t", "parameters": {}, "event_id": 3}
    return {"type": "client_tool_call", "client_tool_call": {**call, **fields}}


GOOD: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("openai", [CLEARED], {}),
    ("google", [SET_UP, blob(mimeType="audio/pcm;rate=24000", data=EVEN), {"goAway": {"timeLeft": "5s"}}], {}),
    ("cartesia", [{**CHUNK, "flush_id": 1}, {**FLUSHED, "flush_id": 1}, {**CHUNK, "flush_id": 2}, DONE, DONE], {}),
    ("cartesia", [{"type": "error", "done": True, "status_code": 400, "error": "bad"}], AT_2024),
    ("elevenlabs", [STARTED, AUDIO, CUT, called()], {}),
    ("elevenlabs", [{"audio": EVEN, "isFinal": None}, {"audio": None, "isFinal": True}], {}),
    (TTS, [{"audio": EVEN, "isFinal": None}, {"message": "m", "error": "e", "code": 1008}], PCM),
    (MULTI, [{"audio": EVEN, "contextId": "c"}, {"isFinal": True, "contextId": "c"}], PCM),
    (SPEAK, [GREETED, b"\0\0\0", b"\0", {"type": "Flushed", "sequence_id": 0}], {}),
    ("workers-ai", [CONNECTED], {"query": {"model": "@cf/deepgram/flux"}}),
    ("fal/a/b", [BEGIN, '{"a": ', "1}", END], {}),
]

BAD: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "missing field": ("openai", [{"type": "response.output_text.delta", "event_id": "e", "delta": "x"}], {}),
    "beta name": ("openai", [{"type": "response.text.delta", "event_id": "event_1"}], {}),
    "wrong type": (
        "openai",
        [{"type": "input_audio_buffer.speech_started", "event_id": "e", "item_id": "i", "audio_start_ms": "0"}],
        {},
    ),
    "unknown field": ("openai", [{**CLEARED, "more": 1}], {}),
    "no object": ("openai", ["[]"], {}),
    "binary to a client of text": ("openai", [json.dumps(CLEARED).encode()], {}),
    "half a sample": (
        "openai",
        [{**PLACED, "type": "response.output_audio.delta", "delta": ODD}],
        {},
    ),
    "text to a client of binary": ("google", [json.dumps(SET_UP)], {}),
    "not set up": ("google", [{"goAway": {"timeLeft": "5s"}}], {}),
    "set up twice": ("google", [SET_UP, SET_UP], {}),
    "misspelt": ("google", [SET_UP, {"serverContent": {"turnComplet": True}}], {}),
    "unknown word": ("google", [SET_UP, {"serverContent": {"turnCompleteReason": "X"}}], {}),
    "two messages": ("google", [SET_UP, {"serverContent": {}, "toolCall": {}}], {}),
    "another rate": ("google", [SET_UP, blob(mimeType="audio/pcm;rate=16000", data=EVEN)], {}),
    "half a sample of speech": ("google", [SET_UP, blob(mimeType="audio/pcm;rate=24000", data=ODD)], {}),
    "no step time": ("cartesia", [{**CHUNK, "step_time": None, "flush_id": 1}], {}),
    "no number of the flush": ("cartesia", [CHUNK], {}),
    "a wrong number of the flush": ("cartesia", [{**CHUNK, "flush_id": 2}], {}),
    "no base64": ("cartesia", [{**CHUNK, "data": "??", "flush_id": 1}], {}),
    "no audio": ("cartesia", [{**CHUNK, "data": "", "flush_id": 1}], {}),
    "after the end of a context": ("cartesia", [DONE, {**CHUNK, "flush_id": 1}], {}),
    "an old error of today": ("cartesia", [{"type": "error", "done": True, "status_code": 400, "error": "bad"}], {}),
    "today's error of old": ("cartesia", [{"type": "error", "done": True, "title": "bad"}], AT_2024),
    "lists of two lengths": (
        "cartesia",
        [{**TIMED, "word_timestamps": {"words": ["a"], "start": [], "end": [0.1]}}],
        {},
    ),
    "no metadata": ("elevenlabs", [AUDIO], {}),
    "metadata twice": ("elevenlabs", [STARTED, STARTED], {}),
    "unknown message": ("elevenlabs", [STARTED, {"type": "agent_song"}], {}),
    "unknown field of a message": ("elevenlabs", [STARTED, called(shoe_size=43)], {}),
    "null for no arguments": ("elevenlabs", [STARTED, called(parameters=None)], {}),
    "another key for the content": ("elevenlabs", [STARTED, {"type": "audio", "audio": {}}], {}),
    "null for no alignment": (
        "elevenlabs",
        [STARTED, {"type": "audio", "audio_event": {**AUDIO["audio_event"], "alignment": None}}],  # type: ignore[dict-item]
        {},
    ),
    "number 0": ("elevenlabs", [STARTED, {"type": "audio", "audio_event": {"audio_base_64": EVEN, "event_id": 0}}], {}),
    "a ping without its estimate": ("elevenlabs", [STARTED, {"type": "ping", "ping_event": {"event_id": 1}}], {}),
    "audio after the cut": ("elevenlabs", [STARTED, CUT, AUDIO], {}),
    "half a sample of an agent's": (
        "elevenlabs",
        [STARTED, {"type": "audio", "audio_event": {"audio_base_64": ODD, "event_id": 2}}],
        {},
    ),
    "after the final frame": (TTS, [{"isFinal": True}, {"audio": EVEN, "isFinal": None}], PCM),
    "a misspelt alignment": (
        TTS,
        [{"audio": EVEN, "alignment": {"chars": [], "charStartTimesMs": [], "charsDurationsMs": []}}],
        PCM,
    ),
    "a context of one answer": (TTS, [{"audio": EVEN, "contextId": "c"}], PCM),
    "no context of several": (MULTI, [{"audio": EVEN}], PCM),
    "half a sample of a voice's": (TTS, [{"audio": ODD}], PCM),
    "no metadata first": (SPEAK, [{"type": "Flushed", "sequence_id": 0}], {}),
    "a flush within a sample": (SPEAK, [GREETED, b"\0", {"type": "Flushed", "sequence_id": 0}], {}),
    "an empty binary frame": (SPEAK, [GREETED, b""], {}),
    "a wrong count": (FLUX, [{**CONNECTED, "sequence_id": 1}], {}),
    "sound from a listener": (LISTEN, [b"\0\0"], {}),
    "an unknown field of a turn": ("workers-ai", [{**CONNECTED, "a": 1}], {"query": {"model": "@cf/deepgram/flux"}}),
    "no start": ("fal/a/b", ["{}"], {}),
    "another end": ("fal/a/b", [BEGIN, '{"a": 1}', {**END, "status": 422}], {}),
    "the same answer again": ("fal/a/b", [BEGIN, '{"a": 1}', END, BEGIN], {}),
    "no JSON": ("fal/a/b", [BEGIN, "{", END], {}),
    "an open event": ("fal/a/b", [{**BEGIN, "headers": TEXT}, "data: 1\n", END], {}),
    "half a file": ("fal/a/b", [{**BEGIN, "headers": {"content-type": "audio/wav"}}, b"RIFF", END], {}),
    "no judge": ("else", [{}], {}),
}
BAD_CLIENT: dict[str, tuple[str, list[Any]]] = {
    "missing field": ("openai", [{"type": "input_audio_buffer.append"}]),
    "beta name": ("openai", [{"type": "transcription_session.update", "session": {}}]),
    "unknown field": ("openai", [{"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}}]),
    "a misspelt turn": ("google", [{"clientContent": {"turnCompleted": True}}]),
    "a misspelt setup": ("google", [{"setup": {"model": "models/m", "generationConfg": {}}}]),
    "a misspelt detection": ("google", [{"setup": {"model": "models/m", "realtimeInputConfig": {"activity": 1}}}]),
    "no voice": ("cartesia", [{"model_id": "m", "context_id": "c", "transcript": "t"}]),
    "a cancel that is none": ("cartesia", [{"context_id": "c", "cancel": False}]),
    "no first message": ("elevenlabs", [{"type": "pong", "event_id": 1}]),
    "an unknown override": (
        "elevenlabs",
        [{"type": "conversation_initiation_client_data", "conversation_config_override": {"shoes": 1}}],
    ),
    "a result that is no text": (
        "elevenlabs",
        [
            {"type": "conversation_initiation_client_data"},
            {"type": "client_tool_result", "tool_call_id": "t", "result": 5, "is_error": False},
        ],
    ),
    "a keep-alive where there is none": ("deepgram/flux-general-en", [{"type": "KeepAlive"}]),
    "audio without any": ("deepgram/nova-3", [b""]),
    "half a sample": ("deepgram/nova-3", [b"\0"]),
    "words first": ("elevenlabs/tts-stream", [{"text": "Hello "}]),
    "an unknown voice setting": ("elevenlabs/tts", [{"text": " ", "context_id": "c", "voice_settings": {"a": 1}}]),
    "a list": ("fal", ["[]"]),
}

PACKAGES = {
    **{name: name for name in ("openai", "cartesia", "elevenlabs", "pydantic")},
    "google-genai": "google.genai",
    "deepgram-sdk": "deepgram",
}
"""What each distribution is imported as."""


def frame(message: Any, *, binary: bool = False) -> Message:
    if isinstance(message, str | bytes):
        return message
    text = json.dumps(message)
    return text.encode() if binary else text


def server(route: str, said: list[Any], handshake: dict[str, Any]) -> Connection:
    provider = route.partition("/")[0]
    frames = [frame(message, binary=provider == "google") for message in said]
    return Connection(provider, Handshake(route=route, **handshake), frames)


def faults(connection: Connection) -> list[str]:
    tap = FrameTap()
    tap.connections = [connection]
    return tap.faults()


@pytest.mark.parametrize(("route", "said", "handshake"), GOOD)
def test_good_frames_are_no_fault(route: str, said: list[Any], handshake: dict[str, Any]) -> None:
    assert faults(server(route, said, handshake)) == []


@pytest.mark.parametrize("name", BAD)
def test_the_last_frame_is_a_fault_of_an_emulators(name: str) -> None:
    connection = server(*BAD[name])
    found = faults(connection)
    assert len(found) == 1 and found[0].startswith(f"{connection.provider}: an emulator sent ")
    if name != "no judge":
        assert repr(connection.said[-1][:300]) in found[0]


@pytest.mark.parametrize("name", BAD_CLIENT)
def test_the_last_frame_is_a_fault_of_a_sessions(name: str) -> None:
    named, said = BAD_CLIENT[name]
    provider, _, model = named.partition("/")
    codec = get(provider).for_model(model or None).codec(SessionSettings(model=model or None), ids=counting_ids("0"))
    found = faults(Connection(provider, codec, [frame(message) for message in said]))
    assert len(found) == 1 and found[0].startswith(f"{provider}: a session sent ")


@pytest.mark.parametrize(
    ("close", "words"),
    [(Close(code=1005), "cannot be sent"), (Close(code=1000, reason="ü" * 62), "cannot be sent")],
)
def test_a_close_that_no_socket_can_send_is_a_fault(close: Close, words: str) -> None:
    connection = Connection("fal", Handshake(route="fal/a/b"))
    connection.add(close)
    assert words in faults(connection)[0]


def test_nothing_follows_a_close() -> None:
    connection = Connection("openai", Handshake(route="openai"))
    for output in (Close(code=1000), json.dumps(CLEARED)):
        connection.add(output)
    assert faults(connection) == ["openai: an emulator sent something after its close"]


def test_many_faults_are_told_in_few_lines() -> None:
    tap = FrameTap()
    tap.connections = [server("openai", ["{}"] * 9, {})]
    verdict = tap.verdict() or ""
    assert len(verdict.splitlines()) == 6 and verdict.endswith("and 4 more")


@pytest.mark.parametrize("provider", JUDGES)
def test_a_missing_sdk_is_a_failure(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by = JUDGES[provider]
    monkeypatch.delitem(sys.modules, by.module, raising=False)
    for name in [name for name in sys.modules if name.startswith(PACKAGES[by.install])]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, PACKAGES[by.install], None)
    (fault,) = faults(Connection(provider, Handshake(route=provider), ["{}", "{}"]))
    assert fault.endswith(f"pip install {by.install}")


# ---------------------------------------------------------------------------------------------- what the guard sees


def test_every_provider_has_judges_for_both_sides() -> None:
    for name in names():
        provider = get(name)
        emulator: type[Emulator] = import_module(provider.emulator_module).EMULATOR
        assert {route.partition("/")[0] for route in emulator.routes} <= JUDGES.keys()
        for variant in (provider, *provider.variants):
            assert provider_of(variant.codec) in JUDGES
            made = variant.codec(SessionSettings(), ids=counting_ids("0"))
            assert callable(import_module(JUDGES[provider_of(variant.codec)].module).ClientJudge(made).check)


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


def emulator(kind: type[Emulator] = OpenAIEmulator) -> Emulator:
    handshake = Handshake(route="openai", query={"model": "gpt-realtime-2.1"})
    return kind(handshake, engines=default_engines(), ids=counting_ids("0"), clock=lambda: 0.0, pace=Pace())


class Wrong(OpenAIEmulator):
    def open(self) -> None:
        self._out.append("{}")


@ON_PURPOSE
def test_an_emulator_without_a_socket_is_seen_too(frames: FrameTap) -> None:
    driven = emulator(Wrong)
    driven.open()
    assert driven.drain() == ["{}"] == frames.server
    assert "an emulator sent" in (frames.verdict() or "")


def test_connections_are_told_apart(frames: FrameTap) -> None:
    for driven in (first := emulator(), emulator()):
        driven.open()
        driven.drain()
    first.drain()
    assert [len(connection.said) for connection in frames.connections] == [1, 1]


def test_a_connection_that_outlives_a_test_is_judged_on_from_there() -> None:
    now_ms = [0.0]
    driven = GoogleEmulator(
        Handshake(route="google"),
        engines=default_engines(),
        ids=counting_ids("0"),
        clock=lambda: now_ms[0],
        pace=Pace(),
        session_limit_s=600.0,
        warning_s=50.0,
    )
    for message, at_ms, expected in (
        ('{"setup": {"model": "models/gemini-3.8-live"}}', 0.0, "setupComplete"),
        ("", 560e3, "goAway"),
    ):
        tap = FrameTap()
        with tap.watching():
            now_ms[0] = at_ms
            driven.receive(message) if message else driven.wake()
            driven.drain()
        assert expected in str(tap.server) and tap.verdict() is None


class Fake(Codec):
    input_format = output_format = None  # type: ignore[assignment]

    def opening(self) -> None:
        self._out.append("{}")

    def receive(self, message: Message) -> list[Any]:
        return []

    def send(self, event: Any) -> None:
        return None


def test_what_tests_make_up_is_not_judged(frames: FrameTap) -> None:
    fake = Fake(SessionSettings(), ids=counting_ids("0"))
    fake.opening()
    assert fake.messages_to_send() == ["{}"] and frames.connections == []


@ON_PURPOSE
def test_what_is_sent_wrongly_on_sockets_is_refused(
    gateway: LocalGateway, frames: FrameTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = Wire.event
    monkeypatch.setattr(Wire, "event", lambda self, kind, **fields: event(self, kind, **{**fields, "shoe_size": 43}))
    refused = threading.Event()
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.core.add_sink(lambda heard: refused.set() if isinstance(heard, SessionError) else None)
        session.send(ProviderMessage(message=BAD_CLIENT["unknown field"][1][0]))
        assert refused.wait(10)
    found = frames.faults()
    assert any(fault.startswith("openai: an emulator sent") and "shoe_size" in fault for fault in found)
    assert any(fault.startswith("openai: a session sent") and "temperature" in fault for fault in found)
