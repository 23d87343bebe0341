"""The conversation: items in order, as the wire shows them, as the responder hears them, and in tokens."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...audio.formats import AudioFormat
from ..engines.base import Said
from .openai_schema import Refusal

__all__ = ["Conversation", "Item", "Part", "Tokens", "item_from_client", "said", "text_tokens", "tokens_of"]

CHARS_PER_TOKEN = 4  # a guess, plausible for English
INPUT_MS_PER_TOKEN = 100  # measured on the service
OUTPUT_MS_PER_TOKEN = 50  # a guess
IMAGE_TOKENS = 400  # a guess
CACHE_STEP = 64  # cached counts come in steps of so many

GUESSED_PREVIOUS_CODE = "item_create_invalid_previous_item_id"
GUESSED_DUPLICATE_CODE = "item_create_duplicate_item_id"


@dataclass(slots=True, eq=False)
class Part:
    """One content part. `audio` is raw in `format`; `words` is what is known of its words, shown or not.

    A `truncated` part takes no more audio, even while its response goes on.
    """

    kind: str
    text: str = ""
    audio: bytearray = field(default_factory=bytearray, repr=False)
    format: AudioFormat | None = None
    transcript: str | None = None
    words: str = ""
    image_url: str | None = None
    detail: str | None = None
    truncated: bool = False

    @property
    def audio_ms(self) -> float:
        return self.format.duration_ms(len(self.audio)) if self.format else 0.0

    def wire(self, *, with_audio: bool = False) -> dict[str, Any]:
        """The part as events show it; audio bytes only on request."""
        if self.kind in ("input_text", "output_text"):
            return {"type": self.kind, "text": self.text}
        if self.kind == "input_image":
            detail = {} if self.detail is None else {"detail": self.detail}
            return {"type": self.kind, "image_url": self.image_url, **detail}
        audio = {"audio": b64encode(self.audio).decode("ascii")} if with_audio else {}
        return {"type": self.kind, "transcript": self.transcript, **audio}


@dataclass(slots=True, eq=False)
class Item:
    """One item of a conversation. `unheard`: its audio is still being listened to."""

    id: str
    kind: str = "message"
    role: str = ""
    status: str = "completed"
    parts: list[Part] = field(default_factory=list)
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""
    unheard: bool = False

    def wire(self, *, with_audio: bool = False) -> dict[str, Any]:
        """The item as events show it; audio bytes only on request."""
        head = {"id": self.id, "type": self.kind}
        if self.kind == "function_call_output":
            return {**head, "call_id": self.call_id, "output": self.output}
        if self.kind == "function_call":
            call = {"name": self.name, "call_id": self.call_id, "arguments": self.arguments}
            return {**head, "status": self.status, **call}
        content = [part.wire(with_audio=with_audio) for part in self.parts]
        return {**head, "status": self.status, "role": self.role, "content": content}


class Conversation:
    """Items in order, each found by its id."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self.items: list[Item] = []
        self._by_id: dict[str, Item] = {}

    @property
    def last_id(self) -> str | None:
        return self.items[-1].id if self.items else None

    def get(self, item_id: str) -> Item | None:
        """The item of that id; None when there is none, or no more."""
        return self._by_id.get(item_id)

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Put `item` after the item `after` ("root": first, None: last); gives the id before it, if any.

        Raises `Refusal` when there is no such item, or already one of this id.
        """
        if item.id in self._by_id:
            raise Refusal(GUESSED_DUPLICATE_CODE, f"Item with id '{item.id}' already exists.", "item.id")
        place = self._place(after)
        self.items.insert(place, item)
        self._by_id[item.id] = item
        return self.items[place - 1].id if place else None

    def remove(self, item_id: str) -> None:
        """Take out the item of that id, which must be there."""
        self.items.remove(self._by_id.pop(item_id))

    def has_call(self, call_id: str) -> bool:
        """Whether the model has made the call of that id."""
        return any(item.kind == "function_call" and item.call_id == call_id for item in self.items)

    def _place(self, after: str | None) -> int:
        if after is None:
            return len(self.items)
        if after == "root":
            return 0
        if after not in self._by_id:
            message = f"Previous item with id '{after}' not found."
            raise Refusal(GUESSED_PREVIOUS_CODE, message, "previous_item_id")
        return self.items.index(self._by_id[after]) + 1


def item_from_client(message: Mapping[str, Any], item_id: str, audio: Iterator[bytes], format: AudioFormat) -> Item:
    """The item that a checked `conversation.item.create` (or an `input` entry) describes; `audio` is its decoded audio.

    A client's item is complete whatever status it names.
    """
    parts = [_part_from_client(part, audio, format) for part in message.get("content") or ()]
    return Item(
        id=item_id,
        kind=message["type"],
        role=message.get("role", ""),
        parts=parts,
        call_id=message.get("call_id", ""),
        name=message.get("name", ""),
        arguments=message.get("arguments", ""),
        output=message.get("output", ""),
    )


def _part_from_client(part: Mapping[str, Any], audio: Iterator[bytes], format: AudioFormat) -> Part:
    kind = part["type"]
    if kind == "input_audio":
        return Part(kind, audio=bytearray(next(audio)), format=format, transcript=part.get("transcript"))
    text = part.get("text", "")
    return Part(kind, text=text, words=text, image_url=part.get("image_url"), detail=part.get("detail"))


# --------------------------------------------------------------------------------------------- for the responder


def said(items: Iterable[Item]) -> list[Said]:
    """What was said in these items, for a responder. Calls of tools are left out, their outputs are there."""
    names = {item.call_id: item.name for item in items if item.kind == "function_call"}
    return [_said(item, names) for item in items if item.kind != "function_call"]


def _said(item: Item, names: Mapping[str, str]) -> Said:
    if item.kind == "function_call_output":
        return Said(role="tool", text=item.output, name=names.get(item.call_id))
    words = " ".join(part.words for part in item.parts if part.words)
    images = sum(part.kind == "input_image" for part in item.parts)
    roles = {"user": "user", "assistant": "assistant", "system": "system"}
    return Said(role=roles[item.role], text=words, images=images)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------- tokens


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by modality."""

    text: int = 0
    audio: int = 0
    image: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.text + other.text, self.audio + other.audio, self.image + other.image)

    @property
    def total(self) -> int:
        return self.text + self.audio + self.image

    def cached(self, seen: Tokens) -> Tokens:
        """As much of them as the service would report cached, having read `seen` before."""
        common = min(self.text, seen.text), min(self.audio, seen.audio), min(self.image, seen.image)
        return Tokens(*(count - count % CACHE_STEP for count in common))

    def details(self) -> dict[str, int]:
        """As the wire shows them."""
        return {"text_tokens": self.text, "audio_tokens": self.audio, "image_tokens": self.image}


def text_tokens(text: str | int) -> int:
    """About how many tokens `text`, or so many characters, takes."""
    return math.ceil((text if isinstance(text, int) else len(text)) / CHARS_PER_TOKEN)


def tokens_of(items: Iterable[Item]) -> Tokens:
    """What these items cost when the model reads them; a spoken answer costs its audio, not its transcript."""
    return sum((_tokens(item) for item in items), Tokens())


def _tokens(item: Item) -> Tokens:
    text = text_tokens(item.name + item.arguments + item.output) if item.kind != "message" else 0
    return sum((_part_tokens(part) for part in item.parts), Tokens(text))


def _part_tokens(part: Part) -> Tokens:
    if part.kind == "input_image":
        return Tokens(image=IMAGE_TOKENS)
    ms_per_token = INPUT_MS_PER_TOKEN if part.kind == "input_audio" else OUTPUT_MS_PER_TOKEN
    return Tokens(text_tokens(part.text), math.ceil(part.audio_ms / ms_per_token))
