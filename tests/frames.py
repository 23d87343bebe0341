"""Every frame that an emulator or a session of ours sends in any test, held to the official SDK's types at its end."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest

from aigw_notebook.gateway.emulate import Conversation
from aigw_notebook.gateway.emulators.base import Close
from aigw_notebook.providers.base import Codec, Message

__all__ = ["FrameTap"]

JUDGED = "openai"
"""The route and the provider whose official SDK types every event."""

SHOWN_CHARS = 300
SHOWN_FAULTS = 5

Check = Callable[[str], object]


class FrameTap:
    """What was sent while `watching`: `server` by emulators behind real sockets, `client` by codecs of sessions."""

    def __init__(self) -> None:
        self.server: list[Message] = []
        self.client: list[Message] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take a note of every frame meanwhile."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Conversation, "_send", self._noting_server(Conversation._send))
            patch.setattr(Codec, "messages_to_send", self._noting_client(Codec.messages_to_send))
            yield

    def faults(self) -> list[str]:
        """One line a frame that the SDK's types refuse. Raises `ModuleNotFoundError` without the SDK."""
        if not self.server and not self.client:
            return []
        from tests.sdk_openai import check_client_event, check_server_event

        return [
            *_faults("an emulator sent", self.server, check_server_event),
            *_faults("a session sent", self.client, check_client_event),
        ]

    def verdict(self) -> str | None:
        """Why the test must fail; None when nothing was sent, or all of it is as the SDK has it."""
        if (self.server or self.client) and importlib.util.find_spec(JUDGED) is None:
            return f"frames were sent and the SDK that judges them is missing: pip install {JUDGED}"
        faults = self.faults()
        more = f"\n… and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        return "\n".join(faults[:SHOWN_FAULTS]) + more if faults else None

    def _noting_server(self, send: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(send)
        def noted(conversation: Any, output: Message | Close) -> Any:
            route = conversation._emulator.handshake.route
            if not isinstance(output, Close) and route.partition("/")[0] == JUDGED:
                self.server.append(output)
            return send(conversation, output)

        return noted

    def _noting_client(self, messages_to_send: Callable[..., list[Message]]) -> Callable[..., list[Message]]:
        @wraps(messages_to_send)
        @functools.wraps(messages_to_send)
        def noted(codec: Codec) -> list[Message]:
            messages = messages_to_send(codec)
            if type(codec).__module__.rpartition(".")[2] == JUDGED:
                self.client += messages
            return messages

        return noted


def _faults(who: str, frames: list[Message], check: Check) -> list[str]:
    return [fault for frame in frames if (fault := _fault(who, frame, check)) is not None]


def _fault(who: str, frame: Message, check: Check) -> str | None:
    shown = repr(frame[:SHOWN_CHARS])
    if not isinstance(frame, str):
        return f"{who} a binary frame: {shown}"
    try:
        check(frame)
    except Exception as error:
        return f"{who} {shown}: {' '.join(str(error).split())[:SHOWN_CHARS]}"
    return None
