"""What `%aigw` can do as a line: one function and one sentence for each word."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import FunctionType
from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from .completion import Vocabulary
from .cost import money
from .display import Table, publish
from .errors import ConfigurationError
from .inert import inert
from .slots import ALL

if TYPE_CHECKING:
    from .faces import Session
    from .magics import AigwMagics
    from .providers.base import Provider

__all__ = ["COMMANDS", "Command", "unknown_command", "vocabulary"]


@dataclass(frozen=True, slots=True)
class Command:
    """One word of `%aigw`: what it runs, what may follow it, and what it does in one sentence."""

    run: Callable[..., Any]
    takes: str
    help: str

    def __call__(self, magics: AigwMagics, words: Sequence[str]) -> Any:
        """Run it with the words that followed; one that takes nothing passes over them."""
        return self.run(magics, *words[: None if self.takes.endswith("…]") else bool(self.takes)])


def unknown_command(word: str) -> str:
    """The sentence for a word that is no command."""
    from . import providers

    if word.partition(":")[0] in providers.names():
        return f"to ask a question write %%aigw {word} with two percent signs, and the question below it"
    close = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(COMMANDS)}"
    return f"unknown command {word!r}; {hint}"


def _help(magics: AigwMagics) -> None:
    lines = [(f"%aigw {name} {known.takes}".rstrip(), known.help) for name, known in COMMANDS.items()]
    lines.insert(0, ("%%aigw [provider[:model]] [options]", "Ask a question: the cell is the question."))
    markdown = "| Write | What you get |\n|---|---|\n" + "\n".join(f"| `{use}` | {does} |" for use, does in lines)
    width = max(len(use) for use, _ in lines)
    plain = "\n".join(f"{use.ljust(width)}  {does}" for use, does in lines)
    ending = "All options of a cell: `%%aigw?`. Settings that stay: `%config AigwMagics`."
    bundle = {"text/markdown": f"{markdown}\n\n{ending}", "text/plain": f"{plain}\n\n{ending.replace('`', '')}"}
    publish(bundle)


def _status(magics: AigwMagics) -> Table | None:
    rows = [
        {
            "session": name,
            "connected to": slot.session.where,
            "model": slot.session.model,
            "state": "closed" if slot.session.closed else "open",
            "age_s": round(time.monotonic() - slot.opened_at),
            "turns": len(slot.session.turns),
            "cost": _cost(slot.session),
        }
        for name, slot in magics.slots
    ]
    if not rows:
        print("No session is open; ask a question with %%aigw first.")
        return None
    return Table(rows)


def _cost(session: Session) -> str | None:
    """The money so far, and the limit where there is one; None where it is not known."""
    cost, limit = session.cost, session.core.spending.max_cost
    told = None if cost.usd is None else str(cost)
    return told if limit is None else f"{told or 'not known'}, at most {money(limit)}"


def _sessions(magics: AigwMagics) -> Table | None:
    table = _status(magics)
    return None if table is None else Table(table.rows, ["session", "state", "turns"])


def _records(magics: AigwMagics, name: str | None = None) -> Any:
    records = magics.slots.records(name)
    return _frame(records, ["provider", "turn", "role", "kind", "status", "text", "audio_ms", "total_ms"])


def _logs(magics: AigwMagics) -> Any:
    from .log_rows import gateway_logs

    rows = gateway_logs()
    if not rows:
        print("The gateway has no log row yet: one is written when its session is over.")
        return None
    columns = ["created_at", "session", "provider", "model", "status_code", "duration", "tokens_in", "tokens_out"]
    return _frame(rows, columns)


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> Any:
    """The rows as a DataFrame, or where pandas is not, these columns of them as a table."""
    try:
        import pandas
    except ImportError:
        return Table(rows, columns)
    return pandas.DataFrame(rows)


def _transcript(magics: AigwMagics, name: str | None = None) -> None:
    said = [row for row in magics.slots.records(name) if row["kind"] in ("text", "audio") and row["text"]]
    plain = "\n\n".join(f"{row['role']}: {row['text']}" for row in said) or "(nothing has been said)"
    markdown = inert("\n\n".join(f"**{row['role']}** {row['text']}" for row in said)) or "*(nothing has been said)*"
    publish({"text/markdown": markdown, "text/plain": plain})


def _providers(magics: AigwMagics) -> Table:
    from . import providers

    rows = []
    for name in providers.names():
        for written, known in providers.forms(name).items():
            able = ("text_in", "audio_in", "image_in", "text_out", "audio_out", "image_out", "tools", "server_turns")
            can = [word.replace("_", " ") for word in able if getattr(known.capabilities, word)]
            rows.append({"write": written, "title": known.title, "model": known.default_model, "can": ", ".join(can)})
    return Table(rows)


def _engines(magics: AigwMagics) -> Table:
    from .doctor import engines

    return Table(engines())


def _config(magics: AigwMagics, *settings: str) -> Table:
    traits = magics.class_own_traits(config=True)
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in traits:
            raise ConfigurationError(f"there is no setting {name!r}; there are: {', '.join(sorted(traits))}")
        try:
            setattr(magics, name, traits[name].from_string(value))
        except (TraitError, ValueError) as error:
            raise ConfigurationError(f"{setting!r} is no value of that setting: {error}") from None
    rows = [
        {"setting": f"AigwMagics.{name}", "value": repr(getattr(magics, name)), "what it is": trait.help}
        for name, trait in sorted(traits.items())
    ]
    return Table(rows)


def _close(magics: AigwMagics, name: str | None = None) -> None:
    closed = magics.slots.close(name)
    print(f"Closed: {', '.join(closed)}." if closed else "No session was open.")


def _purge(magics: AigwMagics, what: str | None = None) -> None:
    from .log import purge

    if what is None:
        raise ConfigurationError("say what to delete: an age in days (0: all sessions), or the id of a session")
    try:
        count = purge(older_than=float(what))
    except ValueError:
        count = purge(session=what)
    print(f"Deleted from the log: {count} session{'' if count == 1 else 's'}.")


def _version(magics: AigwMagics) -> None:
    own = import_module("aigw_notebook").__version__
    others = [f"{name} {_version_of(name)}" for name in ("ipython", "ipykernel", "anywidget", "websockets")]
    print(" · ".join([f"aigw-notebook {own}", *others]))


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


COMMANDS: dict[str, Command] = {
    "help": Command(_help, "", "This list."),
    "status": Command(_status, "", "The open sessions: where each is connected, its age, its turns and its cost."),
    "sessions": Command(_sessions, "", "Their names."),
    "records": Command(
        _records,
        "[session]",
        "What was said, as rows (a DataFrame where pandas is); `all`: in every session so far.",
    ),
    "logs": Command(_logs, "", "The gateway's log rows: one for each session that is over."),
    "transcript": Command(_transcript, "[session]", "The same, to be read."),
    "providers": Command(_providers, "", "The providers there are and what each can do."),
    "engines": Command(_engines, "", "What answers, speaks and listens where no provider does: the local engines."),
    "list": Command(_providers, "", "The same as `providers`."),
    "config": Command(_config, "[name=value …]", "The settings of the magics, after these changes."),
    "close": Command(_close, "[session]", "Close one session, or all; the next question begins anew."),
    "reset": Command(_close, "[session]", "The same as `close`."),
    "purge": Command(_purge, "days|session", "Delete sessions older than that (0: all), or one, from the log file."),
    "version": Command(_version, "", "Versions, for a bug report."),
}


# -------------------------------------------------------------------------------------------------- tab completion


def vocabulary(magics: AigwMagics) -> Vocabulary:
    """The words that tab completion offers in this notebook."""
    from . import providers
    from .options import FORMATS, OPTIONS

    def models(name: str) -> tuple[str, ...]:
        return _known(magics, name, lambda provider: provider.models)

    def voices(name: str) -> tuple[str, ...]:
        return _known(magics, name, lambda provider: provider.capabilities.voices)

    def sessions() -> tuple[str, ...]:
        return (*magics.slots.names(), ALL)

    return Vocabulary(
        commands=tuple(COMMANDS),
        flags=tuple(name for names, _ in OPTIONS for name in names if name.startswith("--")),
        providers=providers.names,
        models=models,
        sessions=sessions,
        values={
            "--model": models,
            "-m": models,
            "--voice": voices,
            "--format": lambda name: FORMATS,
            "-f": lambda name: FORMATS,
            "--session": lambda name: magics.slots.names(),
            "--tools": lambda name: _functions(magics.shell.user_ns),
        },
    )


def _known(magics: AigwMagics, name: str, read: Callable[[Provider], tuple[str, ...]]) -> tuple[str, ...]:
    from . import providers

    name = name or magics.first_provider()
    forms = providers.forms(name).values() if name in providers.names() else ()
    return tuple(dict.fromkeys(word for provider in forms for word in read(provider)))


def _functions(namespace: dict[str, Any]) -> tuple[str, ...]:
    functions = [name for name, value in list(namespace.items()) if isinstance(value, FunctionType)]
    return tuple(name for name in functions if not name.startswith("_"))
