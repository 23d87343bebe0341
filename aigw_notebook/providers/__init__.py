"""The registry: every provider by name, none imported before it is asked for.

A third party registers a `Provider` value through the entry-point group `aigw_notebook.providers`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module, invalidate_caches
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from ..errors import ConfigurationError, UnknownProvider
from .base import Capabilities, Codec, KeyAuth, Message, Provider, SessionSettings, TurnDetection

__all__ = [
    "ENTRY_POINT_GROUP",
    "Capabilities",
    "Codec",
    "KeyAuth",
    "Message",
    "Provider",
    "SessionSettings",
    "TurnDetection",
    "forms",
    "get",
    "named_model",
    "names",
    "refresh",
    "with_capability",
]

ENTRY_POINT_GROUP = "aigw_notebook.providers"

BUILT_IN = {
    "openai": "aigw_notebook.providers.openai",
    "google": "aigw_notebook.providers.google",
    "cartesia": "aigw_notebook.providers.cartesia",
    "elevenlabs": "aigw_notebook.providers.elevenlabs",
    "deepgram": "aigw_notebook.providers.deepgram",
    "workers-ai": "aigw_notebook.providers.workers_ai",
    "fal": "aigw_notebook.providers.fal",
    "universal": "aigw_notebook.providers.universal",
}

_loaded: dict[str, Provider] = {}


def names() -> list[str]:
    """The names of all registered providers, built-in first, the others by name.

    What is installed is looked up once for each state of `sys.path`; see `refresh`.
    """
    return [*BUILT_IN, *sorted(_third_party().keys() - BUILT_IN.keys())]


def refresh() -> None:
    """Look again for providers of third parties: `names` finds those that were installed while the process ran.

    `get` does so by itself for a name that it does not know.
    """
    invalidate_caches()
    _scanned.cache_clear()


def get(name: str) -> Provider:
    """The provider of that name. Raises `UnknownProvider`, which lists the names there are."""
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def named_model(address: str, model: str | None = None) -> tuple[str, str | None]:
    """Provider and model of `name` or `name:model`; `model` is what was said besides.

    Raises `ConfigurationError` where the two say different things.
    """
    name, _, named = address.partition(":")
    if model and named and model != named:
        raise ConfigurationError(f"the model was given twice, in {address!r} and as model={model!r}: leave one out")
    return name, named or model or None


def with_capability(capability: str, value: object = None) -> list[str]:
    """What to connect to for that `Capabilities` field, one for each provider: `name`, or `name:model` for a variant.

    With `value`, a field that lists things has to hold that one.
    """
    able = ([form for form, p in forms(name).items() if _has(p.capabilities, capability, value)] for name in names())
    return [found[0] for found in able if found]


def _has(capabilities: Capabilities, capability: str, value: object) -> bool:
    held = getattr(capabilities, capability)
    return bool(held) if value is None else value in held


def forms(name: str) -> dict[str, Provider]:
    """The provider of that name and its variants, each under what one writes to have it: `name`, `name:model`."""
    provider = get(name)
    return {name: provider, **{f"{name}:{variant.default_model}": variant for variant in provider.variants}}


def _third_party() -> Mapping[str, EntryPoint]:
    return _scanned(tuple(sys.path))


@lru_cache(maxsize=1)
def _scanned(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """The providers whose packages' metadata lies on that path, by name; of several with one name the first."""
    return {point.name: point for point in reversed(tuple(entry_points(group=ENTRY_POINT_GROUP)))}


def _installed(name: str) -> EntryPoint | None:
    if name not in _third_party():
        refresh()
    return _third_party().get(name)


def _load(name: str) -> Provider:
    if name in BUILT_IN:
        return cast(Provider, import_module(BUILT_IN[name]).PROVIDER)
    point = _installed(name)
    if point is not None:
        provider = point.load()
        if not isinstance(provider, Provider):
            raise ConfigurationError(f"entry point {point.value!r} gives no Provider value: ask its author")
        return provider
    known = names()
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose one of: {', '.join(known)}"
    raise UnknownProvider(f"unknown provider {name!r}; {hint}")
