"""Cartesia text to speech over a WebSocket: JSON messages in text frames, both ways, audio as base64.

Wire facts: `docs/protocol/cartesia.md`. There is no session on this wire. Every request carries all of its settings,
and every answer is a *context*: text is added to it until one request says that no more will follow, and its `done` is
the end of the answer. The context's id is the id of the response and of its item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from ..audio.formats import PCM16_24K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import (
    AnyServerEvent,
    AppendText,
    CancelResponse,
    ClientEvent,
    CreateResponse,
    ProviderMessage,
    SessionError,
    SessionUpdate,
    WordTimings,
)
from . import reading as read
from .base import Alarm, Capabilities, Codec, Ids, KeyAuth, Message, Provider, SessionSettings, raw_event
from .limits import check_modalities, check_range, no_format, refuse_overrides, refuse_settings, sayer
from .reading import WireObject
from .speaking import Utterance

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_VERSION",
    "DEFAULT_VOICE",
    "FORMATS",
    "PROVIDER",
    "CartesiaCodec",
    "request_fields",
]

TITLE = "Cartesia"
DEFAULT_MODEL = "sonic-3.5"

DEFAULT_VOICE = "6ccbfb76-1fc6-48f7-b71d-91ac6298247b"
"""A request must name a voice; this is the one that the official Python SDK falls back to."""

DEFAULT_VERSION = "2026-03-01"
"""The newest API version whose voice form and error form are both in the provider's own documents."""

PLAIN_VOICE_VERSION = "2026-08-14"
"""From this version on a voice is its plain id."""

CANCEL_WAIT_MS = 2_000.0
"""Nothing says that a cancelled context always ends with a `done`: after so long it is taken to be over."""

SPEED_MIN, SPEED_MAX = 0.6, 1.5

_RATES = (24_000, 44_100, 48_000, 22_050, 16_000, 8_000)
_ENCODINGS: Mapping[str, str] = {
    "pcm16": "pcm_s16le",
    "float32": "pcm_f32le",
    "ulaw": "pcm_mulaw",
    "alaw": "pcm_alaw",
}
_ENCODING_OF = {wire: ours for ours, wire in _ENCODINGS.items()}

FORMATS: tuple[AudioFormat, ...] = tuple(
    AudioFormat(encoding, rate)  # type: ignore[arg-type]
    for encoding in _ENCODINGS
    for rate in _RATES
)
"""Every audio format of the socket, best first. Files (WAV, MP3) exist on other endpoints only."""

_KNOWN_SETTINGS = ("model", "voice", "speed", "output_format", "modalities", "options")

Events: TypeAlias = Sequence[AnyServerEvent]


class CartesiaCodec(Codec):
    """The text-to-speech protocol of one socket.

    Words may be handed over piece by piece (`AppendText`, which are joined as they are: give the spaces) and are spoken
    while more come; `CreateResponse` says that no more will follow. `SessionUpdate` holds for the answers after it.
    """

    ready = None

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        self._fields = request_fields(settings)
        self._contexts: dict[str, Utterance] = {}

    @property
    def input_format(self) -> AudioFormat:
        """Nothing is heard here; a format has to be named all the same."""
        return PCM16_24K

    @property
    def output_format(self) -> AudioFormat:
        """What `AudioDelta` carries, save in an answer whose request asked for another format."""
        return _stated_format(self._fields) or PCM16_24K

    @property
    def mid_input(self) -> bool:
        """Whether an answer is being spoken whose words are not all said yet."""
        return any(context.begun and not context.closed for context in self._contexts.values())

    def opening(self) -> None:
        """Queue nothing: each request configures itself."""

    def receive(self, message: Message) -> Events:
        """The events of one frame."""
        parsed = read.parse_object(message)
        try:
            return DECODERS[parsed["type"]](self, parsed)
        except (KeyError, TypeError, ValueError):
            kind = parsed.get("type")
            return raw_event(kind if isinstance(kind, str) else "", parsed)

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""
        sayer(TITLE, _SAYERS, event)(self, event)

    def ring(self) -> Events:
        """The end of the contexts that were cancelled and of which nothing was heard since."""
        self.alarm = None
        silent = [context for context in self._contexts.values() if context.cancelled]
        return [event for context in silent for event in self._end(context, None)]

    # -------------------------------------------------------------------------------------- server to client

    def _context(self, message: WireObject) -> Utterance:
        return self._contexts[read.text(message["context_id"])]

    def _end(self, context: Utterance, raw: Any, **fault: Any) -> Events:
        self._contexts.pop(context.id, None)
        return context.over(raw, **fault)

    def _on_chunk(self, message: WireObject) -> Events:
        context, data = self._context(message), read.audio(message["data"])
        return context.heard(message, context.sound(message, data))

    def _on_timestamps(self, message: WireObject) -> Events:
        times = read.json_object(message["word_timestamps"])
        return self._timings(message, "word", read.texts(times["words"]), times)

    def _on_phoneme_timestamps(self, message: WireObject) -> Events:
        times = read.json_object(message["phoneme_timestamps"])
        return self._timings(message, "phoneme", read.texts(times["phonemes"]), times)

    def _timings(
        self, message: WireObject, unit: Literal["word", "phoneme"], words: tuple[str, ...], times: WireObject
    ) -> Events:
        context = self._context(message)
        timings = WordTimings(
            raw=message,
            words=words,
            start_ms=tuple(second * 1000.0 for second in read.numbers(times["start"])),
            end_ms=tuple(second * 1000.0 for second in read.numbers(times["end"])),
            unit=unit,
            response_id=context.id,
            item_id=context.id,
        )
        return context.heard(message, timings)

    def _on_flush_done(self, message: WireObject) -> Events:
        return raw_event("flush_done", message)

    def _on_done(self, message: WireObject) -> Events:
        return self._end(self._context(message), message)

    def _on_error(self, message: WireObject) -> Events:
        """An error ends its context. One that names no context is that of the only one, if there is only one."""
        said = _error_text(message)
        code = read.text_or_none(message.get("error_code")) or _status(message)
        name = message.get("context_id")
        context = self._contexts.get(name) if isinstance(name, str) else None
        if name is None and len(self._contexts) == 1:
            context = next(iter(self._contexts.values()))
        if context is None:
            return [SessionError(raw=message, message=said, code=code)]
        return self._end(context, message, code=code, error=said)

    # -------------------------------------------------------------------------------------- client to server

    def _say_text(self, event: AppendText) -> None:
        if event.images or event.role != "user":
            raise Unsupported(f"{TITLE} speaks text and nothing else: send the words alone, with the role 'user'")
        context = self._unfinished() or self._new_context()
        self._request(context, event.text, more=True)
        context.say(event.text)

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(TITLE, event)
        check_modalities(TITLE, event.modalities, known=[("audio",)])
        context = self._unfinished()
        if context is None:
            raise LocalProtocolError(f"{TITLE} has nothing to say: send the words first")
        self._request(context, "", more=False)
        context.closed = True

    def _say_cancel(self, event: CancelResponse) -> None:
        name = event.response_id or next(reversed(self._contexts), None)
        if name is None or name not in self._contexts:
            raise LocalProtocolError("there is no answer to cancel: it has ended already")
        self._queue({"context_id": name, "cancel": True})
        self._contexts[name].cancelled = self._contexts[name].closed = True
        self.alarm = Alarm(CANCEL_WAIT_MS)

    def _say_update(self, event: SessionUpdate) -> None:
        try:
            settings = self.settings.changed(event.changes)
        except TypeError:
            known = ", ".join(_KNOWN_SETTINGS)
            raise LocalProtocolError(f"a setting in {', '.join(event.changes)} is unknown: use {known}") from None
        if _version(settings) != _version(self.settings):
            raise Unsupported(f"{TITLE} cannot change the API version of an open socket: connect again")
        self._fields, self.settings = request_fields(settings), settings

    def _say_verbatim(self, event: ProviderMessage) -> None:
        message = event.message
        if not isinstance(message, Mapping):
            raise LocalProtocolError("a provider message is a JSON object: give a dict")
        self._queue(message)
        self._follow(message)

    def _follow(self, message: Mapping[str, Any]) -> None:
        """Keep track of what the caller's own request does to its context, so that the answer is understood."""
        name, words = message.get("context_id"), message.get("transcript")
        if not isinstance(name, str) or not isinstance(words, str):
            return
        context = self._contexts.setdefault(name, Utterance(name, _stated_format(message) or self.output_format))
        context.say(words)
        context.closed = not message.get("continue", False)

    def _unfinished(self) -> Utterance | None:
        return next((context for context in self._contexts.values() if not context.closed), None)

    def _new_context(self) -> Utterance:
        context = Utterance(self.ids("ctx_"), self.output_format)
        self._contexts[context.id] = context
        return context

    def _request(self, context: Utterance, words: str, *, more: bool) -> None:
        self._queue({**self._fields, "context_id": context.id, "transcript": words, "continue": more})

    def _queue(self, message: Mapping[str, Any]) -> None:
        self._out.append(read.encode(message))


def request_fields(settings: SessionSettings) -> WireObject:
    """What every request of a session carries. Raises `Unsupported` for a setting that the provider lacks."""
    refuse_settings(TITLE, settings, known=_KNOWN_SETTINGS)
    check_modalities(TITLE, settings.modalities, known=[("audio",)])
    voice = settings.voice or DEFAULT_VOICE
    made: WireObject = {
        "model_id": settings.model or DEFAULT_MODEL,
        "voice": voice if _version(settings) >= PLAIN_VOICE_VERSION else {"mode": "id", "id": voice},
        "output_format": _output_format(settings.output_format or PCM16_24K),
        "add_timestamps": True,
    }
    if settings.speed is not None:
        speed = check_range(TITLE, "speed", settings.speed, SPEED_MIN, SPEED_MAX)
        made["generation_config"] = {"speed": speed}
    own = {name: value for name, value in settings.options.items() if name != "cartesia_version"}
    if "voice" in own:
        del made["voice"]
    return read.merge(made, own)


def _version(settings: SessionSettings) -> str:
    return str(settings.options.get("cartesia_version", DEFAULT_VERSION))


def _output_format(wanted: AudioFormat) -> WireObject:
    if wanted not in FORMATS:
        known = f"{', '.join(_ENCODINGS)} at {', '.join(map(str, _RATES))} Hz"
        raise no_format(TITLE, wanted, known, "output_formats")
    return {"container": "raw", "encoding": _ENCODINGS[wanted.encoding], "sample_rate": wanted.sample_rate}


def _stated_format(message: Mapping[str, Any]) -> AudioFormat | None:
    """The format that a request asks for; None when it asks for none that is known here."""
    wanted = message.get("output_format")
    if not isinstance(wanted, Mapping):
        return None
    encoding, rate = _ENCODING_OF.get(str(wanted.get("encoding"))), wanted.get("sample_rate")
    return AudioFormat(encoding, rate) if encoding and rate in _RATES else None  # type: ignore[arg-type]


def _error_text(message: WireObject) -> str:
    """The words of an error: `title` and `message`, or `error` alone before version 2026-03-01."""
    parts = [message.get(name) for name in ("title", "message")]
    said = ": ".join(part for part in parts if isinstance(part, str) and part)
    return said or read.text(message["error"])


def _status(message: WireObject) -> str | None:
    status = message.get("status_code")
    return str(status) if type(status) is int else None


DECODERS: Mapping[str, Callable[[CartesiaCodec, WireObject], Events]] = {
    "chunk": CartesiaCodec._on_chunk,
    "timestamps": CartesiaCodec._on_timestamps,
    "phoneme_timestamps": CartesiaCodec._on_phoneme_timestamps,
    "flush_done": CartesiaCodec._on_flush_done,
    "done": CartesiaCodec._on_done,
    "error": CartesiaCodec._on_error,
}
"""What each server message means, by its wire name."""

_SAYERS: Mapping[type[ClientEvent], Callable[[CartesiaCodec, Any], None]] = {
    AppendText: CartesiaCodec._say_text,
    CreateResponse: CartesiaCodec._say_create,
    CancelResponse: CartesiaCodec._say_cancel,
    SessionUpdate: CartesiaCodec._say_update,
    ProviderMessage: CartesiaCodec._say_verbatim,
}

PROVIDER = Provider(
    name="cartesia",
    title=TITLE,
    route="cartesia",
    direct_url="wss://api.cartesia.ai/tts/websocket",
    codec=CartesiaCodec,
    auth=KeyAuth(
        env=("CARTESIA_API_KEY",),
        query="api_key",
        direct=KeyAuth(header=("Authorization", "Bearer {key}"), query="api_key"),
        also=(KeyAuth(header=("X-API-Key", "{key}")),),
    ),
    query=lambda settings: {"cartesia_version": _version(settings)},
    default_model=DEFAULT_MODEL,
    models=(DEFAULT_MODEL, "sonic-3", "sonic-latest", "sonic-3.5-2026-05-04", "sonic-3-2026-01-12"),
    capabilities=Capabilities(
        audio_in=False,
        text_out=False,
        input_formats=(),
        output_formats=FORMATS,
        voices=(DEFAULT_VOICE,),
        instructions=False,
        cancel=True,
        speed=True,
        live_update=True,
        word_timings=True,
    ),
)
