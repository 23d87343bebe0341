"""Tables of a session: their columns stay, every road gives the same values, and nothing is lost on the way."""

from __future__ import annotations

import csv
import io
import json
import string
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook import connect, events
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.errors import ConfigurationError, MissingExtra
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.lines import MemoryLog
from aigw_notebook.recording import Header, Recording
from aigw_notebook.records import COLUMNS, Column
from aigw_notebook.tables import SCHEMAS, Schema, Source, Table, Tables
from aigw_notebook.transcript import Transcript

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = bytes(48_000)
GOLDEN = Path(__file__).parent / "data" / "tables.json"
SECRET = "sk-planted-0123456789abcdef0123456789abcdef"


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway() as running:
        yield running


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def transcript(log: MemoryLog) -> Transcript:
    """A spoken question, a tool, a spoken answer that was cut short, an error, the end."""
    told = Transcript(session_id="s1", provider="acme", model="m1", started_at=STARTED, log=log)
    log.add(1.0, "sent", json.dumps({"type": "session.update", "key": SECRET}))
    turn = told.start_turn(900.0)
    told.user_spoke(300.0, 900.0)
    told.receive(events.SpeechStarted(at_ms=300.0, item_id="u1"), 900.0)
    told.user_audio(SECOND, PCM16_24K, 1_500.0)
    told.receive(events.SpeechStopped(at_ms=1_300.0, item_id="u1"), 1_500.0)
    told.receive(events.InputCommitted(item_id="u1"), 1_501.0)
    told.receive(events.ResponseStarted(response_id="r1"), 1_510.0)
    told.receive(events.ToolCall(call_id="c1", name="add", arguments='{"a": 1}', response_id="r1"), 1_520.0)
    told.receive(events.ToolFinished(call_id="c1", name="add", output="3", duration_ms=12.5), 1_540.0)
    loud = b"\x00\x40" * 24_000
    told.receive(events.AudioDelta(data=loud, format=PCM16_24K, response_id="r1", item_id="a1"), 1_600.0)
    text = "one two three four"
    told.receive(events.OutputTranscript(text=text, response_id="r1", item_id="a1", final=True), 1_610.0)
    told.receive(events.InputTranscript(text="count, please", item_id="u1", final=True), 1_700.0)
    used = events.Usage(input_tokens=10, input_audio_tokens=10, cached_tokens=4, output_tokens=7)
    told.receive(events.ResponseDone(response_id="r1", usage=used), 1_710.0)
    told.receive(events.PlaybackInterrupted(item_id="a1", played_ms=500.0), 2_100.0)
    told.finish_turn(turn, "interrupted", 2_100.0)
    told.receive(events.SessionError(message="odd", code="e1"), 2_200.0)
    told.receive(events.SessionClosed(code=1000), 2_300.0)
    return told


@pytest.fixture
def tables(transcript: Transcript, log: MemoryLog) -> Tables:
    return Tables(lambda: [Source(transcript, log.lines)])


# ------------------------------------------------------------------------------------------------------- the schemas


def test_columns_are_only_ever_added_at_the_end() -> None:
    """A table that has lost, moved or retyped a column breaks what people wrote; new ones go into the file too."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert list(golden) == list(SCHEMAS)
    for name, columns in golden.items():
        now = [[column.name, column.type] for column in SCHEMAS[name].columns]
        assert now[: len(columns)] == columns, name


def test_every_column_says_what_it_is() -> None:
    for schema in SCHEMAS.values():
        assert len(set(schema.names)) == len(schema.columns)
        for column in schema.columns:
            assert column.doc and column.type in ("str", "int", "float", "bool", "time")
            assert not column.name.endswith("_ms") or column.type == "float"


def test_the_turns_are_the_records(tables: Tables, transcript: Transcript) -> None:
    assert list(tables.turns) == transcript.records
    assert tables.turns.schema.names == [column.name for column in COLUMNS]


def test_every_value_has_the_type_of_its_column(tables: Tables) -> None:
    kinds = {"str": str, "int": int, "float": float, "bool": bool, "time": str}
    for name, schema in SCHEMAS.items():
        table: Table = getattr(tables, name)
        assert len(table) > 0, name
        for column in schema.columns:
            assert {type(v) for v in table[column.name]} <= {kinds[column.type], type(None)}, (name, column.name)


# ----------------------------------------------------------------------------------------------------- what they say


def test_speech_is_placed_where_it_was_spoken(tables: Tables) -> None:
    user = tables.turns.where(role="user", kind="audio")[0]
    assert (user["start_ms"], user["audio_ms"], user["text"]) == (300.0, 1_000.0, "count, please")
    assert tables.audio.where(role="user")[0]["start_ms"] == 300.0


def test_interruptions_tools_and_errors_are_rows(tables: Tables) -> None:
    assert tables.turns["kind"] == ["audio", "tool_call", "tool_result", "audio", "interruption", "error", "closed"]
    answer = tables.turns[3]
    assert (answer["text"], answer["heard_text"], answer["heard_ms"]) == ("one two three four", "one two", 500.0)


def test_the_sound_is_described_without_itself(tables: Tables) -> None:
    answer = tables.audio.where(role="assistant")[0]
    assert {name: answer[name] for name in ("audio_ref", "start_ms", "audio_ms", "heard_ms", "sample_rate")} == {
        "audio_ref": "a4", "start_ms": 1_600.0, "audio_ms": 1_000.0, "heard_ms": 500.0, "sample_rate": 24_000,
    }  # fmt: skip
    assert (answer["encoding"], answer["bytes"]) == ("pcm16", 48_000)


def test_tools_usage_and_waits(tables: Tables) -> None:
    (tool,) = tables.tools
    assert (tool["name"], tool["arguments"], tool["output"], tool["error"], tool["duration_ms"]) == (
        "add", '{"a": 1}', "3", None, 12.5,
    )  # fmt: skip
    (usage,) = tables.usage
    assert (usage["response_id"], usage["cached_tokens"], usage["total_tokens"]) == ("r1", 4, 17)
    assert usage["output_audio_tokens"] is None
    (waits,) = tables.latency
    assert (waits["asked_ms"], waits["first_audio_ms"], waits["total_ms"]) == (1_500.0, 100.0, 600.0)
    assert waits["gap_ms"] == 1_600.0 + waits["first_audible_ms"] - waits["first_audio_ms"] - 1_300.0


def test_every_line_of_the_log_is_an_event_and_no_message_shows_its_words(tables: Tables, log: MemoryLog) -> None:
    told = tables.events
    assert len(told) == len(log.lines()) and told["seq"] == list(range(1, len(told) + 1))
    first = told[0]
    assert (first["direction"], first["type"], first["at"]) == ("sent", "session.update", "2026-01-02T03:04:05.001Z")
    assert SECRET not in told.to_jsonl() + told.to_csv() + told._repr_html_()
    assert told.where(type="AudioDelta")["audio_ms"] == [1_000.0]
    assert told.where(type="SessionClosed")["turn"] == [0] and told.where(type="ToolCall")["turn"] == [1]


@pytest.mark.parametrize(
    ("message", "type"),
    [('{"serverContent": {}}', "serverContent"), ("[1]", "list"), ("hello", "text"), (b"\x00\xff", "binary")],
)
def test_messages_without_a_type_are_named_as_well_as_can_be(message: Any, type: str, transcript: Transcript) -> None:
    log = MemoryLog()
    log.add(0.0, "received", message)
    (row,) = Tables(lambda: [Source(transcript, log.lines)]).events
    assert (row["type"], row["bytes"]) == (type, len(message))


def test_a_live_session_and_its_recording_have_the_same_tables(gateway: LocalGateway) -> None:
    with connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count to three.")
    recording = session.recording()
    again = Tables(lambda: [Source(recording.transcript(), lambda: recording.lines)])
    for name in SCHEMAS:
        assert getattr(session.tables, name) == getattr(again, name), name
    assert {"sent", "received", "event", "local"} == set(session.tables.events["direction"])


def test_the_place_of_speech_is_in_the_recording(transcript: Transcript, log: MemoryLog) -> None:
    header = Header(session_id="s1", provider="acme", model="m1", started_at=STARTED)
    assert Recording(header=header, lines=log.lines()).transcript().records == transcript.records


# ------------------------------------------------------------------------------------------------- sequence and text


def test_a_table_is_a_sequence_that_can_be_cut_and_filtered(tables: Tables) -> None:
    turns = tables.turns
    assert turns[0] == next(iter(turns)) and turns[-1]["kind"] == "closed"
    assert isinstance(turns[1:3], Table) and list(turns[1:3]) == list(turns)[1:3]
    assert turns.where(role="user", kind="audio")["seq"] == [1]
    with pytest.raises(ConfigurationError, match="no column 'rolle'"):
        turns.where(rolle="user")
    assert turns == tables.turns and turns != tables.turns[:1]


def test_what_is_shown_is_bounded_and_escaped() -> None:
    schema = Schema("t", "", (Column("a", "str", "x"), Column("empty", "str", "x")))
    table = Table.of(schema, [{"a": "<script>" + "x" * 500, "empty": None}] * 1_000)
    shown = table._repr_html_()
    assert len(shown) < 3_000 and "<script>" not in shown and "<th>empty</th>" not in shown
    assert "10 of 1000 rows, 1 of 2 columns" in shown
    assert repr(table) == "<Table t: 1000 rows, 2 columns>"


def test_rows_whose_keys_stand_in_another_order_are_put_in_order() -> None:
    schema = Schema("t", "", (Column("a", "int", "x"), Column("b", "int", "x")))
    table = Table.of(schema, [{"a": 1, "b": 2}, {"b": 4, "a": 3}])
    assert (table["a"], table["b"]) == ([1, 3], [2, 4])


TEXT = Schema("t", "", (Column("a", "str", "x"), Column("b", "str", "x")))
WORDS = st.one_of(st.none(), st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))


@given(st.lists(st.fixed_dictionaries({"a": WORDS, "b": WORDS}), max_size=4))
def test_csv_and_json_lines_are_read_back_as_they_were(rows: list[dict[str, Any]]) -> None:
    table = Table.of(TEXT, rows)
    assert [json.loads(line) for line in table.to_jsonl().split("\n")[:-1]] == rows
    read = list(csv.reader(io.StringIO(table.to_csv(), newline="")))
    assert read == [["a", "b"], *([row["a"] or "", row["b"] or ""] for row in rows)]


def test_csv_tells_null_from_empty_text() -> None:
    assert Table.of(TEXT, [{"a": None, "b": ""}, {"a": 'say "hi"', "b": "x,y"}]).to_csv() == (
        'a,b\r\n,""\r\n"say ""hi""","x,y"\r\n'
    )


def test_files_are_written(tables: Tables, tmp_path: Path) -> None:
    turns = tables.turns
    assert turns.to_csv(tmp_path / "t.csv").read_bytes().decode() == turns.to_csv()
    assert turns.to_jsonl(tmp_path / "t.jsonl").read_text(encoding="utf-8") == turns.to_jsonl()
    assert pq.read_table(turns.to_parquet(tmp_path / "t.parquet")).num_rows == len(turns)


# ------------------------------------------------------------------------------------------------------ the libraries


def plain(value: Any) -> Any:
    """A value of any library as the rows have it."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.item() if hasattr(value, "item") else value


def read_duckdb(table: Table) -> list[dict[str, Any]]:
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        found = table  # noqa: F841  (DuckDB finds it by its name)
        return list(db.sql("SELECT * FROM found").to_arrow_table().to_pylist())


ROADS = {
    "pandas": lambda table: table.to_pandas().to_dict("records"),
    "polars": lambda table: table.to_polars().to_dicts(),
    "arrow": lambda table: table.to_arrow().to_pylist(),
    "arrow stream": lambda table: pa.table(table).to_pylist(),
    "stream to polars": lambda table: pl.DataFrame(table).to_dicts(),
    "stream to duckdb": read_duckdb,
}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("road", ROADS)
def test_every_road_gives_the_same_values(road: str, name: str, tables: Tables) -> None:
    table = getattr(tables, name)
    read = [{key: plain(value) for key, value in row.items()} for row in ROADS[road](table)]
    assert read == list(table)


@pytest.mark.parametrize("hidden", [(), ("pyarrow",)])
@pytest.mark.parametrize("rows", [0, 5])
def test_pandas_has_the_same_types_with_arrow_and_without(
    hidden: tuple[str, ...], rows: int, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, *hidden)
    frame = tables.turns[:rows].to_pandas()
    wanted = {"int": "Int64", "float": "float64", "bool": "boolean", "time": "datetime64[ms, UTC]"}
    text = str(pd.Series(["x"]).dtype)
    assert {n: str(t) for n, t in frame.dtypes.items()} == {
        column.name: wanted.get(column.type, text) for column in SCHEMAS["turns"].columns
    }


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if these were not installed."""
    import aigw_notebook.tables.frames as frames

    found = frames.find_spec
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(frames, "find_spec", lambda name: None if name in names else found(name))


def test_polars_stands_in_for_arrow(tables: Tables, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hide(monkeypatch, "pyarrow")
    assert len(pl.DataFrame(tables.turns)) == len(tables.turns)
    assert pl.read_parquet(tables.turns.to_parquet(tmp_path / "t.parquet")).height == len(tables.turns)


@pytest.mark.parametrize(
    ("call", "extra"),
    [("to_pandas", "pandas"), ("to_polars", "polars"), ("to_arrow", "arrow"), ("__arrow_c_stream__", "arrow")],
)
def test_a_missing_library_is_named_with_its_extra(
    call: str, extra: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "pandas", "polars", "pyarrow")
    with pytest.raises(MissingExtra, match=rf"aigw-notebook\[{extra}\]"):
        getattr(tables.turns, call)()


def test_arrow_carries_the_doc_of_each_column(tables: Tables) -> None:
    field = tables.audio.to_arrow().schema.field("heard_ms")
    assert field.metadata[b"doc"].decode().startswith("How much of it the listener heard")


def test_long_sources_are_taken_in_batches() -> None:
    letters = [{"a": letter, "b": None} for letter in string.ascii_letters] * 100
    assert Table.of(TEXT, iter(letters))["a"] == [row["a"] for row in letters]
