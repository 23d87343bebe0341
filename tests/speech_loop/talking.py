"""A user who speaks and listens: the neural voice feeds a session's microphone, its answers are kept as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import aigw_notebook as aigw
from aigw_notebook import providers
from aigw_notebook.audio.convert import convert
from aigw_notebook.audio.formats import AudioFormat
from aigw_notebook.events import AudioDelta
from aigw_notebook.gateway.engines.base import Listener
from aigw_notebook.providers.base import Capabilities
from tests.real_speech import said

__all__ = ["CHUNK_MS", "NEEDS", "TALKERS", "Talk", "heard_by"]

CHUNK_MS = 40
WAIT_S = 30

NEEDS: Mapping[str, Mapping[str, Any]] = {
    # An agent greets first, which makes a turn that these tests did not ask for.
    "elevenlabs": {"options": {"conversation_config_override": {"agent": {"first_message": ""}}}},
}
"""Provider → what `connect` must be given besides."""


def _converses(can: Capabilities) -> bool:
    return can.audio_in and can.audio_out and can.answers and can.server_turns


TALKERS = [name for name in providers.names() if _converses(providers.get(name).capabilities)]
"""The providers that are spoken to, find the end of a turn, and answer aloud."""


class Talk:
    """A session, what was said in it, and all its events."""

    def __init__(self, session: aigw.Session, provider: str) -> None:
        self.session = session
        self.events: list[Any] = []
        self._rate = providers.get(provider).capabilities.input_formats[0].sample_rate
        self._news = threading.Condition()
        session.core.add_sink(self._take)

    def say(self, text: str, *, silence_ms: int = 1_200) -> None:
        """Speak into the microphone, and be silent then."""
        self.send(said(text, self._rate) + bytes(2 * (self._rate * silence_ms // 1000)))

    def send_at(self, sample_rate: int, pcm16: bytes) -> None:
        """Send sound of another rate."""
        self.send(convert(pcm16, AudioFormat("pcm16", sample_rate), AudioFormat("pcm16", self._rate)))

    def send(self, pcm16: bytes) -> None:
        """Send sound as a microphone does, but as fast as it is taken."""
        size = 2 * (self._rate * CHUNK_MS // 1000)
        for at in range(0, len(pcm16), size):
            self.session.send_audio(pcm16[at : at + size])

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def until(self, reached: Callable[[], object]) -> None:
        """Return as soon as that is so."""
        with self._news:
            assert self._news.wait_for(reached, WAIT_S), [type(event).__name__ for event in self.events]

    def received_ms(self) -> float:
        """How much speech has come."""
        return sum(event.format.duration_ms(event.data) for event in self.of(AudioDelta))

    def _take(self, event: Any) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()


def heard_by(listener: Listener, clip: aigw.Clip | None) -> str:
    """What a recognizer makes out in an answer."""
    assert clip is not None
    pcm16 = clip.converted(AudioFormat("pcm16", clip.sample_rate))
    return listener.transcribe(pcm16.data, sample_rate=pcm16.sample_rate)
