"""What tools gave back, and which are about to be called, as sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..base import Said, ToolRequest

__all__ = ["announced", "put_into_words", "trailing_outputs"]

MAX_TOLD = 3
"""So many arguments of a call are told."""


def announced(requests: Sequence[ToolRequest]) -> str:
    """Says which tools are being called, and for what: "I am calling get_weather for Lisbon."""
    calls = [_call(request) for request in requests]
    return f"I am calling {', then '.join(dict.fromkeys(calls))}."


def _call(request: ToolRequest) -> str:
    told = [_plain(value) for value in request.arguments.values() if value not in ("", None, [], {})][:MAX_TOLD]
    return f"{request.name} for {' and '.join(told)}" if told else request.name


def trailing_outputs(conversation: Sequence[Said]) -> list[Said]:
    """The outputs that nobody has answered yet, in order."""
    outputs: list[Said] = []
    for said in reversed(conversation):
        if said.role != "tool":
            break
        outputs.insert(0, said)
    return outputs


def put_into_words(output: Said) -> str:
    """One tool's output as a sentence."""
    name = (output.name or "the tool").replace("_", " ")
    try:
        value = json.loads(output.text)
    except (ValueError, RecursionError):
        value = output.text.strip()
    if isinstance(value, Mapping) and value.get("error"):
        return f"{name.capitalize()} failed: {value['error']}."
    if isinstance(value, Mapping):
        facts = ", ".join(f"{str(key).replace('_', ' ')} is {_plain(part)}" for key, part in value.items())
        return f"According to {name}, {facts}." if facts else f"{name.capitalize()} is done."
    said = _plain(value).rstrip(".")
    return f"According to {name}: {said}." if said else f"{name.capitalize()} is done."


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "nothing"
    if isinstance(value, Mapping):
        return " and ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "nothing"}[value]
    return str(value)
