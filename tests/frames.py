"""Every frame that an emulator or a codec of ours sends in any test, held to the provider's types at the test's end.

`JUDGES` says by what: the official SDK's types, or a schema written from the protocol's sheet where the SDK has none.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from aigw_notebook.gateway.emulators.base import Close, Emulator, Handshake, Job, Output
from aigw_notebook.providers.base import Codec, Message
from tests.judging import Judge

__all__ = ["JUDGES", "Connection", "FrameTap", "JudgedBy", "provider_of"]

EMULATORS = "aigw_notebook.gateway.emulators."
CODECS = "aigw_notebook.providers."
SHOWN_CHARS = 300
SHOWN_FAULTS = 5
CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
CLOSE_REASON_BYTES = 123


@dataclass(frozen=True)
class JudgedBy:
    """The module with a provider's two judges, and what to install for it."""

    module: str
    install: str = "pydantic"


JUDGES: Mapping[str, JudgedBy] = {
    "openai": JudgedBy("tests.sdk_openai", "openai"),
    "google": JudgedBy("tests.sdk_google", "google-genai"),
    "cartesia": JudgedBy("tests.sdk_cartesia", "cartesia"),
    "elevenlabs": JudgedBy("tests.sdk_elevenlabs", "elevenlabs"),
    "deepgram": JudgedBy("tests.sdk_deepgram", "deepgram-sdk"),
    "workers-ai": JudgedBy("tests.sdk_deepgram", "deepgram-sdk"),
    "fal": JudgedBy("tests.sheet_fal"),
    "universal": JudgedBy("tests.sheet_universal", "openai"),
    "": JudgedBy("tests.sheet_universal", "openai"),
}
"""By the first part of an emulator's route, and by the name of a codec's provider."""


@dataclass
class Connection:
    """One side of one connection: who speaks (an `Emulator`'s handshake, or a codec), and what was said.

    `more` counts what was said after the end. A connection that outlives a test has its `judge` from the one before,
    who knows what was said already.
    """

    provider: str
    side: Handshake | Codec
    said: list[Message] = field(default_factory=list)
    close: Close | None = None
    more: int = 0
    judge: Judge | str | None = None

    @property
    def is_server(self) -> bool:
        return isinstance(self.side, Handshake)

    def add(self, output: Output) -> None:
        """Take a note of what was said; a job is not."""
        if isinstance(output, Job):
            return
        self.more += self.close is not None
        if isinstance(output, Close):
            self.close = output
        else:
            self.said.append(output)

    def faults(self) -> Iterator[str]:
        """One line a frame that the provider's types refuse, and one for a bad end."""
        if not self.said and self.close is None:
            return
        who = f"{self.provider}: {'an emulator' if self.is_server else 'a session'} sent"
        if self.more:
            yield f"{who} something after its close"
        if self.close is not None and not _can_be_sent(self.close):
            yield f"{who} a close that cannot be sent: {self.close!r}"
        if self.said:
            self.judge = judge = self.judge or self._new_judge()
            if isinstance(judge, str):
                yield f"{who} frames, and {judge}"
            else:
                yield from (f"{who} {fault}" for frame in self.said if (fault := _fault(frame, judge)) is not None)

    def _new_judge(self) -> Judge | str:
        """What judges this side, or why nothing can."""
        by = JUDGES.get(self.provider)
        if by is None:
            return "nothing in tests/frames.py judges them"
        try:
            judges: Any = importlib.import_module(by.module)
        except ModuleNotFoundError as error:
            return f"what judges them is missing ({error.name}): pip install {by.install}"
        made: Judge = (judges.ServerJudge if self.is_server else judges.ClientJudge)(self.side)
        return made


_LATEST: WeakKeyDictionary[Emulator | Codec, Connection] = WeakKeyDictionary()
"""Of every side that lives, its connection in the last test that heard it."""


class FrameTap:
    """All connections of emulators, with a socket or without, and of codecs of this package, while `watching`."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self._by: WeakKeyDictionary[Emulator | Codec, Connection] = WeakKeyDictionary()

    @property
    def server(self) -> list[Message]:
        """What emulators said."""
        return [frame for each in self.connections if each.is_server for frame in each.said]

    @property
    def client(self) -> list[Message]:
        """What codecs of sessions said."""
        return [frame for each in self.connections if not each.is_server for frame in each.said]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take a note of every frame meanwhile."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Emulator, "drain", self._noting_server(Emulator.drain))
            patch.setattr(Codec, "messages_to_send", self._noting_client(Codec.messages_to_send))
            yield

    def verdict(self) -> str | None:
        """Why the test must fail; None when nothing was sent, or all of it is as the provider has it."""
        faults = self.faults()
        more = f"\n… and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        return "\n".join(faults[:SHOWN_FAULTS]) + more if faults else None

    def faults(self) -> list[str]:
        """One line for every wrong thing that was sent."""
        return [fault for connection in self.connections for fault in connection.faults()]

    def _noting_server(self, drain: Callable[..., list[Output]]) -> Callable[..., list[Output]]:
        @functools.wraps(drain)
        def noted(emulator: Emulator) -> list[Output]:
            outputs = drain(emulator)
            if outputs and _is_ours(emulator, EMULATORS):
                provider = emulator.handshake.route.partition("/")[0]
                self._add(emulator, provider, emulator.handshake, outputs)
            return outputs

        return noted

    def _noting_client(self, messages_to_send: Callable[..., list[Message]]) -> Callable[..., list[Message]]:
        @functools.wraps(messages_to_send)
        def noted(codec: Codec) -> list[Message]:
            messages = messages_to_send(codec)
            if messages and _is_ours(codec, CODECS):
                self._add(codec, provider_of(type(codec)), codec, messages)
            return messages

        return noted

    def _add(
        self, by: Emulator | Codec, provider: str, side: Handshake | Codec, outputs: list[Output] | list[Message]
    ) -> None:
        connection = self._by.get(by)
        if connection is None:
            earlier = _LATEST.get(by)
            connection = Connection(provider, side, judge=earlier.judge if earlier else None)
            self._by[by] = _LATEST[by] = connection
            self.connections.append(connection)
        for output in outputs:
            connection.add(output)


def provider_of(codec: type[Codec]) -> str:
    """The name of the provider of a codec, or of what a test derived from it, by the module it is in."""
    module = next(kind.__module__ for kind in codec.__mro__ if kind.__module__.startswith(CODECS))
    name = module.removeprefix(CODECS)
    return "workers-ai" if name == "workers_ai" else name.partition("_")[0]


def _is_ours(by: Emulator | Codec, package: str) -> bool:
    """Whether it is an emulator or a codec of this package, or derived from one."""
    return any(kind.__module__.startswith(package) for kind in type(by).__mro__ if kind not in (Emulator, Codec))


def _can_be_sent(close: Close) -> bool:
    return close.code in CLOSE_CODES and len(close.reason.encode()) <= CLOSE_REASON_BYTES


def _fault(frame: Message, judge: Judge) -> str | None:
    try:
        judge.check(frame)
    except Exception as error:
        return f"{frame[:SHOWN_CHARS]!r}: {' '.join(str(error).split())[:SHOWN_CHARS]}"
    return None
