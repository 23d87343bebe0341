"""What is asked for before anything is sent: is there a question, and can the provider take it."""

from __future__ import annotations

from typing import Any

from ..audio.clip import Clip
from ..errors import ConfigurationError, Unsupported
from ..providers import with_capability
from ..providers.base import Provider

__all__ = ["check_question", "check_wait", "need"]


def need(provider: Provider, capability: str, wish: str) -> None:
    """Nothing, where the provider has that `Capabilities` field set; else `Unsupported`, which names who has it."""
    if getattr(provider.capabilities, capability):
        return
    others = " or ".join(with_capability(capability))
    raise Unsupported(
        f"{provider.title} has no {wish}: {f'use {others}' if others else 'no registered provider has it'}"
    )


def check_wait(timeout_s: float) -> None:
    """Nothing, where `timeout_s` is a wait; else `ConfigurationError`."""
    if not timeout_s > 0:
        raise ConfigurationError(f"timeout_s is {timeout_s:g}: give a number of seconds above zero")


def check_question(provider: Provider, text: str | None, sound: Any, images: tuple[bytes, ...]) -> None:
    """Nothing, where there is a question in forms the provider takes; else `ConfigurationError` or `Unsupported`."""
    if text is not None and not isinstance(text, str):
        raise ConfigurationError(f"the question must be text, not {type(text).__name__}; sound goes in audio=")
    written = bool(text and text.strip())
    if not written and sound is None and not images:
        raise ConfigurationError("the question is empty: give some text, audio or an image")
    if written:
        need(provider, "text_in", "text input")
    if images:
        need(provider, "image_in", "image input")
    if isinstance(sound, Clip) and not sound:
        raise ConfigurationError("the audio is empty: give a clip, an array or a stream with some sound in it")
    if sound is not None:
        need(provider, "audio_in", "spoken input")
