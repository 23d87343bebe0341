"""The parrot's protocol from the client's side, and the value that registers it. The messages are in the README."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aigw_notebook.audio.formats import PCM16_24K, AudioFormat
from aigw_notebook.errors import LocalProtocolError
from aigw_notebook.events import (
    AnyServerEvent,
    AppendText,
    CancelResponse,
    ClientEvent,
    CreateResponse,
    ProviderMessage,
    ResponseDone,
    ResponseStarted,
    SessionError,
    SessionOpened,
    TextDelta,
)
from aigw_notebook.providers import reading as read
from aigw_notebook.providers.base import (
    Capabilities,
    Codec,
    Ids,
    KeyAuth,
    Message,
    Provider,
    SessionSettings,
    raw_event,
)
from aigw_notebook.providers.limits import check_modalities, refuse_overrides, refuse_settings, sayer
from aigw_notebook.providers.reading import WireObject

__all__ = ["PROVIDER", "ParrotCodec"]

TITLE = "Parrot"
DEFAULT_MODEL = "grey"

CAPABILITIES = Capabilities(
    audio_in=False, audio_out=False, input_formats=(), output_formats=(), instructions=False, cancel=True
)


class ParrotCodec(Codec):
    """One parrot. Words are gathered until `CreateResponse` asks for the answer."""

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        refuse_settings(TITLE, settings, known={"model", "modalities", "options"})
        check_modalities(TITLE, settings.modalities, known=[("text",)])
        self._words: list[str] = []

    @property
    def input_format(self) -> AudioFormat:
        """Nothing is heard."""
        return PCM16_24K

    @property
    def output_format(self) -> AudioFormat:
        """Nothing is spoken."""
        return PCM16_24K

    def opening(self) -> None:
        """Nothing: the parrot greets."""

    def receive(self, message: Message) -> Sequence[AnyServerEvent]:
        """The events of one frame."""
        parsed = read.parse_object(message)
        try:
            return [DECODERS[parsed["type"]](parsed)]
        except (KeyError, TypeError):
            return raw_event(str(parsed.get("type", "")), parsed)

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""
        sayer(TITLE, SAYERS, event)(self, event)

    def _say_text(self, event: AppendText) -> None:
        self._words.append(event.text)

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(TITLE, event)
        check_modalities(TITLE, event.modalities, known=[("text",)])
        if not self._words:
            raise LocalProtocolError(f"{TITLE} has nothing to say: send some words first")
        self._queue({"type": "say", "text": " ".join(self._words), **self.settings.options})
        self._words.clear()

    def _say_cancel(self, event: CancelResponse) -> None:
        self._queue({"type": "hush"})

    def _say_verbatim(self, event: ProviderMessage) -> None:
        self._queue(event.message)

    def _queue(self, message: Mapping[str, Any]) -> None:
        self._out.append(read.encode(message))


def _on_end(message: WireObject) -> ResponseDone:
    hushed = message.get("hushed") is True
    return ResponseDone(
        raw=message, response_id=read.text(message["id"]), status="cancelled" if hushed else "completed"
    )


def _on_word(message: WireObject) -> TextDelta:
    words, answer = read.text(message["text"]), read.text(message["id"])
    return TextDelta(raw=message, text=words, response_id=answer, item_id=answer)


DECODERS: Mapping[str, Callable[[WireObject], AnyServerEvent]] = {
    "hello": lambda message: SessionOpened(raw=message, session_id=read.text(message["id"])),
    "begin": lambda message: ResponseStarted(raw=message, response_id=read.text(message["id"])),
    "word": _on_word,
    "end": _on_end,
    "error": lambda message: SessionError(raw=message, message=read.text(message["message"])),
}
"""What each server message means, by its wire name."""

SAYERS: Mapping[type[ClientEvent], Callable[[ParrotCodec, Any], None]] = {
    AppendText: ParrotCodec._say_text,
    CreateResponse: ParrotCodec._say_create,
    CancelResponse: ParrotCodec._say_cancel,
    ProviderMessage: ParrotCodec._say_verbatim,
}

PROVIDER = Provider(
    name="parrot",
    title=TITLE,
    route="parrot",
    direct_url="wss://parrot.example/v1",
    codec=ParrotCodec,
    capabilities=CAPABILITIES,
    auth=KeyAuth(env=("PARROT_KEY",), header=("x-parrot-key", "{key}")),
    query=lambda settings: {"species": settings.model or DEFAULT_MODEL},
    default_model=DEFAULT_MODEL,
    models=(DEFAULT_MODEL, "macaw"),
    emulator="parrot_provider.emulator",
)
