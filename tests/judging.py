"""What the judges of frames share. A judge takes the frames of one connection in their order, and raises at a bad one.

A provider's judges are in one module: `ServerJudge`, made with the handshake, and `ClientJudge`, made with the codec.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel

from aigw_notebook.providers.base import Message

__all__ = ["Judge", "WhatFollows", "audio_bytes", "check_parallel", "check_samples", "conform", "parsed", "text_of"]

SAMPLE_BYTES = {"pcm": 2, "linear16": 2, "pcm_s16le": 2, "linear32": 4, "pcm_f32le": 4}
"""Bytes of a sample by the name of an encoding; the others have one."""


class Judge(Protocol):
    """Holds the frames of one side of one connection to the provider's protocol."""

    def check(self, frame: Message) -> object:
        """Raises, with the reason, when the frame cannot be what the provider or its client says here."""


def text_of(frame: Message) -> str:
    """A text frame's text."""
    if not isinstance(frame, str):
        raise ValueError("a binary frame where only text frames are said")
    return frame


def parsed(frame: Message) -> dict[str, Any]:
    """The object in a frame of JSON."""
    message = json.loads(frame)
    if not isinstance(message, dict):
        raise ValueError("JSON that is no object")
    return message


def conform(model: type[BaseModel], message: Mapping[str, Any]) -> None:
    """Raises unless the type takes the message as it is: no value of another type, no field that it does not know."""
    model.model_validate_json(json.dumps(message), strict=True, extra="forbid")


def audio_bytes(text: Any) -> bytes:
    """The audio in a piece of standard base64; there is no piece without any."""
    data = b64decode(text, validate=True)
    if not data:
        raise ValueError("a piece of audio without audio")
    return data


def check_samples(data: bytes, encoding: str) -> None:
    """Raises when the audio ends within a sample."""
    if len(data) % SAMPLE_BYTES.get(encoding, 1):
        raise ValueError(f"{len(data)} bytes of {encoding} end within a sample")


def check_parallel(*lists: list[Any]) -> None:
    """Raises when lists that belong together differ in length."""
    if len({len(each) for each in lists}) > 1:
        raise ValueError(f"lists that belong together have {[len(each) for each in lists]} members")


class WhatFollows:
    """Remembers what has ended, for protocols in which nothing more comes of it."""

    def __init__(self) -> None:
        self._over: set[Any] = set()

    def end(self, what: Any) -> None:
        """Nothing more may come of it."""
        self._over.add(what)

    def go_on(self, what: Any) -> None:
        """Raises when it has ended."""
        if what in self._over:
            raise ValueError(f"something more of {what!r}, which has ended")
