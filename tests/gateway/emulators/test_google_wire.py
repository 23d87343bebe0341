"""The emulator against the wire fixtures: what the client says in a flow brings the same messages in the same order.

How an answer is cut into pieces, its words, counts and ids are the emulator's own choice; fixture ids are translated.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Listener, Reply, Said, ToolRequest
from tests.gateway.emulators.google_driver import SLOW, Client, kind_of
from tests.wire import flow, flow_names

NOT_ASKED = {
    "both_casings",
    "cancellation_after_interruption",
    "empty_answers",
    "extended_thinking",
    "many_parts",
    "not_resumable",
    "spurious_interruption",
    "turn_reasons",
    "unreadable",
    "voice_activity",
}
"""Flows that depend on the service's circumstances (`tests/wire/README.md`)."""

LISBON, PORTO = (ToolRequest(name="get_weather", arguments={"city": city}) for city in ("Lisbon", "Porto"))
CALLS = {
    "function_call": Reply(tools=(LISBON,)),
    "non_blocking_call": Reply(tools=(LISBON,)),
    "call_replaced": Reply(tools=(LISBON,)),
    "call_taken_back": Reply(tools=(LISBON,)),
    "call_taken_back_by_voice": Reply(tools=(LISBON,)),
    "parallel_calls": Reply(text="Let me look.", tools=(LISBON, PORTO)),
}
ANSWER = Reply(text="One two three, a few words that take longer to say than anybody waits.")
PIECES = {"audio", "text", "outputTranscription", "inputTranscription"}
"""What may come in more or fewer pieces than in the fixture."""


class Scripted(Listener):
    """Answers as the flow needs it, and hears the same words in whatever it is played."""

    instant = True

    def __init__(self, name: str) -> None:
        self.replies = [CALLS[name]] if name in CALLS else []

    def answer(self, conversation: list[Said], **options: Any) -> Reply:
        return self.replies.pop(0) if self.replies else ANSWER

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        return "The quick fox."


class Replay:
    """One flow being played to the emulator."""

    def __init__(self, name: str) -> None:
        self.lines = flow("google", name)
        scripted = Scripted(name)
        engines = Engines(responder=scripted, voice=default_engines().voice, listener=scripted)
        shake = self.lines[0].handshake or {}
        self.client = Client(pace=SLOW, engines=engines, require_key=name == "refused_key", query=shake.get("query"))
        self.ids: dict[str, str] = {}
        self.seen = ""

    def play(self) -> None:
        for line in self.lines:
            if line.close is not None:
                self.expect_close(line.close)
            elif line.dir == "<":
                self.expect(line.message)
            else:
                for message in line.said:
                    self.client.raw(self.translated(message))

    def translated(self, message: Any) -> str:
        """The client's frame with the emulator's ids in the place of the fixture's."""
        frame = json.dumps(message)
        for theirs, ours in self.ids.items():
            frame = frame.replace(f'"{theirs}"', f'"{ours}"')
        return frame

    def expect(self, message: dict[str, Any]) -> None:
        """The emulator's next message is like this one. Where it has more pieces they are passed over, or fewer."""
        kind = kind_of(message)
        while True:
            ours = self.next()
            if kind_of(ours) == kind:
                self.seen = kind
                self.same(message, self.client.messages.pop(0))
                return
            if kind_of(ours) not in PIECES:
                assert kind in PIECES, f"{kind_of(ours)} where {kind} belongs"
                return
            if kind in PIECES and kind_of(ours) != self.seen:
                return
            self.client.messages.pop(0)

    def expect_close(self, close: dict[str, Any]) -> None:
        if self.client.closed is None:
            self.client.wait(600_000)
        assert self.client.closed is not None
        assert (self.client.closed.code, self.client.closed.reason) == (close["code"], close["reason"])

    def next(self) -> dict[str, Any]:
        while not self.client.messages:
            due_ms = self.client.emulator.next_wake_ms
            assert due_ms is not None, "the emulator has nothing more to say"
            self.client.wait(max(0.0, due_ms - self.client.now_ms))
        return self.client.messages[0]

    def same(self, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
        if kind_of(theirs) == "audio":
            return
        assert shape(ours) == shape(theirs)
        if kind_of(theirs) == "toolCall":
            for call, own in zip(theirs["toolCall"]["functionCalls"], ours["toolCall"]["functionCalls"], strict=True):
                self.ids[call["id"]] = own["id"]


def shape(value: Any) -> Any:
    """The keys of a message, all the way down; of counts only that there are some."""
    if isinstance(value, dict):
        return {key: ... if key == "usageMetadata" else shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return ...


def asked() -> list[str]:
    return [name for name in flow_names("google") if name not in NOT_ASKED]


@pytest.mark.parametrize("name", asked())
def test_flow(name: str) -> None:
    replay = Replay(name)
    replay.play()
    assert [kind_of(m) for m in replay.client.messages if kind_of(m) not in PIECES] == []


def test_the_flows_left_out_exist() -> None:
    assert set(flow_names("google")) >= NOT_ASKED
    assert json.dumps(asked()).count("refused_") == 7
