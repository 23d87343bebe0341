"""What a tool returned, as the text that goes back to the model."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set, ValuesView
from datetime import date, time
from enum import Enum
from typing import Any

from ..errors import ToolError

__all__ = ["result_text"]

MAX_BYTES = 64 * 1024
MAX_PARTS = 50_000
"""So many values are converted, all levels counted; more would not fit the text."""
MAX_ROWS = 500
MAX_DEPTH = 32


def result_text(value: object, *, max_bytes: int = MAX_BYTES) -> str:
    """The text that tells a model what a tool returned: text as it is, plain data as JSON, all else as `str` has it.

    Dataclasses, enums, dates, arrays, series and data frames (as records, at most 500) count as plain data; a number
    that JSON lacks is null. Longer than `max_bytes` in UTF-8 it is cut and says so. Raises `ToolError` for a value that
    breaks while it is read.
    """
    try:
        text = value if isinstance(value, str) else _as_text(_Plain().of(value))
    except Exception as error:
        raise ToolError(f"the result of type {type(value).__name__} cannot be turned into text: {error}") from error
    return _bounded(text, max_bytes)


def _as_text(plain: Any) -> str:
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _bounded(text: str, max_bytes: int) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= max_bytes:
        return data.decode()
    note = f"\n[This is only the beginning of {len(data)} bytes.]"
    return data[: max(0, max_bytes - len(note))].decode("utf-8", "ignore") + note


class _Plain:
    """Turns values into what JSON knows, until `MAX_PARTS` are done."""

    def __init__(self) -> None:
        self.left = MAX_PARTS

    def of(self, value: Any, depth: int = 0) -> Any:
        """The value as plain data; what is too deep is left out."""
        self.left -= 1
        if depth > MAX_DEPTH:
            return "…"
        if isinstance(value, float) and not isinstance(value, Enum):
            return float(value) if math.isfinite(value) else None
        if value is None or (isinstance(value, str | bool | int) and not isinstance(value, Enum)):
            return value
        for fits, convert in _CONVERTERS:
            if fits(value):
                return convert(self, value, depth + 1)
        return str(value)

    def items(self, values: Iterable[Any], depth: int, length: int) -> list[Any]:
        """The values, as many as are allowed, then a word on how many are missing."""
        done: list[Any] = []
        for value in values:
            if self.left <= 0:
                return [*done, f"… {length - len(done)} more"]
            done.append(self.of(value, depth))
        return done

    def mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        """The mapping with text for keys."""
        done: dict[str, Any] = {}
        for key, value in values.items():
            if self.left <= 0:
                return {**done, "…": f"{len(values) - len(done)} more"}
            done[str(key.value if isinstance(key, Enum) else key)] = self.of(value, depth)
        return done


def _fields(plain: _Plain, value: Any, depth: int) -> Any:
    return plain.mapping({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth)


def _array(plain: _Plain, value: Any, depth: int) -> Any:
    """An array with too many values is shown as its library abridges it."""
    size = getattr(value, "size", None)
    if callable(size):
        size = math.prod(size())
    length = size if isinstance(size, int) else len(value) if hasattr(value, "__len__") else 1
    return str(value) if length > plain.left else plain.of(value.tolist(), depth)


def _series(plain: _Plain, value: Any, depth: int) -> Any:
    """A series with an index of its own is a mapping, any other an array."""
    if len(value) > plain.left:
        return str(value)
    plain_index = type(value.index).__name__ == "RangeIndex" or not value.index.is_unique
    return plain.of(value.tolist() if plain_index else value.to_dict(), depth)


def _frame(plain: _Plain, value: Any, depth: int) -> Any:
    """Records of the first rows, the index among the columns unless it only counts."""
    first = value.head(MAX_ROWS)
    if type(first.index).__name__ != "RangeIndex":
        first = first.reset_index()
    return _rows(plain, first.to_dict(orient="records"), len(value), depth)


def _rows(plain: _Plain, rows: list[Any], length: int, depth: int) -> list[Any]:
    more = [f"… {length - len(rows)} more rows"] if length > len(rows) else []
    return [*plain.items(rows, depth, len(rows)), *more]


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, type) and all(hasattr(value, name) for name in names)


def _is(*kinds: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


_CONVERTERS: tuple[tuple[Callable[[Any], bool], Callable[[_Plain, Any, int], Any]], ...] = (
    (_is(Enum), lambda plain, value, depth: plain.of(value.value, depth)),
    (_is(date, time), lambda plain, value, depth: value.isoformat()),
    (_is(bytes, bytearray, memoryview), lambda plain, value, depth: bytes(value).decode("utf-8", "replace")),
    (_is(Mapping), lambda plain, value, depth: plain.mapping(value, depth)),
    (_has("_asdict", "_fields"), lambda plain, value, depth: plain.mapping(value._asdict(), depth)),
    (_is(list, tuple, Set, deque, ValuesView), lambda plain, value, depth: plain.items(value, depth, len(value))),
    (_has("__dataclass_fields__"), _fields),
    (_has("model_dump"), lambda plain, value, depth: plain.of(value.model_dump(mode="json"), depth)),
    (
        _has("to_dicts", "head"),
        lambda plain, value, depth: _rows(plain, value.head(MAX_ROWS).to_dicts(), len(value), depth),
    ),
    (_has("to_dict", "columns", "index"), _frame),
    (_has("to_dict", "tolist", "index"), _series),
    (_has("tolist"), _array),
)
"""The first that fits converts. Libraries are known by their methods, so none is imported."""
