"""Type hints as JSON schemas, and JSON values as what the hints ask for."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Required, TypedDict, TypeVar, Union
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from aigw_notebook.errors import ToolError
from aigw_notebook.tools import Tool, as_tool


class Unit(Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Corner(Enum):
    LEFT = (0, 0)
    RIGHT = (1, 0)


@dataclass
class Point:
    x: float
    y: float = 0.0
    note: Annotated[str, "what is there"] = ""
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x is left of the map")


@dataclass
class Trip:
    start: Point
    stops: list[Point] = field(default_factory=list, metadata={"description": "in order"})
    hidden: int = field(default=0, init=False)


class Person(TypedDict):
    name: str
    age: NotRequired[int]


class Loose(TypedDict, total=False):
    name: Required[str]
    born: date


class Leaf(pydantic.BaseModel):
    size: int = pydantic.Field(ge=1, description="in mm")


class Plant(pydantic.BaseModel):
    leaf: Leaf
    others: list[Leaf] = []
    child: Plant | None = None


@dataclass
class Chain:
    rest: list[Chain]


City = NewType("City", str)
Text = TypeVar("Text", bound=str)
Anything = TypeVar("Anything")
POINT_SCHEMA = {
    "type": "object",
    "properties": {
        "x": {"type": "number"},
        "y": {"type": "number", "default": 0.0},
        "note": {"type": "string", "description": "what is there", "default": ""},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["x"],
    "additionalProperties": False,
}


def taking(hint: Any, default: Any = inspect.Parameter.empty) -> Tool:
    """A tool with one parameter `x` of that hint."""

    def take(x: Any) -> None: ...

    take.__annotations__ = {} if hint is inspect.Parameter.empty else {"x": hint}
    take.__defaults__ = None if default is inspect.Parameter.empty else (default,)
    return as_tool(take)


def schema(hint: Any, default: Any = inspect.Parameter.empty) -> Any:
    return taking(hint, default).parameters["properties"]["x"]


def read(hint: Any, value: Any) -> Any:
    return taking(hint).bind(json.dumps({"x": value}))["x"]


def fault(hint: Any, value: Any) -> str:
    """What the model is told when it gives this value."""
    with pytest.raises(ToolError) as caught:
        read(hint, value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------- schemas

NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, NULL),
        (Any, {}),
        (object, {}),
        (inspect.Parameter.empty, {}),
        (City, {"type": "string"}),
        (TypeAliasType("Cities", list[City]), {"type": "array", "items": {"type": "string"}}),
        (Text, {"type": "string"}),
        (Anything, {}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, "b", None], {"enum": [1, "b", None]}),
        (Literal[Unit.CELSIUS], {"type": "string", "enum": ["C"]}),
        (Unit, {"type": "string", "enum": ["C", "F"]}),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (Corner, {"type": "string", "enum": ["LEFT", "RIGHT"]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, NULL]}),  # noqa: UP045
        (str | None, {"anyOf": [{"type": "string"}, NULL]}),
        (Union[int, str], {"anyOf": [{"type": "integer"}, {"type": "string"}]}),  # noqa: UP007
        (list, {"type": "array", "items": {}}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (Iterable[str], {"type": "array", "items": {"type": "string"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (frozenset[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (tuple, {"type": "array", "items": {}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (tuple[int, int], {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        ),
        (dict, {"type": "object", "additionalProperties": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[City, Any], {"type": "object", "additionalProperties": True}),
        (datetime, {"type": "string", "format": "date-time"}),
        (date, {"type": "string", "format": "date"}),
        (time, {"type": "string", "format": "time"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (Annotated[int, object(), pydantic.Field(description="n")], {"type": "integer", "description": "n"}),
        (list[Annotated[int, "one"]], {"type": "array", "items": {"type": "integer", "description": "one"}}),
        (Point, POINT_SCHEMA),
    ],
)
def test_schema(hint: Any, expected: Any) -> None:
    assert schema(hint) == expected
    json.dumps(taking(hint).declaration)


def test_records_inside_records() -> None:
    assert schema(Trip) == {
        "type": "object",
        "properties": {
            "start": POINT_SCHEMA,
            "stops": {"type": "array", "items": POINT_SCHEMA, "description": "in order"},
        },
        "required": ["start"],
        "additionalProperties": False,
    }
    assert schema(Person)["required"] == ["name"] and schema(Loose)["required"] == ["name"]
    assert schema(Loose)["properties"]["born"] == {"type": "string", "format": "date"}


def test_pydantic_references_are_written_out() -> None:
    found = schema(list[Plant])["items"]
    assert found["properties"]["leaf"]["properties"]["size"]["minimum"] == 1
    assert found["properties"]["others"]["items"]["properties"]["size"]["description"] == "in mm"
    assert "$ref" not in json.dumps(found) and "$defs" not in json.dumps(found)


@pytest.mark.parametrize(
    ("hint", "default", "expected"),
    [
        (int, 3, 3),
        (bool, False, False),
        (Unit, Unit.FAHRENHEIT, "F"),
        (Corner, Corner.LEFT, "LEFT"),
        (tuple[int, ...], (1, 2), [1, 2]),
        (set[str], {"a"}, ["a"]),
        (date, date(2026, 11, 22), "2026-11-22"),
        (datetime, datetime(2026, 11, 22, 8), "2026-11-22T08:00:00"),
        (Point, Point(1), {"x": 1, "y": 0.0, "note": "", "tags": []}),
        (inspect.Parameter.empty, "any", "any"),
    ],
)
def test_defaults_are_told(hint: Any, default: Any, expected: Any) -> None:
    found = taking(hint, default)
    assert found.parameters["properties"]["x"]["default"] == expected
    assert found.parameters["required"] == [] and found.bind("{}") == {}


@pytest.mark.parametrize(("hint", "default"), [(int, None), (int | None, None), (Any, object()), (float, math.nan)])
def test_a_default_that_json_cannot_tell_is_left_out(hint: Any, default: Any) -> None:
    assert "default" not in schema(hint, default)
    assert taking(hint, default).parameters["required"] == []


# -------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (str, "a", "a"),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (None, None, None),
        (Any, {"a": [1]}, {"a": [1]}),
        (Literal[3, "3"], 3.0, 3),
        (Literal[Unit.CELSIUS], "C", Unit.CELSIUS),
        (Unit, "F", Unit.FAHRENHEIT),
        (Level, 2, Level.HIGH),
        (Corner, "RIGHT", Corner.RIGHT),
        (int | None, None, None),
        (bool | int, 1, 1),
        (int | str, "1", "1"),
        (Point | list[int], [1], [1]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 1, 2], {1, 2}),
        (frozenset[int], [1], frozenset({1})),
        (dict[str, Unit], {"a": "C"}, {"a": Unit.CELSIUS}),
        (dict[Unit, int], {"C": 1}, {Unit.CELSIUS: 1}),
        (datetime, "2026-11-22T08:00:00Z", datetime.fromisoformat("2026-11-22T08:00:00+00:00")),
        (date, "2026-11-22", date(2026, 11, 22)),
        (time, "08:30", time(8, 30)),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Point, {"x": 1, "y": None}, Point(1.0)),
        (Trip, {"start": {"x": 1}, "stops": [{"x": 2, "y": 3}]}, Trip(Point(1.0), [Point(2.0, 3.0)])),
        (Person, {"name": "a"}, {"name": "a"}),
        (Loose, {"name": "a", "born": "2026-11-22"}, {"name": "a", "born": date(2026, 11, 22)}),
        (Plant, {"leaf": {"size": 2}}, Plant(leaf=Leaf(size=2))),
    ],
)
def test_reading(hint: Any, value: Any, expected: Any) -> None:
    found = read(hint, value)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (str, 3, 'argument "x" must be a string, not 3'),
        (int, "3", 'argument "x" must be an integer, not "3"'),
        (int, 3.5, "must be an integer"),
        (int, True, "must be an integer"),
        (float, True, "must be a finite number"),
        (float, 10**400, "must be a finite number"),
        (bool, 1, "must be true or false"),
        (None, 0, "must be null"),
        (Literal["a", 1], True, 'must be one of "a", 1, not true'),
        (Unit, "K", 'must be one of "C", "F"'),
        (Unit, ["C"], 'must be one of "C", "F"'),
        (int | None, "a", "must be an integer, not"),
        (int | bool, "a", 'must be an integer or true or false, not "a"'),
        (list[int], "a", "must be an array"),
        (list[list[int]], [[1], [2, "b"]], 'argument "x[1][1]" must be an integer'),
        (set[Any], [[1]], "a set can hold"),
        (tuple[int, int], [1], "must be an array of 2"),
        (dict[str, int], [], "must be an object"),
        (dict[str, int], {"a": "b"}, 'argument "x.a" must be an integer'),
        (dict[Unit, int], {"K": 1}, 'argument "x key" must be one of'),
        (datetime, "today", "must be an ISO 8601 date and time"),
        (datetime, 3, "must be an ISO 8601 date and time"),
        (date, "22.11.2026", "must be an ISO 8601 date"),
        (UUID, 3, "must be a UUID"),
        (Point, 3, "must be an object like Point"),
        (Point, {"y": 1}, 'argument "x.x" is missing: it must be a finite number'),
        (Point, {"x": None}, 'argument "x.x" must be a finite number'),
        (Point, {"x": 1, "z": 1}, 'argument "x.z" is not known: use x, y, note, tags'),
        (Point, {"x": -1}, 'argument "x" is not accepted: x is left of the map'),
        (Trip, {"start": {"x": 1}, "stops": [{"x": "b"}]}, 'argument "x.stops[0].x" must be'),
        (Person, {"name": "a", "age": "b"}, 'argument "x.age" must be an integer'),
        (Plant, {"leaf": {"size": 0}}, "leaf.size: Input should be greater than or equal to 1"),
        (Plant, 3, 'argument "x" is not accepted: Input should be'),
        (str, ["a" * 500], "…"),
    ],
)
def test_what_the_model_is_told(hint: Any, value: Any, said: str) -> None:
    sentence = fault(hint, value)
    assert said in sentence and len(sentence) < 200


PLAIN = {
    str: st.text(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.data(), st.sampled_from(list(PLAIN)))
def test_values_come_back_as_they_were_written(data: st.DataObject, kind: type) -> None:
    value = data.draw(st.lists(PLAIN[kind]))
    assert read(list[kind], value) == value  # type: ignore[valid-type]


@given(ANY_JSON, st.sampled_from([Trip, Person, Plant, Unit, tuple[int, str], dict[Unit, int], set[Any], int | date]))
def test_reading_raises_nothing_but_tool_errors(value: Any, hint: Any) -> None:
    try:
        read(hint, value)
    except ToolError as error:
        assert str(error)


@pytest.mark.parametrize(
    "hint",
    [timedelta, bytes, complex, type[int], dict[int, str], Literal[b"a"], list[timedelta], Enum("Empty", {})],
)
def test_unsupported_hints_name_the_parameter(hint: Any) -> None:
    with pytest.raises(ToolError, match=r"parameter 'x' of tool take has the hint .*use str, int"):
        taking(hint)


def test_hints_that_cannot_be_read() -> None:
    with pytest.raises(ToolError, match="contains itself"):
        taking(Chain)
    with pytest.raises(ToolError, match="cannot be read"):
        taking("int[")
