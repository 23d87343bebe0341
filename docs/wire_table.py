"""What each setting becomes on each provider's wire, found by asking the codecs.

A setting is given, and what is then sent and put into the address is compared with what a session without it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provider_tables import NONE, all_forms, table

from aigw_notebook import providers as registry
from aigw_notebook.errors import AigwError
from aigw_notebook.events import AppendText, CreateResponse
from aigw_notebook.providers import Provider, SessionSettings, TurnDetection
from aigw_notebook.providers.base import counting_ids

__all__ = ["KINDS", "SETTINGS", "becomes", "by_kind", "by_provider", "kind_of"]

Given = Mapping[str, Any]

NOTHING = "taken, nothing is sent"
TOOL = {"name": "clock", "description": "Tell the time", "parameters": {"type": "object", "properties": {}}}


def _turns(**fields: Any) -> list[Given]:
    modes: list[Any] = [fields.pop("mode")] if "mode" in fields else ["server", "semantic", "manual"]
    return [{"turn_detection": TurnDetection(mode=mode, **fields)} for mode in modes]


SETTINGS: dict[str, list[Given]] = {
    "voice": [{"voice": None}],
    "instructions": [{"instructions": "Be brief"}],
    'modalities="text"': [{"modalities": ("text",)}],
    'modalities="audio"': [{"modalities": ("audio",)}],
    'turn_detection="server"': _turns(mode="server"),
    'turn_detection="semantic"': _turns(mode="semantic"),
    'turn_detection="manual"': _turns(mode="manual"),
    "… threshold": _turns(threshold=0.7),
    "… prefix_padding_ms": _turns(prefix_padding_ms=250),
    "… silence_duration_ms": _turns(silence_duration_ms=700),
    "… idle_timeout_ms": _turns(idle_timeout_ms=6000),
    "… eagerness": _turns(eagerness="low"),
    "… create_response": _turns(create_response=False),
    "… interrupt_response": _turns(interrupt_response=False),
    "transcription=True": [{"transcription": True}],
    "transcription=False": [{"transcription": False}],
    'transcription="model"': [{"transcription": "model"}],
    "tools": [{"tools": (TOOL,)}],
    "tool_choice": [{"tools": (TOOL,), "tool_choice": "required"}],
    "temperature": [{"temperature": 0.5}],
    "speed": [{"speed": 1.1}],
    "max_output_tokens": [{"max_output_tokens": 100}],
    "input_format": [{"input_format": None}],
    "output_format": [{"output_format": None}],
    "options": [{"options": {"example": "value"}}],
}
"""Each setting with what is tried for it, the first that is taken counts. None is filled in from the capabilities."""

KINDS: dict[str, str] = {
    "converses": "Models that converse",
    "speaks": "Voices that read aloud",
    "writes_down": "Recognizers that write down",
    "draws": "Models that draw",
    "writes": "Models that answer in writing",
}


def kind_of(provider: Provider) -> str:
    """One of `KINDS`."""
    can = provider.capabilities
    if not can.answers:
        return "writes_down"
    if can.audio_in:
        return "converses"
    return "speaks" if can.audio_out else "draws" if can.image_out else "writes"


def becomes(provider: Provider, setting: str) -> str:
    """What the setting is on the provider's wire, as the cell of a table."""
    for given in SETTINGS[setting]:
        filled = _filled(provider, given)
        try:
            before, after = _said(provider, _without(filled, setting)), _said(provider, filled)
        except AigwError:
            continue
        return _shown({p: v for p, v in after.items() if p not in before or before[p] != v}, filled) or NOTHING
    return NONE


def _filled(provider: Provider, given: Given) -> Given:
    """What is tried, with the last of the known values in the place of None: the first is what one has anyway."""
    can = provider.capabilities
    known = {"voice": can.voices, "input_format": can.input_formats, "output_format": can.output_formats}
    other = {
        name: values[-1] if values[1:] else "a-voice" if name == "voice" else None for name, values in known.items()
    }
    return {name: other[name] if value is None else value for name, value in given.items()}


def _without(given: Given, setting: str) -> Given:
    """The session to compare with: what must be there for the setting to mean anything, and no more."""
    if setting.startswith("…"):
        return {"turn_detection": TurnDetection(mode=given["turn_detection"].mode)}
    return {"tools": given["tools"]} if "tool_choice" in given else {}


def _said(provider: Provider, given: Given) -> dict[str, Any]:
    """All that a session with these settings says at its beginning, by place."""
    settings = SessionSettings(model=provider.default_model, **given)
    codec = provider.codec(settings, ids=counting_ids(""))
    codec.opening()
    messages = codec.messages_to_send()
    if not messages and provider.capabilities.text_in:  # a protocol that has no opening says it with each question
        codec.send(AppendText(text="Hello"))
        codec.send(CreateResponse())
        messages = codec.messages_to_send()
    found = {f"?{name}": value for name, value in provider.query(settings).items()}
    found |= {"path": provider.tail(settings)}
    for message in messages:
        if isinstance(message, str):
            found |= dict(_leaves(json.loads(message)))
    return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield path, value
    elif "type" in value and not path:
        yield from _leaves({k: v for k, v in value.items() if k not in ("type", "event_id", "context_id")}, "")
    else:
        for name, below in value.items():
            yield from _leaves(below, f"{path}.{name}".lstrip("."))


def _shown(changed: Mapping[str, Any], given: Given) -> str:
    """Each place; and its value where that is another than the one given."""
    own = {str(value) for value in given.values()} | set(map(str, (given.get("options") or {}).values()))
    if turns := given.get("turn_detection"):
        own |= {
            str(value) for name in TurnDetection.__dataclass_fields__ if (value := getattr(turns, name)) is not None
        }
    return ", ".join(f"`{path}{_value(value, own)}`" for path, value in changed.items())


def _value(value: Any, own: set[str]) -> str:
    said = value if isinstance(value, str) else json.dumps(value)
    return "" if str(value) in own or len(said) > 60 else f" = {said}"


def by_provider(name: str) -> str:
    """The settings that a provider or one of its variants takes, a column for each of them."""
    return _table(registry.forms(name))


def by_kind(kind: str) -> str:
    """The settings that providers of one kind take, a column for each provider."""
    return _table({name: form for name, form in all_forms() if kind_of(form) == kind})


def _table(forms: Mapping[str, Provider]) -> str:
    rows: list[Sequence[str]] = []
    for setting in SETTINGS:
        cells = [becomes(form, setting) for form in forms.values()]
        if any(cell != NONE for cell in cells) and (setting.startswith("turn") or {*cells} - {NONE, NOTHING}):
            rows.append([f"`{setting}`", *cells])
    return table(["setting", *(f"`{name}`" for name in forms)], rows)
