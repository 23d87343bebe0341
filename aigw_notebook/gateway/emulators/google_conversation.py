"""Gemini Live: what was said in a session, as a responder hears it and as the service counts it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..engines.base import Said
from .stage import JsonObject

__all__ = ["Entry", "output_text", "said", "tokens_of", "usage"]

CHARS_PER_TOKEN = 4  # a guess, plausible for English
AUDIO_MS_PER_TOKEN = 40  # commonly given: 25 a second
IMAGE_TOKENS = 258  # a guess


@dataclass(slots=True, eq=False)
class Entry:
    """One thing said. `unheard` counts the sounds whose words are not known yet; `audio_ms`: it was spoken so long."""

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    name: str | None = None
    images: int = 0
    audio_ms: float = 0.0
    unheard: int = 0


def said(entries: Iterable[Entry]) -> list[Said]:
    """What a responder is told."""
    return [Said(role=e.role, text=e.text, name=e.name, images=e.images) for e in entries]


def output_text(response: Any) -> str:
    """The text of a function's result: its `output`, or its `error` as an object, else all of it."""
    value = response.get("output", response) if isinstance(response, dict) else response
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def tokens_of(entries: Iterable[Entry]) -> dict[str, int]:
    """Tokens by modality; what was spoken counts as sound only."""
    counts = {"TEXT": 0, "AUDIO": 0, "IMAGE": 0}
    for entry in entries:
        counts["AUDIO"] += math.ceil(entry.audio_ms / AUDIO_MS_PER_TOKEN)
        counts["TEXT"] += 0 if entry.audio_ms else _text_tokens(entry.text)
        counts["IMAGE"] += IMAGE_TOKENS * entry.images
    return counts


def usage(context: Sequence[Entry], prompt: str, answer: Sequence[Entry]) -> JsonObject:
    """The `usageMetadata` of one answer; counts of zero are left out, as proto3 JSON does."""
    read, made = tokens_of(context), tokens_of(answer)
    read["TEXT"] += _text_tokens(prompt)
    counts = {
        "promptTokenCount": sum(read.values()),
        "responseTokenCount": sum(made.values()),
        "totalTokenCount": sum(read.values()) + sum(made.values()),
        "promptTokensDetails": _details(read),
        "responseTokensDetails": _details(made),
    }
    return {name: count for name, count in counts.items() if count}


def _details(counts: dict[str, int]) -> list[JsonObject]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]


def _text_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARS_PER_TOKEN)
