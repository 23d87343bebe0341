"""Whole spoken conversations with the emulator, and transcription, event by event in the order of the service."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest

from aigw_notebook.audio.convert import convert
from aigw_notebook.audio.formats import ALAW_8K, PCM16_8K, ULAW_8K, AudioFormat
from tests.gateway.emulators.driver import Client
from tests.gateway.emulators.ladders import (
    DELTAS,
    ITEM,
    RATE,
    SLOW,
    SPOKEN_END,
    SPOKEN_OPENING,
    audio_of,
    silence,
    spoken,
    text_client,
    words_of,
)
from tests.speech import understood

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
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (200, 1_810)
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    heard = [e for e in events if "transcription" in e["type"]]
    assert "".join(e["delta"] for e in heard[:-1]) == " what is 3 plus 4?"
    assert heard[-1]["transcript"] == "what is 3 plus 4?"
    assert heard[-1]["usage"]["input_tokens"] == 17
    assert words_of(events) == "3 + 4 is 7."
    assert understood(audio_of(events), RATE) == "3 + 4 is 7."


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
    quiet = silence(500, sample_rate=8_000)
    client.append(convert(quiet + spoken("what is 3 plus 4?", sample_rate=8_000) + quiet, PCM16_8K, phone))
    assert client.one("response.done")["response"]["audio"]["output"]["format"] == {"type": name}
    heard = convert(audio_of(client.take()), phone, PCM16_8K)
    assert understood(heard, 8_000) == "3 + 4 is 7."


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
