"""The official SDK, unmodified, in conversations with the embedded gateway. `conftest.frames` judges every frame."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from openai import OpenAI
from openai.types import realtime

from aigw_notebook.audio import AudioFormat, Clip
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests.sdk.calling import (
    MODEL,
    call,
    deltas,
    every,
    letters,
    on_a_loop,
    one,
    options,
    sound,
    spoken,
    types,
    understood,
)

pytestmark = pytest.mark.sdk

TEXT_LADDER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Tell the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK: dict[str, Any] = {
    "type": "function",
    "name": "get_local_time",
    "description": "Tell the local time of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
SLOW = Pace(first_token_ms=0, text_delta_ms=1_000, audio_speed=0.5)
"""So slow that what the client says while an answer runs comes while it runs."""


@pytest.fixture
def slow_gateway() -> Any:
    with LocalGateway(pace=SLOW) as running:
        yield running


# ------------------------------------------------------------------------------------------------------ written turns


@on_a_loop
async def test_a_text_turn(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        assert client.created.session.model == MODEL and client.created.session.output_modalities == ["audio"]
        updated = await client.configure(output_modalities=["text"], instructions="Be kind.")
        assert updated.session.output_modalities == ["text"] and updated.session.instructions == "Be kind."
        asked = await client.say({"type": "input_text", "text": "What is 17 times 3?"})
        await client.sdk.response.create()
        events = await client.answer()
        assert types(events) == TEXT_LADDER
        text = deltas(events, "response.output_text.delta")
        assert "51" in text and one(events, "response.output_text.done").text == text
        assert one(events, "response.content_part.done").part.text == text
        done = one(events, "response.done").response
        assert isinstance(done, realtime.RealtimeResponse) and done.status == "completed"
        assert done.output[0].content[0].text == text and done.conversation_id.startswith("conv_")
        assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens > 0
        assert one(events, "conversation.item.added").previous_item_id == asked
        ids = [event.event_id for event in client.heard]
        assert len(set(ids)) == len(ids)


@pytest.mark.filterwarnings(
    "ignore:connect.. must be used as a context manager:DeprecationWarning"
)  # the SDK's use of it
def test_a_text_turn_of_the_waiting_client(gateway: LocalGateway) -> None:
    with OpenAI(**options(gateway)) as sdk, sdk.realtime.connect(model=MODEL) as connection:
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        part = {"type": "input_text", "text": "What is 17 times 3?"}
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})  # type: ignore[typeddict-item]
        connection.response.create()
        heard = []
        for event in connection:
            heard.append(event)
            if event.type == "rate_limits.updated":
                break
        opening = ["session.created", "session.updated", "conversation.item.added", "conversation.item.done"]
        assert types(heard) == opening + TEXT_LADDER
        assert "51" in deltas(heard, "response.output_text.delta")


@pytest.mark.parametrize("key", ["openai-insecure-api-key.sk-local", "openai-insecure-api-key.ek_local"])
@on_a_loop
async def test_credentials_as_subprotocols(gateway: LocalGateway, key: str) -> None:
    offered = ["realtime", key, f"cf-aig-authorization.{gateway.token}"]
    connecting = {"websocket_connection_options": {"subprotocols": offered}}
    async with call(gateway, client={"default_headers": {"Authorization": ""}}, **connecting) as client:
        assert client.sdk._connection.subprotocol == "realtime"
        assert "4" in deltas(
            await client.ask("What is 2 plus 2?", output_modalities=["text"]), "response.output_text.delta"
        )


@on_a_loop
async def test_an_http_base_url_and_more_parameters(gateway: LocalGateway) -> None:
    base = {"websocket_base_url": None, "base_url": f"{gateway.url.replace('ws:', 'http:')}/openai"}
    async with call(gateway, client=base, extra_query={"trace": "1"}, extra_headers={"X-Other": "1"}) as client:
        assert one(await client.ask("Hello"), "response.done").response.status == "completed"


@on_a_loop
async def test_the_handlers_of_dispatch_events_are_called(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        seen: list[str] = []

        async def close(event: Any) -> None:
            seen.append(event.type)
            await client.sdk.close()

        client.sdk.on("response.output_text.done", lambda event: seen.append(event.text))
        client.sdk.on("rate_limits.updated", close)
        await client.configure(output_modalities=["text"])
        await client.say({"type": "input_text", "text": "Say hello world"})
        await client.sdk.response.create()
        await client.sdk.dispatch_events()
        assert [letters(text) for text in seen] == ["helloworld", "ratelimitsupdated"]


# ------------------------------------------------------------------------------------------------------- spoken turns


@on_a_loop
async def test_an_audio_turn_says_what_its_transcript_says(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        events = await client.ask("What is the capital of Portugal?")
        transcript = deltas(events, "response.output_audio_transcript.delta")
        assert "Lisbon" in transcript
        assert one(events, "response.output_audio_transcript.done").transcript == transcript
        assert one(events, "response.content_part.done").part.transcript == transcript
        first = next(event.type for event in events if event.type.startswith("response.output_audio"))
        assert first == "response.output_audio_transcript.delta"
        wav = Clip(sound(events), AudioFormat("pcm16", 24_000)).to_wav()
        assert understood(Clip.from_any(wav).data) == letters(transcript)
        done = one(events, "response.done").response
        assert done.usage.output_token_details.audio_tokens > 0
        assert done.audio.output.voice == "alloy" and done.audio.output.format.type == "audio/pcm"


@on_a_loop
async def test_a_voice_turn_that_the_server_ends(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
        await client.stream(bytes(48 * 200) + spoken("what is 2 plus 2?", silence_ms=400))
        events = await client.until("conversation.item.input_audio_transcription.completed")
        events += await client.answer() if not every(events, "rate_limits.updated") else []
        assert types(events)[:6] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ]
        started, stopped, committed, added = events[:4]
        assert started.item_id == stopped.item_id == committed.item_id == added.item.id
        assert 0 <= started.audio_start_ms < 200 < stopped.audio_end_ms
        assert added.item.content[0].type == "input_audio" and added.item.content[0].transcript is None
        completed = one(events, "conversation.item.input_audio_transcription.completed")
        assert (completed.item_id, completed.content_index) == (started.item_id, 0)
        assert letters(completed.transcript) == "whatis2plus2" and completed.usage.type == "tokens"
        words = deltas(events, "conversation.item.input_audio_transcription.delta")
        assert words.strip() == completed.transcript
        assert "4" in deltas(events, "response.output_audio_transcript.delta")


@on_a_loop
async def test_push_to_talk(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(audio={"input": {"turn_detection": None}}, output_modalities=["text"])
        await client.stream(spoken("what is 3 plus 4?"))
        await client.sdk.input_audio_buffer.commit()
        events = await client.until("conversation.item.done")
        assert types(events) == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
        await client.sdk.response.create()
        events = await client.answer()
        assert types(events) == TEXT_LADDER and "7" in deltas(events, "response.output_text.delta")
        await client.stream(spoken("this is not meant"))
        await client.sdk.input_audio_buffer.clear()
        assert types(await client.until("input_audio_buffer.cleared")) == ["input_audio_buffer.cleared"]


@pytest.mark.parametrize("declared", ["audio/pcmu", "audio/pcma"])
@on_a_loop
async def test_telephone_audio_out(gateway: LocalGateway, declared: str) -> None:
    async with call(gateway) as client:
        await client.configure(audio={"output": {"format": {"type": declared}}})
        events = await client.ask("Say hello")
        said_in = AudioFormat("ulaw" if declared == "audio/pcmu" else "alaw", 8_000)
        heard = Clip(sound(events), said_in).converted(AudioFormat("pcm16", 24_000))
        assert understood(heard.data) == "hello"


@on_a_loop
async def test_the_user_interrupts_by_speaking(slow_gateway: LocalGateway) -> None:
    async with call(slow_gateway) as client:
        await client.say({"type": "input_text", "text": "Tell me a story"})
        await client.sdk.response.create()
        first = (await client.until("response.output_audio.delta"))[-1]
        await client.stream(spoken("stop"))
        events = await client.until("response.done")
        assert one(events, "input_audio_buffer.speech_started").item_id
        done = one(events, "response.done").response
        assert (done.status, done.status_details.reason) == ("cancelled", "turn_detected")
        assert done.output[0].id == first.item_id and done.output[0].status == "incomplete"


# ------------------------------------------------------------------------------------------------------------- tools


@on_a_loop
async def test_a_function_call_with_its_output(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(output_modalities=["text"], tools=[WEATHER], tool_choice="auto")
        events = await client.ask("What is the weather in Lisbon?")
        assert types(events) == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        finished = one(events, "response.function_call_arguments.done")
        assert (finished.name, json.loads(finished.arguments)) == ("get_weather", {"city": "Lisbon"})
        assert deltas(events, "response.function_call_arguments.delta") == finished.arguments
        item = one(events, "response.output_item.done").item
        assert isinstance(item, realtime.RealtimeConversationItemFunctionCall)
        assert (item.status, item.call_id, item.arguments) == ("completed", finished.call_id, finished.arguments)
        output = {"type": "function_call_output", "call_id": item.call_id, "output": '{"sky":"sunny"}'}
        await client.sdk.conversation.item.create(item=output)  # type: ignore[arg-type]
        assert (await client.until("conversation.item.done"))[-1].item.call_id == item.call_id
        await client.sdk.response.create()
        assert "sunny" in deltas(await client.answer(), "response.output_text.delta")


@on_a_loop
async def test_parallel_calls(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        tools = [WEATHER, CLOCK]
        await client.configure(output_modalities=["text"], tools=tools, parallel_tool_calls=True)
        events = await client.ask("What is the weather in Lisbon, and what is the local time in Porto?")
        calls = one(events, "response.done").response.output
        assert [(made.name, json.loads(made.arguments)) for made in calls] == [
            ("get_weather", {"city": "Lisbon"}),
            ("get_local_time", {"city": "Porto"}),
        ]
        assert [event.output_index for event in every(events, "response.output_item.done")] == [0, 1]
        assert len({made.call_id for made in calls}) == 2
        for made, output in zip(calls, ('{"sky":"grey"}', '{"time":"noon"}'), strict=True):
            item = {"type": "function_call_output", "call_id": made.call_id, "output": output}
            await client.sdk.conversation.item.create(item=item)  # type: ignore[arg-type]
            await client.until("conversation.item.done")
        await client.sdk.response.create()
        text = deltas(await client.answer(), "response.output_text.delta")
        assert "grey" in text and "noon" in text


# ---------------------------------------------------------------------------------------- what changes a conversation


@pytest.mark.parametrize("modality", ["text", "audio"])
@on_a_loop
async def test_cancel_in_mid_answer(slow_gateway: LocalGateway, modality: str) -> None:
    async with call(slow_gateway) as client:
        await client.configure(output_modalities=[modality])
        await client.say({"type": "input_text", "text": "Tell me a story"})
        await client.sdk.response.create()
        delta = "response.output_text.delta" if modality == "text" else "response.output_audio.delta"
        running = (await client.until(delta))[-1].response_id
        await client.sdk.response.cancel(response_id=running)
        events = await client.answer()
        tail = ["response.content_part.done", "conversation.item.done", "response.output_item.done", "response.done"]
        assert [kind for kind in types(events) if kind in tail] == tail
        done = one(events, "response.done").response
        assert (done.id, done.status, done.status_details.reason) == (running, "cancelled", "client_cancelled")
        assert done.output[0].status == "incomplete"
        await client.sdk.response.create(response={"output_modalities": ["text"]})
        assert (await client.until("response.output_text.delta"))[-1].response_id != running


@on_a_loop
async def test_truncate_then_retrieve(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        said = one(await client.ask("Count from one to five"), "response.done").response.output[0]
        await client.sdk.conversation.item.retrieve(item_id=said.id)
        whole = (await client.until("conversation.item.retrieved"))[-1].item.content[0]
        assert whole.transcript == said.content[0].transcript
        assert understood(b64decode(whole.audio)) == letters(whole.transcript)
        await client.sdk.conversation.item.truncate(item_id=said.id, content_index=0, audio_end_ms=650)
        echoed = (await client.until("conversation.item.truncated"))[-1]
        assert (echoed.item_id, echoed.content_index, echoed.audio_end_ms) == (said.id, 0, 650)
        await client.sdk.conversation.item.retrieve(item_id=said.id)
        rest = (await client.until("conversation.item.retrieved"))[-1].item.content[0]
        assert rest.type == "output_audio" and rest.transcript is None
        assert b64decode(rest.audio) == b64decode(whole.audio)[: 650 * 48]


@on_a_loop
async def test_delete_and_insert(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(output_modalities=["text"])
        named = await client.say({"type": "input_text", "text": "My name is Ada."})
        assert "Ada" in deltas(await client.ask("What is my name?"), "response.output_text.delta")
        await client.sdk.conversation.item.delete(item_id=named)
        assert (await client.until("conversation.item.deleted"))[-1].item_id == named
        await client.sdk.conversation.item.retrieve(item_id=named)
        assert "not found" in (await client.refused()).message
        part = {"type": "input_text", "text": "My name is Grace."}
        item = {"id": "mine", "type": "message", "role": "user", "content": [part]}
        await client.sdk.conversation.item.create(item=item, previous_item_id="root")  # type: ignore[arg-type]
        placed = (await client.until("conversation.item.done"))[-1]
        assert (placed.item.id, placed.previous_item_id) == ("mine", None)
        assert "Grace" in deltas(await client.ask("What is my name?"), "response.output_text.delta")


@on_a_loop
async def test_an_answer_outside_the_conversation(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        part = {"type": "input_text", "text": "What is 6 times 7?"}
        response: Any = {
            "conversation": "none",
            "output_modalities": ["text"],
            "metadata": {"topic": "sum"},
            "input": [{"type": "message", "role": "user", "content": [part]}],
        }
        await client.sdk.response.create(response=response)
        events = await client.answer()
        assert "42" in deltas(events, "response.output_text.delta")
        assert not [event for event in events if event.type.startswith("conversation.")]
        done = one(events, "response.done").response
        assert done.conversation_id is None and done.metadata == {"topic": "sum"}
        assert "42" not in deltas(await client.ask("What did you just say?"), "response.output_audio_transcript.delta")


@on_a_loop
async def test_an_answer_to_an_item_that_is_referred_to(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        asked = await client.say({"type": "input_text", "text": "What is 6 times 7?"})
        await client.say({"type": "input_text", "text": "What is 1 plus 1?"})
        response: Any = {
            "conversation": "none",
            "output_modalities": ["text"],
            "input": [{"type": "item_reference", "id": asked}],
        }
        await client.sdk.response.create(response=response)
        assert "42" in deltas(await client.answer(), "response.output_text.delta")


@on_a_loop
async def test_a_picture(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(output_modalities=["text"])
        shown = {"type": "input_image", "image_url": PIXEL}
        item_id = await client.say(shown, {"type": "input_text", "text": "What is this?"})
        await client.sdk.response.create()
        events = await client.answer()
        assert "one picture" in deltas(events, "response.output_text.delta")
        assert one(events, "response.done").response.usage.input_token_details.image_tokens > 0
        await client.sdk.conversation.item.retrieve(item_id=item_id)
        kept = (await client.until("conversation.item.retrieved"))[-1].item.content[0]
        assert (kept.type, kept.image_url) == ("input_image", PIXEL)


@on_a_loop
async def test_audio_in_an_item(gateway: LocalGateway) -> None:
    async with call(gateway) as client:
        await client.configure(output_modalities=["text"])
        await client.say({"type": "input_audio", "audio": b64encode(spoken("what is 5 plus 5?")).decode()})
        await client.sdk.response.create()
        assert "10" in deltas(await client.answer(), "response.output_text.delta")


# ----------------------------------------------------------------------------------------------------- transcription


@on_a_loop
async def test_a_transcription_session(gateway: LocalGateway) -> None:
    async with call(gateway, model="", extra_query={"intent": "transcription"}) as client:
        session = client.created.session
        assert session.type == "transcription" and session.object == "realtime.transcription_session"
        listening = {"transcription": {"model": "gpt-transcribe"}}
        await client.sdk.session.update(session={"type": "transcription", "audio": {"input": listening}})  # type: ignore[typeddict-item]
        await client.until("session.updated")
        await client.stream(spoken("the quick brown fox", silence_ms=400))
        events = await client.until("conversation.item.input_audio_transcription.completed")
        assert types(events) == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
        ]
        assert events[-1].transcript == "the quick brown fox"


@on_a_loop
async def test_a_live_transcription_without_turn_detection(gateway: LocalGateway) -> None:
    async with call(gateway, model="", extra_query={"intent": "transcription"}) as client:
        listening = {"transcription": {"model": "gpt-live-transcribe"}, "turn_detection": None}
        await client.sdk.session.update(session={"type": "transcription", "audio": {"input": listening}})  # type: ignore[typeddict-item]
        await client.until("session.updated")
        await client.stream(spoken("the quick brown fox jumps over the lazy dog"))
        early = await client.until("conversation.item.input_audio_transcription.delta")
        await client.sdk.input_audio_buffer.commit()
        events = early + await client.until("conversation.item.input_audio_transcription.completed")
        assert {event.item_id for event in events if hasattr(event, "item_id")} == {early[-1].item_id}
        assert events[-1].transcript == "the quick brown fox jumps over the lazy dog"
        assert events[-1].usage.type == "duration"
        words = deltas(events, "conversation.item.input_audio_transcription.delta")
        assert words.strip() == events[-1].transcript
