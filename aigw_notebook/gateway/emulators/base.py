"""A provider seen from its own side of the socket, without the socket.

An `Emulator` is what a codec is, mirrored: messages in, messages out, ids and clock handed to it. What is slow it does
not do: it queues a `Job`, which its driver runs in a worker thread. What must wait it does not sleep for: it names the
time at which it wants to be woken. So a whole conversation can be played in a test with no loop, thread or clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from ...providers.base import Ids, Message
from ..engines.base import Engines

__all__ = ["Answer", "Close", "Emulator", "Handshake", "Job", "Output", "Pace", "Refused"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast an emulated provider answers. Zero everywhere is as fast as it can.

    `first_token_ms` is the wait before the first delta, `text_delta_ms` the time between text deltas, `audio_speed`
    how many times faster than real time audio is sent (0: no wait at all), `audio_delta_ms` the length of one delta.
    """

    first_token_ms: float = 120.0
    text_delta_ms: float = 25.0
    audio_speed: float = 4.0
    audio_delta_ms: float = 100.0


class Emulator(ABC):
    """One connection to one emulated provider.

    The driver calls `open` once, then `receive`, `wake` and the callbacks of jobs in any order, all on one thread, and
    takes `drain` after every call. It calls `wake` once `clock()` has reached `next_wake_ms`, and `close` when the
    client is gone. Nothing a client sends makes these raise; it is answered, or refused as the provider refuses it.
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
