"""What a chat panel offers for a provider, and in one sentence why it does not offer the rest."""

from __future__ import annotations

from typing import Any

from .. import providers
from ..providers.base import Capabilities, Provider

__all__ = ["controls_of", "provider_choices", "why_not_take_back"]


def provider_choices() -> list[dict[str, str]]:
    """All registered providers that hold or serve a conversation: name and title."""
    return [{"name": name, "title": providers.get(name).title} for name in providers.names()]


def controls_of(base: Provider, model: str | None) -> dict[str, Any]:
    """The panel's controls for that model. Each says `on`, and where it is off `why`; those with choices list them."""
    provider = base.for_model(model)
    can = provider.capabilities
    title = provider.title
    models = [m for known in (base, *base.variants) for m in known.models]
    return {
        "title": title,
        "model": {"on": bool(models), "choices": list(dict.fromkeys(models)), "why": f"{title} has one model"},
        "voice": {"on": can.audio_out, "choices": list(can.voices), "why": f"{title} does not speak"},
        "instructions": {"on": can.instructions, "why": f"{title} takes no instructions"},
        "text": {"on": can.text_in, "why": f"{title} takes no text: use the microphone"},
        "image": {"on": can.image_in, "why": f"{title} takes no pictures"},
        "mic": _microphone(can, title),
        "sound": {"on": can.audio_out, "why": f"{title} does not speak"},
        "stop": {"on": True, "why": ""},
        "limit_s": can.session_limit_s,
    }


def _microphone(can: Capabilities, title: str) -> dict[str, Any]:
    return {
        "on": can.audio_in,
        "why": f"{title} does not listen",
        "sample_rate": can.input_formats[0].sample_rate if can.audio_in else None,
        "open": {"on": can.server_turns, "why": f"{title} does not hear the end of a sentence: hold to talk"},
    }


def why_not_take_back(provider: Provider) -> str:
    """Why a turn cannot be taken back, with what can be done instead."""
    return (
        f"{provider.title} can neither delete what was said nor begin a session that knows it: "
        "ask again in other words, or clear the conversation"
    )
