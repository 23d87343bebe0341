"""What a session costs: tokens, minutes and characters by a table of list prices that the user may change.

A price that is not known makes a cost that is not known, never zero. An embedded gateway costs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .errors import ConfigurationError
from .events import Usage
from .records import Entry

__all__ = ["Cost", "Price", "cost_of", "price_of", "prices"]

FILE_VARIABLE = "AIGW_PRICES"
TOKENS = ("input_text", "cached_text", "input_audio", "cached_audio", "input_image", "output_text", "output_audio")


@dataclass(frozen=True, slots=True)
class Price:
    """The list price of a model in US dollars, as of a day: by a million tokens, by a minute that it hears, by a
    thousand characters that it speaks. What it has no rate for is not known, save that cached tokens then cost what
    others do.
    """

    tokens: Mapping[str, float] = field(default_factory=dict)
    per_minute_heard: float | None = None
    per_1000_characters: float | None = None
    as_of: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """Money in US dollars: `usd` is what is to be paid, `list_usd` what the same costs at the provider's list price.

    Each is None where it is not known; the two differ where an emulator answered, which is free. `parts` are the list
    price by what it is for (`input_audio`, `minutes_heard` …). Of a sum, `unknown` says how many of its parts are not
    known and thus not in it.
    """

    usd: float | None = None
    list_usd: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    unknown: int = 0

    def __add__(self, other: Cost) -> Cost:
        names = [*self.parts, *(name for name in other.parts if name not in self.parts)]
        return Cost(
            _plus(self.usd, other.usd),
            _plus(self.list_usd, other.list_usd),
            {name: self.parts.get(name, 0.0) + other.parts.get(name, 0.0) for name in names},
            self.unknown + other.unknown,
        )

    def __repr__(self) -> str:
        if self.usd is None:
            return "<Cost not known>"
        more = "" if self.list_usd in (None, self.usd) else f", ${self.list_usd:.6f} at the list price"
        rest = f", {self.unknown} not known" if self.unknown else ""
        return f"<Cost ${self.usd:.6f}{more}{rest}>"


def cost_of(entries: Iterable[Entry], *, provider: str, model: str | None, free: bool = False) -> Cost:
    """What these rows of a session cost. `free`: an emulator answered."""
    rows = list(entries)
    if not rows:
        return Cost(usd=0.0, list_usd=0.0)
    price = price_of(provider, model)
    parts = None if price is None else _parts(price, rows)
    total = None if parts is None else sum(parts.values())
    usd = 0.0 if free else total
    return Cost(usd, total, parts or {}, unknown=int(usd is None))


def price_of(provider: str, model: str | None) -> Price | None:
    """The price of a model in force; None where it is not known."""
    named = os.environ.get(FILE_VARIABLE)
    key = (provider, model or "")
    for table in (_own, _read(Path(named).expanduser()) if named else {}, _read(_BUILT_IN)):
        if key in table:
            return table[key]
    return None


def prices(table: Mapping[tuple[str, str], Price] | None = None) -> dict[tuple[str, str], Price]:
    """All prices by (provider, model). With `table`, those in it hold from now on, over the file's and the built-in.

    An empty `table` takes back what was given before. The file is the one that `AIGW_PRICES` names, in the form of the
    package's own `prices.json`.
    """
    if table is not None:
        _own.clear()
        _own.update(table)
    named = os.environ.get(FILE_VARIABLE)
    return {**_read(_BUILT_IN), **(_read(Path(named).expanduser()) if named else {}), **_own}


_BUILT_IN = Path(__file__).with_name("prices.json")
_own: dict[tuple[str, str], Price] = {}


@cache
def _read(path: Path) -> dict[tuple[str, str], Price]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["prices"]
        return {(entry["provider"], model): _price(entry) for entry in entries for model in entry["models"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"the prices in {path.name} cannot be read ({error}): write them as docs/cost.md says, or unset "
            f"{FILE_VARIABLE}"
        ) from None


def _price(entry: Mapping[str, Any]) -> Price:
    tokens = {name: float(rate) for name, rate in entry.get("per_million_tokens", {}).items()}
    wrong = sorted(tokens.keys() - set(TOKENS))
    if wrong:
        raise ValueError(f"{wrong[0]} is none of {', '.join(TOKENS)}")
    minute, characters = entry.get("per_minute_heard"), entry.get("per_1000_characters")
    return Price(
        tokens,
        None if minute is None else float(minute),
        None if characters is None else float(characters),
        entry.get("as_of", ""),
        entry.get("source", ""),
    )


def _parts(price: Price, entries: list[Entry]) -> dict[str, float] | None:
    """The money by what it is for; None where something has no price, or was not told."""
    parts: dict[str, float] = {}
    if price.per_minute_heard is not None:
        heard_ms = sum(entry.audio_ms or 0.0 for entry in entries if entry.role == "user")
        parts["minutes_heard"] = price.per_minute_heard * heard_ms / 60_000
    if price.per_1000_characters is not None:
        characters = sum(len(e.text or "") for e in entries if e.role == "user" and e.kind == "text")
        parts["characters"] = price.per_1000_characters * characters / 1_000
    if not price.tokens:
        return parts or None
    told = [entry.usage for entry in entries if entry.usage is not None]
    if not told and any(entry.role == "assistant" for entry in entries):
        return None
    for usage in told:
        tokens = _tokens(usage)
        if tokens is None:
            return None
        for name, count in tokens.items():
            rate = price.tokens.get(name)
            if rate is None and name.startswith("cached_"):
                rate = price.tokens.get(name.replace("cached", "input"))
            if rate is None and count:
                return None
            parts[name] = parts.get(name, 0.0) + (rate or 0.0) * count / 1e6
    return parts


def _tokens(usage: Usage) -> dict[str, int] | None:
    """The tokens, each counted once: cached ones are taken out of those of their modality. None: not told.

    Tokens that the provider gives no modality, beside some that have one, are text.
    """
    text, audio, image = usage.input_text_tokens, usage.input_audio_tokens, usage.input_image_tokens
    said, spoken = usage.output_text_tokens, usage.output_audio_tokens
    if (text is audio is image is None and usage.input_tokens) or (said is spoken is None and usage.output_tokens):
        return None
    heard, seen = audio or 0, image or 0
    words = (text or 0) + max(0, (usage.input_tokens or 0) - (text or 0) - heard - seen)
    written = (said or 0) + max(0, (usage.output_tokens or 0) - (said or 0) - (spoken or 0))
    cached_text, cached_audio = _cached(usage, words, heard)
    return {
        "input_text": words - cached_text,
        "cached_text": cached_text,
        "input_audio": heard - cached_audio,
        "cached_audio": cached_audio,
        "input_image": seen,
        "output_text": written,
        "output_audio": spoken or 0,
    }


def _cached(usage: Usage, words: int, heard: int) -> tuple[int, int]:
    """How many of the text and the audio tokens came from the cache; those of no modality are text while it lasts."""
    text, audio = usage.cached_text_tokens, usage.cached_audio_tokens
    whole = usage.cached_tokens or 0
    if text is None:
        text = max(0, whole - (audio or 0))
    text = min(words, text)
    return text, min(heard, max(0, whole - text) if audio is None else audio)


def _plus(a: float | None, b: float | None) -> float | None:
    return None if a is None and b is None else (a or 0.0) + (b or 0.0)
