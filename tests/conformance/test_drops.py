"""The connection is dropped after every single message of a short turn, each way: nothing hangs, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.errors import AigwError, SessionEnded, Unreachable, UpstreamRefused
from aigw_notebook.events import AudioDelta, ImageOutput, OutputTranscript, SessionClosed, TextDelta, TurnFinished
from tests.conformance.checks import check_answer, check_records, check_sentence
from tests.conformance.forms import Form
from tests.conformance.middleman import WAYS, Middleman, Way

pytestmark = pytest.mark.conformance

TIMEOUT_S = 5.0
"""A wait that long is a hang."""


@dataclass
class Played:
    """How one conversation went: as far as it came."""

    session: aigw.Session | None = None
    turn: aigw.Turn | None = None
    error: AigwError | None = None
    events: list[Any] = field(default_factory=list)


@pytest.fixture
def between(fast: aigw.LocalGateway) -> Iterator[Middleman]:
    with Middleman(fast) as middleman:
        yield middleman


def play(form: Form, between: Middleman) -> Played:
    """Open, ask, close."""
    played = Played()
    try:
        played.session = session = form.connect(between.gateway, timeout_s=TIMEOUT_S).open()
        session.core.add_sink(played.events.append)
        played.turn = session.ask(**form.question("say yes"), timeout_s=TIMEOUT_S)
    except AigwError as error:
        played.error, played.turn = error, error.turn
    finally:
        if played.session is not None:
            played.session.close()
    return played


@pytest.mark.parametrize("way", WAYS)
def test_dropped_after_every_message(form: Form, way: Way, between: Middleman) -> None:
    watch = between.expect()
    whole = play(form, between)
    assert whole.turn is not None
    check_answer(form, whole.turn)
    count = len(watch.seen[way])
    assert count >= 1
    lost = 0
    for cut in range(count + 1):
        between.expect(cut=(way, cut))
        played = play(form, between)
        lost += played.error is not None
        if played.session is None:
            check_refused(played)
        elif played.error is not None:
            check_lost(form, played, whole.turn)
        else:
            assert played.turn is not None
            check_answer(form, played.turn)  # what came after the cut was not needed
            check_records(played.session)
    assert lost


def check_refused(played: Played) -> None:
    """The session never opened, and that is said."""
    assert isinstance(played.error, UpstreamRefused | Unreachable | SessionEnded), repr(played.error)
    said = check_sentence(played.error)
    assert "close code 1006" in said or "cannot reach" in said or "not as a WebSocket" in said, said


def check_lost(form: Form, played: Played, whole: aigw.Turn) -> None:
    """The session ended in mid-turn: all that had come is kept and marked, and everything after it says why."""
    session, turn, error = played.session, played.turn, played.error
    assert session is not None and error is not None
    assert type(error) is SessionEnded, repr(error)
    assert "close code 1006" in check_sentence(error) and session.closed
    if turn is not None:
        check_kept(form, turn, whole, played.events)
        assert session.turns == [turn]
    rows = check_records(session)
    assert [row["kind"] for row in rows].count("closed") == 1 and rows[-1]["error_code"] == "1006"
    assert [type(event) for event in played.events].count(SessionClosed) <= 1
    with pytest.raises(SessionEnded) as caught:
        session.ask(**form.question())
    assert str(caught.value) == str(error)
    assert session.records == rows


def check_kept(form: Form, turn: aigw.Turn, whole: aigw.Turn, events: list[Any]) -> None:
    """A lost turn holds what the sinks were given, and no more than the whole."""
    assert turn.status == "lost" and turn.error, turn
    assert [event.status for event in events if isinstance(event, TurnFinished)] == ["lost"]
    assert turn.records[0]["role"] == "user"
    assert {row["status"] for row in turn.records} <= {"lost", "completed"}
    if form.can.answers:
        assert whole.text.startswith(turn.text)
        assert all(event.text in turn.text for event in events if isinstance(event, TextDelta | OutputTranscript))
    sound = b"".join(event.data for event in events if isinstance(event, AudioDelta))
    assert (turn.audio.data if turn.audio else b"") == sound
    assert len(turn.images) == sum(isinstance(event, ImageOutput) for event in events)
