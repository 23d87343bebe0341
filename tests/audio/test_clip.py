"""`Clip`: where it comes from, what it says of itself, and how it shows."""

import base64
import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio import (
    PCM16_8K,
    PCM16_16K,
    PCM16_24K,
    ULAW_8K,
    AudioFormat,
    Clip,
    from_samples,
    read_wav,
    write_wav,
)
from aigw_notebook.errors import ConfigurationError

FLOAT_24K = AudioFormat("float32", 24_000)


def tone(duration_ms, level=0.5, sample_rate=24_000):
    return level * np.sin(2 * np.pi * 440 * np.arange(int(duration_ms * sample_rate / 1000)) / sample_rate)


def pcm16_clip(samples, sample_rate=24_000):
    format_ = AudioFormat("pcm16", sample_rate)
    return Clip(from_samples(samples, format_), format_)


def test_a_clip_knows_its_length_and_rate():
    clip = Clip(bytes(48_000), PCM16_24K)
    assert (clip.duration_ms, clip.sample_rate, len(clip)) == (1000.0, 24_000, 24_000)
    assert clip.format == PCM16_24K
    assert clip.data == bytes(48_000)


def test_half_a_sample_counts_for_nothing():
    clip = Clip(bytes(5), PCM16_8K)
    assert (len(clip), clip.duration_ms, len(clip.to_numpy())) == (2, 0.25, 2)


def test_an_empty_clip_is_false():
    assert not Clip(b"", PCM16_24K)
    assert Clip(b"\0\0", PCM16_24K)


def test_clips_are_values():
    clip = Clip(bytearray(b"\1\0"), PCM16_24K)
    assert clip == Clip(b"\1\0", PCM16_24K)
    assert clip != Clip(b"\1\0", PCM16_16K)
    assert len({clip, Clip(b"\1\0", PCM16_24K)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip.data = b""


def test_a_clip_keeps_no_view_of_a_buffer_that_may_change():
    buffer = bytearray(b"\1\0")
    clip = Clip(buffer, PCM16_24K)
    buffer[0] = 9
    assert clip.data == b"\1\0"


@pytest.mark.parametrize("data", ["sound.wav", np.zeros(3), None])
def test_a_clip_is_made_of_bytes(data):
    with pytest.raises(ConfigurationError, match=r"Clip\.from_any"):
        Clip(data, PCM16_24K)


def test_the_repr_is_short_and_holds_no_sound():
    assert repr(Clip(bytes(59_520), PCM16_24K)) == "<Clip 1.24 s, pcm16 24000 Hz>"
    assert str(Clip(b"", ULAW_8K)) == "<Clip 0.00 s, ulaw 8000 Hz>"


def test_samples_are_float32_of_full_scale():
    samples = Clip(np.array([0, 16384, -32768], "<i2").tobytes(), PCM16_24K).to_numpy()
    assert samples.dtype == np.float32
    assert samples.tolist() == [0.0, 0.5, -1.0]


@pytest.mark.parametrize(
    ("format_", "written"),
    [(PCM16_24K, PCM16_24K), (FLOAT_24K, PCM16_24K), (ULAW_8K, ULAW_8K), (AudioFormat("alaw", 8_000),) * 2],
)
def test_wav_files_are_16_bits_or_a_law(format_, written):
    clip = Clip(from_samples([0.0, 0.5, -0.5], format_), format_)
    assert read_wav(clip.to_wav()) == (written, clip.converted(written).data)


def test_save_writes_a_wav_file_and_gives_its_path(tmp_path):
    clip = pcm16_clip(tone(50))
    path = clip.save(str(tmp_path / "answer.wav"))
    assert path == tmp_path / "answer.wav"
    assert Clip.from_any(path) == clip
    assert Clip.from_any(str(path)) == clip


def test_save_does_not_pretend_to_write_mp3(tmp_path):
    with pytest.raises(ConfigurationError, match=r"ends in \.wav"):
        pcm16_clip(tone(50)).save(tmp_path / "answer.MP3")
    assert list(tmp_path.iterdir()) == []


def test_converted_keeps_the_length_in_time():
    clip = pcm16_clip(tone(300))
    assert clip.converted(PCM16_24K) is clip
    assert clip.converted(ULAW_8K).duration_ms == 300.0
    assert clip.converted(PCM16_16K).format == PCM16_16K


def test_cut_gives_a_part_in_whole_samples():
    clip = pcm16_clip(np.arange(100) / 128, sample_rate=1_000)
    assert clip.cut(30).to_numpy().tolist() == clip.to_numpy()[:30].tolist()
    assert clip.cut(30.9, start_ms=10.2) == pcm16_clip(np.arange(10, 30) / 128, sample_rate=1_000)
    assert clip.cut(1e6) == clip
    assert clip.cut(-5) == clip.cut(5, start_ms=50) == Clip(b"", clip.format)


@given(st.integers(0, 3_000), st.sampled_from([8_000, 22_050, 24_000, 44_100]))
def test_cut_at_the_duration_is_the_whole_clip(count, sample_rate):
    clip = Clip(bytes(2 * count), AudioFormat("pcm16", sample_rate))
    assert clip.cut(clip.duration_ms) == clip


@pytest.mark.parametrize("silence_ms", [0, 5, 200, 1234])
def test_first_audible_ms_is_where_the_sound_starts(silence_ms):
    samples = np.concatenate([np.zeros(silence_ms * 24), tone(300)])
    for clip in (pcm16_clip(samples), Clip.from_any(samples, sample_rate=24_000)):
        assert clip.first_audible_ms() == pytest.approx(silence_ms, abs=0.5)
        assert clip.first_audible_ms() >= silence_ms


def test_first_audible_ms_goes_by_the_level():
    samples = np.concatenate([np.zeros(2_400), tone(200, level=0.001), tone(200, level=0.5)])
    clip = Clip.from_any(samples, sample_rate=24_000)
    assert clip.first_audible_ms() == pytest.approx(300, abs=0.5)
    assert clip.first_audible_ms(-70) == pytest.approx(100, abs=5)
    assert clip.first_audible_ms(-1) is None
    steady = Clip.from_any(np.full(4_800, 10 ** (-40 / 20)), sample_rate=24_000)
    assert steady.first_audible_ms(-40.1) == pytest.approx(10, abs=0.3)
    assert steady.first_audible_ms(-39.9) is None


@pytest.mark.parametrize("format_", [PCM16_24K, ULAW_8K, AudioFormat("alaw", 8_000)])
def test_silence_is_never_audible(format_):
    assert Clip(from_samples(np.zeros(5_000), format_), format_).first_audible_ms() is None
    assert Clip(b"", format_).first_audible_ms() is None


def test_one_loud_sample_in_a_short_clip_is_audible():
    assert pcm16_clip([0.0, 0.0, 1.0]).first_audible_ms() == pytest.approx(2 / 24)


def test_in_a_notebook_a_clip_is_a_player():
    clip = pcm16_clip(tone(100))
    html = clip._repr_html_()
    data_uri = re.fullmatch(r'<audio controls src="data:audio/wav;base64,([A-Za-z0-9+/=]+)"></audio>', html)
    assert base64.b64decode(data_uri[1]) == clip.to_wav()


@pytest.mark.parametrize("format_", [PCM16_24K, ULAW_8K, FLOAT_24K])
def test_a_long_clip_says_how_to_hear_it(format_):
    seconds = 1_499_000 // (format_.sample_rate * min(2, format_.bytes_per_sample))
    short, long = (Clip(bytes(format_.byte_count(1000 * s)), format_) for s in (seconds, seconds + 2))
    assert 1_800_000 < len(short._repr_html_()) < 2_000_100
    assert f"A clip of {seconds + 2} s is too large to play here" in long._repr_html_()
    assert ".save(" in long._repr_html_()


def test_an_empty_clip_shows_no_player():
    assert "audio" not in Clip(b"", PCM16_24K)._repr_html_()


def test_from_any_takes_wav_bytes_of_any_kind():
    clip = pcm16_clip(tone(20))
    assert Clip.from_any(clip.to_wav()) == Clip.from_any(bytearray(clip.to_wav())) == clip
    law = Clip(bytes(range(200)), ULAW_8K)
    assert Clip.from_any(memoryview(law.to_wav()), sample_rate=8_000) == law
    floats = write_wav(from_samples([0.5], FLOAT_24K), FLOAT_24K)
    assert Clip.from_any(floats).format == FLOAT_24K


def test_from_any_gives_a_clip_back():
    clip = pcm16_clip(tone(20))
    assert Clip.from_any(clip) is clip


@pytest.mark.parametrize(
    ("array", "encoding"),
    [
        (np.array([0, 16384, -32768], np.int16), "pcm16"),
        (np.array([0.0, 0.5, -1.0]), "float32"),
        (np.array([0.0, 0.5, -1.0], np.float32), "float32"),
        ([0.0, 0.5, -1.0], "float32"),
        (np.array([[0, 16384, -32768]] * 2, np.int16), "pcm16"),
        (np.array([[0, 16384, -32768]] * 2, np.int16).T, "pcm16"),
        (np.array([[0.0, 0.5, -1.0]]), "float32"),
    ],
)
def test_from_any_takes_arrays(array, encoding):
    clip = Clip.from_any(array, sample_rate=16_000)
    assert clip.format == AudioFormat(encoding, 16_000)
    assert clip.to_numpy().tolist() == [0.0, 0.5, -1.0]


@pytest.mark.parametrize("rate", [16_000, 16_000.0, np.int64(16_000)])
def test_from_any_takes_pairs_in_either_order(rate):
    array = np.array([1, 2, 3], np.int16)
    assert Clip.from_any((array, rate)) == Clip.from_any((rate, array)) == Clip(array.tobytes(), PCM16_16K)


@pytest.mark.parametrize("pair", [(), (np.zeros(3),), (np.zeros(3), np.zeros(3)), (0.1, 0.2), (np.zeros(3), 8_000, 1)])
def test_other_tuples_are_refused(pair):
    with pytest.raises(ConfigurationError, match=r"\(array, rate\)"):
        Clip.from_any(pair)


def test_an_array_without_a_rate_names_the_argument():
    with pytest.raises(ConfigurationError, match=r"sample_rate="):
        Clip.from_any(np.zeros(10))


def test_raw_bytes_are_not_guessed_at():
    with pytest.raises(ConfigurationError, match=r"Clip\(data, format\)"):
        Clip.from_any(bytes(100))


def test_a_contradicting_rate_is_refused():
    clip = pcm16_clip(tone(20))
    for source in (clip, clip.to_wav(), (np.zeros(4), 24_000)):
        with pytest.raises(ConfigurationError, match="24000 Hz, not 16000"):
            Clip.from_any(source, sample_rate=16_000)


def test_floats_of_integer_size_are_a_mistake():
    with pytest.raises(ConfigurationError, match="scale them, or pass them as int16"):
        Clip.from_any(np.array([0.0, 12_000.0]), sample_rate=16_000)
    assert Clip.from_any(np.array([0.0, 1.5]), sample_rate=16_000).to_numpy().tolist() == [0.0, 1.0]


def test_arrays_with_nan_are_refused():
    with pytest.raises(ConfigurationError, match="NaN"):
        Clip.from_any(np.array([0.0, np.nan]), sample_rate=16_000)


@pytest.mark.parametrize("path", ["missing.wav", ".", "nul\0byte"])
def test_unreadable_files_are_named(path, tmp_path):
    with pytest.raises(ConfigurationError, match="pass the path of a WAV file"):
        Clip.from_any(str(tmp_path / path))


def test_a_file_that_is_not_wav_says_what_it_is(tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3\x04" + bytes(50))
    with pytest.raises(ConfigurationError, match="MP3"):
        Clip.from_any(path)
