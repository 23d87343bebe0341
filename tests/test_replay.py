"""A recording played by a gateway: the same frames again, and a word where a client says something else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aigw_notebook import providers
from aigw_notebook.audio.clip import Clip
from aigw_notebook.audio.formats import PCM16_16K
from aigw_notebook.connection import connect
from aigw_notebook.errors import AigwError, ConfigurationError
from aigw_notebook.events import SessionClosed
from aigw_notebook.faces import Session
from aigw_notebook.gateway.comparing import said
from aigw_notebook.gateway.emulators.base import Close, Handshake, Pace
from aigw_notebook.gateway.engines.tones import ToneVoice
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.gateway.replay import DIVERGED, ReplayGateway, replay
from aigw_notebook.lines import Line
from aigw_notebook.providers.base import Message, counting_ids
from aigw_notebook.recorded import load
from aigw_notebook.recording import Recording

SPOKEN = Clip(b"".join(ToneVoice().speak("hello there", sample_rate=16_000)), PCM16_16K)


def talk(session: Session, *, question: str = "Count to three.") -> None:
    """Two turns with whoever it is, of a kind that the provider takes."""
    can = session.core.provider.capabilities
    session.ask(question if can.text_in else None, audio=None if can.text_in else SPOKEN, timeout_s=5)
    if can.audio_in:
        session.ask(audio=SPOKEN, timeout_s=5)


def recorded(provider: str, gateway: LocalGateway, **settings: Any) -> Recording:
    with connect(provider, gateway=gateway, quiet=True, **settings) as session:
        talk(session)
    return session.recording()


def frames(recording: Recording, kind: str) -> list[Message]:
    return [line.value for line in recording.lines if line.kind == kind]


def assert_same_frames(one: Recording, other: Recording) -> None:
    """Byte for byte; told by their numbers, as they are long."""
    for kind in ("received", "sent"):
        pairs = zip(frames(one, kind), frames(other, kind), strict=True)
        assert [number for number, (a, b) in enumerate(pairs) if a != b] == [], kind
        assert frames(one, kind)


def without_ids(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what is another in every session: its id, the time of day, and how long things took."""
    varies = ("session_id", "started_at", "gateway_log_id")
    return [{n: v for n, v in row.items() if n not in varies and not _is_time(n)} for row in rows]


def _is_time(name: str) -> bool:
    return name.endswith("_ms") and name not in ("audio_ms", "heard_ms")


@pytest.mark.sessions
@pytest.mark.parametrize("provider", sorted(set(providers.BUILT_IN)))
def test_a_replayed_session_is_the_recorded_one(provider: str, gateway: LocalGateway, tmp_path: Path) -> None:
    with connect(provider, gateway=gateway, quiet=True) as session:
        talk(session)
    loaded = load(session.save(tmp_path / "talk.aigw"))
    assert loaded.records == session.records
    with replay(tmp_path / "talk.aigw", speed=0) as playing:
        again = recorded(provider, playing)
    assert playing.divergences == []
    assert_same_frames(again, session.recording())
    assert without_ids(again.transcript().records) == without_ids(session.records)


@pytest.mark.sessions
def test_a_replayed_session_can_be_replayed_strictly(gateway: LocalGateway) -> None:
    recording = recorded("openai", gateway)
    with replay(recording, speed=0, match="strict") as playing:
        again = recorded("openai", playing)
    assert_same_frames(again, recording)
    assert playing.divergences == []


@pytest.mark.sessions
def test_another_question_ends_the_replay_and_is_shown(gateway: LocalGateway) -> None:
    recording = recorded("openai", gateway)
    with replay(recording, speed=0) as playing:
        with connect("openai", gateway=playing, quiet=True) as session, pytest.raises(AigwError) as raised:
            talk(session, question="Count to four.")
    assert str(DIVERGED) in str(raised.value)
    (divergence,) = playing.divergences
    assert "Count to three." in divergence.recorded and "Count to four." in divergence.now
    assert str(divergence).splitlines()[1:] == [f"- {divergence.recorded}", f"+ {divergence.now}"]
    assert "1 divergences" in repr(playing)


@pytest.mark.sessions
def test_another_question_is_no_matter_where_matching_is_off(gateway: LocalGateway) -> None:
    recording = recorded("openai", gateway)
    with replay(recording, speed=0, match="ignore") as playing:
        with connect("openai", gateway=playing, quiet=True) as session:
            talk(session, question="Count to four.")
    assert playing.divergences == []
    assert len(frames(session.recording(), "received")) == len(frames(recording, "received"))


@pytest.mark.sessions
def test_a_replay_says_which_file_it_plays_and_costs_nothing(gateway: LocalGateway, tmp_path: Path) -> None:
    with connect("openai", gateway=gateway, quiet=True) as session:
        talk(session)
    with replay(session.save(tmp_path / "visit.aigw"), speed=0) as playing:
        with connect("openai", gateway=playing, api_key="sk-real", quiet=True) as again:
            talk(again)
        port = playing.address[1]
        assert "of visit.aigw" in repr(playing)
    told = f"OpenAI Realtime, replay of visit.aigw at 127.0.0.1:{port} (recorded frames, no key, no cost)"
    assert again.where == told and again.core.endpoint.secrets == (playing.token,)
    assert again.cost.usd == 0.0 and again.cost.list_usd == session.cost.list_usd != 0.0
    assert again.recording().header.where == told
    unnamed = replay(session.recording(), speed=0)
    assert unnamed.plays == f"session {session.session_id}" and gateway.plays == ""


@pytest.mark.sessions
def test_a_gateway_that_plays_has_no_other_route(gateway: LocalGateway) -> None:
    recording = recorded("openai", gateway)
    with replay(recording) as playing:
        assert playing.emulates("openai") and not playing.emulates("cartesia/tts/websocket")
        with pytest.raises(AigwError), connect("google", gateway=playing, quiet=True):
            pass


# ------------------------------------------------------------------------------------------------- without a socket


class Clock:
    def __init__(self) -> None:
        self.now_ms = 0.0

    def __call__(self) -> float:
        return self.now_ms


def player(lines: list[Line], clock: Clock, **how: Any) -> tuple[Any, ReplayGateway]:
    """What plays the lines to one client, and the gateway it belongs to."""
    gateway = replay(a_recording(lines), **how)
    destination = gateway._routes().find("openai")
    assert destination is not None and destination.emulator is not None
    pace, engines = Pace(), gateway._settings.engines
    assert engines is not None
    made = destination.emulator(Handshake(route="openai"), engines=engines, ids=counting_ids(), clock=clock, pace=pace)
    return made, gateway


def a_recording(lines: list[Line], **header: Any) -> Recording:
    from datetime import UTC, datetime

    from aigw_notebook.recording import Header

    about: dict[str, Any] = {"session_id": "s1", "provider": "openai", "started_at": datetime(2026, 1, 1, tzinfo=UTC)}
    return Recording(header=Header(**{**about, **header}), lines=lines)


def append(data: bytes) -> str:
    from base64 import b64encode

    return json.dumps({"type": "input_audio_buffer.append", "event_id": "e9", "audio": b64encode(data).decode()})


QUESTION = '{"type":"response.create","event_id":"event_1"}'
TALK = [
    Line(100.0, "received", "hello"),
    Line(110.0, "sent", QUESTION),
    Line(400.0, "received", "answer"),
    Line(500.0, "received", "more"),
    Line(600.0, "event", SessionClosed(code=3000, reason="bye")),
]


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_frames_come_in_their_time_once_the_client_has_spoken(speed: float) -> None:
    clock = Clock()
    playing, _ = player(TALK, clock, speed=speed)
    playing.open()
    assert playing.drain() == ["hello"]
    assert playing.next_wake_ms is None
    clock.now_ms = 5_000.0
    playing.receive(QUESTION)
    assert playing.drain() == []
    assert playing.next_wake_ms == pytest.approx(5_000.0 + 290.0 / speed)
    clock.now_ms = playing.next_wake_ms
    playing.wake()
    assert playing.drain() == ["answer"]
    clock.now_ms = 5_000.0 + 1_000.0 / speed
    playing.wake()
    assert playing.drain() == ["more", Close(code=3000, reason="bye")]
    assert playing.next_wake_ms is None


def test_at_speed_0_nothing_waits_but_for_the_client() -> None:
    playing, _ = player(TALK, Clock(), speed=0)
    playing.open()
    assert playing.drain() == ["hello"]
    playing.receive(QUESTION)
    assert playing.drain() == ["answer", "more", Close(code=3000, reason="bye")]


def test_the_client_may_have_ids_of_its_own_and_is_told_them() -> None:
    lines = [Line(1.0, "sent", QUESTION), Line(2.0, "received", '{"event_id":"event_1","x":"event_10"}')]
    playing, gateway = player(lines, Clock(), speed=0)
    playing.open()
    playing.receive('{"type": "response.create",  "event_id": "mine"}')
    assert playing.drain() == ['{"event_id":"mine","x":"event_10"}']
    assert gateway.divergences == []


@pytest.mark.parametrize("cut", [1, 40, 100, 1_000])
def test_sound_may_be_cut_in_other_places(cut: int) -> None:
    sound = bytes(range(200)) * 4
    lines = [Line(1.0, "sent", append(sound[at : at + 100])) for at in range(0, 800, 100)]
    lines[4:4] = [Line(1.0, "received", "I hear you")]
    playing, gateway = player([*lines, Line(2.0, "sent", QUESTION), Line(3.0, "received", "end")], Clock(), speed=0)
    playing.open()
    for at in range(0, 800, cut):
        playing.receive(append(sound[at : at + cut]))
    assert playing.drain() == ["I hear you"]
    playing.receive(QUESTION)
    assert playing.drain() == ["end"]
    assert gateway.divergences == []


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([append(b"x" * 100)], "other bytes"),
        ([append(b"s" * 60), QUESTION], "100 bytes"),
        ([append(b"s" * 300)], "no more of it"),
        ([append(b"s" * 100), QUESTION, QUESTION], "nothing more"),
        ([append(b"s" * 100), '{"type":"response.create","event_id":"e","response":{}}'], "nothing"),
        (["words"], '"words"'),
        ([b"\x00bytes"], "input_audio_buffer"),
    ],
)
def test_what_differs_is_told_and_ends_the_connection(messages: list[Message], why: str) -> None:
    lines = [Line(0.0, "received", "hello"), Line(1.0, "sent", append(b"s" * 100)), Line(2.0, "sent", QUESTION)]
    playing, gateway = player(lines, Clock(), speed=0)
    playing.open()
    for message in messages:
        playing.receive(message)
    (close,) = [each for each in playing.drain() if isinstance(each, Close)]
    assert close.code == DIVERGED and f"message {len(messages)}" in close.reason
    assert why in str(gateway.divergences[0])


def test_a_credential_is_never_compared() -> None:
    lines = [Line(0.0, "received", "hello"), Line(1.0, "sent", '{"xi_api_key":"***"}')]
    for match in ("loose", "strict"):
        playing, gateway = player(lines, Clock(), speed=0, match=match)
        playing.open()
        playing.receive('{"xi_api_key":"hidden-as-can-be-1"}')
        assert gateway.divergences == []


def test_a_message_is_taken_apart() -> None:
    apart = said('{"item_id": "i1", "ids": ["a"], "audio": "AAAA", "text": "a  b", "grid": "AAAA"}', "loose")
    assert apart.words == {"item_id": "<id>", "ids": ["<id>"], "audio": "<sound>", "text": "a b", "grid": "AAAA"}
    assert apart.ids == ("i1", "a") and apart.sound == bytes(3)
    assert said(b"\x00\x01", "loose").sound == b"\x00\x01"
    assert said("a  b", "strict").words == "a  b"


@pytest.mark.parametrize(
    ("change", "how", "message"),
    [
        ({"lines": []}, {}, "holds no frames"),
        ({"dropped": 3}, {}, "3 of its lines"),
        ({}, {"match": "exact"}, "give one of: loose, strict, ignore"),
        ({}, {"speed": -1.0}, "0 for at once"),
    ],
)
def test_what_cannot_be_played_is_refused(change: dict[str, Any], how: dict[str, Any], message: str) -> None:
    recording = dataclasses.replace(a_recording(TALK), **change)
    with pytest.raises(ConfigurationError, match=message):
        replay(recording, **how)


def test_a_recording_of_an_unknown_provider_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigurationError, match="elsewhere"):
        replay(a_recording(TALK, provider="elsewhere"))
