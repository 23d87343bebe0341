"""A session begins with what was said before: in another session, in a recording, or nowhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook import events
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.errors import ConfigurationError, Unsupported, UpstreamRefused
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.history import history_of
from aigw_notebook.providers import BUILT_IN, get
from aigw_notebook.seeds import seed_of
from aigw_notebook.session.seeding import hand_over
from aigw_notebook.session.sinks import Sinks
from aigw_notebook.told import Told
from aigw_notebook.transcript import Transcript

PAIRS = [("user", "My name is Ada."), ("assistant", "Hello, Ada.")]
SEEDED = sorted(name for name in BUILT_IN if get(name).capabilities.seed_history)


def sent(told: Told) -> str:
    """All that went over the socket from this side."""
    return "\n".join(str(line.value) for line in told.recording().lines if line.kind == "sent")


@pytest.mark.parametrize("provider", SEEDED)
def test_a_session_knows_the_history_it_was_given(provider: str, gateway: LocalGateway) -> None:
    with aigw.connect(provider, gateway=gateway, history=PAIRS, quiet=True) as session:
        turn = session.ask("What is my name?")
    assert "Ada" in turn.text
    assert len(session.turns) == 1
    seam, question = session.records[:2]
    assert (seam["kind"], seam["turn"], seam["text"]) == ("seam", 0, "begins with 2 parts of a history")
    assert (question["turn"], question["text"]) == (1, "What is my name?")


@pytest.mark.parametrize("provider", SEEDED)
def test_a_fork_knows_the_turns_up_to_the_one_it_leaves_at(provider: str, gateway: LocalGateway) -> None:
    with aigw.connect(provider, gateway=gateway, quiet=True, instructions="Be brief.") as session:
        first = session.ask("My name is Ada.")
        session.ask("Count to three.")
        with session.fork(at=first, gateway=gateway, quiet=True) as branch:
            turn = branch.ask("What is my name?")
        assert not session.closed
    assert "Ada" in turn.text
    assert "Count to three." not in sent(branch)
    assert branch.settings.instructions == "Be brief."
    header = branch.recording().header
    assert (header.parent, header.parent_turn) == (session.session_id, 1)
    words = [(message.role, message.text) for message in branch.core.seed.messages]
    assert words == [("user", "My name is Ada."), ("assistant", first.text)]
    assert branch.records[0]["text"].startswith(f"branched off {session.session_id} up to turn 1, 2 parts")


def test_a_recording_is_forked_to_another_provider(gateway: LocalGateway, tmp_path: Path) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("My name is Ada.")
    recorded = aigw.load(session.save(tmp_path / "talk.aigw"))
    with recorded.fork(provider="google", gateway=gateway, quiet=True) as branch:
        assert "Ada" in branch.ask("What is my name?").text
    again = aigw.load(branch.save(tmp_path / "branch.aigw"))
    assert again.header.parent == session.session_id
    assert f"branched off {session.session_id}" in repr(again)


def test_the_first_question_is_not_taken_for_an_item_of_the_history(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, history=PAIRS * 20, quiet=True) as session:
        turn = session.ask("Count to three.")
        lines = session.recording().lines
    received = [json.loads(line.value) for line in lines if line.kind == "received"]
    added = [m["item"] for m in received if m["type"] == "conversation.item.added" and m["item"]["role"] == "user"]
    assert len(added) == 21
    assert turn.records[0]["item_id"] == added[-1]["id"]


@pytest.mark.parametrize("provider", sorted(set(BUILT_IN) - set(SEEDED)))
def test_who_takes_no_history_is_refused_early_and_told_who_does(provider: str) -> None:
    with pytest.raises(Unsupported, match="begin with what was said before: use .*openai"):
        aigw.connect(provider, history=PAIRS)


def test_no_history_is_taken_by_all(gateway: LocalGateway) -> None:
    with aigw.connect("elevenlabs", gateway=gateway, history=[], quiet=True) as session:
        assert session.recording().header.parent is None


def answered(transcript: Transcript, question: str, answer: str, *, out_of_band: bool = False) -> None:
    turn = transcript.start_turn(0.0, out_of_band=out_of_band)
    transcript.user_said(question, 0.0)
    response, item = f"r{turn.number}", f"i{turn.number}"
    transcript.receive(events.ResponseStarted(response_id=response), 1.0)
    transcript.receive(events.OutputTranscript(text=answer, response_id=response, item_id=item), 2.0)
    sound = bytes(2 * 24 * 1000)
    transcript.receive(events.AudioDelta(data=sound, format=PCM16_24K, response_id=response, item_id=item), 2.0)
    transcript.receive(events.ResponseDone(response_id=response), 3.0)
    transcript.finish_turn(turn, "completed", 3.0)


@pytest.fixture
def transcript() -> Transcript:
    told = Transcript(session_id="s1", provider="acme", model="m1")
    answered(told, "One?", "The first answer.")
    answered(told, "Aside?", "Nobody knows.", out_of_band=True)
    answered(told, "Two?", "The second answer.")
    return told


FIRST = (("user", "One?"), ("assistant", "The first answer."))
SECOND = (("user", "Two?"), ("assistant", "The second answer."))


def test_asides_are_no_part_of_the_history(transcript: Transcript) -> None:
    history = history_of(transcript)
    assert (history.said, history.parent, history.at) == (FIRST + SECOND, "s1", 3)
    assert history_of(transcript, at=1).parts == history_of(transcript, at=transcript.turns[1]).parts
    assert (history_of(transcript, at=1).said, history_of(transcript, at=1).at) == (FIRST, 1)
    assert history_of(transcript.turns[:1]) == history_of(FIRST)
    assert (history_of(FIRST).said, history_of(FIRST).parent) == (FIRST, None)


def test_of_a_broken_off_answer_the_history_is_what_was_heard(transcript: Transcript) -> None:
    transcript.receive(events.PlaybackInterrupted(item_id="i3", played_ms=600.0), 4.0)
    assert history_of(transcript).said[-1] == ("assistant", "The second")


@pytest.mark.parametrize("wrong", ["Hello", 7, [("robot", "Hello")], [("user",)], [("user", 7)], [7]])
def test_what_is_no_history_is_refused_with_what_would_be_one(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="give"):
        aigw.connect("openai", history=wrong)


@pytest.mark.parametrize("at", [0, 4, -1])
def test_a_turn_of_another_session_is_refused(transcript: Transcript, at: int) -> None:
    with pytest.raises(ConfigurationError, match="not one of this session's"):
        history_of(transcript, at=at)
    other = Transcript(session_id="s2", provider="acme", model=None)
    answered(other, "One?", "Yes.")
    with pytest.raises(ConfigurationError, match="not one of this session's"):
        history_of(transcript, at=other.turns[0])


async def refuse(sinks: Sinks) -> None:
    soon = asyncio.get_running_loop().call_soon

    async def send(event: events.ClientEvent) -> str:
        soon(sinks.hand, events.SessionError(message="something else", client_event_id="other"))
        soon(sinks.hand, events.SessionError(message="too long", code="too_long", client_event_id="e1"))
        return "e1"

    seed = seed_of(history_of(PAIRS), get("openai").capabilities, PCM16_24K)
    await hand_over(seed, sinks, send, lambda event: None, timeout_s=5.0)


def test_a_history_that_the_provider_refuses_is_told() -> None:
    with pytest.raises(UpstreamRefused, match="the history was refused: too long") as caught:
        asyncio.run(refuse(Sinks()))
    assert caught.value.code == "too_long"
