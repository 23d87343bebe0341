"""A conversation as a file: Markdown to read, JSON to work with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ConfigurationError
from .chat_model import Bubble

__all__ = ["as_file", "as_json", "as_markdown"]

_NAMES = {"user": "You", "assistant": "Model", "tool": "Tool", "notice": "Note"}


def as_markdown(bubbles: Sequence[Bubble], *, where: str) -> str:
    """The conversation to read, headed by where it was held. What was said is not changed: it may hold Markdown."""
    parts = ["# Conversation", *([f"*{where}*"] if where else [])]
    for bubble in bubbles:
        parts.append(f"**{_NAMES[bubble['role']]}**{_remark(bubble)}\n\n{_body(bubble)}".rstrip())
    return "\n\n".join(parts) + "\n"


def _remark(bubble: Bubble) -> str:
    remarks = [
        "spoken" if bubble.get("spoken") else "",
        bubble["status"] if bubble["status"] not in ("completed", "running") else "",
        f"{len(bubble['pictures'])} picture(s)" if bubble.get("pictures") else "",
    ]
    known = ", ".join(filter(None, remarks))
    return f" ({known})" if known else ""


def _body(bubble: Bubble) -> str:
    if bubble["role"] != "tool":
        return str(bubble["text"])
    output = "(no answer)" if bubble["output"] is None else bubble["output"]
    return _fenced(f"{bubble['name']}({bubble['text']})\n→ {output}")


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def as_json(bubbles: Sequence[Bubble], records: Sequence[dict[str, Any]], *, where: str) -> str:
    """What was shown and every record of it, as one object."""
    return json.dumps(
        {"where": where, "conversation": list(bubbles), "records": list(records)}, ensure_ascii=False, indent=1
    )


def as_file(suffix: str, bubbles: Sequence[Bubble], records: Sequence[dict[str, Any]], *, where: str) -> str:
    """The text of a file with that suffix, ".md" or ".json". Raises `ConfigurationError` for any other."""
    forms: dict[str, Callable[[], str]] = {
        ".md": lambda: as_markdown(bubbles, where=where),
        ".json": lambda: as_json(bubbles, records, where=where),
    }
    if suffix not in forms:
        known = " or ".join(forms)
        raise ConfigurationError(f"a conversation is exported to {known}, not to {suffix or 'no suffix'!r}")
    return forms[suffix]()
