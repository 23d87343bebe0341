"""AI Gateway's own WebSocket API, which is not realtime: requests for text to any provider, several on one socket.

Wire facts and guesses: `docs/protocol/universal.md`. The gateway keeps no conversation, so each request carries
what was said before. The model is written `provider/model`, with the provider's name as the gateway's HTTP routes have
it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

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
    SessionError,
    SessionOpened,
    TextDelta,
    Usage,
)
from . import reading as read
from .base import Capabilities, Codec, Ids, KeyAuth, Message, Provider, SessionSettings, raw_event
from .limits import check_modalities, refuse_overrides, refuse_settings, sayer
from .reading import WireObject

__all__ = ["PROVIDER", "UniversalCodec"]

TITLE = "AI Gateway, universal"
DEFAULT_MODEL = "workers-ai/@cf/meta/llama-3.1-8b-instruct"
GUESSED_ENDPOINT = "chat/completions"
"""What the providers that follow OpenAI's HTTP API call their endpoint here; another goes in `options`."""

KNOWN_SETTINGS = {"model", "modalities", "instructions", "temperature", "max_output_tokens", "options"}
OF_THE_REQUEST = ("endpoint", "headers")
"""Names in `options` that are the request's; the others go into the provider's own body."""

_SIGNS_IN = re.compile(r"key|token|secret|auth|passw|credential|cookie", re.IGNORECASE)
"""What the name of a request's header holds when its value is a credential."""

MAX_MESSAGES = 200
"""Messages said so far that a request carries; the oldest are left out."""

MAX_OPEN = 64
"""Requests that may wait for their answers."""

Events: TypeAlias = Sequence[AnyServerEvent]


@dataclass(slots=True)
class _Answer:
    """One request that is not answered yet."""

    response_id: str
    words: list[str] = field(default_factory=list)
    failed: tuple[str | None, str] | None = None
    usage: Usage | None = None


class UniversalCodec(Codec):
    """One socket for requests of one model. `options` go into the body of each, beside `messages` and `stream`."""

    ready: ClassVar[type[ServerEvent] | None] = None

    def __init__(self, settings: SessionSettings, *, ids: Ids) -> None:
        super().__init__(settings, ids=ids)
        refuse_settings(TITLE, settings, known=KNOWN_SETTINGS)
        check_modalities(TITLE, settings.modalities, known=[("text",)])
        self._request = _request(settings)
        self._said: deque[WireObject] = deque(maxlen=MAX_MESSAGES)
        self._answers: dict[str, _Answer] = {}
        self._opened = False

    @property
    def input_format(self) -> AudioFormat:
        """Nothing is heard."""
        return PCM16_24K

    @property
    def output_format(self) -> AudioFormat:
        """Nothing is said aloud."""
        return PCM16_24K

    def opening(self) -> None:
        """Nothing to say before the first request."""

    # -------------------------------------------------------------------------------------- server to client

    def receive(self, message: Message) -> Events:
        """The events of one frame; one that answers no request of this codec stays raw."""
        parsed = read.parse_object(message)
        kind = str(parsed.get("type"))
        metadata = parsed.get("metadata")
        answer = self._answer_of(metadata if isinstance(metadata, dict) else {})
        take = _TAKERS.get(kind)
        if take is None:
            return raw_event(kind, parsed)
        if answer is None:
            failure = _failure(parsed.get("response"))
            return raw_event(kind, parsed) if failure is None else [_complaint(parsed, failure)]
        return [*self._greeting(parsed), *take(self, parsed, answer)]

    def _answer_of(self, metadata: WireObject) -> _Answer | None:
        """The request that is meant. An error may come without its id: it is that of the only one there is."""
        event_id = metadata.get("eventId")
        if isinstance(event_id, str):
            return self._answers.get(event_id)
        return next(iter(self._answers.values())) if len(self._answers) == 1 else None

    def _greeting(self, parsed: WireObject) -> Events:
        if self._opened:
            return []
        self._opened = True
        return [SessionOpened(raw=parsed)]

    def _on_created(self, parsed: WireObject, answer: _Answer) -> Iterator[AnyServerEvent]:
        yield ResponseStarted(raw=parsed, response_id=answer.response_id)
        if "response" in parsed:
            yield from self._on_stream(parsed, answer)
            yield self._end(parsed, answer)

    def _on_stream(self, parsed: WireObject, answer: _Answer) -> Iterator[AnyServerEvent]:
        for chunk in _chunks(parsed.get("response")):
            answer.failed = answer.failed or _failure(chunk)
            answer.usage = _usage(chunk) or answer.usage
            words = _words(chunk)
            if words:
                answer.words.append(words)
                yield TextDelta(raw=parsed, text=words, response_id=answer.response_id)

    def _on_done(self, parsed: WireObject, answer: _Answer) -> Iterator[AnyServerEvent]:
        yield self._end(parsed, answer)

    def _end(self, parsed: WireObject, answer: _Answer) -> ResponseDone:
        del self._answers[answer.response_id]
        if answer.failed is not None:
            code, words = answer.failed
            return ResponseDone(
                raw=parsed, response_id=answer.response_id, status="failed", error_code=code, error_message=words
            )
        self._said.append({"role": "assistant", "content": "".join(answer.words)})
        return ResponseDone(raw=parsed, response_id=answer.response_id, usage=answer.usage)

    # -------------------------------------------------------------------------------------- client to server

    def send(self, event: ClientEvent) -> None:
        """Queue the messages that say `event`."""
        sayer(TITLE, _SAYERS, event)(self, event)

    def _say_text(self, event: AppendText) -> None:
        if event.images:
            raise Unsupported(f"{TITLE} takes no pictures here: write the provider's own message as ProviderMessage")
        self._said.append({"role": event.role, "content": event.text})

    def _say_create(self, event: CreateResponse) -> None:
        refuse_overrides(TITLE, event)
        check_modalities(TITLE, event.modalities, known=[("text",)])
        if not self._said:
            raise LocalProtocolError("there is nothing to answer: append some text first")
        system = [{"role": "system", "content": self.settings.instructions}] if self.settings.instructions else []
        event_id = self.ids("ev_")
        query = {**self._request["query"], "messages": [*system, *self._said]}
        request = {"eventId": event_id, **self._request, "query": query}
        self._ask(event_id, {"type": "universal.create", "request": request})

    def _say_verbatim(self, event: ProviderMessage) -> None:
        request = event.message.get("request")
        event_id = request.get("eventId") if isinstance(request, Mapping) else None
        self._ask(event_id if isinstance(event_id, str) else None, event.message)

    def _ask(self, event_id: str | None, message: Mapping[str, Any]) -> None:
        if len(self._answers) >= MAX_OPEN:
            raise LocalProtocolError(f"{MAX_OPEN} requests are not answered yet: wait for one of them")
        self._out.append(read.encode(message))
        self.last_sent_id = event_id
        if event_id is not None:
            self._answers[event_id] = _Answer(event_id)


def _request(settings: SessionSettings) -> WireObject:
    """What all requests have in common. Raises `ConfigurationError` for a model that names no provider."""
    provider, _, model = (settings.model or DEFAULT_MODEL).partition("/")
    if not provider or not model:
        raise ConfigurationError(f"{TITLE} needs a model as provider/model, as in {DEFAULT_MODEL}")
    by_path = model.startswith("@")
    query: WireObject = {} if by_path else {"model": model}
    query["stream"] = True
    if settings.temperature is not None:
        query["temperature"] = settings.temperature
    if settings.max_output_tokens is not None:
        query["max_tokens"] = settings.max_output_tokens
    query.update({name: value for name, value in settings.options.items() if name not in OF_THE_REQUEST})
    own = settings.options.get("headers") or {}
    if not isinstance(own, Mapping):
        raise ConfigurationError(f'options["headers"] of {TITLE} are names and values: give a dict')
    return {
        "provider": provider,
        "endpoint": settings.options.get("endpoint") or (model if by_path else GUESSED_ENDPOINT),
        "headers": {"Content-Type": "application/json", **own},
        "query": query,
    }


def _credentials(settings: SessionSettings) -> list[str]:
    """The values of headers that sign in, and each without the word before it, as in `Bearer …`."""
    headers = settings.options.get("headers") or {}
    values = [value for name, value in headers.items() if isinstance(value, str) and _SIGNS_IN.search(str(name))]
    return [form for value in values for form in (value, value.rpartition(" ")[2])]


def _complaint(parsed: WireObject, failure: tuple[str | None, str]) -> SessionError:
    code, words = failure
    return SessionError(raw=parsed, message=words, code=code)


# --------------------------------------------------------------------------------- the answers of the providers


def _chunks(response: Any) -> Iterator[WireObject]:
    """The objects in a response: one, or those of server-sent events that came as text."""
    if isinstance(response, dict):
        yield response
    elif isinstance(response, str):
        for line in response.splitlines():
            found = _parsed(line.removeprefix("data:").strip())
            if found is not None:
                yield found


def _parsed(text: str) -> WireObject | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _words(chunk: WireObject) -> str:
    """The text of an answer or of a piece of it, in one of the two forms that are known."""
    inner = chunk.get("result") if isinstance(chunk.get("result"), dict) else chunk
    words = inner.get("response") if isinstance(inner, dict) else None
    if not isinstance(words, str):
        choice = _first(chunk.get("choices"))
        message = choice.get("delta") or choice.get("message")
        words = message.get("content") if isinstance(message, dict) else None
    return words if isinstance(words, str) else ""


def _first(found: Any) -> WireObject:
    return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}


def _failure(response: Any) -> tuple[str | None, str] | None:
    """Code and words of an error body; None for an answer."""
    if not isinstance(response, dict):
        return None
    error = response.get("error") or response.get("errors")
    if response.get("success") is not False and not error:
        return None
    inner = error if isinstance(error, dict) else _first(error)
    code = inner.get("code") if isinstance(inner.get("code"), int | str) else None
    words = inner.get("message") if isinstance(inner.get("message"), str) else error
    return None if code is None else str(code), words if isinstance(words, str) else "the request failed"


def _usage(chunk: WireObject) -> Usage | None:
    inner = chunk.get("result") if isinstance(chunk.get("result"), dict) else chunk
    usage = inner.get("usage") if isinstance(inner, dict) else None
    if not isinstance(usage, dict):
        return None
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    asked, answered = (count if type(count) is int else None for count in counts)
    return Usage(input_tokens=asked, output_tokens=answered)


_TAKERS: Mapping[str, Callable[[UniversalCodec, WireObject, _Answer], Iterator[AnyServerEvent]]] = {
    "universal.created": UniversalCodec._on_created,
    "universal.stream": UniversalCodec._on_stream,
    "universal.done": UniversalCodec._on_done,
}

_SAYERS: Mapping[type[ClientEvent], Callable[[UniversalCodec, Any], None]] = {
    AppendText: UniversalCodec._say_text,
    CreateResponse: UniversalCodec._say_create,
    ProviderMessage: UniversalCodec._say_verbatim,
}

PROVIDER = Provider(
    name="universal",
    title=TITLE,
    route="",
    direct_url="",
    codec=UniversalCodec,
    auth=KeyAuth(),
    default_model=DEFAULT_MODEL,
    models=(DEFAULT_MODEL, "openai/gpt-4o-mini"),
    secrets=_credentials,
    capabilities=Capabilities(
        audio_in=False,
        audio_out=False,
        input_formats=(),
        output_formats=(),
        temperature=True,
        max_output_tokens=True,
    ),
)
