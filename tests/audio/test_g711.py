"""G.711 against vectors checked by hand, against the standard's tables built another way, and against `audioop`."""

import sys
import warnings
from bisect import bisect_right

import numpy as np
import pytest

from aigw_notebook.audio import g711

ALL_SAMPLES = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
ALL_CODES = np.arange(256, dtype=np.uint8)

# sample, code, level the code stands for. Worked out on paper from ITU-T G.711, tables 1 and 2.
ULAW_VECTORS = [
    (0, 0xFF, 0),
    (3, 0xFF, 0),
    (4, 0xFE, 8),
    (-1, 0x7E, -8),
    (-4, 0x7E, -8),
    (124, 0xEF, 132),
    (1000, 0xCE, 988),
    (-1000, 0x4E, -988),
    (8031, 0xA0, 7932),
    (32635, 0x80, 32124),
    (32767, 0x80, 32124),
    (-32768, 0x00, -32124),
]
ALAW_VECTORS = [
    (0, 0xD5, 8),
    (15, 0xD5, 8),
    (16, 0xD4, 24),
    (-1, 0x55, -8),
    (-16, 0x55, -8),
    (-17, 0x54, -24),
    (511, 0xCA, 504),
    (512, 0xF5, 528),
    (1000, 0xFA, 1008),
    (-1000, 0x7A, -1008),
    (32767, 0xAA, 32256),
    (-32768, 0x2A, -32256),
]


@pytest.mark.parametrize(("sample", "code", "level"), ULAW_VECTORS)
def test_ulaw_vectors(sample, code, level):
    assert g711.encode_ulaw(np.array([sample], np.int16)).tolist() == [code]
    assert g711.decode_ulaw(np.array([code], np.uint8)).tolist() == [level]


@pytest.mark.parametrize(("sample", "code", "level"), ALAW_VECTORS)
def test_alaw_vectors(sample, code, level):
    assert g711.encode_alaw(np.array([sample], np.int16)).tolist() == [code]
    assert g711.decode_alaw(np.array([code], np.uint8)).tolist() == [level]


def decision_values(first_steps):
    """The lower ends of a law's 128 intervals: `first_steps`, then segments of 16 steps, each twice as wide."""
    steps = list(first_steps)
    width = steps[-1]
    while len(steps) < 128:
        if len(steps) % 16 == 0:
            width *= 2
        steps.append(width)
    ends = [0]
    for step in steps:
        ends.append(ends[-1] + step)
    return ends


ULAW_ENDS = decision_values([1] + [2] * 15)  # in units of 4
ALAW_ENDS = decision_values([2] * 32)  # in units of 8


def by_the_tables(sample, shift, ends, negative, inverted):
    """Interval number by bisection, then the bit inversions of the law."""
    value = int(sample) >> shift
    magnitude = negative(value) if value < 0 else value
    interval = min(bisect_right(ends, magnitude) - 1, 127)
    return (interval | (0 if value < 0 else 0x80)) ^ inverted


def test_all_samples_follow_the_ulaw_table():
    expected = [by_the_tables(sample, 2, ULAW_ENDS, lambda v: -v, 0x7F) for sample in ALL_SAMPLES]
    assert g711.encode_ulaw(ALL_SAMPLES).tolist() == expected


def test_all_samples_follow_the_alaw_table():
    expected = [by_the_tables(sample, 3, ALAW_ENDS, lambda v: ~v, 0x55) for sample in ALL_SAMPLES]
    assert g711.encode_alaw(ALL_SAMPLES).tolist() == expected


def test_levels_lie_in_the_middle_of_their_intervals():
    ulaw = g711.decode_ulaw(np.arange(0xFF, 0x7F, -1, dtype=np.uint8)).tolist()
    assert ulaw == [0, *(2 * (ULAW_ENDS[n] + ULAW_ENDS[n + 1]) for n in range(1, 128))]
    alaw = g711.decode_alaw((np.arange(0x80, 0x100) ^ 0x55).astype(np.uint8)).tolist()
    assert alaw == [4 * (ALAW_ENDS[n] + ALAW_ENDS[n + 1]) for n in range(128)]


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_level_is_its_own_code_again(law):
    encode, decode = getattr(g711, f"encode_{law}"), getattr(g711, f"decode_{law}")
    levels = decode(ALL_CODES)
    again = encode(levels)
    assert (decode(again) == levels).all()
    differing = ALL_CODES[again != ALL_CODES].tolist()
    assert differing == ([0x7F] if law == "ulaw" else []), "only mu-law's negative zero may change its code"


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_a_strided_view_encodes_like_its_copy(law):
    encode = getattr(g711, f"encode_{law}")
    assert (encode(ALL_SAMPLES[::7]) == encode(ALL_SAMPLES)[::7]).all()


if sys.version_info < (3, 13):  # the module left the standard library in 3.13
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop

    @pytest.mark.parametrize("law", ["ulaw", "alaw"])
    def test_all_values_agree_with_audioop(law):
        encoded = getattr(audioop, f"lin2{law}")(ALL_SAMPLES.astype("=i2").tobytes(), 2)
        assert getattr(g711, f"encode_{law}")(ALL_SAMPLES).tobytes() == encoded
        decoded = getattr(audioop, f"{law}2lin")(ALL_CODES.tobytes(), 2)
        assert getattr(g711, f"decode_{law}")(ALL_CODES).astype("=i2").tobytes() == decoded
