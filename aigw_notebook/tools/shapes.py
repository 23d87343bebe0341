"""A type hint as a `Shape`: its JSON schema, and a reader that checks a JSON value and turns it into the Python one.

Both come from one place, so that what the schema asks for is what the reader takes. A reader raises `ToolError` with
one sentence that names the argument and what it must be: the model reads it and tries again.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import Enum
from inspect import Parameter
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
)
from uuid import UUID

from ..errors import ToolError

__all__ = ["Context", "Field", "Shape", "described", "record", "shape_of", "with_default", "wrong"]

SUPPORTED = (
    "str, int, float, bool, None, Any, Literal, Enum, unions, list, tuple, set, dict, TypedDict, dataclasses, "
    "datetime, date, time, UUID and pydantic models"
)


class Shape(NamedTuple):
    """What a hint means as JSON. `read` takes a parsed value and the path it was found at; `expected` is in words."""

    schema: dict[str, Any]
    read: Callable[[Any, str], Any]
    expected: str


class Field(NamedTuple):
    """One named part of a record."""

    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """For whom a shape is made: `owner` in words, the local `names` its hints may use, the classes it lies in."""

    owner: str
    names: Mapping[str, Any] | None = None
    inside: tuple[type, ...] = ()

    def within(self, cls: type) -> Context:
        """The context of the fields of `cls`."""
        if cls in self.inside:
            raise ToolError(f"{self.owner} uses {cls.__name__}, which contains itself: give it a depth that ends")
        return dataclasses.replace(self, inside=(*self.inside, cls))

    def hints(self, thing: Any) -> dict[str, Any]:
        """The resolved hints of a function or class: by the names of its module, else by the local ones as well."""
        try:
            try:
                return typing.get_type_hints(thing, include_extras=True)
            except NameError:
                return typing.get_type_hints(thing, localns=dict(self.names or {}), include_extras=True)
        except NameError as error:
            raise ToolError(
                f"{self.owner} has {error.name!r} in a hint, which is not defined: define it first"
            ) from error
        except (TypeError, SyntaxError) as error:
            raise ToolError(f"{self.owner} has a hint that cannot be read ({error}): correct it") from error


def shape_of(hint: Any, context: Context) -> Shape:
    """The shape of a hint. Raises `ToolError`, which names the owner and what is supported, where it has none."""
    hint, note = _unwrapped(hint)
    origin = get_origin(hint) or hint
    if isinstance(origin, abc.Hashable) and origin in _SIMPLE:
        shape = _SIMPLE[origin]
    elif isinstance(origin, abc.Hashable) and origin in _GENERIC:
        shape = _GENERIC[origin](hint, context)
    else:
        shape = _class_shape(hint, context)
    return described(shape, note)


def described(shape: Shape, note: str | None) -> Shape:
    """The shape with this description in its schema; None leaves it as it is."""
    return shape._replace(schema={**shape.schema, "description": note}) if note else shape


def _unwrapped(hint: Any) -> tuple[Any, str | None]:
    """The hint below aliases, `Annotated` and the like, and the outermost description found on the way."""
    note: str | None = None
    while True:
        if get_origin(hint) is Annotated:
            hint, *extras = get_args(hint)
            note = note or next((text for extra in extras if (text := _note(extra))), None)
        elif get_origin(hint) in (Required, NotRequired):
            hint = get_args(hint)[0]
        elif isinstance(hint, TypeVar):
            hint = hint.__bound__ or Any
        elif hasattr(hint, "__supertype__"):  # NewType
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return hint, note


def _note(extra: Any) -> str | None:
    """The description in what stands beside a type in `Annotated`: text, or what a field or `Doc` object says."""
    candidates = (extra, getattr(extra, "description", None), getattr(extra, "documentation", None))
    return next((text for text in candidates if isinstance(text, str) and text.strip()), None)


def wrong(path: str, expected: str, value: Any) -> NoReturn:
    """Raise the sentence for a value that does not fit."""
    shown = json.dumps(value, ensure_ascii=False)
    raise ToolError(f'argument "{path}" must be {expected}, not {shown if len(shown) <= 80 else shown[:80] + "…"}')


def _unsupported(hint: Any, context: Context) -> NoReturn:
    name = hint.__name__ if isinstance(hint, type) else str(hint)
    raise ToolError(f"{context.owner} has the hint {name}, which has no JSON form: use {SUPPORTED}")


# ---------------------------------------------------------------------------------------------------------- simple


def _read_any(value: Any, path: str) -> Any:
    return value


def _read_text(value: Any, path: str) -> str:
    return value if isinstance(value, str) else wrong(path, "a string", value)


def _read_bool(value: Any, path: str) -> bool:
    return value if isinstance(value, bool) else wrong(path, "true or false", value)


def _read_null(value: Any, path: str) -> None:
    return None if value is None else wrong(path, "null", value)


def _read_int(value: Any, path: str) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if whole and not isinstance(value, bool) else wrong(path, "an integer", value)


def _read_float(value: Any, path: str) -> float:
    """A number too large for a float reads as infinity, or overflows."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(float(value)):
            return float(value)
    except OverflowError:
        pass
    wrong(path, "a finite number", value)


def _text_shape(parse: Callable[[str], Any], format_name: str, expected: str) -> Shape:
    def read(value: Any, path: str) -> Any:
        try:
            return parse(value)
        except (ValueError, TypeError, AttributeError):
            wrong(path, expected, value)

    return Shape({"type": "string", "format": format_name}, read, expected)


_ANY = Shape({}, _read_any, "any value")
_SIMPLE: dict[Any, Shape] = {
    Any: _ANY,
    object: _ANY,
    Parameter.empty: _ANY,
    str: Shape({"type": "string"}, _read_text, "a string"),
    int: Shape({"type": "integer"}, _read_int, "an integer"),
    float: Shape({"type": "number"}, _read_float, "a finite number"),
    bool: Shape({"type": "boolean"}, _read_bool, "true or false"),
    None: Shape({"type": "null"}, _read_null, "null"),
    types.NoneType: Shape({"type": "null"}, _read_null, "null"),
    datetime: _text_shape(datetime.fromisoformat, "date-time", "an ISO 8601 date and time"),
    date: _text_shape(date.fromisoformat, "date", "an ISO 8601 date"),
    time: _text_shape(time.fromisoformat, "time", "an ISO 8601 time"),
    UUID: _text_shape(UUID, "uuid", "a UUID"),
}
_JSON_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", types.NoneType: "null"}

# --------------------------------------------------------------------------------------------------------- choices


def _choice(choices: Sequence[tuple[Any, Any]]) -> Shape:
    """One of several JSON values, each with what it means in Python. 1 is not true, 3.0 is 3."""
    values = [value for value, _ in choices]
    expected = f"one of {', '.join(json.dumps(value, ensure_ascii=False) for value in values)}"

    def read(value: Any, path: str) -> Any:
        for choice, meaning in choices:
            if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                return meaning
        wrong(path, expected, value)

    kinds = {_JSON_TYPES[type(value)] for value in values}
    schema = {"type": kinds.pop()} if len(kinds) == 1 else {}
    return Shape({**schema, "enum": values}, read, expected)


def _literal(hint: Any, context: Context) -> Shape:
    pairs = [(value.value if isinstance(value, Enum) else value, value) for value in get_args(hint)]
    return _choice(pairs) if all(type(value) in _JSON_TYPES for value, _ in pairs) else _unsupported(hint, context)


def _enum(hint: type[Enum], context: Context) -> Shape:
    """By value where all values are JSON scalars, else by name."""
    members = list(hint)
    by_value = all(type(member.value) in _JSON_TYPES for member in members)
    if not members:
        _unsupported(hint, context)
    return _choice([(member.value if by_value else member.name, member) for member in members])


def _union(hint: Any, context: Context) -> Shape:
    """The first member that takes a value wins."""
    shapes = [shape_of(member, context) for member in get_args(hint)]
    others = [shape for shape in shapes if shape.schema.get("type") != "null"]
    expected = " or ".join(dict.fromkeys(shape.expected for shape in shapes))

    def read(value: Any, path: str) -> Any:
        if value is not None and len(others) == 1:
            return others[0].read(value, path)
        for shape in shapes:
            try:
                return shape.read(value, path)
            except ToolError:
                pass
        wrong(path, expected, value)

    return Shape({"anyOf": [shape.schema for shape in shapes]}, read, expected)


# ------------------------------------------------------------------------------------------------------ containers


def _array(make: Callable[[Iterable[Any]], Any], **more: Any) -> Callable[[Any, Context], Shape]:
    def shape(hint: Any, context: Context) -> Shape:
        item = shape_of((*get_args(hint), Any)[0], context)

        def read(value: Any, path: str) -> Any:
            if not isinstance(value, list):
                wrong(path, "an array", value)
            items = [item.read(part, f"{path}[{index}]") for index, part in enumerate(value)]
            try:
                return make(items)
            except TypeError:
                wrong(path, "an array of values that a set can hold", value)

        return Shape({"type": "array", "items": item.schema, **more}, read, "an array")

    return shape


def _tuple(hint: Any, context: Context) -> Shape:
    args = get_args(hint)
    if not args or args[-1] is Ellipsis:
        return _array(tuple)(hint, context)
    parts = [shape_of(arg, context) for arg in args]
    expected = f"an array of {len(parts)}"

    def read(value: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(parts):
            wrong(path, expected, value)
        return tuple(shape.read(part, f"{path}[{i}]") for i, (shape, part) in enumerate(zip(parts, value, strict=True)))

    alike = all(shape.schema == parts[0].schema for shape in parts)
    items = {"items": parts[0].schema} if alike else {"prefixItems": [shape.schema for shape in parts]}
    return Shape({"type": "array", **items, "minItems": len(parts), "maxItems": len(parts)}, read, expected)


def _mapping(hint: Any, context: Context) -> Shape:
    key_hint, value_hint = get_args(hint) or (str, Any)
    keys, values = shape_of(key_hint, context), shape_of(value_hint, context)
    if keys.schema.get("type") not in (None, "string"):
        _unsupported(hint, context)

    def read(value: Any, path: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            wrong(path, "an object", value)
        return {keys.read(k, f"{path} key"): values.read(v, f"{path}.{k}") for k, v in value.items()}

    return Shape({"type": "object", "additionalProperties": values.schema or True}, read, "an object")


_GENERIC: dict[Any, Callable[[Any, Context], Shape]] = {
    Union: _union,
    types.UnionType: _union,
    Literal: _literal,
    tuple: _tuple,
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection), _array(list)),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), _array(set, uniqueItems=True)),
    frozenset: _array(frozenset, uniqueItems=True),
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), _mapping),
}

# --------------------------------------------------------------------------------------------------------- records


def record(fields: Mapping[str, Field], make: Callable[[dict[str, Any]], Any], expected: str = "an object") -> Shape:
    """An object with these fields and no others. `make` gets the values that were given, by name.

    A null for a field that may be left out, and takes no null, means that it was left out.
    """

    def read(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            wrong(path, expected, value)
        below = f"{path}." if path else ""
        for name in value:
            if name not in fields:
                raise ToolError(f'argument "{below}{name}" is not known: use {", ".join(fields) or "no arguments"}')
        for name, (shape, required) in fields.items():
            if required and name not in value:
                raise ToolError(f'argument "{below}{name}" is missing: it must be {shape.expected}')
        given = {name: part for name, part in value.items() if not _left_out(fields[name], part)}
        return make({name: fields[name].shape.read(part, below + name) for name, part in given.items()})

    schema = {
        "type": "object",
        "properties": {name: field.shape.schema for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.required],
        "additionalProperties": False,
    }
    return Shape(schema, read, expected)


def _left_out(field: Field, value: Any) -> bool:
    if value is not None or field.required:
        return False
    try:
        field.shape.read(None, "")
    except ToolError:
        return True
    return False


def with_default(shape: Shape, default: Any) -> Shape:
    """The shape with this default in its schema, if there is a JSON value that reads as it; None is never named."""
    for value in _json_forms(default):
        try:
            if value is not None and shape.read(json.loads(json.dumps(value)), "") == default:
                return shape._replace(schema={**shape.schema, "default": value})
        except (ToolError, TypeError, ValueError):
            continue
    return shape


def _json_forms(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Enum):
        return value.value, value.name
    if isinstance(value, date | time | UUID):
        return (str(value).replace(" ", "T"),)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (dataclasses.asdict(value),)
    return (list(value),) if isinstance(value, tuple | set | frozenset) else (value,)


def _class_shape(hint: Any, context: Context) -> Shape:
    if not isinstance(hint, type):
        _unsupported(hint, context)
    if issubclass(hint, Enum):
        return _enum(hint, context)
    if typing.is_typeddict(hint):
        return _typed_dict(hint, context.within(hint))
    if hasattr(hint, "model_json_schema") and hasattr(hint, "model_validate"):
        return _model(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, context.within(hint))
    _unsupported(hint, context)


def _typed_dict(hint: Any, context: Context) -> Shape:
    """`Required` and `NotRequired` are read from the resolved hints: in text annotations the class misses them."""
    marked = {Required: True, NotRequired: False}
    fields = {
        name: Field(shape_of(part, context), marked.get(get_origin(part), name in hint.__required_keys__))
        for name, part in context.hints(hint).items()
    }
    return record(fields, dict, f"an object like {hint.__name__}")


def _dataclass(hint: type, context: Context) -> Shape:
    hints = context.hints(hint)
    fields = {}
    for part in dataclasses.fields(hint):
        if part.init:
            required = part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING
            shape = described(shape_of(hints[part.name], context), part.metadata.get("description"))
            fields[part.name] = Field(shape if required else with_default(shape, part.default), required)
    return _made(record(fields, lambda values: values, f"an object like {hint.__name__}"), lambda v: hint(**v))


def _made(shape: Shape, make: Callable[[Any], Any]) -> Shape:
    """The shape with one more step of reading, which may refuse with `ValueError` or `TypeError`."""

    def read(value: Any, path: str) -> Any:
        plain = shape.read(value, path)
        try:
            return make(plain)
        except (ValueError, TypeError) as error:
            raise ToolError(f'argument "{path}" is not accepted: {_first_fault(error)}') from error

    return shape._replace(read=read)


def _first_fault(error: Exception) -> str:
    """One sentence; pydantic keeps its faults in a list and writes them over several lines."""
    faults = getattr(error, "errors", None)
    first = (faults() if callable(faults) else [None])[0]
    if not isinstance(first, Mapping):
        return " ".join(str(error).split())
    place = ".".join(str(part) for part in first.get("loc", ()))
    return f"{place}: {first.get('msg', '')}" if place else str(first.get("msg", ""))


def _model(hint: Any) -> Shape:
    schema = hint.model_json_schema()
    plain = _inlined(schema, schema.get("$defs", {}), ())
    return _made(Shape(plain, _read_any, f"an object like {hint.__name__}"), hint.model_validate)


def _inlined(schema: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """The schema with its references written out: they point to a root that is no longer there. Cycles end in `{}`."""
    if isinstance(schema, list):
        return [_inlined(part, definitions, inside) for part in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name in inside:
        return {}
    if name in definitions:
        rest = {key: part for key, part in schema.items() if key != "$ref"}
        return _inlined({**definitions[name], **rest}, definitions, (*inside, name))
    return {key: _inlined(part, definitions, inside) for key, part in schema.items() if key != "$defs"}
