"""The emulated text-to-speech sockets against the wire fixtures and the sheet: buffering, contexts, refusals."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from aigw_notebook.audio.formats import AudioFormat
from aigw_notebook.gateway.emulators.elevenlabs import ElevenLabsEmulator
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Sound, Voice
from tests import speech
from tests.emulation import IN_REAL_TIME, Frame, Player
from tests.wire import flow, flow_names

PCM = {"output_format": "pcm_16000", "model_id": "eleven_flash_v2_5"}


def player(endpoint: str = "stream-input", voice: str = "v1", *, key: str | None = None, **options: Any) -> Player:
    query = {**PCM, **options.pop("query", {})}
    route = f"elevenlabs/v1/text-to-speech/{voice}/{endpoint}"
    return Player(ElevenLabsEmulator, route, handshake={"query": query, "key": key}, **options)


def send(client: Player, *messages: dict[str, Any]) -> None:
    for message in messages:
        client.send(**message)
        client.wait()


def sound(frames: list[Frame]) -> bytes:
    return b"".join(b64decode(frame["audio"]) for frame in frames if frame.get("audio"))


def understood(frames: list[Frame]) -> str:
    return speech.understood(sound(frames))


def failure(client: Player) -> str:
    (frame,) = (frame for frame in client.frames if "message" in frame)
    assert client.closed is not None and client.closed.code == frame["code"]
    name: str = frame["error"]
    return name


# ------------------------------------------------------------------------------------------------------ fixtures


@pytest.mark.parametrize("name", [name for name in flow_names("elevenlabs_tts") if name != "multi_stream_spellings"])
def test_a_flow_is_answered_with_the_same_messages_in_the_same_order(name: str) -> None:
    lines = flow("elevenlabs_tts", name)
    handshake = dict(lines[0].handshake or {})
    client = Player(ElevenLabsEmulator, handshake.pop("route"), pace=IN_REAL_TIME, handshake=handshake)
    for line in lines:
        for message in line.said if line.dir == ">" else []:
            if client.closed is None:
                client.send(**message)
    client.wait(10_000)
    wanted = [line.message for line in lines if line.dir == "<" and line.message]
    assert outline(client.frames) == outline(wanted)
    close = lines[-1].close
    assert (client.closed.code if client.closed else None) == (close["code"] if close else None)


def outline(frames: list[Frame]) -> dict[str, list[set[str]]]:
    """For each context the keys of its frames, runs of the same as one."""
    found: dict[str, list[set[str]]] = {}
    for frame in frames:
        found.setdefault(frame.get("contextId", ""), []).append(set(frame))
    return {name: [a for a, b in pairwise([*keys, set()]) if a != b] for name, keys in found.items()}


# ---------------------------------------------------------------------------------------------------- one answer


def test_words_are_spoken_at_the_end_and_the_socket_is_closed() -> None:
    client = player()
    send(client, {"text": " "}, {"text": "Hello "}, {"text": "there. "})
    assert client.frames == []
    send(client, {"text": ""})
    assert understood(client.frames) == "hello there."
    assert client.frames[-1] == {"audio": None, "isFinal": True}
    assert client.closed is not None and client.closed.code == 1000


def test_letters_are_timed_from_the_start_of_their_piece() -> None:
    client = player()
    send(client, {"text": "Hello there. "}, {"text": ""})
    told = [frame["alignment"] for frame in client.frames[:-1]]
    assert "".join("".join(a["chars"]) for a in told) == "Hello there. "
    assert len(told) > 4 and all(0 <= start <= 100 for a in told for start in a["charStartTimesMs"])


def test_words_are_spoken_when_there_are_enough() -> None:
    client = player()
    send(client, {"text": "a" * 119})
    assert client.frames == []
    send(client, {"text": "b"})
    assert len(sound(client.take())) == pytest.approx(120 * 65 * 32, rel=0.01)
    send(client, {"text": "c" * 159})
    assert client.frames == []
    send(client, {"text": "d"})
    assert client.frames


def test_the_schedule_can_be_chosen() -> None:
    client = player()
    send(client, {"text": " ", "generation_config": {"chunk_length_schedule": [50]}}, {"text": "a" * 50})
    assert client.frames


@pytest.mark.parametrize("wish", [{"flush": True}, {"try_trigger_generation": True}])
def test_a_wish_speaks_sooner(wish: dict[str, Any]) -> None:
    client = player()
    send(client, {"text": "b" * 60, **wish})
    assert client.frames and client.closed is None
    send(client, {"text": "c " * 10, "try_trigger_generation": True})
    assert len(sound(client.frames)) == pytest.approx(60 * 65 * 32, rel=0.01)


def test_in_auto_mode_a_sentence_is_spoken_at_once() -> None:
    client = player(query={"auto_mode": "true"})
    send(client, {"text": "Hello. And"})
    assert understood(client.frames) == "hello."


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("pcm_8000", AudioFormat("pcm16", 8_000)),
        ("pcm_22050", AudioFormat("pcm16", 22_050)),
        ("pcm_24000", AudioFormat("pcm16", 24_000)),
        ("pcm_44100", AudioFormat("pcm16", 44_100)),
        ("ulaw_8000", AudioFormat("ulaw", 8_000)),
        ("alaw_8000", AudioFormat("alaw", 8_000)),
    ],
)
def test_every_raw_format(name: str, format: AudioFormat) -> None:
    client = player(query={"output_format": name})
    send(client, {"text": "Hello."}, {"text": ""})
    assert format.duration_ms(sound(client.frames)) == pytest.approx(390, abs=2)


def test_the_speed_is_that_of_the_voice_settings() -> None:
    client = player()
    send(client, {"text": "Hello.", "voice_settings": {"speed": 1.2}, "generation_config": None}, {"text": ""})
    assert len(sound(client.frames)) / 32 == pytest.approx(390 / 1.2, abs=2)


def test_without_words_it_hangs_up_in_time_and_a_space_keeps_it() -> None:
    client = player()
    client.wait(19_999)
    send(client, {"text": " "})
    client.wait(19_999)
    assert client.closed is None
    client.wait(1)
    assert failure(client) == "input_timeout_exceeded"


@pytest.mark.parametrize(("asked", "limit_s"), [("60", 60), ("900", 180), ("soon", 20)])
def test_the_time_can_be_chosen(asked: str, limit_s: int) -> None:
    client = player(query={"inactivity_timeout": asked})
    client.wait(limit_s * 1_000 - 1)
    assert client.closed is None
    client.wait(1)
    assert client.closed is not None


# ----------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("made", "message", "error"),
    [
        ({"voice": "unknown"}, {}, "voice_id_does_not_exist"),
        ({"key": "invalid"}, {}, "invalid_api_key"),
        ({}, {"xi_api_key": "invalid"}, "invalid_api_key"),
        ({}, {"xi-api-key": "invalid"}, "invalid_api_key"),
        ({"query": {"authorization": "invalid"}}, {}, "invalid_api_key"),
        ({"query": {"output_format": "mp3_44100_128"}}, {}, "unsupported_output_format"),
        ({"query": {"output_format": ""}}, {}, "unsupported_output_format"),
        ({"query": {"model_id": "eleven_v3"}}, {}, "unsupported_model"),
        ({}, {"generation_config": {"chunk_length_schedule": [10]}}, "invalid_chunk_length_schedule"),
    ],
)
def test_what_is_refused_after_the_first_message(made: dict[str, Any], message: dict[str, Any], error: str) -> None:
    client = player(**made)
    assert client.closed is None
    send(client, {"text": " ", **message})
    assert failure(client) == error


def test_what_is_no_message_ends_it() -> None:
    client = player()
    client.raw("no json")
    assert failure(client) == "invalid_message"


def test_another_endpoint_is_not_there() -> None:
    client = player("no-such-thing")
    assert client.closed is not None and client.closed.code == 1008
    client.raw("{}")


def test_a_voice_that_fails_is_told() -> None:
    class Mute(Voice):
        def say(self, text: str, **named: Any) -> Iterator[Sound]:
            raise RuntimeError("no breath")

    working = default_engines()
    client = player(engines=Engines(responder=working.responder, voice=Mute(), listener=working.listener))
    send(client, {"text": "Hello."}, {"text": ""})
    assert failure(client) == "internal_error"


# ------------------------------------------------------------------------------------------------- several answers


def own(client: Player, name: str) -> list[Frame]:
    return [frame for frame in client.frames if frame.get("contextId") == name]


def test_contexts_are_spoken_side_by_side() -> None:
    client = player("multi-stream-input", pace=IN_REAL_TIME)
    for name, words in (("a", "The first answer. "), ("b", "The second answer. ")):
        send(client, {"text": " ", "context_id": name}, {"text": words, "context_id": name})
        send(client, {"context_id": name, "flush": True}, {"context_id": name, "close_context": True})
    client.wait(5_000)
    assert understood(own(client, "a")) == "the first answer." and understood(own(client, "b")) == "the second answer."
    assert [own(client, name)[-1] for name in "ab"] == [{"isFinal": True, "contextId": name} for name in "ab"]
    assert {frame["contextId"] for frame in client.frames[:4]} == {"a", "b"} and client.closed is None


def test_an_empty_text_keeps_a_context_and_does_not_end_it() -> None:
    client = player("multi-stream-input")
    send(client, {"text": "Hello.", "context_id": "a"})
    for _ in range(3):
        client.wait(15_000)
        send(client, {"text": "", "context_id": "a"})
    assert client.frames == []
    client.wait(20_000)
    assert understood(own(client, "a")) == "hello." and client.frames[-1]["isFinal"] is True


def test_a_closed_name_can_be_used_again() -> None:
    client = player("multi-stream-input")
    for _ in range(2):
        send(client, {"text": "Hi.", "context_id": "a"}, {"context_id": "a", "close_context": True})
        assert understood(own(client, "a")) == "hi."
        client.take()
    send(client, {"context_id": "nobody", "close_context": True})
    assert client.frames == []


def test_there_are_five_contexts_at_most() -> None:
    client = player("multi-stream-input")
    send(client, *[{"text": " ", "context_id": str(number)} for number in range(5)])
    assert client.closed is None
    send(client, {"text": " ", "context_id": "6"})
    assert failure(client) == "max_active_conversations"


def test_closing_the_socket_voices_what_is_left() -> None:
    client = player("multi-stream-input")
    send(client, {"text": "Hello.", "context_id": "a"}, {"close_socket": True})
    assert understood(client.frames) == "hello." and client.closed is not None and client.closed.code == 1000
    client = player("multi-stream-input")
    send(client, {"close_socket": True})
    assert client.closed is not None


# ------------------------------------------------------------------------------------------ the gateway's own sample


def test_the_documented_sample_on_the_agents_route_is_answered_as_speech(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    client = Player(ElevenLabsEmulator, "elevenlabs", handshake={"query": {"agent_id": "agent_1"}})
    sample = {
        "text": "This is a sample text ",
        "voice_settings": {"stability": 0.8, "similarity_boost": 0.8},
        "generation_config": {"chunk_length_schedule": [120, 160, 250, 290]},
    }
    send(client, sample, {"text": ""})
    assert understood(client.frames) == "this is a sample text"
    assert "text to speech on an agent's route" in caplog.text
    assert json.dumps(client.frames[-1]) == '{"audio": null, "isFinal": true}'
