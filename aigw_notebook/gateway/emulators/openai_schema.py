"""Which client messages are well formed: every field of every one, checked by table, refused in the service's words.

Field names and limits: the official SDK's request types. Codes: `missing_required_parameter`, `unknown_parameter`,
`invalid_value` and `integer_below_min_value` were seen on the wire; those in `GUESSED_CODES` follow their pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

__all__ = ["CLIENT_EVENTS", "GUESSED_CODES", "Refusal", "check_client_event"]

Check: TypeAlias = Callable[[Any, str], None]

GUESSED_CODES = {
    "wrong_type": "invalid_type",
    "integer_too_big": "integer_above_max_value",
    "number_too_small": "decimal_below_min_value",
    "number_too_big": "decimal_above_max_value",
    "text_too_long": "string_above_max_length",
    "too_many": "array_above_max_length",
}
MAX_ITEM_ID_CHARS = 32  # a guess from users' reports
MAX_EVENT_ID_CHARS = 512

SUPPORTED_TYPES = (
    "session.update",
    "session.close",
    "session.input_audio_buffer.append",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "response.create",
    "response.cancel",
)
"""The list that the service gives with an unknown type; the second and third belong to translation sessions."""

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
EFFORTS = ("minimal", "low", "medium", "high", "xhigh")
SAMPLE_RATE = 24_000

_KINDS = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array", dict: "an object"}


class Refusal(Exception):
    """A client message that is refused: it becomes an `error` event and the session goes on."""

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


def check_client_event(message: Mapping[str, Any]) -> None:
    """Raise `Refusal` unless `message`, a parsed JSON object, is a client event in all its fields."""
    kind = message.get("type")
    if not isinstance(kind, str):
        raise Refusal("invalid_event", "The event must be a JSON object with a string field 'type'.", "type")
    check = CLIENT_EVENTS.get(kind)
    if check is None:
        raise Refusal("invalid_value", f"Invalid value: '{kind}'. {_supported(SUPPORTED_TYPES)}", "type")
    check(message, "")


def _supported(values: Sequence[Any]) -> str:
    quoted = [f"'{value}'" for value in values]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    return f"Supported values are: {listed}."


def _wrong_type(path: str, wanted: str, value: Any) -> Refusal:
    got = "null" if value is None else _KINDS.get(type(value), "something else")
    return Refusal(
        GUESSED_CODES["wrong_type"], f"Invalid type for '{path}': expected {wanted}, but got {got} instead.", path
    )


# ------------------------------------------------------------------------------------------------ building blocks


def _anything(value: Any, path: str) -> None:
    return


def _text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong_type(path, "a string", value)


def _short(limit: int) -> Check:
    def check(value: Any, path: str) -> None:
        _text(value, path)
        if len(value) > limit:
            message = f"Invalid '{path}': string too long. Expected a string with maximum length {limit}."
            raise Refusal(GUESSED_CODES["text_too_long"], message, path)

    return check


def _boolean(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise _wrong_type(path, "a boolean", value)


def _mapping(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object", value)


def _integer(low: int, high: int | None = None) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type(path, "an integer", value)
        _bounded("integer", value, path, low, high, "integer_below_min_value", GUESSED_CODES["integer_too_big"])

    return check


def _number(low: float, high: float) -> Check:
    codes = GUESSED_CODES["number_too_small"], GUESSED_CODES["number_too_big"]

    def check(value: Any, path: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _wrong_type(path, "a number", value)
        _bounded("decimal", value, path, low, high, *codes)

    return check


def _bounded(kind: str, value: float, path: str, low: float, high: float | None, low_code: str, high_code: str) -> None:
    if value < low:
        message = f"Invalid '{path}': {kind} below minimum value. Expected a value >= {low}, but got {value} instead."
        raise Refusal(low_code, message, path)
    if high is not None and value > high:
        message = f"Invalid '{path}': {kind} above maximum value. Expected a value <= {high}, but got {value} instead."
        raise Refusal(high_code, message, path)


def _one_of(*values: str) -> Check:
    def check(value: Any, path: str) -> None:
        if value not in values:
            raise Refusal("invalid_value", f"Invalid value: '{value}'. {_supported(values)}", path)

    return check


def _nullable(check: Check) -> Check:
    return lambda value, path: None if value is None else check(value, path)


def _text_or(check: Check, *values: str) -> Check:
    """A string (one of `values`, if given), or what `check` takes."""
    named = _one_of(*values) if values else _text
    return lambda value, path: named(value, path) if isinstance(value, str) else check(value, path)


def _list_of(element: Check, maximum: int | None = None) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise _wrong_type(path, "an array", value)
        if maximum is not None and len(value) > maximum:
            message = f"Invalid '{path}': array too long. Expected an array with maximum length {maximum}."
            raise Refusal(GUESSED_CODES["too_many"], message, path)
        for index, each in enumerate(value):
            element(each, f"{path}[{index}]")

    return check


def _object(required: str = "", **fields: Check) -> Check:
    """A JSON object with no fields but these; `required` names the necessary ones."""

    def check(value: Any, path: str) -> None:
        _mapping(value, path)
        at = f"{path}." if path else ""
        for name in required.split():
            if name not in value:
                raise Refusal("missing_required_parameter", f"Missing required parameter: '{at}{name}'.", at + name)
        for name, each in value.items():
            if name not in fields:
                raise Refusal("unknown_parameter", f"Unknown parameter: '{at}{name}'.", at + name)
            fields[name](each, at + name)

    return check


def _tagged(tag: str, /, **kinds: Check) -> Check:
    """A JSON object whose field `tag` says which of `kinds` it is ("__" in a keyword stands for "/")."""
    table = {name.replace("__", "/"): check for name, check in kinds.items()}
    known = _one_of(*table)

    def check(value: Any, path: str) -> None:
        _mapping(value, path)
        at = f"{path}.{tag}" if path else tag
        if tag not in value:
            raise Refusal("missing_required_parameter", f"Missing required parameter: '{at}'.", at)
        known(value[tag], at)
        table[value[tag]](value, path)

    return check


def _one_modality(value: Any, path: str) -> None:
    _list_of(_one_of("text", "audio"))(value, path)
    if len(value) != 1:
        message = f"Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio']."
        raise Refusal("invalid_value", message, path)


def _metadata(value: Any, path: str) -> None:
    _mapping(value, path)
    _list_of(_anything, 16)(list(value), path)
    for key, each in value.items():
        _short(64)(key, path)
        _short(512)(each, f"{path}.{key}")


# ------------------------------------------------------------------------------------------------------- the fields

FORMAT = _tagged(
    "type",
    audio__pcm=_object(type=_text, rate=_integer(SAMPLE_RATE, SAMPLE_RATE)),
    audio__pcmu=_object(type=_text),
    audio__pcma=_object(type=_text),
)
NOISE_REDUCTION = _nullable(_object(type=_one_of("near_field", "far_field"), strength=_number(0, 1)))
TRANSCRIPTION = _nullable(
    _object(
        model=_text,
        language=_text,
        prompt=_text,
        delay=_one_of(*EFFORTS),
        keywords=_list_of(_text),
        languages=_list_of(_text),
    )
)
TURN_DETECTION = _nullable(
    _tagged(
        "type",
        server_vad=_object(
            type=_text,
            threshold=_number(0, 1),
            prefix_padding_ms=_integer(0),
            silence_duration_ms=_integer(0),
            idle_timeout_ms=_nullable(_integer(0)),
            create_response=_boolean,
            interrupt_response=_boolean,
        ),
        semantic_vad=_object(
            type=_text,
            eagerness=_one_of("low", "medium", "high", "auto"),
            create_response=_boolean,
            interrupt_response=_boolean,
        ),
    )
)
AUDIO_INPUT = _object(
    format=FORMAT, noise_reduction=NOISE_REDUCTION, transcription=TRANSCRIPTION, turn_detection=TURN_DETECTION
)
NAMED_VOICE = _one_of(*VOICES)
VOICE = _text_or(_object("id", id=_text), *VOICES)
TOOL = _tagged(
    "type",
    function=_object("name", type=_text, name=_text, description=_text, parameters=_mapping),
    mcp=_object(
        "server_label",
        type=_text,
        server_label=_text,
        server_url=_text,
        connector_id=_text,
        tunnel_id=_text,
        authorization=_text,
        headers=_nullable(_mapping),
        allowed_tools=_anything,
        allowed_callers=_anything,
        require_approval=_anything,
        server_description=_text,
        defer_loading=_boolean,
    ),
)
TOOL_CHOICE = _text_or(
    _tagged(
        "type",
        function=_object("name", type=_text, name=_text),
        mcp=_object("server_label", type=_text, server_label=_text, name=_nullable(_text)),
    ),
    "auto",
    "none",
    "required",
)
MAX_OUTPUT_TOKENS = _text_or(_integer(1, 32_000), "inf")
REASONING = _object(effort=_one_of(*EFFORTS))
PROMPT = _nullable(_object("id", id=_text, version=_nullable(_text), variables=_nullable(_mapping)))
INCLUDE = _nullable(_list_of(_one_of("item.input_audio_transcription.logprobs")))
TRUNCATION = _text_or(
    _object(
        "type retention_ratio",
        type=_one_of("retention_ratio"),
        retention_ratio=_number(0, 1),
        token_limits=_nullable(_object(post_instructions=_integer(0))),
    ),
    "auto",
    "disabled",
)
TRACING = _nullable(_text_or(_object(workflow_name=_text, group_id=_text, metadata=_anything), "auto"))

SESSION = _tagged(
    "type",
    realtime=_object(
        type=_text,
        model=_text,
        output_modalities=_one_modality,
        instructions=_text,
        tools=_list_of(TOOL),
        tool_choice=TOOL_CHOICE,
        parallel_tool_calls=_boolean,
        reasoning=REASONING,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        tracing=TRACING,
        truncation=TRUNCATION,
        prompt=PROMPT,
        include=INCLUDE,
        audio=_object(input=AUDIO_INPUT, output=_object(format=FORMAT, voice=VOICE, speed=_number(0.25, 1.5))),
    ),
    transcription=_object(type=_text, include=INCLUDE, audio=_object(input=AUDIO_INPUT)),
)

INPUT_TEXT = _object("text", type=_text, text=_text)
INPUT_AUDIO = _object("audio", type=_text, audio=_text, transcript=_nullable(_text))
INPUT_IMAGE = _object("image_url", type=_text, image_url=_text, detail=_one_of("auto", "low", "high"))
OUTPUT_TEXT = _object("text", type=_text, text=_text)


def _message(**parts: Check) -> Check:
    return _object(
        "content",
        id=_short(MAX_ITEM_ID_CHARS),
        object=_one_of("realtime.item"),
        type=_text,
        role=_text,
        status=_one_of("in_progress", "completed", "incomplete"),
        content=_list_of(_tagged("type", **parts)),
    )


_ITEM_FIELDS: dict[str, Check] = {
    "id": _short(MAX_ITEM_ID_CHARS),
    "object": _one_of("realtime.item"),
    "type": _text,
    "status": _one_of("in_progress", "completed", "incomplete"),
}
ITEMS: dict[str, Check] = {
    "message": _tagged(
        "role",
        user=_message(input_text=INPUT_TEXT, input_audio=INPUT_AUDIO, input_image=INPUT_IMAGE),
        system=_message(input_text=INPUT_TEXT),
        assistant=_message(output_text=OUTPUT_TEXT),
    ),
    "function_call": _object("name arguments", **_ITEM_FIELDS, call_id=_text, name=_text, arguments=_text),
    "function_call_output": _object("call_id output", **_ITEM_FIELDS, call_id=_text, output=_text),
}
ITEM = _tagged("type", **ITEMS)
CONTEXT_ITEM = _tagged("type", **ITEMS, item_reference=_object("id", type=_text, id=_text))

RESPONSE = _object(
    instructions=_text,
    output_modalities=_one_modality,
    audio=_object(output=_object(format=FORMAT, voice=VOICE)),
    tools=_list_of(TOOL),
    tool_choice=TOOL_CHOICE,
    parallel_tool_calls=_boolean,
    reasoning=REASONING,
    max_output_tokens=MAX_OUTPUT_TOKENS,
    prompt=PROMPT,
    metadata=_nullable(_metadata),
    conversation=_one_of("auto", "none"),
    input=_list_of(CONTEXT_ITEM),
)


def _event(required: str = "", **fields: Check) -> Check:
    return _object(required, type=_text, event_id=_nullable(_short(MAX_EVENT_ID_CHARS)), **fields)


CLIENT_EVENTS: dict[str, Check] = {
    "session.update": _event("session", session=SESSION),
    "input_audio_buffer.append": _event("audio", audio=_text),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event("item", item=ITEM, previous_item_id=_nullable(_text)),
    "conversation.item.retrieve": _event("item_id", item_id=_text),
    "conversation.item.truncate": _event(
        "item_id content_index audio_end_ms", item_id=_text, content_index=_integer(0), audio_end_ms=_integer(0)
    ),
    "conversation.item.delete": _event("item_id", item_id=_text),
    "response.create": _event(response=_nullable(RESPONSE)),
    "response.cancel": _event(response_id=_nullable(_text)),
}
"""Type → check, of all that a realtime or transcription session takes over a WebSocket."""
