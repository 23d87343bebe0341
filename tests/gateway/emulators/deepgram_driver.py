"""A Deepgram emulator's client without a socket: `tests/emulation.py` with this provider's routes and audio."""

from __future__ import annotations

from aigw_notebook.audio.formats import PCM16_16K
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.emulators.deepgram import DeepgramEmulator
from aigw_notebook.gateway.engines import Engines
from tests.emulation import AT_ONCE, Frame, MixedPlayer

__all__ = ["QUERIES", "ROUTES", "client", "quiet", "talk", "turns"]

ROUTES = {"listen": "deepgram/v1/listen", "flux": "deepgram/v2/listen", "speak": "deepgram/v1/speak"}
QUERIES: dict[str, dict[str, str]] = {
    "listen": {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000", "interim_results": "true"},
    "flux": {"model": "flux-general-en", "encoding": "linear16", "sample_rate": "16000"},
    "speak": {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": "16000"},
}


def client(
    kind: str, *, engines: Engines | None = None, pace: Pace = AT_ONCE, hold_jobs: bool = False, **query: str
) -> MixedPlayer:
    return MixedPlayer(
        DeepgramEmulator,
        ROUTES[kind],
        pace=pace,
        engines=engines,
        hold_jobs=hold_jobs,
        handshake={"query": {**QUERIES[kind], **query}},
    )


def quiet(duration_ms: float) -> bytes:
    return bytes(PCM16_16K.byte_count(duration_ms))


def talk(speaker: MixedPlayer, audio: bytes, frame_bytes: int = 3_200) -> None:
    for start in range(0, len(audio), frame_bytes):
        speaker.raw(audio[start : start + frame_bytes])
    speaker.wait()


def turns(frames: list[Frame]) -> list[tuple[str, str]]:
    """Event and words of each turn message, updates left out."""
    told = [frame for frame in frames if frame["type"] == "TurnInfo" and frame["event"] != "Update"]
    return [(frame["event"], frame["transcript"]) for frame in told]
