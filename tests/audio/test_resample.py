"""The resampler: length, alignment, quality in dB, and independence of how the input is cut."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio.resample import Resampler, resample
from aigw_notebook.errors import ConfigurationError

SPEECH_PAIRS = [
    (24_000, 16_000),
    (48_000, 24_000),
    (22_050, 24_000),
    (44_100, 16_000),
    (8_000, 24_000),
    (24_000, 8_000),
    (16_000, 24_000),
    (44_101, 24_000),  # nothing in common: no repeating weights
]
DOWNWARD_PAIRS = [pair for pair in SPEECH_PAIRS if pair[0] > pair[1]]


def tone(frequency, sample_rate, seconds=0.5):
    return np.sin(2 * np.pi * frequency * np.arange(int(sample_rate * seconds)) / sample_rate)


def middle(samples):
    """The middle half, away from the edges where the sound starts and stops."""
    return samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64)


def decibels(power, reference):
    return 10 * math.log10(power / reference)


def snr_db(frequency, source_rate, target_rate):
    wanted = middle(tone(frequency, target_rate))
    got = middle(resample(tone(frequency, source_rate), source_rate, target_rate))
    return decibels(np.mean(wanted**2), np.mean((got - wanted) ** 2))


def gain_db(frequency, source_rate, target_rate):
    source = tone(frequency, source_rate)
    got = middle(resample(source, source_rate, target_rate))
    return decibels(np.mean(got**2) + 1e-30, np.mean(source**2))


@pytest.mark.parametrize("pair", SPEECH_PAIRS)
def test_tones_come_out_clean(pair):
    lower = min(pair)
    assert snr_db(1_000, *pair) > 110
    assert snr_db(0.35 * lower, *pair) > 105
    assert snr_db(0.45 * lower, *pair) > 90


@pytest.mark.parametrize("pair", SPEECH_PAIRS)
def test_the_pass_band_is_flat(pair):
    gains = [gain_db(part * min(pair), *pair) for part in (0.02, 0.1, 0.2, 0.3, 0.4, 0.45)]
    assert max(map(abs, gains)) < 0.01


@pytest.mark.parametrize(("source_rate", "target_rate"), DOWNWARD_PAIRS)
def test_tones_above_the_target_nyquist_are_gone(source_rate, target_rate):
    frequencies = np.linspace(target_rate / 2 * 1.001, source_rate / 2 * 0.999, 25)
    assert max(gain_db(frequency, source_rate, target_rate) for frequency in frequencies) < -95


@pytest.mark.parametrize(("source_rate", "target_rate"), [(8_000, 24_000), (16_000, 48_000)])
def test_going_up_adds_no_mirror_tones(source_rate, target_rate):
    for frequency in (0.1 * source_rate, 0.3 * source_rate, 0.45 * source_rate):
        got = middle(resample(tone(frequency, source_rate), source_rate, target_rate))
        spectrum = np.abs(np.fft.rfft(got * np.blackman(len(got)))) ** 2
        above = spectrum[int(len(spectrum) * source_rate / target_rate * 1.01) :]
        assert decibels(above.max(), spectrum.max()) < -90


@pytest.mark.parametrize("pair", SPEECH_PAIRS)
def test_an_impulse_stays_where_it_was(pair):
    source_rate, target_rate = pair
    at = source_rate // 10
    impulse = np.zeros(source_rate // 5, np.float32)
    impulse[at] = 1.0
    got = resample(impulse, source_rate, target_rate).astype(np.float64)
    centre = np.sum(np.arange(len(got)) * got) / np.sum(got)
    assert centre / target_rate == pytest.approx(at / source_rate, abs=0.001 / target_rate)


@pytest.mark.parametrize("pair", SPEECH_PAIRS)
def test_a_constant_keeps_its_value(pair):
    assert np.abs(middle(resample(np.full(4_000, 0.5), *pair)) - 0.5).max() < 1e-6


@given(
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 11_127]),
    st.sampled_from([8_000, 16_000, 22_050, 24_000, 44_100, 48_000, 23_999]),
    st.integers(0, 3_000),
    st.lists(st.integers(0, 900), max_size=12),
)
def test_chunks_do_not_matter(source_rate, target_rate, count, cuts):
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    whole = resample(samples, source_rate, target_rate)
    resampler = Resampler(source_rate, target_rate)
    chunks = np.split(samples, np.minimum(np.cumsum(cuts, dtype=np.int64), count))
    parts = [resampler.process(chunk) for chunk in chunks] + [resampler.flush()]
    joined = np.concatenate(parts)
    assert len(joined) == len(whole) == round(count * target_rate / source_rate)
    assert joined.dtype == whole.dtype == np.float32
    assert np.abs(joined - whole).max(initial=0.0) <= 1e-6


@given(st.integers(1_000, 60_000), st.integers(1_000, 60_000), st.integers(0, 400))
def test_any_two_rates_give_the_right_length(source_rate, target_rate, count):
    got = resample(np.ones(count), source_rate, target_rate)
    assert len(got) == round(count * target_rate / source_rate)
    assert np.isfinite(got).all()


@pytest.mark.parametrize(("source_rate", "target_rate"), [(384_000, 1_000), (1_000, 384_000), (383_999, 384_000)])
def test_the_ends_of_the_range_work(source_rate, target_rate):
    got = resample(np.full(2 * source_rate // 5, 0.25), source_rate, target_rate)
    assert len(got) == round(2 * source_rate // 5 * target_rate / source_rate)
    assert np.abs(middle(got) - 0.25).max() < 1e-5


def test_long_input_is_one_run():
    samples = tone(440, 48_000, seconds=3)
    got = resample(samples, 48_000, 24_000)
    assert np.abs(middle(got) - middle(tone(440, 24_000, seconds=3))).max() < 1e-6


def test_equal_rates_give_the_input_back():
    samples = np.array([0.5, -0.25, 1.0], np.float32)
    resampler = Resampler(24_000, 24_000)
    assert resampler.process(samples).tolist() == samples.tolist()
    assert len(resampler.flush()) == 0


def test_process_holds_back_64_samples_of_the_lower_rate():
    resampler = Resampler(24_000, 16_000)
    assert len(resampler.process(np.zeros(2_400))) == 1_600 - 64
    assert len(resampler.flush()) == 64


def test_after_flush_a_resampler_is_as_new():
    resampler = Resampler(44_100, 24_000)
    samples = tone(300, 44_100, seconds=0.1)
    first = np.concatenate((resampler.process(samples), resampler.flush()))
    second = np.concatenate((resampler.process(samples), resampler.flush()))
    assert (first == second).all()
    assert len(resampler.flush()) == 0


def test_nothing_in_nothing_out():
    assert resample([], 24_000, 16_000).tolist() == []


@pytest.mark.parametrize("rate", [0, -8_000, 500_000])
def test_an_impossible_rate_is_refused(rate):
    with pytest.raises(ConfigurationError, match="sample rate"):
        Resampler(rate, 24_000)
    with pytest.raises(ConfigurationError, match="sample rate"):
        Resampler(24_000, rate)
