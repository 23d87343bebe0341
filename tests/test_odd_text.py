"""Whatever a model, a tool or a person says, a session is shown and written: halves of characters, nulls, bells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook import events
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.encodable import encodable
from aigw_notebook.exports import SUFFIXES, export, text_of
from aigw_notebook.pages import page
from aigw_notebook.tables import SCHEMAS, Source, Table, Tables
from aigw_notebook.timeline import Timeline
from aigw_notebook.transcript import Transcript

ODD = st.text(st.characters(exclude_categories=()), max_size=12)


def said(*words: str) -> Transcript:
    """A turn in which everybody says that, in these pieces."""
    text = "".join(words)
    transcript = Transcript(session_id="s1", provider="acme", model=text)
    turn = transcript.start_turn(0.0)
    transcript.user_said(text, 0.0)
    transcript.receive(events.ResponseStarted(response_id="r"), 1.0)
    for piece in words:
        transcript.receive(events.OutputTranscript(text=piece, response_id="r", item_id="i"), 2.0)
    transcript.receive(events.AudioDelta(data=bytes(960), format=PCM16_24K, response_id="r", item_id="i"), 3.0)
    transcript.receive(
        events.WordTimings(words=(text,), start_ms=(0.0,), end_ms=(9.0,), response_id="r", item_id="i"), 3.0
    )
    transcript.receive(events.ToolCall(call_id=text, name=text, arguments=text, response_id="r"), 4.0)
    transcript.receive(events.ToolFinished(call_id=text, name=text, output=text, error=text), 5.0)
    transcript.receive(events.SessionError(code=text, message=text), 6.0)
    transcript.finish_turn(turn, "failed", 7.0, error=text)
    return transcript


@given(ODD)
def test_every_form_of_a_session_can_be_encoded(text: str) -> None:
    transcript = said(text)
    forms = [text_of(transcript, suffix) for suffix in SUFFIXES if suffix != ".parquet"]
    forms += page(transcript)._repr_mimebundle_().values()
    forms += Timeline(transcript)._repr_mimebundle_().values()
    forms += transcript._repr_mimebundle_().values()
    assert [form.encode().decode() for form in forms] == forms
    rows = [json.loads(line) for line in text_of(transcript, ".jsonl").split("\n") if line]
    assert [row["text"] for row in rows if row["kind"] == "tool_call"] == [encodable(text)]


@given(ODD)
def test_every_table_becomes_a_frame(text: str) -> None:
    transcript = said(text)
    tables = Tables(lambda: [Source(transcript, list)])
    for name in SCHEMAS:
        table: Table = getattr(tables, name)
        assert len(table.to_arrow()) == len(table.to_polars()) == len(table.to_pandas()) == len(table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_half_a_character_stops_no_file(suffix: str, tmp_path: Path) -> None:
    path = export(said("half \ud83d"), tmp_path / f"talk{suffix}")
    assert path.stat().st_size > 0


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".parquet"])
def test_a_character_that_came_in_two_halves_is_one(suffix: str, tmp_path: Path) -> None:
    path = export(said("all ", "\ud83d", "\ude00", " of it"), tmp_path / f"talk{suffix}")
    assert "all 😀 of it" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [("", ""), ("a\ud800", "a\ufffd"), ("\ud83d\ude00", "😀"), ("\ude00\ud83d", "\ufffd\ufffd"), ("😀é", "😀é")],
)
def test_what_cannot_be_encoded_is_marked(text: str, encoded: str) -> None:
    assert encodable(text) == encoded
