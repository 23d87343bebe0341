"""A placeholder voice of two-note chords, and the listener that reads it back to text.

Every character is one chord of a low and a high note (8 x 8 = 64 symbols, all of one pentatonic scale), a space is a
rest. It is no speech, and does not pretend to be: it lets a spoken turn run with nothing installed, with real audio
that really goes through buffers, codecs, turn detection and a recognizer. What is not this voice the listener refuses.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .base import EngineInfo, Listener, Sound, Voice
from .intake import GrowingTurn

__all__ = ["ALPHABET", "SYMBOL_MS", "ToneListener", "ToneVoice", "spoken_form"]

Samples: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Flags: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

ALPHABET = "etaoinshrdlcumwfgypbvkjxqz0123456789.,?!'\"-:;()/+*=%&@#$€_<>[]^~"
"""The 64 characters that have a chord, common ones first: those get the lower notes. A space is a rest."""

SYMBOL_MS = 65
"""How long one chord or rest lasts: whole samples at 8, 16, 24 and 48 kHz, about 15 characters a second."""

LOW_HZ = (392.0, 440.0, 523.25, 587.33, 659.26, 783.99, 880.0, 1046.5)
HIGH_HZ = (1174.66, 1318.51, 1567.98, 1760.0, 2093.0, 2349.32, 2637.02, 3135.96)
PEAK = 0.25  # -12 dBFS
ATTACK_MS = 6.0
RELEASE_MS = 12.0
DECAY_MS = 60.0
SYMBOLS_PER_PIECE = 3  # 195 ms

HOP_MS = 5
HOPS_PER_SYMBOL = SYMBOL_MS // HOP_MS
WINDOW_MS = 50
EDGE_MS = 8
BLOCK_HOPS = 2_000
GAP_HOPS = 2 * HOPS_PER_SYMBOL
"""Silence from here on is a pause between utterances, whose clocks need not agree."""

SILENCE_RMS = 3e-4
RELATIVE_SILENCE = 0.04  # of the loudest energy around
MAX_NOISE = 0.3  # of the same, in a rest
MIN_CONFIDENCE = 0.70  # share of a chord's energy that its two notes explain
MIN_LOW, MIN_HIGH = 0.25, 0.03  # share of each note
MIN_SOUND_SHARE = 0.85  # of the symbols that are neither rest nor chord, at most the remainder may be
MAX_EDGE = 0.5  # energy between two chords against that within them

_PLAIN = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "×": "*", "÷": "/", "`": "'"}
)
_LONG = {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "đ": "d"}


def spoken_form(text: str) -> str:
    """What is left of `text` when the voice says it: lower case, the alphabet's characters, single spaces."""
    return " ".join(_known(text).split())


def _known(text: str) -> str:
    lowered = "".join(_LONG.get(letter, letter) for letter in text.translate(_PLAIN).lower())
    plain = unicodedata.normalize("NFKD", lowered)
    return "".join(letter if letter in ALPHABET else " " if letter.isspace() else "" for letter in plain)


class ToneVoice(Voice):
    """The placeholder voice. `voice` changes its timbre, `speed` its pace; the listener understands speed 1 only."""

    about = EngineInfo(
        job="voice",
        name="chords",
        version="built in",
        licence="BSD-3-Clause",
        note="a placeholder: two-note chords, no speech",
        install="pip install 'aigw-notebook[local]'",
        placeholder=True,
    )

    def say(self, text: str, *, sample_rate: int, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """Pieces of at most 195 ms at speed 1."""
        symbols = _symbols(sample_rate, voice, speed)
        said, ends = _spoken_with_ends(text)
        for start in range(0, len(said), SYMBOLS_PER_PIECE):
            end = min(start + SYMBOLS_PER_PIECE, len(said))
            yield Sound(b"".join(symbols[letter] for letter in said[start:end]), ends[end - 1])


def _spoken_with_ends(text: str) -> tuple[str, list[int]]:
    """The text's spoken form, and for each of its characters how much of the text is spoken after it."""
    said: list[str] = []
    ends: list[int] = []
    for end, character in enumerate(text, start=1):
        for letter in _known(character):
            if letter != " " or (said and said[-1] != " "):
                said.append(letter)
                ends.append(end)
    if said and said[-1] == " ":
        said.pop()
        ends.pop()
    if ends:
        ends[-1] = len(text)
    return "".join(said), ends


@lru_cache(maxsize=32)
def _symbols(sample_rate: int, voice: str, speed: float) -> dict[str, bytes]:
    count = round(SYMBOL_MS * sample_rate / 1000 / speed)
    times = np.arange(count) / sample_rate
    high_part = 0.30 + 0.05 * (crc32(voice.encode()) % 4)
    shape = PEAK * _envelope(count, sample_rate)
    low = [(1 - high_part) * shape * np.sin(2 * np.pi * hertz * times) for hertz in LOW_HZ]
    high = [high_part * shape * np.sin(2 * np.pi * hertz * times) for hertz in HIGH_HZ]
    chords = {
        letter: ((low[number % 8] + high[number // 8]) * 32767).astype("<i2").tobytes()
        for number, letter in enumerate(ALPHABET)
    }
    return {" ": bytes(2 * count), **chords}


def _envelope(count: int, sample_rate: int) -> Samples:
    milliseconds = np.arange(count) * 1000 / sample_rate
    attack = np.clip(milliseconds / ATTACK_MS, 0, 1)
    release = np.clip((count * 1000 / sample_rate - milliseconds) / RELEASE_MS, 0, 1)
    soft = np.sin(np.pi / 2 * attack) ** 2 * np.sin(np.pi / 2 * release) ** 2
    return np.asarray(soft * np.exp(-milliseconds / DECAY_MS), dtype=np.float32)


class ToneListener(Listener):
    """Reads the placeholder voice; anything else, human speech included, is "" to it."""

    about = EngineInfo(
        job="listening",
        name="chord reader",
        version="built in",
        licence="BSD-3-Clause",
        note="a placeholder: reads the placeholder voice, understands no speech",
        install="pip install 'aigw-notebook[local-stt]'",
        placeholder=True,
    )

    def listen(self, *, sample_rate: int) -> GrowingTurn:
        """The characters so far, made out anew as the turn grows."""
        return GrowingTurn(partial(self.transcribe, sample_rate=sample_rate), sample_rate)

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        """The characters played, in lower case; "" unless the audio is clearly that voice at speed 1."""
        samples = np.frombuffer(pcm16, dtype="<i2", count=len(pcm16) // 2).astype(np.float32) / 32768
        padding = np.zeros(sample_rate * WINDOW_MS // 1000, dtype=np.float32)
        heard = _listen(np.concatenate([padding, samples, padding]), sample_rate)
        stretches = _utterances(heard.energy)
        texts = [_read(heard, first, last) for first, last in stretches]
        read = sum(last - first for (first, last), text in zip(stretches, texts, strict=True) if text)
        return " ".join(filter(None, texts)) if 2 * read >= sum(last - first for first, last in stretches) else ""


class _Heard:
    """One row per hop: the energy around it, the strongest low and high note and their shares of the energy."""

    def __init__(self, energy: Samples, edge: Samples, low: Samples, high: Samples) -> None:
        quiet = np.maximum(energy, SILENCE_RMS**2)
        self.energy = energy
        self.edge = edge
        self.low, self.high = low.argmax(axis=1), high.argmax(axis=1)
        self.low_share, self.high_share = low.max(axis=1) / quiet, high.max(axis=1) / quiet
        self.confidence = self.low_share + self.high_share


@lru_cache(maxsize=8)
def _probes(sample_rate: int) -> tuple[Samples, Samples, Samples]:
    """The analysis window, the notes as columns (cosines, then sines), and the short window for the edges."""
    count = sample_rate * WINDOW_MS // 1000
    window = np.hanning(count + 2)[1:-1].astype(np.float32)
    times = np.arange(count)[:, None] / sample_rate
    angles = 2 * np.pi * times * np.array(LOW_HZ + HIGH_HZ)[None, :]
    notes = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * window[:, None]
    scale = np.sqrt(2) / window.sum()
    short = np.zeros(count, dtype=np.float32)
    half = sample_rate * EDGE_MS // 2000
    short[count // 2 - half : count // 2 + half] = 1 / (2 * half)
    return window**2 / (window**2).sum(), (notes * scale).astype(np.float32), short


def _listen(samples: Samples, sample_rate: int) -> _Heard:
    power, notes, short = _probes(sample_rate)
    frames = sliding_window_view(samples, len(power))[:: sample_rate * HOP_MS // 1000]
    blocks = [_measure(frames[at : at + BLOCK_HOPS], power, notes, short) for at in range(0, len(frames), BLOCK_HOPS)]
    energy, edge, levels = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return _Heard(energy, edge, levels[:, : len(LOW_HZ)], levels[:, len(LOW_HZ) :])


def _measure(frames: Samples, power: Samples, notes: Samples, short: Samples) -> tuple[Samples, Samples, Samples]:
    squares = frames**2
    parts = frames @ notes
    half = parts.shape[1] // 2
    return squares @ power, squares @ short, parts[:, :half] ** 2 + parts[:, half:] ** 2


def _utterances(energy: Samples) -> list[tuple[int, int]]:
    """(first, last + 1) hop of every stretch of sound that has a pause on both sides."""
    loud = np.flatnonzero(energy > max(SILENCE_RMS**2, float(energy.max(initial=0)) * RELATIVE_SILENCE**2))
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > GAP_HOPS)
    firsts, lasts = np.append(loud[0], loud[breaks + 1]), np.append(loud[breaks], loud[-1])
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def _read(heard: _Heard, first: int, last: int) -> str:
    """The text of one stretch of sound; "" when it is not the voice."""
    centres = _clock(heard, first, last)
    loudest = float(heard.energy[first:last].max())
    chord = _chords(heard, centres)
    rest = ~chord & _rests(heard, centres, loudest)
    if chord.sum() < MIN_SOUND_SHARE * (~rest).sum() or not chord.any() or not _has_edges(heard, centres[chord]):
        return ""
    numbers = np.where(chord, heard.low[centres] + 8 * heard.high[centres], -1)
    return "".join(" " if rest[i] else ALPHABET[n] if n >= 0 else "" for i, n in enumerate(numbers)).strip()


def _clock(heard: _Heard, first: int, last: int) -> Numbers:
    """The hops at the middle of every symbol: the phase at which the sound looks most like chords."""
    hops = np.arange(max(0, first - HOPS_PER_SYMBOL), min(len(heard.energy), last + HOPS_PER_SYMBOL))
    likeness = np.minimum(heard.confidence[hops], 1) * np.sqrt(heard.energy[hops])
    phases = [float(likeness[phase::HOPS_PER_SYMBOL].sum()) for phase in range(HOPS_PER_SYMBOL)]
    return hops[int(np.argmax(phases)) :: HOPS_PER_SYMBOL]


def _chords(heard: _Heard, centres: Numbers) -> Flags:
    return np.asarray(
        (heard.energy[centres] > SILENCE_RMS**2)
        & (heard.confidence[centres] > MIN_CONFIDENCE)
        & (heard.low_share[centres] > MIN_LOW)
        & (heard.high_share[centres] > MIN_HIGH)
    )


def _rests(heard: _Heard, centres: Numbers, loudest: float) -> Flags:
    """Where no note sounds: there may be noise, but it is clearly softer than the chords."""
    energy = heard.energy[centres]
    return np.asarray(
        (energy * heard.confidence[centres] < loudest * RELATIVE_SILENCE) & (energy < loudest * MAX_NOISE)
    )


def _has_edges(heard: _Heard, centres: Numbers) -> bool:
    """Whether the sound dips between the chords, as struck notes do and held ones do not."""
    before = heard.edge[np.maximum(centres - HOPS_PER_SYMBOL // 2 - 1, 0)]
    return bool(np.median(before) < MAX_EDGE * np.median(heard.energy[centres]))
