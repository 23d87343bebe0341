"""The session object: its defaults as the service sends them, and how an update changes it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeAlias

from ...audio.formats import ALAW_8K, PCM16_24K, ULAW_8K, AudioFormat
from ..engines.endings import Ending
from .openai_schema import Refusal

__all__ = [
    "DEFAULT_VOICE",
    "LIVE_TRANSCRIPTION_MODELS",
    "SEMANTIC_SILENCE_MS",
    "audio_format",
    "new_session",
    "updated_session",
    "voice_name",
]

JsonObject: TypeAlias = dict[str, Any]

DEFAULT_VOICE = "alloy"
DEFAULT_INSTRUCTIONS = (
    "Your knowledge cutoff is unknown. You are a helpful assistant, emulated on this machine. "
    "Default instructions of the emulator; set `instructions` to replace them."
)
DEFAULT_TRANSCRIPTION_MODEL = "gpt-transcribe"  # a guess: a transcription object without a model
LIVE_TRANSCRIPTION_MODELS = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""These take no turn detection in a transcription session."""

_MEDIUM: Mapping[Ending, int] = {"finished": 800, "unclear": 1_600, "unfinished": 4_000}
SEMANTIC_SILENCE_MS: Mapping[str, Mapping[Ending, int]] = {
    "low": {"finished": 1_500, "unclear": 4_000, "unfinished": 8_000},
    "medium": _MEDIUM,
    "auto": _MEDIUM,
    "high": {"finished": 400, "unclear": 800, "unfinished": 2_000},
}
"""The silence that ends a turn, by eagerness and by how its words end. The longest are the documented ones."""

GUESSED_MODEL_CODE = "invalid_value"  # the session's model is another than that of the URL
GUESSED_KIND_CODE = "invalid_value"  # an update of the other type of session
GUESSED_TRACING_CODE = "cannot_update_tracing"  # tracing is changed once it is on
GUESSED_LIVE_VAD_CODE = "invalid_value"  # turn detection with a live transcription model
GUESSED_MCP_CODE = "invalid_value"  # MCP is not emulated

SERVER_VAD: JsonObject = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}
SWITCHES: JsonObject = {"create_response": True, "interrupt_response": True}
VAD_DEFAULTS: dict[str, JsonObject] = {
    "server_vad": {**SERVER_VAD, "idle_timeout_ms": None, **SWITCHES},
    "semantic_vad": {"type": "semantic_vad", "eagerness": "auto", **SWITCHES},
}
FORMATS: dict[str, AudioFormat] = {"audio/pcm": PCM16_24K, "audio/pcmu": ULAW_8K, "audio/pcma": ALAW_8K}
PCM: JsonObject = {"type": "audio/pcm", "rate": 24_000}

MERGED = frozenset(("audio", "input", "output", "turn_detection", "noise_reduction", "transcription"))
"""The objects that an update changes field by field; every other value it replaces."""


def audio_format(declared: Mapping[str, Any]) -> AudioFormat:
    """The format that `{"type": "audio/…"}` declares."""
    return FORMATS[declared["type"]]


def voice_name(voice: str | Mapping[str, Any]) -> str:
    """The name of a voice given by name or as `{"id": …}`."""
    return voice if isinstance(voice, str) else str(voice["id"])


def new_session(*, session_id: str, expires_at: int, model: str | None) -> JsonObject:
    """The session as `session.created` shows it; without a model it is a transcription session."""
    identity = {"id": session_id, "expires_at": expires_at}
    listening = {"format": dict(PCM), "transcription": None, "noise_reduction": None}
    if model is None:
        audio = {"input": {**listening, "turn_detection": dict(SERVER_VAD)}}
        return {
            "type": "transcription", "object": "realtime.transcription_session", **identity, "audio": audio,
            "include": None,
        }  # fmt: skip
    return {
        "type": "realtime",
        "object": "realtime.session",
        **identity,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "audio": {
            "input": {**listening, "turn_detection": deepcopy(VAD_DEFAULTS["server_vad"])},
            "output": {"format": dict(PCM), "voice": DEFAULT_VOICE, "speed": 1.0},
        },
        "include": None,
    }


def updated_session(session: JsonObject, update: Mapping[str, Any], *, voice_locked: bool) -> JsonObject:
    """The session after a well-formed `session.update`, as a new object. Raises `Refusal`: then nothing changes."""
    _check_fixed(session, update)
    merged: JsonObject = _merge(session, update)
    listening = merged["audio"]["input"]
    _complete(listening, transcribing=session["type"] == "transcription")
    _check_merged(session, merged, voice_locked=voice_locked)
    return merged


def _merge(current: Mapping[str, Any], update: Mapping[str, Any]) -> JsonObject:
    merged = dict(current)
    for name, value in update.items():
        old = current.get(name)
        same = isinstance(value, dict) and isinstance(old, dict) and value.get("type") == old.get("type")
        if name in MERGED and isinstance(value, dict) and isinstance(old, dict) and (same or "type" not in value):
            merged[name] = _merge(old, value)
        else:
            merged[name] = deepcopy(value)
    return merged


def _complete(listening: JsonObject, *, transcribing: bool) -> None:
    """Fill in what a newly given object leaves to its defaults."""
    detection = listening["turn_detection"]
    if detection is not None:
        defaults = SERVER_VAD if transcribing and detection["type"] == "server_vad" else VAD_DEFAULTS[detection["type"]]
        listening["turn_detection"] = {**defaults, **detection}
    if listening["noise_reduction"] is not None:
        listening["noise_reduction"] = {"type": "near_field", "strength": 1.0, **listening["noise_reduction"]}
    if listening["transcription"] is not None:
        shown = {name: value for name, value in listening["transcription"].items() if name != "delay"}
        listening["transcription"] = {"model": DEFAULT_TRANSCRIPTION_MODEL, **shown}
    if listening["format"]["type"] == "audio/pcm":
        listening["format"] = dict(PCM)


def _check_fixed(session: JsonObject, update: Mapping[str, Any]) -> None:
    if update["type"] != session["type"]:
        message = f"Passing a {update['type']} session update event to a {session['type']} session is not allowed."
        raise Refusal(GUESSED_KIND_CODE, message, "session.type")
    if update.get("model", session.get("model")) != session.get("model"):
        raise Refusal(GUESSED_MODEL_CODE, "Cannot change the model of a running session.", "session.model")
    if session.get("tracing") is not None and update.get("tracing", session["tracing"]) != session["tracing"]:
        raise Refusal(GUESSED_TRACING_CODE, "Cannot update tracing once it is enabled.", "session.tracing")
    refuse_mcp(update.get("tools") or (), "session.tools")


def refuse_mcp(tools: Any, path: str) -> None:
    """Raise `Refusal` if a tool is an MCP server: those the service calls itself, the emulator does not."""
    for index, tool in enumerate(tools):
        if tool["type"] == "mcp":
            raise Refusal(GUESSED_MCP_CODE, "MCP tools are not emulated locally.", f"{path}[{index}].type")


def _check_merged(session: JsonObject, merged: JsonObject, *, voice_locked: bool) -> None:
    output, listening = merged["audio"].get("output"), merged["audio"]["input"]
    if voice_locked and output["voice"] != session["audio"]["output"]["voice"]:
        refuse_voice("session.audio.output.voice")
    transcription = listening["transcription"] or {}
    if merged["type"] == "transcription" and transcription.get("model") in LIVE_TRANSCRIPTION_MODELS:
        _check_live(transcription["model"], listening["turn_detection"])
    if output is not None and output["format"]["type"] == "audio/pcm":
        output["format"] = dict(PCM)


def refuse_voice(path: str) -> None:
    """Raise the `Refusal` of a change of voice after the model has spoken."""
    message = "Cannot update a conversation's voice if assistant audio is present."
    raise Refusal("cannot_update_voice", message, path)


def _check_live(model: str, detection: JsonObject | None) -> None:
    if detection is not None:
        message = f"Turn detection is not supported with '{model}': set it to null."
        raise Refusal(GUESSED_LIVE_VAD_CODE, message, "session.audio.input.turn_detection")
