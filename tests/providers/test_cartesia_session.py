"""Our own sessions with Cartesia, through real sockets to the embedded gateway."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.audio.formats import ULAW_8K
from aigw_notebook.errors import Unsupported
from aigw_notebook.events import AppendText, AudioDelta, CreateResponse, ResponseDone
from aigw_notebook.gateway.emulators.base import Pace
from tests.speech import understood_clip

pytestmark = pytest.mark.sessions


def connect(gateway: aigw.LocalGateway, **settings: Any) -> Any:
    return aigw.connect("cartesia", gateway=gateway, quiet=True, **settings)


def weather(city: str) -> str:
    """The weather in a city."""
    return city


def test_it_says_what_it_is_given(gateway: aigw.LocalGateway) -> None:
    with connect(gateway) as session:
        turn = session.ask("Hello out there.")
        assert turn.status == "completed" and turn.text == "Hello out there."
        assert turn.audio.sample_rate == 24_000 and understood_clip(turn.audio) == "hello out there."
        assert [word for timing in turn.timings for word in timing.words] == ["Hello", "out", "there."]
        assert turn.timings[-1].end_ms[-1] == pytest.approx(turn.audio.duration_ms, abs=1)
        user, spoken = turn.records
        assert (user["role"], user["text"]) == ("user", "Hello out there.")
        assert (spoken["role"], spoken["kind"], spoken["status"]) == ("assistant", "audio", "completed")
        assert spoken["model"] == "sonic-3.5" and spoken["audio_ms"] == pytest.approx(turn.audio.duration_ms)
        assert spoken["response_id"].startswith("ctx_")
        assert session.ask("And once more.").text == "And once more."
        assert [turn.number for turn in session.turns] == [1, 2]


def test_settings_reach_the_wire_and_can_be_changed(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, model="sonic-3", voice="v", output_format=ULAW_8K, speed=1.5) as session:
        fast = session.ask("Ten letters.")
        assert fast.audio.format == ULAW_8K and fast.audio.duration_ms == pytest.approx(12 * 65 / 1.5, rel=0.01)
        session.update(speed=1.0)
        assert understood_clip(session.ask("Ten letters.").audio) == "ten letters."


def test_words_are_spoken_while_more_come(gateway: aigw.LocalGateway) -> None:
    with connect(gateway) as session:
        session.send(AppendText(text="A sentence of its own. "))
        deadline = time.monotonic() + 5
        while not session.turns or not session.turns[0].audio:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        session.send(AppendText(text="And the rest."))
        session.send(CreateResponse())
        turn = session.next_turn(timeout_s=10)
        assert turn.text == "A sentence of its own. And the rest."
        assert understood_clip(turn.audio) == "a sentence of its own.and the rest."


def test_a_refused_request_fails_the_turn_and_the_session_goes_on(gateway: aigw.LocalGateway) -> None:
    with connect(gateway) as session:
        session.update(voice="unknown")
        failed = session.ask("Hello.")
        assert failed.status == "failed" and "Voice not found" in failed.error
        assert failed.records[-1]["error_code"] == "voice_not_found"
        session.update(voice="known")
        assert session.ask("Hello.").status == "completed"


@pytest.mark.parametrize("version", ["2024-06-10", "2025-11-04", "2026-08-14"])
def test_every_version(gateway: aigw.LocalGateway, version: str) -> None:
    with connect(gateway, options={"cartesia_version": version}) as session:
        assert understood_clip(session.ask("Hello.").audio) == "hello."
        session.update(model="sonic-unknown")
        assert "Invalid model" in session.ask("Hello.").error


def test_interrupting_cancels_the_context() -> None:
    async def talk(slow: aigw.LocalGateway) -> None:
        async with connect(slow) as session:
            events = session.events()
            asking = asyncio.create_task(session.ask("A very long answer that nobody wants to hear to its end."))
            await heard(events, AudioDelta)
            await session.interrupt(played_ms=50)
            assert (await asking).status == "interrupted"
            cancelled = await heard(events, ResponseDone)
            assert cancelled.status == "cancelled" and cancelled.reason == "client_cancelled"
            assert (await session.ask("Next.")).text == "Next."

    with aigw.LocalGateway(pace=Pace(first_token_ms=0, audio_speed=2)) as slow:
        asyncio.run(talk(slow))


async def heard(events: Any, kind: type) -> Any:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the session is over")


@pytest.mark.parametrize(
    "wish", [{"instructions": "x"}, {"tools": [weather]}, {"modalities": "text"}, {"temperature": 1}]
)
def test_what_it_lacks_is_refused_before_anything_opens(gateway: aigw.LocalGateway, wish: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="Cartesia"):
        connect(gateway, **wish)
    assert gateway.counters["connections"] == 0


def test_it_does_not_listen(gateway: aigw.LocalGateway) -> None:
    with connect(gateway) as session:
        with pytest.raises(Unsupported, match="spoken input"):
            session.ask(audio=aigw.Clip(b"\0\0" * 100, aigw.AudioFormat()))
        with pytest.raises(Unsupported, match="outside the conversation"):
            session.ask("Hello.", out_of_band=True)
        assert session.ask("Hello.").status == "completed"
