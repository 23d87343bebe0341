"""What the emulated Deepgram protocols share: refusals, ids, and the audio of a connection with what is heard in it.

Wire facts: `docs/protocol/deepgram.md`. The words come from the local listener, which hears the audio as it comes: an
interim is what could be made out so far, never a piece of a text known in advance.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from ...audio.convert import Converter
from ...audio.formats import AudioFormat, Encoding
from ...providers.base import Message
from .base import Close, Handshake, Refused
from .hearing import UserTurn
from .schedule import WAIT
from .stage import JsonObject, Stage, StagedEmulator, Steps, dumps

__all__ = [
    "SLICE_MS",
    "DeepgramConnection",
    "Hearing",
    "Listening",
    "refused",
    "seconds",
    "sound_format",
    "timed_words",
    "whole_words",
]

ENCODINGS: Mapping[str, Encoding] = {"linear16": "pcm16", "mulaw": "ulaw", "alaw": "alaw"}
MIN_RATE, MAX_RATE = 4_000, 96_000
SLICE_MS = 100
"""Audio is looked at in pieces of this length, however long the frames are."""

CONFIDENCE = 0.98  # the local listener tells none
GUESSED_CODE = "INVALID_QUERY_PARAMETER"
GUESSED_FAILURE = Close(code=1011, reason="NET-0000: the local engine failed")


def refused(message: str, *, status: int = 400, code: str = GUESSED_CODE) -> Refused:
    """The provider's own error body instead of the upgrade."""
    request_id = str(uuid5(NAMESPACE_URL, message))
    return Refused(status=status, body=dumps({"err_code": code, "err_msg": message, "request_id": request_id}).encode())


def sound_format(query: Mapping[str, str]) -> AudioFormat | None:
    """The format that `encoding` and `sample_rate` name; None for one that is not read here."""
    encoding, rate = ENCODINGS.get(query.get("encoding", "")), query.get("sample_rate", "")
    if encoding is None or not rate.isascii() or not rate.isdigit() or not MIN_RATE <= int(rate) <= MAX_RATE:
        return None
    return AudioFormat(encoding, int(rate))


def seconds(at_ms: float) -> float:
    """Milliseconds as the wire has them."""
    return round(at_ms / 1000, 3)


def whole_words(text: str) -> str:
    """What was made out, without the last word: that may still grow."""
    return " ".join(text.split()[:-1])


def timed_words(text: str, start_ms: float, end_ms: float) -> list[JsonObject]:
    """The words with their times, shared out by their length."""
    words = text.split()
    letter_ms = (end_ms - start_ms) / max(1, len(text))
    found, at = [], 0
    for word in words:
        span = (seconds(start_ms + at * letter_ms), seconds(start_ms + (at + len(word)) * letter_ms))
        found.append({"word": word, "start": span[0], "end": span[1], "confidence": CONFIDENCE})
        at += len(word) + 1
    return found


class DeepgramConnection(StagedEmulator):
    """One connection: text frames by their `type`, binary ones as audio, slow work in order."""

    handlers: ClassVar[Mapping[str, Callable[[Any, JsonObject], None]]] = {}

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self.request_id = self.uuid("request")
        self.model = handshake.query.get("model", "").rpartition("/")[2]

    def receive(self, message: Message) -> None:
        if self._ended:
            return
        if isinstance(message, bytes):
            self._on_binary(message)
        else:
            self._on_text(message)
        self._schedule.run()

    def uuid(self, of: str) -> str:
        """A new id in the provider's form."""
        return str(UUID(bytes=uuid5(NAMESPACE_URL, f"{of} {self.ids('dg_')}").bytes, version=4))

    def _say(self, kind: str, **fields: Any) -> None:
        self._stage.say({"type": kind, **fields})

    def _end(self, close: Close) -> None:
        self._put(close)
        self.close()

    def _on_text(self, message: str) -> None:
        parsed = _parsed(message)
        kind = parsed.get("type") if parsed is not None else None
        handler = self.handlers.get(kind) if isinstance(kind, str) else None
        if parsed is None or handler is None:
            self._on_unknown(message)
        else:
            handler(self, parsed)

    def _on_unknown(self, message: str) -> None:
        """Answer a text frame that the protocol does not have."""
        raise NotImplementedError

    def _on_binary(self, data: bytes) -> None:
        """Take a binary frame."""
        raise NotImplementedError


class Hearing:
    """The audio of one connection as PCM. Times are ms of audio since the first byte; `now_ms` is how much came."""

    def __init__(self, stage: Stage, format: AudioFormat) -> None:
        self.format = AudioFormat("pcm16", format.sample_rate)
        self._stage = stage
        self._converter = Converter(format, self.format)
        self._data = bytearray()
        self._forgotten = 0

    @property
    def now_ms(self) -> float:
        return self.format.duration_ms(self._forgotten + len(self._data))

    def add(self, data: bytes) -> list[bytes]:
        """Take audio; gives it as PCM in pieces of at most `SLICE_MS`, to be looked at one after the other."""
        pcm = self._converter.process(data)
        size = self.format.byte_count(SLICE_MS)
        return [pcm[start : start + size] for start in range(0, len(pcm), size)]

    def keep(self, pcm: bytes) -> None:
        """The time of this piece has come."""
        self._data += pcm

    def forget(self, before_ms: float) -> None:
        """The audio before that time will not be asked for again."""
        count = min(len(self._data), max(0, self.format.byte_count(before_ms) - self._forgotten))
        del self._data[:count]
        self._forgotten += count

    def between(self, start_ms: float, end_ms: float) -> bytes:
        """The audio of that time, as far as it is kept."""
        start = max(0, self.format.byte_count(start_ms) - self._forgotten)
        return bytes(self._data[start : max(0, self.format.byte_count(end_ms) - self._forgotten)])

    def new_turn(self) -> UserTurn:
        """Somebody begins to speak: what is made out of it will be there."""
        return UserTurn(self._stage, self.format.sample_rate)


class Listening(DeepgramConnection):
    """A connection that writes down what it hears. What it says is queued as work and said in order."""

    def __init__(self, handshake: Handshake, **means: Any) -> None:
        super().__init__(handshake, **means)
        self._work: deque[Steps] = deque()
        sound = sound_format(handshake.query)
        self._hearing = Hearing(self._stage, sound) if sound is not None else None
        self._task = self._schedule.start(self._steps())

    def _do(self, steps: Steps) -> None:
        self._work.append(steps)
        self._task.go_on()

    def _steps(self) -> Steps:
        try:
            while True:
                while not self._work:
                    yield WAIT
                yield from self._work.popleft()
        except Exception:
            self._end(GUESSED_FAILURE)


def _parsed(message: str) -> JsonObject | None:
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
