"""The reference of what is typed: the magics with their options, the command line with its arguments."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from api_page import flat
from provider_tables import table

from aigw_notebook import cli, commands, options
from aigw_notebook.magics import AigwMagics

__all__ = ["cell_options", "command_line", "line_commands", "magic_settings"]


def line_commands() -> str:
    """What `%aigw` can do, a row for each word."""
    rows = ([f"`{f'%aigw {name} {known.takes}'.strip()}`", known.help] for name, known in commands.COMMANDS.items())
    return table(["write", "what you get"], rows)


def cell_options() -> str:
    """What may stand on a `%%aigw` line."""
    parser = argparse.ArgumentParser(add_help=False)
    for names, details in options.OPTIONS:
        parser.add_argument(*names, **details)
    return _arguments(parser)


def magic_settings() -> str:
    """The settings of the magics."""
    traits: dict[str, Any] = AigwMagics.class_own_traits(config=True)
    rows = ([f"`AigwMagics.{name}`", f"`{one.default_value!r}`", one.help] for name, one in sorted(traits.items()))
    return table(["setting", "default", "what it is"], rows)


def command_line() -> str:
    """A section for each subcommand, with its arguments."""
    return "\n" + "\n\n".join(_subcommand(name, known) for name, known in cli.COMMANDS.items()) + "\n"


def _subcommand(name: str, known: cli.Command) -> str:
    parser = argparse.ArgumentParser(prog=f"{cli.PROGRAM} {name}", add_help=False)
    known.arguments(parser)
    head = f"## `{cli.PROGRAM} {name}`\n\n{known.help[0].upper()}{known.help[1:]}."
    if not parser._actions:
        return f"{head} It takes no arguments."
    return "\n\n".join([head, _arguments(parser), *_alternatives(parser)])


def _alternatives(parser: argparse.ArgumentParser) -> Iterator[str]:
    for group in parser._mutually_exclusive_groups:
        names = ", ".join(f"`{action.option_strings[-1]}`" for action in group._group_actions)
        yield f"{'Exactly' if group.required else 'At most'} one of {names}."


def _arguments(parser: argparse.ArgumentParser) -> str:
    """Read from the parser itself: how its own help is set differs between versions of Python."""
    return table(["argument", "what it does"], ([_written(one), _help(one)] for one in parser._actions))


def _written(one: argparse.Action) -> str:
    value = one.metavar or one.dest.upper()
    if not one.option_strings:
        return f"`{one.metavar or one.dest}`" + (" (may be left out)" if one.nargs == "?" else "")
    takes = "" if one.nargs == 0 else f" {value}"
    more = ", any number of times" if isinstance(one.default, list) else ""
    return ", ".join(f"`{name}{takes}`" for name in one.option_strings) + more


def _help(one: argparse.Action) -> str:
    return flat((one.help or "") % {"default": one.default})
