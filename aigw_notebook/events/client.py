"""Client events: what a caller asks of a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "AppendAudio",
    "AppendCall",
    "AppendSpeech",
    "AppendText",
    "CancelResponse",
    "ClearAudio",
    "ClientEvent",
    "CommitAudio",
    "CreateResponse",
    "DeleteItem",
    "ProviderMessage",
    "RetrieveItem",
    "SessionUpdate",
    "ToolResult",
    "TruncateOutput",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvent:
    """The base of all that a caller can ask of a provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate(ClientEvent):
    """Change these settings (field names of `providers.base.SessionSettings`); the others stay."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendText(ClientEvent):
    """Put a written item into the conversation; no answer is asked for. `images` are encoded PNG or JPEG files."""

    text: str
    role: Literal["user", "system", "assistant"] = "user"
    images: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendSpeech(ClientEvent):
    """Put into the conversation what the user said aloud, in the session's input format; no answer is asked for.

    `text` is its transcript, where it is known.
    """

    data: bytes = field(repr=False)
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendCall(ClientEvent):
    """Put into the conversation a call of a tool that was made before; its `ToolResult` follows."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendAudio(ClientEvent):
    """Send microphone audio, already in the session's input format."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAudio(ClientEvent):
    """The audio sent so far is one utterance; no answer is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAudio(ClientEvent):
    """Forget the audio sent since the last commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateResponse(ClientEvent):
    """Ask the model to answer. Every field overrides the session's setting for this answer only.

    `out_of_band` keeps the answer outside the conversation; `input` then replaces the conversation as its context
    (provider's own items; an empty list is an empty context). `metadata` comes back with the response.
    """

    instructions: str | None = None
    modalities: tuple[str, ...] | None = None
    voice: str | None = None
    max_output_tokens: int | None = None
    tool_choice: Any = None
    out_of_band: bool = False
    input: tuple[Mapping[str, Any], ...] | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResponse(ClientEvent):
    """Stop the running answer (or the one named)."""

    response_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncateOutput(ClientEvent):
    """Cut the model's spoken item at `played_ms`, so that its memory ends where the listener's does."""

    item_id: str
    played_ms: float
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult(ClientEvent):
    """The answer to a `ToolCall`; `output` is text, by custom JSON. No answer of the model is asked for."""

    call_id: str
    output: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveItem(ClientEvent):
    """Ask for an item as the provider stores it."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteItem(ClientEvent):
    """Take an item out of the conversation."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMessage(ClientEvent):
    """A message in the provider's own words, sent as it is: the one door for what this vocabulary lacks."""

    message: Mapping[str, Any]
