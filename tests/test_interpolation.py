"""`{{expression}}` in a prompt."""

from __future__ import annotations

import pytest

from aigw_notebook.interpolation import interpolate

NAMES = {"city": "Lisbon", "n": 3, "table": {"a": {"b": 7}}, "sly": "{{city}}"}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("no braces", "no braces"),
        ("", ""),
        ("in {{city}}", "in Lisbon"),
        ("{{ city.upper() }}!", "LISBON!"),
        ("{{n}}{{n+1}} and {{city}}", "34 and Lisbon"),
        ("{{table['a']['b']}}", "7"),
        ("{{ {'x': {'y': n}}['x']['y'] }}", "3"),
        ("{{[i for i in range(n)]}}", "[0, 1, 2]"),
        ("{{sum(i * n for i in range(n))}}", "9"),
        ("{{\n  city\n}}", "Lisbon"),
        ("{{sly}}", "{{city}}"),
        ("{city} {0} {} {'a': 1} }}", "{city} {0} {} {'a': 1} }}"),
        ("{{'{{'}}", "{{"),
    ],
)
def test_an_expression_becomes_its_value(prompt: str, expected: str) -> None:
    assert interpolate(prompt, NAMES) == (expected, [])


@pytest.mark.parametrize("prompt", ["{{#each items}}", "{{", "{{}}", "a {{ b", "{{ class }}", "{{x = 1}}"])
def test_what_is_no_expression_is_left_alone(prompt: str) -> None:
    assert interpolate(prompt, NAMES) == (prompt, [])


def test_an_unknown_name_stays_with_a_warning() -> None:
    text, warnings = interpolate("{{nope}} in {{city}}", NAMES)
    assert text == "{{nope}} in Lisbon"
    assert warnings == ["{{nope}} is left as it is: NameError: name 'nope' is not defined"]


def test_an_expression_that_fails_stays_with_a_warning() -> None:
    text, warnings = interpolate("{{1/0}}", NAMES)
    assert text == "{{1/0}}"
    assert warnings == ["{{1/0}} is left as it is: ZeroDivisionError: division by zero"]


def test_the_namespace_is_not_changed() -> None:
    names = dict(NAMES)
    assert interpolate("{{(fresh := 5)}}", names).text == "5"
    assert names == NAMES


def test_a_value_that_cannot_be_shown_is_an_expression_that_fails() -> None:
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert interpolate("{{it}}", {"it": Silent()}).warnings == ["{{it}} is left as it is: RuntimeError: no words"]
