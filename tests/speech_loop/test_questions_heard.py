"""The 25 questions of ordinary wording, said aloud: what a recognizer makes of them must still find their answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigw_notebook.gateway.engines.base import Said
from aigw_notebook.gateway.engines.faq import entries
from aigw_notebook.gateway.engines.selection import choose_engines
from tests.real_speech import RATE, said

pytestmark = pytest.mark.speech

QUESTIONS = json.loads((Path(__file__).parents[1] / "data" / "questions.json").read_text("utf-8"))["entries"]
FLOOR = 22
ANSWERS = {entry.id: entry.answer for entry in entries()}


@pytest.mark.parametrize("listener", ["pocketsphinx", "whisper"])
def test_most_questions_reach_their_answer(listener: str) -> None:
    engines = choose_engines(f"local,{listener}")
    missed = {}
    for question in QUESTIONS:
        words = engines.listener.transcribe(said(question["spoken"]), sample_rate=RATE)
        answer = engines.responder.answer([Said(role="user", text=words)])
        if not answer.text.startswith(ANSWERS[question["entry"]]):
            missed[question["spoken"]] = words
    assert len(QUESTIONS) == 25 and len(QUESTIONS) - len(missed) >= FLOOR, missed
