"""What a branch is handed besides words: sound, pictures and calls where the provider takes them, else a note."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook import events, seeds
from aigw_notebook.audio.formats import PCM16_16K, PCM16_24K
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.history import History, history_of
from aigw_notebook.pictures import MAX_PICTURE_BYTES
from aigw_notebook.providers import BUILT_IN, Capabilities, get
from aigw_notebook.seeds import seed_of
from aigw_notebook.told import Told
from aigw_notebook.transcript import Transcript
from tests.speech import spoken_clip, understood

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HEARING = sorted(name for name in BUILT_IN if get(name).capabilities.seed_audio)
ALL = Capabilities(image_in=True, seed_history=True, seed_audio=True, seed_tools=True)


def sent(told: Told) -> list[Any]:
    """The messages that this side sent."""
    return [json.loads(line.value) for line in told.recording().lines if line.kind == "sent"]


def sounds(told: Told) -> list[bytes]:
    """The sound that went over in items of the conversation."""
    found: list[bytes] = []

    def look(value: Any) -> None:
        if isinstance(value, list):
            for inner in value:
                look(inner)
        elif isinstance(value, dict):
            kind = str(value.get("type") or value.get("mimeType"))
            if kind == "input_audio" or kind.startswith("audio/pcm;"):
                found.append(base64.b64decode(value.get("audio") or value["data"]))
            for inner in value.values():
                look(inner)

    for message in sent(told):
        look({name: value for name, value in message.items() if name in ("item", "clientContent")})
    return found


def lines_of_seam(told: Told) -> str:
    """What the branch says of where it began."""
    (text,) = [row["text"] for row in told.records if row["kind"] == "seam"]
    return str(text)


@pytest.mark.parametrize("provider", HEARING)
def test_what_was_spoken_is_handed_over_as_sound(provider: str, gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask(audio=spoken_clip("my name is Ada"))
    with session.fork(provider=provider, gateway=gateway, quiet=True) as branch:
        assert "Ada" in branch.ask("What is my name?").text
    (sound,) = sounds(branch)
    rate = get(provider).capabilities.input_formats[0].sample_rate
    assert "my name is ada" in understood(sound, rate).lower()
    assert lines_of_seam(branch).endswith("left out: the sound of 1 answer")


def test_without_sound_words_are_handed_over(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask(audio=spoken_clip("my name is Ada"))
    with session.fork(sound=False, gateway=gateway, quiet=True) as branch:
        assert "Ada" in branch.ask("What is my name?").text
    assert sounds(branch) == []
    assert lines_of_seam(branch) == f"branched off {session.session_id} up to turn 1, 2 parts"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def with_a_tool_and_a_picture(gateway: LocalGateway) -> Told:
    with aigw.connect("openai", gateway=gateway, tools=[add], quiet=True) as session:
        turn = session.ask("Use the tool add with a=2 and b=3.")
        assert [call.output for call in turn.tool_calls] == ["5"]
        session.ask("What is this?", image=PIXEL)
    return session


def test_calls_and_pictures_are_handed_over_and_a_recording_has_them_too(gateway: LocalGateway, tmp_path: Path) -> None:
    session = with_a_tool_and_a_picture(gateway)
    for source in (session, aigw.load(session.save(tmp_path / "talk.aigw"))):
        with source.fork(gateway=gateway, quiet=True, provider="openai") as branch:
            branch.ask("Thank you.")
        items = [message["item"] for message in sent(branch) if message["type"] == "conversation.item.create"]
        call, result = items[1], items[2]
        assert (call["type"], call["name"]) == ("function_call", "add")
        assert json.loads(call["arguments"]) == {"a": 2, "b": 3}
        assert (result["type"], result["call_id"], result["output"]) == ("function_call_output", call["call_id"], "5")
        urls = [part["image_url"] for item in items for part in item.get("content", ()) if "image_url" in part]
        assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [PIXEL]


def test_what_a_provider_does_not_take_is_told(gateway: LocalGateway) -> None:
    session = with_a_tool_and_a_picture(gateway)
    with session.fork(provider="google", gateway=gateway, quiet=True) as branch:
        branch.ask("Thank you.")
    assert "1 tool call" in lines_of_seam(branch) and "picture" not in lines_of_seam(branch)
    assert "functionCall" not in json.dumps(sent(branch))
    assert base64.b64encode(PIXEL).decode() in json.dumps(sent(branch))


# ------------------------------------------------------------------------------------------- without a session


def said_aloud(transcript: Transcript, words: str | None, data: bytes) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(events.SpeechStarted(item_id=f"u{turn.number}"), 0.0)
    transcript.user_audio(data, PCM16_16K, 0.0)
    transcript.receive(events.InputCommitted(item_id=f"u{turn.number}"), 0.0)
    if words is not None:
        transcript.receive(events.InputTranscript(text=words, item_id=f"u{turn.number}", final=True), 0.0)
    transcript.finish_turn(turn, "completed", 0.0)


def spoken(*words: str | None, data: bytes = bytes(3_200)) -> History:
    transcript = Transcript(session_id="s1", provider="acme", model="m1")
    for text in words:
        said_aloud(transcript, text, data)
    return history_of(transcript)


def test_sound_is_given_in_the_format_that_the_provider_hears() -> None:
    (message,) = seed_of(spoken("one"), ALL, PCM16_24K).messages
    assert message == events.AppendSpeech(data=bytes(4_800), text="one")


def test_the_newest_sound_is_handed_over_as_far_as_the_bound_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "MAX_SOUND_BYTES", 7_000)
    seed = seed_of(spoken("one", "two", "three"), ALL, PCM16_16K)
    assert [type(message).__name__ for message in seed.messages] == ["AppendText", "AppendSpeech", "AppendSpeech"]
    assert seed.left_out == ("the sound of 1 question",)


def test_what_was_never_transcribed_is_handed_over_as_sound_or_told() -> None:
    assert seed_of(spoken(None), ALL, PCM16_16K).messages == (events.AppendSpeech(data=bytes(3_200)),)
    words_only = seed_of(spoken(None, "two", None), Capabilities(seed_history=True), PCM16_16K)
    assert words_only.messages == (events.AppendText(text="two"),)
    assert set(words_only.left_out) == {"2 questions without a transcript", "the sound of 1 question"}


def test_sound_that_is_no_longer_kept_is_handed_over_in_words() -> None:
    transcript = Transcript(session_id="s1", provider="acme", model="m1", max_audio_bytes=4_000)
    for text in ("one", "two"):
        said_aloud(transcript, text, bytes(3_200))
    seed = seed_of(history_of(transcript), ALL, PCM16_16K)
    assert [type(message).__name__ for message in seed.messages] == ["AppendText", "AppendSpeech"]


def test_a_call_without_a_result_and_one_of_an_unknown_call_are_left_out() -> None:
    transcript = Transcript(session_id="s1", provider="acme", model="m1")
    turn = transcript.start_turn(0.0)
    transcript.receive(events.ToolCall(call_id="c1", name="add", arguments="{}"), 1.0)
    transcript.receive(events.ToolFinished(call_id="c0", name="add", output="2"), 2.0)
    transcript.finish_turn(turn, "completed", 3.0)
    assert seed_of(history_of(transcript), ALL, PCM16_16K).messages == ()


def test_pictures_are_kept_within_bounds_and_the_rest_is_counted() -> None:
    transcript = Transcript(session_id="s1", provider="acme", model="m1")
    large = zlib.compress(b"") + bytes(MAX_PICTURE_BYTES // 2)
    for number in range(3):
        transcript.user_said(f"look {number}", 0.0)
        transcript.receive(events.PictureShown(data=large), 0.0)
    assert [len(entry.pictures) for entry in transcript.entries] == [0, 0, 1]
    assert transcript.pictures_dropped == 2
