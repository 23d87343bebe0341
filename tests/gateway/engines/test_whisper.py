"""Whisper on the questions of the toolkit: words, provisional ones, long turns, and what is no speech."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from aigw_notebook.errors import ConfigurationError, MissingExtra
from aigw_notebook.gateway.engines import whisper
from aigw_notebook.gateway.engines.whisper import WhisperListener
from tests.gateway.engines.listening import heard_live, holds_to_the_rules, is_deaf_to_no_speech, mean_error_rate
from tests.real_speech import QUESTIONS, RATE, mixed, noise, said, word_error_rate
from tests.speech import silence

pytestmark = pytest.mark.speech


@pytest.fixture(scope="module")
def listener() -> WhisperListener:
    return WhisperListener()


def test_spoken_questions_are_understood(listener: WhisperListener) -> None:
    assert mean_error_rate(listener, QUESTIONS[::3]) < 0.06


def test_noise_does_little_harm(listener: WhisperListener) -> None:
    audio = said(QUESTIONS[0])
    heard = listener.transcribe(mixed(audio, noise("pink", len(audio) // 32 + 1), 10), sample_rate=RATE)
    assert word_error_rate(QUESTIONS[0], heard) < 0.3


def test_what_is_no_speech_has_no_words(listener: WhisperListener) -> None:
    is_deaf_to_no_speech(listener)


def test_it_holds_to_the_rules_of_listeners(listener: WhisperListener) -> None:
    holds_to_the_rules(listener)


def test_words_come_while_they_are_spoken_and_silence_changes_them_no_more(listener: WhisperListener) -> None:
    question = QUESTIONS[1]
    *live, last = heard_live(listener, said(question) + silence(700))
    assert len(set(live)) > 2 and word_error_rate(question, last) < 0.2
    assert live[-1] == last


def test_a_pause_within_a_turn_is_part_of_it(listener: WhisperListener) -> None:
    audio = said("How do I save the file?") + silence(3_000) + said("And where does it go?")
    assert word_error_rate("how do I save the file and where does it go", heard_live(listener, audio)[-1]) < 0.2


def test_a_minute_of_speech_is_made_out_in_windows(listener: WhisperListener) -> None:
    text = " ".join(QUESTIONS)
    audio = b"".join(said(question) for question in QUESTIONS)
    assert len(audio) > 2 * RATE * 50
    assert word_error_rate(text, listener.transcribe(audio, sample_rate=RATE)) < 0.1


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    assert WhisperListener().transcribe(said("Yes."), sample_rate=RATE) == "Yes."


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ConfigurationError, match=r"not those of version 0.1.0: install that one again with pip"):
        WhisperListener().warm_up()


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "PACKAGES", ("no_such_package_at_all",))
    with pytest.raises(MissingExtra, match=r"aigw-notebook\[local-stt\]"):
        WhisperListener()


def test_it_says_what_it_is(listener: WhisperListener) -> None:
    about = listener.about
    assert (about.job, about.version, about.licence, about.placeholder) == ("listening", "0.1.0", "MIT", False)
