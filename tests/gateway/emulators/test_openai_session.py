"""What an update changes and what it leaves; items put in by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.emulators.driver import Client


def after(*updates: dict[str, Any]) -> dict[str, Any]:
    """The session that is in force after these updates."""
    client = Client()
    for update in updates:
        client.take()
        client.update(**update)
    session: dict[str, Any] = client.one("session.updated")["session"]
    return session


def listening(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": fields}}


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    client = Client()
    before = client.one("session.created")["session"]
    session = after({"instructions": "Be brief.", "audio": {"output": {"speed": 1.25}}})
    before["instructions"] = "Be brief."
    before["audio"]["output"]["speed"] = 1.25
    assert session == before


def test_the_answer_does_not_echo_the_clients_event_id() -> None:
    client = Client()
    client.take()
    client.send("session.update", event_id="mine", session={"type": "realtime"})
    assert set(client.take()[0]) == {"type", "event_id", "session"}


def test_empty_values_and_null_clear() -> None:
    tool = {"type": "function", "name": "f"}
    full = {
        "instructions": "x",
        "tools": [tool],
        **listening(transcription={"model": "whisper-1"}, noise_reduction={"type": "far_field"}),
    }
    assert after(full)["tools"] == [tool]
    session = after(
        full,
        {"instructions": "", "tools": [], **listening(transcription=None, noise_reduction=None, turn_detection=None)},
    )
    assert (session["instructions"], session["tools"]) == ("", [])
    heard = session["audio"]["input"]
    assert (heard["transcription"], heard["noise_reduction"], heard["turn_detection"]) == (None, None, None)


def test_a_refused_update_is_dropped_whole() -> None:
    client = Client()
    client.update(instructions="Kept.")
    client.take()
    client.update(instructions="Lost.", temperature=1)
    assert client.error()["code"] == "unknown_parameter"
    client.update()
    assert client.one("session.updated")["session"]["instructions"] == "Kept."


@pytest.mark.parametrize(
    ("updates", "detection"),
    [
        ([{"type": "server_vad", "threshold": 0.7}],
         {"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 300, "silence_duration_ms": 200,
          "idle_timeout_ms": None, "create_response": True, "interrupt_response": True}),
        ([{"type": "semantic_vad"}],
         {"type": "semantic_vad", "eagerness": "auto", "create_response": True, "interrupt_response": True}),
        ([None, {"type": "semantic_vad", "eagerness": "low"}, {"type": "semantic_vad", "create_response": False}],
         {"type": "semantic_vad", "eagerness": "low", "create_response": False, "interrupt_response": True}),
        ([{"type": "semantic_vad", "create_response": False}, {"type": "server_vad"}],
         {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200,
          "idle_timeout_ms": None, "create_response": True, "interrupt_response": True}),
    ],
)  # fmt: skip
def test_turn_detection_keeps_its_type_s_fields(updates: list[Any], detection: dict[str, Any]) -> None:
    session = after(*(listening(turn_detection=update) for update in updates))
    assert session["audio"]["input"]["turn_detection"] == detection


def test_formats_are_shown_whole() -> None:
    session = after(
        {"audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcma"}}}}
    )
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcma"}
    back = {"audio": {"input": {"format": {"type": "audio/pcm"}}}}
    assert after(listening(format={"type": "audio/pcmu"}), back)["audio"]["input"]["format"] == {
        "type": "audio/pcm",
        "rate": 24_000,
    }


def test_transcription_is_merged_and_its_delay_not_echoed() -> None:
    session = after(
        listening(transcription={"model": "gpt-realtime-whisper", "delay": "low"}),
        listening(transcription={"language": "pt"}),
    )
    assert session["audio"]["input"]["transcription"] == {"model": "gpt-realtime-whisper", "language": "pt"}


def test_noise_reduction_has_full_strength_at_first() -> None:
    first = listening(noise_reduction={"type": "near_field"})
    assert after(first)["audio"]["input"]["noise_reduction"] == {"type": "near_field", "strength": 1.0}
    session = after(first, listening(noise_reduction={"type": "near_field", "strength": 0.5}), listening())
    assert session["audio"]["input"]["noise_reduction"]["strength"] == 0.5


@pytest.mark.parametrize(
    "update",
    [
        {"tool_choice": {"type": "function", "name": "f"}},
        {"max_output_tokens": 4096},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 9}}},
        {"truncation": "disabled"},
        {"tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}}},
        {"prompt": {"id": "p", "version": "1"}},
        {"include": ["item.input_audio_transcription.logprobs"]},
        {"parallel_tool_calls": True, "reasoning": {"effort": "low"}},
        {"audio": {"output": {"voice": {"id": "voice_1"}}}},
        {"model": "gpt-realtime-2.1"},
    ],
)
def test_every_other_setting_is_taken_as_it_is(update: dict[str, Any]) -> None:
    session = after(update)
    for name, value in update.items():
        shown = session["audio"]["output"]["voice"] if name == "audio" else session[name]
        assert shown == (value["output"]["voice"] if name == "audio" else value)


def test_a_voice_by_id_is_named_in_responses() -> None:
    client = Client()
    client.update(audio={"output": {"voice": {"id": "voice_1"}}})
    client.say("hello")
    client.send("response.create")
    assert client.one("response.created")["response"]["audio"]["output"]["voice"] == "voice_1"


def test_tracing_cannot_change_once_it_is_on() -> None:
    client = Client()
    client.update(tracing="auto")
    client.take()
    client.update(tracing=None)
    assert client.error()["code"] == "cannot_update_tracing"


# ---------------------------------------------------------------------------------------------------------- items


def order(client: Client) -> list[str]:
    """The ids of the conversation's items, from the chain that the events tell."""
    chain: list[str] = []
    for event in client.all("conversation.item.added"):
        before = event["previous_item_id"]
        chain.insert(chain.index(before) + 1 if before else 0, event["item"]["id"])
    return chain


def test_items_go_where_they_are_put() -> None:
    client = Client()
    for name, before in (("b", None), ("d", None), ("a", "root"), ("c", "b")):
        content = [{"type": "input_text", "text": name}]
        item = {"type": "message", "role": "user", "content": content, "id": name}
        client.send("conversation.item.create", item=item, previous_item_id=before)
    assert order(client) == ["a", "b", "c", "d"]
    assert client.all("conversation.item.added")[-1]["previous_item_id"] == "b"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Ahoy!"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"},
    ],
)
def test_items_of_every_kind_come_back_as_they_were(item: dict[str, Any]) -> None:
    client = Client()
    client.send("conversation.item.create", item=item)
    added = client.one("conversation.item.added")["item"]
    assert {name: added[name] for name in item} == item
    client.take()
    client.send("conversation.item.retrieve", item_id=added["id"])
    assert client.take()[0]["item"] == added


def test_a_deleted_item_is_gone() -> None:
    client = Client()
    client.say("My name is Ada.", id="item_1")
    client.take()
    client.send("conversation.item.delete", item_id="item_1")
    assert client.take()[0]["item_id"] == "item_1"
    client.say("what is my name?")
    client.send("response.create", response={"output_modalities": ["text"]})
    assert client.one("response.output_text.done")["text"] == "You have not told me your name."


def test_a_picture_counts_and_is_not_seen() -> None:
    client = Client()
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": "data:,"}]
    client.send("conversation.item.create", item={"type": "message", "role": "user", "content": parts})
    client.send("response.create", response={"output_modalities": ["text"]})
    assert client.one("response.output_text.done")["text"].startswith("I was shown one picture.")
    assert client.one("response.done")["response"]["usage"]["input_token_details"]["image_tokens"] > 0
