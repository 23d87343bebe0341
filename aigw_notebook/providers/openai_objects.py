"""OpenAI Realtime: what a caller says as the provider's own objects (GA shape): session, response, item, URL.

Every function here is pure. What the provider lacks raises `Unsupported` before anything is sent, because the live
service drops a session update whole when it knows one field of it not.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from ..audio.formats import ALAW_8K, PCM16_24K, ULAW_8K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import AppendCall, AppendSpeech, AppendText, CreateResponse
from .base import Capabilities, SessionSettings, TurnDetection
from .limits import no_format, no_modalities

__all__ = [
    "CAPABILITIES",
    "DEFAULT_MODEL",
    "FORMATS",
    "IMAGE_MAX_BYTES",
    "TRANSCRIPTION_MODEL",
    "call_item",
    "changed_settings",
    "message_item",
    "opening_session",
    "response_object",
    "speech_item",
    "stated_format",
    "updated_session",
    "url_query",
]

DEFAULT_MODEL = "gpt-realtime-2.1"
IMAGE_MAX_BYTES = 10_000_000

TRANSCRIPTION_MODEL = "gpt-transcribe"
"""The recognizer that `transcription=True` asks for: the current one that works with server turn detection on."""

FORMATS: Mapping[AudioFormat, Mapping[str, Any]] = {
    PCM16_24K: {"type": "audio/pcm", "rate": 24_000},
    ULAW_8K: {"type": "audio/pcmu"},
    ALAW_8K: {"type": "audio/pcma"},
}
"""Every audio format of the provider, with its wire form."""

CAPABILITIES = Capabilities(
    image_in=True,
    input_formats=tuple(FORMATS),
    output_formats=tuple(FORMATS),
    voices=("marin", "cedar", "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"),
    tools=True,
    cancel=True,
    truncation=True,
    server_turns=True,
    semantic_turns=True,
    manual_turns=True,
    keeps_speaking=True,
    answers_on_request=True,
    transcription=True,
    out_of_band=True,
    speed=True,
    max_output_tokens=True,
    live_update=True,
    editable_history=True,
    seed_history=True,
    seed_audio=True,
    seed_tools=True,
    session_limit_s=3600,
)

_IMAGE_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}

_FORMAT_OF_TYPE = {wire["type"]: audio_format for audio_format, wire in FORMATS.items()}

_TURN_TYPES = {"server": "server_vad", "semantic": "semantic_vad"}
_TURN_FIELDS: Mapping[str, tuple[str, ...]] = {
    "server": (
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "idle_timeout_ms",
        "create_response",
        "interrupt_response",
    ),
    "semantic": ("eagerness", "create_response", "interrupt_response"),
    "manual": (),
}
_OUTPUT_MODALITIES: Mapping[frozenset[str], str] = {
    frozenset({"audio"}): "audio",
    frozenset({"text"}): "text",
    frozenset({"audio", "text"}): "audio",  # speech brings its transcript; the wire refuses both names together
}
_SPEED_MIN, _SPEED_MAX = 0.25, 1.5


def opening_session(settings: SessionSettings) -> dict[str, Any]:
    """The session object for the first `session.update`: only what the caller set."""
    wanted = {f.name: getattr(settings, f.name) for f in fields(settings)}
    if not settings.tools:
        del wanted["tools"]
    return _session_object(wanted)


def updated_session(settings: SessionSettings, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The session object that says `changes` to a session opened with `settings`; an empty `tools` clears them.

    Raises `LocalProtocolError` for an unknown name and `Unsupported` for another model: that one is fixed by the URL.
    """
    for name in changes:
        if name not in _FRAGMENTS:
            raise LocalProtocolError(f"there is no setting {name!r}: choose from {', '.join(sorted(_FRAGMENTS))}")
    if changes.get("model") not in (None, settings.model or DEFAULT_MODEL):
        raise Unsupported("openai cannot change the model of an open session: connect again with the other model")
    return _session_object(changes)


def changed_settings(settings: SessionSettings, changes: Mapping[str, Any]) -> SessionSettings:
    """`settings` after `changes`; None leaves a setting as it is, as it does on the wire."""
    return settings.changed({name: value for name, value in changes.items() if value is not None})


def response_object(event: CreateResponse) -> dict[str, Any]:
    """The `response` object of a `response.create`; empty when nothing is overridden."""
    return _object_of({f.name: getattr(event, f.name) for f in fields(event)}, _RESPONSE_FRAGMENTS)


def stated_format(holder: Mapping[str, Any], side: str) -> AudioFormat | None:
    """The format that a session or response object states for `side` ("input" or "output"); None: none it knows."""
    node: Any = holder
    for key in ("audio", side, "format", "type"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return _FORMAT_OF_TYPE.get(node) if isinstance(node, str) else None


def message_item(event: AppendText) -> dict[str, Any]:
    """The conversation item of a written message. Raises `LocalProtocolError` for an image that cannot be sent."""
    if event.images and event.role != "user":
        raise LocalProtocolError(f"a {event.role} item takes no images: put them into a user item")
    kind = "output_text" if event.role == "assistant" else "input_text"
    content: list[dict[str, Any]] = [{"type": kind, "text": event.text}] if event.text or not event.images else []
    content += [{"type": "input_image", "image_url": _data_uri(image)} for image in event.images]
    return {"type": "message", "role": event.role, "content": content}


def speech_item(event: AppendSpeech) -> dict[str, Any]:
    """The conversation item of what the user said aloud."""
    words = {} if event.text is None else {"transcript": event.text}
    sound = {"type": "input_audio", "audio": b64encode(event.data).decode("ascii"), **words}
    return {"type": "message", "role": "user", "content": [sound]}


def call_item(event: AppendCall) -> dict[str, Any]:
    """The conversation item of a tool's call."""
    return {"type": "function_call", "call_id": event.call_id, "name": event.name, "arguments": event.arguments}


def _data_uri(image: bytes) -> str:
    if len(image) > IMAGE_MAX_BYTES:
        raise LocalProtocolError(f"an image of {len(image)} bytes is over the {IMAGE_MAX_BYTES} allowed: scale it down")
    for magic, media_type in _IMAGE_TYPES.items():
        if image.startswith(magic):
            return f"data:{media_type};base64,{b64encode(image).decode('ascii')}"
    raise LocalProtocolError("an image is neither PNG nor JPEG: convert it to one of these")


def url_query(settings: SessionSettings) -> dict[str, str]:
    """The URL's parameters. A transcription session names no model in the URL; its recognizer is a setting."""
    if settings.options.get("type") == "transcription":
        return {"intent": "transcription"}
    return {"model": settings.model or DEFAULT_MODEL}


def _session_object(wanted: Mapping[str, Any]) -> dict[str, Any]:
    in_order = {name: wanted[name] for name in _FRAGMENTS if name in wanted}
    return {"type": "realtime", **_object_of(in_order, _FRAGMENTS)}


def _object_of(wanted: Mapping[str, Any], fragments: Mapping[str, Fragment]) -> dict[str, Any]:
    """The fragments of all that is wanted, merged in order. A value may hold a secret: no error shows it."""
    out: dict[str, Any] = {}
    for name, value in wanted.items():
        if value is not None:
            try:
                _merge(out, fragments[name](value))
            except (TypeError, ValueError, AttributeError) as error:
                kind = type(value).__name__
                raise LocalProtocolError(f"{name} cannot be this {kind}: see SessionSettings for its form") from error
    return out


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` copied over it, object by object; lists and values are replaced."""
    for key, value in over.items():
        below = base.get(key)
        base[key] = _merge(below if isinstance(below, dict) else {}, value) if isinstance(value, Mapping) else value
    return base


def _audio_input(key: str, value: Any) -> dict[str, Any]:
    return {"audio": {"input": {key: value}}}


def _audio_output(key: str, value: Any) -> dict[str, Any]:
    return {"audio": {"output": {key: value}}}


def _modalities(wanted: Iterable[str]) -> list[str]:
    chosen = _OUTPUT_MODALITIES.get(frozenset([wanted] if isinstance(wanted, str) else wanted))
    if chosen is None:
        raise no_modalities("openai", tuple(wanted), [("audio",), ("text",)])
    return [chosen]


def _turn_detection(turns: Any) -> dict[str, Any] | None:
    if not isinstance(turns, TurnDetection) or turns.mode not in _TURN_FIELDS:
        raise LocalProtocolError(
            "turn_detection takes a TurnDetection with mode 'server', 'semantic' or 'manual': build one of these"
        )
    allowed = _TURN_FIELDS[turns.mode]
    for f in fields(turns):
        if f.name != "mode" and f.name not in allowed and getattr(turns, f.name) is not None:
            raise Unsupported(f"openai takes no {f.name} with turn detection mode {turns.mode!r}: leave it out")
    if turns.mode == "manual":
        return None
    tuned = {name: getattr(turns, name) for name in allowed if getattr(turns, name) is not None}
    return {"type": _TURN_TYPES[turns.mode], **tuned}


def _transcription(wanted: bool | str | Mapping[str, Any]) -> dict[str, Any] | None:
    if wanted is False:
        return None
    if wanted is True:
        return {"model": TRANSCRIPTION_MODEL}
    return {"model": wanted} if isinstance(wanted, str) else dict(wanted)


def _tool_choice(wanted: str | Mapping[str, Any]) -> str | dict[str, Any]:
    if not isinstance(wanted, str):
        return dict(wanted)
    return wanted if wanted in ("auto", "none", "required") else {"type": "function", "name": wanted}


def _speed(value: float) -> float:
    if not _SPEED_MIN <= value <= _SPEED_MAX:
        raise Unsupported(f"openai speaks at speed {_SPEED_MIN} to {_SPEED_MAX}, not {value}: choose within these")
    return value


def _format(wanted: AudioFormat, capability: str) -> dict[str, Any]:
    if wanted not in FORMATS:
        raise no_format("openai", wanted, ", ".join(map(str, FORMATS)), capability)
    return dict(FORMATS[wanted])


def _refuse_temperature(value: float) -> dict[str, Any]:
    from . import with_capability

    others = with_capability("temperature")
    where = f"use {' or '.join(others)} for it, or leave it out" if others else "no provider here does, leave it out"
    raise Unsupported(f"openai takes no temperature: {where}")


Fragment: TypeAlias = Callable[[Any], Mapping[str, Any]]

_FRAGMENTS: Mapping[str, Fragment] = {
    "model": lambda value: {},  # the URL says it
    "voice": lambda value: _audio_output("voice", value),
    "instructions": lambda value: {"instructions": value},
    "modalities": lambda value: {"output_modalities": _modalities(value)},
    "turn_detection": lambda value: _audio_input("turn_detection", _turn_detection(value)),
    "transcription": lambda value: _audio_input("transcription", _transcription(value)),
    "tools": lambda value: {"tools": [{"type": "function", **tool} for tool in value]},
    "tool_choice": lambda value: {"tool_choice": _tool_choice(value)},
    "temperature": _refuse_temperature,
    "speed": lambda value: _audio_output("speed", _speed(value)),
    "max_output_tokens": lambda value: {"max_output_tokens": value},
    "input_format": lambda value: _audio_input("format", _format(value, "input_formats")),
    "output_format": lambda value: _audio_output("format", _format(value, "output_formats")),
    "options": lambda value: value,  # last: it lies on top of all else
}

_RESPONSE_FRAGMENTS: Mapping[str, Fragment] = {
    **{name: _FRAGMENTS[name] for name in ("instructions", "modalities", "voice", "max_output_tokens", "tool_choice")},
    "out_of_band": lambda value: {"conversation": "none"} if value else {},
    "input": lambda value: {"input": [dict(item) for item in value]},
    "metadata": lambda value: {"metadata": dict(value)},
}
