"""ElevenLabs over WebSockets, emulated: conversations with an agent, and streamed text to speech.

Wire facts: `docs/protocol/elevenlabs.md`. What the service was never seen to do is guessed, in constants that say so.
The modules beside hold the protocols: `elevenlabs_agent`, with its first message in `elevenlabs_setup`, and
`elevenlabs_stream`. The gateway's own documented example opens an agent's socket and speaks the other protocol; a first
message of that shape is therefore answered as text to speech.
"""

from __future__ import annotations

import json
import logging
from typing import Any, ClassVar
from urllib.parse import quote

from ...providers.base import Message
from .base import Answer, Close, Handshake
from .elevenlabs_agent import FORMAT_NAME, Agent
from .elevenlabs_setup import Failure, signature
from .elevenlabs_stream import Streams
from .stage import JsonObject, StagedEmulator, dumps

__all__ = ["EMULATOR", "ElevenLabsEmulator"]

log = logging.getLogger(__name__)

CONVERSATION = "elevenlabs/v1/convai/conversation"
SIGNED_URLS = (f"{CONVERSATION}/get-signed-url", f"{CONVERSATION}/get_signed_url")
SPEECH = "elevenlabs/v1/text-to-speech/"
SAMPLE_VOICE = "sample"


class ElevenLabsEmulator(StagedEmulator):
    """One emulated connection: a conversation, or text to speech as its route says.

    Any agent id and any voice is there, save those that `elevenlabs_setup` and `elevenlabs_stream` name. A key is
    asked for by private agents only; one that stands for a wrong one is refused by all.
    """

    routes: ClassVar[tuple[str, ...]] = ("elevenlabs", CONVERSATION, *SIGNED_URLS, SPEECH)

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._part: Agent | Streams | None = None

    @classmethod
    def answer(cls, handshake: Handshake, base_url: str) -> Answer | None:
        """The signed URL of an agent."""
        agent_id = handshake.query.get("agent_id")
        if handshake.route not in SIGNED_URLS:
            return None
        if not agent_id:
            detail = {"status": "invalid_parameters", "message": "agent_id is required"}
            return Answer(status=422, body=dumps({"detail": detail}).encode())
        url = f"{base_url}/{CONVERSATION}?agent_id={quote(agent_id, safe='')}"
        return Answer(
            status=200, body=dumps({"signed_url": f"{url}&conversation_signature={signature(agent_id)}"}).encode()
        )

    @property
    def next_wake_ms(self) -> float | None:
        if self._ended or self._part is None:
            return None
        steps_ms = self._schedule.next_ms
        due_ms = self._part.next_wake_ms
        due_ms = due_ms if steps_ms is None else min(due_ms, steps_ms)
        return None if due_ms == float("inf") else due_ms

    def open(self) -> None:
        route = self.handshake.route
        if route.startswith(SPEECH):
            self._open_speech(route.removeprefix(SPEECH))
            return
        agent = self._part = Agent(self._stage, self.handshake, self._end)
        refusal = agent.refusal()
        if refusal is not None:
            agent.fail(refusal)

    def receive(self, message: Message) -> None:
        if self._ended or self._part is None:
            return
        try:
            parsed = _parse(message)
            if isinstance(self._part, Agent) and not self._part.begun and _is_speech(parsed):
                log.info("a first message of text to speech on an agent's route: it is answered as such")
                self._part = self._speech(SAMPLE_VOICE, multi=False, format_name=FORMAT_NAME)
            self._part.receive(parsed)
        except Failure as failure:
            self._part.fail(failure)
        self._schedule.run()

    def wake(self) -> None:
        if self._ended or self._part is None:
            return
        try:
            self._part.wake()
        except Failure as failure:
            self._part.fail(failure)
        self._schedule.run()

    def close(self) -> None:
        self._ended = True
        if self._part is not None:
            self._part.stop()
        self._schedule.stop()

    def _end(self, code: int, reason: str) -> None:
        self._put(Close(code=code, reason=reason))
        self.close()

    def _open_speech(self, rest: str) -> None:
        voice, _, endpoint = rest.partition("/")
        if endpoint not in ("stream-input", "multi-stream-input"):
            self._end(1008, "there is no such endpoint")
            return
        self._part = self._speech(voice, multi=endpoint.startswith("multi"))

    def _speech(self, voice: str, *, multi: bool, format_name: str | None = None) -> Streams:
        return Streams(self._stage, self.handshake, self._end, voice=voice, multi=multi, format_name=format_name)


def _is_speech(message: JsonObject) -> bool:
    return "type" not in message and "user_audio_chunk" not in message and isinstance(message.get("text"), str)


def _parse(message: Message) -> JsonObject:
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError):
        raise Failure("invalid_message", "The message could not be parsed as JSON.") from None
    if not isinstance(parsed, dict):
        raise Failure("invalid_message", "The message must be a JSON object.")
    return parsed


EMULATOR = ElevenLabsEmulator
