"""Deepgram, by its own API: speech to text with nova (listen v1) and flux (listen v2), text to speech with aura.

Wire facts: `docs/protocol/deepgram.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .base import Capabilities, KeyAuth, Provider, SessionSettings
from .deepgram_codec import INPUT_FORMATS, Query, format_query, query_of
from .deepgram_flux import FluxCodec, flux_query
from .deepgram_listen import ListenCodec, listen_query
from .deepgram_speak import OUTPUT_FORMATS, SpeakCodec

__all__ = ["FLUX_CAN", "LISTEN_CAN", "PROVIDER", "SPEAK_CAN"]

NOVA, FLUX, AURA = "nova-3", "flux-general-en", "aura-2-thalia-en"

LISTEN_CAN = Capabilities(
    text_in=False,
    text_out=False,
    audio_out=False,
    answers=False,
    input_formats=INPUT_FORMATS,
    output_formats=(),
    instructions=False,
    server_turns=True,
    manual_turns=True,
    transcription=True,
    live_update=True,
    live_settings=("turn_detection", "options"),
)
"""What one that only writes down speech can do; a live update changes who ends the turns, and the key terms."""

FLUX_CAN = replace(LISTEN_CAN, semantic_turns=True, live_settings=("turn_detection",))

SPEAK_CAN = Capabilities(
    audio_in=False,
    text_out=False,
    input_formats=(),
    output_formats=OUTPUT_FORMATS,
    instructions=False,
    cancel=True,
)

VOICES = ("thalia", "andromeda", "helena", "apollo", "arcas", "aries", "luna", "orion", "zeus", "asteria", "athena")
"""A few of aura 2's English voices; each is part of a model's name."""

AUTH = KeyAuth(
    env=("DEEPGRAM_API_KEY",),
    header=("Authorization", "Token {key}"),
    also=(KeyAuth(subprotocol="", subprotocol_with=("token",)),),
)


def _nova_query(settings: SessionSettings) -> Query:
    return listen_query(settings, settings.model or NOVA)


def _flux_query(settings: SessionSettings) -> Query:
    return flux_query(settings, settings.model or FLUX)


def _speak_query(settings: SessionSettings) -> Mapping[str, Any]:
    """A voice is part of the model's name: with `voice`, the name is made from both."""
    model = settings.model or AURA
    family = "aura-2" if model.startswith("aura-2") else "aura"
    named = f"{family}-{settings.voice}-en" if settings.voice else model
    return query_of(settings, {"model": named, **format_query(settings.output_format or OUTPUT_FORMATS[0])})


_SHARED: dict[str, Any] = {
    "name": "deepgram",
    "route": "deepgram",
    "direct_url": "wss://api.deepgram.com",
    "auth": AUTH,
}

_FLUX = Provider(
    **_SHARED,
    title="Deepgram flux",
    codec=FluxCodec,
    capabilities=FLUX_CAN,
    query=_flux_query,
    tail=lambda settings: "/v2/listen",
    serves=lambda model: (model or "").startswith("flux"),
    default_model=FLUX,
    models=(FLUX, "flux-general-multi"),
)

_SPEAK = Provider(
    **_SHARED,
    title="Deepgram aura",
    codec=SpeakCodec,
    capabilities=replace(SPEAK_CAN, voices=VOICES),
    query=_speak_query,
    tail=lambda settings: "/v1/speak",
    serves=lambda model: (model or "").startswith("aura"),
    default_model=AURA,
    models=(AURA, "aura-2-andromeda-en", "aura-asteria-en"),
)

PROVIDER = Provider(
    **_SHARED,
    title="Deepgram nova",
    codec=ListenCodec,
    capabilities=LISTEN_CAN,
    query=_nova_query,
    tail=lambda settings: "/v1/listen",
    default_model=NOVA,
    models=(NOVA, "nova-3-medical", "nova-2"),
    variants=(_FLUX, _SPEAK),
)
