"""The toolkit's FAQ: whole, true, and found by typed, spoken and misspelt questions, and by no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigw_notebook.gateway.engines.base import Said
from aigw_notebook.gateway.engines.faq import Entry, entries
from aigw_notebook.gateway.engines.responder import LocalResponder
from aigw_notebook.gateway.engines.retrieval import Index, faq_index
from aigw_notebook.gateway.engines.skills.toolkit import LIKELY, SURE
from aigw_notebook.gateway.engines.words import plain, stem, stems

ROOT = Path(__file__).resolve().parents[3]
QUESTIONS = json.loads((ROOT / "tests" / "data" / "questions.json").read_text(encoding="utf-8"))["entries"]

PARAPHRASES_TOP1_FLOOR, PARAPHRASES_TOP3_FLOOR = 0.5, 0.75

OUT_OF_SCOPE = """
what is the capital of france
how do I bake bread
who won the world cup in 2018
why is the sky blue
explain the peace of westphalia
what is the meaning of life
how tall is mount everest
tell me about quantum physics
what should I eat tonight
how do I fix a flat tire
who wrote hamlet
recommend a good book
what is photosynthesis
is there life on mars
what is the population of japan
give me advice about my relationship
what is the best movie ever
how do I remove a coffee stain
why do cats purr
when was the french revolution
how does a car engine work
how do I close a bank account
where can I buy cheap shoes
how do I change a light bulb
how long do turtles live
what time does the train leave
can dogs eat chocolate
how do I train for a marathon
who is the president of brazil
what is love
do you like pizza
how do I save money
what does a lawyer earn
how do I start a garden
what is the weather like in paris
how do airplanes fly
what language do they speak in brazil
how do I stop smoking
my cat is sick
how old is the universe
""".strip().splitlines()


def first(question: str) -> str | None:
    found = faq_index().find(question, 1)
    return found[0].entry.id if found else None


def test_every_entry_is_whole() -> None:
    known = entries()
    assert len({entry.id for entry in known}) == len(known) >= 25
    assert {entry["entry"] for entry in QUESTIONS} <= {entry.id for entry in known}
    for entry in known:
        assert 6 <= len(entry.aliases) <= 10, entry.id
        assert 1 <= entry.answer.count(". ") + 1 <= 4, entry.id
        assert not set("`{}_%") & set(entry.answer), f"{entry.id}: an answer is spoken too"


def test_what_depends_on_the_providers_is_filled_in() -> None:
    text = " ".join(entry.answer + entry.code for entry in entries())
    for name in ("provider", "model", "voice", "providers", "transcriber", "speaker"):
        assert f"{{{name}}}" not in text
    assert "OpenAI Realtime, Gemini Live" in text


@pytest.mark.parametrize("form", ["typed", "spoken"])
def test_every_question_finds_its_entry(form: str) -> None:
    missed = [(entry["entry"], entry[form]) for entry in QUESTIONS if first(entry[form]) != entry["entry"]]
    assert missed == []


@pytest.mark.parametrize("form", ["typed", "spoken"])
def test_the_answer_to_every_question_is_that_of_its_entry(form: str) -> None:
    answers = {entry.id: entry.answer for entry in entries()}
    for entry in QUESTIONS:
        reply = LocalResponder().answer([Said(role="user", text=entry[form])])
        assert reply.spoken == answers[entry["entry"]]


def test_unseen_wordings_are_measured() -> None:
    """The figures go to build/paraphrases.json. Nothing was tuned on these wordings, so they may not all be found."""
    asked = [(entry["entry"], text) for entry in QUESTIONS for text in entry["paraphrases"]]
    found = [[one.entry.id for one in faq_index().find(text)] for _, text in asked]
    top1 = sum(ids[:1] == [wanted] for (wanted, _), ids in zip(asked, found, strict=True))
    top3 = sum(wanted in ids for (wanted, _), ids in zip(asked, found, strict=True))
    figures = {"paraphrases": len(asked), "top1": top1, "top3": top3}
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "paraphrases.json").write_text(json.dumps(figures) + "\n", encoding="utf-8")
    assert len(asked) == sum(len(entry["paraphrases"]) for entry in QUESTIONS) > len(QUESTIONS)
    assert top1 >= PARAPHRASES_TOP1_FLOOR * len(asked)
    assert top3 >= PARAPHRASES_TOP3_FLOOR * len(asked)


def test_what_has_nothing_to_do_with_the_toolkit_is_refused() -> None:
    found = {text: faq_index().find(text, 1) for text in OUT_OF_SCOPE}
    taken = [text for text, best in found.items() if best and best[0].score >= LIKELY]
    assert len(taken) <= 0.1 * len(OUT_OF_SCOPE), taken
    assert not [text for text, best in found.items() if best and best[0].score >= SURE]


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("how can i save the trancript", "save_transcript"),
        ("how do I use my own aye gateway", "own_gateway"),
        ("how do I close the web socket", "close"),
        ("how do I get a data frame", "records"),
        ("what is bargain in", "barge_in"),
        ("HOW DO I CLOSE A SESSION???", "close"),
        ("how do i change the the voice um please", "voice"),
    ],
)
def test_slips_of_the_tongue_and_the_fingers_are_forgiven(question: str, entry: str) -> None:
    assert first(question) == entry


@pytest.mark.parametrize("question", ["", "???", "the of and", "Привет", "zzzz qqqq"])
def test_nothing_in_common_finds_nothing_near(question: str) -> None:
    assert all(found.score < LIKELY for found in faq_index().find(question))


def test_a_book_is_read_only_at_its_ends() -> None:
    book = "how do I save the transcript " + "word " * 20_000
    assert len(stems(book)) == 60
    assert stems(book)[:6] == stems("how do I save the transcript")


def test_a_smaller_index_ranks_by_nearness() -> None:
    index = Index(
        [Entry("cat", "Feed the cat", (), "A."), Entry("dog", "Walk the dog", ("go out with the dog",), "B.")]
    )
    assert [found.entry.id for found in index.find("who walks the dog", 1)] == ["dog"]
    assert index.find("Walk the dog")[0].score > index.find("walk a tiger")[0].score > 0


def test_words() -> None:
    assert plain("Hey, it’s the aye gateway and web sockets") == "hey, its the ai gateway and websocket"
    assert len({stem(word) for word in ("record", "records", "recording", "recorded")}) == 1
