"""Deepgram: what its three protocols share. JSON in text frames with a `type`, raw audio in binary ones.

Wire facts: `docs/protocol/deepgram.md`. Everything is configured by the URL's query: a session opens without a message.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from ..audio.formats import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, PCM16_44K, PCM16_48K, ULAW_8K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import AnyServerEvent, ClientEvent, ProviderMessage, SessionError, SessionUpdated
from . import reading as read
from .base import Codec, Ids, Message, SessionSettings, TurnDetection, raw_event
from .limits import no_format, refuse_settings, sayer
from .reading import WireObject

__all__ = [
    "INPUT_FORMATS",
    "DeepgramCodec",
    "Events",
    "ListeningCodec",
    "Query",
    "cannot_change",
    "check_format",
    "format_query",
    "query_of",
    "tuned",
]

Events: TypeAlias = Sequence[AnyServerEvent]
Query: TypeAlias = dict[str, str | Sequence[str]]

ENCODINGS = {"pcm16": "linear16", "ulaw": "mulaw", "alaw": "alaw"}
INPUT_FORMATS = (PCM16_16K, PCM16_8K, PCM16_24K, PCM16_44K, PCM16_48K, ULAW_8K, ALAW_8K)
MAX_FRAME_MS = 250
"""Audio is sent in frames of at most this length, as the provider recommends."""

OWN_SILENCE_MS = 100.0


class DeepgramCodec(Codec):
    """One connection: dispatch by `type` one way, by event the other."""

    title: ClassVar[str]
    takes: ClassVar[frozenset[str]]
    decoders: ClassVar[Mapping[str, Callable[[Any, WireObject], Events]]]
    sayers: ClassVar[Mapping[type[ClientEvent], Callable[[Any, Any], None]]]

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        refuse_settings(self.title, settings, known={"model", "options", *self.takes})

    def opening(self) -> None:
        """Nothing to say: the URL has said it all."""

    def receive(self, message: Message) -> Events:
        """The events of one frame."""
        if isinstance(message, bytes):
            return self._on_binary(message)
        parsed = read.parse_object(message)
        kind = parsed.get("type", self._kind_without_type(parsed))
        try:
            return self.decoders[kind](self, parsed) or raw_event(kind, parsed)
        except (KeyError, TypeError, ValueError, IndexError):
            return raw_event(kind if isinstance(kind, str) else "", parsed)

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""
        sayer(self.title, self.sayers, event)(self, event)

    def _kind_without_type(self, message: WireObject) -> str:
        return ""

    def _on_binary(self, data: bytes) -> Events:
        return raw_event("binary", data)

    def _queue(self, kind: str, **rest: Any) -> None:
        self._out.append(read.encode({"type": kind, **rest}))

    # -------------------------------------------------------------------------------- messages of several protocols

    def _on_error(self, message: WireObject) -> Events:
        code = read.text_or_none(message.get("code")) or read.text_or_none(message.get("variant"))
        return [SessionError(raw=message, message=read.text(message["description"]), code=code)]

    def _on_warning(self, message: WireObject) -> Events:
        code = read.text_or_none(message.get("code"))
        return [SessionError(raw=message, message=read.text(message["description"]), code=code, benign=True)]

    def _on_configured(self, message: WireObject) -> Events:
        settings = {name: value for name, value in message.items() if name not in ("type", "request_id", "sequence_id")}
        return [SessionUpdated(raw=message, settings=settings)]

    def _on_not_configured(self, message: WireObject) -> Events:
        code, words = read.text_or_none(message.get("code")), read.text_or_none(message.get("description"))
        return [SessionError(raw=message, message=words or "the settings were not changed", code=code)]

    def _say_verbatim(self, event: ProviderMessage) -> None:
        message = event.message
        if not isinstance(message, Mapping) or not isinstance(message.get("type"), str):
            raise LocalProtocolError("a provider message needs a 'type': give it the name of a client message")
        self._out.append(read.encode(dict(message)))


class ListeningCodec(DeepgramCodec):
    """What the two protocols that write down speech share: audio out in frames, and the clock of the audio.

    The provider's times count every byte it was sent, silence of this codec's own too; `_heard_ms` takes that out.
    """

    formats: ClassVar[tuple[AudioFormat, ...]] = INPUT_FORMATS
    keep_alive_s: ClassVar[float | None] = 5.0
    confirms_updates: ClassVar[bool] = True

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        self._format = check_format(self.title, settings.input_format, self.formats, "input_formats")
        self._refuse_other_recognizers(settings)
        self._manual = is_manual(settings.turn_detection)
        self._sent_ms = 0.0
        self._silences: list[tuple[float, float]] = []

    @property
    def input_format(self) -> AudioFormat:
        """What `AppendAudio` must carry."""
        return self._format

    @property
    def output_format(self) -> AudioFormat:
        """Nothing is spoken; the format of the input stands in."""
        return self._format

    @abstractmethod
    def _check_turns(self, turns: TurnDetection) -> None:
        """Raise `Unsupported` for what the model's turn detection does not have."""

    def _refuse_other_recognizers(self, settings: SessionSettings) -> None:
        if settings.transcription not in (None, True):
            raise Unsupported(f"{self.title} transcribes with the session's own model: choose that with model=…")

    def _say_audio(self, audio: bytes) -> None:
        size = self._format.byte_count(MAX_FRAME_MS)
        for start in range(0, len(audio), size):
            self._out.append(audio[start : start + size])
        self._sent_ms += self._format.duration_ms(audio)

    def _say_silence(self, duration_ms: float) -> None:
        self._silences.append((self._sent_ms, duration_ms))
        quiet = {"ulaw": b"\xff", "alaw": b"\xd5"}.get(self._format.encoding, b"\0")
        count = self._format.byte_count(duration_ms)
        self._say_audio(quiet * count)

    def _heard_ms(self, server_s: Any) -> float:
        """A time of the provider's, in ms of the audio that the caller has sent."""
        at_ms = 1000 * read.number(server_s)
        own_ms = sum(min(length, at_ms - start) for start, length in self._silences if start < at_ms)
        return round(at_ms - own_ms, 3)

    def _set_turns(self, changes: Mapping[str, Any]) -> bool:
        """Take over who ends the turns from `changes`; whether that was among them."""
        turns = changes.get("turn_detection")
        if turns is None:
            return False
        if not isinstance(turns, TurnDetection):
            raise LocalProtocolError("turn_detection takes a TurnDetection: build one")
        self._check_turns(turns)
        self._manual = is_manual(turns)
        return True


def is_manual(turns: TurnDetection | None) -> bool:
    """Whether the caller ends the user's turns."""
    return turns is not None and turns.mode == "manual"


def cannot_change(title: str, names: Collection[str]) -> Unsupported:
    """What to raise for settings that are fixed by the URL."""
    return Unsupported(f"{title} cannot change {', '.join(sorted(names))} of an open session: connect again")


def check_format(title: str, wanted: AudioFormat | None, known: Sequence[AudioFormat], capability: str) -> AudioFormat:
    """The format wanted, or the best one there is; `Unsupported` for one that is not known.

    `capability` is the field of `Capabilities` that lists such formats.
    """
    if wanted is not None and wanted not in known:
        raise no_format(title, wanted, ", ".join(map(str, known)), capability)
    return wanted or known[0]


def format_query(format: AudioFormat) -> dict[str, str]:
    """The two parameters that name a format."""
    return {"encoding": ENCODINGS[format.encoding], "sample_rate": str(format.sample_rate)}


def query_of(settings: SessionSettings, parameters: Mapping[str, Any]) -> Query:
    """The URL's parameters: those given, the caller's options on top; None leaves one out."""
    merged = {**parameters, **settings.options}
    return {name: _parameter(value) for name, value in merged.items() if value is not None}


def tuned(title: str, turns: TurnDetection, fields: Sequence[str], modes: Sequence[str]) -> None:
    """Raise `Unsupported` for a mode or a field of turn detection that a model does not have."""
    if turns.mode not in modes:
        from . import with_capability

        others = " or ".join(with_capability("semantic_turns")) or "another provider"
        raise Unsupported(f"{title} detects no turns of mode {turns.mode!r}: use {' or '.join(modes)}, or {others}")
    known = {"mode", "create_response", *fields}
    for name in TurnDetection.__dataclass_fields__:
        if name not in known and getattr(turns, name) is not None:
            raise Unsupported(f"{title} takes no {name} in turn_detection: leave it out")


def _parameter(value: Any) -> str | list[str]:
    if isinstance(value, list | tuple):
        return [str(_parameter(each)) for each in value]
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
