"""Speech as people speak it, by the neural voice, and the sounds that are none: what recognizers and detectors hear."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigw_notebook.gateway.engines.hibari import HibariVoice

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MUSIC", "NO_SPEECH", "QUESTIONS", "RATE", "mixed", "noise", "said", "word_error_rate"]

RATE = 16_000

QUESTIONS: list[str] = [
    entry["spoken"]
    for entry in json.loads((Path(__file__).parent / "data" / "questions.json").read_text("utf-8"))["entries"]
]


@cache
def _voice() -> HibariVoice:
    return HibariVoice()


@cache
def said(text: str, sample_rate: int = RATE) -> bytes:
    """`text` as PCM16."""
    return b"".join(_voice().speak(text, sample_rate=sample_rate))


def noise(colour: str, ms: int, level: float = 0.05, seed: int = 0) -> bytes:
    """White or pink noise of this RMS level."""
    count = RATE * ms // 1000
    random = np.random.default_rng(seed)
    if colour == "white":
        samples = random.normal(size=count)
    else:
        hertz = np.fft.rfftfreq(count, 1 / RATE)
        lines = random.normal(size=len(hertz)) + 1j * random.normal(size=len(hertz))
        samples = np.fft.irfft(lines / np.sqrt(np.maximum(hertz, 20)), count)
    return _pcm(samples * level / np.sqrt((samples**2).mean()))


def mixed(speech: bytes, other: bytes, snr_db: float) -> bytes:
    """Speech with another sound under it, so far below the speech's own level."""
    voice, under = (np.frombuffer(data, dtype="<i2") / 32768 for data in (speech, other))
    loud = np.sqrt((voice[np.abs(voice) > 0.01] ** 2).mean())
    return _pcm(voice + under[: len(voice)] * loud / np.sqrt((under**2).mean()) * 10 ** (-snr_db / 20))


def _pcm(samples: NDArray[Any]) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def _tone(hertz: float, ms: int = 4_000) -> NDArray[Any]:
    return 0.2 * np.sin(2 * np.pi * hertz * np.arange(RATE * ms // 1000) / RATE)


def _clicks(count: int = 30, ms: int = 6_000) -> NDArray[Any]:
    random = np.random.default_rng(1)
    samples, length = np.zeros(RATE * ms // 1000), RATE * 12 // 1000
    for number in range(count):
        at = int((number + 0.3 + 0.4 * random.random()) * len(samples) / count)
        samples[at : at + length] += 0.5 * random.normal(size=length) * np.exp(-np.arange(length) / 32)
    return samples


def _chord(ms: int = 3_000) -> NDArray[Any]:
    times = np.arange(RATE * ms // 1000) / RATE
    notes = [(hertz * n, n) for hertz in (261.6, 329.6, 392.0) for n in range(1, 6)]
    struck = [0.1 / n * np.exp(-times * (1.5 + 0.5 * n)) * np.sin(2 * np.pi * hertz * times) for hertz, n in notes]
    return np.concatenate([np.zeros(RATE), np.sum(struck, axis=0)])


def _music(bars: int = 4) -> NDArray[np.float64]:
    """A melody over held chords, a bar of four notes in two seconds."""
    times = np.arange(RATE // 2) / RATE
    notes = [440 * 2 ** (step / 12) for step in (0, 4, 7, 12, 9, 5, 2, 7, 11, 7, 4, 0, 5, 9, 12, 7)][: 4 * bars]
    melody = [np.exp(-3 * times) * np.sin(2 * np.pi * hertz * times) for hertz in notes]
    under = [np.sin(2 * np.pi * hertz / 4 * times) + np.sin(2 * np.pi * hertz / 3 * times) for hertz in notes]
    return np.concatenate([0.15 * high + 0.05 * low for high, low in zip(melody, under, strict=True)])


MUSIC = _pcm(_music())

NO_SPEECH: dict[str, bytes] = {
    "silence": bytes(2 * RATE * 4),
    "a held tone": bytes(RATE) + _pcm(_tone(440)),
    "a hum": bytes(RATE) + _pcm(sum(0.5 / n * _tone(120 * n) for n in range(1, 20))),
    "a struck chord": _pcm(_chord()),
    "30 clicks": _pcm(_clicks()),
    "white noise": noise("white", 4_000),
    "pink noise": noise("pink", 4_000),
    "a fan that starts": bytes(2 * RATE) + noise("pink", 4_000),
}


def word_error_rate(wanted: str, heard: str) -> float:
    """Words to be changed, put in or left out, as a part of the wanted ones; case and punctuation do not count."""
    ours, theirs = (re.sub(r"[^a-z0-9 ]", " ", text.lower().replace("'", "")).split() for text in (wanted, heard))
    costs = list(range(len(theirs) + 1))
    for row, word in enumerate(ours, 1):
        corner, costs[0] = costs[0], row
        for column, other in enumerate(theirs, 1):
            corner, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, corner + (word != other)),
            )
    return costs[-1] / max(1, len(ours))
