"""The clock and the calendar: now, days of the week, days until a date, leap years."""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Iterator
from datetime import date, timedelta

from .base import Asked, Match, by_pattern

__all__ = ["tell_date"]

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FEASTS = {
    "christmas eve": (12, 24), "christmas": (12, 25), "new year's eve": (12, 31), "new years eve": (12, 31),
    "new year": (1, 1), "valentine": (2, 14), "halloween": (10, 31),
}  # fmt: skip
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth",
)  # fmt: skip
ORDINALS = {**{word: n for n, word in enumerate(_ORDINALS, 1)}, "thirtieth": 30}

_MONTH = rf"({'|'.join(MONTHS)}|{'|'.join(m[:3] for m in MONTHS)})"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?: (\d{4}|(?:19|20) \d{1,2}))?"
_WRITTEN = (
    (re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b"), None),
    (re.compile(rf"\b(?:the )?{_DAY}(?: of)? {_MONTH}\b{_YEAR}"), (2, 1, 3)),
    (re.compile(rf"\b{_MONTH} (?:the )?{_DAY}\b{_YEAR}"), (1, 2, 3)),
)


def _shown(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"


def _calendar_text(asked: Asked) -> str:
    """The spoken form with ordinals as digits: "the twenty third" is "the 23"."""
    text = re.sub(r"(?<=\d) (?=(?:" + "|".join(ORDINALS) + r")\b)", "+", asked.spoken.replace(",", ""))
    text = re.sub(r"\b(" + "|".join(ORDINALS) + r")\b", lambda found: str(ORDINALS[found.group()]), text)
    return re.sub(r"(\d+)\+(\d+)", lambda found: str(int(found.group(1)) + int(found.group(2))), text)


def _dates(text: str, today: date) -> Iterator[date]:
    """The dates that a text names; one without a year is the next such day."""
    found = [(match.start(), match, order) for pattern, order in _WRITTEN for match in pattern.finditer(text)]
    for _, match, order in sorted(found, key=lambda one: one[0]):
        day = _iso(match) if order is None else _named(match, order, today)
        if day is not None:
            yield day
    yield from _relative(text, today)


def _iso(match: Match) -> date | None:
    return _date(int(match["y"]), int(match["m"]), int(match["d"]))


def _named(match: Match, order: tuple[int, int, int], today: date) -> date | None:
    month = 1 + next(n for n, name in enumerate(MONTHS) if name.startswith(match[order[0]]))
    year = _year(match[order[2]])
    return _next(month, int(match[order[1]]), today) if year is None else _date(year, month, int(match[order[1]]))


def _year(text: str | None) -> int | None:
    first, _, second = (text or "").partition(" ")
    return int(first) * 100 + int(second) if second else int(first) if first else None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _next(month: int, day: int, today: date) -> date | None:
    this_year = _date(today.year, month, day)
    return this_year if this_year is not None and this_year >= today else _date(today.year + 1, month, day)


def _relative(text: str, today: date) -> Iterator[date]:
    for name, (month, day) in FEASTS.items():
        if re.search(rf"\b{name}", text):
            feast = _next(month, day, today)
            if feast is not None:
                yield feast
            break
    for name, days in (("day after tomorrow", 2), ("tomorrow", 1), ("yesterday", -1)):
        if name in text:
            yield today + timedelta(days=days)
            break
    for match in re.finditer(rf"\b(?:next |on |until |till |to )({'|'.join(DAYS)})\b", text):
        yield today + timedelta(days=(DAYS.index(match[1]) - today.weekday() - 1) % 7 + 1)
    for match in re.finditer(r"\bin (\d{1,5}) (day|week)s?\b", text):
        yield today + timedelta(days=int(match[1]) * (7 if match[2] == "week" else 1))


def _weekday(found: Match, asked: Asked) -> str | None:
    today = asked.now.date()
    day = next(_dates(_calendar_text(asked), today), None)
    if day is None or day == today:
        return None
    verb = "is" if day > today else "was"
    return f"{day.day} {day:%B %Y} {verb} a {day:%A}."


def _until(found: Match, asked: Asked) -> str | None:
    today = asked.now.date()
    days = list(_dates(_calendar_text(asked), today))[:2]
    if not days:
        return None
    start, end = (today, days[0]) if len(days) == 1 else (days[0], days[1])
    count = abs((end - start).days)
    unit = "day" if count == 1 else "days"
    if len(days) == 2:
        return f"From {start.day} {start:%B %Y} to {end.day} {end:%B %Y} there are {count} {unit}."
    return f"{count} {unit} {'until' if end >= start else 'since'} {_shown(end)}."


def _leap(found: Match, asked: Asked) -> str | None:
    year = re.search(r"\b(\d{4}|(?:19|20) \d{1,2})\b", asked.spoken)
    number = _year(year.group(1)) if year else None
    return f"{number} is {'' if isleap(number) else 'not '}a leap year." if number else None


def _clock(found: Match, asked: Asked) -> str:
    now, words = asked.now, found.group()
    if "time" in words:
        return f"It is {now:%H:%M} on this machine, on {_shown(now.date())}."
    return f"Today is {_shown(now.date())}."


def _part(found: Match, asked: Asked) -> str:
    now = asked.now
    return {"year": f"It is {now:%Y}.", "month": f"It is {now:%B %Y}."}[found.group(1)]


tell_date = by_pattern(
    (
        (r"\bhow (?:many days|long)\b.*\b(?:until|till|to|since|between|before|from)\b"
         r"|\bdays (?:until|till|to|since|between)\b", _until),
        (r"\bleap year\b", _leap),
        (r"\b(?:what|which|when)\b.*\b(?:day|date|weekday|is|was)\b|\bweekday\b", _weekday),
        (r"\bwhat(?:'s| is)?(?: the)? (?:current )?(?:time|date)\b(?! limit)|\btime is it\b|\bcurrent time\b"
         r"|\b(?:what|which) (?:week)?day\b|\bweekday\b|\btoday'?s date\b|\bwhat(?:'s| is) today\b", _clock),
        (r"\b(?:what|which) (year|month) (?:is it|do we have)\b", _part),
    )
)  # fmt: skip
"""Tells the time, the date, weekdays of dates and days between them."""
