"""Sums: found in words, worked out exactly, bounded in every way."""

from __future__ import annotations

import pytest

from aigw_notebook.gateway.engines.arithmetic import (
    NotASum,
    evaluate,
    find_sum,
    number_words_to_digits,
    plain_number,
)


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("twenty-one and two hundred", "21 and 200"),
        ("three hundred and five cats", "305 cats"),
        ("two thousand", "2000"),
        ("one two three", "1 2 3"),
        ("a hundred", "a 100"),
        ("nothing here", "nothing here"),
        ("count to ten and go", "count to 10 and go"),
    ],
)
def test_number_words(words: str, digits: str) -> None:
    assert number_words_to_digits(words) == digits


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+2", 4),
        ("what is 12 * (3 + 4)?", 84),
        ("what is 15 percent of 80?", 12),
        ("1,000 times 3 = ?", 3000),
        ("what is 3 squared", 9),
        ("calculate 2 to the power of ten", 1024),
        ("what is 7 x 8", 56),
        ("what is 5 minus 8", -3),
        ("what is 17 modulo 5", 2),
    ],
)
def test_sums_are_found_and_worked_out(text: str, value: float) -> None:
    signs = find_sum(text)
    assert signs is not None
    assert evaluate(signs) == value


@pytest.mark.parametrize("text", ["call 555-1234", "from 2024-05-01 on", "10-20 people", "what is a dog", "", "7"])
def test_what_is_no_sum_is_left_alone(text: str) -> None:
    assert find_sum(text) is None


@pytest.mark.parametrize(
    "signs",
    [
        "1/0",
        "2**1000",
        "9**9**9**9",
        "(-8)**0.5",
        "1" * 300,
        "__import__('os')",
        "a+1",
        "1 if 1 else 2",
        "'a'*9",
        "10**30*10**30",
        "1+",
        "True+1",
        "(" * 150 + ")" * 20,
    ],
)
def test_whatever_is_not_bounded_is_refused(signs: str) -> None:
    with pytest.raises(NotASum):
        evaluate(signs)


@pytest.mark.parametrize(("value", "text"), [(4.0, "4"), (0.1 + 0.2, "0.3"), (-2.5, "-2.5"), (10**20, "1" + "0" * 20)])
def test_numbers_are_written_plainly(value: float, text: str) -> None:
    assert plain_number(value) == text
