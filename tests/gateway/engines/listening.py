"""What every recognizer is held to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from aigw_notebook.gateway.engines.base import Listener
from tests.real_speech import NO_SPEECH, QUESTIONS, RATE, said, word_error_rate
from tests.speech import silence

__all__ = ["heard_live", "holds_to_the_rules", "is_deaf_to_no_speech", "mean_error_rate"]


def heard_live(listener: Listener, audio: bytes, sample_rate: int = RATE) -> list[str]:
    """The words so far after each 100 ms, and the last ones."""
    turn, step = listener.listen(sample_rate=sample_rate), sample_rate // 5
    return [*(turn.hear(audio[at : at + step]) for at in range(0, len(audio), step)), turn.finish()]


def mean_error_rate(listener: Listener, questions: list[str]) -> float:
    heard = " ".join(listener.transcribe(said(question), sample_rate=RATE) for question in questions)
    return word_error_rate(" ".join(questions), heard)


def is_deaf_to_no_speech(listener: Listener) -> None:
    assert {name: listener.transcribe(audio, sample_rate=RATE) for name, audio in NO_SPEECH.items()} == dict.fromkeys(
        NO_SPEECH, ""
    )


def holds_to_the_rules(listener: Listener) -> None:
    """Nothing is nothing; odd bytes and other rates do no harm; two turns at once do not mix; a turn may be left."""
    assert listener.transcribe(b"", sample_rate=RATE) == listener.transcribe(b"\1", sample_rate=24_000) == ""
    question = QUESTIONS[4]
    plain = listener.transcribe(said(question), sample_rate=RATE)
    turn = listener.listen(sample_rate=RATE)
    audio = said(question)
    for at in range(0, len(audio), 9_999):
        turn.hear(audio[at : at + 9_999])
    assert word_error_rate(plain, turn.finish()) < 0.3
    assert word_error_rate(question, listener.transcribe(said(question, 24_000), sample_rate=24_000)) < 0.3
    left = listener.listen(sample_rate=RATE)
    left.hear(said(QUESTIONS[0]) + silence(300))
    del left
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda text: listener.transcribe(said(text), sample_rate=RATE), [question, QUESTIONS[5]])
    alone = listener.transcribe(said(QUESTIONS[5]), sample_rate=RATE)
    assert list(both) == [plain, alone]
