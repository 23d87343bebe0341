"""Events as plain values and back: what a log keeps of them, and what it makes of that again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import cache
from typing import Any

from ..audio.formats import AudioFormat
from . import local, server
from .server import ServerEvent
from .usage import RateLimit, Usage

__all__ = ["from_plain", "to_plain"]

LEFT_OUT = frozenset({"raw"})
"""Fields a log has elsewhere: the message itself is a line of its own."""


def to_plain(event: Any) -> dict[str, Any]:
    """`event` as a dict of JSON values, `type` first; fields at their defaults are left out. Bytes stay bytes."""
    kind: Any = type(event)
    plain: dict[str, Any] = {"type": kind.__name__}
    for name, default in _defaults(kind):
        value = getattr(event, name)
        if value != default:
            writer = _WRITERS.get(type(value))
            plain[name] = value if writer is None else writer(value)
    return plain


def from_plain(plain: Mapping[str, Any]) -> Any:
    """The event that `to_plain` was given, without its `raw`. Unknown fields are left out.

    Raises `KeyError` for a type of event that this version does not know, `TypeError` where a field is missing.
    """
    kind: Any = _types()[plain["type"]]
    readers = _readers(kind)
    return kind(**{name: readers[name](value) for name, value in plain.items() if name in readers})


@cache
def _types() -> dict[str, type]:
    return {name: getattr(module, name) for module in (server, local) for name in module.__all__}


_NO_DEFAULT = object()


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (f.name, {} if f.default_factory is dict else f.default if isinstance(f.default, _PLAIN) else _NO_DEFAULT)
        for f in fields(kind)
        if f.name not in LEFT_OUT or not issubclass(kind, ServerEvent)
    )


_PLAIN = (str, int, float, bool, type(None))


def _usage(value: Usage) -> dict[str, int]:
    return {name: count for name, count in asdict(value).items() if count is not None}


_WRITERS: dict[type, Callable[[Any], Any]] = {
    AudioFormat: lambda value: [value.encoding, value.sample_rate],
    Usage: _usage,
    tuple: lambda value: [asdict(part) if isinstance(part, RateLimit) else part for part in value],
}


@cache
def _readers(kind: Any) -> dict[str, Callable[[Any], Any]]:
    names = {name for name, _ in _defaults(kind)}
    return {f.name: _reader(str(f.type)) for f in fields(kind) if f.name in names}


def _reader(annotation: str) -> Callable[[Any], Any]:
    for beginning, reader in _READERS:
        if annotation.startswith(beginning):
            return reader
    return lambda value: value


_READERS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("AudioFormat", lambda value: AudioFormat(*value)),
    ("Usage", lambda value: Usage(**value)),
    ("tuple[RateLimit", lambda value: tuple(RateLimit(**part) for part in value)),
    ("tuple", tuple),
)
