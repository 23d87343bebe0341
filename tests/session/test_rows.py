"""Interruptions, tool calls, errors and seams are rows of the turn they belong to, whoever the provider is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.errors import SessionEnded
from aigw_notebook.events import (
    AudioDelta,
    OutputTranscript,
    PlaybackInterrupted,
    ProviderMessage,
    ResponseDone,
    ResponseStarted,
    ResumptionHandle,
    SessionOpened,
    SpeechStarted,
    TextDelta,
    ToolCall,
    ToolFinished,
)
from aigw_notebook.gateway import Faults
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.transcript import Transcript
from tests.conformance.forms import NEEDS
from tests.wire import build_event, flow

PROVIDERS = ("openai", "google", "elevenlabs")
LONG = "Say: " + "one two three four five six seven eight nine ten " * 6
SLOW = Pace(first_token_ms=0, text_delta_ms=20, audio_speed=2.0)


def connect(provider: str, gateway: aigw.LocalGateway, **settings: Any) -> aigw.Connection:
    return aigw.connect(provider, gateway=gateway, quiet=True, **NEEDS.get(provider, {}), **settings)


def kinds(session: Any, *wanted: str) -> list[tuple[str, int]]:
    """The rows of these kinds, each with its turn."""
    return [(row["kind"], row["turn"]) for row in session.records if row["kind"] in wanted]


@pytest.mark.sessions
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_and_its_result_are_rows_of_their_turn(provider: str, fast: aigw.LocalGateway) -> None:
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"sunny in {city}"

    with connect(provider, fast, tools=[weather]) as session:
        session.ask("Say: yes")
        session.ask("What is the weather in Lisbon?")
    assert kinds(session, "tool_call", "tool_result") == [("tool_call", 2), ("tool_result", 2)]
    assert columns(session.recording().transcript().records) == columns(session.records)


def columns(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without the model, which a recording knows from its beginning."""
    return [{name: value for name, value in row.items() if name != "model"} for row in records]


@pytest.mark.sessions
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_interruption_is_a_row_of_the_turn_it_ended(provider: str, slow: aigw.LocalGateway) -> None:
    async def talk() -> Any:
        async with connect(provider, slow) as session:
            events = session.events()
            asking = asyncio.create_task(session.ask(LONG))
            async for event in events:
                if isinstance(event, AudioDelta | TextDelta | OutputTranscript):
                    break
            await session.interrupt()
            turn = await asking
            assert turn.status == "interrupted"
            return session

    assert kinds(asyncio.run(talk()), "interruption") == [("interruption", 1)]


@pytest.mark.sessions
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_that_breaks_in_mid_answer_is_a_row_of_its_turn(provider: str) -> None:
    with aigw.LocalGateway(pace=SLOW, faults=Faults(close=1011, close_after=6)) as gateway:
        session = connect(provider, gateway).open()
        with pytest.raises(SessionEnded):
            session.ask(LONG)
        session.close()
    assert kinds(session, "closed") == [("closed", 1)]
    assert session.turns[0].status == "lost"


@pytest.mark.sessions
@pytest.mark.bad_frames(reason="a message of no type that the provider knows, so that it complains")
def test_an_error_that_comes_in_mid_turn_is_a_row_of_it(slow: aigw.LocalGateway) -> None:
    async def talk() -> Any:
        async with aigw.connect("openai", gateway=slow, quiet=True) as session:
            asking = asyncio.create_task(session.ask(LONG))
            async for event in session.events():
                if isinstance(event, AudioDelta):
                    break
            await session.send(ProviderMessage(message={"type": "no.such.message"}))
            async for _ in session.events():
                if kinds(session, "error"):
                    break
            await session.interrupt()
            await asking
            return session

    assert kinds(asyncio.run(talk()), "error") == [("error", 1)]


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "response_failed_quota"), ("google", "turn_reasons"), ("cartesia", "error_model"), ("fal", "refused")],
)
def test_an_answer_that_fails_is_a_row_of_its_turn(provider: str, name: str) -> None:
    transcript = Transcript(session_id="s1", provider=provider, model=None)
    transcript.start_turn(0.0)
    for line in flow(provider, name):
        for event in line.events or ():
            transcript.receive(build_event(event), 1.0)
    errors = [row for row in transcript.records if row["kind"] == "error"]
    assert errors and all(row["turn"] == 1 and row["text"] for row in errors)


# --------------------------------------------------------------------------------- what comes when another turn runs


def two_turns() -> Transcript:
    """The answer of the first turn still runs when the second begins."""
    transcript = Transcript(session_id="s1", provider="acme", model=None)
    transcript.start_turn(0.0)
    transcript.receive(ResponseStarted(response_id="r1"), 1.0)
    transcript.receive(TextDelta(text="well", response_id="r1", item_id="i1"), 2.0)
    return transcript


def test_a_failure_that_is_told_late_belongs_to_the_turn_that_failed() -> None:
    transcript = two_turns()
    transcript.start_turn(3.0)
    failed = ResponseDone(response_id="r1", status="failed", error_code="quota", error_message="No money left.")
    transcript.receive(failed, 4.0)
    (error,) = [row for row in transcript.records if row["kind"] == "error"]
    assert error["turn"] == 1


def test_a_call_and_a_result_that_come_late_belong_to_the_turn_that_called() -> None:
    transcript = two_turns()
    second = transcript.start_turn(3.0)
    transcript.receive(ToolCall(call_id="c1", name="add", arguments="{}", response_id="r1"), 4.0)
    transcript.finish_turn(second, "completed", 5.0)
    transcript.receive(ToolFinished(call_id="c1", name="add", output="2"), 6.0)
    assert [(row["kind"], row["turn"]) for row in transcript.records[1:]] == [("tool_call", 1), ("tool_result", 1)]
    assert [use.output for use in transcript.turns[0].tool_calls] == ["2"]


def test_who_breaks_in_begins_the_turn_of_the_interruption() -> None:
    transcript = two_turns()
    transcript.start_turn(3.0)
    transcript.receive(SpeechStarted(item_id="u2"), 3.0)
    transcript.receive(PlaybackInterrupted(item_id="i1", played_ms=10.0), 4.0)
    assert [(row["kind"], row["turn"]) for row in transcript.records][1:] == [("audio", 2), ("interruption", 2)]


# ---------------------------------------------------------------------------------------------------------- seams


@pytest.mark.sessions
def test_a_session_that_takes_up_another_begins_with_a_seam(fast: aigw.LocalGateway) -> None:
    handles: list[str] = []

    def take(event: Any) -> None:
        if isinstance(event, ResumptionHandle) and event.handle:
            handles.append(event.handle)

    with aigw.connect("google", gateway=fast, options={"sessionResumption": {}}, quiet=True) as session:
        session.core.add_sink(take)
        session.ask("My name is Ada.")
        session.ask("Say: yes")
    assert kinds(session, "seam") == []
    settings = {"sessionResumption": {"handle": handles[-1]}}
    with aigw.connect("google", gateway=fast, options=settings, quiet=True) as again:
        assert "Ada" in again.ask("What is my name?").text
    seam = again.records[0]
    assert (seam["role"], seam["kind"], seam["status"], seam["turn"]) == ("session", "seam", "completed", 0)
    assert seam["text"] == "takes up an earlier session, which the provider remembers"
    assert seam["start_ms"] > 0 and handles[-1] not in str(again.records)
    assert columns(again.recording().transcript().records) == columns(again.records)


@pytest.mark.sessions
def test_the_end_that_a_provider_announces_is_a_seam() -> None:
    with aigw.LocalGateway(faults=Faults(expire_after_ms=300)) as gateway:
        with aigw.connect("google", gateway=gateway, quiet=True) as session:
            announced = next(event for event in session.events() if any(r["kind"] == "seam" for r in session.records))
    assert type(announced).__name__ != "SessionClosed"
    (seam,) = [row for row in session.records if row["kind"] == "seam"]
    assert seam["text"].startswith("the provider ends the session in ")
    assert kinds(session, "seam", "closed")[0] == ("seam", 0)


def test_a_session_that_is_new_has_no_seam() -> None:
    transcript = Transcript(session_id="s1", provider="acme", model=None)
    transcript.receive(SessionOpened(session_id="p1"), 1.0)
    assert transcript.records == []
