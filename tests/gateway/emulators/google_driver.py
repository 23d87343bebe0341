"""A Gemini Live emulator's client without a socket: `tests/emulation.py` with this provider's words."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import OrderedDict
from itertools import groupby
from typing import Any

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.emulators.google import GoogleEmulator, Saved
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Reply
from tests import speech
from tests.emulation import Frame, Player

SLOW = Pace(first_token_ms=10, text_delta_ms=1_000, audio_speed=0.1, audio_delta_ms=100)
"""So slow that whatever the client says while an answer runs comes while it runs."""

MODEL = "models/gemini-3.8-live"
SPEECH = {"generationConfig": {"responseModalities": ["AUDIO"]}, "outputAudioTranscription": {}}
MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}

Message = Frame


class Client(Player):
    """The client's side of one emulated connection. What arrives is in `messages` until it is taken."""

    def __init__(
        self,
        setup: Message | None = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
        handles: OrderedDict[str, Saved] | None = None,
        **options: Any,
    ) -> None:
        handshake = {"query": query or {}, "headers": headers or {}, "key": key}
        kept = OrderedDict() if handles is None else handles
        super().__init__(GoogleEmulator, "google", handshake=handshake, handles=kept, **options)
        if setup is not None:
            self.send(setup={"model": MODEL, **SPEECH, **setup})

    # ---- what a client does

    def say(self, text: str) -> None:
        self.send(clientContent={"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": True})

    def realtime(self, **named: Any) -> None:
        self.send(realtimeInput=named)

    def stream(self, pcm16: bytes, *, rate: int = 16_000, chunk: int = 3_200) -> None:
        for start in range(0, len(pcm16), chunk):
            data = b64encode(pcm16[start : start + chunk]).decode()
            self.realtime(audio={"mimeType": f"audio/pcm;rate={rate}", "data": data})

    def settle(self) -> None:
        """Let all that is due now, and needs no more time, be done."""
        self.wait(0)

    # ---- what it got

    @property
    def messages(self) -> list[Message]:
        return self.frames

    def kinds(self) -> list[str]:
        """What has arrived by `kind_of`, runs of the same as one; takes it."""
        self.settle()
        return [kind for kind, _ in groupby(map(kind_of, self.take()))]


def kind_of(message: Message) -> str:
    """What a message is about: its key, or what its content holds; "audio" or "text" for a part of an answer."""
    (kind,) = message.keys() - {"usageMetadata"} or {"usageMetadata"}
    if kind != "serverContent":
        return kind
    content = message["serverContent"]
    parts = content.get("modelTurn", {}).get("parts")
    if parts:
        return "audio" if "inlineData" in parts[0] else "text"
    return str(next(iter(content)))


def sound_of(messages: list[Message]) -> bytes:
    """All audio of an answer."""
    parts = [part for m in messages for part in m.get("serverContent", {}).get("modelTurn", {}).get("parts", ())]
    return b"".join(b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part)


def words_of(messages: list[Message], name: str = "outputTranscription") -> str:
    """All words of one side."""
    return "".join(m.get("serverContent", {}).get(name, {}).get("text", "") for m in messages)


def understood(pcm16: bytes) -> str:
    """The letters and digits of what the service said."""
    return speech.letters(speech.understood(pcm16, 24_000))


def started(setup: dict[str, Any] | None = None, **options: Any) -> Client:
    """A client whose setup was taken."""
    client = Client(setup or {}, **options)
    assert client.kinds() == ["setupComplete"]
    return client


def heard(client: Client) -> list[dict[str, Any]]:
    client.settle()
    return client.take()


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    """The kinds in order, words and sound as one."""
    found: list[str] = []
    for kind in map(kind_of, messages):
        kind = "answer" if kind in ("audio", "outputTranscription", "text") else kind
        found += [kind] if found[-1:] != [kind] else []
    return found


def engines(replies: list[Reply] | None = None, **named: Any) -> Engines:
    """The usual engines, the responder scripted, others replaced by name."""

    class Scripted:
        instant = False

        def answer(self, conversation: Any, **options: Any) -> Reply:
            if not replies:
                raise ValueError("secret words")
            return replies.pop(0)

    usual = default_engines()
    return Engines(
        responder=named.get("responder", Scripted()),
        voice=named.get("voice", usual.voice),
        listener=named.get("listener", usual.listener),
    )
