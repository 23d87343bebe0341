"""The reference of the public names: each with its signature and what its docstring says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cached_property
from types import ModuleType
from typing import Any

from provider_tables import table
from traitlets import TraitType

import aigw_notebook

__all__ = ["GROUPS", "REST", "api", "doc", "flat", "shown", "signature"]

GROUPS: dict[str, tuple[str, ...]] = {
    "Sessions": ("connect", "Connection", "Session", "AsyncSession", "SessionSettings", "TurnDetection"),
    "What a session gives": ("Turn", "Transcript", "Clip", "AudioFormat", "Cost", "Price", "prices"),
    "Tools": ("tool", "Tool"),
    "Widgets": ("ChatPanel", "Speaker", "Microphone"),
    "Recordings, the log, pages": (
        "load", "Recorded", "Recording", "replay", "transcripts", "purge", "page", "Page", "plot_latency",
    ),
    "Gateways": ("Gateway", "LocalGateway", "embedded_gateway", "gateway_logs"),
}  # fmt: skip
"""The names under their headings; what stands in none of them comes under `REST`."""

REST = "Everything else"
LINE = 100
"""A signature that is longer has a line for each parameter."""

DEFAULT = 40
"""A default that is longer is left out."""


class _Written(str):
    """An annotation as it stands in the source: `inspect` would put quotes around it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def api() -> str:
    """The sections of the page, one a group."""
    return "\n" + "\n\n".join(f"## {title}\n\n" + "\n\n".join(map(_entry, names)) for title, names in _groups()) + "\n"


def _groups() -> Iterator[tuple[str, list[str]]]:
    public = [name for name in aigw_notebook.__all__ if _has_entry(getattr(aigw_notebook, name))]
    for title, names in GROUPS.items():
        yield title, [name for name in names if name in public]
    placed = {name for names in GROUPS.values() for name in names}
    yield REST, [name for name in public if name not in placed]


def _has_entry(value: Any) -> bool:
    """Errors have a page of their own, and so have the modules."""
    return not isinstance(value, ModuleType | str) and not (inspect.isclass(value) and issubclass(value, Exception))


def _entry(name: str) -> str:
    value = getattr(aigw_notebook, name)
    head = f"### `{name}`\n\n{shown(name, value)}\n\n{doc(value)}"
    return "\n\n".join([head, *_members(name, value)]) if inspect.isclass(value) else head


# ------------------------------------------------------------------------------------------------- what a class has


def _members(name: str, cls: type) -> Iterator[str]:
    members = dict(_public(cls))
    shared = [each for each in members if _same_as_session(cls, each)]
    own = {each: value for each, value in members.items() if each not in shared}
    told = {each: doc(value) for each, value in own.items() if _is_attribute(value)}
    if told:
        yield table(["attribute", "what it is"], ([f"`{each}`", flat(text)] for each, text in told.items() if text))
    for each, value in own.items():
        if not _is_attribute(value):
            yield f"#### `{name}.{each}`\n\n{shown(each, value)}\n\n{doc(value)}"
    if shared:
        yield _as_session(cls, shared)


def _public(cls: type) -> Iterator[tuple[str, Any]]:
    """What this package gives a class, inherited members too: attributes with a document, and methods."""
    found: set[str] = set()
    for base in cls.__mro__:
        for name, value in vars(base).items() if base.__module__.startswith("aigw_notebook") else ():
            if not name.startswith("_") and name not in found and (_is_attribute(value) or _is_method(value)):
                found.add(name)
                yield name, value


def _is_attribute(value: Any) -> bool:
    return isinstance(value, property | cached_property | TraitType)


def _is_method(value: Any) -> bool:
    return inspect.isfunction(value) or isinstance(value, classmethod | staticmethod)


def _same_as_session(cls: type, name: str) -> bool:
    """Whether `Session`, which stands before it on the page, has said the same."""
    session = aigw_notebook.Session
    theirs = getattr(session, name, None)
    return cls is not session and theirs is not None and doc(getattr(cls, name)) == doc(theirs) != ""


def _as_session(cls: type, names: list[str]) -> str:
    awaited = [name for name in names if inspect.iscoroutinefunction(getattr(cls, name))]
    rest = [name for name in names if name not in awaited]
    lines = ["To be awaited, and else as with [`Session`](#session): " + _listed(awaited) + "."] if awaited else []
    return "\n\n".join([*lines, "As with [`Session`](#session): " + _listed(rest) + "."])


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# ------------------------------------------------------------------------------------------- signatures, documents


def shown(name: str, value: Any) -> str:
    """The signature as a block of code."""
    return f"```py\n{signature(name, value)}\n```"


def signature(name: str, value: Any) -> str:
    """How it is declared: `def name(parameters) -> result`, without `self`, long defaults and addresses of objects."""
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    found = inspect.signature(function)
    parameters = [_parameter(each) for each in found.parameters.values() if each.name not in ("self", "cls")]
    is_class = inspect.isclass(value)
    returns = inspect.Signature.empty if is_class else found.return_annotation
    found = inspect.Signature(parameters, return_annotation=_annotation(returns))
    before = "class" if is_class else "async def" if inspect.iscoroutinefunction(function) else "def"
    marker = "@classmethod\n" if isinstance(value, classmethod) else ""
    return marker + _wrapped(f"{before} {name}{found}", parameters, found)


def _parameter(one: inspect.Parameter) -> inspect.Parameter:
    said = repr(one.default)
    left_out = " object at " in said or (one.default is not one.empty and len(said) > DEFAULT)
    return one.replace(annotation=_annotation(one.annotation), default=_Written("...") if left_out else one.default)


def _annotation(said: Any) -> Any:
    return _Written(said) if isinstance(said, str) else said


def _wrapped(line: str, parameters: list[inspect.Parameter], found: inspect.Signature) -> str:
    if len(line) <= LINE:
        return line
    head = line.partition("(")[0]
    told = list(_lines(parameters))
    tail = "" if found.return_annotation is inspect.Signature.empty else f" -> {found.return_annotation}"
    return f"{head}(\n" + "".join(f"    {each},\n" for each in told) + f"){tail}"


def _lines(parameters: list[inspect.Parameter]) -> Iterator[str]:
    """Each parameter, and the marks `/` and `*` between their kinds."""
    kinds = [each.kind for each in parameters]
    for place, each in enumerate(parameters):
        first_by_name = each.kind is each.KEYWORD_ONLY and each.KEYWORD_ONLY not in kinds[:place]
        if first_by_name and each.VAR_POSITIONAL not in kinds:
            yield "*"
        yield str(each)
        if each.kind is each.POSITIONAL_ONLY and each.POSITIONAL_ONLY not in kinds[place + 1 :]:
            yield "/"


def doc(value: Any) -> str:
    """The text of a docstring, or of a trait's help; none for what has only its type's."""
    if isinstance(value, TraitType):
        return value.help or ""
    return inspect.getdoc(value) or ""


def flat(text: str) -> str:
    """The text in one line, as the cell of a table wants it."""
    return " ".join(text.split())
