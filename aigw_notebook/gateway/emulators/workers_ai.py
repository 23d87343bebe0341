"""Workers AI's realtime models, emulated: Deepgram's services behind one path, the model in the query.

Wire facts: `docs/protocol/deepgram.md`. The gateway's token is the only credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Emulator, Handshake, Refused, is_wrong_key
from .deepgram import DeepgramEmulator
from .deepgram_flux import FluxEmulator
from .deepgram_listen import ListenEmulator
from .deepgram_speak import SpeakEmulator
from .stage import JsonObject, dumps

__all__ = ["EMULATOR", "WorkersAIEmulator"]

SERVICES: Mapping[str, type[Emulator]] = {
    "@cf/deepgram/nova-3": ListenEmulator,
    "@cf/deepgram/flux": FluxEmulator,
    "@cf/deepgram/aura-1": SpeakEmulator,
    "@cf/deepgram/aura-2-en": SpeakEmulator,
    "@cf/deepgram/aura-2-es": SpeakEmulator,
}
GUESSED_NO_MODEL = {"code": 5007, "message": "No such model, or it has no realtime interface"}
GUESSED_NO_ENTRY = {"code": 10000, "message": "Authentication error"}


class WorkersAIEmulator(DeepgramEmulator):
    """One connection to the model that the query names."""

    routes: ClassVar[tuple[str, ...]] = ("workers-ai",)

    @classmethod
    def service_of(cls, handshake: Handshake) -> type[Emulator] | None:
        """What serves the model."""
        return SERVICES.get(handshake.query.get("model", ""))

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        """A wrong token shown to the service itself, an unknown model, or parameters that the model does not take."""
        if is_wrong_key(handshake.headers.get("authorization", "").rpartition(" ")[2]):
            return _refused(401, GUESSED_NO_ENTRY)
        if cls.service_of(handshake) is None:
            return _refused(400, GUESSED_NO_MODEL)
        return super().refuse(handshake)


def _refused(status: int, error: JsonObject) -> Refused:
    body = {"success": False, "result": None, "messages": [], "errors": [error]}
    return Refused(status=status, body=dumps(body).encode())


EMULATOR = WorkersAIEmulator
