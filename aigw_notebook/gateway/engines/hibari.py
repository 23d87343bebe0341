"""The neural voice of the package hibari-tts: a network of 8 MB on the processor, from text to sound with no network.

Only the voice inside the package is used; its others would be downloaded. What sounds like several speakers is that
one voice with another pitch, another resonance and another pace. The durations of the phonemes, which the package
keeps to itself, are made an output of the network: so it is known when which word is spoken. A network that names
them otherwise still speaks; its words are then timed by an estimate.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...errors import MissingExtra
from .base import EngineInfo
from .phrases import Mark, Phrase, PhraseVoice, estimated_marks
from .timbre import Timbre

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INSTALL", "HibariVoice", "is_installed"]

Floats: TypeAlias = "NDArray[np.float32]"

INSTALL = "pip install 'aigw-notebook[local]'"

SAMPLE_RATE = 24_000
UNIT_S = 0.025
"""What the network counts durations in."""

LAG_S = 0.07
"""So much earlier than the durations say a phoneme is heard (measured against forced alignment)."""

DURATIONS = b"/Clip_output_0"
"""The network's name for the durations of its phonemes, in units."""

MAX_OWN_PACE = 1.1
"""Faster than this the network slurs: its shortest phoneme is one unit. What is missing is taken out of its frames."""

LEAD_S = 0.06
"""So much of the silence before a phrase is kept; the network makes some 0.3 s of it."""

QUIET = 0.003  # of full scale: silence


def is_installed() -> bool:
    """Whether the package is there; it is not imported for that."""
    return find_spec("hibari") is not None and find_spec("onnxruntime") is not None


class HibariVoice(PhraseVoice):
    """The neural voice. The package is imported and the network loaded by the first call, once."""

    def __init__(self) -> None:
        if not is_installed():
            raise MissingExtra(f"the neural voice is not installed: {INSTALL}")
        self._lock = Lock()
        self._network: _Network | None = None

    @cached_property
    def about(self) -> EngineInfo:  # type: ignore[override]
        """The package's version and licence."""
        licence = "Apache-2.0, the weights too"
        return EngineInfo(job="voice", name="hibari-tts", version=_version("hibari-tts"), licence=licence)

    def warm_up(self) -> None:
        """Load everything that a sentence needs, with a word that no lexicon has."""
        for _ in self.say("Ready, Aigwnb.", sample_rate=SAMPLE_RATE):
            return

    def phrase(self, text: str, *, timbre: Timbre, pace: float) -> Phrase:
        """The sound of one phrase."""
        return self._loaded().speak(text, pitch=timbre.pitch, pace=pace)

    def _loaded(self) -> _Network:
        with self._lock:
            if self._network is None:
                with _uncollected():
                    self._network = _Network()
            return self._network


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: on the way to a million small objects it would hold up all threads, for nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


# -------------------------------------------------------------------------------------------------------- network


class _Network:
    """The loaded network with what it needs before and after it."""

    def __init__(self) -> None:
        import hibari
        import onnxruntime
        from hibari.g2p import G2P
        from hibari.voices import DEFAULT, voice_path

        onnxruntime.disable_telemetry_events()
        model = Path(voice_path(DEFAULT, download_missing=False)).read_bytes()
        self._tells_durations = _makes(model, DURATIONS)
        added = _added_output(DURATIONS) if self._tells_durations else b""
        self._hibari: Any = hibari.Hibari(model=model + added, g2p=G2P())
        self._run = self._hibari.sess.run

    def speak(self, text: str, *, pitch: float, pace: float) -> Phrase:
        """The sound of a phrase; empty when there is nothing in it to be said."""
        from hibari.dsp import synth

        phonemes, ends = self._read(text)
        ids = self._hibari.ids(phonemes)
        if len(ids) < 3:
            return Phrase(np.zeros(0, np.float32), SAMPLE_RATE, [])
        own_pace = min(pace, MAX_OWN_PACE)
        inputs = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([own_pace], np.float32)}
        parts = self._run(None, inputs)
        durations: Floats = parts.pop() if self._tells_durations else np.zeros(0, np.float32)
        *bands, f0 = (_faster(part[0], pace / own_pace) for part in parts)
        samples = synth(*bands, f0 * np.float32(pitch), np.random.default_rng(0))
        if durations.size != len(ids):
            return _trimmed(samples, estimated_marks(samples, SAMPLE_RATE, text), text)
        return _trimmed(samples, self._marks(phonemes, ends, durations * own_pace / pace), text)

    def _marks(self, phonemes: str, ends: list[int], durations: Floats) -> list[Mark]:
        """When each phoneme ends, and how many characters have been spoken then. The first mark is the beginning."""
        seconds = durations.reshape(-1) * UNIT_S
        times = np.maximum(0, np.cumsum(seconds) - LAG_S)
        known = np.cumsum([phoneme in self._hibari.vocab for phoneme in phonemes])
        halves = [seconds[at] / 2 if phoneme == " " else 0.0 for at, phoneme in zip(known, phonemes, strict=True)]
        after = [*halves[1:], 0.0]
        marks = (times[known] - halves + after).tolist()
        return [(float(times[0]), 0), *zip(marks, ends, strict=True)]

    def _read(self, text: str) -> tuple[str, list[int]]:
        """The phonemes of a phrase, and for each how many of the phrase's characters are spoken after it."""
        from hibari.g2p.normalize import normalize

        written = normalize(text)
        phonemes, ends, at = "", [], 0
        for token in self._hibari.g2p.phonemize_tokens(self._hibari.g2p.tokenize(written)):
            start = max(at, written.find(token.text, at))
            at = start + len(token.text)
            said = token.phonemes or ""
            ends += [start + len(token.text) * number / len(said) for number in range(1, len(said) + 1)]
            phonemes += said
            if token.whitespace:
                phonemes, at = phonemes + " ", at + 1
                ends.append(at)
        places = _places(written, text)
        return phonemes, [int(np.interp(end, *places) + 1e-6) for end in ends]


def _faster(frames: Floats, factor: float) -> Floats:
    """Fewer of the frames (the last axis), evenly chosen: the same sound in less time."""
    count = frames.shape[-1]
    if factor == 1:
        return frames
    chosen = np.linspace(0, count - 1, max(1, round(count / factor))).round().astype(np.intp)
    return np.ascontiguousarray(frames[..., chosen])


def _places(written: str, text: str) -> tuple[list[int], list[int]]:
    """Where what is `written` out stands in `text`: places in the one, and the same in the other, rising."""
    ours, theirs = [list(re.finditer(r"\S+", words)) for words in (written, text)]
    matcher = SequenceMatcher(None, [word.group() for word in ours], [word.group() for word in theirs], autojunk=False)
    here, there = [0], [0]
    for block in matcher.get_matching_blocks():
        for number in range(block.size):
            mine, other = ours[block.a + number], theirs[block.b + number]
            here += [mine.start(), mine.end()]
            there += [other.start(), other.end()]
    return [*here, len(written)], [*there, len(text)]


def _trimmed(samples: Floats, marks: list[Mark], text: str) -> Phrase:
    """Without most of the silence before the first word; that after the last belongs to what ends the phrase."""
    loud = np.flatnonzero(np.abs(samples[: round(marks[0][0] * SAMPLE_RATE)]) > QUIET)
    quiet = int(loud[0]) if len(loud) else round(marks[0][0] * SAMPLE_RATE)
    cut = max(0, quiet - round(LEAD_S * SAMPLE_RATE))
    kept = [(time_s - cut / SAMPLE_RATE, char) for time_s, char in marks if char < len(text.rstrip())]
    return Phrase(samples[cut:], SAMPLE_RATE, [*kept, ((len(samples) - cut) / SAMPLE_RATE, len(text))])


def _makes(model: bytes, name: bytes) -> bool:
    """Whether a node of the model has a value of this name as its output."""
    node_output = 2
    return _field(node_output, name) in model


def _added_output(name: bytes) -> bytes:
    """What makes one more value an output when it is put behind a model: protobuf adds up what is written twice."""
    graph, output, output_name = 7, 12, 1
    return _field(graph, _field(output, _field(output_name, name)))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content
