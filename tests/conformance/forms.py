"""Every protocol that the registry knows, as a thing to connect to, and what one can know of it from its capabilities.

Nothing here and in the tests asks for a provider's name; what cannot be derived stands in the two tables.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aigw_notebook as aigw
from aigw_notebook import providers
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines.base import Engines
from aigw_notebook.gateway.engines.rules import RuleResponder
from aigw_notebook.gateway.engines.tones import ToneListener, ToneVoice
from aigw_notebook.providers.base import Capabilities, Provider
from tests.conformance.installed import example_installed

__all__ = ["ANY_RATE", "ENGINES", "FORMS", "HASTY", "QUESTION", "SLOW", "Form", "having", "lacking", "spoken"]

ENGINES = Engines(responder=RuleResponder(), voice=ToneVoice(), listener=ToneListener())
HASTY = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0, audio_delta_ms=200)
SLOW = Pace(first_token_ms=0, text_delta_ms=20, audio_speed=8, audio_delta_ms=60)

QUESTION = "say yes please"
"""Short, and answered with the same words by one that thinks and by one that speaks what it is given."""

NEEDS: Mapping[str, Mapping[str, Any]] = {
    # An agent greets first, which makes a turn that these tests did not ask for.
    "elevenlabs": {"options": {"conversation_config_override": {"agent": {"first_message": ""}}}},
}
"""Address → what `connect` must be given besides."""

MORE: tuple[str, ...] = ("fal:fal-ai/any-llm",)
"""Addresses whose model answers in another way than the provider's default one."""

GIVES: Mapping[str, frozenset[str]] = {
    "fal": frozenset({"image"}),
    "fal:fal-ai/any-llm": frozenset({"text"}),
}
"""Address → what its model answers with, where the provider's models differ."""

ONE_ANSWER = frozenset({"elevenlabs:tts-stream"})
"""Addresses whose protocol has one answer a socket."""


ANY_RATE = frozenset({"google"})
"""Addresses that take every rate of their encodings; the capabilities list the usual ones."""


@dataclass(frozen=True)
class Form:
    """One protocol of one provider. `address` is what `connect` takes."""

    address: str
    provider: Provider = field(repr=False)

    @property
    def can(self) -> Capabilities:
        return self.provider.capabilities

    @property
    def gives(self) -> frozenset[str]:
        """What an answer holds: text, audio, image. Words come with what is spoken, and with what is heard."""
        known = GIVES.get(self.address)
        if known is not None:
            return known
        image = {"image"} if self.can.image_out else set()
        return frozenset({"text", *({"audio"} if self.can.audio_out else ()), *image})

    @property
    def many_turns(self) -> bool:
        return self.address not in ONE_ANSWER

    def connect(self, gateway: Any, **settings: Any) -> aigw.Connection:
        return aigw.connect(self.address, gateway=gateway, quiet=True, **{**NEEDS.get(self.address, {}), **settings})

    def question(self, text: str = QUESTION) -> dict[str, Any]:
        """The arguments of `ask` for a question in the form that the provider takes."""
        return {"text": text} if self.can.text_in else {"audio": spoken(text)}


def spoken(text: str, sample_rate: int = 16_000) -> aigw.Clip:
    data = b"".join(ToneVoice().speak(text, sample_rate=sample_rate))
    return aigw.Clip(data, aigw.AudioFormat("pcm16", sample_rate))


def _forms() -> Iterator[Form]:
    with tempfile.TemporaryDirectory() as folder, example_installed(Path(folder)):
        for name in providers.names():
            yield from (Form(address, provider) for address, provider in providers.forms(name).items())
        for address in MORE:
            name, _, model = address.partition(":")
            yield Form(address, providers.get(name).for_model(model))


FORMS: tuple[Form, ...] = tuple(_forms())


def having(*capabilities: str) -> list[Form]:
    """The forms with all these capabilities."""
    return [form for form in FORMS if all(getattr(form.can, name) for name in capabilities)]


def lacking(capability: str) -> list[Form]:
    """The forms without it."""
    return [form for form in FORMS if not getattr(form.can, capability)]
