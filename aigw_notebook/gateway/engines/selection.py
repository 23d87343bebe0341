"""Which engines work: the best that is installed for each job, or those that the environment names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ...errors import ConfigurationError
from .base import Engines

__all__ = ["AUTO", "CHOICES", "VARIABLE", "Choice", "choose_engines", "voice_hint"]

VARIABLE = "AIGW_NOTEBOOK_ENGINES"
"""`auto`, `placeholder`, or names of `CHOICES` with commas between; a job that none is named for is chosen as usual."""

AUTO, PLACEHOLDER = "auto", "placeholder"


@dataclass(frozen=True, slots=True)
class Choice:
    """One engine that may be chosen: whether it is installed (cheap to ask), and how it is made."""

    name: str
    is_installed: Callable[[], bool]
    make: Callable[[], Any]


def _always() -> bool:
    return True


def _local_answers() -> Any:
    from .responder import LocalResponder
    from .retrieval import faq_index

    faq_index()  # here, where one may wait, and not at the first question
    return LocalResponder()


def _rules() -> Any:
    from .rules import RuleResponder

    return RuleResponder()


def _is_smollm_installed() -> bool:
    from .smollm import is_installed

    return is_installed()


@cache
def _answers_and_chat() -> Any:
    from .responder import LocalResponder
    from .smollm import ChatModel

    return LocalResponder(chat=ChatModel())


def _is_hibari_installed() -> bool:
    from .hibari import is_installed

    return is_installed()


@cache
def _hibari() -> Any:
    from .hibari import HibariVoice

    return HibariVoice()


def _is_system_voice_installed() -> bool:
    from .system_voice import find_program

    return find_program() is not None


@cache
def _system_voice() -> Any:
    from .system_voice import SystemVoice

    return SystemVoice()


def _tone_voice() -> Any:
    from .tones import ToneVoice

    return ToneVoice()


def _is_whisper_installed() -> bool:
    from .whisper import is_installed

    return is_installed()


@cache
def _whisper() -> Any:
    from .whisper import WhisperListener

    return WhisperListener()


def _is_sphinx_installed() -> bool:
    from .sphinx import is_installed

    return is_installed()


@cache
def _sphinx() -> Any:
    from .sphinx import SphinxListener

    return SphinxListener()


def _tone_listener() -> Any:
    from .tones import ToneListener

    return ToneListener()


CHOICES: Mapping[str, tuple[Choice, ...]] = {
    "responder": (
        Choice("local", _always, _local_answers),
        Choice("smollm", _is_smollm_installed, _answers_and_chat),
        Choice(PLACEHOLDER, _always, _rules),
    ),
    "voice": (
        Choice("hibari", _is_hibari_installed, _hibari),
        Choice("system", _is_system_voice_installed, _system_voice),
        Choice(PLACEHOLDER, _always, _tone_voice),
    ),
    "listener": (
        Choice("whisper", _is_whisper_installed, _whisper),
        Choice("pocketsphinx", _is_sphinx_installed, _sphinx),
        Choice(PLACEHOLDER, _always, _tone_listener),
    ),
}
"""Part of `Engines` → what may fill it, best first. What is large is made once in a process and shared."""


def choose_engines(wanted: str | None = None) -> Engines:
    """The engines that `wanted` names (None: the environment). Nothing large is loaded yet.

    Raises `ConfigurationError` for a name that is no engine's, and `MissingExtra` for one that is not installed.
    """
    names = _names(os.environ.get(VARIABLE, "") if wanted is None else wanted)
    made = {part: _chosen(choices, names).make() for part, choices in CHOICES.items()}
    return Engines(**{**made, "responder": _beside(made["responder"], made["listener"])})


def _beside(responder: Any, listener: Any) -> Any:
    """The responder, told by whom users are heard, if it wants to know."""
    return responder.beside(listener.about) if hasattr(responder, "beside") else responder


def voice_hint() -> str:
    """How to get a voice where only the placeholder is there and nobody asked for it; "" elsewhere."""
    names = _names(os.environ.get(VARIABLE, ""))
    chosen = _chosen(CHOICES["voice"], names)
    if chosen.name != PLACEHOLDER or PLACEHOLDER in names:
        return ""
    return f"The local answers are played as chords; for a voice: {chosen.make().about.install}"


def _names(wanted: str) -> set[str]:
    names = {name.strip().lower() for name in wanted.split(",") if name.strip()} - {AUTO}
    known = {choice.name for choices in CHOICES.values() for choice in choices}
    if names - known:
        unknown, there = ", ".join(sorted(names - known)), ", ".join(sorted(known))
        raise ConfigurationError(f"{VARIABLE} names no engine by {unknown!r}: there are {AUTO}, {there}")
    return names


def _chosen(choices: tuple[Choice, ...], names: set[str]) -> Choice:
    named = [choice for choice in choices if choice.name in names]
    return next(iter(named), None) or next(choice for choice in choices if choice.is_installed())
