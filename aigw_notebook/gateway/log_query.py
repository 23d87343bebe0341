"""The parameters of a list of log rows: which rows, in which order, which page. Names are those of the Logs API."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from .logs import LogRow

__all__ = ["BadParameter", "LogPage", "LogQuery"]

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 50
MAX_FILTERS = 50

_ORDERS = ("created_at", "provider", "model", "model_type", "success", "cached")
_DIRECTIONS = ("asc", "desc")
_MEASURES = ("cost", "duration", "tokens_in", "tokens_out", "total_tokens")
_EXACT = ("provider", "model", "model_type", "success", "cached", "feedback")
_EXACT_MORE = ("request_content_type", "response_content_type")
_SEARCHED = ("id", "provider", "model", "path", "event_id", "user_agent", "metadata.key", "metadata.value")

Test: TypeAlias = Callable[[LogRow], bool]


class BadParameter(Exception):
    """A parameter that cannot be read; the text names it, and does not quote what was given."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of rows, and what is said about all rows of the query."""

    rows: list[LogRow]
    info: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """One request for rows, read and checked."""

    tests: tuple[Test, ...] = ()
    page: int = 1
    per_page: int = DEFAULT_PER_PAGE
    order_by: str = "created_at"
    descending: bool = True
    with_bounds: bool = False

    @classmethod
    def of(cls, given: Mapping[str, str]) -> LogQuery:
        """The query that the parameters of a URL ask for; unknown ones are passed over. Raises `BadParameter`."""
        order = _choice(given, "order_by", _ORDERS) or "created_at"
        direction = _choice(given, "order_by_direction", _DIRECTIONS) or _choice(given, "direction", _DIRECTIONS)
        return cls(
            tests=tuple(_tests(given)),
            page=_whole(given, "page", 1, 1_000_000),
            per_page=_whole(given, "per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE),
            order_by=order,
            descending=direction != "asc",
            with_bounds=_boolean("meta_info", given.get("meta_info", "false")),
        )

    def of_rows(self, rows: Iterable[LogRow]) -> LogPage:
        """The page of `rows`, which come oldest first. Rows that lack what they are ordered by stand last."""
        found = [row for row in rows if all(test(row) for test in self.tests)]
        order = [(row[self.order_by], place) for place, row in enumerate(found) if row[self.order_by] is not None]
        places = [place for _, place in sorted(order, reverse=self.descending)]
        places += [place for place, row in enumerate(found) if row[self.order_by] is None]
        start = (self.page - 1) * self.per_page
        shown = [found[place] for place in places[start : start + self.per_page]]
        info = {"page": self.page, "per_page": self.per_page, "count": len(shown), "total_count": len(found)}
        return LogPage(shown, {**info, **(_bounds(found) if self.with_bounds else {})})


# ------------------------------------------------------------------------------------------------- cells of a row

_NUMBERS = {"cost", "tokens", "total_tokens", "tokens_in", "tokens_out", "duration", "feedback"}
_BOOLEANS = {"success", "cached", "authentication", "wholesale"}
_TIMES = {"created_at"}
_TEXTS = {
    "id", "request_content_type", "response_content_type", "request_type", "provider", "model", "model_type",
    "event_id", "user_agent", "metadata.key", "metadata.value", "compatibilityMode", "dlp_action",
}  # fmt: skip
_KEYS = _NUMBERS | _BOOLEANS | _TIMES | _TEXTS - {"total_tokens"}


def _total(row: LogRow) -> list[Any]:
    counts = [row[name] for name in ("tokens_in", "tokens_out") if row[name] is not None]
    return [sum(counts)] if counts else []


_CELLS: Mapping[str, Callable[[LogRow], list[Any]]] = {
    "tokens": _total,
    "total_tokens": _total,
    "created_at": lambda row: [_time("created_at", row["created_at"])],
    "metadata.key": lambda row: list(row["metadata"]),
    "metadata.value": lambda row: [_text(value) for value in row["metadata"].values()],
}


def _cells(row: LogRow, key: str) -> list[Any]:
    """The known values under a key; metadata has several, and what is not known none."""
    if key in _CELLS:
        return _CELLS[key](row)
    value = row.get(key)
    return [] if value is None else [value]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _bounds(rows: list[LogRow]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for name in _MEASURES:
        values = [value for row in rows for value in _cells(row, name)]
        bounds[f"min_{name}"] = min(values, default=None)
        bounds[f"max_{name}"] = max(values, default=None)
    return bounds


# -------------------------------------------------------------------------------------------------- reading values


def _number(name: str, given: object) -> float:
    try:
        value = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise BadParameter(f"{name} takes a number")
    return value


def _boolean(name: str, given: object) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    value = words.get(_text(given).lower()) if isinstance(given, str | int | float) else None
    if value is None:
        raise BadParameter(f"{name} takes true or false")
    return value


def _time(name: str, given: object) -> datetime:
    """A moment; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        raise BadParameter(f"{name} takes a date or time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _words(name: str, given: object) -> str:
    if not isinstance(given, str | int | float):
        raise BadParameter(f"{name} takes text")
    return _text(given)


def _reader(key: str) -> Callable[[str, object], Any]:
    kinds = ((_NUMBERS, _number), (_BOOLEANS, _boolean), (_TIMES, _time))
    return next((read for names, read in kinds if key in names), _words)


def _choice(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if value is not None and value not in choices:
        raise BadParameter(f"{name} takes one of {', '.join(choices)}")
    return value


def _whole(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise BadParameter(f"{name} takes a whole number from 1 to {most}")
    return int(text)


# ------------------------------------------------------------------------------------------------------ the tests


def _tests(given: Mapping[str, str]) -> Iterator[Test]:
    for name in (*_EXACT, *_EXACT_MORE):
        if name in given:
            yield _compared(name, "eq", [_reader(name)(name, given[name])])
    for name in _MEASURES:
        if f"min_{name}" in given:
            yield _within(name, _number(f"min_{name}", given[f"min_{name}"]), math.inf)
        if f"max_{name}" in given:
            yield _within(name, -math.inf, _number(f"max_{name}", given[f"max_{name}"]))
    if "start_date" in given:
        yield _within("created_at", _time("start_date", given["start_date"]), _END)
    if "end_date" in given:
        yield _within("created_at", _START, _time("end_date", given["end_date"]))
    if given.get("search"):
        yield _searched(given["search"].lower())
    if given.get("filters"):
        yield from _filters(given["filters"])


_START, _END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _within(key: str, least: Any, most: Any) -> Test:
    return lambda row: any(least <= value <= most for value in _cells(row, key))


def _searched(words: str) -> Test:
    return lambda row: any(words in _text(value).lower() for key in _SEARCHED for value in _cells(row, key))


def _filters(text: str) -> Iterator[Test]:
    """`[{"key", "operator", "value": […]}]`, all of which must hold; of a filter's values one is enough."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) > MAX_FILTERS or not all(isinstance(one, dict) for one in found):
        raise BadParameter(f"filters takes a JSON array of at most {MAX_FILTERS} objects with key, operator and value")
    for one in found:
        yield _filter(one)


def _filter(one: Mapping[str, Any]) -> Test:
    key, operator, wanted = one.get("key"), one.get("operator"), one.get("value")
    if not isinstance(key, str) or key not in _KEYS:
        raise BadParameter(f"the key of a filter is one of {', '.join(sorted(_KEYS))}")
    if not isinstance(operator, str) or operator not in _OPERATORS:
        raise BadParameter(f"the operator of a filter is one of {', '.join(_OPERATORS)}")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAX_FILTERS:
        raise BadParameter(f"the value of a filter is an array of 1 to {MAX_FILTERS} values")
    read = _words if operator == "contains" else _reader(key)
    return _compared(key, operator, [read(f"a filter by {key}", value) for value in wanted])


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: bool(value == wanted),
    "neq": lambda value, wanted: bool(value == wanted),
    "contains": lambda value, wanted: wanted.lower() in _text(value).lower(),
    "lt": lambda value, wanted: bool(value < wanted),
    "gt": lambda value, wanted: bool(value > wanted),
}


def _compared(key: str, operator: str, wanted: list[Any]) -> Test:
    """Whether a value under `key` fits one of `wanted`; "neq" is the contrary of "eq", so what is not known passes."""
    fits = _OPERATORS[operator]
    expected = operator != "neq"
    return lambda row: any(fits(value, one) for value in _cells(row, key) for one in wanted) is expected
