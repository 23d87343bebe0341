"""Workers AI's realtime models: Deepgram's nova-3, flux and aura, run by Cloudflare. The gateway token is the one key.

Wire facts: `docs/protocol/deepgram.md`. The messages are Deepgram's own; the model is in the URL's query, and a voice
is a parameter of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ..audio.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_44K, PCM16_48K, ULAW_8K, AudioFormat
from .base import KeyAuth, Provider, SessionSettings
from .deepgram import FLUX_CAN, LISTEN_CAN, SPEAK_CAN
from .deepgram_codec import Query, format_query, query_of
from .deepgram_flux import FluxCodec, flux_query
from .deepgram_listen import ListenCodec, listen_query
from .deepgram_speak import OUTPUT_FORMATS, SpeakCodec

__all__ = ["PROVIDER"]

VENDOR = "@cf/deepgram/"
NOVA, FLUX, AURA = f"{VENDOR}nova-3", f"{VENDOR}flux", f"{VENDOR}aura-1"
PCM_FORMATS = (PCM16_16K, PCM16_8K, PCM16_24K, PCM16_44K, PCM16_48K)
NOVA_FORMATS = (*PCM_FORMATS, ULAW_8K)
VOICES = (
    "angus", "asteria", "arcas", "orion", "orpheus", "athena", "luna", "zeus", "perseus", "helios", "hera", "stella",
)  # fmt: skip
"""The speakers of aura-1; the first is the default."""


class _NovaCodec(ListenCodec):
    title: ClassVar[str] = "Workers AI nova-3"
    formats: ClassVar[tuple[AudioFormat, ...]] = NOVA_FORMATS


class _FluxCodec(FluxCodec):
    title: ClassVar[str] = "Workers AI flux"
    formats: ClassVar[tuple[AudioFormat, ...]] = PCM_FORMATS


class _AuraCodec(SpeakCodec):
    title: ClassVar[str] = "Workers AI aura"


def _model(settings: SessionSettings, default: str) -> str:
    """The model by its full name; a name without its vendor is completed."""
    model = settings.model or default
    return model if model.startswith("@") else f"{VENDOR}{model}"


def _nova_query(settings: SessionSettings) -> Query:
    return listen_query(settings, _model(settings, NOVA))


def _flux_query(settings: SessionSettings) -> Query:
    return flux_query(settings, _model(settings, FLUX))


def _aura_query(settings: SessionSettings) -> Mapping[str, Any]:
    """The format is named only when it is not the one that the socket gives by itself."""
    chosen = settings.output_format
    sound = {} if chosen is None or chosen == OUTPUT_FORMATS[0] else format_query(chosen)
    return query_of(settings, {"model": _model(settings, AURA), "speaker": settings.voice, **sound})


_SHARED: dict[str, Any] = {
    "name": "workers-ai",
    "route": "workers-ai",
    "direct_url": "",
    "auth": KeyAuth(),
    "emulator": "aigw_notebook.gateway.emulators.workers_ai",
}

_FLUX = Provider(
    **_SHARED,
    title="Workers AI flux",
    codec=_FluxCodec,
    capabilities=replace(FLUX_CAN, input_formats=PCM_FORMATS),
    query=_flux_query,
    serves=lambda model: (model or "").rpartition("/")[2] == "flux",
    default_model=FLUX,
    models=(FLUX,),
)

_AURA = Provider(
    **_SHARED,
    title="Workers AI aura",
    codec=_AuraCodec,
    capabilities=replace(SPEAK_CAN, voices=VOICES),
    query=_aura_query,
    serves=lambda model: (model or "").rpartition("/")[2].startswith("aura"),
    default_model=AURA,
    models=(AURA, f"{VENDOR}aura-2-en", f"{VENDOR}aura-2-es"),
)

PROVIDER = Provider(
    **_SHARED,
    title="Workers AI nova-3",
    codec=_NovaCodec,
    capabilities=replace(LISTEN_CAN, input_formats=NOVA_FORMATS),
    query=_nova_query,
    default_model=NOVA,
    models=(NOVA,),
    variants=(_FLUX, _AURA),
)
