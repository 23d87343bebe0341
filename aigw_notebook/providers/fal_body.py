"""Fal: the body of one answer, gathered from its frames and read by its content type."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import AigwError
from ..events import AnyServerEvent, AudioDelta, ImageOutput, RawEvent, TextDelta
from . import reading as read
from .base import Message
from .reading import WireObject

__all__ = ["Body", "failure"]

TEXT_FIELDS = ("output", "text", "result", "answer")
"""Where apps that write put their words; the first that holds text wins."""

MAX_WORDS = 300


class Body:
    """The answer to one request, from its `start` frame on. Raises `KeyError` or `TypeError` when that is malformed."""

    def __init__(self, start: WireObject) -> None:
        headers = start.get("headers")
        named = headers.items() if isinstance(headers, dict) else ()
        known = {str(name).lower(): str(value) for name, value in named}
        status = start.get("status")
        self.response_id = read.text(start["request_id"])
        self.status = status if type(status) is int else 200
        self.kind = known.get("content-type", "application/json").partition(";")[0].strip().lower()
        self.error_type = known.get("x-fal-error-type")
        self.data = bytearray()
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._unread = ""
        self._written = ""

    def add(self, message: Message) -> list[AnyServerEvent]:
        """The events of one more frame: none, until the end, unless the app streams its words."""
        data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        if self.kind == "text/event-stream" and self.status < 400:
            return list(self._stream(self._decode(data)))
        self.data += data
        return []

    def contents(self) -> list[AnyServerEvent]:
        """What the whole body holds."""
        if not self.data:
            return []
        return list(_READERS.get(self.kind.partition("/")[0], _other)(self))

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            return None

    def _stream(self, text: str) -> Iterator[AnyServerEvent]:
        """The server-sent events that are complete; a frame need not end with one."""
        self._unread = (self._unread + text).replace("\r\n", "\n")
        while "\n\n" in self._unread:
            block, _, self._unread = self._unread.partition("\n\n")
            lines = (line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:"))
            yield from self._event("\n".join(lines))

    def _event(self, data: str) -> Iterator[AnyServerEvent]:
        """One event of a stream. Apps send the text so far each time; what is new of it is the delta."""
        try:
            parsed = json.loads(data)
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            yield RawEvent(kind="event", raw=data)
            return
        words = _words(parsed)
        if words is None:
            yield from _pictures(parsed, self.response_id)
        elif words.startswith(self._written):
            new, self._written = words[len(self._written) :], words
            yield TextDelta(raw=parsed, text=new, response_id=self.response_id)
        else:
            self._written += words
            yield TextDelta(raw=parsed, text=words, response_id=self.response_id)


def failure(status: int, body: Body) -> tuple[str, str]:
    """Code and words of a failed request."""
    parsed = body.json()
    detail = parsed.get("detail", parsed.get("message")) if isinstance(parsed, dict) else None
    kind = parsed.get("error_type") if isinstance(parsed, dict) else None
    words = _detail(detail) or f"the app answered with HTTP {status}"
    return str(body.error_type or kind or status), words[:MAX_WORDS]


def _detail(detail: Any) -> str:
    """The usual two shapes: a sentence, or a list of `{loc, msg}`."""
    if isinstance(detail, str):
        return detail
    faults = [fault for fault in detail if isinstance(fault, dict)] if isinstance(detail, list) else []
    said = (f"{'.'.join(map(str, fault.get('loc') or ()))}: {fault.get('msg', '')}".strip(": ") for fault in faults)
    return "; ".join(filter(None, said))


def _application(body: Body) -> Iterator[AnyServerEvent]:
    parsed = body.json()
    if not isinstance(parsed, dict):
        yield RawEvent(kind=body.kind, raw=bytes(body.data) if parsed is None else parsed)
        return
    found = [*_pictures(parsed, body.response_id)]
    words = _words(parsed)
    if words is not None:
        found.append(TextDelta(raw=parsed, text=words, response_id=body.response_id))
    yield from found or [RawEvent(kind=body.kind, raw=parsed)]


def _words(parsed: WireObject) -> str | None:
    return next((parsed[name] for name in TEXT_FIELDS if isinstance(parsed.get(name), str)), None)


def _pictures(parsed: WireObject, response_id: str) -> Iterator[AnyServerEvent]:
    """`images`, or one `image`: objects with a `url`, which may be a `data:` URI."""
    images = parsed.get("images")
    for image in images if isinstance(images, list) else [parsed.get("image")]:
        if isinstance(image, dict) and isinstance(image.get("url"), str):
            yield _picture(image, response_id, parsed)


def _picture(image: WireObject, response_id: str, raw: Any) -> ImageOutput:
    url, kind = image["url"], image.get("content_type")
    media_type = kind if isinstance(kind, str) else "image/png"
    if not url.startswith("data:"):
        return ImageOutput(raw=raw, url=url, media_type=media_type, response_id=response_id)
    head, _, data = url[5:].partition(",")
    try:
        decoded = b64decode(data, validate=True) if head.endswith(";base64") else b""
    except (Base64Error, ValueError):
        decoded = b""
    if not decoded:
        return ImageOutput(raw=raw, url=url, media_type=media_type, response_id=response_id)
    return ImageOutput(raw=raw, data=decoded, media_type=head.partition(";")[0] or media_type, response_id=response_id)


def _image(body: Body) -> Iterator[AnyServerEvent]:
    yield ImageOutput(data=bytes(body.data), media_type=body.kind, response_id=body.response_id)


def _audio(body: Body) -> Iterator[AnyServerEvent]:
    """A WAV file is sound that can be played; of any other file only its bytes are known."""
    from ..audio.clip import Clip

    try:
        clip = Clip.from_any(bytes(body.data))
    except AigwError:
        yield RawEvent(kind=body.kind, raw=bytes(body.data))
        return
    yield AudioDelta(data=clip.data, format=clip.format, response_id=body.response_id)


def _text(body: Body) -> Iterator[AnyServerEvent]:
    yield TextDelta(text=body.data.decode("utf-8", "replace"), response_id=body.response_id)


def _other(body: Body) -> Iterator[AnyServerEvent]:
    yield RawEvent(kind=body.kind, raw=bytes(body.data))


_READERS: Mapping[str, Callable[[Body], Iterator[AnyServerEvent]]] = {
    "application": _application,
    "image": _image,
    "audio": _audio,
    "text": _text,
}
