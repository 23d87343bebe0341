"""What is no speech, and what is no question: nothing is invented, nothing breaks, the next question is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import aigw_notebook as aigw
from aigw_notebook.events import InputTranscript
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines.base import Engines
from aigw_notebook.gateway.engines.selection import choose_engines
from tests.real_speech import MUSIC, NO_SPEECH, RATE, word_error_rate
from tests.speech_loop.talking import NEEDS, TALKERS, Talk

pytestmark = pytest.mark.speech

QUESTION = "how much does it cost"

TEXTS = {
    "a foreign alphabet": ("今日の天気はどうですか。", "understand English only"),
    "no words": ("?!…", "I see no words"),
    "10,000 words": ("lorem ipsum " * 5_000, "I understood: “lorem ipsum"),
}
"""Name → what is asked in writing, and what the answer must say."""


@pytest.fixture
def gateway(engines: Engines) -> Iterator[aigw.LocalGateway]:
    with aigw.LocalGateway(pace=Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0), engines=engines) as running:
        yield running


@pytest.mark.parametrize("provider", TALKERS)
def test_after_all_that_is_no_speech_a_question_is_understood(provider: str, gateway: aigw.LocalGateway) -> None:
    with aigw.connect(provider, gateway=gateway, quiet=True, **NEEDS.get(provider, {})) as session:
        talk = Talk(session, provider)
        for sound in NO_SPEECH.values():
            talk.send_at(RATE, sound + bytes(RATE))
        talk.send_at(RATE, bytes(4 * RATE))
        talk.say(QUESTION)
        turn = session.next_turn(timeout_s=30)
        assert turn.number == 1 and word_error_rate(QUESTION, turn.user_text or "") < 0.25
        assert "costs nothing" in turn.text
    heard = "".join(event.text for event in talk.of(InputTranscript) if event.final)
    assert word_error_rate(QUESTION, heard) < 0.25


@pytest.mark.parametrize("provider", TALKERS)
def test_odd_questions_are_answered_sensibly(provider: str, gateway: aigw.LocalGateway) -> None:
    with aigw.connect(provider, gateway=gateway, quiet=True, **NEEDS.get(provider, {})) as session:
        for name, (question, wanted) in TEXTS.items():
            turn = session.ask(question)
            assert turn.status == "completed" and wanted in turn.text, name


@pytest.mark.parametrize("listener", ["pocketsphinx", "whisper"])
def test_music_has_no_words(listener: str) -> None:
    assert choose_engines(listener).listener.transcribe(MUSIC, sample_rate=RATE) == ""
