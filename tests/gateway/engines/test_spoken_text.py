"""What is said of a text, and where in the text it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.gateway.engines.spoken_text import CODE, spoken_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello **bold** and _soft_ world.", "Hello bold and soft world."),
        ("x=3*4 and 2**8", "x equals 3 times 4 and 2 to the power of 8"),
        ("a * b, 7 - 2 and 1+1", "a times b, 7 minus 2 and 1 plus 1"),
        ("3 <= 4 and 5 != 6", "3 is at most 4 and 5 is not 6"),
        ("See [the docs](https://a.b/c?d).", "See the docs."),
        ("Look at https://www.example.com/path?x=1.", "Look at example dot com."),
        ("Write to me@example.org", "Write to me at example dot org"),
        ("Use `session.records` and `foo_bar()`.", "Use session dot records and foo bar."),
        ("Code:\n```python\nx = 1\n```\nDone.", f"Code:\n{CODE}.\nDone."),
        ("An open fence\n```\nx = 1", f"An open fence\n{CODE}."),
        ("| a | b |\n|---|---|\n| 1 | 2 |\nAfter", "a, b.\n1, 2.\nAfter"),
        ("# Title\n- one\n- [x] two\n> quoted\n---\nend", "Title\none\ntwo\nquoted\nend"),
        ("a [word](/fəˈnimz/) b", "a word b"),
        ("It is 12 °C, ~5%, self-made and -5.", "It is 12 °C, ~5%, self-made and -5."),
        ("Fine 🙂👍🏽!", "Fine !"),
        ("$5 and **3 * 4** = 12", "$5 and 3 times 4 equals 12"),
        ("🙂", ""),
        ("***", ""),
        ("", ""),
    ],
)
def test_only_what_is_read_aloud_is_said(text: str, said: str) -> None:
    assert spoken_text(text).text == said


def test_what_was_said_leads_back_to_the_text() -> None:
    text = "Use **bold** at https://www.example.com/long/path?x=1 now."
    spoken = spoken_text(text)
    for word in ("Use", "bold", "at", "now"):
        assert text[: spoken.end_char(spoken.text.index(word) + len(word))].endswith(word)
    assert spoken.end_char(len(spoken.text)) == len(text)
    assert spoken.end_char(0) == 0


def test_what_is_left_out_at_the_end_is_counted_with_what_was_said_last() -> None:
    spoken = spoken_text("Done 🙂🙂")
    assert spoken.end_char(len(spoken.text)) == len("Done 🙂🙂")


@given(st.text(alphabet=st.sampled_from("ab1 \n*_`#|-=+<>[]()!.~^/:@🙂"), max_size=200))
def test_places_never_go_back_and_end_with_the_text(text: str) -> None:
    spoken = spoken_text(text)
    assert len(spoken.ends) == len(spoken.text)
    assert list(spoken.ends) == sorted(spoken.ends)
    assert not spoken.ends or spoken.ends[-1] == len(text)
