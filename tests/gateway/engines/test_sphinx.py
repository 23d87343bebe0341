"""PocketSphinx on the questions of the toolkit: words, provisional ones, its decoders, and what is no speech."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from aigw_notebook.errors import MissingExtra
from aigw_notebook.gateway.engines import sphinx, sphinx_decoder
from aigw_notebook.gateway.engines.sphinx import SphinxListener
from tests.gateway.engines.listening import heard_live, holds_to_the_rules, is_deaf_to_no_speech, mean_error_rate
from tests.real_speech import QUESTIONS, RATE, said, word_error_rate
from tests.speech import silence

pytestmark = pytest.mark.speech


@pytest.fixture(scope="module")
def listener() -> SphinxListener:
    return SphinxListener()


def test_spoken_questions_are_mostly_understood(listener: SphinxListener) -> None:
    assert mean_error_rate(listener, QUESTIONS[::3]) < 0.25


def test_what_is_no_speech_has_no_words(listener: SphinxListener) -> None:
    is_deaf_to_no_speech(listener)


def test_it_holds_to_the_rules_of_listeners(listener: SphinxListener) -> None:
    holds_to_the_rules(listener)


def test_words_come_while_they_are_spoken(listener: SphinxListener) -> None:
    question = QUESTIONS[4]
    *live, last = heard_live(listener, said(question))
    assert len(set(live)) > 3 and live[0] == "" and word_error_rate(question, last) < 0.3


def test_a_pause_within_a_turn_is_part_of_it(listener: SphinxListener) -> None:
    audio = said("Which providers can I use?") + silence(3_000) + said("How much does it cost?")
    assert word_error_rate("which providers can I use how much does it cost", heard_live(listener, audio)[-1]) < 0.4


def test_a_turn_does_not_depend_on_the_one_before(listener: SphinxListener) -> None:
    first = listener.transcribe(said(QUESTIONS[5]), sample_rate=RATE)
    listener.transcribe(said("No."), sample_rate=RATE)
    assert listener.transcribe(said(QUESTIONS[5]), sample_rate=RATE) == first


def test_more_turns_than_decoders_are_all_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    new_decoder = sphinx.new_decoder
    monkeypatch.setattr(sphinx, "new_decoder", lambda rate: made.append(new_decoder(rate)) or made[-1])
    monkeypatch.setattr(sphinx, "MAX_LIVE", 1)
    listener, question = SphinxListener(), QUESTIONS[4]
    turns = [listener.listen(sample_rate=RATE) for _ in range(3)]
    for turn in turns:
        turn.hear(said(question))
    words = [turn.finish() for turn in turns]
    assert len(set(words)) == 1 and word_error_rate(question, words[0]) < 0.3
    assert len(made) == 2


def test_a_turn_that_is_left_gives_its_decoder_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sphinx, "MAX_LIVE", 1)
    listener = SphinxListener()
    for _ in range(3):
        assert any(heard_live(listener, said(QUESTIONS[4]))[:-1])
        turn = listener.listen(sample_rate=RATE)
        turn.hear(said(QUESTIONS[4]))
        del turn


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sphinx, "is_installed", lambda: False)
    with pytest.raises(MissingExtra, match=r"aigw-notebook\[local\]"):
        SphinxListener()


def test_it_says_what_it_is(listener: SphinxListener) -> None:
    assert (listener.about.job, listener.about.placeholder) == ("listening", False)
    assert listener.about.install.endswith("[local-stt]'")


def test_the_packages_own_decoder_finds_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library hides its functions."""
    heard = [SphinxListener().transcribe(said(QUESTIONS[4]), sample_rate=RATE)]
    monkeypatch.setitem(sphinx_decoder._FUNCTIONS, "ps_hidden", (None, []))
    sphinx_decoder._library.cache_clear()
    try:
        heard.append(SphinxListener().transcribe(said(QUESTIONS[4]), sample_rate=RATE))
        assert sphinx_decoder._library() is None
    finally:
        sphinx_decoder._library.cache_clear()
    assert heard[0] == heard[1] != ""


def test_other_threads_go_on_while_the_end_of_a_turn_is_searched() -> None:
    """Python code runs between the start and the end of one call of the library; none would if it held the lock."""
    decoder = sphinx_decoder.new_decoder(RATE)
    decoder.begin(sphinx.LEVELS)
    audio = b"".join(map(said, QUESTIONS[:6]))
    decoder.process(audio)
    ending = threading.Thread(target=decoder.end)
    ending.start()
    steps = 0
    while ending.is_alive():
        steps += 1
    assert steps > 1_000
