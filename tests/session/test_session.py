"""The session around its turns: settings, events, both faces, closing, and the gateway it finds by itself."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import aigw_notebook as aigw
from aigw_notebook.errors import ConfigurationError, SessionEnded, Unsupported
from aigw_notebook.events import ItemRetrieved, RateLimits, RetrieveItem, SessionClosed, TextDelta, TurnStarted
from tests.session.conftest import connect
from tests.speech import spoken_clip

pytestmark = pytest.mark.sessions


def test_out_of_band_leaves_no_trace_in_the_conversation(fast: aigw.LocalGateway) -> None:
    with connect(fast, modalities="text") as session:
        session.ask("My name is Ada.")
        aside = session.ask("What is 6 times 7?", out_of_band=True)
        assert aside.status == "completed" and aside.text
        assert all(row["out_of_band"] for row in aside.records)
        assert "name is Ada" in session.ask("What did I just say?").text


def test_settings_can_change_while_it_runs(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session:
        assert session.ask("What is 1 plus 1?").audio is not None
        session.update(modalities=("text",))
        assert session.ask("What is 1 plus 1?").audio is None
        assert session.settings.modalities == ("text",)
        with pytest.raises(ConfigurationError, match="unknown setting in shoe_size"):
            session.update(shoe_size=43)
        with pytest.raises(Unsupported, match="temperature"):
            session.update(temperature=0.5)
        assert session.settings.temperature is None


def test_any_client_event_can_be_sent(fast: aigw.LocalGateway) -> None:
    got = threading.Event()
    items = []

    def sink(event) -> None:
        if isinstance(event, ItemRetrieved):
            items.append(event)
            got.set()

    with connect(fast) as session:
        session.core.add_sink(sink)
        turn = session.ask("Say hello.")
        session.send(RetrieveItem(item_id=turn.records[1]["item_id"]))
        assert got.wait(5)
    assert items[0].item["role"] == "assistant"


def test_events_of_the_blocking_face(fast: aigw.LocalGateway) -> None:
    with connect(fast, modalities="text") as session:
        stream = session.events()
        session.ask("What is 1 plus 1?")
        seen = []
        for event in stream:
            seen.append(type(event))
            if isinstance(event, RateLimits):
                break
        assert TextDelta in seen and seen[0] is TurnStarted


def test_events_of_the_async_face_end_with_the_session(fast: aigw.LocalGateway) -> None:
    async def main() -> list[type]:
        async with connect(fast, modalities="text") as session:
            seen: list[type] = []
            stream = session.events()

            async def read() -> None:
                async for event in stream:
                    seen.append(type(event))

            reader = asyncio.create_task(read())
            turn = await session.ask("What is 1 plus 1?")
            assert "2" in turn.text
            await session.close()
            await asyncio.wait_for(reader, 5)
            return seen

    seen = asyncio.run(main())
    assert TextDelta in seen and seen[-1] is SessionClosed


def test_await_connect_gives_the_async_session(fast: aigw.LocalGateway) -> None:
    async def main() -> str:
        session = await connect(fast, modalities="text")
        try:
            return (await session.ask("What is 1 plus 1?")).text
        finally:
            await session.close()

    assert "2" in asyncio.run(main())


def test_close_keeps_the_records_and_ends_everything(fast: aigw.LocalGateway) -> None:
    session = connect(fast, modalities="text").open()
    session.ask("What is 1 plus 1?")
    session.close()
    session.close()
    assert session.closed and len(session.records) == 3 and session.records[-1]["kind"] == "closed"
    with pytest.raises(SessionEnded, match="connect"):
        session.ask("hello?")


def test_close_in_mid_turn_keeps_the_partial_turn(slow: aigw.LocalGateway) -> None:
    begun = threading.Event()
    session = connect(slow, modalities="text").open()
    session.core.add_sink(lambda event: begun.set() if isinstance(event, TextDelta) else None)
    outcome: list[BaseException | aigw.Turn] = []

    def ask() -> None:
        try:
            outcome.append(session.ask("Tell me a story."))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(10)
    session.close()
    thread.join(10)
    assert session.turns[0].status == "cancelled" and session.turns[0].text
    assert len(outcome) == 1


def test_two_sessions_at_once_do_not_disturb_each_other(fast: aigw.LocalGateway) -> None:
    with connect(fast, modalities="text") as one, connect(fast, modalities="text") as two:
        answers: dict[str, str] = {}
        threads = [
            threading.Thread(target=lambda s=s, q=q: answers.update({q: s.ask(f"What is {q} plus 1?").text}))
            for s, q in ((one, "10"), (two, "20"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert "11" in answers["10"] and "21" in answers["20"]


def test_records_make_a_dataframe(fast: aigw.LocalGateway) -> None:
    import pandas as pd

    with connect(fast) as session:
        session.ask("What is 1 plus 1?")
        frame = pd.DataFrame(session.records)
        assert list(frame["role"]) == ["user", "assistant"]
        assert pd.to_datetime(frame["started_at"]).dt.tz is not None


def test_the_embedded_gateway_is_used_without_any_setting(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = aigw.embedded_gateway()
    try:
        with aigw.connect("openai", modalities="text") as session:
            assert session.ask("What is 1 plus 1?").status == "completed"
        out = capsys.readouterr().out
        assert "embedded gateway" in out and "no key" in out and out.count("\n") == 1
        assert gateway.token not in out
    finally:
        gateway.stop()


def test_a_closed_session_is_held_by_nobody(fast: aigw.LocalGateway) -> None:
    from aigw_notebook.portal import portal

    before = len(portal()._closers)
    with connect(fast, modalities="text") as session:
        session.ask("What is 1 plus 1?")
        assert len(portal()._closers) == before + 1
    assert len(portal()._closers) == before


def test_an_audio_stream_that_raises_leaves_the_session_as_it_was(fast: aigw.LocalGateway) -> None:
    """Half an utterance is thrown away, and the provider ends the user's turns again."""

    def broken(data: bytes):
        yield data
        raise OSError("the microphone was unplugged")

    with connect(fast) as session:
        with pytest.raises(OSError, match="unplugged"):
            session.ask(audio=broken(spoken_clip("what is").data))
        assert session.turns[0].status == "failed"
        assert session.ask(audio=spoken_clip("what is 2 plus 3")).user_text == "what is 2 plus 3"
        data = spoken_clip("what is 4 plus 5").data + bytes(48_000)
        for start in range(0, len(data), 1920):
            session.send_audio(data[start : start + 1920])
        turn = session.next_turn(timeout_s=10)
        while turn.status != "completed":
            turn = session.next_turn(timeout_s=10)
        assert "9" in turn.text


@pytest.mark.parametrize("question", [b"x", 5, ["a"]])
def test_a_question_that_is_no_text(fast: aigw.LocalGateway, question: object) -> None:
    with connect(fast, modalities="text") as session:
        with pytest.raises(ConfigurationError, match="must be text"):
            session.ask(question)
        assert session.records == []


@pytest.mark.parametrize("audio", [np.zeros(0, np.float32), iter([]), iter([b""])])
def test_audio_without_sound_is_no_question(fast: aigw.LocalGateway, audio: object) -> None:
    with connect(fast) as session:
        with pytest.raises(ConfigurationError, match="empty"):
            session.ask(audio=audio, sample_rate=24_000 if isinstance(audio, np.ndarray) else None)
        assert session.ask("What is 1 plus 1?").text


def test_commit_without_sound_is_refused_here(fast: aigw.LocalGateway) -> None:
    with connect(fast, turn_detection="manual") as session:
        with pytest.raises(ConfigurationError, match="send_audio first"):
            session.commit()
        session.send_audio(spoken_clip("what is 2 plus 3").data)
        session.commit()
        assert "5" in session.next_turn(timeout_s=10).text
        with pytest.raises(ConfigurationError, match="send_audio first"):
            session.commit()


def test_a_wait_must_be_a_wait(fast: aigw.LocalGateway) -> None:
    with connect(fast) as session, pytest.raises(ConfigurationError, match="above zero"):
        session.ask("hello", timeout_s=-1)


def test_errors_and_events_are_at_hand() -> None:
    assert aigw.SessionBusy is aigw.errors.SessionBusy and issubclass(aigw.SessionBusy, aigw.AigwError)
    assert aigw.events.TextDelta is TextDelta
    assert set(aigw.__all__) == set(dir(aigw))
