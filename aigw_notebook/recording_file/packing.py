"""A recording made into a file: readable lines, and their bytes apart."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import secrets
import zipfile
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..audio.formats import AudioFormat
from ..errors import ConfigurationError
from ..events import AudioDelta
from ..events.plain import to_plain
from ..lines import Line
from ..providers.base import Message
from ..recording import Header, Recording
from ..scrubbing import HIDDEN
from .spans import base64_in
from .tracks import Tracks, encoded

__all__ = ["FORMAT", "LINES", "MANIFEST", "VERSION", "pack", "write"]

FORMAT = "aigw-recording"
VERSION = 1
MANIFEST = "manifest.json"
LINES = "lines.jsonl"

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")


def write(path: str | Path, recording: Recording) -> Path:
    """Write the file, in one step, over one that is there; returns where it is. Raises `ConfigurationError`."""
    target = Path(path).expanduser()
    data = pack(recording)
    beside = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, target)  # noqa: PTH105 - in one step
    except OSError as error:
        beside.unlink(missing_ok=True)
        why = error.strerror or type(error).__name__
        raise ConfigurationError(f"the recording cannot be written to {target} ({why}): choose another place") from None
    return target


def pack(recording: Recording) -> bytes:
    """The bytes of the file; the same for the same recording. Its lines are taken to be without a secret."""
    tracks = Tracks()
    _keep_speech(tracks, recording.lines)
    lines = "".join(_line(line, tracks) for line in recording.lines).encode("utf-8", "surrogatepass")
    sounds = [(track, *encoded(track)) for track in tracks.all]
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "header": _header(recording.header),
        "dropped": recording.dropped,
        "lines": {"count": len(recording.lines), "bytes": len(lines), "sha256": sha256(lines).hexdigest()},
        "scrubbed": sum(HIDDEN in text for text in lines.decode("utf-8", "surrogatepass").splitlines()),
        "tracks": [track.describe(codec) for track, codec, _ in sounds],
    }
    members = [
        (MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode(), zipfile.ZIP_DEFLATED),
        (LINES, lines, zipfile.ZIP_DEFLATED),
        *((track.member(codec), stored, zipfile.ZIP_STORED) for track, codec, stored in sounds),
    ]
    return _zip(members)


def _zip(members: Sequence[tuple[str, bytes, int]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data, method in members:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr, entry.compress_type = 3, 0o644 << 16, method
            file.writestr(entry, data)
    return out.getvalue()


def _header(header: Header) -> dict[str, Any]:
    values = {field.name: getattr(header, field.name) for field in dataclasses.fields(header)}
    return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in values.items()}


def _keep_speech(tracks: Tracks, lines: Sequence[Line]) -> None:
    """The sound of both sides, once: the user's as it was sent, of which what was marked as speech is a part."""
    formats: set[AudioFormat] = {line.value[1] for line in lines if line.kind == "voice"}
    form = formats.pop() if len(formats) == 1 else None
    for line in lines:
        if line.kind == "event" and isinstance(line.value, AudioDelta):
            tracks.keep(line.value.data, "model", line.value.format)
        elif line.kind == "sent" and form is not None:
            for sound in _sounds(line.value, form):
                tracks.keep(sound, "user", form)
    for line in lines:
        if line.kind == "voice":
            tracks.keep_marked(line.value[0], "user", line.value[1])
    tracks.rewind()


def _sounds(message: Message, form: AudioFormat) -> list[bytes]:
    """The bytes in a message that may be sound: whole samples, and no picture."""
    if isinstance(message, bytes) and message[:1] not in (b"{", b"["):
        found = [message]
    else:
        found = [piece.data for piece in base64_in(message if isinstance(message, str) else message.decode("latin-1"))]
    return [data for data in found if not data.startswith(_PICTURES) and not len(data) % form.bytes_per_sample]


def _line(line: Line, tracks: Tracks) -> str:
    value = line.value
    if line.kind == "event":
        value = to_plain(value)
    elif line.kind == "voice":
        value = {"data": value[0], "format": [value[1].encoding, value[1].sample_rate]}
    fields = [line.t_ms, line.kind, _stored(value, tracks)]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _stored(value: Any, tracks: Tracks) -> Any:
    """A value as JSON: bytes and base64 are spans, in a dict with one key that begins with `$`."""
    if isinstance(value, str):
        pieces = _pieces(value, tracks)
        return value if pieces is None else {"$text": pieces}
    if isinstance(value, bytes):
        return _bytes(value, tracks)
    if isinstance(value, list | tuple):
        return [_stored(inner, tracks) for inner in value]
    if isinstance(value, dict):
        if any(name.startswith("$") for name in value):
            return {"$dict": [[name, _stored(inner, tracks)] for name, inner in value.items()]}
        return {name: _stored(inner, tracks) for name, inner in value.items()}
    return value


def _bytes(data: bytes, tracks: Tracks) -> dict[str, Any]:
    """Bytes that are JSON are kept as text: some providers send it so."""
    if data[:1] in (b"{", b"["):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return {"$bytes": tracks.place(data)}
        return {"$utf8": _pieces(text, tracks) or [text]}
    return {"$bytes": tracks.place(data)}


def _pieces(text: str, tracks: Tracks) -> list[Any] | None:
    """The text in pieces, spans where base64 was; None where it holds none."""
    pieces: list[Any] = []
    end = 0
    for found in base64_in(text):
        span: list[Any] = list(tracks.place(found.data))
        pieces += [text[end : found.start], [*span, found.form] if found.form else span]
        end = found.end
    return [*pieces, text[end:]] if pieces else None
