"""The decoder of FLAC that needs no library, against the library: each kind of block, and what is no FLAC."""

from __future__ import annotations

import io
from random import Random

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.recording_file.flac import decoded

STEPS = np.arange(12_000)
NOISE = np.random.default_rng(3)
SOUNDS = {
    "a tone, which is predicted": 9_000 * np.sin(STEPS / 9),
    "a room": NOISE.normal(0, 4, 12_000),
    "all there is, which is kept as it is": NOISE.integers(-32_768, 32_768, 12_000),
    "silence, a constant": np.zeros(9_000),
    "even numbers, with wasted bits": NOISE.integers(-99, 99, 9_000) << 4,
    "a ramp to the edges": np.clip(STEPS * 9 - 40_000, -32_768, 32_767),
    "silence and a tone": np.concatenate([np.zeros(5_000), 9_000 * np.sin(STEPS / 3), np.zeros(5_000)]),
    "one sample": np.array([-5]),
}


def stored(samples: np.ndarray, rate: int = 24_000, level: float = 1.0, channels: int = 1) -> bytes:
    out = io.BytesIO()
    frames = samples.astype("<i2").reshape(-1, channels)
    soundfile.write(out, frames, rate, format="FLAC", subtype="PCM_16", compression_level=level)
    return out.getvalue()


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("rate", [8_000, 24_000, 11_025])
@pytest.mark.parametrize("samples", SOUNDS.values(), ids=SOUNDS)
def test_it_gives_what_was_stored(samples: np.ndarray, rate: int, level: float) -> None:
    assert decoded(stored(samples, rate, level), 2 * len(samples)) == samples.astype("<i2").tobytes()


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=200), st.integers(1, 12))
def test_it_gives_whatever_was_stored(samples: list[int], times: int) -> None:
    given_samples = np.array(samples * times)
    assert decoded(stored(given_samples), 2 * len(given_samples)) == given_samples.astype("<i2").tobytes()


def test_it_stops_a_little_after_what_is_wanted() -> None:
    assert 20_000 <= len(decoded(stored(SOUNDS["silence and a tone"]), 20_000)) < 30_000


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no FLAC"),
        (b"RIFF" + bytes(60), "no FLAC"),
        (b"fLaC" + bytes(8), "no FLAC"),
        (stored(np.zeros(400), channels=2), "one channel"),
        (stored(SOUNDS["a room"])[:-100], "too early|not found"),
        (stored(SOUNDS["a room"])[:44], "too early"),
    ],
    ids=["empty", "a WAV file", "cut in its head", "two channels", "cut", "cut before the first frame"],
)
def test_what_is_no_such_sound_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        decoded(data, 100_000)


def test_no_changed_byte_leads_to_anything_but_samples_or_a_refusal() -> None:
    whole = stored(SOUNDS["a tone, which is predicted"][:4_000])
    series, refused = Random(11), 0
    for _ in range(150):
        data = bytearray(whole)
        data[series.randrange(len(data))] ^= series.randrange(1, 256)
        try:
            assert len(decoded(bytes(data), 8_000)) < 200_000
        except ValueError:
            refused += 1
    assert 0 < refused < 150
