"""The questions people ask about this toolkit, with answers: the data behind the local answers and docs/faq.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ...providers import Provider, get, names
from ...providers.base import Capabilities

__all__ = ["Entry", "entries"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One question: its title, the other ways to put it, an answer to be spoken or read, and code to be read only.

    An empty line in `code` stands between two cells.
    """

    id: str
    title: str
    aliases: tuple[str, ...]
    answer: str
    code: str = ""


@cache
def entries() -> tuple[Entry, ...]:
    """All entries of faq.json, with what depends on the registered providers filled in."""
    data = json.loads((files(__package__) / "faq.json").read_text(encoding="utf-8"))
    values = _values()
    return tuple(
        Entry(
            id=one["id"],
            title=one["title"],
            aliases=tuple(one["aliases"]),
            answer=_filled(one["answer"], values),
            code=_filled("\n".join(one.get("code", ())), values),
        )
        for one in data["entries"]
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _values() -> dict[str, str]:
    """What stands for {provider} and the like: a provider's name may be written in its own modules only."""
    known = [get(name) for name in names()]
    first, titles = known[0], [provider.title for provider in known]
    return {
        "provider": first.name,
        "model": first.default_model or "",
        "voice": first.capabilities.voices[-1],
        "providers": f"{', '.join(titles[:-1])} and {titles[-1]}",
        "transcriber": _first(known, lambda can: not can.answers).name,
        "speaker": _first(known, lambda can: can.audio_out and not can.audio_in).name,
    }


def _first(known: list[Provider], able: Callable[[Capabilities], bool]) -> Provider:
    return next(provider for provider in known if able(provider.capabilities))
