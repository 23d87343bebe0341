"""The messages of an ElevenLabs conversation by its protocol's sheet: the SDK has no types for them, save the first.

A field that is not `optional` is always there; one that is optional is left out and never null, where `| None` does not
say so. Unknown fields are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, create_model

__all__ = ["CLIENT", "SERVER", "Event"]

Event: TypeAlias = tuple[str | None, type[BaseModel] | None]
"""Under which key a message has its content, and what that is; no key: the fields stand beside `type`."""


class _Optional:
    """A field that may be left out."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind


def _shape(**fields: Any) -> type[BaseModel]:
    """An object of these fields, and of no others."""
    made: dict[str, Any] = {
        name: (kind.kind, Field(default=None)) if isinstance(kind, _Optional) else (kind, ...)
        for name, kind in fields.items()
    }
    shape: type[BaseModel] = create_model("Shape", __config__=ConfigDict(extra="forbid", strict=True), **made)
    return shape


EventId = Annotated[int, Field(ge=1)]
"""The Python SDK takes 0 for an answer that was interrupted."""

Format = Literal["pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000", "ulaw_8000"]
Share = Annotated[float, Field(ge=0, le=1)]
Time = Annotated[int, Field(ge=0)]
Named = dict[str, Any]
ALIGNMENT = _shape(chars=list[str], char_start_times_ms=list[Time], char_durations_ms=list[Time])
PART = {"text": str, "type": Literal["start", "delta", "stop"]}
TOOL = {"tool_name": str, "tool_call_id": str, "tool_type": Literal["client", "webhook", "system", "mcp"]}
TOOL_ANSWER = {**TOOL, "is_error": bool, "is_called": bool, "event_id": EventId}
ERROR_CODES = Literal[1000, 1002, 1008, 1011, 3000, 3008]
INTEGRATION = _shape(
    integration_id=str, integration_type=Literal["mcp_server", "mcp_integration"], is_connected=bool, tool_count=int
)
USER_WORDS = _shape(user_transcript=str, event_id=EventId)
CORRECTION = _shape(original_agent_response=str, corrected_agent_response=str, event_id=EventId)
NOTHING = _shape()

SERVER: Mapping[str, Event] = {
    "conversation_initiation_metadata": (
        "conversation_initiation_metadata_event",
        _shape(conversation_id=str, agent_output_audio_format=Format, user_input_audio_format=Format),
    ),
    "asr_initiation_metadata": ("asr_initiation_metadata_event", None),
    "ping": ("ping_event", _shape(event_id=EventId, ping_ms=Time | None)),
    "audio": (
        "audio_event",
        _shape(audio_base_64=str, event_id=EventId, alignment=_Optional(ALIGNMENT), is_final=_Optional(bool)),
    ),
    "user_transcript": ("user_transcription_event", USER_WORDS),
    "tentative_user_transcript": ("tentative_user_transcription_event", USER_WORDS),
    "agent_response": (
        "agent_response_event",
        _shape(agent_response=str, event_id=EventId, response_id=_Optional(str)),
    ),
    "agent_response_correction": ("agent_response_correction_event", CORRECTION),
    "agent_response_complete": ("agent_response_complete_event", _shape(event_id=EventId)),
    "agent_response_metadata": ("agent_response_metadata_event", _shape(metadata=Named, event_id=EventId)),
    "agent_chat_response_part": ("text_response_part", _shape(**PART, event_id=EventId)),
    "agent_reasoning_response_part": ("reasoning_response_part", _shape(**PART, event_id=str)),
    "interruption": ("interruption_event", _shape(event_id=EventId)),
    "client_tool_call": (
        "client_tool_call",
        _shape(tool_name=str, tool_call_id=str, parameters=Named, event_id=EventId, expects_response=_Optional(bool)),
    ),
    "agent_tool_request": ("agent_tool_request", _shape(**TOOL, event_id=EventId)),
    "agent_tool_response": ("agent_tool_response", _shape(**TOOL_ANSWER)),
    "agent_tool_response_full_payload": (
        "agent_tool_response_full_payload",
        _shape(**TOOL_ANSWER, full_tool_result=str, is_blocked=bool, truncated=bool),
    ),
    "mcp_tool_call": (
        "mcp_tool_call",
        _shape(
            service_id=str,
            tool_call_id=str,
            tool_name=str,
            tool_description=_Optional(str),
            parameters=Named,
            timestamp=str,
            state=Literal["loading", "awaiting_approval", "success", "failure"],
            approval_timeout_secs=_Optional(int),
            result=_Optional(list[Any]),
            error_message=_Optional(str),
        ),
    ),
    "mcp_connection_status": ("mcp_connection_status", _shape(integrations=list[INTEGRATION])),  # type: ignore[valid-type]
    "vad_score": ("vad_score_event", _shape(vad_score=Share)),
    "context_usage": (
        "context_usage_event",
        _shape(event_id=EventId, model=str, context_tokens=Time, context_limit_tokens=Time),
    ),
    "rich_content": (
        "rich_content",
        _shape(rich_content_id=str, component=str, props=Named, event_id=EventId),
    ),
    "guardrail_triggered": (None, NOTHING),
    "internal_tentative_agent_response": (
        "tentative_agent_response_internal_event",
        _shape(tentative_agent_response=str),
    ),
    "internal_turn_probability": ("turn_probability_internal_event", _shape(turn_probability=Share)),
    "agent_typing": ("agent_typing_event", _shape(is_typing=bool, duration_ms=_Optional(Time))),
    "external_agent_connected": ("external_agent_connected_event", NOTHING),
    "external_agent_disconnected": ("external_agent_disconnected_event", NOTHING),
    "queue_status": ("queue_status_event", _shape(status=Literal["waiting", "admitted", "timed_out"])),
    "error": (
        "error_event",
        _shape(
            code=ERROR_CODES,
            message=_Optional(str),
            error_type=_Optional(str),
            reason=_Optional(str),
            debug_message=_Optional(str),
            details=_Optional(Any),
        ),
    ),
}
"""What an agent says, by `type`; with None for content, anything may be in it."""

USER_MESSAGE: dict[str, Any] = {"text": str | None, "rich_content_id": _Optional(str)}

CLIENT: Mapping[str, type[BaseModel]] = {
    "pong": _shape(event_id=EventId),
    "user_message": _shape(**USER_MESSAGE),
    "user_activity": NOTHING,
    "contextual_update": _shape(text=str, context_id=_Optional(str)),
    "client_tool_result": _shape(tool_call_id=str, result=str, is_error=bool),
    "mcp_tool_approval_result": _shape(tool_call_id=str, is_approved=bool),
    "feedback": _shape(event_id=EventId, score=Literal["like", "dislike"] | None),
    "multimodal_message": _shape(
        text=_Optional(_shape(type=Literal["user_message"], **USER_MESSAGE)),
        file=_Optional(_shape(type=Literal["file_input"], file_id=str)),
    ),
}
"""What a client says after its first message, by `type`: the fields beside it."""
