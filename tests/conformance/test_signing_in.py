"""Keys and options on their way out: where they go, what a wrong one brings, and that no secret is kept or shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

import aigw_notebook as aigw
from aigw_notebook.endpoint import Gateway
from aigw_notebook.errors import AigwError, Unauthorized
from aigw_notebook.providers import BUILT_IN
from tests.conformance.checks import check_answer, check_records, check_sentence
from tests.conformance.forms import FORMS, NEEDS, Form
from tests.conformance.middleman import WAYS, Middleman

pytestmark = pytest.mark.conformance

TOKEN = "planted-gateway-token-4711"
KEY = "sk-planted-provider-key-0815"
OPTION = "x_own_option"

SIGNED = [form for form in FORMS if any((form.provider.auth.header, form.provider.auth.query))]


@pytest.fixture
def between(fast: aigw.LocalGateway) -> Iterator[Middleman]:
    with Middleman(fast) as middleman:
        yield middleman


def as_planted(between: Middleman) -> Gateway:
    return Gateway.from_url(between.gateway.url, token=TOKEN)


def sent(between: Middleman) -> str:
    """All that the last connection brought to the server: address, headers, messages."""
    headers = " ".join(f"{name}: {value}" for name, value in between.requests[-1].headers.raw_items())
    messages = " ".join(map(str, between.watch.seen["to server"]))
    return f"{unquote(between.watch.path)} {headers} {messages}"


@pytest.mark.parametrize("form", SIGNED, ids=lambda form: form.address)
def test_no_secret_is_kept_or_shown(form: Form, between: Middleman, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    between.expect()
    connection = form.connect(as_planted(between), api_key=KEY)
    shown: list[Any] = [connection]
    with connection as session:
        turn = session.ask(**form.question())
        check_answer(form, turn)
        assert KEY in sent(between) and TOKEN in sent(between)
        if form.many_turns:
            between.inject(f'{{"type": "error", "error": "{KEY}", "message": "{TOKEN}", "error_code": "{KEY}"}}')
            between.inject(f"{KEY} {TOKEN}")
        shown += [session, turn, session.where, session.core.endpoint, session.core.provider, session.core.settings]
        rows = session.records
    shown += [rows, session.records]
    for way in WAYS:
        between.expect(cut=(way, 1))
        try:
            with form.connect(as_planted(between), api_key=KEY) as session:
                session.ask(**form.question())
        except AigwError as error:
            shown += [error, error.args, vars(error), error.__cause__, error.__context__, session.records]
    text = " ".join(map(repr, shown)) + " ".join(map(str, shown)) + caplog.text
    assert KEY not in text and TOKEN not in text


@pytest.mark.parametrize("auth", ["header", "query", "subprotocol"])
@pytest.mark.parametrize("form", SIGNED, ids=lambda form: form.address)
def test_a_key_travels_in_every_form_and_nowhere_else(form: Form, auth: Any, between: Middleman) -> None:
    between.expect()
    with form.connect(as_planted(between), api_key=KEY, auth=auth) as session:
        check_answer(form, session.ask(**form.question()))
    everything = sent(between)
    assert everything.count(KEY) == 1
    assert KEY not in " ".join(map(str, between.watch.seen["to server"]))


@pytest.mark.parametrize("form", SIGNED, ids=lambda form: form.address)
def test_a_key_that_is_not_taken_is_named_and_not_shown(form: Form, fast: aigw.LocalGateway) -> None:
    """Before the session, or with the first answer; an emulator of somebody else's may take any key."""
    try:
        with form.connect(Gateway.from_url(fast.url, token=fast.token), api_key="invalid") as session:
            turn = session.ask(**form.question())
            assert turn.status == "failed" or form.provider.name not in BUILT_IN
            if turn.status != "completed":
                assert "key" in (turn.error or "").lower()
            check_records(session)
    except AigwError as error:
        assert isinstance(error, Unauthorized) and "key" in check_sentence(error)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.address)
def test_a_wrong_gateway_token_is_refused_before_anything_is_said(form: Form, fast: aigw.LocalGateway) -> None:
    with pytest.raises(Unauthorized) as caught:
        form.connect(Gateway.from_url(fast.url, token=TOKEN)).open()
    assert "token" in check_sentence(caught.value) and TOKEN not in str(caught.value)
    assert fast.counters["refused"] == 1 and fast.counters["connections"] == 0


@pytest.mark.bad_frames(reason="the option is no provider's: it must reach the wire all the same")
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.address)
def test_an_option_of_the_providers_own_passes_as_it_is(form: Form, between: Middleman) -> None:
    between.expect()
    needed = NEEDS.get(form.address, {}).get("options", {})
    try:
        with form.connect(between.gateway, options={**needed, OPTION: "4711"}) as session:
            session.ask(**form.question())
            check_records(session)
    except AigwError as error:
        check_sentence(error)  # the provider does not know it
    said = sent(between)
    assert OPTION in said and "4711" in said


def test_a_stored_key_that_is_not_applied_is_told_and_a_way_round_is_named(form: Form) -> None:
    with aigw.LocalGateway(faults="no_stored_key") as gateway:
        through = Gateway.from_url(gateway.url, token=gateway.token)
        if not form.provider.auth.any_form:
            form.connect(through).open().close()
            return
        with pytest.raises(AigwError, match="api_key") as caught, form.connect(through) as session:
            session.ask(**form.question())
        assert "did not get ready" not in str(caught.value)
