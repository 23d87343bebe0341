"""The file of a recording: what goes in comes out byte for byte, small, and nothing bad is let in."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import zipfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aigw_notebook as aigw
from aigw_notebook.audio.formats import PCM16_16K, PCM16_24K, ULAW_8K
from aigw_notebook.connection import connect
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.events import AudioDelta, RawEvent, TextDelta
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.lines import Line
from aigw_notebook.recorded import load
from aigw_notebook.recording import Header, Recording
from aigw_notebook.recording_file import pack, read, unpack, write

HEADER = Header(session_id="s1", provider="openai", started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), where="here")


def noise(size: int, seed: int = 7) -> bytes:
    """Bytes that nothing makes smaller."""
    from random import Random

    return Random(seed).randbytes(size)


def tone(size: int) -> bytes:
    """Smooth PCM16, which FLAC makes smaller."""
    from math import sin

    return b"".join(int(9_000 * sin(n / 9)).to_bytes(2, "little", signed=True) for n in range(size // 2))


def delta(data: bytes) -> str:
    return json.dumps({"type": "delta", "delta": b64encode(data).decode(), "text": 'Grüße \u2028 \\ "'})


def a_session() -> list[Line]:
    spoken, answer = tone(4_800), tone(9_600)
    lines = [Line(0.125, "noted", {"model": "m", "gateway_log_id": None}), Line(1.0, "said", "hello\nthere")]
    for at in range(0, 4_800, 960):
        lines += [Line(2.0 + at, "sent", delta(spoken[at : at + 960]))]
    lines += [Line(9.0, "voice", (spoken, PCM16_16K)), Line(9.5, "received", answer[:4_800])]
    lines += [Line(10.0, "event", AudioDelta(data=answer[:4_800], format=PCM16_24K, item_id="i"))]
    lines += [Line(11.0, "received", delta(answer[4_800:]).encode())]
    lines += [Line(12.0, "event", AudioDelta(data=answer[4_800:], format=PCM16_24K, item_id="i"))]
    return [*lines, Line(13.1, "event", TextDelta(text="x")), Line(14.0, "received", b""), Line(15.0, "sent", "")]


def test_what_is_packed_is_unpacked() -> None:
    recording = Recording(header=HEADER, lines=a_session(), dropped=3)
    again = unpack(pack(recording))
    assert again == recording
    assert [type(line.value) for line in again.lines] == [type(line.value) for line in recording.lines]


_TEXT = st.text() | st.binary(max_size=400).map(lambda data: b64encode(data).decode())
_TEXT |= st.binary(max_size=400).map(lambda data: f'"{urlsafe_b64encode(data).decode().rstrip("=")}"')
_TEXT |= st.from_regex(r"[A-Za-z0-9+/_=-]{60,90}", fullmatch=True)
_MESSAGES = _TEXT | st.binary(max_size=300) | _TEXT.map(lambda text: f'{{"a":"{text}"}}'.encode("utf-8", "replace"))


@given(st.lists(_MESSAGES, max_size=8), st.lists(st.binary(max_size=301), max_size=4))
def test_every_message_and_every_sound_comes_back(messages: list[Any], sounds: list[bytes]) -> None:
    lines = [Line(1.5, "received", message) for message in messages]
    lines += [Line(2.0, "voice", (sound, kind)) for sound in sounds for kind in (PCM16_16K, ULAW_8K)]
    recording = Recording(header=HEADER, lines=lines)
    assert unpack(pack(recording)) == recording


@given(st.recursive(_TEXT | st.none() | st.integers(), lambda inner: st.dictionaries(_TEXT, inner, max_size=3)))
def test_every_fact_comes_back(value: Any) -> None:
    recording = Recording(header=HEADER, lines=[Line(0.0, "noted", {"$text": value, "b": value})])
    assert unpack(pack(recording)) == recording


def test_sound_is_stored_once_and_as_a_track_of_its_side() -> None:
    data = pack(Recording(header=HEADER, lines=a_session()))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        manifest = json.loads(file.read("manifest.json"))
        names = file.namelist()
    sizes = {track["name"]: track["bytes"] for track in manifest["tracks"]}
    assert sizes["audio/user-pcm16-16000.flac"] == 4_800
    assert sizes["audio/model-pcm16-24000.flac"] == 9_600
    assert sum(sizes.values()) == 4_800 + 9_600
    assert names == ["manifest.json", "lines.jsonl", *sizes]


def tracks_of(data: bytes) -> dict[str, int]:
    """The bytes of each track of a file, as they were."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        tracks = json.loads(file.read("manifest.json"))["tracks"]
        assert file.namelist()[2:] == [track["name"] for track in tracks]
    return {track["name"]: track["bytes"] for track in tracks}


@pytest.mark.parametrize("binary", [False, True], ids=["base64", "binary"])
def test_what_a_provider_marks_as_speech_is_stored_once(binary: bool) -> None:
    """It begins and ends within messages, and is known only after they were sent."""
    sent = noise(4_800) + tone(9_600) + noise(4_800, seed=8)
    lines = [Line(0.0, "sent", '{"type":"picture","data":"' + b64encode(b"\x89PNG" + noise(96)).decode() + '"}')]
    for at in range(0, len(sent), 960):
        piece = sent[at : at + 960]
        lines.append(Line(1.0 + at, "sent", piece if binary else delta(piece)))
    for start, end in ((4_000, 9_000), (9_600, 15_000)):
        lines.append(Line(9e4, "voice", (sent[start:end], PCM16_16K)))
    recording = Recording(header=HEADER, lines=lines)
    data = pack(recording)
    assert unpack(data) == recording
    assert tracks_of(data) == {"audio/user-pcm16-16000.flac": len(sent), "audio/rest.raw": 100}


def test_speech_that_no_event_told_of_is_made_small_too() -> None:
    sent = tone(9_600)
    lines = [Line(float(at), "sent", delta(sent[at : at + 960])) for at in range(0, len(sent), 960)]
    data = pack(Recording(header=HEADER, lines=lines))
    assert tracks_of(data) == {"audio/rest.flac": len(sent)}
    assert unpack(data).lines == lines


def test_a_track_is_a_sound_file(tmp_path: Path) -> None:
    import soundfile

    spoken = tone(4_801)
    lines = [Line(1.0, "voice", (spoken[:1_001], PCM16_16K)), Line(2.0, "voice", (spoken[1_001:], PCM16_16K))]
    data = pack(Recording(header=HEADER, lines=lines))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        stored = file.read("audio/user-pcm16-16000.flac")
    samples, rate = soundfile.read(io.BytesIO(stored), dtype="int16")
    assert rate == 16_000 and samples.tobytes()[:4_800] == spoken[:4_800]
    assert len(stored) < len(spoken) * 0.7
    assert [line.value[0] for line in unpack(data).lines] == [spoken[:1_001], spoken[1_001:]]


def test_the_same_recording_gives_the_same_bytes() -> None:
    assert pack(Recording(header=HEADER, lines=a_session())) == pack(Recording(header=HEADER, lines=a_session()))


def test_the_lines_can_be_read_in_a_diff() -> None:
    data = pack(Recording(header=HEADER, lines=a_session()))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        lines = file.read("lines.jsonl").decode().split("\n")
    assert lines[1] == '[1.0,"said","hello\\nthere"]'
    assert lines[2].startswith('[2.0,"sent",{"$text":["{\\"type\\": \\"delta\\", \\"delta\\": \\"",[0,0,960],')


def test_without_soundfile_it_is_deflated_and_flac_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(header=HEADER, lines=a_session())
    with_flac = pack(recording)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    without = pack(recording)
    assert unpack(without) == recording
    assert [name.rpartition(".")[2] for name in tracks_of(without)] == ["raw", "raw"]
    assert tracks_of(with_flac).keys() != tracks_of(without).keys()
    assert unpack(with_flac) == recording
    for cut in (with_flac[:-300], with_flac.replace(b"fLaC", b"flac")):
        with pytest.raises(ConfigurationError, match="copy it again"):
            unpack(cut)
    monkeypatch.undo()
    assert len(with_flac) < len(without) and unpack(without) == recording


# ------------------------------------------------------------------------------------------------------- bad files


def rebuilt(change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The file of a session with its members changed."""
    with zipfile.ZipFile(io.BytesIO(pack(Recording(header=HEADER, lines=a_session())))) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()

    return change


def lines(text: str) -> Callable[[dict[str, bytes]], None]:
    """Other lines, with a checksum that fits."""
    from hashlib import sha256

    def change(members: dict[str, bytes]) -> None:
        members["lines.jsonl"] = text.encode()
        about = {"count": 1, "bytes": len(text), "sha256": sha256(text.encode()).hexdigest()}
        manifest(lines=about)(members)

    return change


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.__delitem__(name)


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.__setitem__(name, data)


GOOD = pack(Recording(header=HEADER, lines=a_session()))
TRACK = {"name": "audio/user-pcm16-16000.flac", "codec": "deflate", "bytes": 1 << 40, "sha256": ""}
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is no recording"),
    "no zip": (b"RIFF....WAVE", "is no recording"),
    "cut short": (GOOD[: len(GOOD) // 2], "copy it again"),
    "a bit turned": (GOOD[:600] + bytes([GOOD[600] ^ 1]) + GOOD[601:], "copy it again"),
    "another zip": (rebuilt(without("manifest.json")), "is no recording"),
    "another format": (rebuilt(manifest(format="cassette")), "is no recording"),
    "a manifest that is none": (rebuilt(put("manifest.json", b"[]")), "is no recording"),
    "a later version": (rebuilt(manifest(version=99)), "upgrade aigw-notebook"),
    "a later codec": (rebuilt(manifest(tracks=[{**TRACK, "codec": "opus", "bytes": 1}])), "upgrade aigw-notebook"),
    "other lines": (rebuilt(put("lines.jsonl", b"[]")), "copy it again"),
    "no lines": (rebuilt(without("lines.jsonl")), "copy it again"),
    "other sound": (rebuilt(put("audio/user-pcm16-16000.flac", b"fLaC")), "copy it again"),
    "no header": (rebuilt(manifest(header={})), "copy it again"),
    "a span beyond the end": (rebuilt(lines('[1,"received",{"$bytes":[0,4000,4000]}]')), "copy it again"),
    "a span before the start": (rebuilt(lines('[1,"received",{"$bytes":[0,-1,1]}]')), "copy it again"),
    "a track that is not there": (rebuilt(lines('[1,"received",{"$bytes":[9,0,1]}]')), "copy it again"),
    "a kind that is not there": (rebuilt(lines('[1,"dreamt","x"]')), "copy it again"),
    "no JSON": (rebuilt(lines("{")), "copy it again"),
    "deep JSON": (rebuilt(lines("[" * 100_000)), "copy it again"),
    "a track beyond all bounds": (rebuilt(manifest(tracks=[TRACK])), "more than 1024 MB"),
    "a track that swells": (rebuilt(manifest(tracks=[{**TRACK, "bytes": 10}])), "copy it again"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_one_sentence(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.aigw"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=message) as raised:
        load(path)
    assert str(raised.value).startswith("talk.aigw: ") and "\n" not in str(raised.value)


def test_lines_that_swell_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigw_notebook.recording_file.unpacking.MAX_RESTORED_BYTES", 10_000)
    bomb = rebuilt(lines('[1,"received",{"$bytes":[0,0,4800]}]\n' * 3))
    with pytest.raises(ConfigurationError, match="save a shorter session"):
        unpack(bomb)


def test_a_member_larger_than_it_says_is_not_read_whole() -> None:
    data = rebuilt(put("lines.jsonl", bytes(50_000_000)))
    assert len(data) < 100_000
    with pytest.raises(ConfigurationError, match="save a shorter session"):
        unpack(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_turned_byte_leads_to_anything_but_a_sentence_or_the_session(at: int, turn: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= turn
    try:
        assert unpack(bytes(data)) == unpack(GOOD)
    except ConfigurationError as error:
        assert ":" in str(error)


def test_an_event_of_a_later_version_keeps_its_place() -> None:
    recording = unpack(rebuilt(lines('[1,"event",{"type":"Dreamt","of":1}]')))
    assert [line.value for line in recording.lines] == [RawEvent(kind="Dreamt")]


def test_fields_of_a_later_header_are_passed_over() -> None:
    header = {**json.loads(json.dumps(dataclasses.asdict(HEADER), default=str)), "mood": "good"}
    assert unpack(rebuilt(manifest(header=header))).header == HEADER


@pytest.mark.parametrize("use", [read, lambda path: write(path, Recording(header=HEADER, lines=[]))])
def test_a_place_that_is_not_there_is_told(use: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No such file or directory|FileNotFoundError"):
        use(tmp_path / "nowhere" / "talk.aigw")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------ sessions and files


def test_a_loaded_session_tells_what_the_session_told(gateway: LocalGateway, tmp_path: Path) -> None:
    with connect("openai", gateway=gateway, quiet=True) as session:
        turn = session.ask("Count to three.")
        early = session.save(tmp_path / "early.aigw")
    loaded = aigw.load(session.save(tmp_path / "talk.aigw"))
    assert loaded.records == session.records and loaded.usage == session.usage
    assert loaded.turns[0].text == turn.text
    ref = next(row["audio_ref"] for row in loaded.records if row["audio_ref"])
    clip = loaded.audio(ref)
    assert clip is not None and clip == session.audio(ref)
    assert (loaded.session_id, loaded.provider, loaded.where) == (session.session_id, "openai", session.where)
    assert loaded.header.session_id in repr(loaded) and loaded.lines == session.recording().lines
    assert loaded.save(tmp_path / "again.aigw").read_bytes() == (tmp_path / "talk.aigw").read_bytes()
    assert aigw.load(early).turns[0].status == "completed"


def test_no_key_is_in_a_saved_session(gateway: LocalGateway, tmp_path: Path) -> None:
    with connect("elevenlabs", gateway=gateway, quiet=True) as session:
        session.ask(f"my key is {gateway.token}")
    data = session.save(tmp_path / "talk.aigw").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        held = b"".join(file.read(name) for name in file.namelist())
    assert gateway.token.encode() not in held + data and b"***" in held
