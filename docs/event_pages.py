"""The reference of events and errors, read from the classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial
from typing import Any

from api_page import doc, flat
from provider_tables import NONE, table

from aigw_notebook import errors, events
from aigw_notebook.events import client, local, server, usage

__all__ = ["EVENTS", "NEXT_STEPS", "error_table", "event_sections", "order", "unit"]

UNITS: dict[str, str] = {
    "_ms": "ms",
    "_s": "s",
    "_at": "s since 1970",
    "_tokens": "tokens",
    "_index": "from 0",
}
"""What a name ends in → the unit of its value."""

OTHER_UNITS: dict[str, str] = {"turn": "from 1"}

NEXT_STEPS: dict[str, str] = {
    "AigwError": "catch this one to catch all",
    "ConfigurationError": "change the call as the message says; nothing was sent",
    "MissingKey": "set the environment variable that the message names, or pass `api_key=`",
    "MissingExtra": "install the extra that the message names: `pip install 'aigw-notebook[…]'`",
    "UnknownProvider": "`%aigw providers` lists the names; a third party's package must be installed",
    "Unsupported": "leave the setting out, or take a provider that the message names",
    "GatewayError": "read `status`, `code`, `close_code`, `reason`; see the tables in troubleshooting",
    "Unreachable": "check the address and the network; `aigw-notebook doctor` tells what is set",
    "Unauthorized": "check `CF_AIG_TOKEN` or the provider's key, whichever the message names",
    "UpstreamRefused": "read `code`: model, settings or quota; an open session stands as before",
    "SessionEnded": "open a new session; `turn` has what had come, `close_code` says why",
    "ProtocolError": "see the two below",
    "LocalProtocolError": "correct the call; the session goes on",
    "RemoteProtocolError": "report it, with `session.save(…)`",
    "SessionBusy": "wait for the turn, `session.interrupt()`, or open a second session",
    "TurnTimeout": "look at `turn`, raise `timeout_s`, ask again",
    "ToolError": "declare the tool as the message says",
}
"""What to do about each class of error; a class without a line here fails the build."""


def unit(name: str) -> str:
    """The unit of a field, by the ending of its name."""
    return OTHER_UNITS.get(name) or next((said for end, said in UNITS.items() if name.endswith(end)), "")


def event_sections(module: Any) -> str:
    """The classes of one of the modules of events in the order of the source, each with its fields."""
    classes = (value for name, value in vars(module).items() if name in module.__all__ and is_dataclass(value))
    return "\n" + "\n\n".join(map(_event, classes)) + "\n"


EVENTS = {
    f"events_{name}": partial(event_sections, module)
    for name, module in {"server": server, "local": local, "client": client, "usage": usage}.items()
}


def _event(cls: Any) -> str:
    own = [each for each in fields(cls) if each.name != "raw"]
    head = f"### `{cls.__name__}`\n\n{doc(cls)}"
    if not own:
        return head
    return f"{head}\n\n" + table(["field", "type", "default", "unit"], map(_field, own))


def _field(one: Field[Any]) -> list[str]:
    return [f"`{one.name}`", f"`{one.type}`", _default(one), unit(one.name)]


def _default(one: Field[Any]) -> str:
    if one.default_factory is not MISSING:
        return f"`{one.default_factory()!r}`"
    return "must be given" if one.default is MISSING else f"`{one.default!r}`"


def order() -> str:
    """The legal order of the events of one response, as a table."""
    rows = (
        [state, f"`{event.__name__}`", then] for state, next_ in events.ORDER.items() for event, then in next_.items()
    )
    return table(["state", "event", "next state"], rows)


def error_table() -> str:
    """Every class of error: what it is a kind of, when it is raised, what to do."""
    rows = ([f"`{cls.__name__}`", _kinds(cls), flat(doc(cls)), NEXT_STEPS[cls.__name__]] for cls in _errors())
    return table(["error", "is a", "when", "next step"], rows)


def _errors() -> Iterator[type[Exception]]:
    """In the order of the source: a class after the one it is a kind of."""
    for value in vars(errors).values():
        if inspect.isclass(value) and issubclass(value, errors.AigwError):
            yield value


def _kinds(cls: type) -> str:
    bases = [base.__name__ for base in cls.__bases__ if base is not Exception]
    return ", ".join(f"`{name}`" for name in bases) or NONE
