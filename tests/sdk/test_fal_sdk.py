"""The official Fal client against the embedded gateway: its addresses and its key, and answers over its own socket.

The client package has no reader for HTTP over WebSocket, so the frames are read here, by the rules of the sheet. Its
host is fixed when it is imported, with TLS; the tests replace that one constant.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import fal_client
import pytest

from aigw_notebook.audio.clip import Clip
from aigw_notebook.gateway.emulators.base import Handshake, Pace
from aigw_notebook.gateway.emulators.fal import FalEmulator
from aigw_notebook.gateway.local import LocalGateway
from tests.sdk.calling import on_a_loop
from tests.speech import understood_clip

pytestmark = pytest.mark.sdk

KEY = "id-1:secret-1"
Answer = tuple[dict[str, Any], bytes, dict[str, Any]]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[fal_client.SyncClient]:
    """A client whose address is a gateway that needs no token: it sends no header of the gateway's."""
    pace = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
    with LocalGateway(pace=pace, authentication=False) as gateway:
        monkeypatch.setattr("fal_client.client.REALTIME_URL_FORMAT", f"{gateway.url}/fal/")
        yield fal_client.SyncClient(key=KEY)


def answers(socket: Any, count: int) -> list[Answer]:
    """The next answers: a frame is control only if it is text, a JSON object, and has both `type` and `request_id`."""
    found: list[Answer] = []
    while len(found) < count:
        start, body = control(socket.recv()), b""
        assert start is not None and start["type"] == "start"
        while (end := control(frame := socket.recv())) is None:
            body += frame.encode() if isinstance(frame, str) else frame
        assert end["type"] == "end" and end["request_id"] == start["request_id"]
        found.append((start, body, end))
    return found


def control(frame: str | bytes) -> dict[str, Any] | None:
    if isinstance(frame, bytes):
        return None
    try:
        parsed = json.loads(frame)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and {"type", "request_id"} <= parsed.keys() else None


def test_pictures_are_drawn_in_the_order_of_the_requests(client: fal_client.SyncClient) -> None:
    with client.ws_connect("fal-ai/fast-lcm-diffusion", use_jwt=False) as socket:
        for prompt in ("a fox", "a hare"):
            socket.send(json.dumps({"prompt": prompt, "image_size": {"width": 64, "height": 64}}))
        told = [json.loads(body) for _, body, _ in answers(socket, 2)]
    assert [answer["prompt"] for answer in told] == ["a fox", "a hare"]
    pictures = [b64decode(answer["images"][0]["url"].partition(",")[2]) for answer in told]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures) and pictures[0] != pictures[1]


def test_the_key_arrives_in_the_header(client: fal_client.SyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    knocked: list[Handshake] = []
    monkeypatch.setattr(FalEmulator, "open", lambda self: knocked.append(self.handshake))
    with client.ws_connect("fal-ai/flux/schnell", use_jwt=False, path="image-to-image") as socket:
        socket.send("{}")
        answers(socket, 1)
    assert knocked[0].key == KEY and knocked[0].route == "fal/fal-ai/flux/schnell/image-to-image"


def test_a_refused_request_has_its_status_in_both_control_frames(client: fal_client.SyncClient) -> None:
    with client.ws_connect("fal-ai/fast-lcm-diffusion", use_jwt=False) as socket:
        socket.send("{}")
        ((start, body, end),) = answers(socket, 1)
    assert start["status"] == end["status"] == 422
    assert json.loads(body)["detail"][0]["loc"] == ["body", "prompt"]


def test_speech_comes_in_binary_frames(client: fal_client.SyncClient) -> None:
    with client.ws_connect("fal-ai/kokoro/american-english", use_jwt=False) as socket:
        socket.send(json.dumps({"prompt": "hello there"}))
        ((start, body, _),) = answers(socket, 1)
    clip = Clip.from_any(body)
    assert start["headers"]["Content-Type"] == "audio/wav"
    assert understood_clip(clip) == "hello there"


def test_words_come_as_server_sent_events(client: fal_client.SyncClient) -> None:
    with client.ws_connect("fal-ai/any-llm", use_jwt=False) as socket:
        socket.send(json.dumps({"prompt": "Say one two three"}))
        ((start, body, _),) = answers(socket, 1)
    assert start["headers"]["Content-Type"].startswith("text/event-stream")
    told = [json.loads(event.removeprefix(b"data: ")) for event in body.strip().split(b"\n\n")]
    assert [event["partial"] for event in told] == [True] * (len(told) - 1) + [False] and len(told) > 1
    assert all(later["output"].startswith(before["output"]) for before, later in pairwise(told))


def test_what_is_no_request_is_refused_and_the_next_is_answered(client: fal_client.SyncClient) -> None:
    with client.ws_connect("fal-ai/fast-lcm-diffusion", use_jwt=False) as socket:
        for request in ("{nonsense", json.dumps({"prompt": "a fox"})):
            socket.send(request)
        statuses = [start["status"] for start, _, _ in answers(socket, 2)]
    assert statuses == [422, 200]


@on_a_loop
async def test_the_async_client(client: fal_client.SyncClient) -> None:
    asking = fal_client.AsyncClient(key=KEY)
    async with asking.ws_connect("fal-ai/fast-lcm-diffusion", use_jwt=False) as socket:
        await socket.send(json.dumps({"prompt": "a fox", "image_size": {"width": 64, "height": 64}}))
        start, body, end = [await socket.recv() for _ in range(3)]
    assert control(start)["type"] == "start" and control(end)["type"] == "end"  # type: ignore[index]
    assert json.loads(body)["prompt"] == "a fox"
