"""`AudioFormat`, and what the package gives without numpy."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aigw_notebook.audio as audio
from aigw_notebook.audio import ALAW_8K, PCM16_24K, PCM16_44K, ULAW_8K, AudioFormat
from aigw_notebook.errors import ConfigurationError

ENCODINGS = ["pcm16", "ulaw", "alaw", "float32"]


@pytest.mark.parametrize(("encoding", "width"), [("pcm16", 2), ("ulaw", 1), ("alaw", 1), ("float32", 4)])
def test_a_second_takes_rate_times_width_bytes(encoding, width):
    format_ = AudioFormat(encoding, 16_000)
    assert format_.bytes_per_sample == width
    assert format_.byte_count(1000) == 16_000 * width
    assert format_.duration_ms(bytes(16_000 * width)) == 1000.0
    assert format_.duration_ms(16_000 * width) == 1000.0


@given(st.sampled_from(ENCODINGS), st.integers(1_000, 384_000), st.integers(0, 10_000_000))
def test_byte_count_undoes_duration(encoding, sample_rate, samples):
    format_ = AudioFormat(encoding, sample_rate)
    size = samples * format_.bytes_per_sample
    assert format_.byte_count(format_.duration_ms(size)) == size


def test_byte_count_rounds_down_to_whole_samples():
    assert PCM16_44K.byte_count(0.99 * 1000 / 44_100) == 0
    assert PCM16_44K.byte_count(1.99 * 1000 / 44_100) == 2


@pytest.mark.parametrize(("encoding", "sample_rate"), [("mp3", 24_000), ("pcm16", 999), ("pcm16", 384_001)])
def test_impossible_formats_are_refused(encoding, sample_rate):
    with pytest.raises(ConfigurationError):
        AudioFormat(encoding, sample_rate)


def test_formats_are_values():
    assert AudioFormat() == PCM16_24K
    assert str(PCM16_24K) == "pcm16 24000 Hz"
    assert len({ULAW_8K, AudioFormat("ulaw", 8_000), ALAW_8K}) == 2


def test_every_public_name_loads():
    assert all(getattr(audio, name) is not None for name in audio.__all__)
    assert set(audio.__all__) <= set(dir(audio))
    with pytest.raises(AttributeError, match="mp3"):
        audio.mp3  # noqa: B018


def test_the_package_loads_without_numpy():
    script = (
        "import sys; import aigw_notebook.audio as audio;"
        "names = [getattr(audio, name) for name in audio.__all__];"
        "audio.Clip(b'', audio.PCM16_24K);"
        "assert not {'numpy', 'asyncio', 'socket', 'IPython'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
