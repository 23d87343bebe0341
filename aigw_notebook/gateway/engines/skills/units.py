"""Units of length, mass, temperature, time, data, speed and volume, turned into one another."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..arithmetic import plain_number
from .base import Asked

__all__ = ["convert_units"]

KINDS: Mapping[str, Mapping[str, float]] = {
    "length": {
        "millimetre, millimeter, mm": 0.001,
        "centimetre, centimeter, cm": 0.01,
        "metre, meter, m": 1.0,
        "kilometre, kilometer, km": 1000.0,
        "inch, inche": 0.0254,
        "foot, feet, ft": 0.3048,
        "yard, yd": 0.9144,
        "mile, mi": 1609.344,
        "nautical mile": 1852.0,
    },
    "mass": {
        "milligram, mg": 1e-6,
        "gram, g": 0.001,
        "kilogram, kilo, kg": 1.0,
        "tonne, ton": 1000.0,
        "ounce, oz": 0.028349523125,
        "pound, lb": 0.45359237,
        "stone": 6.35029318,
    },
    "time": {
        "millisecond, ms": 0.001,
        "second, sec, s": 1.0,
        "minute, min": 60.0,
        "hour, hr, h": 3600.0,
        "day": 86_400.0,
        "week": 604_800.0,
    },
    "data": {
        "bit": 0.125,
        "byte": 1.0,
        "kilobyte, kb": 1e3,
        "megabyte, mb": 1e6,
        "gigabyte, gb": 1e9,
        "terabyte, tb": 1e12,
        "kibibyte, kib": 2.0**10,
        "mebibyte, mib": 2.0**20,
        "gibibyte, gib": 2.0**30,
    },
    "speed": {
        "metre per second, meter per second, m/s": 1.0,
        "kilometre per hour, kilometer per hour, km/h, kph": 1 / 3.6,
        "mile per hour, mph": 0.44704,
        "knot": 1852 / 3600,
    },
    "volume": {
        "millilitre, milliliter, ml": 0.001,
        "litre, liter, l": 1.0,
        "gallon": 3.785411784,
        "pint": 0.473176473,
        "cup": 0.2365882365,
    },
    "temperature": {"celsius, centigrade, c": 1.0, "fahrenheit, f": 5 / 9, "kelvin, k": 1.0},
}
"""Kind → the names of each unit and its size in the first of its kind; gallons, pints and cups are American."""

ZERO = {"celsius": 0.0, "fahrenheit": -160 / 9, "kelvin": -273.15}
"""Where each temperature scale's zero stands, in °C."""


def _named() -> dict[str, tuple[str, str, float]]:
    """Every name of a unit → its kind, the name it is shown by, its size."""
    return {
        name: (kind, spellings.split(", ")[0], size)
        for kind, units in KINDS.items()
        for spellings, size in units.items()
        for name in spellings.split(", ")
    }


_UNITS = _named()
_NAME = "|".join(sorted((re.escape(name) for name in _UNITS), key=len, reverse=True))
_UNIT = rf"(?:{_NAME})"
_NUMBER = r"(-?\d+(?:\.\d+)?|an?)"
_HOW_MANY = re.compile(
    rf"\bhow many (?P<target>{_UNIT})s? (?:are (?:there )?in|is|are|in|make|does|do|has|have) "
    rf"(?P<number>{_NUMBER}) ?(?P<source>{_UNIT})s?\b"
)
_INTO = re.compile(
    rf"(?<![\w.])(?P<number>{_NUMBER}) ?(?P<source>{_UNIT})s? (?:in|to|into|as|is how many|are how many) "
    rf"(?P<target>{_UNIT})s?\b"
)
_PUT_RIGHT = (
    (re.compile(r"\bminus (?=\d)"), "-"),
    (re.compile(r"\b(metre|meter|kilometre|kilometer|mile)s? (?:per|an?) (second|hour)\b"), r"\1 per \2"),
    (re.compile(r"\bdegrees? "), ""),
    (re.compile(r"\s*°\s*(?=[cfk]\b)"), " "),
)


def convert_units(asked: Asked) -> str | None:
    """The quantity in the question, in the unit that is asked for."""
    text = asked.spoken
    for pattern, right in _PUT_RIGHT:
        text = pattern.sub(right, text)
    found = _HOW_MANY.search(text) or _INTO.search(text)
    if found is None:
        return None
    number = found["number"]
    return _said(1.0 if number.startswith("a") else float(number), found["source"], found["target"])


def _said(number: float, source: str, target: str) -> str | None:
    kind, name, size = _UNITS[source]
    target_kind, target_name, target_size = _UNITS[target]
    if kind != target_kind:
        return f"{name.capitalize()} is a unit of {kind} and {target_name} one of {target_kind}; I cannot convert them."
    if kind == "temperature":
        value = (number * size + ZERO[name] - ZERO[target_name]) / target_size
        return f"{_plain(number)} degrees {name.capitalize()} is {_plain(value)} degrees {target_name.capitalize()}."
    value = number * size / target_size
    return f"{_quantity(number, name)} {'is' if number == 1 else 'are'} {_quantity(value, target_name)}."


def _quantity(number: float, name: str) -> str:
    if number == 1:
        return f"1 {name}"
    if " per " in name:
        return f"{_plain(number)} {name.replace(' per ', 's per ')}"
    return f"{_plain(number)} {_MANY.get(name, name + 's')}"


_MANY = {"foot": "feet", "inch": "inches", "stone": "stone"}


def _plain(number: float) -> str:
    """Rounded to what a listener can keep: four decimals, or five figures of a small number."""
    return plain_number(round(number, 4)) if abs(number) >= 0.1 or not number else f"{number:.5g}"
