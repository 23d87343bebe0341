"""The local answerer as a whole: order, tools, instructions, several questions, odd input."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines.base import EngineInfo, Engines, Reply, Said
from aigw_notebook.gateway.engines.responder import LocalResponder
from aigw_notebook.gateway.engines.rules import RuleResponder
from aigw_notebook.gateway.engines.skills import Asked
from aigw_notebook.gateway.engines.tones import ToneListener, ToneVoice

NOW = datetime(2026, 11, 22, 15, 4)
LOCAL = LocalResponder(lambda: NOW)
WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather for a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Parrot:
    """A chat that says which question it was asked."""

    about = EngineInfo(job="answers", name="Parrot", version="1", licence="none")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, asked: Asked) -> str | None:
        self.asked.append(asked.question)
        return f"Squawk: {asked.question}"


def reply(*texts: str, responder: LocalResponder = LOCAL, **options: Any) -> Reply:
    roles = ["user", "assistant"] if len(texts) % 2 else ["assistant", "user"]
    said = [Said(role=roles[i % 2], text=text) for i, text in enumerate(texts)]  # type: ignore[arg-type]
    return responder.answer(said, **options)


def say(*texts: str, **options: Any) -> str:
    return reply(*texts, **options).text


# ---------------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize("question", ["What's the weather in Lisbon?", "what is the weather in Lisbon"])
def test_a_tool_is_called_and_the_reply_says_so(question: str) -> None:
    answer = reply(question, tools=[WEATHER])
    assert answer.text == "I am calling get_weather for Lisbon."
    assert [(call.name, call.arguments) for call in answer.tools] == [("get_weather", {"city": "Lisbon"})]


def test_a_call_that_is_demanded_needs_no_words() -> None:
    assert reply("hello", tools=[WEATHER], tool_choice="required").text == ""


def test_tools_come_before_the_faq_and_only_when_they_are_meant() -> None:
    assert reply("How do I close a session?", tools=[WEATHER]).tools == ()
    assert reply("How do I close a session?", tools=[{"name": "close_session"}]).tools[0].name == "close_session"


# ------------------------------------------------------------------------------------------------------ the toolkit


def test_code_is_shown_and_not_said() -> None:
    answer = reply("How do I close a session?")
    assert "```\nsession.close()\n```" in answer.text
    assert "session.close()" not in answer.spoken and answer.spoken.startswith("Call the session's close")


def test_an_unsure_answer_offers_two_others() -> None:
    answer = reply("what does a tool cost me")
    assert "If you meant something else: " in answer.spoken
    assert answer.spoken.count("?") == 2


def test_words_without_code_are_all_said() -> None:
    assert Reply(text="Hello.").spoken == "Hello."
    assert Reply(text="One.\n\n```\nx = 1\n```").spoken == "One."
    assert Reply(text="```\nx = 1\n```").spoken == "```\nx = 1\n```"


def test_rules_alone_know_nothing_of_the_toolkit() -> None:
    assert "have no rule for that" in say("How do I close a session?", responder=RuleResponder(lambda: NOW))


# ----------------------------------------------------------------------------------------------------- instructions


@pytest.mark.parametrize(
    ("instructions", "answer"),
    [
        ("Answer in uppercase.", "2 + 2 IS 4."),
        ("Answer in exactly three words.", "2 + 2…"),
        ("Speak like a pirate.", "Arr! 2 + 2 be 4."),
        ('Always end every answer with "Over and out."', "2 + 2 is 4. Over and out."),
        ("Always end with Over.", "2 + 2 is 4. Over."),
        ('Begin each answer with "Sir,"', "Sir, 2 + 2 is 4."),
        ('Reply only with "no"', "no"),
        ("You know everything about whales.", "2 + 2 is 4."),
    ],
)
def test_instructions_are_followed(instructions: str, answer: str) -> None:
    assert say("what is two plus two", instructions=instructions) == answer
    said = [Said(role="system", text=instructions), Said(role="user", text="what is two plus two")]
    assert LOCAL.answer(said).text == answer


def test_a_wish_for_good_holds_for_later_answers() -> None:
    assert say("speak like a pirate").startswith("Arr! All right")
    assert say("from now on speak like a pirate", "Arr!", "what is two plus two") == "Arr! 2 + 2 be 4."
    assert say("what is one plus one in uppercase", "1 + 1 IS 2.", "what is two plus two") == "2 + 2 is 4."


def test_a_role_is_played_and_owned_up_to() -> None:
    waiter = "You are a waiter in a small restaurant."
    assert say("hello", instructions=waiter) == "Hello! I play a waiter here, by rules. What can I do for you?"
    assert say("who are you", instructions=waiter).startswith("I play a waiter here. In truth: I am a local emulator")
    assert say("hello", instructions="You are a helpful assistant.").startswith("Hello! I am the local emulator.")


def test_a_short_answer_leaves_the_code_out() -> None:
    assert "```" not in say("How do I close a session?", instructions="Answer in one sentence.")
    assert "```\nsession.close()" in say("How do I close a session?", instructions="Answer in uppercase.")


# -------------------------------------------------------------------------------------------------- several in one


@pytest.mark.parametrize(
    "question",
    ["What is 2+2? And what day is it?", "what is two plus two and what day is it", "What is 2+2, and what day is it?"],
)
def test_several_questions_have_several_answers(question: str) -> None:
    assert say(question) == "2 + 2 is 4. Today is Sunday, 22 November 2026."


def test_what_is_left_open_is_named() -> None:
    answer = say("What is 7 times 8? What's the capital of Atlantis?")
    assert answer == "7 × 8 is 56. To “What's the capital of Atlantis?” I have no answer."


# --------------------------------------------------------------------------------------------------------- odd input


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("???", "I see no words in that. Ask me something in English."),
        ("… — !", "I see no words in that. Ask me something in English."),
        ("Привет, как дела?", "Locally I understand English only, so I cannot answer that."),
        ("今日の天気は", "Locally I understand English only, so I cannot answer that."),
    ],
)
def test_what_cannot_be_read_is_owned_up_to(question: str, answer: str) -> None:
    assert say(question) == answer


@pytest.mark.parametrize(
    "word", ["word ", "what is 2 plus 2 and ", "((((", "say ", "my is ", "- ", "é", "how many days "]
)
def test_ten_thousand_words_are_read_at_their_ends(word: str) -> None:
    assert len(say(word * 10_000)) < 5_000


def test_the_end_of_a_book_is_heard() -> None:
    assert "391" in say("once upon a time " * 3_000 + "What is 17 times 23?")


# --------------------------------------------------------------------------------------------------------- open chat


def test_without_a_chat_it_answers_at_once() -> None:
    assert LOCAL.instant and LOCAL.about.job == "answers" and "smollm2" in LOCAL.about.install


def test_a_chat_is_asked_last_and_never_about_the_toolkit_or_sums() -> None:
    parrot = Parrot()
    local = LocalResponder(lambda: NOW, chat=parrot)
    assert not local.instant and "Parrot" in local.about.name
    for known in ("How do I close a session?", "what is two plus two", "???", "Привет", "is my kernel green",
                  "are 17 and 23 friends"):  # fmt: skip
        say(known, responder=local)
    assert parrot.asked == []
    assert say("Sing of cheese", responder=local) == "Squawk: Sing of cheese"


def test_a_silent_chat_leaves_the_usual_answer() -> None:
    parrot = Parrot()
    parrot.answer = lambda asked: None  # type: ignore[method-assign, assignment]
    assert "have no rule for that" in say("Sing of cheese", responder=LocalResponder(chat=parrot))


# ----------------------------------------------------------------------------------------------- through a gateway


def gateway() -> LocalGateway:
    engines = Engines(responder=LOCAL, voice=ToneVoice(), listener=ToneListener())
    pace = Pace(first_token_ms=1.0, text_delta_ms=0.0, audio_speed=0.0)
    return LocalGateway(pace=pace, token="local-token", engines=engines)


@pytest.mark.parametrize("provider", ["openai", "google"])
def test_a_spoken_answer_leaves_the_code_out(provider: str) -> None:
    with gateway() as local, aigw.connect(provider, gateway=local, quiet=True) as session:
        assert session.ask("How do I close a session?").text.strip().endswith("begins a new one.")


def test_a_written_answer_shows_the_code() -> None:
    with gateway() as local, aigw.connect("openai", gateway=local, modalities="text", quiet=True) as session:
        assert session.ask("How do I close a session?").text.endswith("```\nsession.close()\n```")


def test_a_call_is_announced_made_and_answered() -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    options: dict[str, Any] = {"tools": [weather], "modalities": "text", "quiet": True}
    with gateway() as local, aigw.connect("openai", gateway=local, **options) as session:
        turn = session.ask("What is the weather in Lisbon?")
    assert turn.text == "I am calling weather for Lisbon.\n\nAccording to weather: sunny in Lisbon."
    assert [use.name for use in turn.tool_calls] == ["weather"]
