"""The tables of a session and their columns. Names, types and order stay; a later version adds columns at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..records import COLUMNS, Column

__all__ = ["SCHEMAS", "Schema"]


class Schema(NamedTuple):
    """A table's name, what one row of it is, and its columns in order.

    The type of a column is one of str, int, float, bool and time. A time is ISO 8601 text in a row and in text files,
    and a timestamp in UTC, in ms, in frames. Every value may be null.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]


def _as_time(column: Column) -> Column:
    return column._replace(type="time") if column.name == "started_at" else column


TURNS = Schema("turns", "what was said or done, in spoken order", tuple(map(_as_time, COLUMNS)))

EVENTS = Schema(
    "events",
    "one line of the session's log: a message, an event, or a fact of this side",
    (
        Column("session_id", "str", "The session"),
        Column("seq", "int", "Number of the line, from 1, in the order in which it happened"),
        Column("t_ms", "float", "When, in ms since the session was opened (monotonic)"),
        Column("at", "time", "When, by the clock on the wall, UTC"),
        Column("direction", "str", "received or sent (a message), event (what it means), local (a fact of this side)"),
        Column("type", "str", "The message's own type; the event's class; what the fact is about"),
        Column("turn", "int", "Number of the turn that was running; 0 outside any"),
        Column("item_id", "str", "The provider's id of the item, on events"),
        Column("response_id", "str", "The provider's id of the response, on events"),
        Column("text", "str", "The words of an event; a message's are in the event that follows it"),
        Column("audio_ms", "float", "Length of its audio, in ms"),
        Column("bytes", "int", "Size of a message as it crossed, in bytes of UTF-8; on other lines that of its audio"),
    ),
)

AUDIO = Schema(
    "audio",
    "one piece of sound: what the user said at a time, or the model in one item",
    (
        Column("session_id", "str", "The session"),
        Column("turn", "int", "Number of the turn; 0 outside any"),
        Column("seq", "int", "Position of its row in `turns`"),
        Column("audio_ref", "str", "Key of the sound: `session.audio(ref)`"),
        Column("role", "str", "Who: user or assistant"),
        Column("start_ms", "float", "When its first sample was spoken, or arrived, in ms since the session was opened"),
        Column("audio_ms", "float", "How long it lasts, in ms"),
        Column("heard_ms", "float", "How much of it the listener heard, in ms; null if nobody counted"),
        Column("sample_rate", "int", "Samples per second, Hz"),
        Column("encoding", "str", "pcm16, float32, ulaw or alaw; always one channel"),
        Column("bytes", "int", "Its size in that encoding, in bytes"),
    ),
)

TOOLS = Schema(
    "tools",
    "one call of a tool",
    (
        Column("session_id", "str", "The session"),
        Column("turn", "int", "Number of the turn"),
        Column("call_id", "str", "The provider's id of the call"),
        Column("name", "str", "The tool"),
        Column("arguments", "str", "The JSON text the model wrote"),
        Column("output", "str", "What went back to the model; null if nothing did"),
        Column("error", "str", "What went wrong; null if nothing did"),
        Column("called_ms", "float", "When the model asked for it, in ms since the session was opened"),
        Column("duration_ms", "float", "How long the tool ran, in ms"),
    ),
)

USAGE = Schema(
    "usage",
    "the tokens of one response, by modality; null where the provider did not say",
    (
        Column("session_id", "str", "The session"),
        Column("provider", "str", "The provider's name in this package"),
        Column("model", "str", "The model, as the provider names it"),
        Column("turn", "int", "Number of the turn"),
        Column("response_id", "str", "The provider's id of the response"),
        Column("input_tokens", "int", "Tokens read"),
        Column("input_text_tokens", "int", "Of these, text"),
        Column("input_audio_tokens", "int", "Of these, audio"),
        Column("input_image_tokens", "int", "Of these, images"),
        Column("cached_tokens", "int", "Tokens read that came from the provider's cache (a subset of those read)"),
        Column("cached_text_tokens", "int", "Of these, text"),
        Column("cached_audio_tokens", "int", "Of these, audio"),
        Column("output_tokens", "int", "Tokens made"),
        Column("output_text_tokens", "int", "Of these, text"),
        Column("output_audio_tokens", "int", "Of these, audio"),
        Column("total_tokens", "int", "Tokens read and made"),
    ),
)

LATENCY = Schema(
    "latency",
    "the waits of one turn, in ms since its question was complete",
    (
        Column("session_id", "str", "The session"),
        Column("provider", "str", "The provider's name in this package"),
        Column("model", "str", "The model, as the provider names it"),
        Column("turn", "int", "Number of the turn, from 1"),
        Column("status", "str", "How it stands; the words of `turn.TurnStatus`"),
        Column("asked_ms", "float", "When its question was complete, in ms since the session was opened"),
        Column("first_token_ms", "float", "Wait for the first word"),
        Column("first_audio_ms", "float", "Wait for the first audio"),
        Column("first_audible_ms", "float", "Wait for the first sound: answers begin with silence"),
        Column("total_ms", "float", "Wait for the end"),
        Column("gap_ms", "float", "Silence from the end of the user's sound to the first of the model's, in ms; "
               "null where the answer began before, as when a file is sent faster than it plays"),
    ),
)  # fmt: skip

SCHEMAS: Mapping[str, Schema] = {
    schema.name: schema for schema in (TURNS, EVENTS, AUDIO, TOOLS, USAGE, LATENCY)
}  # fmt: skip
"""Name → schema of every table of a session."""
