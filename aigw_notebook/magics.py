"""`%%aigw` asks a question from a notebook cell; `%aigw` tells about providers, sessions and records.

In a kernel a cell that is one `%%aigw` is awaited: a hook on IPython's input puts `await` before the generated call, so
that the kernel goes on handling widget messages while the answer comes. Everywhere else (`%run`, `run_cell_magic` by
hand, a terminal) the magic waits and polls. Interrupt cancels the turn, keeps the session and what was said, and is
raised as `KeyboardInterrupt`.
"""

from __future__ import annotations

import ast
import asyncio
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core import magic_arguments
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Enum, Float, Unicode

from .completion import Vocabulary, make_matcher
from .errors import AigwError, ConfigurationError, GatewayError
from .interpolation import interpolate
from .options import OPTIONS, check_question, read_files, usual_session
from .slots import AT_THE_LIMIT, Player, Slot, Slots

if TYPE_CHECKING:
    from .connection import Connection
    from .faces import Session
    from .turn import Turn
    from .views import CellView

__all__ = ["AigwMagics", "load_ipython_extension", "unload_ipython_extension"]

TICK_S = 0.05
"""How often a waiting cell looks up: an awaited cell notices Interrupt no other way."""

SETTLE_S = 1.0
"""How long an interrupted cell waits for the last record of its turn."""


@dataclass(slots=True)
class Asking:
    """One `%%aigw` cell on its way."""

    options: Any
    question: dict[str, Any]
    name: str
    wanted: dict[str, Any]
    reason: str = ""
    turns_before: int = 0
    session: Session | None = None
    view: CellView | None = None
    future: Future[Turn] | None = None


def _with_options(function: Any) -> Any:
    """The function as a line and cell magic with `OPTIONS`; their help becomes part of its docstring."""
    function = line_cell_magic(function)
    argument: Any = magic_arguments.argument
    for names, details in reversed(OPTIONS):
        function = argument(*names, **details)(function)
    complete: Any = magic_arguments.magic_arguments()  # type: ignore[no-untyped-call]
    return no_var_expand(complete(function))


@magics_class
class AigwMagics(Magics):
    """Realtime AI sessions: `%%aigw` asks, `%aigw help` lists the rest."""

    shell: Any

    default_provider = Unicode("", help="Provider of a `%%aigw` that names none; empty: the first one there is.").tag(
        config=True
    )
    timeout_s = Float(60.0, help="Longest silence of an answer, in seconds, before the turn is given up.").tag(
        config=True
    )
    open_timeout_s = Float(10.0, help="How long opening a session may take, in seconds.").tag(config=True)
    show_audio = Bool(True, help="Show a player for spoken answers.").tag(config=True)
    live_audio = Bool(True, help="Play spoken answers while they arrive.").tag(config=True)
    log = Enum(
        ("on", "memory", "off"),
        None,
        allow_none=True,
        help="What is kept of a session: `on` in the log file, `memory`, `off`; None: as AIGW_NOTEBOOK_LOG says.",
    ).tag(config=True)
    errors = Enum(
        ("print", "raise"),
        "print",
        help="What an error does: `print` one line, or `raise`, so that a notebook run unattended stops there.",
    ).tag(config=True)

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self.slots = Slots()
        self._marked: list[Turn] = []
        self._hinted = False
        self.player = Player()

    # ------------------------------------------------------------------------------------------------- the magics

    @_with_options
    def aigw(self, line: str, cell: str | None = None) -> Any:
        """Ask a realtime model: the cell is the question, the answer streams in, `_` is the turn.

        `{{expression}}` in the cell is replaced by its value. The session stays open and the next cell of the same
        provider continues the conversation; a changed option opens a new one, and says so. As a line,
        `%aigw help` lists what else there is.
        """
        if cell is None:
            return self._reported(lambda: self._command(line))
        return self._reported(lambda: self._ask_and_wait(line, cell))

    async def ask_cell(self, line: str, cell: str) -> Turn | None:
        """What an awaited `%%aigw` cell runs; the turn, or None after an error that has been reported."""
        if not _has_kernel(self.shell):
            waited: Turn | None = self._reported(lambda: self._ask_and_wait(line, cell))
            return waited
        try:
            return await self._ask_and_await(line, cell)
        except (AigwError, UsageError) as error:
            self._report(error)
            return None
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    # ---------------------------------------------------------------------------------------------- one turn, twice

    def _ask_and_wait(self, line: str, cell: str) -> Turn | None:
        asking = self._prepare(line, cell)
        asking.session = self._reuse(asking) or self._keep(asking, self._connection(asking).open())
        view, future = self._begin(asking)
        try:
            while not future.done():
                view.pump(TICK_S)
        except KeyboardInterrupt:
            self._interrupted(asking)
            raise
        return self._finish(asking)

    async def _ask_and_await(self, line: str, cell: str) -> Turn | None:
        from .faces import Session

        asking = self._prepare(line, cell)
        asking.session = self._reuse(asking)
        if asking.session is None:
            opening = asyncio.ensure_future(_awaited(self._connection(asking)))
            await _ticking(opening)
            asking.session = self._keep(asking, Session(opening.result().core))
        view, future = self._begin(asking)
        try:
            await _ticking(asyncio.wrap_future(future), lambda: view.pump(0))
        except asyncio.CancelledError:
            self._interrupted(asking)
            raise
        return self._finish(asking)

    def _prepare(self, line: str, cell: str) -> Asking:
        options = self._options(line)
        text = cell.strip() if options.raw else self._interpolated(cell.strip())
        if not text and not options.audio:
            raise ConfigurationError("the cell has no question; write it below the %%aigw line")
        question = {"text": text or None, "timeout_s": options.timeout or self.timeout_s}
        question |= read_files(options)
        return Asking(options, question, options.session or usual_session(options), self._wanted(options))

    def _options(self, line: str) -> Any:
        words = [self._interpolated(word) for word in _split(line)]
        try:
            options = self.aigw.parser.parse_args(words)
        except UsageError as error:
            raise ConfigurationError(f"{error}; %%aigw? lists the options") from None
        from .providers import named_model

        named = options.provider is not None  # a default's model gives way to that of the cell
        address = options.provider or self.first_provider()
        options.provider, model = named_model(address, options.model if named else None)
        options.model = options.model or model
        return options

    def first_provider(self) -> str:
        """The provider of a cell that names none."""
        from . import providers

        return self.default_provider or providers.names()[0]

    def _interpolated(self, text: str) -> str:
        result = interpolate(text, self.shell.user_ns)
        for warning in result.warnings:
            _say(f"aigw: {warning}")
        return result.text

    def _begin(self, asking: Asking) -> tuple[CellView, Future[Turn]]:
        from .portal import portal
        from .views import make_view

        session = asking.session
        assert session is not None
        check_question(session.core.provider, **asking.question)
        gate = portal()
        title = f"{session.provider} {session.model or ''}".strip()
        view = make_view(
            loop=gate.loop,
            stop=lambda played_ms: gate.submit(_stop(session, played_ms)),
            title=title,
            session=session,
            sound=self.live_audio and self._shows_audio(asking),
        )
        asking.turns_before = len(session.turns)
        view.open()
        future = gate.submit(_ask(session.core, view, asking.question))
        future.add_done_callback(lambda _: view.wake())
        asking.view, asking.future = view, future
        return view, future

    def _finish(self, asking: Asking) -> Turn | None:
        assert asking.future is not None
        error: AigwError | None = None
        try:
            turn: Turn | None = asking.future.result()
        except AigwError as caught:
            error, turn = caught, caught.turn
        except BaseException:
            self._close_view(asking, None)
            raise
        self._close_view(asking, turn)
        if asking.options.record and asking.session is not None:
            asking.session.save(asking.options.record)
        if error is not None:
            raise error
        assert turn is not None
        if asking.options.into:
            self.shell.user_ns[asking.options.into] = turn
        if turn.error and turn.status != "completed":
            failed = GatewayError(f"the turn {turn.status}: {turn.error}")
            failed.turn = turn
            self._report(failed)
        turn.shown = True
        self._marked.append(turn)
        self._hint_at_voice(asking, turn)
        if asking.session is not None and asking.session.limit_reached:
            _say(f"aigw: {asking.session.limit_reached}; {AT_THE_LIMIT}")
        return turn

    def _hint_at_voice(self, asking: Asking, turn: Turn) -> None:
        """Say once how to hear words, when the local answers are spoken in chords for want of a voice."""
        if self._hinted or turn.audio is None or asking.session is None:
            return
        if asking.session.core.endpoint.kind == "embedded":
            from .gateway.engines.selection import voice_hint

            self._hinted = True
            if hint := voice_hint():
                print(hint)

    def _interrupted(self, asking: Asking) -> None:
        """Cancel the turn, wait for its last record, and show what there is of it."""
        assert asking.future is not None and asking.session is not None
        asking.future.cancel()
        core = asking.session.core
        core.turn_settled.wait(SETTLE_S)
        turns = asking.session.turns[asking.turns_before :]
        self._close_view(asking, turns[-1] if turns else None)

    def _close_view(self, asking: Asking, turn: Turn | None) -> None:
        from .display import formatted

        assert asking.view is not None
        text = None if turn is None else formatted(turn, asking.options.format)
        asking.view.close(turn, text=text, audio=self._shows_audio(asking))

    def _shows_audio(self, asking: Asking) -> bool:
        return self.show_audio and asking.options.format in ("markdown", "audio")

    def after_cell(self, *_: object) -> None:
        """Forget which turns the finished cell has shown: a later display of one is meant."""
        while self._marked:
            self._marked.pop().shown = False

    # --------------------------------------------------------------------------------------------------- sessions

    def _reuse(self, asking: Asking) -> Session | None:
        """The open session this cell continues; None when one must be opened."""
        reason = self.slots.why_new(asking.name, asking.options.provider, asking.wanted, new=asking.options.new)
        if reason is None:
            return self.slots.use(asking.name).session
        asking.reason = reason
        return None

    def _connection(self, asking: Asking) -> Connection:
        from .connection import connect

        settings = self.slots.settings(asking.name, asking.options.provider, asking.wanted, new=asking.options.new)
        asking.wanted = settings
        settings = self.player.instead_of(settings)
        return connect(asking.options.provider, timeout_s=self.open_timeout_s, log=self.log, **settings)

    def _keep(self, asking: Asking, session: Session) -> Session:
        self.slots.put(asking.name, Slot(asking.options.provider, asking.wanted, session))
        if asking.reason:
            print(f"A new conversation begins: {asking.reason}.")
        return session

    def _wanted(self, options: Any) -> dict[str, Any]:
        """The settings a cell asks for; those it leaves out stay as they are."""
        found = {name: getattr(options, name) for name in ("model", "voice", "instructions", "replay", "max_cost")}
        found["tools"] = self._tools(options.tools) if options.tools else None
        found["modalities"] = ("text",) if options.no_audio else None
        return {name: value for name, value in found.items() if value is not None}

    def _tools(self, names: str) -> tuple[Callable[..., Any], ...]:
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        missing = [name for name in wanted if not callable(self.shell.user_ns.get(name))]
        if missing:
            raise ConfigurationError(f"there is no function {missing[0]!r} in this notebook; define it in a cell first")
        return tuple(self.shell.user_ns[name] for name in wanted)

    # ---------------------------------------------------------------------------------------------- the line magic

    def _command(self, line: str) -> Any:
        from .commands import COMMANDS, unknown_command

        words = _split(line) or ["help"]
        command = COMMANDS.get(words[0])
        if command is None:
            raise ConfigurationError(unknown_command(words[0]))
        return command(self, words[1:])

    # ------------------------------------------------------------------------------------------------------ errors

    def _reported(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (AigwError, UsageError) as error:
            self._report(error)
            return None

    def _report(self, error: Exception) -> None:
        """One line of complaint, or the error itself where the settings ask for that."""
        if self.errors == "raise":
            raise error.with_traceback(None)  # where this package noticed it is no help to the reader
        _say(f"aigw: {error}")


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ConfigurationError(f"the line of the magic cannot be read: {error}") from None


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _has_kernel(shell: Any) -> bool:
    return hasattr(shell, "kernel")


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


async def _ticking(task: asyncio.Future[Any], work: Callable[[], object] = lambda: None) -> None:
    """Wait until `task` is done, doing `work` at each tick; a bare await would not notice an Interrupt."""
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=TICK_S)
            work()
        if not task.cancelled():
            task.exception()  # marks it as seen: the caller reads it from the future behind
    except asyncio.CancelledError:
        task.cancel()
        raise


async def _ask(core: Any, view: CellView, question: dict[str, Any]) -> Turn:
    """On the portal: one turn with the view as a sink."""
    core.add_sink(view)
    try:
        turn: Turn = await core.ask(**question)
        return turn
    finally:
        core.remove_sink(view)
        view.shut()


async def _stop(session: Session, played_ms: float | None) -> None:
    """On the portal: end the answer as the listener asked; a session that is over needs no stopping."""
    try:
        await session.core.interrupt(played_ms)
    except AigwError:
        return


# ------------------------------------------------------------------------------------------------------ the extension


def awaited_cell(shell: Any) -> Callable[[list[str]], list[str]]:
    """An input transformer: the call that IPython makes of a `%%aigw` cell becomes an awaited one.

    Only a cell that is nothing else, and only while `%autoawait` is on.
    """

    def await_aigw(lines: list[str]) -> list[str]:
        if not lines or not shell.autoawait or not lines[0].startswith("get_ipython().run_cell_magic('aigw',"):
            return lines
        arguments = _magic_arguments("".join(lines))
        if arguments is None:
            return lines
        registered = "get_ipython().magics_manager.registry['AigwMagics']"
        return [f"await {registered}.ask_cell({', '.join(map(repr, arguments))})\n"]

    return await_aigw


def _magic_arguments(source: str) -> list[str] | None:
    """The line and the body of the only statement, if it is one call of the magic; else None."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Expr) or not isinstance(body[0].value, ast.Call):
        return None
    values = [argument.value for argument in body[0].value.args if isinstance(argument, ast.Constant)]
    return [str(value) for value in values[1:]] if len(values) == 3 else None


@dataclass(slots=True)
class Extension:
    """What loading has put into a shell, so that unloading can take it out."""

    magics: AigwMagics
    transformer: Callable[[list[str]], list[str]]
    matcher: Callable[..., Any] | None


def load_ipython_extension(shell: Any) -> None:
    """Register the magics, the awaiting hook and tab completion; loading twice does nothing more."""
    if getattr(shell, "_aigw_extension", None) is not None:
        return
    magics = AigwMagics(shell)
    shell.register_magics(magics)
    transformer = awaited_cell(shell)
    shell.input_transformers_post.append(transformer)
    shell.events.register("post_run_cell", magics.after_cell)
    matcher = _add_matcher(shell, magics)
    shell._aigw_extension = Extension(magics, transformer, matcher)


def _add_matcher(shell: Any, magics: AigwMagics) -> Callable[..., Any] | None:
    if getattr(shell, "Completer", None) is None:
        return None

    def words() -> Vocabulary:
        from .commands import vocabulary

        return vocabulary(magics)

    matcher = make_matcher(words)
    shell.Completer.custom_matchers.append(matcher)
    return matcher


def unload_ipython_extension(shell: Any) -> None:
    """Close the sessions and take out all that loading put in."""
    extension: Extension | None = getattr(shell, "_aigw_extension", None)
    if extension is None:
        return
    shell._aigw_extension = None
    extension.magics.slots.close()
    extension.magics.player.stop()
    shell.events.unregister("post_run_cell", extension.magics.after_cell)
    shell.input_transformers_post.remove(extension.transformer)
    if extension.matcher is not None:
        shell.Completer.custom_matchers.remove(extension.matcher)
    shell.configurables.remove(extension.magics)
    shell.magics_manager.registry.pop("AigwMagics", None)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("aigw", None)
