"""One response: from `response.created` down its ladder of items, parts and deltas to `response.done`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ...audio.convert import convert
from ...audio.formats import AudioFormat
from ..engines.base import Reply, ToolRequest
from .base import Job
from .letters import Letters
from .openai_items import OUTPUT_MS_PER_TOKEN, Conversation, Item, Part, Tokens, said, text_tokens, tokens_of
from .openai_session import JsonObject, audio_format, voice_name
from .openai_wire import Deltas, Wire, dumps
from .schedule import WAIT, Task

__all__ = ["Options", "ResponseRun"]

LEAD_CHARS = 16
"""By so many characters the transcript leads the audio sent."""

ARGUMENT_CHARS = 12
"""The length of one delta of a call's arguments."""

FAILURE_KIND, FAILURE_CODE = "server_error", "server_error"  # a guess: how an engine's failure is reported

_PIECES = re.compile(r"\s*\S+|\s+$")

Steps: TypeAlias = Iterator[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is in force for one response: the session's settings under those of `response.create`.

    `context` replaces the conversation; `in_band` False keeps the answer outside of it.
    """

    instructions: str
    modality: str
    format: JsonObject
    voice: str
    speed: float
    tools: Sequence[Mapping[str, Any]]
    tool_choice: Any
    parallel: bool
    max_output_tokens: int | str
    metadata: Mapping[str, str] | None
    in_band: bool = True
    context: list[Item] | None = None

    @classmethod
    def of(cls, session: JsonObject, response: Mapping[str, Any], context: list[Item] | None) -> Options:
        """The options of a checked `response` object in this session."""
        output = {**session["audio"]["output"], **response.get("audio", {}).get("output", {})}
        asked = {**session, **{name: value for name, value in response.items() if value is not None}}
        return cls(
            instructions=asked["instructions"],
            modality=asked["output_modalities"][0],
            format=output["format"],
            voice=voice_name(output["voice"]),
            speed=output["speed"],
            tools=asked["tools"],
            tool_choice=asked["tool_choice"],
            parallel=asked.get("parallel_tool_calls", True),
            max_output_tokens=asked["max_output_tokens"],
            metadata=response.get("metadata"),
            in_band=response.get("conversation") != "none",
            context=context,
        )


@dataclass(slots=True)
class _Sound:
    """One spoken item while it is being made: audio to be sent, and how much of it and of the words has been."""

    letters: Letters = field(default_factory=lambda: Letters(""))
    ready: bytearray = field(default_factory=bytearray)
    over: bool = False
    error: BaseException | None = None
    sent_ms: float = 0.0
    words: str = ""


class ResponseRun:
    """An answer in the making. `begin` announces it; afterwards the schedule drives it until `ended` is called."""

    def __init__(
        self,
        wire: Wire,
        conversation: Conversation,
        options: Options,
        *,
        seen: Tokens,
        ended: Callable[[ResponseRun], None],
    ) -> None:
        self.id = wire.ids("resp_")
        self.options = options
        self.over = False
        self.audio_ms = 0.0
        self.first_audio_ms: float | None = None
        self.billed = Tokens()
        self.read_and_made = (0, 0)
        """Tokens as reported at the end."""
        self._wire = wire
        self._conversation = conversation
        self._ended = ended
        self._context = list(conversation.items) if options.context is None else options.context
        self._seen = seen
        self._output: list[Item] = []
        self._open: Item | None = None
        self._open_after: str | None = None
        self._sound = _Sound()
        self._job: Job | None = None
        self._task: Task | None = None
        limit = options.max_output_tokens
        self._limit = limit if isinstance(limit, int) else 1_000_000
        self._used = Tokens()

    def begin(self) -> None:
        """Announce the response and put it to work."""
        self._wire.event("response.created", response=self._snapshot("in_progress"))
        self._task = self._wire.schedule.start(self._steps())

    def go_on(self) -> None:
        """Look again at what it waits for."""
        if self._task is not None:
            self._task.go_on()

    def cancel(self, reason: str) -> None:
        """End it now as cancelled, with all the `done` events of what was begun."""
        self._finish("cancelled", reason)

    def stop(self) -> None:
        """End it without a word: the connection is gone."""
        self.over = True
        self._halt()

    # ------------------------------------------------------------------------------------------------- the ladder

    def _steps(self) -> Steps:
        while any(item.unheard for item in self._context):
            yield WAIT
        replies: list[Reply | BaseException] = []
        yield from self._answer(replies)
        if isinstance(replies[0], BaseException):
            self._finish("failed", error=replies[0])
            return
        if self._wire.pace.first_token_ms:
            yield self._wire.clock() + self._wire.pace.first_token_ms
        yield from self._ladder(replies[0])
        if not self.over:
            self._finish("completed")

    def _ladder(self, reply: Reply) -> Steps:
        if reply.text:
            yield from self._written(reply.text) if self.options.modality == "text" else self._spoken(reply.spoken)
        for request in reply.tools if self.options.parallel else reply.tools[:1]:
            if not self.over:
                yield from self._call(request)

    def _answer(self, replies: list[Reply | BaseException]) -> Steps:
        """Ask the responder: here if it answers at once, else in a worker thread."""
        if getattr(self._wire.engines.responder, "instant", False):
            try:
                replies.append(self._ask())
            except Exception as error:
                replies.append(error)
            return
        self._start_job(lambda: [self._ask()], replies.append, lambda error: replies.extend([error] if error else []))
        while not replies:
            yield WAIT

    def _ask(self) -> Reply:
        options = self.options
        functions = [tool for tool in options.tools if tool["type"] == "function"]
        return self._wire.engines.responder.answer(
            said(self._context), instructions=options.instructions, tools=functions, tool_choice=options.tool_choice
        )

    def _start_job(
        self,
        results: Callable[[], Iterable[object]],
        deliver: Callable[[Any], None],
        done: Callable[[BaseException | None], None],
    ) -> None:
        def over(error: BaseException | None) -> None:
            done(error)
            self._resume()

        def delivered(result: object) -> None:
            deliver(result)
            self._resume()

        self._job = Job(results, delivered, over)
        self._wire.put(self._job)

    def _resume(self) -> None:
        self.go_on()
        self._wire.schedule.run()

    def _written(self, text: str) -> Steps:
        part = self._open_message("output_text")
        deltas = Deltas(self._wire, "response.output_text.delta", **self._place(0))
        pieces = (found.group() for found in _PIECES.finditer(text))
        due_ms, waits_ms = self._wire.clock(), self._wire.pace.text_waits_ms()
        for piece in self._affordable(pieces):
            part.text += piece
            deltas.text(piece)
            due_ms += next(waits_ms)
            yield due_ms
        self._close_or_cut(part.text == text)

    def _spoken(self, text: str) -> Steps:
        part = self._open_message("output_audio")
        part.format = audio_format(self.options.format)
        words = Deltas(self._wire, "response.output_audio_transcript.delta", **self._place(0))
        audio = Deltas(self._wire, "response.output_audio.delta", **self._place(0))
        sound = self._sound = self._speak(text, part.format)
        pieces = _PIECES.findall(text)
        self._lead(part, pieces, words)
        while chunk := (yield from self._next_chunk(sound, part.format)):
            if self._left() <= 0:
                return self._close_or_cut(False)
            self._lead(part, pieces, words)
            self._send_audio(part, audio, chunk)
            if self._wire.pace.audio_speed:
                yield (self.first_audio_ms or 0.0) + self.audio_ms / self._wire.pace.audio_speed
        self._end_spoken(part, pieces, words)
        return None

    def _end_spoken(self, part: Part, pieces: list[str], words: Deltas) -> None:
        if self._sound.error is not None:
            return self._finish("failed", error=self._sound.error)
        self._sound.sent_ms = math.inf
        self._lead(part, pieces, words)
        return self._close_or_cut(True)

    def _speak(self, text: str, format: AudioFormat) -> _Sound:
        """Have `text` spoken in a worker thread, straight at the rate of `format`."""
        sound, options = _Sound(Letters(text)), self.options
        voice, source = self._wire.engines.voice, AudioFormat("pcm16", format.sample_rate)

        def results() -> Iterator[tuple[bytes, int]]:
            sounds = voice.say(text, sample_rate=format.sample_rate, voice=options.voice, speed=options.speed)
            return ((convert(each.pcm16, source, format), each.end_char) for each in sounds)

        def take(made: tuple[bytes, int]) -> None:
            data, end_char = made
            sound.ready += data
            sound.letters.add(format.duration_ms(data), end_char)

        def done(error: BaseException | None) -> None:
            sound.over, sound.error = True, error

        self._start_job(results, take, done)
        return sound

    def _next_chunk(self, sound: _Sound, format: AudioFormat) -> Generator[float, None, bytes]:
        """Wait for the next delta's worth of audio; it is empty at the end."""
        size = format.byte_count(self._wire.pace.audio_delta_ms)
        while not sound.over and len(sound.ready) < max(size, 1):
            yield WAIT
        size = size or len(sound.ready)
        chunk = bytes(sound.ready[:size])
        del sound.ready[:size]
        sound.sent_ms += format.duration_ms(chunk)
        return chunk

    def _send_audio(self, part: Part, deltas: Deltas, chunk: bytes) -> None:
        if self.first_audio_ms is None:
            self.first_audio_ms = self._wire.clock()
        if not part.truncated:
            part.audio += chunk
        self.audio_ms = self._sound.sent_ms
        deltas.audio(chunk)

    def _lead(self, part: Part, pieces: list[str], deltas: Deltas) -> None:
        """Send as much of the transcript as belongs before the audio made so far."""
        sound = self._sound
        wanted = math.inf if sound.sent_ms == math.inf else LEAD_CHARS + sound.letters.spoken_by(sound.sent_ms)
        while pieces and len(sound.words) < wanted:
            piece = pieces.pop(0)
            sound.words += piece
            deltas.text(piece)
        if not part.truncated:
            part.transcript = part.words = sound.words

    def _call(self, request: ToolRequest) -> Steps:
        item = Item(self._wire.ids("item_"), "function_call", name=request.name, call_id=self._wire.ids("call_"))
        self._open_item(item)
        place = self._place(None)
        deltas = Deltas(self._wire, "response.function_call_arguments.delta", **place, call_id=item.call_id)
        arguments = dumps(dict(request.arguments))
        pieces = [arguments[at : at + ARGUMENT_CHARS] for at in range(0, len(arguments), ARGUMENT_CHARS)]
        due_ms, waits_ms = self._wire.clock(), self._wire.pace.text_waits_ms()
        for piece in self._affordable(pieces):
            item.arguments += piece
            deltas.text(piece)
            due_ms += next(waits_ms)
            yield due_ms
        self._close_or_cut(item.arguments == arguments)

    # ----------------------------------------------------------------------------------------------- token limit

    def _affordable(self, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces that fit into what is left of `max_output_tokens`."""
        left, chars = self._limit - self._used.total, 0
        for piece in pieces:
            chars += len(piece)
            if text_tokens(chars) > left:
                return
            yield piece

    def _left(self) -> int:
        """Tokens left when what is spoken so far is counted."""
        spoken = text_tokens(self._sound.words) + int(self._sound.sent_ms / OUTPUT_MS_PER_TOKEN)
        return self._limit - self._used.total - spoken

    def _close_or_cut(self, whole: bool) -> None:
        """Close the open item; if it was not written to its end, the response ends with it."""
        if whole:
            self._close_item("completed")
        else:
            self._finish("incomplete", "max_output_tokens")

    # ------------------------------------------------------------------------------------------------------ items

    def _place(self, content_index: int | None) -> dict[str, Any]:
        item_id = self._open.id if self._open else ""
        place = {"response_id": self.id, "item_id": item_id, "output_index": len(self._output) - 1}
        return place if content_index is None else {**place, "content_index": content_index}

    def _open_message(self, kind: str) -> Part:
        item = Item(self._wire.ids("item_"), role="assistant")
        self._open_item(item)
        empty = {"type": "text", "text": ""} if kind == "output_text" else {"type": "audio", "transcript": ""}
        self._wire.event("response.content_part.added", **self._place(0), part=empty)
        part = Part(kind)
        item.parts.append(part)
        return part

    def _open_item(self, item: Item) -> None:
        item.status = "in_progress"
        self._open = item
        self._output.append(item)
        self._item_event("response.output_item.added", item)
        if self.options.in_band:
            self._open_after = self._conversation.add(item)
            self._wire.event("conversation.item.added", previous_item_id=self._open_after, item=item.wire())

    def _item_event(self, kind: str, item: Item) -> None:
        index = self._output.index(item)
        self._wire.event(kind, response_id=self.id, output_index=index, item=item.wire())

    def _close_item(self, status: str) -> None:
        """The `done` events of the open item, if there is one."""
        item = self._open
        if item is None:
            return
        if item.kind == "function_call":
            done = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
            self._wire.event("response.function_call_arguments.done", **self._place(None), **done)
        else:
            self._close_part(item.parts[0])
        item.status = status
        self._open = None
        self._used += tokens_of([item]) + Tokens(text_tokens(self._sound.words))
        self._sound = _Sound()
        if self.options.in_band and self._conversation.get(item.id) is not None:
            self._wire.event("conversation.item.done", previous_item_id=self._open_after, item=item.wire())
        self._item_event("response.output_item.done", item)

    def _close_part(self, part: Part) -> None:
        place = self._place(0)
        if part.kind == "output_text":
            part.words = part.text
            self._wire.event("response.output_text.done", **place, text=part.text)
            shown = {"type": "text", "text": part.text}
        else:
            self._wire.event("response.output_audio.done", **place)
            self._wire.event("response.output_audio_transcript.done", **place, transcript=self._sound.words)
            shown = {"type": "audio", "transcript": self._sound.words}
        self._wire.event("response.content_part.done", **place, part=shown)

    # -------------------------------------------------------------------------------------------------------- end

    def _halt(self) -> None:
        if self._task is not None:
            self._task.stop()
        if self._job is not None:
            self._job.cancelled = True

    def _finish(self, status: str, reason: str | None = None, *, error: BaseException | None = None) -> None:
        if self.over:
            return
        self._halt()
        self._close_item("incomplete")
        self.over = True
        details: JsonObject | None = {"type": status} if status != "completed" else None
        if details is not None and reason is not None:
            details["reason"] = reason
        if details is not None and error is not None:
            details["error"] = {"type": FAILURE_KIND, "code": FAILURE_CODE, "message": f"An engine failed: {error}"}
        self._wire.event("response.done", response=self._snapshot(status, details, self._usage()))
        self._ended(self)

    def _snapshot(self, status: str, details: JsonObject | None = None, usage: JsonObject | None = None) -> JsonObject:
        options = self.options
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [item.wire() for item in self._output] if status != "in_progress" else [],
            "conversation_id": self._conversation.id if options.in_band else None,
            "output_modalities": [options.modality],
            "max_output_tokens": options.max_output_tokens,
            "audio": {"output": {"format": options.format, "voice": options.voice}},
            "usage": usage,
            "metadata": options.metadata,
        }

    def _usage(self) -> JsonObject:
        """The whole context is billed as input each time; what an earlier response has read comes from the cache."""
        options = self.options
        prompt = options.instructions + (dumps(list(options.tools)) if options.tools else "")
        read = Tokens(text_tokens(prompt)) + tokens_of(self._context)
        cached = read.cached(self._seen)
        self.billed = read + self._used
        self.read_and_made = (read.total, self._used.total)
        return {
            "total_tokens": read.total + self._used.total,
            "input_tokens": read.total,
            "output_tokens": self._used.total,
            "input_token_details": {
                **read.details(),
                "cached_tokens": cached.total,
                "cached_tokens_details": cached.details(),
            },
            "output_token_details": {"text_tokens": self._used.text, "audio_tokens": self._used.audio},
        }
