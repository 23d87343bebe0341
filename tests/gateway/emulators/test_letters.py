"""When letters are spoken: as the voice said at the ends of its pieces, weighed out between them."""

from __future__ import annotations

import pytest

from aigw_notebook.gateway.emulators.letters import Letters


def told(*pieces: tuple[float, int], text: str = "hi, you") -> Letters:
    letters = Letters(text)
    for duration_ms, end_char in pieces:
        letters.add(duration_ms, end_char)
    return letters


def test_what_the_voice_told_holds() -> None:
    letters = told((100, 0), (200, 2), (300, 4), (100, 7))
    assert letters.span_ms(0, 2, 700) == (100, 300)
    assert letters.span_ms(4, 7, 700) == (600, 700)
    assert [letters.spoken_by(time_ms) for time_ms in (99, 100, 300, 599, 600, 700)] == [0, 0, 2, 3, 4, 7]


def test_a_mark_of_punctuation_takes_most_of_its_piece() -> None:
    letters = told((400, 3))
    begin_ms, end_ms = letters.span_ms(2, 3, 400)
    assert end_ms == 400 and end_ms - begin_ms > 200


def test_silence_after_a_word_belongs_to_the_mark_behind_it_and_to_no_letter() -> None:
    letters = told((100, 0), (200, 2), (300, 2), (50, 4), (400, 4), (100, 7))
    assert letters.span_ms(0, 2, 1_150)[0] == 100
    assert letters.span_ms(2, 3, 1_150)[0] == 300
    assert letters.span_ms(4, 5, 1_150)[0] == 1_050


def test_nothing_lasts_longer_than_what_was_sent() -> None:
    letters = told((400, 7))
    assert letters.span_ms(0, 7, 250) == (0, 250)
    assert letters.span_ms(6, 7, 100) == (100, 100)


def test_letters_without_a_sound_yet_begin_with_its_end() -> None:
    letters = told((300, 2))
    assert letters.span_ms(2, 7, 1_000) == (300, 300)
    assert letters.spoken_by(1_000) == 2


@pytest.mark.parametrize("cut_ms", [50, 110, 333, 700])
def test_every_letter_is_given_once_and_the_last_piece_has_the_rest(cut_ms: int) -> None:
    letters = told((100, 0), (200, 2), (300, 4), (100, 6))
    given, starts, before = "", [], 0
    for sent_ms in [*range(cut_ms, 700, cut_ms), 700]:
        chars, begins, lasts = letters.piece(before, sent_ms, last=sent_ms == 700)
        given += "".join(chars)
        starts += [before + begin for begin in begins]
        assert all(last >= 0 for last in lasts)
        if sent_ms == 700:
            assert all(before + begin + last <= 701 for begin, last in zip(begins, lasts, strict=True))
        before = sent_ms
    assert given == "hi, you" and starts == sorted(starts)


def test_a_place_beyond_the_text_or_behind_the_last_is_no_news() -> None:
    letters = told((100, 3), (100, 2), (100, 99))
    assert letters.spoken_by(300) == 7
    assert letters.until(100, last=False) == (0, 3)
    assert letters.until(300, last=True) == (3, 7)
