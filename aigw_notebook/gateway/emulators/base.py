"""A provider seen from its own side of the socket, without the socket.

An `Emulator` is what a codec is, mirrored: messages in, messages out, ids and clock handed to it. What is slow it does
not do: it queues a `Job`, which its driver runs in a worker thread. What must wait it does not sleep for: it names the
time at which it wants to be woken. So a whole conversation can be played in a test with no loop, thread or clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, TypeAlias

from ...providers.base import Ids, Message
from ..engines.base import Engines

__all__ = [
    "NO_KEY_CLOSE",
    "Answer",
    "Close",
    "Emulator",
    "Handshake",
    "Job",
    "Output",
    "Pace",
    "Refused",
    "UsageTally",
    "is_wrong_key",
]

NO_KEY_CLOSE = 4001
"""The close code that users saw when a stored key was not applied to a socket."""

WRONG_KEYS = ("invalid", "wrong")
"""How a key begins that stands for one the provider does not know: there is no list of the good ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What the client asked for when it connected. Header names are lower case; `key` is the provider's credential
    by whatever form it came (None: none came).
    """

    route: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    subprotocols: tuple[str, ...] = field(default=(), repr=False)
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """End the connection with this close code and reason, after all that was queued before."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The provider's own answer instead of the upgrade: HTTP status and JSON body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The provider's answer to a plain HTTP request: status and JSON body."""

    status: int
    body: bytes = field(repr=False)


@dataclass(slots=True, eq=False)
class Job:
    """Work for a worker thread: iterate `results`, hand each to `deliver`, then call `done`, both on the loop.

    `done` is called once, with the exception if `results` raised; after `cancelled` is set neither is called any more
    and the iteration stops at the next result.
    """

    results: Callable[[], Iterable[object]]
    deliver: Callable[[object], None]
    done: Callable[[BaseException | None], None]
    cancelled: bool = False


Output: TypeAlias = Message | Close | Job


@dataclass(slots=True, eq=False)
class UsageTally:
    """What a connection has used up, as its provider reported it to the client; None: it reported nothing."""

    model: str | None = None
    """The model, where a message and not the address names it."""
    tokens_in: int | None = None
    tokens_out: int | None = None

    def add(self, tokens_in: int, tokens_out: int) -> None:
        """Count the tokens of one report."""
        self.tokens_in = (self.tokens_in or 0) + tokens_in
        self.tokens_out = (self.tokens_out or 0) + tokens_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast an emulated provider answers. Zero everywhere is as fast as it can.

    `first_token_ms` is the wait before the first delta, `text_delta_ms` the time between text deltas, `audio_speed`
    how many times faster than real time audio is sent (0: no wait at all), `audio_delta_ms` the length of one delta.
    Each wait between text deltas is longer or shorter by up to `jitter` of it, in a series that `seed` decides.
    """

    first_token_ms: float = 120.0
    text_delta_ms: float = 25.0
    audio_speed: float = 4.0
    audio_delta_ms: float = 100.0
    jitter: float = 0.0
    seed: int = 0

    def text_waits_ms(self) -> Iterator[float]:
        """The waits after the text deltas of one answer, without end."""
        series = Random(self.seed)
        while True:
            yield self.text_delta_ms * (1 + self.jitter * series.uniform(-1, 1))


def is_wrong_key(key: str | None) -> bool:
    """Whether a key is one of those that every emulator refuses, as its provider does; a missing one is not."""
    return key is not None and key.lower().startswith(WRONG_KEYS)


class Emulator(ABC):
    """One connection to one emulated provider.

    The driver calls `open` once, then `receive`, `wake` and the callbacks of jobs in any order, all on one thread, and
    takes `drain` after every call. It calls `wake` once `clock()` has reached `next_wake_ms`, and `close` when the
    client is gone. Nothing a client sends makes these raise; it is answered, or refused as the provider refuses it.
    To `usage` it adds what it reports to the client.
    """

    routes: ClassVar[tuple[str, ...]] = ()
    """The paths below the gateway that this emulator serves, exact, or with a trailing `/` for everything below."""

    def __init__(
        self,
        handshake: Handshake,
        *,
        engines: Engines,
        ids: Ids,
        clock: Callable[[], float],
        pace: Pace,
    ) -> None:
        self.handshake = handshake
        self.engines = engines
        self.ids = ids
        self.clock = clock
        self.pace = pace
        self.usage = UsageTally()
        self._out: list[Output] = []

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        """Why the provider would not upgrade this connection; None when it would."""
        return None

    @classmethod
    def answer(cls, handshake: Handshake, base_url: str) -> Answer | None:
        """The answer to a plain GET of this route; None where only a WebSocket is served.

        `base_url` is the gateway as the client addressed it, `ws://…/v1/<account>/<gateway>`.
        """
        return None

    @classmethod
    def refuse_keyless(cls) -> Refused | None:
        """How the provider refuses the upgrade when the gateway has no key to show it; None: it says so afterwards."""
        return None

    def open_keyless(self) -> None:
        """What comes in place of `open` when a key is needed and the gateway had none to show."""
        self._out.append(Close(code=NO_KEY_CLOSE, reason="no provider key was sent"))

    def expire(self) -> None:
        """The session's time is up sooner than usual: say what the provider says then. Not every provider does."""

    @property
    def next_wake_ms(self) -> float | None:
        """When to call `wake`, on the scale of `clock` (ms); None: no need."""
        return None

    @abstractmethod
    def open(self) -> None:
        """The connection stands: queue the provider's first words, or its refusal."""

    @abstractmethod
    def receive(self, message: Message) -> None:
        """Take one message from the client."""

    def wake(self) -> None:
        """Do what has become due."""

    def close(self) -> None:
        """The client is gone: cancel what still runs."""

    def drain(self) -> list[Output]:
        """All that was queued, in order; it is the driver's now."""
        out, self._out = self._out, []
        return out
