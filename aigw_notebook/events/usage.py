"""What an answer cost in tokens, and what is left of an account's limits."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = [
    "RateLimit",
    "Usage",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one response, or a sum of several. None means "the provider did not say", never zero.

    Cached tokens are a subset of the input tokens of the same modality.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_text_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    cached_tokens: int | None = None
    cached_text_tokens: int | None = None
    cached_audio_tokens: int | None = None
    output_text_tokens: int | None = None
    output_audio_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input plus output; None when the provider told neither."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    def __add__(self, other: Usage) -> Usage:
        def add(a: int | None, b: int | None) -> int | None:
            return None if a is None and b is None else (a or 0) + (b or 0)

        return Usage(**{f.name: add(getattr(self, f.name), getattr(other, f.name)) for f in fields(Usage)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One limit of the account: `remaining` of `limit`, full again after `reset_s` seconds."""

    name: str
    limit: int | None
    remaining: int | None
    reset_s: float | None
