"""A Python function as a tool: declared to a model, called with what the model wrote."""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import FunctionType, MethodType
from typing import Any, NoReturn, overload

from ..errors import ToolError
from .docstrings import first_paragraph, parameter_notes
from .shapes import Context, Field, described, record, shape_of, with_default

__all__ = ["Tool", "as_tool", "tool"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A function that a model may call. Calling the tool calls the function; made by `tool` or `as_tool`.

    As an attribute of a class it is a method: taken from an instance it is bound, and its first parameter is gone.
    """

    name: str
    description: str
    function: Callable[..., Any] = field(repr=False)
    fields: Mapping[str, Field] = field(repr=False)
    """The parameters that the model gives, in order."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments: an object with nothing beyond the function's parameters."""
        return record(self.fields, dict).schema

    @property
    def declaration(self) -> dict[str, Any]:
        """What a model is told: name, description and parameters."""
        return {"name": self.name, "description": self.description, "parameters": self.parameters}

    @property
    def is_async(self) -> bool:
        """Whether a call gives a coroutine."""
        source = _source(self.function)
        return inspect.iscoroutinefunction(source.call if isinstance(source, _Caller) else source)

    def bind(self, arguments: str) -> dict[str, Any]:
        """The keyword arguments for the function, from the JSON text that the model wrote; empty text is no arguments.

        Raises `ToolError` with a sentence for the model: which argument is wrong and what it must be.
        """
        try:
            given = json.loads(arguments, parse_constant=_not_json) if arguments.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ToolError(f"the arguments of {self.name} are not valid JSON ({error}): write one object") from error
        if not isinstance(given, dict):
            names = ", ".join(self.fields) or "no members"
            raise ToolError(f"the arguments of {self.name} must be one JSON object with {names}")
        bound: dict[str, Any] = record(self.fields, dict).read(given, "")
        return bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool:
        if instance is None or not isinstance(self.function, FunctionType):
            return self
        rest = dict(list(self.fields.items())[1:])
        return replace(self, function=MethodType(self.function, instance), fields=rest)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(*, name: str | None = None, description: str | None = None) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, description: str | None = None
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """A decorator, with or without arguments, that makes a function a `Tool`; see `as_tool`."""
    names = sys._getframe(1).f_locals
    if function is not None:
        return _made(function, name, description, names)
    return lambda function: _made(function, name, description, names)


def as_tool(function: Callable[..., Any] | Tool, *, name: str | None = None, description: str | None = None) -> Tool:
    """The tool that calls this function, method, partial or callable object; of a `Tool`, the tool itself.

    The schema is that of the type hints; a parameter without one takes any value. Description and notes on parameters
    come from the docstring (Google, NumPy or reST style), notes also from `Annotated[T, "note"]`. `*args`, `**kwargs`,
    positional-only parameters with a default and what a partial has fixed are not offered to the model.

    Raises `ToolError` that names the parameter where a hint has no JSON form.
    """
    return _made(function, name, description, sys._getframe(1).f_locals)


def _made(function: Callable[..., Any], name: str | None, description: str | None, names: Mapping[str, Any]) -> Tool:
    if isinstance(function, Tool):
        if name is None and description is None:
            return function
        given = function.description if description is None else description
        return replace(function, name=_checked_name(name or function.name), description=given)
    if not callable(function):
        raise ToolError(f"a tool is made of a function, not of {type(function).__name__}")
    source = _source(function)
    name = _checked_name(name or str(getattr(source, "__name__", "")))
    if inspect.isgeneratorfunction(source) or inspect.isasyncgenfunction(source):
        raise ToolError(f"{name} is a generator, and a tool gives one result: return a list")
    doc = inspect.getdoc(source) or ""
    fields = _fields(function, source, name, parameter_notes(doc), names)
    return Tool(name, first_paragraph(doc) if description is None else description, function, fields)


def _checked_name(name: str) -> str:
    """The name, if every provider takes it."""
    if not _NAME.fullmatch(name):
        raise ToolError(f"{name!r} cannot be the name of a tool: give one of letters, digits, '_' and '-' as name")
    return name


def _source(function: Callable[..., Any]) -> Any:
    """The function or class that holds name, hints and docstring."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) or isinstance(function, type) else _Caller(function)


class _Caller:
    """A callable object as the source of a tool: named after its class, described by it or its `__call__`."""

    def __init__(self, function: Any) -> None:
        call = type(function).__call__
        self.__name__ = type(function).__name__
        self.__doc__ = inspect.getdoc(call) or inspect.getdoc(type(function))
        self.call = call


def _fields(
    function: Callable[..., Any], source: Any, name: str, notes: Mapping[str, str], names: Mapping[str, Any]
) -> dict[str, Field]:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError) as error:
        raise ToolError(f"the parameters of {name} cannot be read: wrap it in a function with type hints") from error
    hints = Context(owner=f"tool {name}", names=names).hints(_hinted(source))
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    fields = {}
    for parameter in signature.parameters.values():
        _check_positional(parameter, name)
        if parameter.kind in _BY_NAME and parameter.name not in fixed:
            context = Context(owner=f"parameter {parameter.name!r} of tool {name}", names=names)
            fields[parameter.name] = _field(parameter, hints.get(parameter.name, Any), notes, context)
    return fields


def _hinted(source: Any) -> Any:
    if isinstance(source, type):
        return next(vars(base)["__init__"] for base in source.__mro__ if "__init__" in vars(base))
    return source.call if isinstance(source, _Caller) else source


def _check_positional(parameter: inspect.Parameter, name: str) -> None:
    if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
        raise ToolError(
            f"parameter {parameter.name!r} of tool {name} is positional-only, and a model gives arguments by name: "
            "wrap it in a function without '/'"
        )


def _field(parameter: inspect.Parameter, hint: Any, notes: Mapping[str, str], context: Context) -> Field:
    """A note of `Annotated` wins over the docstring's."""
    shape = shape_of(hint, context)
    if "description" not in shape.schema:
        shape = described(shape, notes.get(parameter.name))
    required = parameter.default is parameter.empty
    return Field(shape if required else with_default(shape, parameter.default), required)


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
