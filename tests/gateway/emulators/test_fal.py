"""The Fal emulator against the wire fixtures and the sheet: order, bodies of every kind, refusals, pictures."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64decode
from itertools import pairwise
from typing import Any

import pytest

from aigw_notebook.audio.clip import Clip
from aigw_notebook.gateway.emulators.base import Handshake, Pace
from aigw_notebook.gateway.emulators.fal import FalEmulator
from aigw_notebook.gateway.emulators.fal_picture import COMMENT, draw, seed_of
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Reply
from tests.emulation import BINARY, TEXT, Frame, MixedPlayer, replay, scripted_engines
from tests.speech import understood
from tests.wire import flow, flow_names

NOT_ASKED = {"looks_like_control", "picture_as_bytes", "picture_by_url_in_parts", "words_cut_anywhere"}
"""Flows that depend on the app."""

PICTURES = "fal-ai/fast-lcm-diffusion"


def client(app: str = PICTURES, **options: Any) -> MixedPlayer:
    return MixedPlayer(FalEmulator, f"fal/{app}", **options)


def ask(app: str = PICTURES, **request: Any) -> list[Frame]:
    """The frames of the answer to one request."""
    asking = client(app)
    asking.send(**request)
    asking.wait()
    return asking.take()


def answer(frames: list[Frame]) -> Any:
    return json.loads("".join(frame["text"] for frame in frames if frame["type"] == TEXT))


# ------------------------------------------------------------------------------------------------------ fixtures


@pytest.mark.parametrize("name", [name for name in flow_names("fal") if name not in NOT_ASKED])
def test_flow(name: str) -> None:
    lines = flow("fal", name)
    assert lines[0].handshake is not None
    asking = MixedPlayer(FalEmulator, lines[0].handshake["route"], engines=scripted_engines())
    replay(asking, lines[1:], repeats=lambda frame: frame["type"] in (BINARY, TEXT))


def test_the_flows_left_out_exist() -> None:
    assert set(flow_names("fal")) >= NOT_ASKED


# --------------------------------------------------------------------------------------------------------- control


def test_requests_are_answered_in_their_order_one_after_the_other() -> None:
    asking = client(hold_jobs=True)
    for prompt in ("one", "two", "three"):
        asking.send(prompt=prompt)
    asking.run_jobs()
    frames = asking.take()
    assert [frame["type"] for frame in frames] == ["start", TEXT, "end"] * 3
    assert [json.loads(frame["text"])["prompt"] for frame in frames if frame["type"] == TEXT] == ["one", "two", "three"]
    ids = [frame["request_id"] for frame in frames if frame["type"] != TEXT]
    assert ids[::2] == ids[1::2] and len(set(ids)) == 3


def test_an_answer_comes_at_its_pace() -> None:
    asking = client(pace=Pace(first_token_ms=250))
    asking.send(prompt="a fox")
    asking.wait(249)
    assert asking.frames == []
    asking.wait(1)
    assert asking.one("end")["time_to_first_byte_seconds"] == 0.25


@pytest.mark.parametrize("request_text", ["{}", '{"prompt": ""}', '{"prompt": 7}', "[]", "nothing", b"\xff"])
def test_a_request_without_a_prompt_is_refused_and_the_next_one_is_taken(request_text: str | bytes) -> None:
    asking = client()
    asking.raw(request_text)
    asking.send(prompt="a fox")
    asking.wait()
    assert [frame["status"] for frame in asking.frames if frame["type"] != TEXT] == [422, 422, 200, 200]
    assert isinstance(json.loads(asking.frames[1]["text"])["detail"], list)


def test_a_failing_engine_is_an_error_of_the_app() -> None:
    class Silent:
        def answer(self, conversation: Any, **options: Any) -> Reply:
            raise RuntimeError("secret words")

    usual = default_engines()
    engines = Engines(responder=Silent(), voice=usual.voice, listener=usual.listener)
    asking = client("fal-ai/any-llm", engines=engines)
    asking.send(prompt="hello")
    asking.wait()
    assert asking.one("end")["status"] == 500 and "secret" not in str(asking.frames)


def test_a_client_that_leaves_leaves_nothing_to_do() -> None:
    asking = client(hold_jobs=True)
    asking.send(prompt="a fox")
    asking.leave()
    asking.run_jobs()
    asking.send(prompt="a hare")
    assert asking.frames == [] and asking.emulator.next_wake_ms is None


@pytest.mark.parametrize(("route", "status"), [("fal", 404), ("fal/alone", 404), ("fal/fal-ai/any", None)])
def test_an_app_has_an_owner_and_a_name(route: str, status: int | None) -> None:
    refused = FalEmulator.refuse(Handshake(route=route))
    assert (refused.status if refused else None) == status


# -------------------------------------------------------------------------------------------------------- pictures


def chunks(png: bytes) -> dict[bytes, bytes]:
    """The parts of a PNG file by name; their checksums are checked."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    found, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + data)
        found[name], at = data, at + 12 + length
    return found


def picture(image: Frame) -> bytes:
    head, _, data = image["url"].partition(",")
    assert head == "data:image/png;base64"
    return b64decode(data, validate=True)


def test_a_picture_is_a_png_of_the_size_asked_for_and_says_where_it_is_from() -> None:
    told = answer(ask(prompt="a fox", image_size={"width": 64, "height": 48}, num_images=2))
    assert told["emulated"] is True and told["prompt"] == "a fox" and len(told["images"]) == 2
    first, second = map(picture, told["images"])
    assert first != second
    parts = chunks(first)
    assert struct.unpack(">II", parts[b"IHDR"][:8]) == (64, 48)
    assert len(zlib.decompress(parts[b"IDAT"])) == 48 * (1 + 3 * 64)
    assert parts[b"tEXt"] == b"Comment\0" + COMMENT.encode()


def test_the_same_prompt_and_seed_make_the_same_picture() -> None:
    seed = seed_of("a fox")
    assert draw("a fox", seed, 32, 32) == draw("a fox", seed, 32, 32)
    assert len({draw("a fox", seed, 32, 32), draw("a hare", seed, 32, 32), draw("a fox", seed + 1, 32, 32)}) == 3
    assert answer(ask(prompt="a fox", seed=7))["seed"] == 7
    assert answer(ask(prompt="a fox"))["seed"] == seed
    assert draw("\ud800", 1, 8, 8)


@pytest.mark.parametrize(
    ("wanted", "size"),
    [(None, (512, 512)), ("landscape_4_3", (1024, 768)), ("huge", (512, 512)), ({"width": 9_999}, (1024, 512)),
     ({"width": True, "height": -1}, (512, 8))],
)  # fmt: skip
def test_sizes(wanted: Any, size: tuple[int, int]) -> None:
    (image,) = answer(ask(prompt="a fox", image_size=wanted))["images"]
    assert (image["width"], image["height"]) == size


def test_a_large_body_comes_in_several_frames() -> None:
    told = ask(prompt="a fox", num_images=4, image_size="square_hd")
    assert sum(frame["type"] == TEXT for frame in told) >= 1
    assert len(answer(told)["images"]) == 4


# ------------------------------------------------------------------------------------------------- words and speech


def test_words_are_streamed_each_time_with_all_before_them() -> None:
    frames = ask("fal-ai/any-llm", prompt="what is 2 plus 3")
    events = [json.loads(frame["text"].removeprefix("data: ")) for frame in frames if frame["type"] == TEXT]
    assert frames[0]["headers"]["Content-Type"] == "text/event-stream"
    assert all(later["output"].startswith(event["output"]) for event, later in pairwise(events))
    assert "5" in events[-1]["output"]
    assert [event["partial"] for event in events] == [True] * (len(events) - 1) + [False]


def test_speech_is_a_wav_file() -> None:
    frames = ask("fal-ai/kokoro/american-english", prompt="hello there")
    assert frames[0]["headers"]["Content-Type"] == "audio/wav"
    clip = Clip.from_any(b"".join(frame["data"] for frame in frames if frame["type"] == BINARY))
    assert understood(clip.data, clip.sample_rate) == "hello there"
