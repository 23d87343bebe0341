"""The same conversation with every provider, over real sockets: open, ask, answer, records, close."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.errors import SessionEnded
from aigw_notebook.events import AudioDelta, OutputTranscript, SessionClosed, TextDelta, TurnFinished, TurnStarted
from aigw_notebook.session import questions
from tests.conformance.checks import check_answer, check_latency, check_records, check_sentence, check_usage
from tests.conformance.forms import FORMS, QUESTION, Form, having, spoken

pytestmark = pytest.mark.conformance

PIECES = (TextDelta, OutputTranscript, AudioDelta)
LONG = "say " + "again and " * 15


def ids(forms: list[Form]) -> dict[str, Any]:
    return {"argvalues": forms, "ids": [form.address for form in forms]}


def weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: the city's name
    """
    return f"sunny in {city}"


# ------------------------------------------------------------------------------------------------------ one turn


def test_it_opens_answers_and_keeps_records(form: Form, fast: aigw.LocalGateway) -> None:
    events: list[Any] = []
    with form.connect(fast) as session:
        session.core.add_sink(events.append)
        assert not session.closed and "no key, no cost" in session.where
        turn = session.ask(**form.question())
        check_answer(form, turn)
        check_latency(form, turn)
        check_usage(turn)
        assert "yes please" in (turn.text or "yes please")
        assert turn.user_text is None or "yes please" in turn.user_text
        rows = check_records(session)
        assert [row for row in rows if row["turn"]] == turn.records
        assert form.address.partition(":")[0] == rows[0]["provider"]
    kinds = [type(event) for event in events]
    assert kinds.count(TurnStarted) == kinds.count(TurnFinished) == kinds.count(SessionClosed) == 1
    assert kinds.index(TurnStarted) < kinds.index(TurnFinished) < kinds.index(SessionClosed)


@pytest.mark.parametrize("form", **ids([form for form in FORMS if form.many_turns]))
def test_several_turns_on_one_session(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        turns = [session.ask(**form.question(f"say number {word}")) for word in ("one", "two", "three")]
        for turn, word in zip(turns, ("one", "two", "three"), strict=True):
            check_answer(form, turn)
            assert word in (turn.text or turn.user_text or "")
        assert [turn.number for turn in session.turns] == [1, 2, 3]
        assert len({row["response_id"] for row in session.records if row["role"] == "assistant"}) in (0, 3)
        check_records(session)


@pytest.mark.parametrize("form", **ids(having("audio_in", "text_in")))
def test_one_that_reads_also_listens(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        turn = session.ask(audio=spoken(QUESTION))
        check_answer(form, turn)
        assert turn.text == "yes please"
        assert turn.records[0]["kind"] == "audio" and turn.records[0]["audio_ms"] > 500
        check_records(session)


@pytest.mark.parametrize("form", **ids(having("audio_in", "server_turns")))
def test_it_hears_by_itself_when_the_user_has_finished(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        clip = spoken(QUESTION)
        session.send_audio(clip.data, sample_rate=clip.sample_rate)
        session.send_audio(bytes(2 * clip.sample_rate * 3), sample_rate=clip.sample_rate)
        turn = session.next_turn(timeout_s=10)
        check_answer(form, turn)
        assert "yes please" in turn.text
        check_records(session)


@pytest.mark.parametrize("form", **ids(having("audio_in", "manual_turns")))
def test_the_caller_can_say_when_the_user_has_finished(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast, turn_detection="manual") as session:
        clip = spoken(QUESTION)
        session.send_audio(clip.data, sample_rate=clip.sample_rate)
        session.commit()
        turn = session.next_turn(timeout_s=10)
        check_answer(form, turn)
        assert "yes please" in turn.text
        check_records(session)


@pytest.mark.parametrize("form", **ids(having("image_in")))
def test_it_takes_a_picture(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        turn = session.ask("What is this?", image=picture())
        check_answer(form, turn)
        assert "one picture" in turn.text


def picture() -> bytes:
    """A PNG of one pixel."""
    from base64 import b64decode

    return b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.mark.parametrize("form", **ids(having("tools")))
def test_tools_are_called_and_answered(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast, tools=[weather]) as session:
        turn = session.ask("What is the weather in Lisbon?")
        assert turn.status == "completed" and "sunny in Lisbon" in turn.text
        assert [(use.name, use.output, use.error) for use in turn.tool_calls] == [("weather", "sunny in Lisbon", None)]
        call, result = (row for row in turn.records if row["tool_name"])
        assert (call["role"], call["kind"], result["role"], result["kind"]) == (
            "assistant",
            "tool_call",
            "tool",
            "tool_result",
        )
        assert call["call_id"] == result["call_id"] is not None
        check_records(session)


# ------------------------------------------------------------------------------------------------ two, cut, closed


def test_two_sessions_at_once_do_not_mix(form: Form, fast: aigw.LocalGateway) -> None:
    async def talk(word: str) -> tuple[aigw.Turn, list[dict[str, Any]]]:
        async with form.connect(fast) as session:
            return await session.ask(**form.question(f"say {word} {word} {word}")), check_records(session)

    async def both() -> Any:
        return await asyncio.gather(talk("apple"), talk("melon"))

    (one, rows), (other, other_rows) = asyncio.run(both())
    for turn, word, foreign in ((one, "apple", "melon"), (other, "melon", "apple")):
        check_answer(form, turn)
        said = f"{turn.text} {turn.user_text or ''}"
        assert word in said and foreign not in said
    assert rows[0]["session_id"] != other_rows[0]["session_id"]
    assert [image.data for image in one.images] != [image.data for image in other.images] or not one.images


STREAMING = [form for form in FORMS if form.can.answers and "image" not in form.gives]


async def cut_short(form: Form, slow: aigw.LocalGateway, how: str) -> None:
    async with form.connect(slow) as session:
        events = session.events()
        asking = asyncio.create_task(session.ask(**form.question(LONG)))
        async for event in events:
            if isinstance(event, PIECES):
                break
        if how == "interrupted":
            await session.interrupt()
        else:
            asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        turn = session.turns[-1]
        await until_over(turn)
        assert turn.status == how and (turn.text or turn.audio)
        assert turn.audio is None or turn.audio.duration_ms < len(LONG) * 65
        assert [row["status"] for row in turn.records if row["role"] == "assistant"] == [how]
        kept = (turn.text, turn.audio and turn.audio.data)
        if form.many_turns:
            check_answer(form, await session.ask(**form.question()))
        assert (turn.text, turn.audio and turn.audio.data) == kept
        check_records(session)


async def until_over(turn: aigw.Turn) -> None:
    async with asyncio.timeout(5):
        while turn.status == "running":
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("how", ["interrupted", "cancelled"])
@pytest.mark.parametrize("form", **ids(STREAMING))
def test_an_answer_cut_short_keeps_what_was_said_and_the_session(form: Form, how: str, slow: aigw.LocalGateway) -> None:
    asyncio.run(cut_short(form, slow, how))


def test_it_closes_once_and_is_over(form: Form, fast: aigw.LocalGateway) -> None:
    session = form.connect(fast).open()
    check_answer(form, session.ask(**form.question()))
    session.close()
    session.close()
    rows = check_records(session)
    assert session.closed and rows[-1]["kind"] == "closed" and [row["kind"] for row in rows].count("closed") == 1
    for use in (lambda: session.ask(**form.question()), session.commit, session.interrupt, session.events):
        with pytest.raises(SessionEnded, match="open a new one|connect again") as caught:
            use()
        check_sentence(caught.value)
    assert session.records == rows


def test_closing_in_mid_answer_cancels_it(form: Form, slow: aigw.LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "WORDS_TIMEOUT_S", 60.0)  # a closed session waits for no words

    async def leave() -> None:
        async with asyncio.timeout(20), form.connect(slow) as session:
            question = form.question(LONG if form.can.text_in else QUESTION)
            asking = asyncio.create_task(session.ask(**question))
            async for event in session.events():
                if isinstance(event, TurnStarted):
                    break
            await session.close()
            await asyncio.gather(asking, return_exceptions=True)
            (turn,) = session.turns
            assert turn.status in ("cancelled", "completed")
            check_records(session)

    asyncio.run(leave())
