"""`ChatPanel`: a conversation with a realtime model in a notebook, written and spoken.

Messages between the panel and its views. From a view: `ready {have}` asks for all batches from number `have` on,
`listening` says that the page plays sound, `heard` and `drained` what was heard of it. What a person does comes as
`ask`, `stop`, `undo`, `edit`, `regenerate`, `clear`, `reconnect`, `approve`, `microphone`, `chunk`, `clip`, `picture`,
`export`; it names its `page`. To the views: `delta {seq, ops}`, `whole {snapshot}`, `picture`, `file`; to one page:
`audio`, `spoken`, `hold`, `hush`, `clip`. Sound and pictures travel as binary buffers.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import traitlets

from .. import providers
from ..connection import connect
from ..errors import AigwError, ConfigurationError, Unsupported
from ..faces import AsyncSession, Session
from ..portal import portal
from ..records import Row
from ..tools import as_tool
from ..turn import Turn
from .bundle import STATIC, bundle
from .chat_approval import APPROVAL_S, Approvals
from .chat_controls import controls_of, provider_choices
from .chat_driver import ChatDriver, Choice
from .chat_export import as_file
from .chat_model import Bubble
from .live import keep_front_end_route

__all__ = ["ChatPanel"]

MAX_PICTURE_BYTES = 8 * 1024 * 1024
MAX_QUESTION_CHARACTERS = 100_000
CHOSEN = ("provider", "model", "voice", "instructions")
ANSWERED = ("ask", "edit", "regenerate", "microphone")
"""What a person does that is answered aloud: in the page where it was done."""

SUGGESTIONS = ("What can you do?", "Tell me something surprising.", "Count from one to ten.")


class ChatPanel(anywidget.AnyWidget):
    """A conversation to be had in a notebook's output: type or speak, read and hear the answer.

    `provider` is what `connect` takes, or an open session, which the panel then shows and never closes. `settings` are
    those of `connect`. With `approve_tools` every tool call waits for a click. `microphone` is "open" or "push" (hold
    the button, or Space, while speaking); with `half_duplex` an open one sends silence while the page is heard.
    `suggestions` are the questions offered in an empty panel.

    The session is opened when the panel is shown or first used, never on the kernel's thread. `status`, `text` (the
    last answer), `provider`, `model`, `voice`, `instructions`, `microphone`, `half_duplex` and `muted` are traits to
    observe and to link; keys and tokens are none. Close the panel to end its session.
    """

    _css = STATIC / "chat.css"

    panel_id = traitlets.Unicode().tag(sync=True)
    provider = traitlets.Unicode().tag(sync=True)
    model = traitlets.Unicode().tag(sync=True)
    voice = traitlets.Unicode().tag(sync=True)
    instructions = traitlets.Unicode().tag(sync=True)
    muted = traitlets.Bool(False).tag(sync=True)
    microphone = traitlets.Enum(("open", "push"), "push").tag(sync=True)
    half_duplex = traitlets.Bool(False).tag(sync=True)
    status = traitlets.Unicode("idle", read_only=True).tag(sync=True)
    text = traitlets.Unicode(read_only=True)
    transcript = traitlets.Unicode('{"seq": 0, "bubbles": []}').tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    controls = traitlets.Dict().tag(sync=True)
    suggestions = traitlets.List(traitlets.Unicode()).tag(sync=True)

    _is_closed = True  # until it is made

    def __init__(
        self,
        provider: str | Session | AsyncSession,
        *,
        approve_tools: bool = False,
        microphone: str = "push",
        half_duplex: bool = False,
        suggestions: Sequence[str] = SUGGESTIONS,
        muted: bool = False,
        **settings: Any,
    ) -> None:
        given = provider.core if isinstance(provider, Session | AsyncSession) else None
        chosen = _chosen(provider, settings)
        _check(settings, given=given is not None, approve_tools=approve_tools)
        super().__init__(
            _esm=bundle("chat.js"),
            panel_id=f"aigw-chat-{uuid4().hex}",
            suggestions=list(suggestions),
            muted=muted,
            microphone=microphone,
            half_duplex=half_duplex,
            **chosen,
        )
        self._lock = threading.RLock()
        self._is_closed = False
        approvals = Approvals(lambda: self._driver.approval_changed())
        if approve_tools:
            settings = _guarded(settings, approvals)
        self._driver = ChatDriver(self, self._choice(), settings, approvals=approvals, core=given)
        self._refresh_controls(fixed=given is not None)
        self._handlers = self._handler_table()
        self.on_msg(self._on_message)
        self.observe(self._on_choice, names=list(CHOSEN))
        keep_front_end_route(self)
        self._submit(self._driver.adopt())

    # --------------------------------------------------------------------------------------------------- from Python

    @property
    def session(self) -> Session | None:
        """The open session; None while there is none."""
        core = self._driver.core
        return None if core is None else Session(core)

    @property
    def turns(self) -> list[Turn]:
        """The turns of the conversation that is shown, the oldest first; those taken back are left out."""
        runs = list(self._driver.runs)
        return [t for run in runs for t in run.core.transcript.turns if t.number not in run.said.hidden]

    @property
    def records(self) -> list[Row]:
        """The rows of every session of this panel, also of what was taken back or cleared."""
        return [row for run in list(self._driver.runs) for row in run.core.transcript.records]

    @property
    def bubbles(self) -> list[Bubble]:
        """What the panel shows, as plain values."""
        return self._driver.screen.feed.bubbles

    @property
    def microphone_counts(self) -> dict[str, int]:
        """Chunks of sound that came from the page (`received`), that the page sent and the kernel never got (`lost`),
        and that were let go because the session took no more (`dropped`).
        """
        microphone = self._driver.microphone
        return {"received": microphone.received, "lost": microphone.lost, "dropped": microphone.dropped}

    def ask(self, text: str | None = None, *, image: Any = None, audio: Any = None, **more: Any) -> Turn:
        """The finished turn that answers this question, which is shown in the panel; the rest is as in `Session.ask`.

        An answer that still runs is stopped first.
        """
        from ..session.user_input import encoded_image

        images = () if image is None else (encoded_image(image),)
        sound = {} if audio is None else {"audio": audio}
        return portal().run(self._driver.ask(text, images=images, **sound, **more))

    def stop(self) -> None:
        """Stop the answer that is being given."""
        portal().run(self._driver.stop())

    def undo(self) -> None:
        """Take the last turn back: the model forgets it too. Raises `Unsupported` where that cannot be."""
        portal().run(self._driver.undo())

    def regenerate(self) -> Turn:
        """The answer to the last question, asked again in the place of the one there was."""
        return portal().run(self._driver.regenerate())

    def clear(self) -> None:
        """Begin a new conversation; `records` keeps the old one."""
        portal().run(self._driver.clear())

    def reconnect(self) -> None:
        """Open the session, or a new one in the place of one that has ended."""
        portal().run(self._driver.reconnect())

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of the tool calls that wait for a person, the oldest first."""
        return self._driver.approvals.waiting

    def approve(self, call_id: str, approved: bool = True) -> None:
        """Let a tool call that waits run, or refuse it."""
        self._call(self._driver.approvals.answer, call_id, approved)

    def export(self, path: str | Path) -> Path:
        """The file the conversation was written to: Markdown (`.md`) or JSON with all records (`.json`)."""
        place = Path(path)
        text = as_file(place.suffix, self.bubbles, self.records, where=self.state.get("where", ""))
        place.write_text(text, encoding="utf-8")
        return place

    def close(self) -> None:
        """End the panel and its session; a session that was given stays open."""
        if not self._is_closed:
            self._is_closed = True
            portal().run(self._driver.close())
            super().close()

    def __del__(self) -> None:
        """Nothing: a session is ended by `close`, never by the garbage collector, which may run on any thread."""

    def __repr__(self) -> str:
        return f"<ChatPanel {self.provider}, {self.status}, {len(self.turns)} turns>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundles = super()._repr_mimebundle_(**options)
        data = bundles[0] if isinstance(bundles, tuple) else bundles
        if isinstance(data, dict):
            data["text/plain"] = repr(self)
        return bundles

    # ------------------------------------------------------------------------------------------- told by the driver

    def tell(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        """Send a message to the views."""
        if not self._is_closed:
            self.send(content, buffers)

    def mark(self, **changes: Any) -> None:
        """Change fields of `state`; `status` and `text` are traits of their own."""
        with self._lock:
            for name in ("status", "text"):
                if name in changes:
                    self.set_trait(name, changes.pop(name))
            changed = {name: value for name, value in changes.items() if self.state.get(name) != value}
            if changed:
                self.state = {**self.state, **changed}

    def paint(self, snapshot: str) -> None:
        """Set the whole conversation."""
        self.transcript = snapshot

    # ------------------------------------------------------------------------------------------------ from the views

    def _handler_table(self) -> Mapping[str, Callable[[dict[str, Any], list[bytes]], object]]:
        """What each message of a view does, on whatever thread the kernel handles widget messages with."""
        driver, sound, microphone = self._driver, self._driver.sound, self._driver.microphone
        return {
            "ready": self._on_ready,
            "listening": lambda content, buffers: self._call(driver.listen, str(content["page"])),
            "ask": self._on_ask,
            "stop": lambda content, buffers: self._do(driver.stop()),
            "heard": lambda content, buffers: self._call(sound.heard, content["items"], content.get("id")),
            "drained": lambda content, buffers: self._call(sound.drained, content["item"], float(content["played_ms"])),
            "undo": lambda content, buffers: self._do(driver.undo()),
            "edit": lambda content, buffers: self._do(driver.edit(str(content["id"]), _question(content))),
            "regenerate": lambda content, buffers: self._do(driver.regenerate()),
            "clear": lambda content, buffers: self._do(driver.clear()),
            "reconnect": lambda content, buffers: self._do(driver.reconnect()),
            "approve": lambda content, buffers: self.approve(str(content["id"]), bool(content["yes"])),
            "microphone": self._on_microphone,
            "chunk": lambda content, buffers: self._call(microphone.take, bytes(buffers[0]), content.get("seq")),
            "clip": lambda content, buffers: self._call(driver.send_clip, str(content["id"]), str(content["page"])),
            "picture": lambda content, buffers: self._call(driver.send_picture, str(content["ref"])),
            "export": self._on_export,
        }

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        handler = self._handlers.get(str(content.get("kind"))) if isinstance(content, dict) else None
        if handler is not None and not self._is_closed:
            if content["kind"] in ANSWERED and "page" in content:
                self._call(self._driver.sound.prefer, str(content["page"]))
            handler(content, list(buffers or ()))

    def _on_ready(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self._call(self._driver.screen.replay_since, int(content.get("have", 0)))
        if self.status == "idle" and not self.turns:
            self._submit(_quietly(self._driver.open()))

    def _on_ask(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        images = tuple(bytes(data) for data in buffers)
        if any(len(data) > MAX_PICTURE_BYTES for data in images):
            self._call(self._driver.note, f"A picture may have {MAX_PICTURE_BYTES >> 20} MB: make it smaller.")
            return
        text = _question(content)
        self._do(self._driver.ask(text or None, images=images))

    def _on_microphone(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        microphone = self._driver.microphone
        if content["on"]:
            self._call(lambda: microphone.begin(int(content["rate"]), push=bool(content["push"])))
        else:
            self._call(microphone.end)

    def _on_export(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        suffix = str(content["suffix"])
        text = as_file(suffix, self.bubbles, self.records, where=self.state.get("where", ""))
        self.tell({"kind": "file", "view": content["view"], "name": f"conversation{suffix}", "text": text}, [])

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        self._submit(self._driver.attempt(work))

    def _submit(self, work: Coroutine[Any, Any, object]) -> Future[object]:
        return portal().submit(work)

    def _call(self, work: Callable[..., object], *args: Any) -> None:
        portal().loop.call_soon_threadsafe(work, *args)

    # ------------------------------------------------------------------------------------------------------ choices

    def _choice(self) -> Choice:
        return Choice(
            provider=self.provider,
            model=self.model or None,
            voice=self.voice or None,
            instructions=self.instructions or None,
        )

    def _on_choice(self, change: Any) -> None:
        if change["name"] == "provider":
            with self.hold_trait_notifications():
                self.model = self.voice = ""
        self._refresh_controls()
        self._do(self._driver.choose(self._choice()))

    def _refresh_controls(self, *, fixed: bool | None = None) -> None:
        fixed = self.controls.get("fixed", False) if fixed is None else fixed
        try:
            known = controls_of(providers.get(self.provider), self.model or None)
        except AigwError as error:
            known = {"title": self.provider}
            self.mark(status="failed", error=str(error))
        choices = [] if fixed else provider_choices()
        self.controls = {**known, "providers": choices, "fixed": fixed}


def _chosen(provider: str | Session | AsyncSession, settings: dict[str, Any]) -> dict[str, str]:
    """The traits that a person may change, taken out of the settings."""
    if not isinstance(provider, str):
        known = provider.settings
        names = {"model": known.model, "voice": known.voice, "instructions": known.instructions}
        return {"provider": provider.provider, **{name: value or "" for name, value in names.items()}}
    chosen = {key: settings.pop(key, None) or "" for key in CHOSEN[1:]}
    name, model = providers.named_model(provider, chosen["model"])
    return {"provider": name, **chosen, "model": model or ""}


def _check(settings: Mapping[str, Any], *, given: bool, approve_tools: bool) -> None:
    known = inspect.signature(connect).parameters
    unknown = [name for name in settings if name not in known or name in ("provider", "quiet")]
    if unknown:
        raise ConfigurationError(f"unknown setting {', '.join(unknown)}: give those of connect()")
    if given and (settings or approve_tools):
        raise Unsupported("a panel for an open session takes no settings: give them to connect()")


def _guarded(settings: Mapping[str, Any], approvals: Approvals) -> dict[str, Any]:
    timeout_s = float(settings.get("tool_timeout_s", 30.0))
    tools = [approvals.guarded(as_tool(tool), timeout_s=timeout_s) for tool in settings.get("tools", ())]
    return {**settings, "tools": tools, "tool_timeout_s": APPROVAL_S + timeout_s}


def _question(content: Mapping[str, Any]) -> str:
    return str(content.get("text") or "")[:MAX_QUESTION_CHARACTERS]


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    """Do it; what goes wrong is in the panel's state already."""
    try:
        await work
    except AigwError:
        return
