"""A line as the file keeps it, and back: its words as text, its sound as blobs that are kept once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from ..audio.formats import AudioFormat
from ..events.plain import from_plain, to_plain
from ..lines import Line
from ..recording import Header
from .cutting import Part, cut, joined

__all__ = ["Stored", "header_text", "read_header", "restore", "store"]

BLOB = "$blob"
"""The key that stands for bytes in JSON text."""


class Stored(NamedTuple):
    """The columns of a line: `form` says how `body` is to be read, `parts` what was cut out of it (JSON)."""

    t_ms: float
    kind: str
    form: str
    body: str
    parts: str | None
    scrubbed: bool


def store(line: Line, keep: Callable[[bytes], str], *, scrubbed: bool = False) -> Stored:
    """The line as it is kept. Bytes are handed to `keep`, which gives the name they are kept under."""
    value = line.value
    if line.kind not in ("received", "sent"):
        return Stored(line.t_ms, line.kind, "plain", _plain_text(line, keep), None, scrubbed)
    form, text = ("text", value) if isinstance(value, str) else _read_frame(value)
    if text is None:
        return Stored(line.t_ms, line.kind, "data", keep(value), None, scrubbed)
    body, parts = cut(text, keep)
    return Stored(line.t_ms, line.kind, form, body, json.dumps(parts) if parts else None, scrubbed)


def restore(stored: Stored, blob: Callable[[str], bytes]) -> Line:
    """The line again; `blob` gives the bytes of a name. Raises `KeyError` for an event that this version lacks."""
    kind: Any = stored.kind
    return Line(stored.t_ms, kind, _READERS[stored.form](stored, blob))


def _read_frame(data: bytes) -> tuple[str, str | None]:
    """Some providers send JSON in binary messages; such a message is kept as text."""
    if data[:1] not in (b"{", b"["):
        return "data", None
    try:
        return "frame", data.decode("utf-8")
    except UnicodeDecodeError:
        return "data", None


def _text(stored: Stored, blob: Callable[[str], bytes]) -> str:
    parts = [Part(*part) for part in json.loads(stored.parts)] if stored.parts else []
    return joined(stored.body, parts, blob)


def _plain(stored: Stored, blob: Callable[[str], bytes]) -> Any:
    value = json.loads(stored.body, object_hook=partial(_bytes_again, blob))
    if stored.kind == "event":
        return from_plain(value)
    return (value[0], AudioFormat(*value[1])) if stored.kind == "voice" else value


_READERS: dict[str, Callable[[Stored, Callable[[str], bytes]], Any]] = {
    "text": _text,
    "frame": lambda stored, blob: _text(stored, blob).encode(),
    "data": lambda stored, blob: blob(stored.body),
    "plain": _plain,
}


def _plain_voice(value: tuple[bytes, AudioFormat]) -> list[Any]:
    data, form = value
    return [data, [form.encoding, form.sample_rate]]


_PLAIN: dict[str, Callable[[Any], Any]] = {"event": to_plain, "voice": _plain_voice}


def _plain_text(line: Line, keep: Callable[[bytes], str]) -> str:
    plain = _PLAIN.get(line.kind)
    return json.dumps(line.value if plain is None else plain(line.value), default=partial(_named, keep))


def _named(keep: Callable[[bytes], str], value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {BLOB: keep(bytes(value))}
    return dict(value) if isinstance(value, Mapping) else str(value)


def _bytes_again(blob: Callable[[str], bytes], found: dict[str, Any]) -> Any:
    return blob(found[BLOB]) if found.keys() == {BLOB} else found


def header_text(header: Header) -> str:
    """The header as JSON text."""
    return json.dumps(asdict(header) | {"started_at": header.started_at.isoformat()})


def read_header(text: str) -> Header:
    """The header again; what this version does not know of it is left out."""
    found = json.loads(text)
    known = {field.name: found[field.name] for field in fields(Header) if field.name in found}
    return Header(**known | {"started_at": datetime.fromisoformat(found["started_at"])})
