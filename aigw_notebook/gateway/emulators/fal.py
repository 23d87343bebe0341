"""Fal's HTTP over WebSocket, emulated: apps that draw, write and speak, answered by local means.

Wire facts: `docs/protocol/fal.md`. The app is the path. Requests are answered strictly in order, each by a `start`
frame, its body, and an `end` frame. A picture is a pattern made from the prompt, no model's work, and says so.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeAlias

from ...audio.clip import Clip
from ...audio.formats import PCM16_24K
from ...providers.base import Message
from ..engines.base import Reply, Said
from .base import Handshake, Refused, is_wrong_key
from .fal_picture import SIZES, draw, seed_of
from .schedule import WAIT
from .stage import JsonObject, StagedEmulator, Steps, dumps, waited_for

__all__ = ["EMULATOR", "FalEmulator"]

DEFAULT_SIZE = (512, 512)
MAX_SIDE = 1024
FRAME_BYTES = 64 * 1024
SERVER = "aigw-notebook local emulator"
JSON, EVENTS, WAV = "application/json", "text/event-stream", "audio/wav"
WRONG_KEY = "No user found for Key ID and Secret"  # seen over plain HTTP
GUESSED_MISSING = {"loc": ["body", "prompt"], "msg": "field required", "type": "missing"}
GUESSED_NOT_JSON = {"loc": ["body"], "msg": "the request is not a JSON object", "type": "json_invalid"}
WRITERS = ("fal-ai/any-llm",)
SPEAKERS = ("fal-ai/kokoro", "fal-ai/playai/tts", "fal-ai/f5-tts", "fal-ai/orpheus-tts")

Answer: TypeAlias = "Callable[[FalEmulator, JsonObject, str], Steps]"


class _Failed(Exception):
    """A request that the app refuses: HTTP status, and the `detail` of the body."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class FalEmulator(StagedEmulator):
    """One connection to one app. Any key is taken but those that stand for a wrong one."""

    routes: ClassVar[tuple[str, ...]] = ("fal", "fal/")

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._app = handshake.route.removeprefix("fal").strip("/")
        self._requests: deque[Message] = deque()
        self._numbers = 0
        self._first_ms = 0.0
        self._task = self._schedule.start(self._steps())

    @classmethod
    def refuse(cls, handshake: Handshake) -> Refused | None:
        if is_wrong_key(handshake.key):
            return _refused(401, WRONG_KEY)
        app = handshake.route.removeprefix("fal").strip("/")
        return None if "/" in app else _refused(404, "Application not found")

    def open(self) -> None:
        """The service says nothing before it is asked."""

    def receive(self, message: Message) -> None:
        if self._ended:
            return
        self._requests.append(message)
        self._task.go_on()
        self._schedule.run()

    # -------------------------------------------------------------------------------------------------- requests

    def _steps(self) -> Steps:
        while True:
            while not self._requests:
                yield WAIT
            yield from self._answer(self._requests.popleft())

    def _answer(self, message: Message) -> Steps:
        self._numbers += 1
        request_id = f"00000000-0000-4000-8000-{self._numbers:012d}"
        began_ms = self.clock()
        if self.pace.first_token_ms:
            yield began_ms + self.pace.first_token_ms
        status = 200
        try:
            yield from self._app_answer()(self, _request(message), request_id)
        except _Failed as failed:
            status = failed.status
            self._start(request_id, JSON, status=status)
            self._body(dumps({"detail": failed.detail}))
        waited_s = round((self._first_ms - began_ms) / 1000, 6)
        self._stage.say(
            {"type": "end", "request_id": request_id, "status": status, "time_to_first_byte_seconds": waited_s}
        )

    def _app_answer(self) -> Answer:
        if self._app.startswith(WRITERS):
            return FalEmulator._write
        return FalEmulator._speak if self._app.startswith(SPEAKERS) else FalEmulator._draw

    def _start(self, request_id: str, kind: str, *, status: int = 200) -> None:
        headers = {"Content-Type": kind, "Server": SERVER, "X-Fal-Request-Id": request_id}
        self._first_ms = self.clock()
        self._stage.say({"type": "start", "request_id": request_id, "status": status, "headers": headers})

    def _body(self, data: str | bytes) -> None:
        """The body, in frames of a bounded size."""
        for start in range(0, len(data), FRAME_BYTES):
            self._put(data[start : start + FRAME_BYTES])

    def _work(self, work: Callable[[], Any]) -> Any:
        """What `work` gives, made in a worker thread. Raises `_Failed` when it raised."""
        found = yield from waited_for(self._stage, work)
        if isinstance(found, BaseException):
            raise _Failed(500, "Internal Server Error") from found
        return found

    # ------------------------------------------------------------------------------------------------------- apps

    def _draw(self, request: JsonObject, request_id: str) -> Steps:
        """The usual answer of an app that makes pictures. `num_images` and `image_size` are followed."""
        prompt = _prompt(request)
        width, height = _size(request.get("image_size"))
        seed = request["seed"] if type(request.get("seed")) is int else seed_of(prompt)
        count = request.get("num_images") if type(request.get("num_images")) is int else 1
        images, began_ms = [], self.clock()
        for number in range(max(1, min(4, count or 1))):
            words = f"{prompt} {number}" if number else prompt
            picture = yield from self._work(partial(draw, words, seed, width, height))
            url = f"data:image/png;base64,{b64encode(picture).decode('ascii')}"
            images.append({"url": url, "width": width, "height": height, "content_type": "image/png"})
        answer = {
            "images": images,
            "timings": {"inference": round((self.clock() - began_ms) / 1000, 6)},
            "seed": seed,
            "num_inference_steps": 1,
            "has_nsfw_concepts": [False] * len(images),
            "prompt": prompt,
            "emulated": True,
        }
        self._start(request_id, JSON)
        self._body(dumps(answer))

    def _write(self, request: JsonObject, request_id: str) -> Steps:
        """Server-sent events, each with all the words so far."""
        prompt, responder = _prompt(request), self.engines.responder
        system = request.get("system_prompt")
        instructions = system if isinstance(system, str) else ""
        asked = [Said(role="user", text=prompt)]
        reply: Reply = yield from self._work(lambda: responder.answer(asked, instructions=instructions))
        self._start(request_id, EVENTS)
        words = reply.text.split(" ")
        for count, wait_ms in zip(range(1, len(words) + 1), self.pace.text_waits_ms(), strict=False):
            partial = count < len(words)
            event = {"output": " ".join(words[:count]), "partial": partial, "error": None}
            self._put(f"data: {dumps(event)}\n\n")
            if partial and wait_ms:
                yield self.clock() + wait_ms

    def _speak(self, request: JsonObject, request_id: str) -> Steps:
        """A WAV file, in binary frames."""
        prompt, voice = _prompt(request), self.engines.voice
        rate = PCM16_24K.sample_rate
        pcm = yield from self._work(lambda: b"".join(voice.speak(prompt, sample_rate=rate)))
        self._start(request_id, WAV)
        self._body(Clip(pcm, PCM16_24K).to_wav())


def _refused(status: int, detail: str) -> Refused:
    return Refused(status=status, body=dumps({"detail": detail}).encode())


def _request(message: Message) -> JsonObject:
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise _Failed(422, [GUESSED_NOT_JSON])
    return parsed


def _prompt(request: Mapping[str, Any]) -> str:
    prompt = request.get("prompt", request.get("text"))
    if not isinstance(prompt, str) or not prompt:
        raise _Failed(422, [GUESSED_MISSING])
    return prompt


def _size(wanted: Any) -> tuple[int, int]:
    """Width and height: one of the provider's names for a size, or an object of both; never over `MAX_SIDE`."""
    if isinstance(wanted, str):
        return SIZES.get(wanted, DEFAULT_SIZE)
    sides = [wanted.get("width"), wanted.get("height")] if isinstance(wanted, dict) else [None, None]
    width, height = (max(8, min(MAX_SIDE, side)) if type(side) is int else DEFAULT_SIZE[0] for side in sides)
    return width, height


EMULATOR = FalEmulator
