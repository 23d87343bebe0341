"""The two texts of a tool: what its docstring tells the model, and what its result does."""

from __future__ import annotations

import json
import math
from array import array
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.errors import ToolError
from aigw_notebook.tools import as_tool, result_text


def google(city: str, days: int, unit: str = "C") -> None:
    """Tell the weather
    of a city.

    More that the model need not know. Args: none here.

    Args:
        city (str): Where, as
            one would say: "Bern".
        days: How many
        unit (str, optional): C or F.

    Returns:
        city: not a parameter.
    """


def numpy_style(city: str, days: int, unit: str = "C") -> None:
    """Tell the weather of a city.

    Parameters
    ----------
    city : str
        Where, as
        one would say: "Bern".
    days, unit : int
        How many

    Returns
    -------
    city
        Not a parameter.
    """


def rest(city: str, days: int, unit: str = "C") -> None:
    """Tell the weather of a city.
    :param str city: Where, as
        one would say: "Bern".
    :param days: How many
    :param unit:
    :returns: nothing
    """


def head_at_once(city: str, days: int, unit: str = "C") -> None:
    """Tell the weather of a city.
    Args:
        city: Where, as one would say: "Bern".

        days: How many
    """


@pytest.mark.parametrize("function", [google, numpy_style, rest, head_at_once])
def test_docstrings(function: Any) -> None:
    found = as_tool(function)
    properties = found.parameters["properties"]
    assert found.description == "Tell the weather of a city."
    assert properties["city"]["description"] == 'Where, as one would say: "Bern".'
    assert properties["days"]["description"] == "How many"


def test_a_numpy_section_may_come_last() -> None:
    def last(a: int, b: int) -> None:
        """Do.

        Parameters
        ----------
        a : int
            One.
        *b
            Two.
        """

    properties = as_tool(last).parameters["properties"]
    assert [properties[name]["description"] for name in "ab"] == ["One.", "Two."]


def test_notes_of_the_others() -> None:
    units = [as_tool(f).parameters["properties"]["unit"].get("description") for f in (google, numpy_style, rest)]
    assert units == ["C or F.", "How many", None]


def test_annotated_wins_over_the_docstring() -> None:
    def pick(a: Annotated[int, "from the hint"], b: int) -> None:
        """
        Args:
            a: from the docstring
            b: from the docstring
        """

    properties = as_tool(pick).parameters["properties"]
    assert properties["a"]["description"] == "from the hint"
    assert properties["b"]["description"] == "from the docstring"


def test_no_docstring() -> None:
    def bare(x: int) -> None: ...

    assert as_tool(bare).description == ""


@given(st.text(alphabet=" \n:-*ab\tArgsPmet()", max_size=200))
def test_any_docstring_can_be_read(doc: str) -> None:
    def odd(a: int) -> None: ...

    odd.__doc__ = doc
    assert "\n" not in as_tool(odd).description


# -------------------------------------------------------------------------------------------------------- results


class Colour(Enum):
    RED = 1


class Word(StrEnum):
    YES = "yes"


@dataclass
class Point:
    x: float
    when: date


class Model(pydantic.BaseModel):
    when: date


Pair = namedtuple("Pair", "a b")


class Odd:
    def __str__(self) -> str:
        return "odd one"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain 'text'", "plain 'text'"),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (3.5, "3.5"),
        (math.nan, "null"),
        ([1, math.inf], "[1, null]"),
        ({"ä": (1, None), 2: {3}}, '{"ä": [1, null], "2": [3]}'),
        (Colour.RED, "1"),
        ({Colour.RED: Word.YES}, '{"1": "yes"}'),
        (Word.YES, "yes"),
        (Point(1.0, date(2026, 11, 22)), '{"x": 1.0, "when": "2026-11-22"}'),
        ([datetime(2026, 11, 22, 8)], '["2026-11-22T08:00:00"]'),
        (Model(when=date(2026, 11, 22)), '{"when": "2026-11-22"}'),
        (Pair(1, Pair(2, 3)), '{"a": 1, "b": {"a": 2, "b": 3}}'),
        (OrderedDict(a=deque([1])), '{"a": [1]}'),
        ({"a": 1}.keys(), '["a"]'),
        ({"a": 1}.values(), "[1]"),
        (b"bytes", "bytes"),
        (array("i", [1, 2]), "[1, 2]"),
        (Decimal("1.10"), "1.10"),
        ([PurePosixPath("a/b")], '["a/b"]'),
        (Odd(), "odd one"),
        (Point, str(Point)),
        (np.float32(0.5), "0.5"),
        (np.float64(0.5), "0.5"),
        (np.int64(3), "3"),
        (np.bool_(True), "true"),
        (np.array(2.5), "2.5"),
        (np.array([[1, 2], [3, 4]]), "[[1, 2], [3, 4]]"),
        ({"a": np.array([1.0, math.nan])}, '{"a": [1.0, null]}'),
        (pd.Series([1, 2]), "[1, 2]"),
        (pd.Series([1, 2], index=["a", "b"]), '{"a": 1, "b": 2}'),
        (pd.Series([1, 2], index=["a", "a"]), "[1, 2]"),
        (pd.Index(["a"]), '["a"]'),
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), '[{"a": 1, "b": "x"}, {"a": 2, "b": null}]'),
        (pd.DataFrame({"n": [3]}, index=pd.Index(["x"], name="k")), '[{"k": "x", "n": 3}]'),
        (pd.Timestamp("2026-11-22"), "2026-11-22T00:00:00"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_result_text(value: Any, text: str) -> None:
    assert result_text(value) == text


class Records:
    """A data frame with the methods of another library."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def head(self, n: int) -> Records:
        return Records(min(n, self.n))

    def to_dicts(self) -> list[dict[str, int]]:
        return [{"i": i} for i in range(self.n)]


class Tensor:
    """An array whose size is a method."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def size(self) -> tuple[int, ...]:
        return self.shape

    def tolist(self) -> list[float]:
        return [0.0] * math.prod(self.shape)

    def __str__(self) -> str:
        return f"tensor of {self.shape}"


def test_frames_are_bounded() -> None:
    for frame in (pd.DataFrame({"i": range(10_000)}), Records(10_000)):
        rows = json.loads(result_text(frame))
        assert len(rows) == 501 and rows[:2] == [{"i": 0}, {"i": 1}] and rows[-1] == "… 9500 more rows"
    assert json.loads(result_text(Records(1))) == [{"i": 0}]


def test_arrays_are_bounded() -> None:
    assert result_text(Tensor(2, 1)) == "[0.0, 0.0]"
    assert result_text(Tensor(10_000, 10_000)) == "tensor of (10000, 10000)"
    assert "..." in result_text(np.zeros(1_000_000)) and "..." in result_text(pd.Series(range(1_000_000)))


def test_plain_data_is_bounded() -> None:
    text = result_text([list(range(1000))] * 1000, max_bytes=10**9)
    assert len(text) < 300_000 and "more" in text
    assert "more" in result_text({str(i): i for i in range(100_000)}, max_bytes=10**9)


def test_circles_end() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert "…" in result_text(circle)


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(min_value=60, max_value=400))
def test_length_is_bounded_in_bytes(text: str, max_bytes: int) -> None:
    data = text.encode("utf-8", "replace")
    found = result_text(text, max_bytes=max_bytes)
    assert len(found.encode()) <= max_bytes
    assert (found == data.decode()) == (len(data) <= max_bytes)


def test_the_cut_is_told() -> None:
    text = result_text("ä" * 100_000)
    assert len(text.encode()) <= 64 * 1024
    assert text.endswith("ä\n[This is only the beginning of 200000 bytes.]")


def test_values_that_break() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with pytest.raises(ToolError, match="Broken cannot be turned into text: no words"):
        result_text(Broken())
