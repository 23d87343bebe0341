"""The codec of AI Gateway's own WebSocket API, held to the wire fixtures and to what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aigw_notebook.errors import AigwError, ConfigurationError, LocalProtocolError, RemoteProtocolError, Unsupported
from aigw_notebook.events import AppendAudio, AppendText, CreateResponse, ProviderMessage, RawEvent
from aigw_notebook.providers import SessionSettings, get
from aigw_notebook.providers.base import counting_ids
from aigw_notebook.providers.universal import MAX_MESSAGES, MAX_OPEN, PROVIDER, UniversalCodec
from tests.wire import build_event, build_settings, flow, flow_names


def codec(**settings: Any) -> UniversalCodec:
    return UniversalCodec(SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: UniversalCodec) -> list[Any]:
    return [json.loads(message) for message in codec.messages_to_send()]


@pytest.mark.parametrize("name", flow_names("universal"))
def test_a_flow_reads_as_its_events_and_is_said_by_its_client_events(name: str) -> None:
    lines = flow("universal", name)
    player = UniversalCodec(build_settings(lines[0].settings or {}), ids=counting_ids(""))
    player.opening()
    assert player.messages_to_send() == []
    for number, line in enumerate(lines[1:], 2):
        if line.dir == "<":
            assert line.frame is not None
            heard = list(player.receive(line.frame))
            assert heard == [build_event(event) for event in line.events or []], f"line {number}"
            assert all(event.raw == line.message for event in heard)
        else:
            assert line.event is not None
            player.send(build_event(line.event))
            assert sent(player) == ([] if line.message is None else [line.message]), f"line {number}"


def test_it_is_registered_and_served_at_the_gateways_own_path() -> None:
    assert get("universal") is PROVIDER and (PROVIDER.route, PROVIDER.direct_url) == ("", "")


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/", "/gpt-4o-mini"])
def test_a_model_names_its_provider(model: str) -> None:
    with pytest.raises(ConfigurationError, match="provider/model, as in workers-ai/"):
        codec(model=model)


@pytest.mark.parametrize(
    ("settings", "event", "kind"),
    [
        ({"voice": "x"}, None, Unsupported),
        ({"tools": ({"name": "t"},)}, None, Unsupported),
        ({"modalities": ("audio",)}, None, Unsupported),
        ({}, CreateResponse(), LocalProtocolError),
        ({}, CreateResponse(modalities=("audio",)), Unsupported),
        ({}, CreateResponse(instructions="x"), Unsupported),
        ({}, AppendText(text="x", images=(b"y",)), Unsupported),
        ({}, AppendAudio(data=b"xx"), Unsupported),
    ],
)
def test_what_it_lacks_is_refused_and_nothing_is_queued(settings: Any, event: Any, kind: type[AigwError]) -> None:
    with pytest.raises(kind):
        codec(**settings).send(event)
    made = codec()
    if event is not None:
        with pytest.raises(kind):
            made.send(event)
    assert made.messages_to_send() == []


def test_the_oldest_words_are_left_out_of_a_long_conversation() -> None:
    made = codec(instructions="Be short.")
    for number in range(MAX_MESSAGES + 5):
        made.send(AppendText(text=str(number)))
    made.send(CreateResponse())
    [message] = sent(made)
    texts = [each["content"] for each in message["request"]["query"]["messages"]]
    assert texts == ["Be short.", *(str(number) for number in range(5, MAX_MESSAGES + 5))]


@pytest.mark.bad_frames(reason="requests that hold nothing but an id")
def test_requests_without_an_answer_are_bounded() -> None:
    made = codec()
    for number in range(MAX_OPEN):
        made.send(ProviderMessage(message={"type": "universal.create", "request": {"eventId": str(number)}}))
    with pytest.raises(LocalProtocolError, match="not answered yet"):
        made.send(ProviderMessage(message={"type": "universal.create", "request": {"eventId": "more"}}))
    assert len(made.messages_to_send()) == MAX_OPEN
    error = {"type": "universal.created", "metadata": {}, "response": {"success": False}}
    [told] = made.receive(json.dumps(error))
    assert (type(told).__name__, told.message) == ("SessionError", "the request failed")  # type: ignore[union-attr]


def test_what_is_no_json_object_cannot_be_read() -> None:
    with pytest.raises(RemoteProtocolError):
        codec().receive("[]")
    assert codec().receive('{"type": 7}') == [RawEvent(kind="7")]
