"""What a client may ask of an emulated agent in its first message, checked; and the agents that behave otherwise."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .base import Handshake
from .stage import JsonObject

__all__ = [
    "DEFAULT_EVENTS",
    "LOCKED_AGENT",
    "PRIVATE_AGENT",
    "UNKNOWN_AGENT",
    "Failure",
    "Setup",
    "may_enter",
    "read_setup",
    "signature",
]

UNKNOWN_AGENT = "agent_unknown"
LOCKED_AGENT = "agent_locked"
PRIVATE_AGENT = "agent_private"
"""The agent that is not there, the one that allows no override, and the one that wants to know who calls."""

DEFAULT_FIRST_MESSAGE = "Hello! How can I help you?"
TOOLS_VARIABLE = "client_tools"
"""The dynamic variable that stands for the tools configured on the agent: their declarations as JSON text."""

DEFAULT_EVENTS = frozenset(
    {
        "audio",
        "interruption",
        "agent_response",
        "agent_response_correction",
        "user_transcript",
        "tentative_user_transcript",
        "client_tool_call",
        "agent_tool_response",
        "agent_chat_response_part",
    }
)
"""What is sent unless the client names other events; metadata, pings and errors always are."""

_VARIABLE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
_SECRET = secrets.token_bytes(16)


class Failure(Exception):
    """Why the conversation ends: an `error` message with this type, then a close with this code."""

    def __init__(self, error_type: str, message: str, code: int = 1008) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One conversation's settings."""

    text_only: bool
    first_message: str
    prompt: str
    voice: str
    speed: float
    events: frozenset[str]
    tools: tuple[Mapping[str, Any], ...]
    max_duration_s: float | None


def read_setup(message: JsonObject, agent_id: str) -> Setup:
    """The settings in a `conversation_initiation_client_data`, or the `Failure` that ends the conversation."""
    override = _object(message, "conversation_config_override")
    if agent_id == LOCKED_AGENT and (field := _first_field(override)):
        raise Failure("override_error", f"Override for field {field} is not allowed by config.")
    variables = _object(message, "dynamic_variables")
    agent, tts, conversation = (_object(override, name) for name in ("agent", "tts", "conversation"))
    first = _text(agent, "first_message", DEFAULT_FIRST_MESSAGE)
    prompt = _text(_object(agent, "prompt"), "prompt", "")
    events = conversation.get("client_events")
    limit = conversation.get("max_duration_seconds")
    return Setup(
        text_only=bool(override.get("text_only") or conversation.get("text_only")),
        first_message=_filled(first, variables),
        prompt=_filled(prompt, variables),
        voice=_text(tts, "voice_id", ""),
        speed=_speed(tts),
        events=frozenset(map(str, events)) if isinstance(events, list) else DEFAULT_EVENTS,
        tools=_tools(variables.get(TOOLS_VARIABLE)),
        max_duration_s=limit if isinstance(limit, int | float) and not isinstance(limit, bool) else None,
    )


def signature(agent_id: str) -> str:
    """What a signed URL for that agent holds; good while this process runs."""
    return hashlib.blake2b(agent_id.encode(), key=_SECRET, digest_size=16).hexdigest()


def may_enter(handshake: Handshake, agent_id: str) -> bool:
    """Whether whoever calls may talk to that agent: a private one wants a key or a signed URL."""
    if not agent_id.startswith(PRIVATE_AGENT):
        return True
    shown = (handshake.query.get(name) for name in ("conversation_signature", "token"))
    bearer = any(entry.startswith("bearer.") for entry in handshake.subprotocols)
    return handshake.key is not None or bearer or signature(agent_id) in shown


def _object(holder: Mapping[str, Any], name: str) -> JsonObject:
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Failure("invalid_message", f"{name} must be an object.")
    return value


def _text(holder: Mapping[str, Any], name: str, default: str) -> str:
    value = holder.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Failure("value_error", f"{name} must be a string.")
    return value


def _speed(tts: Mapping[str, Any]) -> float:
    speed = tts.get("speed")
    if speed is None:
        return 1.0
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0.7 <= speed <= 1.2:
        raise Failure("value_error", "speed must be a number from 0.7 to 1.2.")
    return speed


def _filled(text: str, variables: Mapping[str, Any]) -> str:
    """The text with its `{{name}}` replaced."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in variables:
            raise Failure("missing_dynamic_variable", f"Missing required dynamic variable: {name}")
        return str(variables[name])

    return _VARIABLE.sub(value, text)


def _tools(told: Any) -> tuple[Mapping[str, Any], ...]:
    try:
        tools = json.loads(told) if isinstance(told, str) else []
    except ValueError:
        return ()
    listed = tools if isinstance(tools, list) else []
    return tuple(tool for tool in listed if isinstance(tool, dict) and isinstance(tool.get("name"), str))


def _first_field(override: Mapping[str, Any]) -> str | None:
    """The name of the first field that is overridden; None when none is."""
    for name, value in override.items():
        if isinstance(value, Mapping):
            inner = _first_field(value)
            if inner is not None:
                return inner
        elif value is not None and value is not False:
            return name
    return None
