"""The rule-based responder: right where it has a rule, honest where it has none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from aigw_notebook.gateway.engines.base import Said
from aigw_notebook.gateway.engines.rules import RuleResponder

RULES = RuleResponder(lambda: datetime(2026, 11, 22, 15, 4))


def say(*texts: str, **options: Any) -> str:
    """The answer to the last of `texts`; they are the user's and the assistant's in turn, the last is the user's."""
    roles = ["user", "assistant"] if len(texts) % 2 else ["assistant", "user"]
    conversation = [Said(role=roles[i % 2], text=text) for i, text in enumerate(texts)]  # type: ignore[arg-type]
    return RULES.answer(conversation, **options).text


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("what is 2+2?", "2 + 2 is 4."),
        ("What is seven times eight?", "7 × 8 is 56."),
        ("twenty-one plus two hundred and five", "21 + 205 is 226."),
        ("what is the square root of 144?", "The square root of 144 is 12."),
        ("what's 10 / 0", "I understood the sum 10 / 0, but nothing can be divided by zero."),
        ("What time is it?", "It is 15:04 on this machine, on Sunday, 22 November 2026."),
        ("What day is it today?", "Today is Sunday, 22 November 2026."),
        ("count to ten", "One, two, three, four, five, six, seven, eight, nine, ten."),
        ("Count down from five to one", "Five, four, three, two, one."),
        ("Repeat after me: I like tea.", "I like tea."),
        ('say "hello world" now', "hello world"),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("why is the sky blue?", "The sky is blue because air scatters short, blue waves of sunlight more than long, "
         "red ones."),
        ("Thanks!", "You are welcome."),
        ("what is two plus two, in upper case", "2 + 2 IS 4."),
        ("What is the capital of Italy in three words", "The capital of…"),
    ],
)  # fmt: skip
def test_answers(question: str, answer: str) -> None:
    assert say(question) == answer


def test_the_question_of_the_readme_gets_a_few_sentences() -> None:
    answer = say("What is the capital of Portugal, and why should I visit?")
    assert answer.startswith("The capital of Portugal is Lisbon. Visit it for")
    assert answer.count(".") == 4
    assert say("What is the capital of Portugal?", answer, "Say it in one sentence.") == answer.split(". ")[0] + "."


def test_instructions_are_obeyed() -> None:
    question = "What is the capital of Portugal, and why should I visit?"
    assert say(question, instructions="Answer in one sentence.") == "The capital of Portugal is Lisbon."
    assert say(question, instructions="Be extremely succinct.") == "The capital of Portugal is Lisbon."
    assert say(question, instructions='Reply with exactly "no"') == "no"
    system = [Said(role="system", text="Use only two words."), Said(role="user", text=question)]
    assert RULES.answer(system).text == "The capital…"


def test_it_says_what_it_is() -> None:
    for question in ("What are you?", "Are you the real model?", "who are you"):
        assert "local emulator inside aigw_notebook" in say(question)
        assert "not the provider's model" in say(question)


def test_it_says_what_it_cannot_do() -> None:
    answer = say("Explain the Peace of Westphalia")
    assert "“Explain the Peace of Westphalia”" in answer
    assert "not the provider's model" in answer


def test_it_remembers() -> None:
    assert say("I like tea.", "Good.", "What did I just say?") == "You said: “I like tea.”"
    assert say("I like tea.", "Good.", "What did you just say?") == "I said: “Good.”"
    assert say("I like tea.", "Good.", "Say that again.") == "Good."
    assert say("My name is Ada.", "Hello.", "What is my name?") == "Your name is Ada."
    assert say("what did I just ask?") == "You have not said anything before that."


def test_a_story_has_eight_sentences() -> None:
    story = say("Tell me a story about a dog")
    assert story.count(".") == 8
    assert "a dog lived" in story


def test_counting_is_bounded() -> None:
    assert say("count to 1000000").count(",") == 99


def test_it_cannot_see() -> None:
    shown = [Said(role="user", text="What is this?", images=2)]
    assert RULES.answer(shown).text.startswith("I was shown 2 pictures. Locally I cannot see")


def test_audio_without_words_is_owned_up_to() -> None:
    assert say("").startswith("I received your audio but could not make out any words")


def test_instructions_alone_are_the_question() -> None:
    assert RULES.answer([], instructions="What is 1+1?").text == "1 + 1 is 2."
    assert RULES.answer([]).text.startswith("Hello!")


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ('{"temp_c": 21, "sky": "clear"}', "According to get weather, temp c is 21, sky is clear."),
        ("21", "According to get weather: 21."),
        ("rainy.", "According to get weather: rainy."),
        ("[1, true, null]", "According to get weather: 1, yes, nothing."),
        ('{"error": "no such city"}', "Get weather failed: no such city."),
        ("", "Get weather is done."),
        ("{}", "Get weather is done."),
    ],
)
def test_a_tools_output_is_put_into_words(output: str, answer: str) -> None:
    said = [Said(role="user", text="How is it?"), Said(role="tool", name="get_weather", text=output)]
    assert RULES.answer(said, tools=[{"name": "get_weather"}], tool_choice="required").text == answer


def test_several_outputs_make_several_sentences() -> None:
    said = [Said(role="tool", name=name, text="1") for name in ("a", "b")]
    assert RULES.answer(said).text == "According to a: 1. According to b: 1."


def test_the_same_question_has_the_same_answer() -> None:
    assert len({say("Tell me a story") for _ in range(3)}) == 1
