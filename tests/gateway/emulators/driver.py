"""An OpenAI emulator's client without a socket: `tests/emulation.py` with this provider's words."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from aigw_notebook.gateway.emulators.openai import OpenAIEmulator
from aigw_notebook.providers.base import Message
from tests.emulation import AT_ONCE, Frame, Player

__all__ = ["AT_ONCE", "Client", "Event"]

Event = Frame


class Client(Player):
    """The client's side of one emulated connection. What arrives is in `events` until it is taken."""

    def __init__(
        self,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        subprotocols: tuple[str, ...] = (),
        key: str | None = None,
        **options: Any,
    ) -> None:
        handshake = {
            "query": {"model": "gpt-realtime-2.1"} if query is None else query,
            "headers": headers or {},
            "subprotocols": subprotocols,
            "key": key,
        }
        super().__init__(OpenAIEmulator, "openai", handshake=handshake, wall_clock=lambda: 1_700_000_000.0, **options)

    # ---- what a client does

    def raw(self, message: Message) -> None:
        super().raw(message)
        self.wait(0)

    def run_jobs(self) -> None:
        super().run_jobs()
        self.wait(0)

    def send(self, kind: str, **fields: Any) -> None:  # type: ignore[override]
        self.raw(json.dumps({"type": kind, **fields}))

    def update(self, **session: Any) -> None:
        self.send("session.update", session={"type": "realtime", **session})

    def say(self, text: str, **fields: Any) -> None:
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content, **fields})

    def append(self, audio: bytes, chunk: int = 4_800) -> None:
        for start in range(0, len(audio), chunk):
            self.send("input_audio_buffer.append", audio=b64encode(audio[start : start + chunk]).decode())

    # ---- what it got

    @property
    def events(self) -> list[Event]:
        return self.frames

    @events.setter
    def events(self, events: list[Event]) -> None:
        self.frames = events

    def error(self) -> Event:
        """The error that is all that has arrived; takes it."""
        (event,) = self.take()
        assert event["type"] == "error", event
        found: Event = event["error"]
        return found
