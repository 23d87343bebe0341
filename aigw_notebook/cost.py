"""What a session costs: tokens, minutes and characters by a table of list prices that the user may change.

A price that is not known makes a cost that is not known, never zero. An embedded gateway costs nothing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .events import Usage
from .home import folder, shown
from .records import Entry

if TYPE_CHECKING:
    from .turn import Turn

__all__ = ["Cost", "Price", "cost_of", "known_price", "money", "price_of", "prices", "usd_of_row", "usd_of_turn"]

FILE = "prices.json"
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

    def __str__(self) -> str:
        """One short phrase, as "$0.0031", "no cost" or "not known"."""
        if self.usd is None:
            return "not known"
        return f"{money(self.usd)}{f', {self.unknown} not known' if self.unknown else ''}"


def money(usd: float) -> str:
    """An amount as a short phrase."""
    if usd == 0:
        return "no cost"
    if usd < 0.0001:
        return "under $0.0001"
    return f"${usd:.4f}" if usd < 0.1 else f"${usd:.2f}"


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


def usd_of_row(entry: Entry, price: Price | None, *, free: bool) -> float | None:
    """What this row alone adds to what is to be paid; None where it is not known, or stands in another row.

    Tokens are paid for in the last row of their response, minutes and characters in the row of what the user said.
    """
    if free:
        return 0.0
    if price is None or not _is_charged(price, entry):
        return None
    parts = _parts(price, [entry])
    return None if parts is None else sum(parts.values())


def usd_of_turn(turn: Turn) -> float | None:
    """What a turn costs, for a display: None where it is not known, and where the user's prices cannot be read."""
    try:
        return turn.cost.usd
    except ConfigurationError:
        return None


def price_of(provider: str, model: str | None) -> Price | None:
    """The price of a model in force; None where it is not known. Raises `ConfigurationError` for a file in disorder."""
    key = (provider, model or "")
    for table in (_own, _users(), _built_in()):
        if key in table:
            return table[key]
    return None


def known_price(provider: str, model: str | None) -> Price | None:
    """The same, and None where the user's prices cannot be read: `connect`, `prices` and `turn.cost` say so."""
    try:
        return price_of(provider, model)
    except ConfigurationError:
        return None


def prices(table: Mapping[tuple[str, str], Price] | None = None) -> dict[tuple[str, str], Price]:
    """All prices by (provider, model). With `table`, those in it hold from now on, over the file's and the built-in.

    An empty `table` takes back what was given before. The file is `prices.json` in the folder of the log, or the one
    that `AIGW_PRICES` names, in the form of the package's own.
    """
    if table is not None:
        _own.clear()
        _own.update(table)
    return {**_built_in(), **_users(), **_own}


Table = Mapping[tuple[str, str], Price]

_own: dict[tuple[str, str], Price] = {}


def _built_in() -> Table:
    return _read(Path(__file__).with_name(FILE), 0, 0)


def _users() -> Table:
    """The prices in the user's file, as it is now; none where there is no file."""
    named = os.environ.get(FILE_VARIABLE)
    path = Path(named).expanduser() if named else folder() / FILE
    if not named and not os.path.exists(path):  # noqa: PTH110 - says no also of a folder that may not be entered
        return {}
    try:
        told = path.stat()
        return _read(path, told.st_mtime_ns, told.st_size)
    except OSError as error:
        why: object = error.strerror
    except KeyError as error:
        why = f"an entry has no {error}"
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        why = error
    raise ConfigurationError(
        f"the prices in {shown(path)} cannot be read ({why}): write them as docs/cost.md says, or "
        f"{f'unset {FILE_VARIABLE}' if named else 'move the file away'}"
    )


@lru_cache(8)
def _read(path: Path, changed_ns: int, size: int) -> Table:
    """The table in that file, read anew when it has changed."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if found.get("currency", "USD") != "USD":
        raise ValueError(f"the currency is {found['currency']!r}: give US dollars, USD")
    return {(entry["provider"], model): _price(entry) for entry in found["prices"] for model in entry["models"]}


_FIELDS = {
    "provider", "models", "as_of", "source", "read_in", "per_million_tokens", "per_minute_heard", "per_1000_characters",
}  # fmt: skip


def _price(entry: Mapping[str, Any]) -> Price:
    _check_names(entry, _FIELDS)
    tokens = {name: _rate(rate) for name, rate in entry.get("per_million_tokens", {}).items()}
    _check_names(tokens, TOKENS)
    minute, characters = entry.get("per_minute_heard"), entry.get("per_1000_characters")
    if not tokens and minute is None and characters is None:
        raise ValueError(f"an entry of {entry['provider']} has no rate")
    as_of = entry.get("as_of", "")
    if as_of:
        date.fromisoformat(as_of)
    return Price(
        tokens,
        None if minute is None else _rate(minute),
        None if characters is None else _rate(characters),
        as_of,
        entry.get("source", ""),
    )


def _check_names(named: Iterable[str], known: Iterable[str]) -> None:
    wrong = sorted(set(named) - set(known))
    if wrong:
        raise ValueError(f"{wrong[0]} is none of {', '.join(sorted(known))}")


def _rate(value: Any) -> float:
    rate = float(value)
    if isinstance(value, bool | str) or not (math.isfinite(rate) and rate >= 0):
        raise ValueError(f"{value!r} is no rate")
    return rate


def _is_charged(price: Price, entry: Entry) -> bool:
    """Whether money is counted at this row."""
    if entry.usage is not None:
        return bool(price.tokens)
    if entry.role != "user":
        return False
    heard = price.per_minute_heard is not None and entry.audio_bytes > 0
    return heard or (price.per_1000_characters is not None and entry.kind == "text")


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
