"""Whole written conversations with the emulator, event by event in the order of the service."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Listener, Reply, Sound
from tests.gateway.emulators.driver import AT_ONCE, Client
from tests.gateway.emulators.ladders import (
    CALL,
    ITEM,
    SLOW,
    SPOKEN_END,
    TEXT_ANSWER,
    audio_of,
    silence,
    spoken,
    text_client,
)

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "name": "get_weather", "description": "The weather in a city.", "parameters": CITY}
QUESTION = "What is the capital of Portugal, and why should I visit?"


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

        def say(self, text: str, **options: Any) -> Any:
            yield Sound(bytes(9_600), 1)
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
    class Deaf(Listener):
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


# ------------------------------------------------------------------------------------------------------------ end


def test_a_session_can_be_made_to_expire_at_any_time() -> None:
    client = Client()
    client.take()
    client.emulator.expire()
    client.wait(0)
    assert client.error()["code"] == "session_expired"
    assert client.closed is not None and client.closed.code == 1001


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
