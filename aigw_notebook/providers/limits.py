"""Saying no early: settings and requests that a provider lacks, refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from ..errors import LocalProtocolError, Unsupported
from ..events import (
    AppendAudio,
    AppendCall,
    AppendSpeech,
    AppendText,
    CancelResponse,
    ClearAudio,
    ClientEvent,
    CommitAudio,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SessionUpdate,
    ToolResult,
    TruncateOutput,
)
from .base import Capabilities, SessionSettings, TurnDetection

__all__ = [
    "check_modalities",
    "check_range",
    "check_voice",
    "no_format",
    "no_modalities",
    "or_elsewhere",
    "refuse_overrides",
    "refuse_settings",
    "sayer",
]

Sayer: TypeAlias = Callable[[Any, Any], None]
"""Queues the messages that say an event: takes the codec and the event."""

_SETTINGS = {
    "tool_choice": "tools",
    "voice": "voices",
    "input_format": "input_formats",
    "output_format": "output_formats",
}
"""Setting → the capability it needs, where that has another name."""

_MODALITIES = {"text": "text_out", "audio": "audio_out", "image": "image_out"}

_EVENTS: Mapping[type[ClientEvent], str] = {
    AppendAudio: "audio_in",
    AppendCall: "seed_tools",
    AppendSpeech: "seed_audio",
    AppendText: "text_in",
    CancelResponse: "cancel",
    ClearAudio: "audio_in",
    CommitAudio: "audio_in",
    DeleteItem: "editable_history",
    RetrieveItem: "editable_history",
    SessionUpdate: "live_update",
    ToolResult: "tools",
    TruncateOutput: "truncation",
}
"""What a caller asks for → the capability it needs."""


def refuse_settings(title: str, settings: SessionSettings, *, known: Collection[str]) -> None:
    """Raise `Unsupported` for a setting that was given and is not `known`. None, False and empty ask for nothing."""
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.name not in known and value not in (None, False, (), {}):
            raise Unsupported(f"{title} takes no {f.name}: leave it out{_who_takes(f.name, value)}")


def refuse_overrides(title: str, event: CreateResponse) -> None:
    """Raise `Unsupported` for an override that a response of a provider with no such thing was asked to have."""
    for f in fields(event):
        if f.name != "modalities" and getattr(event, f.name) not in (None, False):
            raise Unsupported(f"{title} takes no {f.name} for a single answer: set it for the session, or leave it out")


def check_modalities(title: str, wanted: Any, *, known: Collection[tuple[str, ...]]) -> None:
    """Raise `Unsupported` for modalities other than the `known` ones; None is the provider's own."""
    asked = None if wanted is None else (wanted,) if isinstance(wanted, str) else tuple(wanted)
    if asked is not None and asked not in known:
        raise no_modalities(title, asked, known)


def no_modalities(title: str, asked: tuple[Any, ...], known: Collection[tuple[str, ...]]) -> Unsupported:
    """What to raise for modalities that are not among the `known` ones; the message names who has them."""
    choices = " or ".join(map(repr, known))
    return Unsupported(f"{title} cannot answer with modalities {asked!r}: ask for {choices}{_who_gives(asked)}")


def check_range(title: str, name: str, value: float, least: float, most: float) -> float:
    """The value, if it lies within the provider's limits; else `Unsupported`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Unsupported(f"{title} takes a {name} of {least:g} to {most:g}, not {value!r}: choose within these")
    return value


def check_voice(title: str, voice: str | None) -> None:
    """Raise `Unsupported` for a voice that is more than a name or an id; some providers take an object there."""
    if voice is not None and not isinstance(voice, str):
        raise Unsupported(f"{title} takes no {type(voice).__name__} as voice: give the voice's name or id as text")


def sayer(title: str, says: Mapping[Any, Sayer], event: object) -> Sayer:
    """What says `event`, by a codec's table of those; raises for an event that it has no message for."""
    say = says.get(type(event))
    if say is not None:
        return say
    if isinstance(event, ClientEvent):
        where = or_elsewhere(_EVENTS.get(type(event)))
        raise Unsupported(f"{title} has no message for {type(event).__name__}: leave it out{where}")
    raise LocalProtocolError(f"{type(event).__name__} is no client event: send one of those in events.py")


def no_format(title: str, wanted: Any, known: str, capability: str) -> Unsupported:
    """What to raise for an audio format that is not among `known`; `capability` is the field that lists such formats.

    The message names who has that format.
    """
    return Unsupported(f"{title} has no audio format {wanted}: use {known}{or_elsewhere(capability, wanted)}")


def or_elsewhere(capability: str | None, value: object = None) -> str:
    """The end of a sentence that says what to do: ", or use" whoever has that capability; empty when nobody has."""
    from . import with_capability

    if capability is None or capability not in Capabilities.__dataclass_fields__:
        return ""
    others = with_capability(capability) if value is None else with_capability(capability, value)
    return f", or use {' or '.join(others)}" if others else ""


def _who_takes(setting: str, value: Any) -> str:
    if setting == "modalities":
        return _who_gives((value,) if isinstance(value, str) else tuple(value))
    if isinstance(value, TurnDetection):
        return or_elsewhere(f"{value.mode}_turns")
    return or_elsewhere(_SETTINGS.get(setting, setting), value if setting.endswith("_format") else None)


def _who_gives(modalities: tuple[Any, ...]) -> str:
    return or_elsewhere(_MODALITIES.get(modalities[0])) if len(modalities) == 1 else ""
