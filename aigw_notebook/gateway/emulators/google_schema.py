"""Gemini Live: which client messages are well formed, name by name; an unknown name closes the connection.

The names are those of the official SDK's types; that the service refuses others, and in which words, is a guess from
its HTTP interface.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from .google_wire import Refusal
from .stage import JsonObject

__all__ = ["check_client_message"]

Shape: TypeAlias = Any
"""A mapping of names to shapes, a list of one shape, a tuple of the words there are, or a type; None takes anything."""

_WORD = {str: "TYPE_STRING", bool: "TYPE_BOOL", int: "TYPE_INT64", float: "TYPE_FLOAT"}

BLOB = {"mimeType": str, "data": str, "displayName": str}
PART = {
    "text": str, "inlineData": BLOB, "fileData": None, "thought": bool, "thoughtSignature": str, "functionCall": None,
    "functionResponse": None, "executableCode": None, "codeExecutionResult": None, "videoMetadata": None,
    "mediaResolution": None, "partMetadata": None,
}  # fmt: skip
CONTENT = {"role": str, "parts": [PART]}
FUNCTION = {
    "name": str, "description": str, "parameters": None, "parametersJsonSchema": None, "response": None,
    "responseJsonSchema": None, "behavior": ("BLOCKING", "NON_BLOCKING", "UNSPECIFIED"),
}  # fmt: skip
TOOL = {
    "functionDeclarations": [FUNCTION], "googleSearch": None, "codeExecution": None, "urlContext": None,
    "googleSearchRetrieval": None, "googleMaps": None, "computerUse": None, "fileSearch": None, "mcpServers": None,
}  # fmt: skip
GENERATION = {
    "responseModalities": [("TEXT", "AUDIO", "VIDEO", "IMAGE", "MODALITY_UNSPECIFIED")],
    "temperature": float, "topP": float, "topK": float, "maxOutputTokens": int, "seed": int, "candidateCount": int,
    "presencePenalty": float, "frequencyPenalty": float,
    "mediaResolution": ("MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"),
    "speechConfig": {
        "voiceConfig": {
            "prebuiltVoiceConfig": {"voiceName": str}, "voice": str, "replicatedVoiceConfig": None,
        },
        "languageCode": str,
    },
    "thinkingConfig": {
        "includeThoughts": bool, "thinkingBudget": int, "thinkingLevel": ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"),
    },
    "enableAffectiveDialog": bool,
    "translationConfig": {"targetLanguageCode": str, "echoTargetLanguage": bool},
}  # fmt: skip
LISTENING = {
    "automaticActivityDetection": {
        "disabled": bool,
        "startOfSpeechSensitivity": ("START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW"),
        "endOfSpeechSensitivity": ("END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW"),
        "prefixPaddingMs": int,
        "silenceDurationMs": int,
    },
    "activityHandling": ("START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"),
    "turnCoverage": (
        "TURN_INCLUDES_ONLY_ACTIVITY",
        "TURN_INCLUDES_ALL_INPUT",
        "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
    ),
    "interimTranscriptTimestampEnabled": bool,
}
TRANSCRIPTION = {
    "languageCodes": [str], "customVocabulary": None, "wordTimestamp": None, "diarization": None,
    "mode": ("VERBATIM", "SMART"), "sourceText": None, "languageAuto": None, "languageHints": None,
    "adaptationPhrases": None,
}  # fmt: skip
CLIENT: Shape = {
    "setup": {
        "model": str,
        "generationConfig": GENERATION,
        "systemInstruction": CONTENT,
        "tools": [TOOL],
        "realtimeInputConfig": LISTENING,
        "sessionResumption": {"handle": str},
        "contextWindowCompression": {"triggerTokens": int, "slidingWindow": {"targetTokens": int}},
        "inputAudioTranscription": TRANSCRIPTION,
        "outputAudioTranscription": TRANSCRIPTION,
        "proactivity": {"proactiveAudio": bool, "proactiveVideo": bool},
        "historyConfig": {"initialHistoryInClientContent": bool},
        "avatarConfig": None,
        "safetySettings": [{"category": str, "threshold": str}],
        "labels": None,
    },
    "clientContent": {"turns": [CONTENT], "turnComplete": bool},
    "realtimeInput": {
        "audio": BLOB, "video": BLOB, "text": str, "audioStreamEnd": bool, "activityStart": {}, "activityEnd": {},
        "mediaChunks": [BLOB],
    },
    "toolResponse": {
        "functionResponses": [
            {
                "id": str, "name": str, "response": None, "willContinue": bool, "parts": None,
                "scheduling": ("SILENT", "WHEN_IDLE", "INTERRUPT", "SCHEDULING_UNSPECIFIED"),
            }
        ]
    },
    "contextUpdate": {"systemInstruction": CONTENT, "tools": {"tools": [TOOL]}},
}  # fmt: skip


def check_client_message(message: JsonObject) -> str:
    """The kind of a well-formed message: its one key. Raises `Refusal`."""
    _check(message, CLIENT, "")
    if len(message) != 1:
        raise Refusal(1007, "Invalid value (oneof), oneof field 'message_type' holds not exactly one message.")
    return next(iter(message))


def _check(value: Any, shape: Shape, path: str) -> None:
    if shape is None:
        return
    if isinstance(shape, Mapping):
        _check_object(value, shape, path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Refusal(1007, f"Invalid value at '{path}', a list is expected.")
        for index, part in enumerate(value):
            _check(part, shape[0], f"{path}[{index}]")
    elif isinstance(shape, tuple):
        if not isinstance(value, str) or value.upper() not in shape:
            raise Refusal(1007, f"Invalid value at '{path}' (TYPE_ENUM), {str(value)[:40]!r}")
    elif not _is_a(value, shape):
        raise Refusal(1007, f"Invalid value at '{path}' ({_WORD[shape]}), {str(value)[:40]!r}")


def _check_object(value: Any, shape: Mapping[str, Shape], path: str) -> None:
    if not isinstance(value, dict):
        raise Refusal(1007, f"Invalid value at '{path}', an object is expected.")
    for name, part in value.items():
        if name not in shape:
            where = f" at '{path}'" if path else ""
            raise Refusal(1007, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')
        _check(part, shape[name], f"{path}.{name}" if path else name)


def _is_a(value: Any, kind: type) -> bool:
    """A 64-bit number may be written as a string, a whole number as a float."""
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if kind is int:
        whole = isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value) is not None
        return whole or isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, (int, float) if kind is float else kind)
