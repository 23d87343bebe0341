"""The skills one by one, on written questions and on a recogniser's words."""

from __future__ import annotations

from datetime import datetime

import pytest

from aigw_notebook.gateway.engines.base import Said
from aigw_notebook.gateway.engines.facts import EXPLANATIONS, JOKES
from aigw_notebook.gateway.engines.responder import LocalResponder
from aigw_notebook.gateway.engines.skills import SKILLS, Asked
from aigw_notebook.gateway.engines.skills.outputs import put_into_words

LOCAL = LocalResponder(lambda: datetime(2026, 11, 22, 15, 4))


def say(*texts: str) -> str:
    roles = ["user", "assistant"] if len(texts) % 2 else ["assistant", "user"]
    said = [Said(role=roles[i % 2], text=text) for i, text in enumerate(texts)]  # type: ignore[arg-type]
    return LOCAL.answer(said).text


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("what is seventeen times twenty three", "17 × 23 is 391."),
        ("What day is 3 March 2027?", "3 March 2027 is a Wednesday."),
        ("what day of the week is march third twenty twenty seven", "3 March 2027 is a Wednesday."),
        ("what day was the twenty third of may nineteen ninety nine", "23 May 1999 was a Sunday."),
        ("what day is 2027-03-03", "3 March 2027 is a Wednesday."),
        ("how many days until christmas", "33 days until Friday, 25 December 2026."),
        ("days until 23 November", "1 day until Monday, 23 November 2026."),
        ("how many days are there between 1 January 2027 and 1 March 2027",
         "From 1 January 2027 to 1 March 2027 there are 59 days."),
        ("how many days until next friday", "5 days until Friday, 27 November 2026."),
        ("what is the date tomorrow", "23 November 2026 is a Monday."),
        ("what day was yesterday", "21 November 2026 was a Saturday."),
        ("is twenty twenty eight a leap year", "2028 is a leap year."),
        ("what year is it", "It is 2026."),
        ("convert 5 miles to kilometers", "5 miles are 8.0467 kilometres."),
        ("five miles in kilometres", "5 miles are 8.0467 kilometres."),
        ("how many feet are in two meters", "2 metres are 6.5617 feet."),
        ("how many seconds are in an hour", "1 hour is 3600 seconds."),
        ("what is one hundred degrees fahrenheit in celsius",
         "100 degrees Fahrenheit is 37.7778 degrees Celsius."),
        ("minus forty celsius in fahrenheit", "-40 degrees Celsius is -40 degrees Fahrenheit."),
        ("20°C in °F", "20 degrees Celsius is 68 degrees Fahrenheit."),
        ("3 gb in mb", "3 gigabytes are 3000 megabytes."),
        ("sixty miles per hour in kilometres per hour", "60 miles per hour are 96.5606 kilometres per hour."),
        ("five kilograms in pounds", "5 kilograms are 11.0231 pounds."),
        ("5 kg in metres", "Kilogram is a unit of mass and metre one of length; I cannot convert them."),
        ("how do you spell banana", "B, A, N, A, N, A."),
        ("spell banana backwards", "A, N, A, N, A, B."),
        ("how many letters are in banana", "Banana has 6 letters."),
        ("how many r's in strawberry", "The letter R occurs 3 times in strawberry."),
        ("how many words are in the quick brown fox", "I count 4 words."),
        ("count down from three", "Three, two, one."),
        ("count to seven", "One, two, three, four, five, six, seven."),
        ("what time is it", "It is 15:04 on this machine, on Sunday, 22 November 2026."),
        ("hello", "Hello! I am the local emulator. What can I do for you?"),
        ("what is the capital of portugal", "The capital of Portugal is Lisbon."),
    ],
)  # fmt: skip
def test_answers(question: str, answer: str) -> None:
    assert say(question) == answer


@pytest.mark.parametrize("question", ["what day is 31 February 2027", "what day is 99 May", "convert 5 zorks to km"])
def test_what_does_not_exist_is_not_made_up(question: str) -> None:
    assert "2027 is a" not in say(question) and "kilometre" not in say(question)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (("what is 2+2", "4", "hi", "hello", "what did I ask first"), "You said: “what is 2+2”"),
        (("hi", "hello", "what was my first question"), "You said: “hi”"),
        (("I like green tea", "Good.", "x", "y", "what did I say about tea"), "You said: “I like green tea”"),
        (("x", "y", "what did I say about tea"), "I find nothing about tea before."),
        (("I like tea.", "Good.", "who said tea"), "You did: “I like tea.”"),
        (("hi", "I like coffee.", "who mentioned coffee"), "I did: “I like coffee.”"),
        (("my number is forty two", "ok", "hi", "hello", "what number did I tell you"), "You told me 42."),
        (("hi", "hello", "what was the number I told you"), "You have not told me a number."),
        (("my favourite colour is blue", "ok", "what is my favourite colour"), "Your favourite colour is blue."),
        (("remember that the door is open", "ok", "what did I ask you to remember"),
         "You said: “remember that the door is open”"),
        (("a", "b", "c", "d", "how many questions have I asked"), "Before this one you have said 2 things."),
        (("I like tea", "ok", "summarize our conversation so far"), "You said, in this order: “I like tea”."),
        (("call me bob", "ok", "hello"), "Hello, Bob! I am the local emulator. What can I do for you?"),
        (("call me bob", "ok", "what is my name"), "Your name is Bob."),
        (("hello my name is ada",), "Hello, Ada! I will remember your name in this conversation."),
    ],
)  # fmt: skip
def test_it_remembers(said: tuple[str, ...], answer: str) -> None:
    assert say(*said) == answer


def test_jokes_differ_until_all_are_told() -> None:
    said: list[str] = []
    for _ in JOKES:
        said += ["tell me a joke", say(*said, "tell me a joke")]
    assert sorted(said[1::2]) == sorted(JOKES)
    assert say(*said, "another joke please") == JOKES[0]


def test_there_is_something_long_enough_to_be_interrupted() -> None:
    assert say("tell me something long").count(".") > 10
    assert say("explain how a rainbow works") == " ".join(EXPLANATIONS[1][1])
    assert say("write me a poem").count("\n") == 5


@pytest.mark.parametrize("question", ["how do I stop a long answer", "how do I save the poem as a file", "say"])
def test_telling_leaves_questions_alone(question: str) -> None:
    assert "Once upon" not in say(question) and "few things at length" not in say(question)


def test_every_skill_leaves_alone_what_it_does_not_know() -> None:
    asked = Asked(question="zorp blick", now=datetime(2026, 11, 22))
    assert [skill for skill in SKILLS if skill(asked)] == []


def test_the_spoken_form_of_a_question() -> None:
    asked = Asked(question="Convert one thousand, two hundred km -- that's 1,200.5 km!", now=datetime(2026, 11, 22))
    assert "1200.5 km" in asked.spoken and "," not in asked.spoken and "!" not in asked.spoken


def test_deeply_nested_output_is_read_as_text() -> None:
    assert put_into_words(Said(role="tool", name="t", text="[" * 100_000)).startswith("According to t: [")
