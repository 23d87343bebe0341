"""Turns found by what stands out and changes: edges at the right times, in any chunking, through words and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aigw_notebook.gateway.engines.bands import BandDetector, Edge, Started, Stopped
from tests.real_speech import NO_SPEECH, QUESTIONS, mixed, noise, said
from tests.speech import silence, spoken

RATE = 16_000


def sound(ms: int, level: float = 0.2, rate: int = RATE) -> bytes:
    """A hum that changes between two vowels every 80 ms."""
    times = np.arange(rate * ms // 1000) / rate
    vowels = [
        sum(np.exp(-(((130 * n - formant) / 150) ** 2)) * np.sin(2 * np.pi * 130 * n * times) for n in range(1, 20))
        for formant in (500, 1_500)
    ]
    samples = np.where(times % 0.16 < 0.08, *vowels)
    return (level * 32767 * samples / np.abs(samples).max()).astype("<i2").tobytes()


def edges(audio: bytes, rate: int = RATE, **settings: Any) -> list[Edge]:
    return BandDetector(rate, **settings).feed(audio)


def near(found: list[Edge], *wanted: Edge) -> None:
    """The same edges, at most three frames away."""
    assert [type(edge) for edge in found] == [type(edge) for edge in wanted]
    assert [edge.at_ms for edge in found] == pytest.approx([edge.at_ms for edge in wanted], abs=30)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 48_000])
def test_a_turn_has_a_start_and_an_end(rate: int) -> None:
    audio = silence(1_000, rate) + sound(600, rate=rate) + silence(500, rate)
    near(edges(audio, rate), Started(700), Stopped(1_800))


@pytest.mark.parametrize("chunk", [2, 7, 640, 1_111, 100_000])
def test_chunking_does_not_matter(chunk: int) -> None:
    audio = silence(400) + sound(300) + silence(400) + sound(300) + silence(400)
    detector = BandDetector(RATE)
    found = [edge for at in range(0, len(audio), chunk) for edge in detector.feed(audio[at : at + chunk])]
    assert found == edges(audio)
    near(found, Started(100), Stopped(900), Started(800), Stopped(1_600))


def test_the_start_is_never_before_the_audio() -> None:
    assert edges(sound(300)) == [Started(0)]


def test_the_timers_are_settable() -> None:
    audio = silence(1_000) + sound(400) + silence(900)
    near(edges(audio, prefix_padding_ms=0, silence_duration_ms=600), Started(1_000), Stopped(2_000))


def test_the_silence_may_be_changed_while_somebody_speaks() -> None:
    detector = BandDetector(RATE, silence_duration_ms=3_000)
    detector.feed(sound(400) + silence(500))
    assert detector.speaking and detector.silent_ms == pytest.approx(500, abs=20)
    detector.silence_duration_ms = 300
    assert [type(edge) for edge in detector.feed(silence(20))] == [Stopped]


def test_a_pause_shorter_than_the_silence_ends_nothing() -> None:
    audio = sound(300) + silence(180) + sound(300) + silence(180)
    assert edges(audio) == [Started(0)]


def test_rests_between_the_words_of_the_placeholder_voice_end_nothing() -> None:
    voice = spoken("so, what is a long pause? i do not know - do you?")
    found = edges(silence(500) + voice + silence(400))
    assert [type(edge) for edge in found] == [Started, Stopped]


@pytest.mark.parametrize("name", NO_SPEECH)
def test_what_is_no_speech_starts_nothing(name: str) -> None:
    assert edges(NO_SPEECH[name]) == []


def test_a_click_does_not_put_off_the_end() -> None:
    click = np.random.default_rng(0).normal(0, 9_000, RATE // 100).astype("<i2").tobytes()
    clean = sound(400) + silence(1_000)
    assert edges(sound(400) + silence(150) + click + silence(840), silence_duration_ms=300) == edges(
        clean, silence_duration_ms=300
    )


def test_a_higher_threshold_wants_louder_speech() -> None:
    audio = silence(500) + sound(500, 0.004) + silence(500)
    assert len(edges(audio, threshold=0.0)) == len(edges(audio, threshold=0.1)) == 2
    assert edges(audio, threshold=0.9) == []


@pytest.mark.parametrize("question", QUESTIONS[:6])
@pytest.mark.parametrize(("colour", "snr_db"), [("white", 60), ("pink", 20), ("pink", 10), ("white", 5)])
def test_spoken_questions_are_one_turn_each_also_in_noise(question: str, colour: str, snr_db: float) -> None:
    audio = silence(2_000) + said(question) + silence(2_000)
    audio = mixed(audio, noise(colour, len(audio) // 32 + 1), snr_db)
    started, stopped = edges(audio, prefix_padding_ms=0, silence_duration_ms=600)
    assert 1_900 < started.at_ms < 2_600 and stopped.at_ms - started.at_ms > len(said(question)) / 32 * 0.5


@pytest.mark.parametrize("word", ["Yes.", "No.", "Stop.", "Hi."])
def test_one_short_word_is_a_turn(word: str) -> None:
    assert [type(edge) for edge in edges(silence(500) + said(word) + silence(500))] == [Started, Stopped]


def test_a_minute_without_a_pause_is_one_turn() -> None:
    audio = b"".join(said(question)[4_000:-4_000] for question in QUESTIONS)
    audio = (audio * (1 + 32_000 * 60 // len(audio)))[: 32_000 * 60]
    found = edges(audio + silence(1_000), silence_duration_ms=700)
    assert [type(edge) for edge in found] == [Started, Stopped] and found[1].at_ms > 60_000


def test_an_origin_shifts_all_times() -> None:
    near(edges(silence(500) + sound(300) + silence(300), origin_ms=10_000), Started(10_200), Stopped(11_000))


def test_it_says_whether_somebody_speaks() -> None:
    detector = BandDetector(RATE)
    states = []
    for audio in (silence(100), sound(300), silence(400)):
        detector.feed(audio)
        states.append(detector.speaking)
    assert states == [False, True, False]
