"""Asking a provider for what it lacks: refused in one sentence, before anything is sent, naming who has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook import providers
from aigw_notebook.errors import AigwError, ConfigurationError, Unsupported
from aigw_notebook.events import (
    CancelResponse,
    ClearAudio,
    ClientEvent,
    DeleteItem,
    SessionUpdate,
    ToolResult,
    TruncateOutput,
)
from tests.conformance.checks import check_answer, check_records, check_sentence
from tests.conformance.forms import ANY_RATE, FORMS, Form, spoken
from tests.conformance.test_turns import picture, weather

pytestmark = pytest.mark.conformance

SETTINGS: dict[str, dict[str, Any]] = {
    "tools": {"tools": [weather]},
    "temperature": {"temperature": 0.5},
    "speed": {"speed": 1.1},
    "max_output_tokens": {"max_output_tokens": 100},
    "instructions": {"instructions": "Be brief."},
    "transcription": {"transcription": True},
    "server_turns": {"turn_detection": "server"},
    "semantic_turns": {"turn_detection": "semantic"},
    "manual_turns": {"turn_detection": "manual"},
    "image_out": {"modalities": "image"},
    "audio_out": {"modalities": "audio"},
}
"""Capability → how `connect` is asked for it."""

MALFORMED: dict[str, Any] = {
    "voice": 5,
    "tools": 3,
    "max_output_tokens": 0,
    "options": "temperature=1",
}
"""Arguments of `connect` that no provider can take."""

CALLS: dict[str, Callable[[aigw.Session], Any]] = {
    "text_in": lambda session: session.ask("say yes"),
    "audio_in": lambda session: session.ask(audio=spoken("yes")),
    "image_in": lambda session: session.ask("What is this?", image=picture()),
    "out_of_band": lambda session: session.ask("say yes", out_of_band=True),
    "live_update": lambda session: session.update(instructions="Be brief."),
}
"""Capability → a call that needs it; `text_in` is asked of all."""

EVENTS: dict[str, ClientEvent] = {
    "audio_in": ClearAudio(),
    "cancel": CancelResponse(),
    "editable_history": DeleteItem(item_id="item_1"),
    "live_update": SessionUpdate(changes={"instructions": "Be brief."}),
    "tools": ToolResult(call_id="call_1", output="yes"),
    "truncation": TruncateOutput(item_id="item_1", played_ms=100),
}
"""Capability → an event that needs it."""


def lacks(form: Form, known: Iterable[str]) -> list[str]:
    """Which of the `known` capabilities a form lacks."""
    return [name for name in known if not getattr(form.can, name)]


def check_refusal(error: BaseException, capability: str, value: object = None) -> None:
    """A sentence that names somebody who has the capability, where anybody has."""
    said = check_sentence(error)
    others = providers.with_capability(capability, value)
    assert not others or any(other in said for other in others), said


def test_a_setting_that_it_lacks(form: Form, fast: aigw.LocalGateway) -> None:
    for capability in lacks(form, SETTINGS):
        with pytest.raises(Unsupported) as caught:
            form.connect(fast, **SETTINGS[capability])
        check_refusal(caught.value, capability)
    assert fast.counters["connections"] == fast.counters["refused"] == 0


def test_a_format_that_it_lacks(form: Form, fast: aigw.LocalGateway) -> None:
    for field in ("input_formats", "output_formats"):
        for wanted in foreign_formats(form, field):
            with pytest.raises(Unsupported) as caught:
                form.connect(fast, **{field.removesuffix("s"): wanted})
            check_refusal(caught.value, field, wanted)
    assert fast.counters["connections"] == 0


def foreign_formats(form: Form, field: str) -> list[aigw.AudioFormat]:
    """What others take or give and this one does not, and what nobody does."""
    own = getattr(form.can, field)
    foreign = {each for other in FORMS for each in getattr(other.can, field)} - set(own)
    if form.address in ANY_RATE:
        foreign = {each for each in foreign if each.encoding not in {known.encoding for known in own}}
        return sorted(foreign, key=str)
    return [*sorted(foreign, key=str), aigw.AudioFormat("pcm16", 12_345)]


def test_a_call_that_needs_what_it_lacks(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        for capability in lacks(form, CALLS):
            # Of a picture with a question the words are looked at first.
            refused = capability if capability != "image_in" or form.can.text_in else "text_in"
            with pytest.raises(Unsupported) as caught:
                CALLS[capability](session)
            check_refusal(caught.value, refused)
        assert session.turns == [] and session.records == []
        check_answer(form, session.ask(**form.question()))
        check_records(session)


def test_an_event_that_needs_what_it_lacks(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        for capability in lacks(form, EVENTS):
            with pytest.raises(Unsupported) as caught:
                session.send(EVENTS[capability])
            check_refusal(caught.value, capability)
        check_answer(form, session.ask(**form.question()))


@pytest.mark.parametrize("form", [form for form in FORMS if not form.can.audio_in], ids=lambda form: form.address)
def test_one_that_does_not_listen_takes_no_microphone(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        for use in (session.commit, lambda: session.send_audio(bytes(320), sample_rate=16_000)):
            with pytest.raises(Unsupported) as caught:
                use()
            check_refusal(caught.value, "audio_in")
        assert session.turns == []


NO_QUESTIONS: tuple[dict[str, Any], ...] = ({"text": ""}, {"text": 7}, {"audio": b""}, {"audio": "no/such.wav"}, {})


def test_a_question_that_is_none(form: Form, fast: aigw.LocalGateway) -> None:
    with form.connect(fast) as session:
        for question in NO_QUESTIONS:
            with pytest.raises(ConfigurationError) as caught:
                session.ask(**question)
            check_sentence(caught.value)
        assert session.turns == [] and session.records == []
        check_answer(form, session.ask(**form.question()))


@pytest.mark.parametrize("wish", ["model", "voice"])
def test_a_name_that_nobody_has_is_refused_in_a_sentence_or_stood_in_for(
    form: Form, wish: str, fast: aigw.LocalGateway
) -> None:
    """Models and voices come and go, so most names are the provider's to refuse; an emulator stands in for any."""
    name = form.address.partition(":")[0]
    try:
        address = name if wish == "model" else form.address
        with aigw.connect(address, gateway=fast, quiet=True, **{wish: "no-such"}) as session:
            turn = session.ask(**form.question())
            assert turn.status == "completed" or check_sentence(turn.error or "")
            check_records(session)
    except AigwError as error:
        said = check_sentence(error)
        assert wish in said or "setting" in said or "no text input" in said, said
        assert "beta" not in said or "leave out beta" not in said
    assert fast.counters["connections"] <= 1


@pytest.mark.parametrize("name", MALFORMED)
def test_what_nobody_could_take_is_refused_before_anything_opens(form: Form, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        aigw.connect(form.address, **{name: MALFORMED[name]})
    check_sentence(caught.value)
