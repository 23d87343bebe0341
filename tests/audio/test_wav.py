"""WAV files: the common kinds in, four kinds out, broken headers, and plain words for the rest."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.audio import (
    ALAW_8K,
    PCM16_16K,
    PCM16_24K,
    ULAW_8K,
    AudioFormat,
    from_samples,
    read_wav,
    to_samples,
    write_wav,
)
from aigw_notebook.errors import ConfigurationError

FLOAT_24K = AudioFormat("float32", 24_000)
PCM, FLOAT, ALAW, ULAW, ADPCM = 1, 3, 6, 7, 0x11
VALUES = [0.0, 0.25, -0.5, 0.75, -1.0]


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def fmt(tag, bits, channels=1, sample_rate=24_000, extensible=False):
    width = bits // 8 * channels
    outer = 0xFFFE if extensible else tag
    content = struct.pack("<HHIIHH", outer, channels, sample_rate, sample_rate * width, width, bits)
    if extensible:
        guid_rest = bytes.fromhex("000000001000800000aa00389b71")
        content += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", tag) + guid_rest
    return chunk(b"fmt ", content)


def riff(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def pcm(values, bits):
    """Samples as PCM of that many bits, by Python's integers."""
    full = 1 << (bits - 1)
    numbers = [min(round(value * full), full - 1) for value in values]
    if bits == 8:
        return bytes(number + 128 for number in numbers)
    return b"".join(number.to_bytes(bits // 8, "little", signed=True) for number in numbers)


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(
    ("tag", "bits", "sound", "encoding"),
    [
        (PCM, 8, pcm(VALUES, 8), "pcm16"),
        (PCM, 16, pcm(VALUES, 16), "pcm16"),
        (PCM, 24, pcm(VALUES, 24), "float32"),
        (PCM, 32, pcm(VALUES, 32), "float32"),
        (FLOAT, 32, struct.pack("<5f", *VALUES), "float32"),
        (FLOAT, 64, struct.pack("<5d", *VALUES), "float32"),
    ],
)
def test_linear_kinds_hold_their_values(tag, bits, sound, encoding, extensible):
    format_, data = read_wav(riff(fmt(tag, bits, extensible=extensible), chunk(b"data", sound)))
    assert format_ == AudioFormat(encoding, 24_000)
    assert to_samples(data, format_).tolist() == VALUES


@pytest.mark.parametrize(("tag", "encoding"), [(ULAW, "ulaw"), (ALAW, "alaw")])
def test_the_laws_come_back_as_they_are(tag, encoding):
    codes = bytes(range(256))
    assert read_wav(riff(fmt(tag, 8, sample_rate=8_000), chunk(b"data", codes))) == (
        AudioFormat(encoding, 8_000),
        codes,
    )


def test_24_bits_are_not_rounded():
    _, data = read_wav(riff(fmt(PCM, 24), chunk(b"data", (1).to_bytes(3, "little") + b"\xff\xff\xff")))
    assert to_samples(data, FLOAT_24K).tolist() == [2.0**-23, -(2.0**-23)]


@pytest.mark.parametrize(
    ("tag", "bits", "frames", "encoding", "expected"),
    [
        (PCM, 16, pcm([0.5, -0.5, 0.25, 0.75], 16), "pcm16", [0.0, 0.5]),
        (PCM, 8, pcm([0.5, -0.5, 0.25, 0.75], 8), "pcm16", [0.0, 0.5]),
        (PCM, 24, pcm([0.5, -0.5, 0.25, 0.75], 24), "float32", [0.0, 0.5]),
        (FLOAT, 32, struct.pack("<4f", 0.5, -0.5, 0.25, 0.75), "float32", [0.0, 0.5]),
        (ULAW, 8, bytes([0x80, 0x00, 0x80, 0x80]), "pcm16", [0.0, 32124 / 32768]),
        (ALAW, 8, bytes([0xAA, 0x2A, 0xAA, 0xAA]), "pcm16", [0.0, 32256 / 32768]),
    ],
)
def test_two_channels_are_mixed_down(tag, bits, frames, encoding, expected):
    format_, data = read_wav(riff(fmt(tag, bits, channels=2), chunk(b"data", frames)))
    assert format_ == AudioFormat(encoding, 24_000)
    assert to_samples(data, format_).tolist() == expected


def test_many_channels_over_few_frames_are_mixed_by_frame():
    _, data = read_wav(riff(fmt(PCM, 16, channels=6), chunk(b"data", pcm([0.5] * 6 + [0.0] * 6, 16))))
    assert to_samples(data, PCM16_24K).tolist() == [0.5, 0.0]


def test_files_of_the_standard_library_can_be_read():
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(pcm(VALUES, 16))
    assert read_wav(file.getvalue()) == (PCM16_16K, pcm(VALUES, 16))


def test_the_standard_library_can_read_ours():
    with wave.open(io.BytesIO(write_wav(pcm(VALUES, 16), PCM16_24K))) as reader:
        assert reader.getparams()[:4] == (1, 2, 24_000, 5)
        assert reader.readframes(5) == pcm(VALUES, 16)


@pytest.mark.parametrize("format_", [PCM16_16K, FLOAT_24K, ULAW_8K, ALAW_8K])
@given(data=st.binary(max_size=64))
def test_what_is_written_is_read_again(format_, data):
    file = write_wav(data, format_)
    whole = data[: len(data) // format_.bytes_per_sample * format_.bytes_per_sample]
    assert read_wav(file) == (format_, whole)
    assert struct.unpack_from("<I", file, 4)[0] == len(file) - 8
    assert len(file) % 2 == 0


def test_kinds_other_than_pcm_state_their_sample_count():
    assert b"fact" + struct.pack("<II", 4, 3) in write_wav(b"abc", ULAW_8K)
    assert b"fact" not in write_wav(b"ab", PCM16_16K)


@pytest.mark.parametrize("file_size", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("data_size", [0, 0xFFFFFFFF])
def test_a_streamed_header_goes_to_the_end(file_size, data_size):
    sound = pcm(VALUES, 16)
    file = riff(fmt(PCM, 16), b"data" + struct.pack("<I", data_size) + sound, size=file_size)
    assert read_wav(file) == (PCM16_24K, sound)


def test_an_empty_file_with_notes_after_it_is_empty():
    file = riff(fmt(PCM, 16), chunk(b"data", b""), chunk(b"LIST", b"INFOabcd"))
    assert read_wav(file) == (PCM16_24K, b"")


def test_a_file_cut_short_gives_the_frames_there_are():
    file = riff(fmt(PCM, 16, channels=2), chunk(b"data", pcm([0.5] * 8, 16)))
    format_, data = read_wav(file[:-3])
    assert to_samples(data, format_).tolist() == [0.5] * 3


def test_other_chunks_are_passed_over():
    sound = pcm(VALUES, 16)
    file = riff(
        chunk(b"JUNK", b"odd"), fmt(PCM, 16), chunk(b"LIST", b"x" * 7), chunk(b"data", sound), chunk(b"id3 ", b"")
    )
    assert read_wav(file) == (PCM16_24K, sound)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"ID3\x04", "MP3"),
        (b"\xff\xfb\x90\x64", "MP3"),
        (b"OggS", "Ogg"),
        (b"fLaC", "FLAC"),
        (b"\0\0\0\x20ftypM4A ", "MP4"),
        (b"\x1aE\xdf\xa3", "WebM"),
    ],
)
def test_other_audio_files_are_named(start, kind):
    with pytest.raises(ConfigurationError, match=rf"this is {kind} audio .* convert it"):
        read_wav(start + bytes(60))


@pytest.mark.parametrize("data", [b"", b"RIFF", bytes(100), b"RIFF\0\0\0\0AVI LIST"])
def test_bytes_that_are_no_file_get_a_way_out(data):
    with pytest.raises(ConfigurationError, match=r"pass an array with its sample_rate=, or raw audio as Clip\(data, "):
        read_wav(data)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (riff(fmt(ADPCM, 4), chunk(b"data", bytes(8))), "1 channels of 4 bits in coding 0x11"),
        (riff(fmt(PCM, 64), chunk(b"data", bytes(8))), "export it as 16-bit PCM"),
        (riff(fmt(PCM, 16, channels=0), chunk(b"data", bytes(8))), "0 channels"),
        (riff(fmt(PCM, 16, sample_rate=0), chunk(b"data", bytes(8))), "sample rate 0 Hz"),
        (riff(fmt(PCM, 16)), "no sound"),
        (riff(chunk(b"data", bytes(8))), "no format"),
        (riff(chunk(b"fmt ", bytes(5)), chunk(b"data", bytes(8))), "cut short"),
    ],
)
def test_files_that_cannot_be_read_say_so(file, words):
    with pytest.raises(ConfigurationError, match=words):
        read_wav(file)


@given(st.binary(max_size=120))
def test_no_bytes_raise_anything_else(tail):
    for file in (
        b"RIFF" + tail,
        riff(tail),
        riff(fmt(PCM, 16), tail),
        riff(chunk(b"fmt ", tail), chunk(b"data", tail)),
    ):
        try:
            format_, data = read_wav(file)
        except ConfigurationError as error:
            assert str(error)
        else:
            assert len(data) % format_.bytes_per_sample == 0


def test_float_files_are_written_as_they_are():
    data = from_samples(VALUES, FLOAT_24K)
    assert to_samples(read_wav(write_wav(data, FLOAT_24K))[1], FLOAT_24K).tolist() == VALUES
