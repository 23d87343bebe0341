"""Gemini Live: what a caller says as the provider's own objects: the `setup`, written content, tool results.

Every function here is pure. The service reads the setup once and closes the socket over a field it does not like, so
what it is known to lack raises `Unsupported` before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, NoReturn, TypeAlias

from ..audio.formats import PCM16_16K, PCM16_24K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import AppendText, CreateResponse
from .base import SessionSettings, TurnDetection
from .limits import check_range, check_voice, no_format, no_modalities
from .reading import encode_audio, merge

__all__ = [
    "DEFAULT_MODEL",
    "UPDATABLE",
    "VOICES",
    "audio_type",
    "check_response",
    "content",
    "context_update",
    "detects_turns",
    "function_response",
    "setup_object",
]

DEFAULT_MODEL = "gemini-3.8-live"

VOICES = (
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus",
    "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam",
    "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
)  # fmt: skip
_VOICE_BY_NAME = {name.lower(): name for name in VOICES}

SPEAKING_MODELS = (
    "gemini-3.8-live",
    "gemini-3.1-flash-live",
    "gemini-2.5-flash-native-audio",
    "gemini-3.5-live-translate",
)
"""What begins like these answers with speech only; its words come as a transcript."""

WRITING_MODELS = ("gemini-3.5-transcribe-live",)
"""What begins like these answers in writing only."""

UPDATING_MODEL = "gemini-3.8-live"
"""What begins like this takes `contextUpdate`."""

TALKS_ON = "gemini-3.8-live"
"""While a tool runs this model goes on speaking unless the tool is declared blocking; a turn then has no clear end."""

UPDATABLE = ("instructions", "tools")
"""The settings that a running session can change, by `contextUpdate`."""

TEMPERATURE_RANGE = (0, 2)
IMAGE_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}

_MODALITIES: Mapping[frozenset[str], str] = {
    frozenset({"audio"}): "AUDIO",
    frozenset({"text"}): "TEXT",
    frozenset({"audio", "text"}): "AUDIO",  # speech brings its transcript
}
_TURN_FIELDS: Mapping[str, tuple[str, ...]] = {
    "server": ("prefix_padding_ms", "silence_duration_ms", "interrupt_response"),
    "manual": ("interrupt_response",),
}
_HANDLING = {True: "START_OF_ACTIVITY_INTERRUPTS", False: "NO_INTERRUPTION"}


def setup_object(settings: SessionSettings) -> dict[str, Any]:
    """The `setup` for these settings: only what the caller set, the model, and speech with its transcript."""
    setup = _opening(settings)
    for name, fragment in _FRAGMENTS.items():
        value = getattr(settings, name)
        if value is not None and value != ():
            merge(setup, _said(name, fragment, value))
    if settings.tools:
        setup["tools"] = _tools(settings.tools, settings.model)
    options = dict(settings.options)
    more_tools = options.pop("tools", ())
    merge(setup, options)
    if more_tools:
        setup["tools"] = [*setup.get("tools", ()), *more_tools]
    return setup


def _opening(settings: SessionSettings) -> dict[str, Any]:
    model = settings.model or DEFAULT_MODEL
    modality = _modality(settings.modalities, model)
    if modality != "AUDIO" and settings.voice is not None:
        raise Unsupported("google has no voice for a written answer: leave voice out")
    transcript: dict[str, Any] = {"outputAudioTranscription": {}} if modality == "AUDIO" else {}
    named = model if "/" in model else f"models/{model}"
    return {"model": named, "generationConfig": {"responseModalities": [modality]}, **transcript}


def _said(name: str, fragment: Fragment, value: Any) -> Mapping[str, Any]:
    """A value may hold a secret: no error shows it."""
    try:
        return fragment(value)
    except (TypeError, ValueError, AttributeError) as error:
        kind = type(value).__name__
        raise LocalProtocolError(f"{name} cannot be this {kind}: see SessionSettings for its form") from error


def detects_turns(setup: Mapping[str, Any]) -> bool:
    """Whether the service ends the user's turns under this setup."""
    listening = setup.get("realtimeInputConfig", {})
    detection = listening.get("automaticActivityDetection", {}) if isinstance(listening, Mapping) else {}
    return not (isinstance(detection, Mapping) and detection.get("disabled"))


def audio_type(format: AudioFormat) -> str:
    """The MIME type of spoken input in this format."""
    return f"audio/pcm;rate={format.sample_rate}"


# ------------------------------------------------------------------------------------------------ written content


def content(event: AppendText) -> dict[str, Any]:
    """The turn of a written message. Raises `LocalProtocolError` for an image that cannot be sent."""
    if event.role == "system":
        raise Unsupported("google takes no system message in a conversation: give instructions, or update them")
    if event.images and event.role != "user":
        raise LocalProtocolError("a turn of the model takes no images: put them into one of the user")
    parts: list[dict[str, Any]] = [{"text": event.text}] if event.text or not event.images else []
    parts += [{"inlineData": _blob(image)} for image in event.images]
    return {"role": "model" if event.role == "assistant" else "user", "parts": parts}


def _blob(image: bytes) -> dict[str, str]:
    for magic, media_type in IMAGE_TYPES.items():
        if image.startswith(magic):
            return {"mimeType": media_type, "data": encode_audio(image)}
    raise LocalProtocolError("an image is neither PNG nor JPEG: convert it to one of these")


def check_response(event: CreateResponse) -> None:
    """Raise `Unsupported` if the answer is to be another than the session's settings say."""
    for f in fields(event):
        if getattr(event, f.name) not in (None, False):
            raise Unsupported(
                f"google takes no {f.name} for one answer: set it for the whole session, with connect() or options"
            )


def function_response(call_id: str, name: str, output: str) -> dict[str, Any]:
    """The result of one call; text that is JSON goes as what it means."""
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        value = output
    return {"id": call_id, "name": name, "response": {"output": value}}


def context_update(changes: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """The `contextUpdate` that says `changes`; empty `tools` clear them. Raises `Unsupported` for other settings."""
    known = {f.name for f in fields(SessionSettings)}
    for name in changes:
        if name not in known:
            raise LocalProtocolError(f"there is no setting {name!r}: choose from {', '.join(UPDATABLE)}")
        if name not in UPDATABLE:
            raise Unsupported(f"google cannot change {name} in an open session: connect again with the other value")
    if _name(model).startswith((*SPEAKING_MODELS, *WRITING_MODELS)) and not _name(model).startswith(UPDATING_MODEL):
        raise Unsupported(f"{_name(model)} takes no changes in an open session: connect again with the other value")
    update: dict[str, Any] = {}
    if changes.get("instructions") is not None:
        update.update(_said("instructions", _instructions, changes["instructions"]))
    if changes.get("tools") is not None:
        update["tools"] = {"tools": _tools(changes["tools"], model)}
    return update


# ------------------------------------------------------------------------------------------------------- settings


def _name(model: str | None) -> str:
    return (model or DEFAULT_MODEL).rpartition("/")[2]


def _modality(wanted: Iterable[str] | None, model: str) -> str:
    name = _name(model)
    usual = "TEXT" if name.startswith(WRITING_MODELS) else "AUDIO"
    if wanted is None:
        return usual
    chosen = _MODALITIES.get(frozenset([wanted] if isinstance(wanted, str) else wanted))
    if chosen is None:
        raise no_modalities("google", tuple(wanted), [("audio",)])
    if chosen != usual and name.startswith((*SPEAKING_MODELS, *WRITING_MODELS)):
        does = "speaks, and gives its words as a transcript" if usual == "AUDIO" else "only writes"
        raise Unsupported(f"{name} {does}: leave modalities out")
    return chosen


def _voice(name: str) -> dict[str, Any]:
    check_voice("google", name)
    chosen = _VOICE_BY_NAME.get(name.lower(), name)
    return {"generationConfig": {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": chosen}}}}}


def _temperature(wanted: float) -> dict[str, Any]:
    return {"generationConfig": {"temperature": check_range("google", "temperature", wanted, *TEMPERATURE_RANGE)}}


def _instructions(words: str) -> dict[str, Any]:
    if not isinstance(words, str):
        raise TypeError("not a string")
    return {"systemInstruction": {"parts": [{"text": words}]}}


def _turn_detection(turns: Any) -> dict[str, Any]:
    if not isinstance(turns, TurnDetection):
        raise LocalProtocolError("turn_detection takes a TurnDetection: build one with mode 'server' or 'manual'")
    allowed = _TURN_FIELDS.get(turns.mode)
    if allowed is None:
        _refuse(f"turn detection mode {turns.mode!r}", "semantic_turns")
    for f in fields(turns):
        if f.name != "mode" and f.name not in allowed and getattr(turns, f.name) is not None:
            raise Unsupported(
                f"google takes no {f.name} with turn detection mode {turns.mode!r}: leave it out, or give the "
                "service's own words in options, under realtimeInputConfig"
            )
    handling = {} if turns.interrupt_response is None else {"activityHandling": _HANDLING[turns.interrupt_response]}
    detection: dict[str, Any] = {"disabled": True} if turns.mode == "manual" else _tuned(turns)
    return {"realtimeInputConfig": {**({"automaticActivityDetection": detection} if detection else {}), **handling}}


def _tuned(turns: TurnDetection) -> dict[str, Any]:
    wire = {"prefixPaddingMs": turns.prefix_padding_ms, "silenceDurationMs": turns.silence_duration_ms}
    return {name: value for name, value in wire.items() if value is not None}


def _transcription(wanted: bool | str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(wanted, str):
        raise Unsupported("google has one recognizer only: give transcription=True, or a mapping of its settings")
    if wanted is False:
        return {}
    return {"inputAudioTranscription": {} if wanted is True else dict(wanted)}


def _tools(declared: Iterable[Mapping[str, Any]], model: str | None) -> list[dict[str, Any]]:
    """One tool that holds all functions; none for no functions."""
    blocking = {"behavior": "BLOCKING"} if _name(model) == TALKS_ON else {}
    functions = [{**blocking, **_function(tool)} for tool in declared]
    return [{"functionDeclarations": functions}] if functions else []


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    named = {"parameters": "parametersJsonSchema"}
    return {named.get(key, key): value for key, value in tool.items()}


def _tool_choice(wanted: Any) -> dict[str, Any]:
    if wanted == "auto":
        return {}
    raise Unsupported("google decides by itself which tool to call: leave tool_choice out, or offer fewer tools")


def _input_format(wanted: AudioFormat) -> dict[str, Any]:
    if wanted.encoding != "pcm16":
        raise no_format("google", wanted, f"pcm16, best at {PCM16_16K.sample_rate} Hz", "input_formats")
    return {}  # each chunk says its rate


def _output_format(wanted: AudioFormat) -> dict[str, Any]:
    if wanted != PCM16_24K:
        raise no_format("google", wanted, f"{PCM16_24K} and convert the clip afterwards", "output_formats")
    return {}


def _refuse(what: str, capability: str) -> NoReturn:
    from . import with_capability

    others = with_capability(capability)
    where = f"use {' or '.join(others)} for it, or leave it out" if others else "no provider here does, leave it out"
    raise Unsupported(f"google takes no {what}: {where}")


Fragment: TypeAlias = Callable[[Any], Mapping[str, Any]]

_FRAGMENTS: Mapping[str, Fragment] = {
    "voice": _voice,
    "instructions": _instructions,
    "turn_detection": _turn_detection,
    "transcription": _transcription,
    "tool_choice": _tool_choice,
    "temperature": _temperature,
    "speed": lambda value: _refuse("speed", "speed"),
    "max_output_tokens": lambda value: {"generationConfig": {"maxOutputTokens": value}},
    "input_format": _input_format,
    "output_format": _output_format,
}
"""Each setting with what it adds to the setup; the model, modalities, tools and options are not as simple."""
