"""The Cartesia emulator against the wire fixtures and the sheet: contexts, order, times, versions, limits."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from aigw_notebook.audio.convert import convert
from aigw_notebook.audio.formats import AudioFormat
from aigw_notebook.gateway.emulators.base import Handshake
from aigw_notebook.gateway.emulators.cartesia import CartesiaEmulator
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Sound, Voice
from aigw_notebook.gateway.engines.tones import spoken_form
from tests import speech
from tests.emulation import AT_ONCE, IN_REAL_TIME, Frame, Player
from tests.wire import flow, flow_names

MARKS = ("flush_done", "done", "error")
CONTENT = ("chunk", "timestamps", "phoneme_timestamps")
RAW = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}
OPTIONS: dict[str, dict[str, Any]] = {"concurrency": {"max_contexts": 1}}


def player(version: str = "2026-03-01", **options: Any) -> Player:
    options.setdefault("handshake", {"query": {"cartesia_version": version}})
    return Player(CartesiaEmulator, "cartesia", **options)


def ask(client: Player, words: str, context_id: str = "c", *, more: bool = False, **fields: Any) -> None:
    request = {"model_id": "sonic-3.5", "voice": {"mode": "id", "id": "v"}, "output_format": RAW, **fields}
    client.send(**request, context_id=context_id, transcript=words, **{"continue": more})
    client.wait()


def sound(frames: list[Frame]) -> bytes:
    return b"".join(b64decode(frame["data"]) for frame in frames if frame["type"] == "chunk")


def understood(frames: list[Frame]) -> str:
    return speech.understood(sound(frames))


# ------------------------------------------------------------------------------------------------------ fixtures


def outline(frames: list[Frame]) -> dict[str, list[str]]:
    """For each context, what it got in order; runs of content count as one thing that names its kinds."""
    found: dict[str, list[str]] = {}
    for frame in frames:
        kind, steps = frame["type"], found.setdefault(frame.get("context_id", ""), [])
        if kind not in CONTENT:
            steps.append(kind)
        elif not steps or steps[-1] in MARKS:
            steps.append(f"content: {kind}")
        elif kind not in steps[-1].split():
            steps[-1] = " ".join(["content:", *sorted([*steps[-1].split()[1:], kind])])
    return found


def keys(frames: list[Frame]) -> dict[str, set[str]]:
    return {frame["type"]: set(frame) for frame in frames}


@pytest.mark.parametrize("name", [name for name in flow_names("cartesia") if name != "unreadable"])
def test_a_flow_is_answered_with_the_same_messages_in_the_same_order(name: str) -> None:
    lines = flow("cartesia", name)
    client = player(pace=IN_REAL_TIME, handshake=lines[0].handshake, **OPTIONS.get(name, {}))
    for before, line in pairwise(lines):
        if line.dir == ">" and before.dir == "<":
            client.wait(300)
        if line.dir == ">" and line.frame is not None:
            client.raw(line.frame)
    client.wait(10_000)
    expected = [line.message for line in lines if line.dir == "<"]
    wanted, got = outline(expected), outline(client.frames)
    assert {context: got.get(context) for context in wanted} == wanted
    got_keys = keys(client.frames)
    assert {kind: got_keys[kind] for kind in keys(expected)} == keys(expected)


# -------------------------------------------------------------------------------------------------------- answers


def test_what_is_said_is_what_was_asked() -> None:
    client = player()
    ask(client, "Twelve words are more than enough to hear them all, one by one.", add_timestamps=True)
    frames = client.take()
    assert understood(frames) == spoken_form("Twelve words are more than enough to hear them all, one by one.")
    assert frames[-1] == {"type": "done", "context_id": "c", "status_code": 206, "done": True}
    assert all(frame["flush_id"] == 1 for frame in frames[:-1])


def test_times_are_those_of_the_audio() -> None:
    client = player()
    ask(client, "One two three.", add_timestamps=True, add_phoneme_timestamps=True)
    frames = client.take()
    told = [frame["word_timestamps"] for frame in frames if frame["type"] == "timestamps"]
    words, starts, ends = ([each for times in told for each in times[name]] for name in ("words", "start", "end"))
    assert words == ["One", "two", "three."] and starts == sorted(starts)
    assert all(start < end for start, end in zip(starts, ends, strict=True))
    assert ends[-1] == pytest.approx(len(sound(frames)) / 32_000, abs=0.001)
    phonemes = [frame["phoneme_timestamps"]["phonemes"] for frame in frames if frame["type"] == "phoneme_timestamps"]
    assert "".join("".join(each) for each in phonemes) == "onetwothree"


def test_times_go_on_over_the_inputs_of_a_context() -> None:
    client = player()
    ask(client, "First. ", more=True, add_timestamps=True)
    ask(client, "Second.", add_timestamps=True)
    first, second = [frame["word_timestamps"] for frame in client.all("timestamps")]
    assert second["start"][0] >= first["end"][0] > 0


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize(
    ("wire", "encoding"),
    [("pcm_s16le", "pcm16"), ("pcm_f32le", "float32"), ("pcm_mulaw", "ulaw"), ("pcm_alaw", "alaw")],
)
def test_every_format(wire: str, encoding: Any, rate: int) -> None:
    client = player()
    ask(client, "Hello.", output_format={"container": "raw", "encoding": wire, "sample_rate": rate})
    data, asked_for = sound(client.frames), AudioFormat(encoding, rate)
    assert len(data) % asked_for.bytes_per_sample == 0
    assert asked_for.duration_ms(data) == pytest.approx(390, abs=2)
    loud = max(abs(s) for s in memoryview(convert(data, asked_for, AudioFormat("pcm16", rate))).cast("h"))
    assert loud > 3_000


def test_contexts_take_turns_and_each_keeps_its_order() -> None:
    client = player(pace=IN_REAL_TIME)
    ask(client, "The first of two answers.", "a")
    ask(client, "The second of two answers.", "b")
    client.wait(5_000)
    frames = client.take()
    names = [frame["context_id"] for frame in frames]
    assert set(names[:6]) == {"a", "b"}
    for name, words in (("a", "the first of two answers."), ("b", "the second of two answers.")):
        own = [frame for frame in frames if frame["context_id"] == name]
        assert understood(own) == words and own[-1]["type"] == "done"


# -------------------------------------------------------------------------------------------------------- buffering


def test_a_finished_sentence_is_spoken_at_once_and_the_rest_waits_for_the_buffer_delay() -> None:
    client = player()
    ask(client, "A sentence. And half", more=True)
    assert understood(client.take()) == "a sentence."
    client.wait(900)
    ask(client, " of one", more=True)
    assert client.take() == []
    client.wait(2_200)
    assert understood(client.take()) == "and half of one"
    client.wait(1_000)
    assert client.types() == ["done"]


def test_without_a_buffer_delay_words_are_spoken_as_they_come() -> None:
    client = player()
    ask(client, "Half", more=True, max_buffer_delay_ms=0)
    assert understood(client.take()) == "half"


def test_a_flush_speaks_what_is_gathered_and_counts_on() -> None:
    client = player()
    ask(client, "Half", more=True)
    ask(client, "", more=True, flush=True)
    frames = client.take()
    assert understood(frames) == "half" and frames[-1]["type"] == "flush_done" and frames[-1]["flush_id"] == 1
    ask(client, "Rest.")
    assert {frame["flush_id"] for frame in client.all("chunk")} == {2}


def test_a_context_expires_a_second_after_its_last_audio_and_is_then_closed() -> None:
    client = player()
    ask(client, "Hello. ", more=True)
    client.take()
    client.wait(999)
    assert client.frames == []
    client.wait(1)
    assert client.types() == ["done"]
    ask(client, "More.")
    assert client.one("error")["title"] == "Context expired"


def test_closing_what_is_not_there_is_answered_with_done() -> None:
    client = player()
    ask(client, "", "nobody")
    assert client.take() == [{"type": "done", "context_id": "nobody", "status_code": 206, "done": True}]


def test_a_context_without_a_name_gets_one() -> None:
    client = player("2024-06-10")
    client.send(model_id="sonic", voice={"mode": "id", "id": "v"}, output_format=RAW, transcript="Hi.")
    client.wait()
    (name,) = {frame["context_id"] for frame in client.frames}
    assert name


# -------------------------------------------------------------------------------------------------------- cancelling


def cancelled(**options: Any) -> list[Frame]:
    client = player(pace=IN_REAL_TIME, **options)
    ask(client, "This is the sentence that is under way. ", more=True)
    ask(client, "This one waits.")
    client.wait(500)
    client.send(context_id="c", cancel=True)
    client.wait(60_000)
    return client.take()


def test_a_cancelled_answer_ends_after_the_piece_that_is_under_way() -> None:
    frames = cancelled()
    assert [frame["type"] for frame in frames] == ["chunk"] * (len(frames) - 1) + ["done"]
    assert 500 <= len(sound(frames)) / 32 <= 800


def test_a_cancelled_answer_can_be_voiced_to_the_end_of_what_is_under_way() -> None:
    frames = cancelled(finish_cancelled=True)
    assert understood(frames) == "this is the sentence that is under way." and frames[-1]["type"] == "done"


def test_cancelling_nothing_is_no_error() -> None:
    client = player()
    client.send(context_id="nobody", cancel=True)
    client.wait(10_000)
    assert client.frames == []


# -------------------------------------------------------------------------------------------------- versions, errors


def test_the_query_wins_over_the_header_and_the_newest_version_is_the_default() -> None:
    def error(**handshake: Any) -> Frame:
        client = player(handshake=handshake)
        client.raw("nonsense")
        return client.one("error")

    old, new = {"query": {"cartesia_version": "2024-11-13"}}, {"cartesia-version": "2026-08-14"}
    assert "error" in error(**old, headers=new) and "title" not in error(**old, headers=new)
    assert "title" in error(headers=new) and "title" in error()
    assert "error" in error(headers={"cartesia-version": "2025-11-04"}) and "error" in error(
        query={"cartesia_version": "banana"}
    )


@pytest.mark.parametrize(
    ("version", "voice", "taken"),
    [
        ("2024-06-10", {"mode": "embedding", "embedding": [0.1, 0.2]}, True),
        ("2025-04-16", {"mode": "embedding", "embedding": [0.1, 0.2]}, False),
        ("2026-03-01", "v", False),
        ("2026-08-14", "v", True),
        ("2026-08-14", {"mode": "id", "id": "v"}, True),
        ("2026-08-14", {"id": "v"}, True),
        ("2026-08-14", {"mode": "id"}, False),
        ("2026-08-14", 7, False),
    ],
)
def test_the_forms_of_a_voice(version: str, voice: Any, taken: bool) -> None:
    client = player(version)
    ask(client, "Hi.", voice=voice)
    assert client.types()[-1] == ("done" if taken else "error")


BAD: list[dict[str, Any]] = [
    {"model_id": ""},
    {"model_id": "sonic-unknown"},
    {"transcript": None},
    {"voice": None},
    {"voice": {"mode": "id", "id": "unknown"}},
    {"output_format": None},
    {"output_format": {**RAW, "container": "wav"}},
    {"output_format": {**RAW, "encoding": "mp3"}},
    {"output_format": {**RAW, "sample_rate": 11_025}},
    {"output_format": {**RAW, "sample_rate": True}},
    {"language": "klingon"},
    {"language": "en", "locale": "en-US"},
    {"generation_config": {"speed": 9}},
    {"generation_config": {"volume": "loud"}},
    {"generation_config": 3},
    {"max_buffer_delay_ms": 9_000},
]


@pytest.mark.parametrize("fields", BAD, ids=lambda fields: json.dumps(fields)[:40])
def test_a_bad_request_is_an_error_of_its_context_and_the_socket_stays(fields: dict[str, Any]) -> None:
    client = player()
    request = {"model_id": "m", "voice": {"id": "v"}, "output_format": RAW, "transcript": "Hi.", "context_id": "c"}
    client.send(**{**request, **fields})
    error = client.one("error")
    assert error["context_id"] == "c" and error["status_code"] in (400, 404) and error["done"] is True
    assert error["title"] and error["message"] and error["request_id"]
    client.take()
    ask(client, "Hello.", "other")
    assert client.types()[-1] == "done" and client.closed is None


@pytest.mark.parametrize("message", ["", "[]", "[" * 100_000, b"\xff\xfe"], ids=["empty", "list", "deep", "binary"])
def test_what_is_no_request_is_an_error_without_a_context(message: str | bytes) -> None:
    client = player()
    client.raw(message)
    assert "context_id" not in client.one("error")


def test_a_voice_that_fails_ends_its_context_with_an_error() -> None:
    class Mute(Voice):
        def say(self, text: str, **named: Any) -> Iterator[Sound]:
            yield Sound(b"\0\0", 1)
            raise RuntimeError("no breath")

    engines = default_engines()
    client = player(engines=Engines(responder=engines.responder, voice=Mute(), listener=engines.listener))
    ask(client, "Hello.")
    error = client.one("error")
    assert error["status_code"] == 500 and "no breath" in error["message"]


# ------------------------------------------------------------------------------------------------- limits and the end


def test_an_idle_socket_is_closed_after_five_minutes() -> None:
    client = player()
    ask(client, "Hello.")
    client.wait(299_999)
    assert client.closed is None
    client.wait(1)
    assert client.closed is not None and client.closed.code == 1000


def test_a_client_that_left_leaves_nothing_to_do() -> None:
    client = player(hold_jobs=True)
    ask(client, "Hello.")
    (job,) = client.jobs
    client.leave()
    assert job.cancelled and client.emulator.next_wake_ms is None
    client.raw("{}")
    assert client.frames == []


@pytest.mark.parametrize(
    ("handshake", "refused"),
    [
        ({}, False),
        ({"key": "sk_car_abc"}, False),
        ({"headers": {"authorization": "Bearer sk_car_abc"}}, False),
        ({"query": {"access_token": "ey.token"}}, False),
        ({"key": "sk_car_admin_abc"}, True),
        ({"headers": {"x-api-key": "sk_other"}}, True),
        ({"headers": {"authorization": "Bearer sk-proj"}}, False),
        ({"headers": {"authorization": "Bearer sk_1"}}, True),
        ({"query": {"access_token": "invalid"}}, True),
        ({"headers": {"x-api-key": "Wrong one"}}, True),
    ],
)
def test_a_key_of_somebody_else_is_refused_before_the_upgrade(handshake: dict[str, Any], refused: bool) -> None:
    answer = CartesiaEmulator.refuse(Handshake(route="cartesia", **handshake))
    assert (answer is not None and answer.status == 401 and b"Unauthorized" in answer.body) == refused


def test_it_is_as_fast_as_it_can_be_when_asked() -> None:
    client = player(pace=AT_ONCE)
    before = client.now_ms
    ask(client, "A long sentence that would take a good while to say aloud to anybody who listens.")
    assert client.frames[-1]["type"] == "done" and client.now_ms == before
