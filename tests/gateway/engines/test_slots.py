"""Tools chosen by their words, arguments filled by their types."""

from __future__ import annotations

from typing import Any

import pytest

from aigw_notebook.gateway.engines.slots import choose_tools


def tool(name: str, description: str = "", required: str = "", **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return {"name": name, "description": description, "parameters": schema}


TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
UNIT = {"type": "string", "enum": ["celsius", "fahrenheit"]}
WEATHER = tool("get_weather", "Get the current weather for a city", "city", city=TEXT, unit=UNIT)
CITY = tool("get_weather", "", "city", city=TEXT)
ADD = tool("add", "Add two numbers", "a b", a=NUMBER, b=INTEGER)
ZONE = tool("get_time", "The time in a time zone", "zone", zone=TEXT)
LAMP = tool("light", "Switch a lamp", "room on", room=TEXT, on={"type": "boolean"}, level=INTEGER)
FLIGHT = tool("search_flights", "", "origin destination", origin=TEXT, destination=TEXT, date=TEXT)
LOOKUP = tool("lookup", "", "term", term=TEXT)
SUM = tool("sum_all", "Sum of numbers", "numbers", numbers={"type": "array", "items": NUMBER})


@pytest.mark.parametrize(
    ("text", "tools", "calls"),
    [
        ("What's the weather in Lisbon?", [WEATHER, ADD], [("get_weather", {"city": "Lisbon"})]),
        ("what's the weather in lisbon today?", [CITY], [("get_weather", {"city": "lisbon"})]),
        ("Weather in Paris in fahrenheit", [WEATHER], [("get_weather", {"city": "Paris", "unit": "fahrenheit"})]),
        ("Compare the weather in Lisbon and Porto.", [CITY],
         [("get_weather", {"city": "Lisbon"}), ("get_weather", {"city": "Porto"})]),
        ("What's the weather in Lisbon and the time in Tokyo?", [CITY, ZONE],
         [("get_weather", {"city": "Lisbon"}), ("get_time", {"zone": "Tokyo"})]),
        ("add 2 and 3.5", [WEATHER, ADD], [("add", {"a": 2, "b": 3})]),
        ("add twenty-one and four", [ADD], [("add", {"a": 21, "b": 4})]),
        ("sum 1, 2 and 3", [SUM], [("sum_all", {"numbers": [1.0, 2.0, 3.0]})]),
        ("turn on the light in the kitchen", [LAMP], [("light", {"room": "kitchen", "on": True})]),
        ("light off in the Hall please", [LAMP], [("light", {"room": "Hall", "on": False})]),
        ("search flights from New York to Rome tomorrow", [FLIGHT],
         [("search_flights", {"origin": "New York", "destination": "Rome", "date": "tomorrow"})]),
        ("Look up 'barge in'", [LOOKUP], [("lookup", {"term": "barge in"})]),
        ("hello", [WEATHER, ADD], []),
        ("What is the capital of Portugal?", [WEATHER, ADD, ZONE], []),
    ],
)  # fmt: skip
def test_what_is_asked_is_called(text: str, tools: list[Any], calls: list[Any]) -> None:
    assert [(call.name, call.arguments) for call in choose_tools(text, tools)] == calls


def test_none_calls_nothing() -> None:
    assert choose_tools("What's the weather in Lisbon?", [WEATHER], "none") == ()
    assert choose_tools("What's the weather in Lisbon?", []) == ()


def test_required_calls_the_best_there_is() -> None:
    (call,) = choose_tools("hello", [WEATHER, ADD], "required")
    assert call.arguments == {"city": "hello"}


def test_a_named_tool_is_called_whatever_is_said() -> None:
    (call,) = choose_tools("hello", [WEATHER, ADD], {"type": "function", "name": "add"})
    assert (call.name, call.arguments) == ("add", {"a": 0, "b": 0})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": ["red", "green"]}, "red"),
        ({"const": 7}, 7),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "default": 5}, 5),
        ({"type": "boolean"}, False),
        ({"type": "array", "items": INTEGER}, []),
        ({"type": "array", "items": {"type": "object", "properties": {}}}, [{}]),
        ({"type": "object", "properties": {"x": NUMBER}, "required": ["x"]}, {"x": 0}),
        ({"type": ["null", "integer"]}, 0),
        ({"anyOf": [{"type": "null"}, {"type": "number"}]}, 0),
        ({}, "go"),
    ],
)
def test_a_required_argument_is_always_there(schema: dict[str, Any], value: Any) -> None:
    (call,) = choose_tools("go", [tool("t", "", "x", x=schema)], "required")
    assert call.arguments == {"x": value}


def test_a_tool_without_parameters_takes_none() -> None:
    (call,) = choose_tools("ping", [{"name": "ping", "description": None}], "auto")
    assert call.arguments == {}
