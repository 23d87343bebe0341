"""Whole conversations with the emulator, event by event in the order of the service."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest

from aigw_notebook.audio.convert import convert
from aigw_notebook.audio.formats import ALAW_8K, PCM16_8K, PCM16_24K, ULAW_8K, AudioFormat
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Reply
from aigw_notebook.gateway.engines.tones import ToneListener, ToneVoice
from tests.gateway.emulators.driver import AT_ONCE, Client, Event

ITEM = ["conversation.item.added", "conversation.item.done"]
TEXT_ANSWER = [
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
SPOKEN_OPENING = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
SPOKEN_END = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
DELTAS = ["response.output_audio_transcript.delta", "response.output_audio.delta"]
CALL = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "name": "get_weather", "description": "The weather in a city.", "parameters": CITY}
QUESTION = "What is the capital of Portugal, and why should I visit?"
SLOW = Pace(first_token_ms=100, text_delta_ms=20, audio_speed=4, audio_delta_ms=100)


def text_client(**options: Any) -> Client:
    client = Client(**options)
    client.update(output_modalities=["text"])
    client.take()
    return client


def spoken(text: str, rate: int = 24_000) -> bytes:
    return b"".join(ToneVoice().speak(text, sample_rate=rate))


def silence(ms: int, rate: int = 24_000) -> bytes:
    return bytes(2 * rate * ms // 1000)


def audio_of(events: list[Event]) -> bytes:
    return b"".join(b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta")


def words_of(events: list[Event]) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "response.output_audio_transcript.delta")


# ---------------------------------------------------------------------------------------------------------- text


def test_a_session_starts_with_one_message_and_all_defaults() -> None:
    client = Client()
    (created,) = client.take()
    session = created["session"]
    assert created["type"] == "session.created"
    assert list(session) == [
        "type", "object", "id", "expires_at", "model", "output_modalities", "instructions", "tools", "tool_choice",
        "max_output_tokens", "tracing", "truncation", "prompt", "audio", "include",
    ]  # fmt: skip
    assert session["expires_at"] == 1_700_003_600
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200,
        "idle_timeout_ms": None, "create_response": True, "interrupt_response": True,
    }  # fmt: skip


def test_a_written_turn() -> None:
    client = text_client()
    client.say(QUESTION)
    assert client.types() == ITEM
    client.send("response.create")
    events = list(client.events)
    assert client.types() == TEXT_ANSWER
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    done = next(e for e in events if e["type"] == "response.done")["response"]
    assert text.startswith("The capital of Portugal is Lisbon.")
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_text", "text": text}]
    assert next(e for e in events if e["type"] == "response.content_part.done")["part"] == {
        "type": "text",
        "text": text,
    }


def test_items_are_chained() -> None:
    client = text_client()
    for _ in range(2):
        client.say("count to two")
        client.send("response.create")
    added = [(e["previous_item_id"], e["item"]["id"]) for e in client.all("conversation.item.added")]
    ids = [item for _, item in added]
    assert [before for before, _ in added] == [None, *ids[:-1]]
    done = [(e["previous_item_id"], e["item"]["id"]) for e in client.all("conversation.item.done")]
    assert done == added


def test_every_event_has_its_own_id() -> None:
    client = text_client()
    client.say("hello")
    client.send("response.create")
    ids = [event["event_id"] for event in client.events]
    assert len(set(ids)) == len(ids)


def test_text_comes_at_its_pace() -> None:
    client = text_client(pace=SLOW)
    client.say("count to five")
    client.send("response.create")
    assert client.types() == [*ITEM, "response.created"]
    client.wait(99)
    assert client.types() == []
    client.wait(1)
    assert client.types() == TEXT_ANSWER[1:5]
    client.wait(59)
    assert [e["delta"] for e in client.take()] == [" two,", " three,"]
    client.wait(1_000)
    assert client.types() == TEXT_ANSWER[4:]


# ---------------------------------------------------------------------------------------------------------- voice


def test_a_spoken_turn_by_the_servers_detection() -> None:
    client = Client()
    client.update(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
    client.take()
    client.append(silence(500) + spoken("what is 3 plus 4?") + silence(500))
    events = client.take()
    types = [e["type"] for e in events if "transcription" not in e["type"] and e["type"] not in DELTAS]
    assert types == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        *ITEM,
        *SPOKEN_OPENING,
        *SPOKEN_END,
    ]
    started, stopped, committed, added, done = events[:5]
    assert {e.get("item_id") for e in (started, stopped, committed)} == {added["item"]["id"]} == {done["item"]["id"]}
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (200, 1_800)
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    heard = [e for e in events if "transcription" in e["type"]]
    assert "".join(e["delta"] for e in heard[:-1]) == " what is 3 plus 4?"
    assert heard[-1]["transcript"] == "what is 3 plus 4?"
    assert heard[-1]["usage"]["input_tokens"] == 16
    assert words_of(events) == "3 + 4 is 7."
    assert ToneListener().transcribe(audio_of(events), sample_rate=24_000) == "3 + 4 is 7."


def test_the_transcript_leads_and_audio_comes_at_its_pace() -> None:
    client = Client(pace=SLOW)
    client.say("tell me a story")
    client.send("response.create")
    client.take()
    client.wait(100)
    first = [e["type"] for e in client.take()]
    assert first[3:] == [DELTAS[0]] * (len(first) - 4) + [DELTAS[1]]
    client.wait(2_500)
    events = client.take()
    assert len(audio_of(events)) == 48 * 2_500 * 4
    spoken_ms = len(audio_of(events)) / 48
    assert spoken_ms * 15 / 1000 < len(words_of(events)) < spoken_ms * 15 / 1000 + 60
    assert [e["type"] for e in events].count(DELTAS[1]) == 100
    client.wait(60_000)
    assert client.types()[-7:] == SPOKEN_END


@pytest.mark.parametrize(("name", "phone"), [("audio/pcmu", ULAW_8K), ("audio/pcma", ALAW_8K)])
def test_a_telephone_turn(name: str, phone: AudioFormat) -> None:
    client = Client()
    client.update(audio={"input": {"format": {"type": name}}, "output": {"format": {"type": name}}})
    client.append(
        convert(silence(500, 8_000) + spoken("what is 3 plus 4?", 8_000) + silence(500, 8_000), PCM16_8K, phone)
    )
    assert client.one("response.done")["response"]["audio"]["output"]["format"] == {"type": name}
    heard = convert(audio_of(client.take()), phone, PCM16_8K)
    assert ToneListener().transcribe(heard, sample_rate=8_000) == "3 + 4 is 7."


def test_push_to_talk() -> None:
    client = Client()
    client.update(audio={"input": {"turn_detection": None}})
    client.take()
    client.append(spoken("count to two"))
    assert client.types() == []
    client.send("input_audio_buffer.commit")
    assert client.types() == ["input_audio_buffer.committed", *ITEM]
    client.send("response.create")
    events = client.take()
    assert words_of(events) == "One, two."


def test_speech_that_is_not_made_out_is_an_empty_transcript() -> None:
    client = Client()
    client.update(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
    client.append(b"\0\x20\0\xe0" * 4_800)
    client.send("input_audio_buffer.commit")
    completed = client.one("conversation.item.input_audio_transcription.completed")
    assert (completed["transcript"], completed["usage"]) == ("", {"type": "duration", "seconds": 1})
    assert client.all("conversation.item.input_audio_transcription.delta") == []
    client.send("response.create")
    assert "could not make out any words" in words_of(client.take())


def test_without_transcription_nobody_tells_what_was_heard() -> None:
    client = Client()
    client.append(spoken("count to two") + silence(400))
    assert [e for e in client.events if "transcription" in e["type"]] == []
    assert words_of(client.take()) == "One, two."


def test_the_answer_waits_until_the_user_was_listened_to() -> None:
    client = Client(hold_jobs=True)
    client.append(spoken("count to two") + silence(400))
    assert client.types()[-1] == "response.created"
    client.run_jobs()
    assert client.types()[-1] == "rate_limits.updated"


def test_detection_without_a_response() -> None:
    client = Client()
    detection = {"type": "server_vad", "create_response": False}
    client.update(audio={"input": {"turn_detection": detection}})
    client.append(spoken("hello") + silence(400))
    assert client.types()[-3:] == ["input_audio_buffer.committed", *ITEM]


def test_semantic_detection_waits_longer_the_less_eager_it_is() -> None:
    for eagerness, ms in (("high", 400), ("auto", 800), ("low", 1_500)):
        client = Client()
        client.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
        client.append(silence(500) + spoken("hello") + silence(ms + 200))
        length = client.one("input_audio_buffer.speech_stopped")["audio_end_ms"] - 500 - 5 * 65
        assert ms - 20 <= length <= ms + 20


def barge_in(client: Client) -> str:
    """Have a long answer run for a while, then speak into it; gives the answer's item."""
    client.say("tell me a story")
    client.send("response.create")
    client.wait(1_000)
    item: str = client.one("response.output_item.added")["item"]["id"]
    client.take()
    client.append(spoken("hello"))
    return item


def test_the_users_voice_interrupts_and_the_client_truncates() -> None:
    client = Client(pace=SLOW)
    item = barge_in(client)
    events = list(client.events)
    assert client.types() == ["input_audio_buffer.speech_started", *SPOKEN_END]
    done = events[-2]["response"]
    assert (done["status"], done["status_details"]) == ("cancelled", {"type": "cancelled", "reason": "turn_detected"})
    assert done["output"][0]["status"] == "incomplete"
    client.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=1_200)
    assert client.take()[0]["audio_end_ms"] == 1_200
    client.send("conversation.item.retrieve", item_id=item)
    (part,) = client.take()[0]["item"]["content"]
    assert len(b64decode(part["audio"])) == 48 * 1_200
    assert part["transcript"] is None
    client.append(silence(400))
    client.wait(20_000)
    assert client.types()[-1] == "rate_limits.updated"


def test_without_interruption_the_answer_goes_on() -> None:
    client = Client(pace=SLOW)
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    barge_in(client)
    assert client.types() == ["input_audio_buffer.speech_started"]
    client.append(silence(400))
    assert client.take()[-1]["error"]["code"] == "conversation_already_has_active_response"
    client.wait(30_000)
    assert client.one("response.done")["response"]["status"] == "completed"


def test_an_idle_user_is_spoken_to() -> None:
    client = Client()
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6_000}}})
    client.say("count to two")
    client.send("response.create")
    played_ms = len(audio_of(client.take())) / 48
    client.wait(played_ms + 5_999)
    assert client.types() == []
    client.wait(1)
    events = client.take()
    assert [e["type"] for e in events[:5]] == [
        "input_audio_buffer.timeout_triggered", "input_audio_buffer.committed", *ITEM, "response.created",
    ]  # fmt: skip
    assert words_of(events) == "Are you still there?"


def test_clear_empties_the_buffer() -> None:
    client = Client()
    client.update(audio={"input": {"turn_detection": None}})
    client.take()
    client.append(silence(500))
    client.send("input_audio_buffer.clear")
    assert client.types() == ["input_audio_buffer.cleared"]
    client.send("input_audio_buffer.commit")
    assert "only has 0.00ms" in client.error()["message"]


def test_a_user_item_with_audio_is_listened_to_but_not_transcribed() -> None:
    client = text_client()
    client.update(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
    content = [{"type": "input_audio", "audio": b64encode(spoken("count to two")).decode()}]
    client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    client.send("response.create")
    assert [e for e in client.events if "transcription" in e["type"]] == []
    assert client.one("response.output_text.done")["text"] == "One, two."


# ---------------------------------------------------------------------------------------------------------- tools


def test_a_tool_is_called_and_its_output_used() -> None:
    client = text_client()
    client.update(tools=[WEATHER])
    client.say("What is the weather in Lisbon?")
    client.take()
    client.send("response.create")
    events = list(client.events)
    assert client.types() == ["response.created", *CALL, "response.done", "rate_limits.updated"]
    done = next(e for e in events if e["type"] == "response.function_call_arguments.done")
    assert (done["name"], json.loads(done["arguments"])) == ("get_weather", {"city": "Lisbon"})
    deltas = [e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta"]
    assert "".join(deltas) == done["arguments"]
    output = {"type": "function_call_output", "call_id": done["call_id"], "output": '{"sky": "clear"}'}
    client.send("conversation.item.create", item=output)
    assert client.types() == ITEM
    client.send("response.create")
    assert client.one("response.output_text.done")["text"] == "According to get weather, sky is clear."


@pytest.mark.parametrize(("parallel", "calls"), [(None, 2), (True, 2), (False, 1)])
def test_several_tools_in_one_response(parallel: bool | None, calls: int) -> None:
    client = text_client()
    client.update(tools=[WEATHER], **({} if parallel is None else {"parallel_tool_calls": parallel}))
    client.say("Weather in Lisbon and Porto?")
    client.take()
    client.send("response.create")
    assert [e["output_index"] for e in client.all("response.output_item.done")] == list(range(calls))
    assert client.types() == ["response.created", *(CALL * calls), "response.done", "rate_limits.updated"]


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("none", "message"),
        ("required", "function_call"),
        ("auto", "message"),
        ({"type": "function", "name": "get_weather"}, "function_call"),
    ],
)
def test_tool_choice(choice: Any, kind: str) -> None:
    client = text_client()
    client.update(tools=[WEATHER], tool_choice=choice)
    client.say("Hello!")
    client.send("response.create")
    assert client.one("response.done")["response"]["output"][0]["type"] == kind


def test_an_unfinished_call_is_incomplete() -> None:
    client = text_client(pace=Pace(first_token_ms=0, text_delta_ms=50, audio_speed=0))
    client.update(tools=[WEATHER])
    client.say("What is the weather in Lisbon?")
    client.send("response.create")
    client.send("response.cancel")
    done = client.one("response.function_call_arguments.done")
    assert done["arguments"] == '{"city":"Lis'
    assert client.one("response.output_item.done")["item"]["status"] == "incomplete"


# ------------------------------------------------------------------------------------------------------ responses


def test_out_of_band() -> None:
    client = text_client()
    client.say("My name is Ada.")
    client.take()
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "what is my name?"}]}
    client.send(
        "response.create",
        response={
            "conversation": "none",
            "input": [asked],
            "metadata": {"purpose": "test"},
            "instructions": "Be kind.",
        },
    )
    events = list(client.events)
    assert client.types() == [kind for kind in TEXT_ANSWER if not kind.startswith("conversation")]
    done = next(e for e in events if e["type"] == "response.done")["response"]
    assert (done["conversation_id"], done["metadata"]) == (None, {"purpose": "test"})
    assert done["output"][0]["content"][0]["text"] == "You have not told me your name."


def test_a_response_may_refer_to_items() -> None:
    client = text_client()
    client.say("My name is Ada.", id="item_name")
    client.say("What is my name?", id="item_question")
    client.take()
    references = [{"type": "item_reference", "id": name} for name in ("item_name", "item_question")]
    client.send("response.create", response={"conversation": "none", "input": references})
    assert client.one("response.output_text.done")["text"] == "Your name is Ada."
    client.take()
    client.send("response.create", response={"conversation": "none", "input": references[1:]})
    assert client.one("response.output_text.done")["text"] == "You have not told me your name."


def test_an_empty_input_is_an_empty_context() -> None:
    client = text_client()
    client.say("What is 1+1?")
    client.send("response.create", response={"input": [], "instructions": "What is 2+2?"})
    assert client.one("response.output_text.done")["text"] == "2 + 2 is 4."


def test_responses_beside_the_conversation_run_at_the_same_time() -> None:
    client = text_client(pace=SLOW)
    client.say("count to five")
    client.send("response.create")
    for _ in range(2):
        client.send("response.create", response={"conversation": "none"})
    client.wait(5_000)
    done = client.all("response.done")
    assert [e["response"]["status"] for e in done] == ["completed"] * 3
    assert len({e["response_id"] for e in client.all("response.output_text.delta")}) == 3


def test_overrides_of_one_response() -> None:
    client = Client()
    client.say("count to two")
    client.take()
    output = {"format": {"type": "audio/pcmu"}, "voice": "ash"}
    client.send("response.create", response={"audio": {"output": output}})
    assert client.one("response.done")["response"]["audio"]["output"] == output
    client.take()
    client.send("response.create", response={"output_modalities": ["text"], "instructions": "Upper case."})
    assert client.one("response.output_text.done")["text"] == "ONE, TWO."


def test_max_output_tokens_makes_it_incomplete() -> None:
    client = text_client()
    client.say("count to one hundred")
    client.send("response.create", response={"max_output_tokens": 10})
    done = client.one("response.done")["response"]
    assert (done["status"], done["status_details"]) == (
        "incomplete",
        {"type": "incomplete", "reason": "max_output_tokens"},
    )
    assert done["output"][0]["status"] == "incomplete"
    assert done["usage"]["output_tokens"] <= 10
    assert client.types()[-7:] == TEXT_ANSWER[4:]


def test_max_output_tokens_cuts_speech_too() -> None:
    client = Client()
    client.say("tell me a story")
    client.send("response.create", response={"max_output_tokens": 50})
    done = client.one("response.done")["response"]
    assert done["status"] == "incomplete"
    assert 40 <= done["usage"]["output_tokens"] <= 60
    assert client.types()[-7:] == SPOKEN_END


def test_cancel() -> None:
    client = text_client(pace=SLOW)
    client.say("count to one hundred")
    client.send("response.create")
    client.wait(300)
    client.take()
    client.send("response.cancel")
    events = list(client.events)
    assert client.types() == TEXT_ANSWER[5:]
    done = events[-2]["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    client.wait(10_000)
    assert client.types() == []


def test_cancel_before_the_first_word() -> None:
    client = text_client(pace=SLOW)
    client.say("count to one hundred")
    client.send("response.create")
    client.take()
    client.send("response.cancel")
    assert client.types() == ["response.done", "rate_limits.updated"]


def test_cancel_by_id() -> None:
    client = text_client(pace=SLOW)
    client.say("count to one hundred")
    client.send("response.create", response={"conversation": "none"})
    client.send("response.create")
    beside, default = (e["response"]["id"] for e in client.all("response.created"))
    client.take()
    client.send("response.cancel", response_id=beside)
    assert client.one("response.done")["response"]["id"] == beside
    client.take()
    client.send("response.cancel")
    assert client.one("response.done")["response"]["id"] == default


def test_a_cancelled_voice_is_no_longer_waited_for() -> None:
    client = Client(hold_jobs=True)
    client.say("tell me a story")
    client.send("response.create")
    (job,) = client.jobs
    client.send("response.cancel")
    assert job.cancelled
    client.take()
    client.run_jobs()
    assert client.types() == []


def test_a_failing_engine_fails_the_response_and_not_the_session() -> None:
    class Broken:
        instant = True

        def answer(self, *parts: Any, **options: Any) -> Reply:
            raise RuntimeError("out of ideas")

        def speak(self, text: str, **options: Any) -> Any:
            yield bytes(9_600)
            raise RuntimeError("hoarse")

    working = default_engines()
    for engines in (
        Engines(responder=Broken(), voice=working.voice, listener=working.listener),
        Engines(responder=working.responder, voice=Broken(), listener=working.listener),
    ):
        client = Client(engines=engines)
        client.say("hello")
        client.send("response.create")
        done = client.one("response.done")["response"]
        assert done["status"] == "failed"
        assert done["status_details"]["error"]["type"] == "server_error"
        assert client.types()[-1] == "rate_limits.updated"


def test_a_slow_responder_works_in_a_thread() -> None:
    class Slow:
        def answer(self, *parts: Any, **options: Any) -> Reply:
            return Reply(text="at last")

    working = default_engines()
    client = Client(engines=Engines(responder=Slow(), voice=working.voice, listener=working.listener), hold_jobs=True)
    client.update(output_modalities=["text"])
    client.say("hello")
    client.send("response.create")
    assert client.types()[-1] == "response.created"
    client.run_jobs()
    assert client.types() == TEXT_ANSWER[1:]


def test_a_broken_listener_fails_the_transcription_only() -> None:
    class Deaf:
        def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
            raise RuntimeError("no ears")

    working = default_engines()
    client = Client(engines=Engines(responder=working.responder, voice=working.voice, listener=Deaf()))
    client.update(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
    client.append(spoken("hello") + silence(400))
    assert "no ears" in client.one("conversation.item.input_audio_transcription.failed")["error"]["message"]
    assert client.types()[-1] == "rate_limits.updated"


# ---------------------------------------------------------------------------------------------------------- usage


def test_the_whole_conversation_is_billed_each_time_and_cached_in_steps() -> None:
    client = text_client()
    usages = []
    for _ in range(4):
        client.say("tell me a story")
        client.send("response.create")
        usages.append(client.one("response.done")["response"]["usage"])
        client.take()
    for usage in usages:
        details = usage["input_token_details"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert details["cached_tokens"] == sum(details["cached_tokens_details"].values())
        assert details["cached_tokens"] % 64 == 0
    inputs = [usage["input_tokens"] for usage in usages]
    cached = [usage["input_token_details"]["cached_tokens"] for usage in usages]
    assert inputs == sorted(set(inputs))
    assert cached[0] == 0
    assert cached[1:] == sorted(set(cached[1:]))
    assert all(c <= before for c, before in zip(cached[1:], inputs[1:], strict=True))


def test_usage_by_modality() -> None:
    client = Client()
    client.append(spoken("count to two") + silence(400))
    done = client.one("response.done")["response"]["usage"]
    spoken_ms = len(audio_of(client.take())) / 48
    assert done["output_token_details"]["audio_tokens"] == pytest.approx(spoken_ms / 50, abs=1)
    assert done["output_token_details"]["text_tokens"] == 3
    assert done["input_token_details"]["audio_tokens"] == pytest.approx((12 * 65 + 200) / 100, abs=1)


def test_rate_limits_go_down_and_come_back() -> None:
    client = text_client()
    remaining = []
    for _ in range(2):
        client.say("hello")
        client.send("response.create")
        (limit,) = client.one("rate_limits.updated")["rate_limits"]
        assert (limit["name"], limit["limit"]) == ("tokens", 40_000)
        remaining.append(limit["remaining"])
        client.take()
    client.wait(60_000)
    client.send("response.create")
    remaining.append(client.one("rate_limits.updated")["rate_limits"][0]["remaining"])
    assert remaining[1] < remaining[0] < 40_000
    assert remaining[1] < remaining[2]


# -------------------------------------------------------------------------------------------------- transcription


def listening_client(model: str, **detection: Any) -> Client:
    client = Client(query={"intent": "transcription"})
    audio = {"input": {"transcription": {"model": model}, **detection}}
    client.send("session.update", session={"type": "transcription", "audio": audio})
    return client


def test_a_transcription_session_starts_its_own_way() -> None:
    (created,) = Client(query={"intent": "transcription"}).take()
    session = created["session"]
    assert set(session) == {"type", "object", "id", "expires_at", "audio", "include"}
    assert session["object"] == "realtime.transcription_session"
    assert list(session["audio"]["input"]["turn_detection"]) == [
        "type", "threshold", "prefix_padding_ms", "silence_duration_ms",
    ]  # fmt: skip


def test_a_transcription_session_transcribes_and_answers_nothing() -> None:
    client = listening_client("gpt-4o-mini-transcribe")
    client.take()
    client.append(spoken("hello there") + silence(400))
    assert client.types() == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        *ITEM,
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ]
    client.send("response.create")
    assert client.error()["message"] == "A transcription session makes no responses."


def test_a_live_model_transcribes_before_the_commit() -> None:
    client = listening_client("gpt-live-transcribe", turn_detection=None)
    client.take()
    client.append(spoken("the quick brown fox jumps"))
    early = client.take()
    assert {e["type"] for e in early} == {"conversation.item.input_audio_transcription.delta"}
    client.send("input_audio_buffer.commit")
    late = client.take()
    assert [e["type"] for e in late[:3]] == ["input_audio_buffer.committed", *ITEM]
    assert {e["item_id"] for e in (*early, late[0], *late[3:])} == {late[1]["item"]["id"]}
    deltas = "".join(e["delta"] for e in (*early, *late[3:-1]))
    assert deltas.strip() == late[-1]["transcript"] == "the quick brown fox jumps"
    assert late[-1]["usage"] == {"type": "duration", "seconds": 2}


# ------------------------------------------------------------------------------------------------------------ end


def test_the_session_expires() -> None:
    client = Client(session_limit_s=60.0)
    client.take()
    client.wait(59_999)
    assert client.closed is None
    client.wait(1)
    assert client.error()["code"] == "session_expired"
    assert client.closed is not None
    assert client.closed.code == 1001
    client.send("response.create")
    assert (client.types(), client.emulator.next_wake_ms) == ([], None)


def test_close_cancels_what_runs() -> None:
    client = Client(hold_jobs=True, pace=AT_ONCE)
    client.append(spoken("hello") + silence(400))
    client.say("hello")
    client.send("response.create", response={"conversation": "none", "input": []})
    assert len(client.jobs) == 2
    client.emulator.close()
    assert all(job.cancelled for job in client.jobs)
    assert client.emulator.next_wake_ms is None


def test_its_audio_has_the_length_it_says() -> None:
    client = Client()
    client.say("count to ten")
    client.send("response.create")
    item = client.one("response.done")["response"]["output"][0]
    heard = audio_of(client.take())
    client.send("conversation.item.retrieve", item_id=item["id"])
    (part,) = client.take()[0]["item"]["content"]
    assert b64decode(part["audio"]) == heard
    assert part["transcript"] == item["content"][0]["transcript"]
    assert PCM16_24K.duration_ms(heard) == len(part["transcript"]) * 65
