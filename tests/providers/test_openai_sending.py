"""What the OpenAI Realtime codec says: settings, items, audio, and what it refuses to say."""

from __future__ import annotations

import json
from base64 import b64decode
from copy import deepcopy
from typing import Annotated, Any

import pytest
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from pydantic import Field, TypeAdapter

from aigw_notebook import providers
from aigw_notebook.audio.formats import PCM16_16K
from aigw_notebook.errors import LocalProtocolError, Unsupported
from aigw_notebook.events import (
    AppendAudio,
    AppendText,
    CancelResponse,
    ClientEvent,
    CommitAudio,
    CreateResponse,
    ProviderMessage,
    SessionUpdate,
    SessionUpdated,
    TruncateOutput,
)
from aigw_notebook.providers import SessionSettings, TurnDetection
from aigw_notebook.providers.base import counting_ids
from aigw_notebook.providers.openai import APPEND_MAX_BYTES, PROVIDER, OpenAICodec
from aigw_notebook.providers.openai_objects import IMAGE_MAX_BYTES, TRANSCRIPTION_MODEL

CLIENT: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeClientEvent, Field(discriminator="type")])

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JPEG = b"\xff\xd8\xff\xe0" + bytes(8)


def codec(**settings: Any) -> OpenAICodec:
    return OpenAICodec(SessionSettings(**settings), ids=counting_ids(""))


def sent(codec: OpenAICodec) -> list[dict[str, Any]]:
    return [json.loads(message) for message in codec.messages_to_send()]


def say(event: ClientEvent, **settings: Any) -> dict[str, Any]:
    """The one message that says `event`."""
    speaker = codec(**settings)
    speaker.send(event)
    [message] = sent(speaker)
    assert message.pop("event_id") == "evt_000000001"
    return message


def opening(**settings: Any) -> dict[str, Any]:
    """The session object of the first update."""
    speaker = codec(**settings)
    speaker.opening()
    [message] = sent(speaker)
    CLIENT.validate_python(message)
    assert message["type"] == "session.update"
    return message["session"]  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------------------- settings


def test_ready_means_that_the_provider_has_taken_the_settings() -> None:
    assert OpenAICodec.ready is SessionUpdated
    assert opening() == {"type": "realtime"}


@pytest.mark.parametrize(
    ("settings", "session"),
    [
        ({"modalities": ("text",)}, {"output_modalities": ["text"]}),
        ({"modalities": ("audio", "text")}, {"output_modalities": ["audio"]}),
        ({"modalities": ("audio",)}, {"output_modalities": ["audio"]}),
        ({"voice": "a-new-voice"}, {"audio": {"output": {"voice": "a-new-voice"}}}),
        ({"transcription": True}, {"audio": {"input": {"transcription": {"model": TRANSCRIPTION_MODEL}}}}),
        ({"transcription": "whisper-1"}, {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}),
        ({"transcription": {"language": "pt"}}, {"audio": {"input": {"transcription": {"language": "pt"}}}}),
        ({"transcription": False}, {"audio": {"input": {"transcription": None}}}),
        ({"turn_detection": TurnDetection()}, {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}),
        ({"turn_detection": TurnDetection(mode="manual")}, {"audio": {"input": {"turn_detection": None}}}),
        ({"tool_choice": "none"}, {"tool_choice": "none"}),
        ({"tool_choice": "look"}, {"tool_choice": {"type": "function", "name": "look"}}),
        ({"tool_choice": {"type": "mcp", "server_label": "a"}}, {"tool_choice": {"type": "mcp", "server_label": "a"}}),
        ({"options": {"tracing": "auto"}}, {"tracing": "auto"}),
        ({"model": "gpt-realtime-2"}, {}),
    ],
)
def test_a_setting_in_the_providers_words(settings: dict[str, Any], session: dict[str, Any]) -> None:
    assert opening(**settings) == {"type": "realtime", **session}


def test_options_lie_on_top_and_leave_the_callers_mapping_alone() -> None:
    options = {"audio": {"output": {"voice": "ash"}}, "type": "realtime"}
    before = deepcopy(options)
    assert opening(options=options, voice="marin", speed=1.5)["audio"]["output"] == {"voice": "ash", "speed": 1.5}
    assert options == before


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"temperature": 0.7}, "temperature"),
        ({"input_format": PCM16_16K}, "pcm16 16000 Hz"),
        ({"output_format": PCM16_16K}, "pcm16 24000 Hz, ulaw 8000 Hz, alaw 8000 Hz"),
        ({"modalities": ("video",)}, "video"),
        ({"modalities": ()}, "modalities"),
        ({"speed": 9.0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"turn_detection": TurnDetection(mode="server", eagerness="low")}, "eagerness"),
        ({"turn_detection": TurnDetection(mode="manual", threshold=0.5)}, "threshold"),
    ],
)
def test_what_the_provider_lacks_is_refused_before_anything_is_sent(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(Unsupported, match=word):
        codec(**settings)
    speaker = codec()
    with pytest.raises(Unsupported, match=word):
        speaker.send(SessionUpdate(changes=settings))
    assert speaker.messages_to_send() == []


def test_the_refusal_names_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "with_capability", lambda name: ["acme"] if name == "temperature" else [])
    with pytest.raises(Unsupported, match=r"openai takes no temperature: use acme"):
        codec(temperature=1.0)
    monkeypatch.setattr(providers, "with_capability", lambda name: [])
    with pytest.raises(Unsupported, match="no provider here does"):
        codec(temperature=1.0)


@pytest.mark.parametrize("settings", [{"turn_detection": "server"}, {"tools": (7,)}, {"speed": "fast"}, {"options": 1}])
def test_a_setting_of_the_wrong_form_is_the_callers_fault(settings: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match=next(iter(settings))):
        codec(**settings)


def test_an_error_about_tools_shows_no_secret() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        codec(tools=({"authorization": "s3cret"}, 7))
    assert "s3cret" not in str(caught.value)


# -------------------------------------------------------------------------------------------------- live updates


def test_an_update_says_only_what_changes_and_is_remembered() -> None:
    speaker = codec(voice="marin", instructions="Hello")
    speaker.send(SessionUpdate(changes={"instructions": "", "voice": None}))
    assert sent(speaker)[0]["session"] == {"type": "realtime", "instructions": ""}
    assert (speaker.settings.instructions, speaker.settings.voice) == ("", "marin")


@pytest.mark.parametrize("model", [None, PROVIDER.default_model])
def test_the_model_of_an_open_session_stays(model: str | None) -> None:
    assert say(SessionUpdate(changes={"model": PROVIDER.default_model}), model=model)["session"] == {"type": "realtime"}
    with pytest.raises(Unsupported, match="connect again"):
        codec(model=model).send(SessionUpdate(changes={"model": "gpt-realtime-2"}))


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="volume"):
        codec().send(SessionUpdate(changes={"volume": 11}))


# --------------------------------------------------------------------------------------------------------- images


def test_images_become_data_uris_by_their_first_bytes() -> None:
    item = say(AppendText(text="", images=(PNG, JPEG)))["item"]
    urls = [part["image_url"] for part in item["content"]]
    assert [url.split(",")[0] for url in urls] == ["data:image/png;base64", "data:image/jpeg;base64"]
    assert [b64decode(url.split(",")[1]) for url in urls] == [PNG, JPEG]


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (AppendText(text="", images=(b"GIF89a",)), "PNG nor JPEG"),
        (AppendText(text="", images=(b"",)), "PNG nor JPEG"),
        (AppendText(text="", images=(PNG + bytes(IMAGE_MAX_BYTES),)), "scale it down"),
        (AppendText(text="", role="system", images=(PNG,)), "user item"),
    ],
)
def test_an_image_that_cannot_be_sent_is_refused(event: AppendText, word: str) -> None:
    speaker = codec()
    with pytest.raises(LocalProtocolError, match=word):
        speaker.send(event)
    assert speaker.messages_to_send() == []


# ---------------------------------------------------------------------------------------------------- audio out


def test_a_large_append_is_split_below_the_limit_and_loses_nothing() -> None:
    speaker = codec()
    data = bytes(range(256)) * (APPEND_MAX_BYTES // 256) + b"end!"
    speaker.send(AppendAudio(data=data))
    frames = speaker.messages_to_send()
    assert [len(frame) < 15 * 1024 * 1024 for frame in frames] == [True, True]
    pieces = [b64decode(json.loads(frame)["audio"]) for frame in frames]
    assert b"".join(pieces) == data
    assert len(pieces[0]) % 2 == 0


def test_no_audio_is_no_message() -> None:
    speaker = codec()
    speaker.send(AppendAudio(data=b""))
    assert speaker.messages_to_send() == []


# ----------------------------------------------------------------------------------------------- other messages


@pytest.mark.parametrize(("played_ms", "audio_end_ms"), [(0, 0), (1999.99, 1999), (-3.0, 0)])
def test_a_truncation_is_a_whole_number_of_ms_and_never_more_than_was_played(
    played_ms: float, audio_end_ms: int
) -> None:
    assert say(TruncateOutput(item_id="i", played_ms=played_ms)) == {
        "type": "conversation.item.truncate",
        "item_id": "i",
        "content_index": 0,
        "audio_end_ms": audio_end_ms,
    }


@pytest.mark.parametrize(
    "event",
    [
        ProviderMessage(message={}),
        ProviderMessage(message={"type": 7}),
        ProviderMessage(message={"type": "x", "value": float("nan")}),
        ProviderMessage(message={"type": "x", "value": object()}),
        TruncateOutput(item_id="i", played_ms=float("nan")),
        CreateResponse(input=(7,)),  # type: ignore[arg-type]
        ClientEvent(),
    ],
)
def test_what_cannot_be_said_is_refused_and_queues_nothing(event: ClientEvent) -> None:
    speaker = codec()
    with pytest.raises(Unsupported if type(event) is ClientEvent else LocalProtocolError):
        speaker.send(event)
    assert speaker.messages_to_send() == []


def test_an_empty_context_is_said() -> None:
    assert say(CreateResponse(out_of_band=True, input=()))["response"] == {"conversation": "none", "input": []}


def test_messages_are_handed_over_once_and_in_order() -> None:
    speaker = codec()
    speaker.opening()
    speaker.send(AppendAudio(data=b"\0\0"))
    speaker.send(CommitAudio())
    kinds = [message["type"] for message in sent(speaker)]
    assert kinds == ["session.update", "input_audio_buffer.append", "input_audio_buffer.commit"]
    assert speaker.messages_to_send() == []


def test_the_last_sent_id_is_the_one_an_error_names() -> None:
    speaker = codec()
    assert speaker.last_sent_id is None
    speaker.send(CancelResponse())
    [message] = sent(speaker)
    assert speaker.last_sent_id == message["event_id"]
    speaker.send(ProviderMessage(message={"type": "x", "event_id": "mine"}))
    assert speaker.last_sent_id == "mine"
    speaker.send(ProviderMessage(message={"type": "x"}))
    assert speaker.last_sent_id is None


# ------------------------------------------------------------------------------------------------------- provider


def test_the_provider_as_a_value() -> None:
    assert providers.get("openai") is PROVIDER
    assert PROVIDER.default_model in PROVIDER.models
    assert PROVIDER.query(SessionSettings()) == {"model": "gpt-realtime-2.1"}
    assert PROVIDER.query(SessionSettings(model="gpt-realtime-2")) == {"model": "gpt-realtime-2"}
    assert PROVIDER.query(SessionSettings(options={"type": "transcription"})) == {"intent": "transcription"}
    assert PROVIDER.auth.subprotocol_with == ("realtime",)
    assert not PROVIDER.capabilities.temperature


def test_every_promised_format_can_be_asked_for() -> None:
    for audio_format in PROVIDER.capabilities.output_formats:
        reader = codec(input_format=audio_format, output_format=audio_format)
        assert (reader.input_format, reader.output_format) == (audio_format, audio_format)
