"""Functions as tools: what the model is told, what comes of what it writes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum, StrEnum
from typing import Any

import pytest

from aigw_notebook.errors import ToolError
from aigw_notebook.tools import as_tool, tool


class Unit(Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclass
class Point:
    """A point."""

    x: float
    tags: list[str] = field(default_factory=list)


def weather(city: str, unit: Unit = Unit.CELSIUS, days: int | None = 1) -> str:
    """Tell the weather of a city."""
    return f"{city} {unit.name} {days}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{", "not valid JSON"),
        ('{"city": NaN}', "NaN is no JSON number"),
        ("[" * 100_000, "not valid JSON"),
        ('{"city": ' + "1" * 5000 + "}", "not valid JSON"),
        ("[]", "must be one JSON object with city, unit, days"),
        ("null", "must be one JSON object"),
        ("", 'argument "city" is missing: it must be a string'),
        ('{"town": "Bern"}', 'argument "town" is not known: use city, unit, days'),
    ],
)
def test_arguments_that_cannot_be_bound(arguments: str, said: str) -> None:
    with pytest.raises(ToolError) as caught:
        as_tool(weather).bind(arguments)
    assert said in str(caught.value)


def test_bound_arguments_call_the_function() -> None:
    found = as_tool(weather)
    assert found.bind('{"city": "Bern", "unit": "F", "days": null}') == {
        "city": "Bern",
        "unit": Unit.FAHRENHEIT,
        "days": None,
    }
    assert found.bind('{"city": "Bern", "unit": null}') == {"city": "Bern"}
    assert found(**found.bind('{"city": "Bern"}')) == found("Bern") == "Bern CELSIUS 1"


def test_declaration() -> None:
    assert as_tool(weather).declaration == {
        "name": "weather",
        "description": "Tell the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
                "days": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 1},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    }
    assert repr(as_tool(weather)) == "Tool(name='weather', description='Tell the weather of a city.')"


def test_decorator_with_and_without_arguments() -> None:
    @tool
    def plain(x: int) -> int:
        """One."""
        return x

    @tool(name="other", description="Two.")
    def named(x: int) -> int:
        return x + 1

    assert (plain.name, plain.description, plain(1)) == ("plain", "One.", 1)
    assert (named.name, named.description, named(1)) == ("other", "Two.", 2)
    assert as_tool(plain) is plain
    assert as_tool(plain, name="again").declaration == {**plain.declaration, "name": "again"}
    assert as_tool(plain, description="").description == ""


def test_local_names_in_text_hints_are_found() -> None:
    class Colour(StrEnum):
        RED = "red"

    @dataclass
    class Pen:
        colour: Colour

    @tool
    def draw(pen: Pen, colours: list[Colour]) -> None: ...

    assert draw.bind('{"pen": {"colour": "red"}, "colours": ["red"]}') == {
        "pen": Pen(Colour.RED),
        "colours": [Colour.RED],
    }
    assert as_tool(draw.function, name="same").parameters == draw.parameters


def test_functions_of_a_notebook_cell() -> None:
    """No source file, and hints that name what an earlier cell defined."""
    cells: dict[str, Any] = {"__name__": "__main__", "tool": tool}
    exec("from enum import Enum\nclass Size(Enum):\n    BIG = 'big'", cells)
    exec("from __future__ import annotations\n@tool\ndef buy(size: Size, n: 'int' = 1): 'Buy.'", cells)
    assert cells["buy"].bind('{"size": "big"}') == {"size": cells["Size"].BIG}
    assert cells["buy"].description == "Buy."


class Shop:
    """A shop."""

    def __init__(self, name: str) -> None:
        self.name = name

    @tool
    def price(self, item: str, n: int = 1) -> str:
        """Price of an item."""
        return f"{self.name} {item} {n}"

    def plain(self, item: str) -> str:
        return f"{self.name} {item}"

    @classmethod
    def open(cls, day: date) -> str:
        return f"{cls.__name__} {day}"

    @staticmethod
    def close(day: date) -> str:
        return str(day)

    async def __call__(self, item: str) -> str:
        """Order an item."""
        return item


def test_methods() -> None:
    shop = Shop("a")
    assert list(shop.price.fields) == ["item", "n"] and shop.price(item="b") == "a b 1"
    assert shop.price.description == "Price of an item."
    assert list(Shop.price.fields) == ["self", "item", "n"]
    assert as_tool(shop.plain)(**as_tool(shop.plain).bind('{"item": "b"}')) == "a b"
    for method in (Shop.open, Shop.close):
        assert as_tool(method).bind('{"day": "2026-11-22"}') == {"day": date(2026, 11, 22)}


def test_a_tool_of_a_method_stays_what_it_is_in_a_class() -> None:
    class Box:
        plain = as_tool(Shop("a").plain)

    assert Box().plain("b") == "a b"


def test_callable_objects_and_classes() -> None:
    order = as_tool(Shop("a"))
    assert (order.name, order.description, list(order.fields)) == ("Shop", "Order an item.", ["item"])
    made = as_tool(Shop)
    assert (made.name, made.description, list(made.fields)) == ("Shop", "A shop.", ["name"])
    assert list(as_tool(Point).fields) == ["x", "tags"]
    assert as_tool(type("Empty", (), {})).parameters["properties"] == {}


def test_partials_offer_what_is_left() -> None:
    fixed = as_tool(functools.partial(weather, unit=Unit.FAHRENHEIT))
    assert fixed.name == "weather" and list(fixed.fields) == ["city", "days"]
    assert fixed(**fixed.bind('{"city": "Bern"}')) == "Bern FAHRENHEIT 1"
    assert list(as_tool(functools.partial(weather, "Bern")).fields) == ["unit", "days"]


def test_wrapped_functions_keep_their_parameters() -> None:
    @functools.wraps(weather)
    def logged(*args: Any, **kwargs: Any) -> str:
        return weather(*args, **kwargs)

    assert as_tool(logged).declaration == as_tool(weather).declaration


def test_async_functions() -> None:
    async def slow(x: int) -> int:
        return x

    sync = (weather, functools.partial(weather, "a"), Shop("a").plain, Shop)
    assert [as_tool(f).is_async for f in sync] == [False] * 4
    assert [as_tool(f).is_async for f in (slow, functools.partial(slow, 1), Shop("a"))] == [True] * 3
    coroutine = as_tool(slow)(1)
    assert inspect.iscoroutine(coroutine)
    coroutine.close()


def test_what_cannot_be_given_by_name_is_not_offered() -> None:
    def many(a: int, *rest: timedelta, b: Any = None, **more: timedelta) -> None: ...

    def tail(a: int = 0, /, b: int = 0) -> None: ...

    assert list(as_tool(many).fields) == ["a", "b"]
    assert list(as_tool(tail).fields) == ["b"]


def nothing() -> None: ...


def unresolved(x: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def positional(x: int, /) -> None: ...


def generator(x: int) -> Iterable[int]:
    yield x


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x, "'<lambda>' cannot be the name"),
        (functools.partial(lambda x: x), "'<lambda>' cannot be the name"),
        (3, "made of a function, not of int"),
        (unresolved, "'Missing' in a hint, which is not defined"),
        (positional, "parameter 'x' of tool positional is positional-only"),
        (generator, "return a list"),
        (dict.update, "wrap it in a function"),
    ],
)
def test_what_is_no_tool(function: Any, said: str) -> None:
    with pytest.raises(ToolError) as caught:
        as_tool(function)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["two words", "1st", "größe", "a" * 65])
def test_names_that_no_model_takes(name: str) -> None:
    with pytest.raises(ToolError, match="cannot be the name"):
        as_tool(weather, name=name)
    with pytest.raises(ToolError, match="cannot be the name"):
        as_tool(as_tool(weather), name=name)


def test_no_parameters() -> None:
    assert as_tool(nothing).bind("") == as_tool(nothing).bind("{}") == {}
    with pytest.raises(ToolError, match="use no arguments"):
        as_tool(nothing).bind('{"x": 1}')
