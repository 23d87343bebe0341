"""The wire fixtures: one conversation per file, read by the tests of a codec and of its emulator alike.

The format is told in `README.md` beside this file.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aigw_notebook import events
from aigw_notebook.audio.formats import AudioFormat
from aigw_notebook.providers.base import SessionSettings, TurnDetection

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Line:
    """One line of a flow. `frame` is what the socket carries; None for a handshake and for a close."""

    dir: Literal["<", ">"]
    message: Any = None
    messages: list[Any] | None = None
    text: str | None = None
    binary: str | None = None
    events: list[dict[str, Any]] | None = None
    event: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    handshake: dict[str, Any] | None = None
    close: dict[str, Any] | None = None
    alarm: bool = False

    @property
    def said(self) -> list[Any]:
        """The messages of a line, in order; none for an event that says nothing by itself."""
        return self.messages or ([] if self.message is None else [self.message])

    @property
    def frame(self) -> str | bytes | None:
        if self.binary is not None:
            return b64decode(self.binary)
        return self.text if self.message is None else json.dumps(self.message)


def flow_names(provider: str) -> list[str]:
    """The names of a provider's flows, sorted."""
    return sorted(path.stem for path in (HERE / provider).glob("*.jsonl"))


def flow(provider: str, name: str) -> list[Line]:
    """The lines of one flow, in order."""
    text = (HERE / provider / f"{name}.jsonl").read_text(encoding="utf-8")
    return [Line(**json.loads(line)) for line in text.splitlines()]


def build_event(spec: Mapping[str, Any]) -> Any:
    """The event that a fixture describes: its class by `type`, its fields by name."""
    made = {name: _field(name, value) for name, value in spec.items() if name != "type"}
    return getattr(events, spec["type"])(**made)


def build_settings(spec: Mapping[str, Any]) -> SessionSettings:
    """The session settings that a fixture describes."""
    return SessionSettings(**{name: _setting(name, value) for name, value in spec.items()})


def _setting(name: str, value: Any) -> Any:
    if name == "turn_detection" and isinstance(value, Mapping):
        return TurnDetection(**value)
    return _field(name, value)


def _changes(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _setting(name, inner) for name, inner in value.items()}


_FIELDS: Mapping[str, Any] = {
    "data": b64decode,
    "images": lambda value: tuple(map(b64decode, value)),
    "format": lambda value: AudioFormat(**value),
    "input_format": lambda value: AudioFormat(**value),
    "output_format": lambda value: AudioFormat(**value),
    "usage": lambda value: events.Usage(**value),
    "limits": lambda value: tuple(events.RateLimit(**limit) for limit in value),
    "changes": _changes,
}
_TUPLES = {"modalities", "tools", "input", "call_ids", "words", "start_ms", "end_ms"}


def _field(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TUPLES and isinstance(value, list):
        return tuple(value)
    return _FIELDS[name](value) if name in _FIELDS else value
