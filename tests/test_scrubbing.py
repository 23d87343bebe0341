"""No secret is left in a session's lines, wherever one stood."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.events import AudioDelta, RawEvent, SessionClosed, SessionError, SessionUpdated, TextDelta
from aigw_notebook.lines import Kind, Line
from aigw_notebook.scrubbing import HIDDEN, scrub, scrub_line, scrub_message

KNOWN = "correct horse/battery+staple"
KEY = "sk-" + "proj-a1B2c3D4e5F6"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiJ5b3UifQ.c2lnbmF0dXJl"
SOUND = b64encode(bytes(range(256)) * 4).decode()

PLANTED: dict[str, tuple[Kind, Any, str]] = {
    "a known secret in text": ("received", f"you said {KNOWN}", KNOWN),
    "a known secret in JSON": ("sent", json.dumps({"x": [KNOWN]}), KNOWN),
    "a known secret as a field's name": ("sent", json.dumps({KNOWN: 1}), KNOWN),
    "a known secret, percent-encoded": ("received", "wss://h/?k=correct%20horse/battery%2Bstaple", "battery%2Bstaple"),
    "a known secret in bytes": ("received", b"\x00\xff" + KNOWN.encode(), KNOWN),
    "a known secret in bytes of JSON": ("received", json.dumps({"a": KNOWN}).encode(), KNOWN),
    "xi_api_key": ("sent", '{"text":" ","xi_api_key":"0123456789abcdef"}', "0123456789abcdef"),
    "xi-api-key": ("sent", '{"headers":{"xi-api-key":"0123456789abcdef"}}', "0123456789abcdef"),
    "api_key": ("sent", '{"api_key": "plainword"}', "plainword"),
    "apiKey": ("sent", '{"apiKey":"plainword"}', "plainword"),
    "authorization": ("sent", '{"Authorization":"Bearer plainword"}', "plainword"),
    "token": ("received", '{"token":"plainword"}', "plainword"),
    "accessToken": ("received", '{"auth":{"accessToken":"plainword"}}', "plainword"),
    "client_secret": ("received", '{"client_secret":"plainword"}', "plainword"),
    "password": ("sent", '{"password":"plainword"}', "plainword"),
    "a long key beside sound": ("sent", json.dumps({"audio": SOUND, "api_key": "k" * 500}), "k" * 500),
    "JSON within JSON": ("sent", json.dumps({"arguments": '{"api_key": "plainword"}'}), "plainword"),
    "a provider's key": ("received", json.dumps({"message": f"wrong key: {KEY}"}), KEY),
    "a web token": ("received", f"bearer {JWT}", JWT),
    "what the user wrote": ("said", f"my key is {KEY}", KEY),
    "an error of a turn": ("ended", {"turn": 1, "status": "failed", "error": f"401: {KEY}"}, KEY),
    "a fact": ("noted", {"model": KNOWN}, KNOWN),
    "a provider's complaint": ("event", SessionError(message=f"no such key {KEY}", code="x"), KEY),
    "a reason": ("event", SessionClosed(code=3000, reason=KNOWN), KNOWN),
    "settings": ("event", SessionUpdated(settings={"client_secret": {"value": KEY}}), KEY),
    "words of an answer": ("event", TextDelta(text=KNOWN), KNOWN),
    "an event's own message": ("event", RawEvent(kind="x", raw={"deep": KNOWN}), KNOWN),
}


@pytest.mark.parametrize(("kind", "value", "secret"), PLANTED.values(), ids=PLANTED)
def test_a_planted_secret_is_gone(kind: Kind, value: Any, secret: str) -> None:
    line = Line(1.0, kind, value)
    (clean,) = scrub([line], [KNOWN])
    assert secret not in _all_of(clean.value) and secret in _all_of(value)
    assert (clean.t_ms, clean.kind, type(clean.value)) == (1.0, kind, type(value))
    assert HIDDEN in _all_of(clean.value) or kind == "event"
    assert scrub([clean], [KNOWN]) == [clean]


def _all_of(value: Any) -> str:
    """All that a value holds, an event's `raw` too."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return value
    return f"{value!r} {getattr(value, 'raw', '')!r} {getattr(value, 'settings', '')!r}"


def test_json_stays_json_and_all_else_in_it_stays() -> None:
    message = json.dumps({"api_key": "plainword", "max_token": 5, "audio": SOUND, "text": "a key, a token: none"})
    clean = json.loads(scrub_message(message))
    assert clean == {**json.loads(message), "api_key": HIDDEN}


@pytest.mark.parametrize(
    "line",
    [
        Line(1.0, "received", json.dumps({"type": "response.output_text.delta", "delta": "a token of love"})),
        Line(1.0, "received", json.dumps({"usage": {"max_token": 5, "last_token": 7}})),
        Line(1.0, "sent", json.dumps({"audio": urlsafe_b64encode(b"\xb2\x4f" * 900).decode()})),
        Line(1.0, "received", bytes(range(256))),
        Line(1.0, "received", b"{not JSON"),
        Line(1.0, "received", b"{\xff"),
        Line(1.0, "voice", (bytes(8), PCM16_24K)),
        Line(1.0, "event", AudioDelta(data=bytes(8), format=PCM16_24K)),
        Line(1.0, "turn", {"turn": 1, "out_of_band": False}),
    ],
    ids=lambda line: f"{line.kind} {line.value!r:.30}",
)
def test_what_holds_no_secret_is_left_as_it_is(line: Line) -> None:
    assert scrub_line(line, [KNOWN]) is line


def test_sound_that_looks_like_a_key_is_left_alone() -> None:
    sound = "A" * 200 + "/AIzaBBBBBBBBBBBBBB" + "C" * 201
    message = json.dumps({"audio": sound})
    assert scrub_message(message) is message


def test_events_lose_their_raw_even_without_a_secret() -> None:
    (clean,) = scrub([Line(1.0, "event", TextDelta(text="x", raw={"a": 1}))])
    assert clean.value.raw is None and clean.value.text == "x"
