"""Deepgram's own API, emulated: listen v1, listen v2 and speak v1, each at its path.

Wire facts: `docs/protocol/deepgram.md`. Any key is taken but those that stand for a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from ...providers.base import Ids, Message
from ..engines.base import Engines
from .base import Emulator, Handshake, Output, Pace, Refused, is_wrong_key
from .deepgram_flux import FluxEmulator
from .deepgram_listen import ListenEmulator
from .deepgram_speak import SpeakEmulator
from .deepgram_wire import refused

__all__ = ["EMULATOR", "SERVICES", "DeepgramEmulator"]

GUESSED_BAD_KEY = "Invalid credentials."

SERVICES: Mapping[str, type[Emulator]] = {
    "deepgram/v1/listen": ListenEmulator,
    "deepgram/v2/listen": FluxEmulator,
    "deepgram/v1/speak": SpeakEmulator,
}


class DeepgramEmulator(Emulator):
    """One connection; the service behind it is chosen when the client knocks."""

    routes: ClassVar[tuple[str, ...]] = ("deepgram", *SERVICES)

    def __init__(
        self,
        handshake: Handshake,
        *,
        engines: Engines,
        ids: Ids,
        clock: Callable[[], float],
        pace: Pace,
    ) -> None:
        super().__init__(handshake, engines=engines, ids=ids, clock=clock, pace=pace)
        service = self.service_of(handshake) or ListenEmulator
        self._service = service(handshake, engines=engines, ids=ids, clock=clock, pace=pace)

    @classmethod
    def service_of(cls, handshake: Handshake) -> type[Emulator] | None:
        """What serves this connection; None when nothing does."""
        return SERVICES.get(handshake.route)

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        """Why there would be no upgrade."""
        service = cls.service_of(handshake)
        if service is None:
            return refused("there is no such path", status=404, code="NOT_FOUND")
        if is_wrong_key(handshake.key):
            return refused(GUESSED_BAD_KEY, status=401, code="INVALID_AUTH")
        return service.refuse(handshake)

    @property
    def next_wake_ms(self) -> float | None:
        return self._service.next_wake_ms

    def open(self) -> None:
        self._service.open()

    def open_keyless(self) -> None:
        self._service.open_keyless()

    def receive(self, message: Message) -> None:
        self._service.receive(message)

    def wake(self) -> None:
        self._service.wake()

    def close(self) -> None:
        self._service.close()

    def drain(self) -> list[Output]:
        """All that the service has queued."""
        return self._service.drain()


EMULATOR = DeepgramEmulator
