"""What every provider is made of: settings in, a codec, capabilities as data.

A `Provider` is a value. A `Codec` is pure: no socket, no clock, no randomness but the ids handed to it. Differences
between providers are `Capabilities`, never a provider's name in a shared module.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, ClassVar, Literal, TypeAlias

from ..audio.formats import PCM16_24K, AudioFormat
from ..events import AnyServerEvent, ClientEvent, RawEvent, ServerEvent, SessionOpened

__all__ = [
    "Alarm",
    "Capabilities",
    "Codec",
    "Ids",
    "KeyAuth",
    "Message",
    "Provider",
    "SessionSettings",
    "TurnDetection",
    "counting_ids",
    "raw_event",
]

Message: TypeAlias = str | bytes
"""What a socket carries: str for a text frame, bytes for a binary one."""

Ids: TypeAlias = Callable[[str], str]
"""Makes an id that begins with the given prefix, unlike any before."""


def counting_ids(seed: str | None = None) -> Ids:
    """Ids of one random part and a counter: unique in the process, cheap, and fixed when `seed` is given."""
    base = secrets.token_hex(6) if seed is None else seed
    numbers = count(1)
    return lambda prefix: f"{prefix}{base}{next(numbers):09d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """Who decides that the user has finished speaking.

    `mode` "server" listens for silence, "semantic" for a finished thought, "manual" leaves it to `commit`.
    The rest tunes "server" (`threshold` 0 to 1; the two times in ms) and "semantic" (`eagerness`); None is the
    provider's default. With `create_response` False the provider marks turns and answers none; with
    `interrupt_response` False it goes on speaking when the user begins.
    """

    mode: Literal["server", "semantic", "manual"] = "server"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a caller wants of a session, in one vocabulary. None means the provider's own default.

    `modalities` is what the model answers with: ("audio",) speaks and gives the transcript as text, ("text",) writes.
    `turn_detection` None is the provider's default. `transcription` True asks for the user's words by the provider's
    usual recognizer, a string names another, False asks for none. `tools` are JSON-schema declarations
    (`{"name", "description", "parameters"}`). `options` goes into the provider's own session object as it is, on top
    of all else: the documented door for what only one provider has.
    """

    model: str | None = None
    voice: str | None = None
    instructions: str | None = None
    modalities: tuple[str, ...] | None = None
    turn_detection: TurnDetection | None = None
    transcription: bool | str | Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    temperature: float | None = None
    speed: float | None = None
    max_output_tokens: int | None = None
    input_format: AudioFormat | None = None
    output_format: AudioFormat | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, changes: Mapping[str, Any]) -> SessionSettings:
        """These settings with `changes` laid over them; an unknown name raises `TypeError`."""
        return replace(self, **dict(changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do, as data. Formats are listed best first.

    `answers` is False for one that says nothing of its own: it writes down what it hears, and a turn's text is the
    user's. `live_settings` are what a running session with `live_update` can change; empty: every setting. One that
    ends turns itself can be told to go on speaking when the user begins (`keeps_speaking`), and to leave it to this
    side to ask for the answer (`answers_on_request`). With `seed_history` a new session takes what both sides said
    before, in words; what the user spoke as sound too with `seed_audio`, calls of tools with `seed_tools`.
    """

    text_in: bool = True
    audio_in: bool = True
    image_in: bool = False
    text_out: bool = True
    audio_out: bool = True
    image_out: bool = False
    answers: bool = True
    input_formats: tuple[AudioFormat, ...] = (PCM16_24K,)
    output_formats: tuple[AudioFormat, ...] = (PCM16_24K,)
    voices: tuple[str, ...] = ()
    instructions: bool = True
    tools: bool = False
    cancel: bool = False
    truncation: bool = False
    server_turns: bool = False
    semantic_turns: bool = False
    manual_turns: bool = False
    keeps_speaking: bool = False
    answers_on_request: bool = False
    transcription: bool = False
    out_of_band: bool = False
    temperature: bool = False
    speed: bool = False
    max_output_tokens: bool = False
    live_update: bool = False
    live_settings: tuple[str, ...] = ()
    resumption: bool = False
    word_timings: bool = False
    editable_history: bool = False
    seed_history: bool = False
    seed_audio: bool = False
    seed_tools: bool = False
    session_limit_s: int | None = None

    def can_change(self, setting: str) -> bool:
        """Whether a running session can change that field of `SessionSettings`."""
        return self.live_update and (not self.live_settings or setting in self.live_settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAuth:
    """How a provider's key travels. Each form is None where the provider has no such form.

    `env` are environment variables, the first that is set wins. `header` is (name, template), the template holding
    `{key}`; `query` a parameter name; `subprotocol` a prefix that the key follows, offered together with
    `subprotocol_with`. `direct` is how it travels past the gateway, where that differs. `also` are forms that are never
    sent from here and that others use: a gateway takes them. There, an empty `subprotocol` is the bare key after one of
    `subprotocol_with`.
    """

    env: tuple[str, ...] = ()
    header: tuple[str, str] | None = None
    query: str | None = None
    subprotocol: str | None = None
    subprotocol_with: tuple[str, ...] = ()
    direct: KeyAuth | None = None
    also: tuple[KeyAuth, ...] = ()

    @property
    def any_form(self) -> bool:
        """Whether there is a way for a key to travel at all."""
        return any((self.header, self.query, self.subprotocol))


@dataclass(frozen=True, slots=True, eq=False)
class Alarm:
    """A wish of a codec's, which has no clock: to be called again after so many ms."""

    after_ms: float


class Codec(ABC):
    """One provider's wire protocol: messages in, events out; events in, messages out.

    Whoever drives it calls `opening` once, then `receive` and `send` in any order, and takes `messages_to_send` after
    *every* call: answers the protocol demands are queued by the codec itself. A codec never raises on what a peer
    sends, save `RemoteProtocolError` for a frame that cannot be read at all; an unknown message becomes a `RawEvent`.
    `send` raises `Unsupported` or `LocalProtocolError` and queues nothing when it cannot say what was asked.
    """

    ready: ClassVar[type[ServerEvent] | None] = SessionOpened
    """The event after which a session can be used: "connected" is not "ready". None: the peer never speaks first."""

    keep_alive_s: ClassVar[float | None] = None
    """A peer of this protocol hangs up on a silent client: after so long without a message `keep_alive` is called."""

    confirms_updates: ClassVar[bool] = False
    """Whether the peer answers each message that `SessionUpdate` queues: `SessionUpdated`, or a `SessionError`."""

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        self.settings = settings
        self.ids = ids
        self.last_sent_id: str | None = None
        """Id of the message queued last, which a `SessionError` may name; None where messages have no id."""
        self.alarm: Alarm | None = None
        """When to call `ring`, counted from when this was set; another value takes its place, None needs no call."""
        self._out: list[Message] = []

    @property
    @abstractmethod
    def input_format(self) -> AudioFormat:
        """What `AppendAudio` must carry."""

    @property
    @abstractmethod
    def output_format(self) -> AudioFormat:
        """What `AudioDelta` carries."""

    @abstractmethod
    def opening(self) -> None:
        """Queue the messages that configure the session right after connect."""

    @abstractmethod
    def receive(self, message: Message) -> Sequence[AnyServerEvent]:
        """The events that a message means, in order; often one, sometimes none."""

    @abstractmethod
    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""

    @property
    def mid_input(self) -> bool:
        """Whether an answer has begun whose question is still being said: `CreateResponse` ends the question then."""
        return False

    def ring(self) -> Sequence[AnyServerEvent]:
        """The events that follow from time alone: the time of `alarm` has come."""
        return ()

    def keep_alive(self) -> None:
        """Queue the least that tells the peer that this side is still there."""

    def messages_to_send(self) -> list[Message]:
        """All queued messages in order; they are the caller's now."""
        out, self._out = self._out, []
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider as a value: where it is, how one signs in, what speaks its protocol, what it can do.

    `route` is the path below the gateway (`…/<account>/<gateway>/<route>`), `direct_url` the provider's own address.
    `query` turns settings into the URL's parameters (model, agent …; a sequence is a parameter given several times),
    `tail` into what follows the address, with its slash. `emulator` is the module of its emulator. `variants` are the
    same provider's other protocols; each has the same name and `serves` the models for which it is taken. `logged_as`
    are further names by which AI Gateway's log may call it. `secrets` finds the credentials that stand in the settings
    themselves: they are hidden from all that is kept and shown, as the keys are.
    """

    name: str
    title: str
    route: str
    direct_url: str
    codec: type[Codec]
    capabilities: Capabilities
    auth: KeyAuth
    default_model: str | None = None
    models: tuple[str, ...] = ()
    query: Callable[[SessionSettings], Mapping[str, str | Sequence[str]]] = lambda settings: {}
    tail: Callable[[SessionSettings], str] = lambda settings: ""
    emulator: str | None = None
    variants: tuple[Provider, ...] = ()
    logged_as: tuple[str, ...] = ()
    secrets: Callable[[SessionSettings], Sequence[str]] = lambda settings: ()
    serves: Callable[[str | None], bool] = lambda model: False
    ping_interval_s: float | None = 20.0
    ping_timeout_s: float | None = 20.0

    @property
    def emulator_module(self) -> str:
        """Dotted path of the emulator: `emulator`, else the built-in one of the same name."""
        return self.emulator or f"aigw_notebook.gateway.emulators.{self.name}"

    def for_model(self, model: str | None) -> Provider:
        """The value that speaks to `model`: the first variant that serves it, else this one."""
        return next((variant for variant in self.variants if variant.serves(model)), self)


def raw_event(kind: str, raw: Any) -> list[AnyServerEvent]:
    """The answer of a codec's `receive` to a message it does not know."""
    return [RawEvent(kind=kind, raw=raw)]
