"""Frames that nobody should send: unknown, unreadable and oversized ones, both ways."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.errors import LocalProtocolError, SessionEnded, Unsupported
from aigw_notebook.events import AnyEvent, ProviderMessage, RawEvent, SessionError
from aigw_notebook.gateway import server
from aigw_notebook.providers.base import Message
from aigw_notebook.session import dial
from tests.conformance.checks import check_answer, check_records, check_sentence
from tests.conformance.forms import ENGINES, FORMS, HASTY, Form
from tests.conformance.middleman import Middleman

pytestmark = pytest.mark.conformance

KB = 1024
SMALL_LIMIT = 64 * KB
UNREADABLE = ("", "not json", "[]", "null", "7", '"text"', '{"type": ', "[" * 5_000, '{"a": 1e999}')
UNKNOWN = ("{}", '{"type": "no.such.event"}', '{"type": 7}', '{"type": null}', '{"type": {"type": []}}')
BINARY = (b"", b"\xff\xfe\x00", b"\x00" * 10)


@pytest.fixture
def between(fast: aigw.LocalGateway) -> Iterator[Middleman]:
    with Middleman(fast) as middleman:
        yield middleman


MARK = "the-last-of-the-junk"


def wrong_fields(watched: list[Message]) -> list[str]:
    """Each kind of message that the provider sent, with everything but its type taken away."""
    sent = [json.loads(message) for message in watched if isinstance(message, str) and message.startswith('{"')]
    kinds = {message["type"] for message in sent if isinstance(message.get("type"), str)}
    return [json.dumps({"type": kind}) for kind in sorted(kinds)]


def test_messages_that_mean_nothing_end_nothing(form: Form, between: Middleman) -> None:
    watch = between.expect()
    with form.connect(between.gateway) as session:
        if form.many_turns:
            check_answer(form, session.ask(**form.question()))
        said = len(session.records)
        check_junk(session, between, [*UNKNOWN, *UNREADABLE])
        check_answer(form, session.ask(**form.question(), timeout_s=5))
        added = [row for row in session.records[said:] if row["turn"] == 0 and row["kind"] != "closed"]
        assert {row["kind"] for row in added} <= {"error"} and all(row["text"] for row in added)
        check_records(session)
    assert watch.seen["to client"]


@pytest.mark.parametrize("form", [form for form in FORMS if form.many_turns], ids=lambda form: form.address)
def test_known_messages_without_their_fields_and_binary_ones_end_nothing(form: Form, between: Middleman) -> None:
    watch = between.expect()
    with form.connect(between.gateway) as session:
        check_answer(form, session.ask(**form.question()))
        check_junk(session, between, [*wrong_fields(watch.seen["to client"]), *BINARY], some=False)
        check_answer(form, session.ask(**form.question(), timeout_s=5))
        check_records(session)


def check_junk(session: aigw.Session, between: Middleman, junk: list[Any], *, some: bool = True) -> None:
    """Every message is an event: raw where it is unknown, an error in words where it cannot be read at all."""
    events: list[Any] = []
    marked = threading.Event()

    def sink(event: AnyEvent) -> None:
        events.append(event)
        if MARK in str(getattr(event, "raw", None)):
            marked.set()

    session.core.add_sink(sink)
    for message in (*junk, json.dumps({"type": MARK, MARK: MARK})):
        between.inject(message)
    assert marked.wait(5) and not session.closed
    session.core.remove_sink(sink)
    assert not some or len(events) > len(junk), (len(events), len(junk))
    assert any(isinstance(event, RawEvent) for event in events)
    assert all(check_sentence(event.message) for event in events if isinstance(event, SessionError))


def test_a_message_beyond_the_limit_ends_the_session_with_that_reason(
    form: Form, between: Middleman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "MAX_MESSAGE_BYTES", SMALL_LIMIT)
    with form.connect(between.gateway) as session:
        between.inject(b"x" * (SMALL_LIMIT + 1) if form.can.audio_out else "x" * (SMALL_LIMIT + 1))
        with pytest.raises(SessionEnded) as caught:
            for _ in range(100):
                session.ask(**form.question(), timeout_s=5)
        assert "1009" in check_sentence(caught.value) and "too big" in str(caught.value)
        check_records(session)


@pytest.mark.bad_frames(reason="the message is no provider's own: only its size matters")
def test_a_message_that_the_gateway_finds_too_big_ends_the_session_with_that_reason(
    form: Form, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_SIZE", SMALL_LIMIT)
    with aigw.LocalGateway(pace=HASTY, engines=ENGINES) as gateway, form.connect(gateway) as session:
        session.send(ProviderMessage(message={"type": "x" * SMALL_LIMIT}))
        with pytest.raises(SessionEnded) as caught:
            for _ in range(100):
                session.ask(**form.question(), timeout_s=5)
        assert "1009" in check_sentence(caught.value) and "too big" in str(caught.value)
        check_records(session)
        assert gateway.counters["connections"] == 1


def test_what_is_not_json_is_the_callers_fault(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        for message in ({"a": object()}, {"a": float("nan")}):
            with pytest.raises((LocalProtocolError, Unsupported)) as caught:
                session.send(ProviderMessage(message=message))
            check_sentence(caught.value)
        check_answer(form, session.ask(**form.question()))


def test_every_form_is_here() -> None:
    assert len(FORMS) >= 16 and len({form.address for form in FORMS}) == len(FORMS)
