"""The few facts known by heart: capitals, cities, and single sentences."""

from __future__ import annotations

import re

from ..facts import CAPITALS, CITIES, FACTS
from .base import Asked

__all__ = ["know"]


def know(asked: Asked) -> str | None:
    """A capital, a reason to visit it, or one of the facts."""
    return _capital(asked.lowered) or _fact(asked.lowered)


def _capital(lowered: str) -> str | None:
    country = next((name for name in CAPITALS if re.search(rf"\b{name}\b", lowered)), None)
    if "capital" in lowered and country:
        city = CAPITALS[country]
        shown = "the " if country in ("netherlands", "united kingdom", "united states") else ""
        why = CITIES.get(city.lower(), "") if re.search(r"\b(?:why|visit|see|about)\b", lowered) else ""
        return f"The capital of {shown}{country.title()} is {city}. {why}".strip()
    if not re.search(r"\b(?:why|visit|see)\b", lowered):
        return None
    city = next((name for name in CITIES if re.search(rf"\b{name}\b", lowered)), "")
    return CITIES[city].replace("Visit it", f"Visit {city.title()}", 1) if city else None


def _fact(lowered: str) -> str | None:
    words = set(re.findall(r"[a-z]+", lowered))
    known = ((needed, text) for needed, text in FACTS if all(any(w.startswith(n) for w in words) for n in needed))
    return next((text for _, text in known), None)
