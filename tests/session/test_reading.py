"""What a peer complains about never holds the credentials it was shown; what it says otherwise is left alone."""

from __future__ import annotations

import json

import pytest

from aigw_notebook.events import (
    AnyServerEvent,
    InputTranscriptFailed,
    ResponseDone,
    SessionClosed,
    SessionError,
    TextDelta,
)
from aigw_notebook.providers import SessionSettings, get
from aigw_notebook.providers.base import counting_ids
from aigw_notebook.session.reading import read, without_secrets

SECRET = "Plainly-no-pattern.provider~key"


@pytest.mark.parametrize(
    ("event", "hidden"),
    [
        (SessionError(message=f"bad {SECRET}"), SessionError(message="bad ***")),
        (SessionError(message="bad", code=SECRET), SessionError(message="bad", code="***")),
        (InputTranscriptFailed(message=f"{SECRET}!"), InputTranscriptFailed(message="***!")),
        (ResponseDone(error_message=SECRET), ResponseDone(error_message="***")),
        (SessionClosed(code=3000, reason=f"no {SECRET}"), SessionClosed(code=3000, reason="no ***")),
    ],
)
def test_a_complaint_that_quotes_a_secret(event: AnyServerEvent, hidden: AnyServerEvent) -> None:
    assert without_secrets(event, (SECRET,)) == hidden


@pytest.mark.parametrize("event", [TextDelta(text=SECRET), SessionError(message="bad", code="invalid_api_key")])
def test_all_else_stays_as_it_is(event: AnyServerEvent) -> None:
    assert without_secrets(event, (SECRET,)) == event


def test_reading_hides_what_a_message_quotes() -> None:
    codec = get("openai").codec(SessionSettings(), ids=counting_ids())
    error = {"type": "invalid_request_error", "code": "invalid_api_key", "message": f"Incorrect key: {SECRET}"}
    (event,) = read(codec, json.dumps({"type": "error", "event_id": "event_1", "error": error}), (SECRET,))
    assert isinstance(event, SessionError) and event.message == "Incorrect key: ***"


def test_an_unreadable_message_is_an_error_of_the_session() -> None:
    codec = get("openai").codec(SessionSettings(), ids=counting_ids())
    (event,) = read(codec, "{not json", ())
    assert isinstance(event, SessionError) and event.code == "malformed_message"
