"""The orders of the service's messages, and what a spoken turn is made of."""

from __future__ import annotations

from base64 import b64decode
from functools import partial
from typing import Any

from aigw_notebook.gateway.emulators.base import Pace
from tests import speech
from tests.gateway.emulators.driver import Client, Event

RATE = 24_000
spoken = partial(speech.spoken, sample_rate=RATE)
silence = partial(speech.silence, sample_rate=RATE)

ITEM = ["conversation.item.added", "conversation.item.done"]
TEXT_ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
SPOKEN_OPENING = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
SPOKEN_END = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
DELTAS = ["response.output_audio_transcript.delta", "response.output_audio.delta"]
CALL = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
]
SLOW = Pace(first_token_ms=100, text_delta_ms=20, audio_speed=4, audio_delta_ms=100)


def text_client(**options: Any) -> Client:
    client = Client(**options)
    client.update(output_modalities=["text"])
    client.take()
    return client


def audio_of(events: list[Event]) -> bytes:
    return b"".join(b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta")


def words_of(events: list[Event]) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "response.output_audio_transcript.delta")
