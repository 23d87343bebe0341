"""ElevenLabs text to speech over a WebSocket, in its two protocols: many answers on one socket, or one.

Wire facts: `docs/protocol/elevenlabs.md`. "tts" speaks `multi-stream-input`, where every answer is a *context* of its
own. "tts-stream" speaks `stream-input`, whose socket is good for one answer and is closed by the provider after it.
Both are also taken for a model of the provider's by its name (`eleven_flash_v2_5`), and `/<voice>` may follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote

from ..audio.formats import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, PCM16_44K, ULAW_8K, AudioFormat
from ..errors import LocalProtocolError, Unsupported
from ..events import (
    AnyServerEvent,
    AppendText,
    ClientEvent,
    CreateResponse,
    ProviderMessage,
    SessionError,
    WordTimings,
)
from . import reading as read
from .base import Capabilities, Codec, Ids, KeyAuth, Message, Provider, SessionSettings, raw_event
from .elevenlabs_setup import SPEED_MAX, SPEED_MIN, TITLE
from .limits import (
    check_modalities,
    check_range,
    check_voice,
    no_format,
    refuse_overrides,
    refuse_settings,
    sayer,
)
from .reading import WireObject
from .speaking import Utterance

__all__ = ["DEFAULT_MODEL", "DEFAULT_VOICE", "FORMATS", "VARIANTS", "MultiStreamCodec", "StreamCodec", "url_query"]

DEFAULT_MODEL = "eleven_flash_v2_5"

DEFAULT_VOICE = "JBFqnCBsd6RMkjVDRZzb"
"""The voice of the provider's own first examples."""

INACTIVITY_TIMEOUT_S = 180
"""How long the provider waits for words before it hangs up: the longest it allows."""

FORMATS: Mapping[AudioFormat, str] = {
    PCM16_24K: "pcm_24000",
    PCM16_16K: "pcm_16000",
    PCM16_44K: "pcm_44100",
    AudioFormat("pcm16", 22_050): "pcm_22050",
    PCM16_8K: "pcm_8000",
    ULAW_8K: "ulaw_8000",
    ALAW_8K: "alaw_8000",
}
"""Every format that is raw audio, with its wire name. The compressed ones (MP3, Opus) are not asked for."""

MESSAGE_OPTIONS = ("voice_settings", "generation_config", "pronunciation_dictionary_locators")
"""The options that belong to an answer's first message; all others are parameters of the URL."""

_KNOWN_SETTINGS = ("model", "voice", "speed", "output_format", "modalities", "options")
_START_KEYS = ("charStartTimesMs", "charsStartTimesMs")
_DURATION_KEYS = ("charDurationsMs", "charsDurationsMs")

Events: TypeAlias = Sequence[AnyServerEvent]


class _SpeechCodec(Codec):
    """What both protocols share: settings in, audio with its letters' times out."""

    ready = None
    keep_alive_s: ClassVar[float | None] = None

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        refuse_settings(TITLE, settings, known=_KNOWN_SETTINGS)
        check_modalities(TITLE, settings.modalities, known=[("audio",)])
        check_voice(TITLE, settings.voice)
        self._output_format = settings.output_format or PCM16_24K
        _format_name(self._output_format)
        self._first = _first_fields(settings)

    @property
    def input_format(self) -> AudioFormat:
        """Nothing is heard here; a format has to be named all the same."""
        return PCM16_24K

    @property
    def output_format(self) -> AudioFormat:
        """What `AudioDelta` carries."""
        return self._output_format

    def opening(self) -> None:
        """Queue nothing: an answer's first message configures it."""

    def receive(self, message: Message) -> Events:
        """The events of one frame."""
        parsed = read.parse_object(message)
        try:
            return self._read(parsed)
        except (KeyError, TypeError, ValueError):
            return raw_event("", parsed)

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""
        sayer(TITLE, _SAYERS, event)(self, event)

    def _read(self, message: WireObject) -> Events:
        if "message" in message or "error" in message:
            return self._on_error(message)
        utterance = self._addressed(message)
        if utterance is None:
            return raw_event("audio", message)
        events: list[AnyServerEvent] = []
        if message.get("audio") is not None:
            data = read.audio(message["audio"])
            timings = _timings(utterance, message)
            events = utterance.heard(message, utterance.sound(message, data), *timings)
        if message.get("isFinal") is True or message.get("is_final") is True:
            self._forget(utterance)
            events += utterance.over(message)
        return events

    def _on_error(self, message: WireObject) -> Events:
        """The provider hangs up after an error: it is the end of every answer."""
        code = message.get("error")
        name = code if isinstance(code, str) else None
        said = read.text_or_none(message.get("message")) or name or "the provider failed"
        events: list[AnyServerEvent] = [SessionError(raw=message, message=said, code=name)]
        for utterance in self._open():
            self._forget(utterance)
            events += utterance.over(message, code=name, error=said)
        return events

    def _addressed(self, message: WireObject) -> Utterance | None:
        raise NotImplementedError

    def _open(self) -> list[Utterance]:
        raise NotImplementedError

    def _forget(self, utterance: Utterance) -> None:
        raise NotImplementedError

    def _say_text(self, event: AppendText) -> None:
        if event.images or event.role != "user":
            raise Unsupported(f"{TITLE} speaks text and nothing else: send the words alone, with the role 'user'")
        if event.text:
            self._speak(event.text)

    def _speak(self, words: str) -> None:
        raise NotImplementedError

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(TITLE, event)
        check_modalities(TITLE, event.modalities, known=[("audio",)])
        utterance = next((u for u in self._open() if not u.closed), None)
        if utterance is None:
            raise LocalProtocolError(f"{TITLE} has nothing to say: send the words first")
        self._close(utterance)
        utterance.closed = True

    def _close(self, utterance: Utterance) -> None:
        raise NotImplementedError

    def _say_verbatim(self, event: ProviderMessage) -> None:
        if not isinstance(event.message, Mapping):
            raise LocalProtocolError("a provider message is a JSON object: give a dict")
        self._queue(event.message)

    @property
    def mid_input(self) -> bool:
        """Whether an answer is being spoken whose words are not all said yet."""
        return any(utterance.begun and not utterance.closed for utterance in self._open())

    def _queue(self, message: Mapping[str, Any]) -> None:
        self._out.append(read.encode(message))


_SAYERS: Mapping[type[ClientEvent], Callable[[_SpeechCodec, Any], None]] = {
    AppendText: _SpeechCodec._say_text,
    CreateResponse: _SpeechCodec._say_create,
    ProviderMessage: _SpeechCodec._say_verbatim,
}


class MultiStreamCodec(_SpeechCodec):
    """`multi-stream-input`: every answer is a context; words may come piece by piece until `CreateResponse`."""

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        self._contexts: dict[str, Utterance] = {}

    def _addressed(self, message: WireObject) -> Utterance | None:
        name = message.get("contextId", message.get("context_id"))
        return self._contexts.get(name) if isinstance(name, str) else None

    def _open(self) -> list[Utterance]:
        return list(self._contexts.values())

    def _forget(self, utterance: Utterance) -> None:
        self._contexts.pop(utterance.id, None)

    def _speak(self, words: str) -> None:
        context = next((u for u in self._contexts.values() if not u.closed), None)
        if context is None:
            context = Utterance(self.ids("ctx_"), self._output_format)
            self._queue({"text": " ", "context_id": context.id, **self._first})
            self._contexts[context.id] = context
        self._queue({"text": _spaced(words), "context_id": context.id})
        context.say(words)

    def _close(self, utterance: Utterance) -> None:
        self._queue({"context_id": utterance.id, "flush": True})
        self._queue({"context_id": utterance.id, "close_context": True})


class StreamCodec(_SpeechCodec):
    """`stream-input`: one answer, its words given piece by piece until `CreateResponse`; then the provider hangs up."""

    keep_alive_s = 15.0

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        self._answer: Utterance | None = None
        self._is_over = False

    def keep_alive(self) -> None:
        """Queue the space that restarts the provider's wait for words."""
        if self._answer is not None and not self._answer.closed:
            self._queue({"text": " "})

    def _addressed(self, message: WireObject) -> Utterance | None:
        return self._answer

    def _open(self) -> list[Utterance]:
        return [] if self._answer is None else [self._answer]

    def _forget(self, utterance: Utterance) -> None:
        self._answer, self._is_over = None, True

    def _speak(self, words: str) -> None:
        if self._is_over or (self._answer is not None and self._answer.closed):
            raise Unsupported(
                f"{TITLE} speaks one answer on a socket of this kind: connect again, or use elevenlabs:tts"
            )
        if self._answer is None:
            self._answer = Utterance(self.ids("ctx_"), self._output_format)
            self._queue({"text": " ", **self._first})
        self._queue({"text": _spaced(words)})
        self._answer.say(words)

    def _close(self, utterance: Utterance) -> None:
        self._queue({"text": ""})


def url_query(settings: SessionSettings) -> dict[str, str]:
    """The URL's parameters: model, format, and the options that are not part of a message."""
    name = (settings.model or "").partition("/")[0]
    asked = {
        "model_id": name if name.startswith("eleven_") else DEFAULT_MODEL,
        "output_format": _format_name(settings.output_format or PCM16_24K),
        "inactivity_timeout": INACTIVITY_TIMEOUT_S,
        "sync_alignment": True,
        **{name: value for name, value in settings.options.items() if name not in MESSAGE_OPTIONS},
    }
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in asked.items()}


def _tail(endpoint: str) -> Callable[[SessionSettings], str]:
    def tail(settings: SessionSettings) -> str:
        voice = settings.voice or (settings.model or "").partition("/")[2] or DEFAULT_VOICE
        return f"/v1/text-to-speech/{quote(voice, safe='')}/{endpoint}"

    return tail


def _first_fields(settings: SessionSettings) -> WireObject:
    """What an answer's first message carries beside its text."""
    made: WireObject = {}
    if settings.speed is not None:
        made["voice_settings"] = {"speed": check_range(TITLE, "speed", settings.speed, SPEED_MIN, SPEED_MAX)}
    return read.merge(made, {name: value for name, value in settings.options.items() if name in MESSAGE_OPTIONS})


def _format_name(wanted: AudioFormat) -> str:
    if wanted not in FORMATS:
        raise no_format(TITLE, wanted, ", ".join(map(str, FORMATS)), "output_formats")
    return FORMATS[wanted]


def _spaced(words: str) -> str:
    """The words with the space at their end that the provider wants."""
    return words if words.endswith(" ") else f"{words} "


def _timings(utterance: Utterance, message: WireObject) -> list[AnyServerEvent]:
    """When the letters of this piece are spoken. The wire counts from its start; its duration key has two spellings."""
    if message.get("alignment") is None:
        return []
    alignment = read.json_object(message["alignment"])
    letters = read.texts(alignment["chars"])
    begins, lasts = (read.numbers(_first_of(alignment, keys)) for keys in (_START_KEYS, _DURATION_KEYS))
    start_ms = tuple(utterance.audio_ms + begin for begin in begins)
    end_ms = tuple(start + last for start, last in zip(start_ms, lasts, strict=True))
    if not letters:
        return []
    return [
        WordTimings(
            raw=message,
            words=letters,
            start_ms=start_ms,
            end_ms=end_ms,
            unit="character",
            response_id=utterance.id,
            item_id=utterance.id,
        )
    ]


def _first_of(holder: WireObject, keys: Sequence[str]) -> Any:
    return holder[next((key for key in keys if key in holder), keys[0])]


def _serves(name: str, model: str | None) -> bool:
    return (model or "").partition("/")[0] == name


def _variant(codec: type[Codec], endpoint: str, name: str, serves: Callable[[str | None], bool]) -> Provider:
    return Provider(
        name="elevenlabs",
        title=f"{TITLE} {name}",
        default_model=name,
        models=(name,),
        route="elevenlabs",
        direct_url="wss://api.elevenlabs.io",
        codec=codec,
        auth=KeyAuth(env=("ELEVENLABS_API_KEY",), header=("xi-api-key", "{key}"), subprotocol="xi-api-key."),
        query=url_query,
        tail=_tail(endpoint),
        serves=serves,
        capabilities=Capabilities(
            audio_in=False,
            text_out=False,
            input_formats=(),
            output_formats=tuple(FORMATS),
            voices=(DEFAULT_VOICE,),
            instructions=False,
            speed=True,
            word_timings=True,
        ),
    )


VARIANTS: tuple[Provider, ...] = (
    _variant(
        MultiStreamCodec,
        "multi-stream-input",
        "tts",
        lambda model: _serves("tts", model) or (model or "").startswith("eleven_"),
    ),
    _variant(StreamCodec, "stream-input", "tts-stream", lambda model: _serves("tts-stream", model)),
)
"""The text-to-speech protocols, each with the models for which it is taken."""
