"""Bytes to samples and back, in every format, whole and in chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio import (
    ALAW_8K,
    PCM16_8K,
    PCM16_16K,
    PCM16_24K,
    ULAW_8K,
    AudioFormat,
    Converter,
    as_samples,
    from_samples,
    mixdown,
    to_samples,
)
from aigw_notebook.audio.convert import convert
from aigw_notebook.errors import ConfigurationError

FLOAT_8K = AudioFormat("float32", 8_000)
FORMATS = [PCM16_8K, ULAW_8K, ALAW_8K, FLOAT_8K, PCM16_24K, AudioFormat("float32", 16_000)]
ALL_PCM16 = np.arange(-32768, 32768).astype("<i2").tobytes()


def sound(format_, count, seed=0):
    return from_samples(np.random.default_rng(seed).uniform(-0.9, 0.9, count), format_)


def test_pcm16_values_are_32768ths():
    data = np.array([0, 1, -32768, 32767], "<i2").tobytes()
    samples = to_samples(data, PCM16_24K)
    assert samples.dtype == np.float32
    assert samples.tolist() == [0.0, 1 / 32768, -1.0, 32767 / 32768]


def test_all_pcm16_values_survive_floats():
    assert from_samples(to_samples(ALL_PCM16, PCM16_8K), PCM16_8K) == ALL_PCM16
    assert convert(convert(ALL_PCM16, PCM16_8K, FLOAT_8K), FLOAT_8K, PCM16_8K) == ALL_PCM16


@pytest.mark.parametrize("law", [ULAW_8K, ALAW_8K])
def test_all_codes_survive_pcm16(law):
    codes = bytes(code for code in range(256) if (law, code) != (ULAW_8K, 0x7F))  # 0x7F is mu-law's negative zero
    assert convert(convert(codes, law, PCM16_8K), PCM16_8K, law) == codes


@pytest.mark.parametrize(("law", "silence"), [(ULAW_8K, 0xFF), (ALAW_8K, 0xD5)])
def test_silence_is_the_code_of_zero(law, silence):
    assert convert(bytes(4), PCM16_8K, law) == bytes([silence]) * 2


def test_samples_are_rounded_and_clipped_not_scaled():
    data = from_samples([0.6 / 32768, -0.6 / 32768, 0.4 / 32768, 1.5, -1.5, np.inf, -np.inf], PCM16_8K)
    assert np.frombuffer(data, "<i2").tolist() == [1, -1, 0, 32767, -32768, 32767, -32768]
    quiet = from_samples(np.full(10, 0.01), PCM16_8K)
    assert set(np.frombuffer(quiet, "<i2").tolist()) == {328}


def test_floats_beyond_full_scale_are_clipped_both_ways():
    assert to_samples(np.array([2.0, -3.0], "<f4").tobytes(), FLOAT_8K).tolist() == [1.0, -1.0]
    assert np.frombuffer(from_samples([2.0, -3.0], FLOAT_8K), "<f4").tolist() == [1.0, -1.0]


@pytest.mark.parametrize("format_", [PCM16_8K, ULAW_8K, FLOAT_8K])
def test_nan_is_refused(format_):
    with pytest.raises(ConfigurationError, match="NaN"):
        from_samples([0.0, float("nan")], format_)
    with pytest.raises(ConfigurationError, match="NaN"):
        to_samples(np.array([np.nan], "<f4").tobytes(), FLOAT_8K)


def test_an_incomplete_last_sample_is_left_out():
    assert len(to_samples(b"\0\0\0", PCM16_8K)) == 1
    assert len(to_samples(b"\0\0\0", FLOAT_8K)) == 0
    assert convert(b"\1\2\3", PCM16_8K, PCM16_8K) == b"\1\2"
    assert convert(b"\1", PCM16_8K, ULAW_8K) == b""


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: memoryview(data).cast("h")])
def test_any_buffer_will_do(wrap):
    assert to_samples(wrap(b"\0\x40\0\xc0"), PCM16_8K).tolist() == [0.5, -0.5]
    assert convert(wrap(b"\0\x40\0\xc0"), PCM16_8K, PCM16_8K) == b"\0\x40\0\xc0"


def test_the_samples_belong_to_the_caller():
    for format_ in FORMATS:
        samples = to_samples(bytes(8), format_)
        samples[:] = 0.5
    given_samples = np.zeros(4, np.float32)
    as_samples(given_samples)[:] = 1.0
    assert given_samples.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0, 16384, -32768], np.int16), [0.0, 0.5, -1.0]),
        (np.array([0, 16384, -32768], ">i2"), [0.0, 0.5, -1.0]),
        (np.array([128, 192, 0], np.uint8), [0.0, 0.5, -1.0]),
        (np.array([0, 1 << 30, -(1 << 31)], np.int32), [0.0, 0.5, -1.0]),
        (np.array([0, 0.5, -1], np.float64), [0.0, 0.5, -1.0]),
        (np.array([0, 0.5, -1], np.float16), [0.0, 0.5, -1.0]),
        ([0.0, 0.5, -1.0], [0.0, 0.5, -1.0]),
        ([], []),
    ],
)
def test_arrays_of_every_type(array, expected):
    samples = as_samples(array)
    assert samples.dtype == np.float32
    assert samples.tolist() == expected


@pytest.mark.parametrize("array", [np.array([1 + 1j]), np.array([0, 1, 2], np.int64), np.array(["a"]), [None]])
def test_other_types_are_refused_with_a_way_out(array):
    with pytest.raises(ConfigurationError, match="pass int16, or floats"):
        as_samples(array)


def test_channels_are_averaged_in_either_orientation():
    left, right = np.linspace(-1, 1, 50), np.linspace(0, 1, 50)
    expected = (left + right) / 2
    assert np.allclose(mixdown(np.stack([left, right])), expected)
    assert np.allclose(mixdown(np.stack([left, right], axis=1)), expected)
    assert mixdown(left) is left
    assert mixdown(np.array([[0.0, 1.0], [0.5, 0.5]])).tolist() == [0.5, 0.5]
    both = np.stack([np.full(9, 20_000, np.int16), np.full(9, 30_000, np.int16)])
    assert as_samples(both).tolist() == [np.float32(25_000 / 32768)] * 9


def test_infinities_that_cancel_out_are_refused():
    with pytest.raises(ConfigurationError, match="NaN"):
        as_samples(np.array([[np.inf, 0.0, 0.0], [-np.inf, 0.0, 0.0]]))


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4)), np.float64(0.5)])
def test_more_or_fewer_dimensions_are_refused(array):
    with pytest.raises(ConfigurationError, match="dimensions"):
        as_samples(array)


@given(
    st.sampled_from(FORMATS),
    st.sampled_from(FORMATS),
    st.integers(0, 1_500),
    st.integers(0, 3),
    st.lists(st.integers(0, 700), max_size=10),
)
def test_a_stream_converts_like_the_whole(source, target, count, rest, cuts):
    data = sound(source, count, seed=count) + bytes(rest % source.bytes_per_sample)
    converter = Converter(source, target)
    at, parts = 0, []
    for cut in cuts:
        parts.append(converter.process(data[at : at + cut]))
        at += cut
    parts += [converter.process(data[at:]), converter.flush()]
    joined, whole = b"".join(parts), convert(data, source, target)
    assert all(len(part) % target.bytes_per_sample == 0 for part in parts)
    assert len(joined) == len(whole) == round(count * target.sample_rate / source.sample_rate) * target.bytes_per_sample
    assert np.abs(to_samples(joined, target) - to_samples(whole, target)).max(initial=0.0) <= 1e-6


def test_single_bytes_convert_too():
    data = sound(PCM16_8K, 40)
    converter = Converter(PCM16_8K, FLOAT_8K)
    parts = [converter.process(data[at : at + 1]) for at in range(len(data))]
    assert b"".join(parts) == convert(data, PCM16_8K, FLOAT_8K)


def test_after_flush_a_converter_is_as_new():
    converter = Converter(PCM16_24K, PCM16_16K)
    data = sound(PCM16_24K, 600)
    first = converter.process(data + b"\1") + converter.flush()
    assert converter.process(data) + converter.flush() == first


def test_equal_formats_pass_bytes_through():
    data = np.array([np.nan, 7.5], "<f4").tobytes()
    assert convert(data, FLOAT_8K, FLOAT_8K) == data


def test_a_tone_survives_telephony():
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)
    data = from_samples(wanted, PCM16_24K)
    back = to_samples(convert(convert(data, PCM16_24K, ULAW_8K), ULAW_8K, PCM16_24K), PCM16_24K)
    error = (back - wanted)[2_000:-2_000]
    assert 10 * np.log10(np.mean(wanted**2) / np.mean(error**2)) > 35
