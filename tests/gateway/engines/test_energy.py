"""Turns found by loudness: edges at the right times, in any chunking, through words, noise and clicks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aigw_notebook.gateway.engines.energy import Edge, EnergyDetector, Started, Stopped
from aigw_notebook.gateway.engines.tones import ToneVoice

RATE = 16_000


def silence(ms: int, rate: int = RATE) -> bytes:
    return bytes(2 * rate * ms // 1000)


def tone(ms: int, level: float = 0.2, rate: int = RATE) -> bytes:
    times = np.arange(rate * ms // 1000) / rate
    return (level * 32767 * np.sin(2 * np.pi * 300 * times)).astype("<i2").tobytes()


def edges(audio: bytes, rate: int = RATE, **settings: Any) -> list[Edge]:
    return EnergyDetector(rate, **settings).feed(audio)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
def test_a_turn_has_a_start_and_an_end(rate: int) -> None:
    audio = silence(1_000, rate) + tone(600, rate=rate) + silence(500, rate)
    assert edges(audio, rate) == [Started(700), Stopped(1_800)]


@pytest.mark.parametrize("chunk", [2, 7, 640, 1_111, 100_000])
def test_chunking_does_not_matter(chunk: int) -> None:
    audio = silence(400) + tone(300) + silence(400) + tone(300) + silence(400)
    detector = EnergyDetector(RATE)
    found = [edge for at in range(0, len(audio), chunk) for edge in detector.feed(audio[at : at + chunk])]
    assert found == edges(audio) == [Started(100), Stopped(900), Started(800), Stopped(1_600)]


def test_the_start_is_never_before_the_audio() -> None:
    assert edges(tone(100)) == [Started(0)]


def test_the_timers_are_settable() -> None:
    audio = silence(1_000) + tone(400) + silence(900)
    assert edges(audio, prefix_padding_ms=0, silence_duration_ms=600) == [Started(1_000), Stopped(2_000)]


def test_a_pause_shorter_than_the_silence_ends_nothing() -> None:
    audio = tone(300) + silence(180) + tone(300) + silence(180)
    assert edges(audio) == [Started(0)]


def test_rests_between_the_words_of_the_placeholder_voice_end_nothing() -> None:
    voice = b"".join(ToneVoice().speak("so, what is a long pause? i do not know - do you?", sample_rate=RATE))
    found = edges(silence(500) + voice + silence(400))
    assert [type(edge) for edge in found] == [Started, Stopped]


def test_a_click_is_no_speech() -> None:
    assert edges(silence(300) + tone(20, 0.9) + silence(300)) == []


def test_a_higher_threshold_wants_louder_speech() -> None:
    audio = silence(500) + tone(500, 0.008) + silence(500)
    assert len(edges(audio, threshold=0.1)) == 2
    assert edges(audio, threshold=0.9) == []


def test_steady_noise_is_not_speech_and_speech_stands_out_of_it() -> None:
    noise = np.random.default_rng(0).normal(size=RATE * 3) * 80
    voiced = noise.copy()
    voiced[RATE : 2 * RATE] += np.frombuffer(tone(1_000), dtype="<i2")
    assert edges(noise.astype("<i2").tobytes()) == []
    assert [type(edge) for edge in edges(voiced.astype("<i2").tobytes())] == [Started, Stopped]


def test_an_origin_shifts_all_times() -> None:
    assert edges(silence(500) + tone(300) + silence(300), origin_ms=10_000) == [Started(10_200), Stopped(11_000)]


def test_it_says_whether_somebody_speaks() -> None:
    detector = EnergyDetector(RATE)
    states = []
    for audio in (silence(100), tone(200), silence(400)):
        detector.feed(audio)
        states.append(detector.speaking)
    assert states == [False, True, False]
