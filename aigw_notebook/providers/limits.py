"""Saying no early: settings and requests that a provider lacks, refused before anything is sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any

from ..errors import AigwError, LocalProtocolError, Unsupported
from ..events import ClientEvent, CreateResponse
from .base import SessionSettings

__all__ = ["check_modalities", "check_range", "not_a_client_event", "refuse_overrides", "refuse_settings"]

_CAPABILITY_OF = {"tool_choice": "tools", "turn_detection": "server_turns", "input_format": "audio_in"}


def refuse_settings(title: str, settings: SessionSettings, *, known: Collection[str]) -> None:
    """Raise `Unsupported` for a setting that was given and is not `known`. None, False and empty ask for nothing."""
    for f in fields(settings):
        if f.name not in known and getattr(settings, f.name) not in (None, False, (), {}):
            raise Unsupported(f"{title} takes no {f.name}: {_way_out(f.name)}")


def refuse_overrides(title: str, event: CreateResponse) -> None:
    """Raise `Unsupported` for an override that a response of a provider with no such thing was asked to have."""
    for f in fields(event):
        if f.name != "modalities" and getattr(event, f.name) not in (None, False):
            raise Unsupported(f"{title} takes no {f.name} for a single answer: set it for the session, or leave it out")


def check_modalities(title: str, wanted: Any, *, known: Collection[tuple[str, ...]]) -> None:
    """Raise `Unsupported` for modalities other than the `known` ones; None is the provider's own."""
    asked = None if wanted is None else (wanted,) if isinstance(wanted, str) else tuple(wanted)
    if asked is not None and asked not in known:
        choices = " or ".join(map(repr, known))
        raise Unsupported(f"{title} cannot answer with modalities {asked!r}: ask for {choices}")


def check_range(title: str, name: str, value: float, least: float, most: float) -> float:
    """The value, if it lies within the provider's limits; else `Unsupported`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Unsupported(f"{title} takes a {name} of {least:g} to {most:g}, not {value!r}: choose within these")
    return value


def not_a_client_event(title: str, event: object) -> AigwError:
    """What to raise for an event that a codec has no message for."""
    if isinstance(event, ClientEvent):
        return Unsupported(f"{title} has no message for {type(event).__name__}: leave it out")
    return LocalProtocolError(f"{type(event).__name__} is no client event: send one of those in events.py")


def _way_out(name: str) -> str:
    from . import with_capability
    from .base import Capabilities

    capability = _CAPABILITY_OF.get(name, name)
    if capability not in Capabilities.__dataclass_fields__:
        return "leave it out"
    others = with_capability(capability)
    return f"leave it out, or use {' or '.join(others)}" if others else "leave it out"
