"""Drives a Gemini Live emulator without sockets, threads or waiting; the SDK's types check every message it emits."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import OrderedDict
from itertools import groupby
from typing import Any

from aigw_notebook.gateway.emulators.base import Close, Handshake, Job, Output, Pace
from aigw_notebook.gateway.emulators.google import GoogleEmulator, Saved
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Reply
from aigw_notebook.gateway.engines.tones import ToneListener, ToneVoice
from aigw_notebook.providers.base import counting_ids
from tests.sdk_google import check_server_frame

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0, audio_delta_ms=100)
SLOW = Pace(first_token_ms=10, text_delta_ms=1_000, audio_speed=0.1, audio_delta_ms=100)
"""So slow that whatever the client says while an answer runs comes while it runs."""

MODEL = "models/gemini-3.8-live"
SPEECH = {"generationConfig": {"responseModalities": ["AUDIO"]}, "outputAudioTranscription": {}}
MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}

Message = dict[str, Any]


class Client:
    """The client's side of one emulated connection. What arrives is in `messages` until it is taken."""

    def __init__(
        self,
        setup: Message | None = None,
        *,
        pace: Pace = AT_ONCE,
        engines: Engines | None = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
        handles: OrderedDict[str, Saved] | None = None,
        hold_jobs: bool = False,
        **options: Any,
    ) -> None:
        self.now_ms = 1_000.0
        self.messages: list[Message] = []
        self.frames: list[str | bytes] = []
        self.closed: Close | None = None
        self.jobs: list[Job] = []
        self.hold_jobs = hold_jobs
        self.emulator = GoogleEmulator(
            Handshake(route="google", query=query or {}, headers=headers or {}, key=key),
            engines=engines or default_engines(),
            ids=counting_ids("0"),
            clock=lambda: self.now_ms,
            pace=pace,
            handles=OrderedDict() if handles is None else handles,
            **options,
        )
        self.emulator.open()
        self.drain()
        if setup is not None:
            self.send(setup={"model": MODEL, **SPEECH, **setup})

    # ---- what a client does

    def raw(self, frame: str | bytes) -> None:
        self.emulator.receive(frame)
        self.drain()

    def send(self, **message: Any) -> None:
        self.raw(json.dumps(message))

    def say(self, text: str) -> None:
        self.send(clientContent={"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": True})

    def realtime(self, **named: Any) -> None:
        self.send(realtimeInput=named)

    def stream(self, pcm16: bytes, *, rate: int = 16_000, chunk: int = 3_200) -> None:
        for start in range(0, len(pcm16), chunk):
            data = b64encode(pcm16[start : start + chunk]).decode()
            self.realtime(audio={"mimeType": f"audio/pcm;rate={rate}", "data": data})

    def wait(self, duration_ms: float) -> None:
        """Let time pass; the emulator is woken exactly when it wants to be."""
        end_ms = self.now_ms + duration_ms
        while self.closed is None:
            due_ms = self.emulator.next_wake_ms
            if due_ms is None or due_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            self.emulator.wake()
            self.drain()
        self.now_ms = end_ms

    def settle(self) -> None:
        """Let all that is due now, and needs no more time, be done."""
        self.wait(0)

    def run_jobs(self) -> None:
        """Run the jobs that are held, as a worker thread would."""
        while self.jobs:
            self._run(self.jobs.pop(0))
            self.drain()

    # ---- what it got

    def take(self) -> list[Message]:
        messages, self.messages = self.messages, []
        return messages

    def kinds(self) -> list[str]:
        """What has arrived by `kind_of`, runs of the same as one; takes it."""
        self.settle()
        return [kind for kind, _ in groupby(map(kind_of, self.take()))]

    def drain(self) -> None:
        while outputs := self.emulator.drain():
            for output in outputs:
                self._take_output(output)

    def _take_output(self, output: Output) -> None:
        assert self.closed is None, "something follows the close"
        if isinstance(output, Close):
            self.closed = output
        elif isinstance(output, Job):
            self.jobs.append(output) if self.hold_jobs else self._run(output)
        else:
            self.frames.append(output)
            self.messages.append(check_server_frame(output))

    @staticmethod
    def _run(job: Job) -> None:
        error: BaseException | None = None
        try:
            for result in job.results():
                if job.cancelled:
                    return
                job.deliver(result)
        except Exception as raised:
            error = raised
        if not job.cancelled:
            job.done(error)


def kind_of(message: Message) -> str:
    """What a message is about: its key, or what its content holds; "audio" or "text" for a part of an answer."""
    (kind,) = message.keys() - {"usageMetadata"} or {"usageMetadata"}
    if kind != "serverContent":
        return kind
    content = message["serverContent"]
    parts = content.get("modelTurn", {}).get("parts")
    if parts:
        return "audio" if "inlineData" in parts[0] else "text"
    return next(iter(content))


def sound_of(messages: list[Message]) -> bytes:
    """All audio of an answer."""
    parts = [part for m in messages for part in m.get("serverContent", {}).get("modelTurn", {}).get("parts", ())]
    return b"".join(b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part)


def words_of(messages: list[Message], name: str = "outputTranscription") -> str:
    """All words of one side."""
    return "".join(m.get("serverContent", {}).get(name, {}).get("text", "") for m in messages)


def spoken(text: str, *, silence_ms: int = 0, rate: int = 16_000) -> bytes:
    """`text` in the placeholder voice, with silence after it."""
    return b"".join(ToneVoice().speak(text, sample_rate=rate)) + bytes(2 * rate * silence_ms // 1000)


def understood(pcm16: bytes, rate: int = 24_000) -> str:
    """The letters and digits that the placeholder listener makes out."""
    return letters(ToneListener().transcribe(pcm16, sample_rate=rate))


def letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


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
