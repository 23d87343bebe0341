"""A spoken question to a spoken answer, with every provider that converses, over real sockets and with real engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.events import AudioDelta, ResponseDone, SpeechStarted, TurnFinished
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines.base import Engines
from tests.real_speech import word_error_rate
from tests.speech_loop.talking import NEEDS, TALKERS, Talk, heard_by

pytestmark = pytest.mark.speech

HASTY = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
FASTER_THAN_SPEECH = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=4)

QUESTION = "how do I stop an answer that is too long"
ANSWER = "Press Stop in the running answer"
BARGE_IN = "how much does it cost"

INTERRUPTIONS: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "openai": lambda raw: raw.get("type") == "response.done" and raw["response"]["status"] == "cancelled",
    "google": lambda raw: bool(raw.get("serverContent", {}).get("interrupted")),
    "elevenlabs": lambda raw: raw.get("type") == "interruption",
}
"""Provider → whether a message of its says that the answer was broken off."""


@pytest.fixture(params=TALKERS)
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def gateway(request: pytest.FixtureRequest, engines: Engines) -> Iterator[aigw.LocalGateway]:
    with aigw.LocalGateway(pace=request.param, engines=engines) as running:
        yield running


def connect(provider: str, gateway: aigw.LocalGateway) -> aigw.Connection:
    return aigw.connect(provider, gateway=gateway, quiet=True, **NEEDS.get(provider, {}))


@pytest.mark.parametrize("gateway", [HASTY], indirect=True, ids=["at once"])
def test_a_spoken_question_is_answered_in_words_that_can_be_heard(
    provider: str, gateway: aigw.LocalGateway, engines: Engines
) -> None:
    with connect(provider, gateway) as session:
        talk = Talk(session, provider)
        talk.say(QUESTION)
        turn = session.next_turn(timeout_s=30)
    assert word_error_rate(QUESTION, turn.user_text or "") < 0.25  # words told early are not taken back
    assert turn.text.startswith(ANSWER)
    assert word_error_rate(turn.text, heard_by(engines.listener, turn.audio)) < 0.1


@pytest.mark.parametrize("gateway", [FASTER_THAN_SPEECH], indirect=True, ids=["four times real time"])
def test_speaking_into_a_long_answer_ends_it(provider: str, gateway: aigw.LocalGateway) -> None:
    with connect(provider, gateway) as session:
        talk = Talk(session, provider)
        talk.say("tell me a long story")
        talk.until(lambda: talk.received_ms() > 1_000)
        talk.say(BARGE_IN)
        story, answer = session.next_turn(timeout_s=30), session.next_turn(timeout_s=30)
    assert (story.status, story.number, answer.status, answer.number) == ("interrupted", 1, "completed", 2)
    assert word_error_rate(BARGE_IN, answer.user_text or "") < 0.25 and "costs nothing" in answer.text
    assert [event for event in talk.events if INTERRUPTIONS[provider](getattr(event, "raw", None) or {})]
    first, second = (number for number, event in enumerate(talk.events) if isinstance(event, SpeechStarted))
    ended = next(number for number, event in enumerate(talk.events) if isinstance(event, TurnFinished))
    assert first < second and not [event for event in talk.events[second:ended] if isinstance(event, AudioDelta)]
    assert [event.status for event in talk.of(ResponseDone)] == ["cancelled", "completed"]
