"""AI Gateway's own WebSocket API, embedded: the emulator against the fixtures, and sessions on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

import aigw_notebook as aigw
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.emulators.base import Handshake, Job, Pace
from aigw_notebook.gateway.emulators.universal import MAX_OPEN, UniversalEmulator
from aigw_notebook.gateway.engines.base import Engines, Reply, Said
from aigw_notebook.providers.base import counting_ids
from tests.wire import flow, flow_names

NOT_ASKED = {"raw_chunks", "two_at_once", "unreadable"}
"""Flows that depend on the provider behind the gateway."""

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
MODEL = "@cf/meta/llama-3.1-8b-instruct"


class Responder:
    """Says hello to everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[Said], str]] = []

    def answer(self, conversation: Any, *, instructions: str = "", tools: Any = (), tool_choice: Any = "auto") -> Reply:
        self.asked.append((list(conversation), instructions))
        if conversation[-1].text == "fail":
            raise RuntimeError("planted")
        return Reply(text="Hello there.")


class Client:
    """The client's side of an emulator, without socket, thread or waiting."""

    def __init__(self, *, pace: Pace = AT_ONCE, hold_jobs: bool = False) -> None:
        self.now_ms = 0.0
        self.responder = Responder()
        self.jobs: list[Job] = []
        self.hold_jobs = hold_jobs
        nothing: Any = None
        engines = Engines(responder=self.responder, voice=nothing, listener=nothing)
        self.emulator = UniversalEmulator(
            Handshake(route=""), engines=engines, ids=counting_ids(""), clock=lambda: self.now_ms, pace=pace
        )
        self.emulator.open()
        self.heard: list[dict[str, Any]] = []

    def send(self, message: Any) -> None:
        self.emulator.receive(message if isinstance(message, str | bytes) else json.dumps(message))
        self.settle()

    def settle(self) -> None:
        """Take all that comes without time passing by itself."""
        while True:
            for output in self.emulator.drain():
                if isinstance(output, Job):
                    self.jobs.append(output)
                else:
                    assert isinstance(output, str)
                    self.heard.append(json.loads(output))
            if self.jobs and not self.hold_jobs:
                self.run_job()
            elif self.emulator.next_wake_ms is not None and self.emulator.next_wake_ms <= self.now_ms:
                self.emulator.wake()
            elif not self.emulator._out:
                return

    def run_job(self) -> None:
        job, error = self.jobs.pop(0), None
        try:
            for result in job.results():
                job.deliver(result)
        except RuntimeError as raised:
            error = raised
        job.done(error)

    def take(self) -> list[dict[str, Any]]:
        heard, self.heard = self.heard, []
        return heard


def asking(event_id: str, text: str = "hi", **query: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    request = {
        "eventId": event_id,
        "provider": "workers-ai",
        "endpoint": MODEL,
        "query": {"messages": messages, **query},
    }
    return {"type": "universal.create", "request": request}


def without_log_id(message: dict[str, Any]) -> dict[str, Any]:
    """The message, its log id left out when it has one."""
    metadata = {name: value for name, value in message.get("metadata", {}).items() if name != "logId"}
    assert ("logId" in message["metadata"]) == ("cacheStatus" in metadata)
    return {**message, "metadata": metadata}


@pytest.mark.parametrize("name", [name for name in flow_names("universal") if name not in NOT_ASKED])
def test_flow(name: str) -> None:
    client, expected = Client(), []
    for line in flow("universal", name)[1:]:
        if line.dir == "<":
            expected.append(without_log_id(line.message or {}))
        elif line.message is not None:
            assert [without_log_id(message) for message in client.take()] == expected
            expected = []
            client.send(line.message)
    if expected:
        assert [without_log_id(message) for message in client.take()] == expected
    assert set(flow_names("universal")) >= NOT_ASKED


def test_several_are_open_at_once_and_each_message_says_whose_it_is() -> None:
    client = Client(pace=Pace(first_token_ms=0, text_delta_ms=10, audio_speed=0))
    client.send(asking("a", stream=True))
    client.send(asking("b", stream=True))
    client.send(asking("c"))
    client.now_ms = 10.0
    client.settle()
    client.now_ms = 20.0
    client.settle()
    heard = client.take()
    whose = [message["metadata"]["eventId"] for message in heard]
    assert sorted(set(whose)) == ["a", "b", "c"] and whose != sorted(whose)
    for event_id in "ab":
        own = [message for message in heard if message["metadata"]["eventId"] == event_id]
        assert [message["type"] for message in own] == [
            "universal.created",
            *["universal.stream"] * 3,
            "universal.done",
        ]
        assert "".join(message["response"]["response"] for message in own[1:-1]) == "Hello there."
        assert own[0]["metadata"] == own[-1]["metadata"] and own[0]["metadata"]["step"] == "0"
    [whole] = [message for message in heard if message["metadata"]["eventId"] == "c"]
    assert whole["response"]["result"]["response"] == "Hello there."


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        b"\xff",
        {"type": "universal.else"},
        {"type": "universal.create"},
        {"type": "universal.create", "request": [{}]},
        {"type": "universal.create", "request": {"provider": "p", "endpoint": "chat/completions"}},
        {"type": "universal.create", "request": {"endpoint": "chat/completions", "query": {"prompt": "x"}}},
        {"type": "universal.create", "request": {"provider": "p", "endpoint": MODEL, "query": {"messages": []}}},
        {"type": "universal.create", "request": {"provider": "p", "endpoint": MODEL, "query": {"messages": ["x"]}}},
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_answered_in_the_odd_form_and_the_socket_stays(message: Any) -> None:
    client = Client()
    client.send(message)
    [answer] = client.take()
    assert answer["type"] == "universal.created" and answer["metadata"] == {"contentType": "application/json"}
    assert answer["response"]["success"] is False and answer["response"]["errors"][0]["code"] == 2019
    client.send(asking("a"))
    assert len(client.take()) == 1


def test_an_engine_that_fails_is_the_providers_failure() -> None:
    client = Client()
    client.send(asking("a", "fail"))
    assert [message["response"]["errors"][0]["code"] for message in client.take()] == [2005]


def test_more_than_so_many_at_once_are_refused() -> None:
    client = Client(hold_jobs=True)
    for number in range(MAX_OPEN + 1):
        client.send(asking(str(number)))
    assert [message["response"]["errors"][0]["code"] for message in client.take()] == [2003]
    client.hold_jobs = False
    client.settle()
    assert len(client.take()) == MAX_OPEN
    client.send(asking("again"))
    assert client.take()[0]["metadata"]["eventId"] == "again"


def test_the_conversation_reaches_the_responder() -> None:
    client = Client()
    parts = [{"type": "text", "text": "in parts"}, {"type": "image_url", "image_url": {}}]
    query = {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": parts}]}
    client.send({"type": "universal.create", "request": {"provider": "p", "endpoint": MODEL, "query": query}})
    assert client.responder.asked == [([Said(role="user", text="in parts")], "Be short.")]


def test_nothing_is_said_once_the_client_is_gone() -> None:
    client = Client(hold_jobs=True)
    client.send(asking("a"))
    client.emulator.close()
    client.hold_jobs = False
    client.settle()
    assert client.take() == [] and client.emulator.next_wake_ms is None


# ------------------------------------------------------------------------------------------------------ real sockets


@pytest.fixture
def fast(request: pytest.FixtureRequest) -> Any:
    with aigw.LocalGateway(pace=AT_ONCE, token="t0ken") as gateway:
        yield gateway


@pytest.mark.parametrize("model", [None, "openai/gpt-4o-mini"])
def test_a_session_asks_and_remembers(fast: aigw.LocalGateway, model: str | None) -> None:
    with aigw.connect("universal", model=model, gateway=fast, quiet=True) as session:
        first = session.ask("My name is Ada.")
        second = session.ask("What is 2 plus 2?")
    assert first.status == second.status == "completed"
    assert first.text and "4" in second.text
    assert second.usage is not None and second.usage.output_tokens


def test_a_session_tells_a_failure(fast: aigw.LocalGateway) -> None:
    options = {"endpoint": "v1/embeddings"}
    with aigw.connect("universal:openai/x", gateway=fast, options=options, quiet=True) as session:
        turn = session.ask("hi")
    assert turn.status == "failed" and "No such endpoint" in str(turn.error)


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_socket_is_at_the_gateways_own_path(fast: aigw.LocalGateway, dial: Callable[..., Any], slash: str) -> None:
    async def main() -> Any:
        async with dial(f"{fast.url}{slash}") as socket:
            await socket.send(json.dumps(asking("mine")))
            return json.loads(await socket.recv())

    assert asyncio.run(main())["metadata"]["eventId"] == "mine"


def test_it_needs_the_gateways_token(fast: aigw.LocalGateway, dial: Callable[..., Any]) -> None:
    async def main() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await dial(fast.url, additional_headers={})
        assert refused.value.response.status_code == 401
        async with dial(fast.url, additional_headers={}, subprotocols=["cf-aig-authorization.t0ken"]) as socket:
            assert socket.subprotocol == "cf-aig-authorization.t0ken"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer plainwords"),
        ("Authorization", "plainwords"),
        ("X-API-Key", "plainwords"),
        ("cf-aig-authorization", "Bearer plainwords"),
    ],
)
def test_a_key_among_the_requests_headers_is_in_nothing_that_is_kept(name: str, value: str) -> None:
    options = {"headers": {name: value, "X-Team": "blue"}}
    with aigw.connect("universal", options=options, quiet=True) as session:
        session.ask("say hello")
        kept = repr((session, list(session.recording().lines), session.records))
    assert "plainwords" not in kept and "blue" in kept


def test_headers_of_a_request_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="headers"):
        aigw.connect("universal", options={"headers": "Authorization: Bearer x"})
