"""A line is kept as words and blobs, and is the same line again, byte for byte."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio.formats import PCM16_24K, ULAW_8K
from aigw_notebook.events import AudioDelta, TextDelta, TurnFinished
from aigw_notebook.lines import Line
from aigw_notebook.log.cutting import cut, digest, joined
from aigw_notebook.log.form import header_text, read_header, restore, store
from tests.log.making import header

SOUND = bytes(range(256)) * 3


def kept(line: Line) -> tuple[Line, dict[str, bytes]]:
    """The line after it was stored and restored, and the blobs it took."""
    blobs: dict[str, bytes] = {}

    def keep(data: bytes) -> str:
        name = digest(data)
        blobs[name] = data
        return name

    return restore(store(line, keep), blobs.__getitem__), blobs


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"delta": base64.b64encode(SOUND).decode()}),
        json.dumps({"delta": base64.b64encode(SOUND + b"x").decode(), "more": base64.b64encode(SOUND).decode()}),
        json.dumps({"delta": base64.urlsafe_b64encode(SOUND + b"xy").decode()}),
        json.dumps({"delta": base64.b64encode(SOUND + b"x").decode().rstrip("=")}),
        json.dumps({"delta": base64.urlsafe_b64encode(SOUND + b"xy").decode().rstrip("=")}),
    ],
)
def test_base64_is_cut_out_and_put_back(text: str) -> None:
    blobs: dict[str, bytes] = {}
    body, parts = cut(text, lambda data: blobs.setdefault(digest(data), data) and digest(data))
    assert len(body) < 60 and SOUND in [data[: len(SOUND)] for data in blobs.values()]
    assert joined(body, parts, blobs.__getitem__) == text


@pytest.mark.parametrize(
    "text",
    [
        "A" * 65,  # one too many for base64
        "A" * 63 + "B=" + "C" * 70,
        base64.b64encode(SOUND).decode()[:-1] + "+-/_",  # both alphabets in one
        base64.b64encode(b"x" * 49).decode()[:-3] + "B==",  # bits set that stand for nothing
    ],
)
def test_what_would_not_come_back_as_it_was_is_left_alone(text: str) -> None:
    blobs: dict[str, bytes] = {}
    body, parts = cut(text, lambda data: blobs.setdefault(digest(data), data) and digest(data))
    assert joined(body, parts, blobs.__getitem__) == text


@given(st.text(alphabet='ABCZabcz019+/-_= "{}:', max_size=300), st.binary(max_size=200))
def test_any_text_comes_back(words: str, data: bytes) -> None:
    text = words + base64.b64encode(data).decode() + words + base64.urlsafe_b64encode(data).decode()
    line = Line(1.0, "received", text)
    assert kept(line)[0] == line


@pytest.mark.parametrize(
    "line",
    [
        Line(0.5, "sent", b"\x00\x01" * 500),
        Line(0.5, "received", json.dumps({"data": base64.b64encode(SOUND).decode()}).encode()),
        Line(0.5, "received", b"{\xff not text"),
        Line(0.5, "received", ""),
        Line(0.5, "said", "a \ud800 half of a pair"),
        Line(0.5, "voice", (SOUND, ULAW_8K)),
        Line(0.5, "event", AudioDelta(data=SOUND, format=PCM16_24K, item_id="i")),
        Line(0.5, "event", TextDelta(text="words", item_id="i")),
        Line(0.5, "event", TurnFinished(turn=1, status="completed")),
        Line(0.5, "turn", {"turn": 1, "out_of_band": False}),
        Line(0.5, "ended", {"turn": 1, "status": "lost", "error": None}),
        Line(0.5, "noted", {"model": "m", "gateway_log_id": None}),
    ],
    ids=lambda line: f"{line.kind}-{type(line.value).__name__}",
)
def test_every_kind_of_line_comes_back(line: Line) -> None:
    assert kept(line)[0] == line


def test_sound_that_comes_three_times_is_one_blob() -> None:
    message = Line(0.0, "received", json.dumps({"delta": base64.b64encode(SOUND).decode()}))
    event = Line(0.0, "event", AudioDelta(data=SOUND, format=PCM16_24K, item_id="i"))
    voice = Line(0.0, "voice", (SOUND, PCM16_24K))
    assert kept(message)[1] == kept(event)[1] == kept(voice)[1] == {digest(SOUND): SOUND}


def test_a_header_comes_back_and_what_is_not_known_of_it_is_left_out() -> None:
    assert read_header(header_text(header())) == header()
    later = json.loads(header_text(header())) | {"colour": "green"}
    assert read_header(json.dumps(later)) == header()
