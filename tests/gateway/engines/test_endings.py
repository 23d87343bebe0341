"""How what was made out ends, by its last words."""

from __future__ import annotations

import pytest

from aigw_notebook.gateway.engines.endings import ending_of
from tests.real_speech import QUESTIONS


@pytest.mark.parametrize("words", ["", "hmph", "Tell me", "so the model can", "how do I save", "I want to go"])
def test_what_may_go_on_is_not_finished(words: str) -> None:
    assert ending_of(words) != "finished"


@pytest.mark.parametrize(
    "words", ["I would like to", "what is the", "and then we could", "How can I...", "on Monday,", "Who is your?"]
)
def test_what_breaks_off_is_unfinished(words: str) -> None:
    assert ending_of(words) == "unfinished"


@pytest.mark.parametrize("words", ["Yes.", "no", "Stop!", "What is 3 plus 4?", "the quick brown fox jumps"])
def test_what_is_a_thought_is_finished(words: str) -> None:
    assert ending_of(words) == "finished"


def test_most_whole_questions_count_as_finished_and_none_as_broken_off() -> None:
    found = [ending_of(question) for question in QUESTIONS]
    assert found.count("finished") > 0.8 * len(found)
    assert found.count("unfinished") <= 1
