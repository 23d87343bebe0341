"""The emulator against the wire fixtures: what the client says in a flow brings the same messages in the same order.

How many deltas an answer has, its words and its ids are the emulator's own choice; fixture ids are translated.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Listener, Reply, Said, ToolRequest
from tests.gateway.emulators.driver import Client
from tests.wire import Line, flow, flow_names

NOT_ASKED = {
    "beta_names",
    "errors_server",
    "late_deltas",
    "mcp",
    "response_failed_quota",
    "response_failed_rate_limit",
    "response_incomplete_content_filter",
    "telephony",
    "transcription_segments",
    "unreadable",
}
"""Flows that depend on the service's circumstances (`tests/wire/README.md`)."""

IN_BETWEEN = Pace(first_token_ms=10, text_delta_ms=1_000, audio_speed=0.1, audio_delta_ms=100)
"""So slow that whatever the client says while an answer runs comes while it runs."""

LISBON, PORTO = (ToolRequest(name="get_weather", arguments={"city": city}) for city in ("Lisbon", "Porto"))
CALLS = {
    "function_call": Reply(tools=(LISBON,)),
    "function_call_incomplete": Reply(tools=(LISBON,)),
    "parallel_calls": Reply(text="Let me look.", tools=(LISBON, PORTO)),
}
ANSWER = Reply(text="One two three, a few words that take longer to say than anybody waits.")
TRANSCRIPTION = "conversation.item.input_audio_transcription."
ID_KEYS = ("item_id", "previous_item_id", "response_id", "call_id", "id")


class Scripted(Listener):
    """Answers as the flow needs it, and hears the same words in whatever it is played."""

    instant = True

    def __init__(self, name: str) -> None:
        self.first = CALLS.get(name, ANSWER)

    def answer(self, conversation: list[Said], **options: Any) -> Reply:
        return ANSWER if any(said.role == "tool" for said in conversation) else self.first

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        return "The quick fox."


class Replay:
    """One flow being played to the emulator."""

    def __init__(self, name: str) -> None:
        self.lines = flow("openai", name)
        scripted = Scripted(name)
        engines = Engines(responder=scripted, voice=default_engines().voice, listener=scripted)
        options = dict(self.lines[0].handshake or {})
        self.client = Client(
            pace=IN_BETWEEN,
            engines=engines,
            require_key=name == "refused_no_key",
            query=options.get("query"),
            headers=options.get("headers"),
            key=options.get("key"),
        )
        self.ids: dict[str, str] = {}
        self.seen: set[str] = set()

    def play(self) -> None:
        for line in self.lines:
            if line.close is not None:
                self.expect_close(line.close)
            elif line.dir == "<" and not line.message["type"].startswith(TRANSCRIPTION):
                self.expect(line.message)
            elif line.dir == ">" and line.handshake is None:
                self.client.raw(self.translated(line))

    def translated(self, line: Line) -> str | bytes:
        """The client's frame with the emulator's ids in the place of the fixture's."""
        frame = line.frame
        assert frame is not None
        if isinstance(frame, str):
            for theirs, ours in self.ids.items():
                frame = frame.replace(f'"{theirs}"', f'"{ours}"')
        return frame

    def expect(self, message: dict[str, Any]) -> None:
        """The emulator's next message is like this one. Where it has more deltas they are passed over, or fewer."""
        kind = message["type"]
        while True:
            event = self.next()
            if event["type"] == kind:
                self.client.events.pop(0)
                self.seen.add(kind)
                self.same(message, event)
                return
            if event["type"].endswith(".delta"):
                self.client.events.pop(0)
                self.seen.add(event["type"])
            else:
                assert kind in self.seen and kind.endswith(".delta"), f"{event['type']} where {kind} belongs"
                return

    def expect_close(self, close: dict[str, Any]) -> None:
        if self.client.closed is None:
            self.client.wait(3_600_000)
        assert self.client.closed is not None
        assert (self.client.closed.code, self.client.closed.reason) == (close["code"], close["reason"])

    def next(self) -> dict[str, Any]:
        """What the emulator says next; transcripts are told whenever they are ready, so they do not count here."""
        while True:
            self.client.events = [e for e in self.client.events if not e["type"].startswith(TRANSCRIPTION)]
            if self.client.events:
                return self.client.events[0]
            due_ms = self.client.emulator.next_wake_ms
            assert due_ms is not None, "the emulator has nothing more to say"
            self.client.wait(due_ms - self.client.now_ms)

    def same(self, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
        assert shape(ours) == shape(theirs)
        self.bind(theirs, ours)
        if theirs["type"] == "error":
            assert ours["error"]["code"] == theirs["error"]["code"]
            assert ours["error"]["event_id"] == theirs["error"]["event_id"]

    def bind(self, theirs: Any, ours: Any) -> None:
        """Learn which id of ours stands for which of theirs; one that is known must mean the same thing again."""
        if isinstance(theirs, dict):
            for key, value in theirs.items():
                if key in ID_KEYS and isinstance(value, str):
                    assert self.ids.setdefault(value, ours[key]) == ours[key], f"{key} of {theirs['type']}"
                elif key not in ("arguments", "parameters", "metadata", "obfuscation"):
                    self.bind(value, ours[key])
        elif isinstance(theirs, list):
            for value, own in zip(theirs, ours, strict=False):
                self.bind(value, own)


def shape(value: Any) -> Any:
    """The keys of a message, all the way down; of a tool's schema, nothing."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items() if key not in ("obfuscation", "parameters", "metadata")}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return ...


def asked() -> list[str]:
    return [name for name in flow_names("openai") if name not in NOT_ASKED]


@pytest.mark.parametrize("name", asked())
def test_flow(name: str) -> None:
    replay = Replay(name)
    replay.play()
    left = [event["type"] for event in replay.client.events if not event["type"].startswith(TRANSCRIPTION)]
    assert [kind for kind in left if not kind.endswith(".delta")] == []


@pytest.mark.parametrize("name", ["audio_turn_vad", "transcription_partials"])
def test_transcription_flow(name: str) -> None:
    replay = Replay(name)
    got: list[dict[str, Any]] = []
    for line in replay.lines:
        if line.dir == ">" and line.handshake is None:
            replay.client.raw(replay.translated(line))
            got += [event for event in replay.client.take() if event["type"].startswith(TRANSCRIPTION)]
    wanted = [x.message for x in replay.lines if x.dir == "<" and x.message["type"].startswith(TRANSCRIPTION)]
    assert {event["type"] for event in got} == {message["type"] for message in wanted}
    assert got[-1]["type"] == wanted[-1]["type"] == f"{TRANSCRIPTION}completed"
    assert shape(got[0]) == shape(wanted[0])
    assert set(got[-1]) == set(wanted[-1]) - {"logprobs"}
    assert "".join(event["delta"] for event in got[:-1]).strip() == got[-1]["transcript"]


def test_the_flows_left_out_exist() -> None:
    assert set(flow_names("openai")) >= NOT_ASKED
    assert json.dumps(sorted(asked())).count("refused_") == 5
