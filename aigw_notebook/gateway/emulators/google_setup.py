"""Gemini Live: what a `setup` means for a session, and which ones the service refuses.

Close codes and texts are those its users report; where nobody has, the nearest of them is taken as a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .google_wire import INVALID, Refusal
from .stage import JsonObject

__all__ = ["AUDIO_ONLY", "Function", "Setup", "functions_of", "instructions_of"]

AUDIO_ONLY = (
    "gemini-3.8-live",
    "gemini-3.1-flash-live",
    "gemini-2.5-flash-native-audio",
    "gemini-3.5-live-translate",
)
TEXT_ONLY = ("gemini-3.5-transcribe-live",)
MODELS = (*AUDIO_ONLY, *TEXT_ONLY)
"""A model is known when it begins like one of these."""

THINKING = "gemini-3.8-live-extended-thinking"
NON_BLOCKING_MODELS = ("gemini-3.8-live",)
"""What begins like this speaks on while a tool runs, unless the tool is declared blocking."""

VOICES = (
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus",
    "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam",
    "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
)  # fmt: skip
DEFAULT_VOICE = "Zephyr"  # a guess

GUESSED_PREFIX_MS = 300
GUESSED_SILENCE_MS = {"END_SENSITIVITY_HIGH": 500, "END_SENSITIVITY_LOW": 800}
GUESSED_THRESHOLD = {"START_SENSITIVITY_HIGH": 0.5, "START_SENSITIVITY_LOW": 0.75}

_NAME = re.compile(r"[A-Za-z_][\w.:-]{0,127}", re.ASCII)

_REFUSED_BY_MODEL: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "gemini-3.8-live": (("generationConfig", "enableAffectiveDialog"),),
    "gemini-3.5-live-translate": (("tools",), ("systemInstruction",)),
}
"""Fields of a setup, as paths, that a model which begins so does not take."""


@dataclass(frozen=True, slots=True)
class Function:
    """One declared function: what a responder is told of it, and whether the model waits for its result."""

    declaration: Mapping[str, Any]
    blocking: bool


@dataclass(slots=True, kw_only=True)
class Setup:
    """A session's settings. Instructions and functions may be changed by a `contextUpdate`."""

    model: str
    modality: str
    voice: str
    instructions: str
    functions: list[Function] = field(default_factory=list)
    automatic: bool = True
    threshold: float = 0.5
    prefix_padding_ms: int = GUESSED_PREFIX_MS
    silence_duration_ms: int = 500
    interrupts: bool = True
    transcribes_input: bool = False
    transcribes_output: bool = False
    resumable: bool = False
    handle: str | None = None
    takes_history: bool = False
    max_output_tokens: int | None = None

    @property
    def thinks_on(self) -> bool:
        """Whether the model may end several utterances in one answer, and says beside each if more follows."""
        return self.model.startswith(THINKING)

    @property
    def transcribes_only(self) -> bool:
        """Whether the model writes down what it hears and says nothing of its own."""
        return self.model.startswith(TEXT_ONLY)

    @classmethod
    def of(cls, setup: JsonObject) -> Setup:
        """The session of a well-formed `setup`. Raises `Refusal`."""
        model = _model(setup.get("model") or "", setup)
        generation = setup.get("generationConfig") or {}
        listening = setup.get("realtimeInputConfig") or {}
        detection = listening.get("automaticActivityDetection") or {}
        resumption = setup.get("sessionResumption")
        silence_ms = GUESSED_SILENCE_MS[detection.get("endOfSpeechSensitivity", "END_SENSITIVITY_HIGH").upper()]
        return cls(
            model=model,
            modality=_modality(generation, model),
            voice=_voice(generation),
            instructions=instructions_of(setup),
            functions=functions_of(setup.get("tools") or (), model),
            automatic=not detection.get("disabled"),
            threshold=GUESSED_THRESHOLD[detection.get("startOfSpeechSensitivity", "START_SENSITIVITY_HIGH").upper()],
            prefix_padding_ms=int(detection.get("prefixPaddingMs", GUESSED_PREFIX_MS)),
            silence_duration_ms=int(detection.get("silenceDurationMs", silence_ms)),
            interrupts=listening.get("activityHandling", "").upper() != "NO_INTERRUPTION",
            transcribes_input=setup.get("inputAudioTranscription") is not None,
            transcribes_output=setup.get("outputAudioTranscription") is not None,
            resumable=resumption is not None,
            handle=(resumption or {}).get("handle") or None,
            takes_history=bool((setup.get("historyConfig") or {}).get("initialHistoryInClientContent")),
            max_output_tokens=int(generation["maxOutputTokens"]) if generation.get("maxOutputTokens") else None,
        )


def instructions_of(holder: JsonObject) -> str:
    """The text of a `systemInstruction`."""
    parts = (holder.get("systemInstruction") or {}).get("parts") or ()
    return "\n".join(part["text"] for part in parts if part.get("text"))


def functions_of(tools: Iterable[JsonObject], model: str) -> list[Function]:
    """The functions that these tools declare. Raises `Refusal`."""
    declared = [function for tool in tools for function in tool.get("functionDeclarations") or ()]
    return [_function(function, model) for function in declared]


def _function(function: JsonObject, model: str) -> Function:
    if not _NAME.fullmatch(function.get("name") or ""):
        raise Refusal(1007, INVALID)
    usual = "NON_BLOCKING" if model.startswith(NON_BLOCKING_MODELS) else "BLOCKING"
    behavior = function.get("behavior", usual).upper()
    if model.startswith(THINKING) and behavior == "BLOCKING":
        raise Refusal(1007, INVALID)
    schema = function.get("parametersJsonSchema") or _json_schema(function.get("parameters") or {})
    declaration = {
        "name": function["name"],
        "description": function.get("description", ""),
        "parameters": schema if isinstance(schema, dict) else {},
    }
    return Function(declaration, behavior == "BLOCKING")


def _json_schema(schema: Any) -> Any:
    """A schema in the service's own words (types in capitals) as a JSON schema."""
    if isinstance(schema, list):
        return [_json_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: value if name == "enum" else _json_schema(value) for name, value in schema.items()}
    if isinstance(plain.get("type"), str):
        plain["type"] = plain["type"].lower()
    return plain


def _model(name: str, setup: JsonObject) -> str:
    model = name.removeprefix("models/")
    if model == name or not model.startswith(MODELS):
        raise Refusal(1008, f"{name} is not found for API version v1beta, or is not supported for bidiGenerateContent.")
    for beginning, paths in _REFUSED_BY_MODEL.items():
        if model.startswith(beginning) and any(_at(setup, path) is not None for path in paths):
            raise Refusal(1007, INVALID)
    if model.startswith("gemini-3.8-live") and (setup.get("proactivity") or {}).get("proactiveAudio") is False:
        raise Refusal(1007, INVALID)
    return model


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _modality(generation: JsonObject, model: str) -> str:
    usual = "TEXT" if model.startswith(TEXT_ONLY) else "AUDIO"
    asked = [name.upper() for name in generation.get("responseModalities") or ()] or ["AUDIO"]
    if asked == ["TEXT"] and generation.get("speechConfig"):
        raise Refusal(1007, "Cannot extract voices from a non-audio request.")
    if asked != [usual]:
        raise Refusal(1007, INVALID)
    return usual


def _voice(generation: JsonObject) -> str:
    config = (generation.get("speechConfig") or {}).get("voiceConfig") or {}
    name = (config.get("prebuiltVoiceConfig") or {}).get("voiceName") or DEFAULT_VOICE
    if name not in VOICES:
        raise Refusal(1007, INVALID)
    return str(name)
