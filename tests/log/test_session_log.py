"""A session's log in the file: complete, in order, without waiting, and read again across sessions."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from aigw_notebook import connect, log, providers
from aigw_notebook.audio.clip import Clip
from aigw_notebook.audio.formats import PCM16_16K, PCM16_24K
from aigw_notebook.errors import ConfigurationError, Unreachable
from aigw_notebook.events import AudioDelta, ResponseStarted
from aigw_notebook.gateway.engines.tones import ToneVoice
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.lines import Line
from aigw_notebook.log.writer import Writer
from tests.log.making import NOON, add, begun, header, transcript_of, turn, written


@pytest.fixture
def writer(home: Path):
    writer = Writer(home / "log.sqlite3")
    yield writer
    writer.close()


@pytest.mark.sessions
@pytest.mark.parametrize("provider", sorted(set(providers.BUILT_IN)))
def test_a_session_is_in_the_log_as_it_was(provider: str, gateway: LocalGateway) -> None:
    with connect(provider, gateway=gateway, quiet=True) as session:
        if session.core.provider.capabilities.text_in:
            session.ask("Count to three.")
        else:
            session.ask(audio=Clip(b"".join(ToneVoice().speak("hello there", sample_rate=16_000)), PCM16_16K))
        live = session.recording()
        with log.reader() as reader:
            assert reader.recording(session.session_id).lines == live.lines
            assert reader.records(session=session.session_id) == session.records
    with log.reader() as reader:
        recording = reader.recording(session.session_id)
        assert reader.records() == session.records == recording.transcript().records
        assert [logged.header.session_id for logged in reader.sessions()] == [session.session_id]
    assert recording.lines[: len(live.lines)] == live.lines
    assert session.recording().lines == recording.lines
    assert session.log.mode == "on" and session.log.dropped == session.log.waiting == session.log.late == 0


@pytest.mark.sessions
def test_a_finished_turn_is_in_the_file_when_ask_returns(home: Path, gateway: LocalGateway) -> None:
    with connect("openai", gateway=gateway, quiet=True) as session:
        for number in range(1, 4):
            session.ask(f"Count to {number}.")
            with log.LogReader(home / "log.sqlite3") as reader:  # of the file alone: nothing is waited for
                assert [row["turn"] for row in reader.records() if row["role"] == "assistant"][-1] == number
                assert [line.kind for line in reader.lines(session.session_id)].count("ended") == number


@pytest.mark.sessions
def test_a_session_that_could_not_be_opened_is_closed_in_the_log() -> None:
    with pytest.raises(Unreachable):
        connect("openai", gateway="ws://127.0.0.1:9/v1/a/b", token="t", quiet=True).open()
    with log.reader() as reader:
        assert [logged.header.provider for logged in reader.sessions()] == ["openai"]


# -------------------------------------------------------------------------------------------------------- the modes


@pytest.mark.sessions
def test_off_keeps_nothing_and_says_so(home: Path, gateway: LocalGateway) -> None:
    with connect("openai", gateway=gateway, quiet=True, log="off") as session:
        session.ask("Count to three.")
        assert len(session.records) == 2 and session.log.mode == "off"
        with pytest.raises(ConfigurationError, match='log="memory"'):
            session.recording()
    assert not home.exists()


@pytest.mark.sessions
def test_memory_keeps_it_with_the_session(home: Path, gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "memory")
    with connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count to three.")
        assert session.recording().transcript().records == session.records
        assert session.log.mode == "memory" and session.log.lines > 10
    assert not home.exists()


@pytest.mark.sessions
def test_an_unknown_mode_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="log='sometimes' is not known; use one of: on, memory, off"):
        connect("openai", log="sometimes")
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "of")
    with pytest.raises(ConfigurationError, match="AIGW_NOTEBOOK_LOG='of'"):
        connect("openai")


@pytest.mark.sessions
def test_the_first_session_says_where_the_log_is(home: Path, gateway: LocalGateway, capsys) -> None:
    for _ in range(2):
        connect("openai", gateway=gateway).open().close()
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Log:")]
    assert len(said) == 1 and "log.sqlite3" in said[0] and "purge" in said[0]


@pytest.mark.sessions
def test_a_quiet_session_says_nothing(gateway: LocalGateway, capsys) -> None:
    connect("openai", gateway=gateway, quiet=True).open().close()
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------------------------------------- taken and bounded


def test_what_is_too_much_is_counted_and_the_rest_is_kept(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begun(writer, lines_waiting=5)
    written(session)
    writer.wake.set()  # the writer is on its way, and finds all of them at once or in two rounds
    for number in range(200):
        session.add(float(number), "said", str(number))
    written(session)
    said = [line.value for line in session.lines()]
    assert len(said) + session.dropped == 200
    assert session.dropped > 0 and said == sorted(said, key=int)


def test_bytes_are_bounded_too(writer: Writer) -> None:
    session = begun(writer, bytes_waiting=1_000)
    session.add(0.0, "said", "x" * 2_000)
    assert (session.dropped, session.last) == (1, 0)
    session.add(0.0, "said", "y" * 200)
    written(session)
    assert [line.value for line in session.lines()] == ["y" * 200]


def test_lines_keep_their_order_when_the_clock_jumps(writer: Writer) -> None:
    session = begun(writer)
    lines = [Line(t_ms, "said", str(n)) for n, t_ms in enumerate([5.0, 1.0, -3.0, 1e12, 2.0])]
    add(session, lines)
    assert session.lines() == lines


def test_sessions_are_told_in_the_order_they_began_though_the_wall_clock_jumped_back(writer: Writer) -> None:
    for name, moment in (("s1", NOON), ("s2", NOON - timedelta(days=400)), ("s3", NOON + timedelta(days=1))):
        turn(begun(writer, header(name, started_at=moment)), f"I am {name}")
    with log.LogReader(writer.path) as reader:
        assert [row["session_id"] for row in reader.records()] == ["s1", "s2", "s3"]
        assert [row["session_id"] for row in reader.records(since="2026-01-01")] == ["s1", "s3"]


def test_sound_is_in_the_file_once(writer: Writer) -> None:
    session = begun(writer)
    sound = bytes(range(256)) * 40
    for number in range(50):
        piece = number.to_bytes(2) + sound
        session.add(0.0, "received", json.dumps({"delta": base64.b64encode(piece).decode()}))
        session.add(0.0, "event", AudioDelta(data=piece, format=PCM16_24K, item_id="i"))
        session.add(0.0, "voice", (piece, PCM16_24K))
    written(session)
    size = sum(path.stat().st_size for path in writer.path.parent.glob("log.sqlite3*") if path.suffix != ".sqlite3-shm")
    assert size < 1.5 * 50 * len(sound)
    assert len(session.lines()) == 150


# ---------------------------------------------------------------------------------------------------- sound on demand


def test_sound_that_memory_let_go_of_is_read_from_the_log(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigw_notebook.transcript.MAX_STORED_AUDIO_BYTES", 50_000)
    session = begun(writer)
    transcript = transcript_of(session)
    spoken = {}
    for number in range(1, 9):
        transcript.start_turn(0.0)
        transcript.receive(ResponseStarted(response_id=f"r{number}"), 0.0)
        pieces = [bytes([number, part]) * 2_400 for part in range(5)]
        for piece in pieces:
            event = AudioDelta(data=piece, format=PCM16_24K, item_id=f"i{number}", response_id=f"r{number}")
            transcript.receive(event, 1.0)
        transcript.finish_turn(transcript.turns[-1], "completed", 2.0)
        spoken[number] = b"".join(pieces)
    assert transcript.audio_bytes <= 50_000 and transcript.audio_bytes_dropped == 0
    assert sum(map(len, (piece for entry in transcript.entries for piece in entry.sound))) <= 50_000
    for running in transcript.turns:
        assert running.audio is not None and running.audio.data == spoken[running.number]


def test_sound_of_a_closed_and_packed_session_is_still_there(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigw_notebook.transcript.MAX_STORED_AUDIO_BYTES", 10_000)
    session = begun(writer)
    transcript = transcript_of(session)
    pieces = [bytes([part]) * 4_000 for part in range(10)]
    for piece in pieces:
        transcript.user_audio(piece, PCM16_24K, 0.0)
    session.close()
    writer.close()
    assert transcript.audio_bytes <= 10_000
    assert b"".join(transcript.entries[0].audio) == b"".join(pieces)


# --------------------------------------------------------------------------------------------------------- questions


@pytest.fixture
def three(writer: Writer) -> Writer:
    """Three sessions on three days, with two providers."""
    for number, provider in enumerate(["openai", "google", "openai"]):
        session = begun(writer, header(f"s{number}", NOON + timedelta(days=number), provider))
        turn(session, f'The "quick" brown fox number {number}')
        turn(session, "Zwölf Boxkämpfer, NEAR the dike", 5.0)
    return writer


@pytest.mark.parametrize(
    ("query", "sessions"),
    [
        ({}, ["s0", "s0", "s1", "s1", "s2", "s2"]),
        ({"provider": "google"}, ["s1", "s1"]),
        ({"model": "some-model", "session": "s2"}, ["s2", "s2"]),
        ({"model": "another"}, []),
        ({"text": "fox"}, ["s0", "s1", "s2"]),
        ({"text": 'fox "quick"'}, ["s0", "s1", "s2"]),
        ({"text": "fox 1"}, ["s1"]),
        ({"text": "zwölf near"}, ["s0", "s1", "s2"]),
        ({"text": "OR"}, []),
        ({"text": "'; DROP TABLE records"}, []),
        ({"since": NOON + timedelta(days=1)}, ["s1", "s1", "s2", "s2"]),
        ({"until": NOON + timedelta(days=1)}, ["s0", "s0"]),
        ({"since": date(2026, 2, 1), "until": "2026-03-02T00:00+00:00"}, ["s0", "s0"]),
        ({"limit": 3}, ["s1", "s2", "s2"]),
        ({"limit": 0}, []),
    ],
    ids=str,
)
def test_rows_are_found_across_sessions(three: Writer, query: dict, sessions: list[str]) -> None:
    with log.LogReader(three.path) as reader:
        assert [row["session_id"] for row in reader.records(**query)] == sessions


def test_a_time_that_is_none_is_refused(three: Writer) -> None:
    with log.LogReader(three.path) as reader, pytest.raises(ConfigurationError, match="'yesterday' is no time"):
        reader.records(since="yesterday")


def test_a_log_that_is_not_there_is_empty() -> None:
    with log.reader() as reader:
        assert reader.sessions() == reader.records() == []
        with pytest.raises(ConfigurationError, match="no session 's1'"):
            reader.recording("s1")


# ------------------------------------------------------------------------------------------------------------- purge


def test_purge_takes_what_is_old_and_leaves_what_is_open(three: Writer) -> None:
    assert log.purge(older_than=0) == 0  # all three are open
    sessions = list(three._logs)
    for session in sessions[:2]:
        session.close()
    three.flush(5.0)
    assert log.purge(older_than=timedelta(days=1_000_000 // 1_000)) == 0
    assert log.purge(session="s0") == 1
    with pytest.raises(ConfigurationError, match="'s2' is open"):
        log.purge(session="s2")
    with pytest.raises(ConfigurationError, match="no session 's0'"):
        log.purge(session="s0")
    with pytest.raises(ConfigurationError, match="older_than=30"):
        log.purge()
    assert log.purge(older_than=0) == 1
    with log.LogReader(three.path) as reader:
        assert {row["session_id"] for row in reader.records()} == {"s2"}
        assert [row["session_id"] for row in reader.records(text="fox")] == ["s2"]


def test_what_was_purged_is_in_the_file_no_more(writer: Writer) -> None:
    turn(begun(writer), "a word like abracadabra")
    for session in list(writer._logs):
        session.close()
    writer.close()
    assert log.purge(older_than=0) == 1
    assert b"abracadabra" not in b"".join(path.read_bytes() for path in writer.path.parent.iterdir())


def test_an_age_is_counted_from_now(writer: Writer) -> None:
    for name, days in (("old", 40), ("new", 2)):
        session = begun(writer, header(name, datetime.now(UTC) - timedelta(days=days)))
        turn(session, "hello")
        session.close()
    writer.close()
    assert log.purge(older_than=30) == 1
    with log.LogReader(writer.path) as reader:
        assert [logged.header.session_id for logged in reader.sessions()] == ["new"]
