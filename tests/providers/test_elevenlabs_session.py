"""Our own sessions with an agent, and with streamed speech, through real sockets to the embedded gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.audio.formats import ULAW_8K
from aigw_notebook.errors import SessionEnded, Unsupported, UpstreamRefused
from aigw_notebook.events import (
    AppendText,
    AudioDelta,
    CreateResponse,
    InputTranscript,
    OutputCorrected,
    ProviderMessage,
    RawEvent,
    ResponseDone,
)
from aigw_notebook.gateway.emulators.base import Pace
from tests.speech import spoken_clip, understood_clip

pytestmark = pytest.mark.sessions

NO_GREETING: dict[str, Any] = {"conversation_config_override": {"agent": {"first_message": ""}}}


def connect(gateway: aigw.LocalGateway, name: str = "elevenlabs", **settings: Any) -> Any:
    if name == "elevenlabs":
        settings.setdefault("options", NO_GREETING)
    return aigw.connect(name, gateway=gateway, quiet=True, **settings)


def weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: The city's name
    """
    return f"sunny in {city}"


async def heard(events: Any, kind: type) -> Any:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the session is over")


# ------------------------------------------------------------------------------------------------------- the agent


def test_a_written_question_is_answered_aloud(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, model="agent_1") as session:
        turn = session.ask("What is 2 plus 3?")
        assert turn.status == "completed" and turn.text == "2 + 3 is 5."
        assert turn.audio.sample_rate == 16_000 and understood_clip(turn.audio) == "2 + 3 is 5."
        assert "".join(letter for timing in turn.timings for letter in timing.words) == turn.text
        assert turn.timings[-1].end_ms[-1] == pytest.approx(turn.audio.duration_ms, abs=2)
        user, answer = turn.records
        assert (user["role"], user["text"]) == ("user", "What is 2 plus 3?")
        assert (answer["kind"], answer["status"], answer["model"]) == ("audio", "completed", "agent_1")
        assert "51" in session.ask("And what is 17 times 3?").text


def test_the_greeting_is_a_turn_of_its_own_and_the_question_waits_for_its_end(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, options={}) as session:
        turn = session.ask("What is 2 plus 3?")
        greeting = session.next_turn(timeout_s=5)
        assert (greeting.number, greeting.text) == (1, "Hello! How can I help you?")
        assert (turn.number, turn.text) == (2, "2 + 3 is 5.")


def test_a_spoken_question(gateway: aigw.LocalGateway) -> None:
    with connect(gateway) as session:
        clip = spoken_clip("what is 2 plus 3")
        turn = session.ask(audio=clip)
        assert turn.user_text == "what is 2 plus 3" and turn.text == "2 + 3 is 5."
        user, answer = turn.records
        assert (user["kind"], user["status"]) == ("audio", "completed")
        assert user["audio_ms"] == pytest.approx(clip.duration_ms, abs=2)
        assert answer["kind"] == "audio" and session.audio(user["audio_ref"]).sample_rate == 16_000


def test_a_microphone(gateway: aigw.LocalGateway) -> None:
    with connect(gateway) as session:
        data = spoken_clip("what is 2 plus 3", 16_000).data + bytes(32_000)
        for start in range(0, len(data), 3_200):
            session.send_audio(data[start : start + 3_200])
        turn = session.next_turn(timeout_s=10)
        assert turn.user_text == "what is 2 plus 3" and turn.text == "2 + 3 is 5."
        assert [row["role"] for row in turn.records] == ["user", "assistant"]
        assert turn.records[0]["audio_ms"] > 1_000


def test_a_tool(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, tools=[weather]) as session:
        turn = session.ask("What is the weather in Lisbon?")
        (use,) = turn.tool_calls
        assert use.name == "weather" and use.output == "sunny in Lisbon" and use.error is None
        assert "sunny in Lisbon" in turn.text
        assert [row["kind"] for row in turn.records] == ["text", "tool_call", "tool_result", "audio"]
        assert session.ask("What is 2 plus 3?").text == "2 + 3 is 5."


def test_several_tools_at_once(gateway: aigw.LocalGateway) -> None:
    def get_local_time(city: str) -> str:
        """Tell the local time of a city."""
        return f"noon in {city}"

    with connect(gateway, tools=[weather, get_local_time]) as session:
        turn = session.ask("What is the weather in Lisbon and the local time in Tokyo?")
        assert {use.output for use in turn.tool_calls} == {"sunny in Lisbon", "noon in Tokyo"}
        assert turn.status == "completed" and "noon in Tokyo" in turn.text


def test_a_conversation_in_writing(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, modalities="text") as session:
        turn = session.ask("What is 17 times 3?")
        assert "51" in turn.text and turn.audio is None and turn.records[-1]["kind"] == "text"


def test_instructions_and_other_settings_reach_the_agent(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, instructions='Reply exactly: "Yes."', voice="v", speed=1.2) as session:
        turn = session.ask("Anything?")
        assert turn.text == "Yes." and turn.audio.duration_ms == pytest.approx(4 * 65 / 1.2, abs=3)
        session.send(AppendText(text="The user reads page 3.", role="system"))
        session.send(ProviderMessage(message={"type": "user_activity"}))
        assert session.ask("Anything?").text == "Yes."


def test_interrupting_ends_the_turn_here() -> None:
    async def talk(slow: aigw.LocalGateway) -> None:
        async with connect(slow) as session:
            events = session.events()
            asking = asyncio.create_task(session.ask("Say: one two three four five six seven eight"))
            await heard(events, AudioDelta)
            await session.interrupt(played_ms=50)
            turn = await asking
            assert turn.status == "interrupted" and turn.records[1]["heard_ms"] == 50
            assert (await session.ask("What is 2 plus 3?")).text == "2 + 3 is 5."

    with aigw.LocalGateway(pace=Pace(first_token_ms=0, audio_speed=4)) as slow:
        asyncio.run(talk(slow))


def test_speaking_in_mid_answer_interrupts_the_agent() -> None:
    async def talk(slow: aigw.LocalGateway) -> None:
        async with connect(slow) as session:
            events = session.events()
            asking = asyncio.create_task(session.ask("Say: one two three four five six seven eight nine ten"))
            await heard(events, AudioDelta)
            data = spoken_clip("what is 2 plus 3", 16_000).data + bytes(32_000)
            for start in range(0, len(data), 3_200):
                await session.send_audio(data[start : start + 3_200])
            done = await heard(events, ResponseDone)
            assert done.reason == "turn_detected"
            corrected = await heard(events, OutputCorrected)
            assert (await heard(events, InputTranscript)).item_id is not None
            assert (await asking).status == "interrupted"
            assert (await asking).records[1]["heard_text"] == corrected.text
            answer = await session.next_turn(timeout_s=10)
            assert answer.user_text == "what is 2 plus 3" and answer.text == "2 + 3 is 5."

    with aigw.LocalGateway(pace=Pace(first_token_ms=0, audio_speed=1)) as slow:
        asyncio.run(talk(slow))


def test_a_refused_opening_says_why(gateway: aigw.LocalGateway) -> None:
    with pytest.raises((UpstreamRefused, SessionEnded), match="Override for field voice_id is not allowed"):
        connect(gateway, model="agent_locked", voice="v", options={}).open()
    with pytest.raises((UpstreamRefused, SessionEnded, aigw.errors.Unauthorized), match="does not exist"):
        connect(gateway, model="agent_unknown").open()


@pytest.mark.parametrize("auth", ["header", "subprotocol"])
def test_a_private_agent_takes_the_key_in_either_form(gateway: aigw.LocalGateway, auth: Any) -> None:
    address = aigw.Gateway.from_url(gateway.url, token=gateway.token)
    settings: dict[str, Any] = {"options": NO_GREETING, "quiet": True, "gateway": address, "auth": auth}
    with aigw.connect("elevenlabs", model="agent_private", api_key="xi-key", **settings) as session:
        assert session.ask("What is 2 plus 3?").text == "2 + 3 is 5."


@pytest.mark.parametrize("wish", [{"temperature": 1}, {"turn_detection": "manual"}, {"max_output_tokens": 5}])
def test_what_it_lacks_is_refused_before_anything_opens(gateway: aigw.LocalGateway, wish: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="ElevenLabs"):
        connect(gateway, **wish)
    assert gateway.counters["connections"] == 0


# --------------------------------------------------------------------------------------------------- text to speech


@pytest.mark.parametrize("model", ["tts", "tts/v1", "eleven_flash_v2_5"])
def test_streamed_speech_says_what_it_is_given(gateway: aigw.LocalGateway, model: str) -> None:
    with connect(gateway, f"elevenlabs:{model}") as session:
        for words in ("Hello out there.", "And once more."):
            turn = session.ask(words)
            assert turn.status == "completed" and turn.text == words
            assert turn.audio.sample_rate == 24_000 and understood_clip(turn.audio) == words.lower()
            assert "".join(letter for timing in turn.timings for letter in timing.words) == f"{words} "
            assert [row["role"] for row in turn.records] == ["user", "assistant"]


def test_words_are_spoken_while_more_come(gateway: aigw.LocalGateway) -> None:
    async def talk() -> None:
        async with connect(gateway, "elevenlabs:tts", options={"auto_mode": True}) as session:
            events = session.events()
            await session.send(AppendText(text="A sentence of its own. "))
            await heard(events, AudioDelta)
            await session.send(AppendText(text="And the rest."))
            await session.send(CreateResponse())
            turn = await session.next_turn(timeout_s=10)
            assert turn.text == "A sentence of its own. And the rest." and turn.audio.duration_ms > 2_000

    asyncio.run(talk())


def test_a_socket_for_one_answer(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, "elevenlabs:tts-stream", output_format=ULAW_8K, voice="v1") as session:
        turn = session.ask("Hello out there.")
        assert turn.status == "completed" and turn.audio.format == ULAW_8K
        assert understood_clip(turn.audio) == "hello out there."
        with pytest.raises((SessionEnded, Unsupported), match="connect"):
            session.ask("Hello again.")


def test_a_voice_that_is_not_there_fails_the_turn(gateway: aigw.LocalGateway) -> None:
    with connect(gateway, "elevenlabs:tts/unknown") as session:
        with pytest.raises(SessionEnded, match="voice_id") as lost:
            for _ in range(2):
                turn = session.ask("Hello.")
                assert turn.status == "failed" and "unknown does not exist" in turn.error
        assert lost.value.close_code == 1008
        assert not [row for row in session.records if row["kind"] == RawEvent.__name__]
