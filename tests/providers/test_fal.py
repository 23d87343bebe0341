"""The Fal codec, held to the wire fixtures and to what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.endpoint import Gateway, resolve
from aigw_notebook.errors import ConfigurationError, LocalProtocolError, Unsupported
from aigw_notebook.events import (
    AppendAudio,
    AppendText,
    CancelResponse,
    CreateResponse,
    ImageOutput,
    RawEvent,
    ResponseDone,
    ServerEvent,
    TextDelta,
)
from aigw_notebook.providers import SessionSettings
from aigw_notebook.providers.base import counting_ids
from aigw_notebook.providers.fal import PROVIDER, FalCodec
from tests.wire import build_event, build_settings, flow, flow_names

FLOWS = flow_names("fal")
ID = "00000000-0000-4000-8000-000000000001"


def codec(**settings: Any) -> FalCodec:
    return FalCodec(SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: FalCodec) -> list[Any]:
    return [json.loads(message) for message in codec.messages_to_send()]


# ------------------------------------------------------------------------------------------------------ fixtures


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_reads_as_its_events_and_is_said_by_its_client_events(name: str) -> None:
    lines = flow("fal", name)
    player = FalCodec(build_settings(lines[0].settings or {}), ids=counting_ids(""))
    player.opening()
    assert player.messages_to_send() == []
    for number, line in enumerate(lines[1:], 2):
        if line.dir == "<":
            assert line.frame is not None
            heard = list(player.receive(line.frame))
            assert [_kind(event) for event in heard] == [_kind(build_event(e)) for e in line.events or []], (
                f"line {number}"
            )
        elif line.event is not None:
            player.send(build_event(line.event))
            assert sent(player) == ([] if line.message is None else [line.message]), f"line {number}"


def _kind(event: ServerEvent) -> ServerEvent | str:
    """A body's frames are visible as they are; which they are is in the flow already."""
    return event.kind if isinstance(event, RawEvent) else event


# ------------------------------------------------------------------------------------------------------------ bodies


def body(kind: str, data: str | bytes, status: int = 200, **headers: str) -> list[ServerEvent]:
    """The events of an answer with this body, its first and its last left out."""
    reader = codec()
    start = {"type": "start", "request_id": ID, "status": status, "headers": {"content-type": kind, **headers}}
    reader.receive(json.dumps(start))
    events = [*reader.receive(data)]
    events += reader.receive(json.dumps({"type": "end", "request_id": ID, "status": status}))
    return [event for event in events if not (isinstance(event, RawEvent) and event.kind == "body")]


def test_one_picture_and_words_beside_it() -> None:
    parsed = {"image": {"url": "https://fal.media/a.png"}, "text": "A fox."}
    picture, words, done = body("application/json", json.dumps(parsed))
    assert isinstance(picture, ImageOutput) and picture.url == "https://fal.media/a.png" and picture.data is None
    assert isinstance(words, TextDelta) and words.text == "A fox." and isinstance(done, ResponseDone)


@pytest.mark.parametrize("url", ["data:image/png;base64,***", "data:image/png,plain", "data:"])
def test_a_data_uri_that_cannot_be_read_stays_an_address(url: str) -> None:
    picture = body("application/json", json.dumps({"images": [{"url": url}]}))[0]
    assert isinstance(picture, ImageOutput) and picture.url == url and picture.data is None


@pytest.mark.parametrize(
    ("kind", "data"),
    [("application/json", "{"), ("application/json", "[1]"), ("application/json", '{"nothing": "known"}'),
     ("application/octet-stream", b"\0"), ("video/mp4", b"\0"), ("audio/wav", b"no wav"), ("audio/mpeg", b"\xff")],
)  # fmt: skip
def test_what_it_does_not_know_stays_visible(kind: str, data: str | bytes) -> None:
    event, done = body(kind, data)
    assert isinstance(event, RawEvent) and event.kind == kind and isinstance(done, ResponseDone)
    assert done.status == "completed"


def test_plain_text_is_words() -> None:
    words = body("text/plain; charset=utf-8", "Hello.")[0]
    assert isinstance(words, TextDelta) and words.text == "Hello."


def test_a_stream_may_send_deltas_and_anything_else() -> None:
    stream = 'data: {"output": "One"}\n\ndata: {"output": " two"}\n\ndata: [DONE]\n\n'
    events = body("text/event-stream", stream)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["One", " two"]
    assert [event.raw for event in events if isinstance(event, RawEvent)] == ["[DONE]"]


@pytest.mark.parametrize(
    ("status", "data", "headers", "code", "words"),
    [(500, "", {}, "500", "HTTP 500"), (401, '{"detail": "No key."}', {}, "401", "No key."),
     (422, '{"detail": [{"loc": ["body", "seed"], "msg": "too big"}, 7]}', {}, "422", "body.seed: too big"),
     (429, '{"message": "Slow down."}', {"X-Fal-Error-Type": "rate_limit"}, "rate_limit", "Slow down."),
     (500, '{"detail": {}, "error_type": "oops"}', {}, "oops", "HTTP 500")],
)  # fmt: skip
def test_failures(status: int, data: str, headers: dict[str, str], code: str, words: str) -> None:
    (done,) = body("application/json", data, status, **headers)
    assert isinstance(done, ResponseDone) and done.status == "failed" and done.error_code == code
    assert words in (done.error_message or "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


KINDS = ["application/json", "text/event-stream", "image/png", "audio/wav", "x"]
NAMES = ["status", "headers", "request_id", "type"]


@given(name=st.sampled_from(NAMES), value=JSON, data=JSON, kind=st.sampled_from(KINDS))
def test_no_frame_makes_the_codec_raise(name: str, value: Any, data: Any, kind: str) -> None:
    reader = codec()
    start = {"type": "start", "request_id": ID, "status": 200, "headers": {"Content-Type": kind}}
    end = {"type": "end", "request_id": ID, "status": 200}
    frames: list[str | bytes] = [json.dumps({**start, name: value}), json.dumps(data), b"\xff\0"]
    frames += [f"data: {json.dumps(data)}\n\n", json.dumps({**end, name: value}), json.dumps(end)]
    for frame in frames:
        assert all(isinstance(event, ServerEvent) for event in reader.receive(frame))


# -------------------------------------------------------------------------------------------------------- requests


def test_what_was_written_is_one_prompt_with_the_options_beside_it() -> None:
    asking = codec(options={"seed": 7, "sync_mode": False})
    asking.send(AppendText(text="a fox"))
    asking.send(AppendText(text="in the snow"))
    asking.send(CreateResponse())
    assert sent(asking) == [{"prompt": "a fox\nin the snow", "seed": 7, "sync_mode": False}]
    with pytest.raises(LocalProtocolError, match="prompt"):
        asking.send(CreateResponse())


@pytest.mark.parametrize(
    "settings",
    [{"voice": "x"}, {"instructions": "x"}, {"modalities": ("text",)}, {"temperature": 1.0}, {"transcription": True}],
)
def test_what_it_lacks_is_refused_before_anything_opens(settings: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=next(iter(settings))):
        codec(**settings)


@pytest.mark.parametrize(
    "event",
    [AppendAudio(data=b""), CancelResponse(), AppendText(text="x", images=(b"",)), CreateResponse(instructions="x"),
     CreateResponse(modalities=("text",))],
)  # fmt: skip
def test_what_it_cannot_say_is_refused_and_nothing_is_queued(event: Any) -> None:
    asking = codec()
    with pytest.raises(Unsupported):
        asking.send(event)
    assert sent(asking) == []


# --------------------------------------------------------------------------------------------------------- address


def test_the_model_is_the_path() -> None:
    gateway = Gateway.from_url("wss://gateway.example/v1/account/name", token="t")
    for model, path in ((None, "fal-ai/fast-lcm-diffusion"), ("fal-ai/flux/schnell", "fal-ai/flux/schnell")):
        found = resolve(PROVIDER, SessionSettings(model=model), gateway=gateway)
        assert found.url == f"wss://gateway.example/v1/account/name/fal/{path}"
    direct = resolve(PROVIDER, SessionSettings(), gateway=None, direct=True, api_key="id:secret")
    assert direct.url == "wss://ws.fal.run/fal-ai/fast-lcm-diffusion"
    assert direct.headers == (("Authorization", "Key id:secret"),)


def test_a_key_with_a_colon_cannot_travel_as_a_subprotocol() -> None:
    with pytest.raises(ConfigurationError, match='auth="header"') as raised:
        resolve(PROVIDER, SessionSettings(), gateway=None, direct=True, api_key="id:secret", auth="subprotocol")
    assert "secret" not in str(raised.value)
    found = resolve(PROVIDER, SessionSettings(), gateway=None, direct=True, api_key="plain", auth="subprotocol")
    assert found.subprotocols == ("fal-api-key.plain",)


@pytest.mark.parametrize("model", ["alone", "/", "a/../b", "a/b?c", "a b/c", "a//b", "https://fal.run/a/b"])
def test_what_is_no_path_is_refused(model: str) -> None:
    with pytest.raises(ConfigurationError, match="owner/app"):
        codec(model=model)
