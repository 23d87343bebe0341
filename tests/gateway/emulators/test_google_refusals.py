"""What the Gemini Live emulator refuses, always by closing: its codes and words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.emulators.google_driver import MANUAL, MODEL, Client
from tests.wire import flow, flow_names

INVALID = "Request contains an invalid argument."
THINKING = f"{MODEL}-extended-thinking"
FUNCTION = {"name": "f"}


def closed(client: Client) -> tuple[int, str]:
    assert client.closed is not None, "it was taken"
    assert len(client.closed.reason.encode()) <= 123
    return client.closed.code, client.closed.reason


def generation(**config: Any) -> dict[str, Any]:
    return {"generationConfig": {"responseModalities": ["AUDIO"], **config}}


def declared(**function: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{**FUNCTION, **function}]}]}


@pytest.mark.parametrize(
    ("setup", "code", "words"),
    [
        ({"model": "gemini-3.8-live"}, 1008, "gemini-3.8-live is not found for API version"),
        ({"model": "models/gemini-2.0-flash-live-001"}, 1008, "models/gemini-2.0-flash-live-001 is not found"),
        ({"model": "models/" + "x" * 200}, 1008, "models/xxx"),
        ({"model": 7}, 1007, "Invalid value at 'setup.model' (TYPE_STRING)"),
        ({"generationConfig": {"responseModalities": ["TEXT"]}}, 1007, INVALID),
        ({"generationConfig": {"responseModalities": ["AUDIO", "TEXT"]}}, 1007, INVALID),
        ({"generationConfig": {"responseModalities": ["SMELL"]}}, 1007, "Invalid value at 'setup.generationConfig.r"),
        (
            {"generationConfig": {"responseModalities": ["TEXT"], "speechConfig": {"languageCode": "en-US"}}},
            1007,
            "Cannot extract voices from a non-audio request.",
        ),
        ({"model": "models/gemini-3.5-transcribe-live"}, 1007, INVALID),
        (generation(speechConfig={"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "kore"}}}), 1007, INVALID),
        (generation(responseSchema={}), 1007, "Unknown name \"responseSchema\" at 'setup.generationConfig'"),
        (generation(topK="many"), 1007, "(TYPE_FLOAT)"),
        (generation(maxOutputTokens=1.5), 1007, "(TYPE_INT64)"),
        (generation(maxOutputTokens=True), 1007, "(TYPE_INT64)"),
        (generation(enableAffectiveDialog=True), 1007, INVALID),
        ({"proactivity": {"proactiveAudio": False}}, 1007, INVALID),
        ({"proactivity": []}, 1007, "an object is expected"),
        ({"tools": {}}, 1007, "a list is expected"),
        (declared(name="1st"), 1007, INVALID),
        (declared(name=None), 1007, INVALID),
        (declared(behavior="SOMETIMES"), 1007, "(TYPE_ENUM)"),
        ({"model": THINKING, **declared(behavior="BLOCKING")}, 1007, INVALID),
        ({"model": "models/gemini-3.5-live-translate-preview", **declared()}, 1007, INVALID),
        ({"sessionResumption": {"handle": "stale"}}, 1008, "Requested entity was not found."),
        ({"sessionResumption": {"transparent": True}}, 1007, 'Unknown name "transparent"'),
    ],
)
def test_a_setup(setup: dict[str, Any], code: int, words: str) -> None:
    found = closed(Client(setup))
    assert found[0] == code and words in found[1]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[]", "not an object"),
        ("NaN", "Invalid JSON"),
        (b"\xff\xfe\x00", "Invalid JSON"),
        ('{"a":' * 200 + "1" + "}" * 200, "Invalid JSON"),
        ("{}", "oneof"),
        ('{"setup":{"model":"models/gemini-3.8-live"},"clientContent":{}}', "oneof"),
        ('{"colour":1}', 'Unknown name "colour": Cannot find field.'),
        ('{"setup":7}', "'setup', an object is expected"),
        ('{"realtimeInput":{"text":"hi"}}', INVALID),
    ],
)
def test_a_first_frame(frame: str | bytes, words: str) -> None:
    client = Client()
    client.raw(frame)
    code, reason = closed(client)
    assert code == 1007 and words in reason


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ({"setup": {"model": MODEL}}, 1007, INVALID),
        ({"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": "*"}}}, 1007, INVALID),
        ({"realtimeInput": {"audio": {"mimeType": "audio/mpeg", "data": ""}}}, 1007, INVALID),
        ({"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "*"}}}, 1007, INVALID),
        ({"realtimeInput": {"activityStart": {}}}, 1007, INVALID),
        ({"realtimeInput": {"activityEnd": {}}}, 1007, INVALID),
        ({"realtimeInput": {"audio": "sound"}}, 1007, "an object is expected"),
        ({"clientContent": {"turns": [{"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "*"}}]}]}}, 1007,
         INVALID),
        ({"clientContent": {"turns": [{"parts": [{"video": "x"}]}]}}, 1007, "'clientContent.turns[0].parts[0]'"),
        ({"toolResponse": {"functionResponses": [{"name": "f", "response": {}}]}}, 1007, INVALID),
        ({"toolResponse": {"functionResponses": [{"id": "x", "response": {}}]}}, 1008,
         "Requested entity was not found."),
    ],
)  # fmt: skip
def test_a_message_of_a_running_session(message: dict[str, Any], code: int, words: str) -> None:
    client = Client({})
    assert client.closed is None
    client.send(**message)
    found = closed(client)
    assert found[0] == code and words in found[1]


@pytest.mark.parametrize("name", ["audioStreamEnd", "activityEnd"])
def test_the_wrong_end_where_the_client_ends_turns(name: str) -> None:
    client = Client(MANUAL)
    client.realtime(**{name: True if name == "audioStreamEnd" else {}})
    assert closed(client) == (1007, INVALID)


def test_an_older_model_takes_no_update() -> None:
    client = Client({"model": "models/gemini-3.1-flash-live-preview"})
    client.send(contextUpdate={"systemInstruction": {"parts": [{"text": "x"}]}})
    assert closed(client) == (1007, INVALID)


def test_what_says_nothing_is_taken() -> None:
    client = Client({"labels": {"a_b": "c"}, "safetySettings": [], "inputAudioTranscription": None})
    client.realtime()
    client.realtime(audioStreamEnd=False, text="")
    client.send(clientContent={})
    client.send(toolResponse={})
    client.send(contextUpdate={})
    assert client.kinds() == ["setupComplete"] and client.closed is None


MESSAGES = [
    message
    for name in flow_names("google")
    for line in flow("google", name)
    if line.dir == ">"
    for message in line.said
    if len(json.dumps(message)) < 2_000
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in inner for found in [(*place, key), *places(child, (*place, key))]]


@given(st.data())
def test_whatever_a_client_sends_is_answered_or_refused(data: st.DataObject) -> None:
    client = Client({**declared(), "sessionResumption": {}, "inputAudioTranscription": {}})
    for _ in range(3):
        message = json.loads(json.dumps(data.draw(st.sampled_from(MESSAGES))))
        *way, last = data.draw(st.sampled_from(places(message)))
        target = message
        for key in way:
            target = target[key]
        target[last] = data.draw(JSON)
        if client.closed is None:
            client.raw(json.dumps(message))
            client.settle()
    assert client.closed is None or client.closed.code in (1007, 1008)
