"""ElevenLabs Agents: what a caller wants of a session as the first message of a conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..audio.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_44K, PCM16_48K, ULAW_8K, AudioFormat
from ..errors import Unsupported
from .base import SessionSettings, TurnDetection
from .limits import check_modalities, check_range, check_voice, or_elsewhere, refuse_settings
from .reading import WireObject, merge

__all__ = ["FORMATS", "TITLE", "TOOLS_VARIABLE", "first_message", "is_text_only", "opening_message", "url_query"]

TITLE = "ElevenLabs"

FORMATS: Mapping[str, AudioFormat] = {
    "pcm_16000": PCM16_16K,
    "pcm_8000": PCM16_8K,
    "pcm_22050": AudioFormat("pcm16", 22_050),
    "pcm_24000": PCM16_24K,
    "pcm_44100": PCM16_44K,
    "pcm_48000": PCM16_48K,
    "ulaw_8000": ULAW_8K,
}
"""Every audio format that an agent can have, by its wire name. The agent's own settings choose; a client cannot."""

TOOLS_VARIABLE = "client_tools"
"""The dynamic variable that holds the declarations of the caller's tools, as JSON text.

A client cannot give an agent tools: they are configured on the agent, under the same names. Its prompt can refer to
this variable; one that does not takes no notice of it.
"""

SPEED_MIN, SPEED_MAX = 0.7, 1.2

_KNOWN_SETTINGS = (
    "model",
    "voice",
    "instructions",
    "modalities",
    "turn_detection",
    "transcription",
    "tools",
    "speed",
    "options",
)


def opening_message(settings: SessionSettings) -> WireObject:
    """The `conversation_initiation_client_data` that says the settings: only what the caller set.

    Raises `Unsupported` for a setting that the protocol has no place for.
    """
    refuse_settings(TITLE, settings, known=_KNOWN_SETTINGS)
    check_modalities(TITLE, settings.modalities, known=[("audio",), ("text",)])
    check_voice(TITLE, settings.voice)
    _check_turn_detection(settings.turn_detection)
    override: WireObject = {}
    if settings.instructions is not None:
        merge(override, {"agent": {"prompt": {"prompt": settings.instructions}}})
    if settings.voice is not None:
        merge(override, {"tts": {"voice_id": settings.voice}})
    if settings.speed is not None:
        merge(override, {"tts": {"speed": check_range(TITLE, "speed", settings.speed, SPEED_MIN, SPEED_MAX)}})
    if settings.modalities is not None and tuple(settings.modalities) == ("text",):
        merge(override, {"conversation": {"text_only": True}})
    merge(override, _keywords(settings.transcription))
    message: WireObject = {"type": "conversation_initiation_client_data"}
    if override:
        message["conversation_config_override"] = override
    if settings.tools:
        message["dynamic_variables"] = {TOOLS_VARIABLE: json.dumps([dict(tool) for tool in settings.tools])}
    return merge(message, settings.options)


def is_text_only(message: Mapping[str, Any]) -> bool:
    """Whether an opening message asks for a conversation in writing."""
    override = message.get("conversation_config_override")
    if not isinstance(override, Mapping):
        return False
    conversation = override.get("conversation")
    return bool(override.get("text_only") or (isinstance(conversation, Mapping) and conversation.get("text_only")))


def first_message(message: Mapping[str, Any]) -> str | None:
    """What an opening message makes the agent say first; None where it leaves that to the agent."""
    override = message.get("conversation_config_override")
    agent = override.get("agent") if isinstance(override, Mapping) else None
    said = agent.get("first_message") if isinstance(agent, Mapping) else None
    return said if isinstance(said, str) else None


def url_query(settings: SessionSettings) -> dict[str, str]:
    """The URL's parameters: the model is the agent's id."""
    return {"agent_id": settings.model} if settings.model else {}


def _check_turn_detection(turns: TurnDetection | None) -> None:
    if turns is not None and turns != TurnDetection(mode="server"):
        where = or_elsewhere(f"{turns.mode}_turns") if turns.mode != "server" else ""
        raise Unsupported(
            f"{TITLE} lets the agent's own settings decide when the user has finished: leave turn_detection out{where}"
        )


def _keywords(wanted: Any) -> WireObject:
    """The recognizer always runs; only the words that it should listen for can be given."""
    if wanted is None or wanted is True:
        return {}
    if isinstance(wanted, Mapping) and wanted.keys() == {"keywords"}:
        return {"asr": {"keywords": list(wanted["keywords"])}}
    raise Unsupported(
        f"{TITLE} always transcribes, by the agent's own recognizer: leave transcription out, "
        "or give {'keywords': [...]}"
    )
