"""The requests a client may make of the emulated Cartesia socket, checked; and the two forms its errors have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...audio.formats import AudioFormat
from ...providers.base import Message
from .stage import JsonObject

__all__ = [
    "BAD_MODEL",
    "BAD_VOICE",
    "NEWEST_VERSION",
    "Fault",
    "Request",
    "checked_request",
    "error_fields",
    "parse",
]

NEWEST_VERSION = "2026-08-14"
STRUCTURED_ERRORS = "2026-03-01"
PLAIN_VOICES = "2026-08-14"
BEARER_KEYS = "2025-04-16"
"""The versions from which on errors are objects, voices plain ids, and voices given by embedding are gone."""

BAD_MODEL = "sonic-unknown"
BAD_VOICE = "unknown"
"""The names that stand for a model and a voice that are not there; any others are."""

RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
ENCODINGS = {"pcm_f32le": "float32", "pcm_s16le": "pcm16", "pcm_mulaw": "ulaw", "pcm_alaw": "alaw"}
SPEEDS = {"slow": 0.8, "normal": 1.0, "fast": 1.2}  # a guess, for the old names
DEFAULT_DELAY_MS, MAX_DELAY_MS = 3_000, 5_000

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


class Fault(Exception):
    """A request that is refused, or could not be fulfilled."""

    def __init__(self, title: str, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.title = title
        self.message = message
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One generation request. `more` says that the context goes on after it."""

    words: str
    more: bool
    flush: bool
    voice: str
    speed: float
    format: AudioFormat
    word_times: bool
    phoneme_times: bool
    max_delay_ms: float


def parse(message: Message) -> JsonObject:
    """The JSON object in a frame; `Fault` for anything else."""
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError):
        raise Fault("Invalid JSON", "The message could not be parsed as JSON.") from None
    if not isinstance(parsed, dict):
        raise Fault("Invalid message", "The message must be a JSON object.")
    return parsed


def checked_request(message: JsonObject, version: str) -> Request:
    """The request in a message, or the `Fault` that refuses it."""
    words = message.get("transcript")
    if not isinstance(words, str):
        raise Fault("Invalid transcript", "transcript is required and must be a string.")
    _check_model(message.get("model_id"))
    _check_language(message)
    config = message.get("generation_config") or {}
    if not isinstance(config, Mapping):
        raise Fault("Invalid generation_config", "generation_config must be an object.")
    _within(config, "volume", 0.5, 2.0, 1.0)
    return Request(
        words=words,
        more=message.get("continue") is True,
        flush=message.get("flush") is True,
        voice=_voice(message.get("voice"), version, closing=not words),
        speed=SPEEDS.get(str(message.get("speed")), _within(config, "speed", 0.6, 1.5, 1.0)),
        format=_format(message.get("output_format")),
        word_times=message.get("add_timestamps") is True,
        phoneme_times=message.get("add_phoneme_timestamps") is True,
        max_delay_ms=_within(message, "max_buffer_delay_ms", 0, MAX_DELAY_MS, DEFAULT_DELAY_MS),
    )


def error_fields(fault: Fault, version: str, request_id: str) -> JsonObject:
    """What an `error` frame says of a fault: an object's fields since 2026-03-01, one text before."""
    if not _VERSION.fullmatch(version) or version < STRUCTURED_ERRORS:
        return {"status_code": fault.status, "done": True, "error": f"{fault.title}: {fault.message}"}
    return {
        "status_code": fault.status,
        "done": True,
        "error_code": fault.code,
        "title": fault.title,
        "message": fault.message,
        "request_id": request_id,
    }


def _check_model(model: Any) -> None:
    if not isinstance(model, str) or not model:
        raise Fault("Invalid model", "model_id is required.")
    if model == BAD_MODEL:
        raise Fault("Invalid model", f"The model {model} does not exist.", code="model_not_found")


def _check_language(message: JsonObject) -> None:
    language, locale = message.get("language"), message.get("locale")
    if language is not None and locale is not None:
        raise Fault("Invalid language", "Only one of language and locale can be given.")
    if language is not None and not (isinstance(language, str) and _LANGUAGE.fullmatch(language)):
        raise Fault("Language not supported", "The language is not supported.", code="language_not_supported")


def _voice(voice: Any, version: str, *, closing: bool) -> str:
    """The voice's id. The SDK closes a context with a plain id whatever the version; that is let pass."""
    if isinstance(voice, str) and (version >= PLAIN_VOICES or closing):
        found: Any = voice
    elif isinstance(voice, Mapping) and "embedding" in voice:
        found = _embedded(voice, version)
    else:
        found = voice.get("id") if isinstance(voice, Mapping) else None
    if not isinstance(found, str) or not found:
        raise Fault("Invalid voice", "voice is required and must have an id.")
    if found == BAD_VOICE:
        raise Fault("Voice not found", "The voice does not exist.", status=404, code="voice_not_found")
    return found


def _embedded(voice: Mapping[str, Any], version: str) -> str | None:
    embedding = voice["embedding"]
    if version >= BEARER_KEYS or not isinstance(embedding, list):
        return None
    return f"embedding {len(embedding)}"


def _format(wanted: Any) -> AudioFormat:
    given: Mapping[str, Any] = wanted if isinstance(wanted, Mapping) else {}
    container, encoding, rate = (given.get(name) for name in ("container", "encoding", "sample_rate"))
    if container != "raw":
        raise _bad_format("WebSockets support the container raw only.")
    if encoding not in ENCODINGS:
        raise _bad_format(f"encoding must be one of {', '.join(ENCODINGS)}.")
    if isinstance(rate, bool) or rate not in RATES:
        raise _bad_format(f"sample_rate must be one of {', '.join(map(str, RATES))}.")
    return AudioFormat(ENCODINGS[encoding], rate)  # type: ignore[arg-type]


def _bad_format(message: str) -> Fault:
    return Fault("Invalid output_format", message, code="unsupported_audio_format")


def _within(holder: Mapping[str, Any], name: str, least: float, most: float, default: float) -> float:
    value = holder.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Fault(f"Invalid {name}", f"{name} must be a number from {least} to {most}.")
    return value
