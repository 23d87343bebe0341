"""The placeholder voice and the listener that reads it: clear through every telephone, deaf to everything else."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from aigw_notebook.audio.convert import convert
from aigw_notebook.audio.formats import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, ULAW_8K, AudioFormat
from aigw_notebook.gateway.engines import default_engines
from aigw_notebook.gateway.engines.tones import ALPHABET, SYMBOL_MS, ToneListener, ToneVoice, spoken_form

TEXT = "what is the capital of portugal, and why should i visit? call 2+2 'four'."
RATES = (8_000, 16_000, 24_000)


def speak(text: str, rate: int, **options: Any) -> bytes:
    return b"".join(ToneVoice().speak(text, sample_rate=rate, **options))


def hear(audio: bytes, rate: int) -> str:
    return ToneListener().transcribe(audio, sample_rate=rate)


def samples(audio: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(audio, dtype="<i2").astype(np.float64)


def pcm(values: np.ndarray[Any, Any]) -> bytes:
    return np.clip(values, -32768, 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [*RATES, 44_100, 48_000])
def test_what_is_spoken_is_heard(rate: int) -> None:
    assert hear(speak(TEXT, rate), rate) == TEXT


@pytest.mark.parametrize("voice", ["", "marin", "cedar", "alloy", "Kore"])
def test_every_voice_is_understood(voice: str) -> None:
    assert hear(speak(TEXT, 16_000, voice=voice), 16_000) == TEXT


def test_every_character_of_the_alphabet_has_its_own_chord() -> None:
    said = " ".join(f"{letter}{letter}" for letter in ALPHABET)
    assert len(set(ALPHABET)) == 64
    assert hear(speak(said, 8_000), 8_000) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Olá, São Tomé!", "ola, sao tome!"),
        ("Grüße – “fein”…", 'grusse - "fein"...'),
        ("  two\n words\t", "two words"),
        ("日本 ok", "ok"),
        ("🙂", ""),
        ("", ""),
    ],
)
def test_other_characters_are_written_out_or_dropped(text: str, said: str) -> None:
    assert spoken_form(text) == said
    assert hear(speak(text, 16_000), 16_000) == said


@pytest.mark.parametrize("phone", [ULAW_8K, ALAW_8K])
def test_the_telephone_keeps_the_words(phone: AudioFormat) -> None:
    heard = convert(convert(speak(TEXT, 24_000), PCM16_24K, phone), phone, PCM16_8K)
    assert hear(heard, 8_000) == TEXT


@pytest.mark.parametrize(("source", "target"), [(PCM16_24K, PCM16_16K), (PCM16_16K, PCM16_24K), (PCM16_8K, PCM16_24K)])
def test_resampling_keeps_the_words(source: AudioFormat, target: AudioFormat) -> None:
    assert hear(convert(speak(TEXT, source.sample_rate), source, target), target.sample_rate) == TEXT


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("gain", [0.02, 0.3, 4.0])
def test_level_does_not_matter(rate: int, gain: float) -> None:
    assert hear(pcm(samples(speak(TEXT, rate)) * gain), rate) == TEXT


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("lead", [1, 77, 333, 5_001])
def test_silence_around_and_within_does_not_matter(rate: int, lead: int) -> None:
    audio = samples(speak(TEXT, rate))
    twice = np.concatenate([np.zeros(lead), audio, np.zeros(lead + rate), audio, np.zeros(3 * lead)])
    assert hear(pcm(twice), rate) == f"{TEXT} {TEXT}"


@pytest.mark.parametrize("rate", RATES)
def test_mild_noise_does_not_matter(rate: int) -> None:
    audio = samples(speak(TEXT, rate))
    noise = np.random.default_rng(1).normal(size=len(audio) + rate)
    noise *= audio.std() / noise.std() * 10 ** (-10 / 20)
    noise[rate // 2 : rate // 2 + len(audio)] += audio
    assert hear(pcm(noise), rate) == TEXT


def test_level_may_change_on_the_way() -> None:
    audio = samples(speak(TEXT, 16_000))
    assert hear(pcm(audio * np.linspace(1, 0.25, len(audio))), 16_000) == TEXT


def vowels(rate: int) -> np.ndarray[Any, Any]:
    """Half a minute of something like speech: a gliding voice through random formants, with pauses."""
    random = np.random.default_rng(2)
    parts = []
    for _ in range(150):
        count = int(rate * (0.08 + 0.12 * random.random()))
        pitch = 90 + 130 * random.random()
        phase = 2 * np.pi * np.cumsum(pitch * np.linspace(1, 0.8 + 0.4 * random.random(), count)) / rate
        formants = (300 + 600 * random.random(), 900 + 1_500 * random.random(), 2_600.0)
        tones = [sum(1 / (1 + ((n * pitch - f) / 80) ** 2) for f in formants) * np.sin(n * phase) for n in range(1, 20)]
        parts += [np.sum(tones, axis=0) * np.hanning(count) * 6_000, np.zeros(int(rate * 0.1 * random.random()))]
    return np.concatenate(parts)


@cache
def other_sounds(rate: int) -> dict[str, np.ndarray[Any, Any]]:
    times = np.arange(3 * rate) / rate

    def tone(hertz: float) -> np.ndarray[Any, Any]:
        return np.sin(2 * np.pi * hertz * times)

    chord = tone(440.0) + tone(1318.51)
    return {
        "silence": np.zeros(3 * rate),
        "noise": np.random.default_rng(3).normal(size=3 * rate) * 4_000,
        "one note": 8_000 * tone(440.0),
        "another": 8_000 * tone(1174.66),
        "beeps": 8_000 * tone(440.0) * (times * 5 % 1 < 0.5),
        "a held chord": 4_000 * chord,
        "a chord in pulses": 4_000 * chord * (times * 5 % 1 < 0.5),
        "a square wave": 8_000 * np.sign(tone(400.0)),
        "harmonics": sum(3_000 / n * tone(196.0 * n) for n in range(1, 12)),
        "clicks": 30_000.0 * (np.arange(3 * rate) % 3_000 == 0),
        "speech": vowels(rate),
    }


@pytest.mark.parametrize("rate", [8_000, 24_000])
@pytest.mark.parametrize("name", other_sounds(8_000))
def test_nothing_else_is_understood(name: str, rate: int) -> None:
    assert hear(pcm(other_sounds(rate)[name]), rate) == ""


@pytest.mark.parametrize("audio", [b"", b"\0", b"\0\0\0", bytes(60)])
def test_next_to_nothing_is_nothing(audio: bytes) -> None:
    assert hear(audio, 16_000) == ""


def test_a_click_beside_the_words_does_not_hide_them() -> None:
    click = np.zeros(16_000)
    click[8_000:8_040] = 20_000
    assert hear(pcm(np.concatenate([click, samples(speak(TEXT, 16_000))])), 16_000) == TEXT


@pytest.mark.parametrize("rate", RATES)
def test_pieces_are_short_and_the_same_each_time(rate: int) -> None:
    pieces = list(ToneVoice().speak(TEXT, sample_rate=rate))
    assert max(map(len, pieces)) <= 2 * rate * 200 // 1000
    assert b"".join(pieces) == speak(TEXT, rate)
    assert len(b"".join(pieces)) == 2 * len(TEXT) * rate * SYMBOL_MS // 1000


def test_it_is_loud_enough_and_not_too_loud() -> None:
    peak = abs(samples(speak(TEXT, 24_000))).max() / 32768
    assert 0.18 < peak <= 0.25


def test_speed_shortens_it() -> None:
    assert len(speak(TEXT, 24_000, speed=1.5)) == pytest.approx(len(speak(TEXT, 24_000)) / 1.5, rel=0.01)


def test_the_default_engines_understand_each_other() -> None:
    engines = default_engines()
    audio = b"".join(engines.voice.speak("count to three", sample_rate=16_000))
    assert engines.listener.transcribe(audio, sample_rate=16_000) == "count to three"
