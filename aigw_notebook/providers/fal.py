"""Fal's HTTP over WebSocket: a prompt out, the model's answer in, most often a picture.

Wire facts: `docs/protocol/fal.md`. Every request is a JSON object in a text frame; its answer is a `start` frame with
HTTP status and headers, the body in any number of frames, and an `end` frame. Requests are answered in their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote

from ..audio.formats import PCM16_24K, AudioFormat
from ..errors import ConfigurationError, LocalProtocolError, Unsupported
from ..events import (
    AnyServerEvent,
    AppendText,
    ClientEvent,
    CreateResponse,
    ProviderMessage,
    ResponseDone,
    ResponseStarted,
    ServerEvent,
    SessionOpened,
)
from . import reading as read
from .base import Capabilities, Codec, Ids, KeyAuth, Message, Provider, SessionSettings, raw_event
from .fal_body import Body, failure
from .limits import refuse_overrides, refuse_settings, sayer
from .reading import WireObject

__all__ = ["PROVIDER", "FalCodec"]

DEFAULT_MODEL = "fal-ai/fast-lcm-diffusion"
TITLE = "Fal"
META = ("start", "end")
MAX_BODY_BYTES = 256 * 1024 * 1024
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)+", re.ASCII)

Events: TypeAlias = Sequence[AnyServerEvent]


class FalCodec(Codec):
    """One connection to one app. `options` go into the body of every request, beside `prompt`."""

    ready: ClassVar[type[ServerEvent] | None] = None

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        refuse_settings(TITLE, settings, known={"model", "options"})
        app_path(settings)
        self._prompts: list[str] = []
        self._opened = False
        self._body: Body | None = None

    @property
    def input_format(self) -> AudioFormat:
        """Nothing is heard."""
        return PCM16_24K

    @property
    def output_format(self) -> AudioFormat:
        """What sound is made says its own format."""
        return PCM16_24K

    def opening(self) -> None:
        """Nothing to say before the first request."""

    # -------------------------------------------------------------------------------------- server to client

    def receive(self, message: Message) -> Events:
        """The events of one frame: control frames by their two fields, all else is the body of the open answer."""
        meta = _meta(message) if isinstance(message, str) else None
        if meta is not None and self._is_control(meta):
            return (self._on_start if meta["type"] == "start" else self._on_end)(meta)
        if self._body is None:
            return raw_event("body", message)
        return self._body.add(message) or raw_event("body", message)

    def _is_control(self, meta: WireObject) -> bool:
        """A model's own answer may look like a control frame; only the one that is due is one."""
        if self._body is None:
            return bool(meta["type"] == "start")
        return (meta["type"], meta["request_id"]) == ("end", self._body.response_id)

    def _on_start(self, meta: WireObject) -> Events:
        self._body = Body(meta)
        opened = [] if self._opened else [SessionOpened(raw=meta, session_id=self._body.response_id)]
        self._opened = True
        return [*opened, ResponseStarted(raw=meta, response_id=self._body.response_id)]

    def _on_end(self, meta: WireObject) -> Events:
        body, self._body = self._body, None
        assert body is not None
        status = meta.get("status")
        code = status if type(status) is int and status >= 400 else body.status
        if code >= 400:
            error_code, words = failure(code, body)
            done = ResponseDone(
                raw=meta, response_id=body.response_id, status="failed", error_code=error_code, error_message=words
            )
            return [done]
        return [*body.contents(), ResponseDone(raw=meta, response_id=body.response_id)]

    # -------------------------------------------------------------------------------------- client to server

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""
        sayer(TITLE, _SAYERS, event)(self, event)

    def _say_text(self, event: AppendText) -> None:
        if event.images:
            raise Unsupported(f"{TITLE} takes no pictures here: give the app their address in options")
        self._prompts.append(event.text)

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(TITLE, event)
        if event.modalities is not None:
            raise Unsupported(f"{TITLE} takes no modalities: the app alone decides what it answers with")
        if not self._prompts:
            raise LocalProtocolError("there is no prompt: append some text first")
        prompt = "\n".join(self._prompts)
        self._out.append(read.encode({"prompt": prompt, "sync_mode": True, **self.settings.options}))
        self._prompts.clear()

    def _say_verbatim(self, event: ProviderMessage) -> None:
        self._out.append(read.encode(dict(event.message)))


def app_path(settings: SessionSettings) -> str:
    """The path of the app that the model names, with its slash. Raises `ConfigurationError` for what is no path."""
    model = (settings.model or DEFAULT_MODEL).strip("/")
    if not _PATH.fullmatch(model) or any(part in (".", "..") for part in model.split("/")):
        raise ConfigurationError(f"{TITLE} calls a model by its path: owner/app, as in {DEFAULT_MODEL}")
    return "/" + quote(model)


def _meta(message: str) -> WireObject | None:
    """The frame as a control frame, if it has the form of one."""
    if not message.lstrip().startswith("{"):
        return None
    try:
        parsed = read.parse_object(message)
        read.text(parsed["request_id"])
    except Exception:
        return None
    return parsed if parsed.get("type") in META else None


_SAYERS: Mapping[type[ClientEvent], Callable[[FalCodec, Any], None]] = {
    AppendText: FalCodec._say_text,
    CreateResponse: FalCodec._say_create,
    ProviderMessage: FalCodec._say_verbatim,
}

PROVIDER = Provider(
    name="fal",
    title=TITLE,
    route="fal",
    direct_url="wss://ws.fal.run",
    codec=FalCodec,
    auth=KeyAuth(env=("FAL_KEY",), header=("Authorization", "Key {key}"), subprotocol="fal-api-key."),
    tail=app_path,
    default_model=DEFAULT_MODEL,
    models=(DEFAULT_MODEL, "fal-ai/fast-sdxl", "fal-ai/flux/schnell", "fal-ai/any-llm"),
    capabilities=Capabilities(
        audio_in=False,
        audio_out=False,
        image_out=True,
        input_formats=(),
        output_formats=(),
        instructions=False,
    ),
)
