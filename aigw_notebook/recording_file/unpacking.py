"""A file made into a recording again, within bounds: what cannot be read is refused in one sentence."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from ..audio.formats import AudioFormat
from ..errors import AigwError, ConfigurationError
from ..events import RawEvent
from ..events.plain import from_plain
from ..lines import Kind, Line
from ..recording import Header, Recording
from .packing import FORMAT, LINES, MANIFEST, VERSION
from .spans import as_span, written
from .tracks import decoded

__all__ = ["MAX_BYTES", "MAX_RESTORED_BYTES", "read", "unpack"]

MAX_BYTES = 1 << 30
"""So many bytes of lines and sound together are read from a file: six hours of speech of both sides."""

MAX_RESTORED_BYTES = 4 << 30
"""So many bytes may the lines have in memory, the same sound counted wherever it stands."""

_MAX_MANIFEST = 1 << 20
_MAX_TRACKS = 64
_KINDS = frozenset(get_args(Kind))

DAMAGED = "the recording is damaged or was cut short: copy it again from where it was saved"


def read(path: str | Path) -> Recording:
    """The recording in that file. Raises `ConfigurationError`, which says what is wrong with it."""
    source = Path(path).expanduser()
    try:
        data = source.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationError(f"the recording {source} cannot be read ({why}): check the path") from None
    try:
        return unpack(data)
    except ConfigurationError as error:
        raise type(error)(f"{source.name}: {error}") from None


def unpack(data: bytes) -> Recording:
    """The recording that `pack` was given, messages byte for byte; events without their `raw`.

    An event of a type that this version does not know becomes a `RawEvent` of that kind. Raises `ConfigurationError`.
    """
    try:
        file = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        what = DAMAGED if data[:2] == b"PK" else "this is no recording: give a file that `session.save` has written"
        raise ConfigurationError(what) from None
    with file:
        try:
            return _recording(_Source(file))
        except AigwError:
            raise
        except Exception as error:  # of zip, zlib, JSON, dates, spans: what a damaged file may lead to
            raise ConfigurationError(DAMAGED) from error


class _Source:
    """The members of a file, and how many bytes of it may still be read."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._left = MAX_BYTES

    def member(self, name: str, most: int) -> bytes:
        """All of a member, which has at most so many bytes."""
        with self._file.open(name) as member:
            data = member.read(most + 1)
        if len(data) > most:
            raise _too_large()
        return data

    def take(self, size: int) -> int:
        """Count bytes as read. Raises `ConfigurationError` where that is too much."""
        if type(size) is not int or size < 0:
            raise ValueError("a size is a count")
        self._left -= size
        if self._left < 0:
            raise _too_large()
        return size


def _too_large() -> ConfigurationError:
    return ConfigurationError(f"the recording holds more than {MAX_BYTES >> 20} MB: save a shorter session")


def _recording(source: _Source) -> Recording:
    manifest = _manifest(source)
    about = manifest["lines"]
    lines = source.member(LINES, source.take(about["bytes"]))
    if sha256(lines).hexdigest() != about["sha256"]:
        raise ConfigurationError(DAMAGED)
    restore = _Restore([_track(source, track) for track in manifest["tracks"][:_MAX_TRACKS]])
    return Recording(
        header=_header(manifest["header"]), lines=list(_lines(lines, restore)), dropped=int(manifest["dropped"])
    )


def _manifest(source: _Source) -> dict[str, Any]:
    try:
        manifest = json.loads(source.member(MANIFEST, _MAX_MANIFEST))
    except KeyError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ConfigurationError("this is no recording: give a file that `session.save` has written")
    if not isinstance(manifest.get("version"), int) or manifest["version"] > VERSION:
        newer = manifest.get("version")
        raise ConfigurationError(
            f"the recording has format {newer}, this version reads up to {VERSION}: upgrade aigw-notebook"
        )
    return manifest


def _header(values: dict[str, Any]) -> Header:
    known = {field.name for field in dataclasses.fields(Header)}
    values = {name: value for name, value in values.items() if name in known}
    return Header(**{**values, "started_at": datetime.fromisoformat(values["started_at"])})


def _track(source: _Source, track: dict[str, Any]) -> bytes:
    size = source.take(track["bytes"])
    # Lossless coding never makes sound much larger than it was.
    data = decoded(track["codec"], source.member(track["name"], size + size // 4 + 65_536), size)
    if sha256(data).hexdigest() != track["sha256"]:
        raise ConfigurationError(DAMAGED)
    return data


def _lines(data: bytes, restore: _Restore) -> Iterator[Line]:
    for text in data.decode("utf-8", "surrogatepass").split("\n"):
        if text:
            t_ms, kind, value = json.loads(text)
            if kind not in _KINDS:
                raise ValueError("a line of an unknown kind")
            yield Line(float(t_ms), kind, _VALUES.get(kind, _same)(restore.value(value)))


class _Restore:
    """Puts bytes back where they were cut out."""

    def __init__(self, tracks: list[bytes]) -> None:
        self._tracks = tracks
        self._left = MAX_RESTORED_BYTES

    def value(self, stored: Any) -> Any:
        """The value that was stored as this JSON."""
        if isinstance(stored, list):
            return [self.value(inner) for inner in stored]
        if not isinstance(stored, dict):
            return stored
        if len(stored) == 1:
            name, inner = next(iter(stored.items()))
            if name in self._FORMS:
                return self._FORMS[name](self, inner)
        return {name: self.value(inner) for name, inner in stored.items()}

    def _text(self, pieces: list[Any]) -> str:
        return "".join(piece if isinstance(piece, str) else self._base64(piece) for piece in pieces)

    def _base64(self, piece: list[Any]) -> str:
        return written(self._bytes(piece[:3]), piece[3] if len(piece) > 3 else "")

    def _bytes(self, stored: list[Any]) -> bytes:
        span = as_span(stored)
        self._left -= span.length
        if self._left < 0:
            raise _too_large()
        data = self._tracks[span.track][span.offset : span.offset + span.length]
        if len(data) != span.length:
            raise ValueError("a span beyond the end of its track")
        return data

    def _dict(self, pairs: list[Any]) -> dict[str, Any]:
        return {name: self.value(inner) for name, inner in pairs}

    _FORMS: dict[str, Callable[[_Restore, Any], Any]] = {  # noqa: RUF012
        "$text": _text,
        "$utf8": lambda self, pieces: self._text(pieces).encode(),
        "$bytes": _bytes,
        "$dict": _dict,
    }


def _same(value: Any) -> Any:
    return value


def _event(plain: dict[str, Any]) -> Any:
    try:
        return from_plain(plain)
    except KeyError:
        return RawEvent(kind=str(plain["type"]))


def _voice(value: dict[str, Any]) -> tuple[bytes, AudioFormat]:
    return value["data"], AudioFormat(*value["format"])


_VALUES: dict[str, Callable[[Any], Any]] = {"event": _event, "voice": _voice}
