"""`max_cost`: the turn that passes it is finished, the session is closed, and the next question is told why."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook import events, providers
from aigw_notebook.audio.clip import Clip
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.session.lifetime import Lifetime
from aigw_notebook.session.sinks import Sinks
from aigw_notebook.session.spending import Spending, check_max_cost
from aigw_notebook.transcript import Transcript

SECOND = Clip(bytes(48_000), PCM16_24K)


@pytest.fixture(autouse=True)
def own_prices() -> Iterator[None]:
    yield
    aigw.prices({})


def paid(gateway: LocalGateway) -> aigw.Gateway:
    """The same gateway as one that nobody knows to be an emulator: its answers cost the list price."""
    return aigw.Gateway.from_url(gateway.url, token=gateway.token)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"


def closed_row(session: aigw.Session) -> dict[str, Any]:
    (row,) = (row for row in session.records if row["kind"] == "closed")
    return row


# -------------------------------------------------------------------------------------------------------- the limit


def test_the_turn_that_passes_the_limit_is_finished_and_the_session_closed(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=0.0001) as session:
        turn = session.ask("Count to three.")
        assert (turn.status, turn.text, session.closed) == ("completed", "One, two, three.", True)
        reason = f"the session has cost ${session.cost.list_usd:.6f}".rstrip("0")
        assert session.limit_reached == f"{reason} at the list price, more than its max_cost of $0.0001"
        for _ in range(2):
            with pytest.raises(aigw.SessionEnded, match=r"max_cost of \$0.0001; go on with session.fork\(") as caught:
                session.ask("And on.")
            assert (caught.value.close_code, caught.value.turn) == (1000, None)
    assert len(session.turns) == 1


def test_the_reason_stands_in_the_records_and_in_the_log(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=0.0001) as session:
        session.ask("Count to three.")
    row = closed_row(session)
    assert (row["role"], row["text"], row["error_code"]) == ("session", session.limit_reached, "1000")
    (told,) = (line.value for line in session.recording().lines if isinstance(line.value, events.SessionClosed))
    assert (told.by_us, told.reason) == (True, session.limit_reached)
    assert session.tables.turns[-1] == row


def test_a_session_below_its_limit_goes_on(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=5) as session:
        turns = [session.ask("Count to three.") for _ in range(3)]
        assert [turn.status for turn in turns] == ["completed"] * 3
        assert (session.closed, session.limit_reached) == (False, None)
        limit = 2.5 * max(turn.cost.list_usd or 0.0 for turn in turns)
    assert closed_row(session)["text"] is None
    with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=limit) as session:
        while not session.closed:
            session.ask("Count to three.")
    costs = [turn.cost.list_usd or 0.0 for turn in session.turns]
    assert sum(costs[:-1]) <= limit < sum(costs) and len(costs) > 2


def test_where_money_is_paid_that_is_what_counts(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=paid(gateway), quiet=True, max_cost=0.0001) as session:
        session.ask("Count to three.")
    assert session.cost.usd == session.cost.list_usd and "list price" not in (session.limit_reached or "")
    assert "more than its max_cost of $0.0001" in (session.limit_reached or "")


def test_a_turn_with_a_tool_is_finished_whatever_its_first_half_costs(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=1e-6, tools=[weather]) as session:
        turn = session.ask("What is the weather in Lisbon?")
    assert (turn.status, turn.tool_calls[0].output) == ("completed", "Sunny in Lisbon")
    assert "Sunny" in turn.text and session.limit_reached


def test_a_spoken_turn_is_given_back_and_then_the_end_is_told(gateway: LocalGateway) -> None:
    settings = {"turn_detection": "manual", "max_cost": 1e-6}
    with aigw.connect("openai", gateway=gateway, quiet=True, **settings) as session:
        session.send_audio(SECOND.data, sample_rate=24_000)
        session.commit()
        turn = session.next_turn()
        assert turn.status == "completed" and (turn.cost.list_usd or 0.0) > 0.0
        with pytest.raises(aigw.SessionEnded, match="max_cost"):
            session.next_turn()
        with pytest.raises(aigw.SessionEnded, match="max_cost"):
            session.send_audio(SECOND.data, sample_rate=24_000)
    assert session.closed


def test_the_awaited_form_keeps_the_limit_too(gateway: LocalGateway) -> None:
    async def conversation() -> None:
        async with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=1e-6) as session:
            await session.ask("Count to three.")
            with pytest.raises(aigw.SessionEnded, match="max_cost"):
                await session.ask("Count to three.")

    asyncio.run(conversation())


def test_a_fork_has_the_limit_of_its_session_and_an_allowance_of_its_own(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=1e-6) as session:
        session.ask("My name is Ana.")
    with session.fork(gateway=gateway, quiet=True) as fork:
        assert fork.ask("What is my name?").text == "Your name is Ana." and fork.limit_reached
    with session.fork(gateway=gateway, quiet=True, max_cost=5) as fork:
        fork.ask("What is my name?")
        assert fork.limit_reached is None


def test_the_tokens_of_a_stopped_answer_count_when_they_are_told() -> None:
    pace = aigw.gateway.emulators.base.Pace(first_token_ms=0, text_delta_ms=20, audio_speed=2.0)
    with LocalGateway(pace=pace) as slow, aigw.connect("openai", gateway=slow, quiet=True, max_cost=1e-6) as session:
        heard = threading.Event()
        session.core.add_sink(lambda event: heard.set() if isinstance(event, events.OutputTranscript) else None)
        turns: list[aigw.Turn] = []
        asking = threading.Thread(target=lambda: turns.append(session.ask("Tell me a long story.")))
        asking.start()
        assert heard.wait(10.0)
        session.interrupt()
        asking.join(10.0)
        assert turns[0].status == "interrupted"
        with pytest.raises(aigw.SessionEnded, match="max_cost"):
            session.ask("Count to three.")
            session.ask("Count to three.")
        assert session.limit_reached


# ---------------------------------------------------------------------------------------------- by minute, by character


WRITTEN_TO = [name for name in providers.BUILT_IN if providers.get(name).capabilities.text_in]


@pytest.mark.conformance
@pytest.mark.parametrize("provider", sorted(WRITTEN_TO))
def test_every_provider_is_held_to_its_limit(provider: str, gateway: LocalGateway) -> None:
    model = providers.get(provider).default_model
    aigw.prices({(provider, model or ""): aigw.Price(per_1000_characters=1.0)})
    with aigw.connect(provider, gateway=gateway, quiet=True, max_cost=0.02) as session:
        assert session.ask("A boat.").status == "completed" and session.limit_reached is None
        assert session.ask("A boat at night.").status == "completed"
        assert session.closed and closed_row(session)["text"] == session.limit_reached
        with pytest.raises(aigw.SessionEnded, match="max_cost of"):
            session.ask("A boat.")
    assert sum(turn.cost.list_usd or 0.0 for turn in session.turns) == pytest.approx(0.023)


def test_minutes_heard_count_where_a_model_only_hears(gateway: LocalGateway) -> None:
    address = "workers-ai:@cf/deepgram/nova-3"
    with aigw.connect(address, gateway=gateway, quiet=True, max_cost=0.0092 / 60 / 2) as session:
        turn = session.ask(audio=SECOND)
    assert turn.cost.list_usd == pytest.approx(0.0092 / 60) and session.limit_reached
    assert turn.cost.parts.keys() == {"minutes_heard"}


def test_characters_count_where_a_model_only_speaks(gateway: LocalGateway) -> None:
    address = "workers-ai:@cf/deepgram/aura-2-en"
    with aigw.connect(address, gateway=gateway, quiet=True, max_cost=0.03 / 1_000 * 15) as session:
        assert session.ask("x" * 10).status == "completed" and not session.limit_reached
        session.ask("y" * 10)
    assert session.cost.list_usd == pytest.approx(0.03 / 1_000 * 20) and session.limit_reached


# --------------------------------------------------------------------------------------------------- what is not known


def test_a_limit_that_cannot_be_kept_is_refused_before_anything_opens(gateway: LocalGateway) -> None:
    with pytest.raises(aigw.ConfigurationError, match=r"price of elevenlabs .* aigw.prices\(\{\('elevenlabs', ''\)"):
        aigw.connect("elevenlabs", gateway=gateway, max_cost=1)
    assert aigw.connect("elevenlabs", gateway=gateway)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "0.5"])
def test_a_limit_is_an_amount(value: Any) -> None:
    with pytest.raises(aigw.ConfigurationError, match="max_cost is .*: give the US dollars"):
        aigw.connect("openai", max_cost=value)


def test_a_cost_that_stays_unknown_ends_the_session_and_says_so(gateway: LocalGateway) -> None:
    """Spoken answers have no rate here."""
    aigw.prices({("openai", "gpt-realtime-2.1"): aigw.Price({"input_text": 1.0, "output_text": 1.0})})
    with aigw.connect("openai", gateway=gateway, quiet=True, max_cost=5) as session:
        assert session.ask("Count to three.").status == "completed"
        with pytest.raises(aigw.SessionEnded, match=r"turn of the session cost is not known.*max_cost of \$5.00"):
            session.ask("And on.")


def test_no_question_is_taken_while_the_limit_closes_the_session(gateway: LocalGateway) -> None:
    """This provider greets by itself, and tells no tokens: the question comes while the greeting is being spoken."""
    aigw.prices({("elevenlabs", ""): aigw.Price({"output_audio": 1.0})})
    with aigw.connect("elevenlabs", gateway=gateway, quiet=True, max_cost=5) as session:
        with pytest.raises(aigw.SessionEnded, match="max_cost"):
            session.ask("Count to three.")
        assert [row["role"] for row in session.records if row["role"] == "user"] == []


def spending(max_cost: float | None, *, model: str = "m1") -> tuple[Spending, Transcript, list[str]]:
    """A session's spending without the session: its transcript, and what was done."""
    done: list[str] = []
    transcript = Transcript(session_id="s1", provider="acme", model=model)

    async def settled(turn: aigw.Turn) -> None:
        done.append(f"settled {turn.number}")

    async def close() -> None:
        done.append("closed")

    life: Any = Lifetime.__new__(Lifetime)
    return Spending(transcript, life, max_cost, settled, close), transcript, done


def test_the_model_that_answers_is_the_one_that_is_priced() -> None:
    """A provider may open another model than it was asked for."""
    aigw.prices({("acme", "m1"): aigw.Price({"input_text": 1.0})})
    spent, transcript, _ = spending(1.0)
    spent.check()
    transcript.noted(0.0, model="m1-2026-11-22")
    with pytest.raises(aigw.ConfigurationError, match="price of acme m1-2026-11-22 is not known"):
        spent.check()


def test_an_answer_that_was_stopped_is_judged_once_its_tokens_are_told() -> None:
    aigw.prices({("acme", "m1"): aigw.Price({"input_text": 1.0, "output_text": 1.0})})

    async def play(usage: events.Usage | None) -> tuple[list[str], str | None]:
        spent, told, done = spending(1.0)
        turn = told.start_turn(0.0)
        told.receive(events.ResponseStarted(response_id="r"), 1.0)
        told.receive(events.TextDelta(text="Yes", response_id="r", item_id="i"), 2.0)
        told.finish_turn(turn, "cancelled", 3.0)
        spent(events.TurnFinished(turn=1, status="cancelled"))
        assert (done, spent.reason) == ([], None)
        late = events.ResponseDone(response_id="r", status="cancelled", usage=usage)
        told.receive(late, 4.0)
        spent(late)
        await spent.over()
        return done, spent.reason

    much, little = events.Usage(input_text_tokens=2_000_000), events.Usage(input_text_tokens=2)
    done, reason = asyncio.run(play(much))
    assert done == ["settled 1", "closed"] and reason == "the session has cost $2.00, more than its max_cost of $1.00"
    assert asyncio.run(play(little)) == ([], None)
    done, reason = asyncio.run(play(None))
    assert done == ["settled 1", "closed"] and reason is not None and "not known" in reason


def test_a_session_that_its_caller_closes_has_not_reached_its_limit() -> None:
    """Its running turn ends with it, and may have cost more than was allowed."""
    aigw.prices({("acme", "m1"): aigw.Price(per_1000_characters=1.0)})

    async def play() -> tuple[list[str], str | None]:
        spent, told, done = spending(0.5)
        turn = told.start_turn(0.0)
        told.user_said("x" * 1_000, 0.0)
        await spent.stop()
        told.finish_turn(turn, "cancelled", 1.0)
        spent(events.TurnFinished(turn=1, status="cancelled"))
        await spent.over()
        return done, spent.reason

    assert asyncio.run(play()) == ([], None)


@pytest.mark.parametrize(
    ("characters", "max_cost", "words"),
    [
        (1_002, 1, "$1.002, more than its max_cost of $1.00"),
        (500_000, 0.125, "$500.00, more than its max_cost of $0.125"),
        (1, 0.0000005, "$0.001, more than its max_cost of $0.0000005"),
    ],
)
def test_amounts_are_told_to_the_digit_that_matters(characters: int, max_cost: float, words: str) -> None:
    aigw.prices({("acme", "m1"): aigw.Price(per_1000_characters=1.0)})

    async def play() -> str | None:
        spent, told, _ = spending(max_cost)
        turn = told.start_turn(0.0)
        told.user_said("x" * characters, 0.0)
        told.finish_turn(turn, "completed", 1.0)
        spent(events.TurnFinished(turn=1, status="completed"))
        await spent.over()
        return spent.reason

    assert asyncio.run(play()) == f"the session has cost {words}"


def test_without_a_limit_nothing_is_watched() -> None:
    spent, _, _ = spending(None, model="nobody")
    sinks = Sinks()
    spent.watch(sinks)
    assert sinks._sinks == () and spent.reason is None
    check_max_cost("acme", "nobody", None)
