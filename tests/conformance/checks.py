"""What holds for every session's records, turns and errors, whoever the provider is."""

from __future__ import annotations

import json
from typing import Any, get_args

import aigw_notebook as aigw
from aigw_notebook.errors import AigwError
from aigw_notebook.records import COLUMNS
from aigw_notebook.turn import Turn, TurnStatus
from tests.conformance.forms import Form

__all__ = ["check_answer", "check_latency", "check_records", "check_sentence", "check_usage"]

TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float,), "bool": (bool,)}
ROLES = {"user", "assistant", "tool", "session"}
KINDS = {"text", "audio", "image", "tool_call", "tool_result", "interruption", "error", "closed"}
MAX_SENTENCE = 700


def check_records(session: Any, *, over: bool = True) -> list[dict[str, Any]]:
    """The session's rows, held to the one schema; `over`: nothing in them may still run."""
    rows: list[dict[str, Any]] = session.records
    for seq, row in enumerate(rows, 1):
        assert list(row) == [column.name for column in COLUMNS]
        for column in COLUMNS:
            value = row[column.name]
            assert value is None or type(value) in TYPES[column.type], (column.name, value)
        assert row["seq"] == seq and row["role"] in ROLES and row["kind"] in KINDS
        assert row["status"] in get_args(TurnStatus) and not (over and row["status"] == "running"), row
        assert row["end_ms"] is None or row["end_ms"] >= row["start_ms"] - 0.001, row
        assert row["audio_ref"] is None or session.audio(row["audio_ref"]).duration_ms > 0
    json.dumps(rows, allow_nan=False)
    assert len({(row["session_id"], row["provider"]) for row in rows}) <= 1
    numbers = [turn.number for turn in session.turns]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {row["turn"] for row in rows} <= {0, *numbers}
    assert [row for turn in session.turns for row in turn.records] == sorted(
        (row for row in rows if row["turn"]), key=lambda row: (row["turn"], row["seq"])
    )
    return rows


def check_answer(form: Form, turn: Turn) -> None:
    """A completed turn that holds what the provider's answers hold, and says so in its rows."""
    assert turn.status == "completed" and turn.error is None, (turn, turn.error)
    assert bool(turn.text) == ("text" in form.gives)
    assert (turn.audio is not None) == ("audio" in form.gives)
    assert bool(turn.images) == ("image" in form.gives)
    if turn.audio is not None:
        assert turn.audio.format in form.can.output_formats and turn.audio.duration_ms > 100
    user, *answers = turn.records
    assert user["role"] == "user" and user["status"] == "completed" and user["kind"] in ("text", "audio")
    assert {row["role"] for row in answers} == ({"assistant"} if form.can.answers else set())
    assert user["text"] if turn.user_text else user["kind"] == "audio"


def check_latency(form: Form, turn: Turn) -> None:
    """Waits in their order, none of them missing that can be known."""
    waits = turn.latency
    assert waits.total_ms is not None and waits.total_ms >= 0
    if not form.can.answers:
        return
    known = {"text": waits.first_token_ms, "audio": waits.first_audio_ms}
    for kind, wait in known.items():
        assert (wait is not None) == (kind in form.gives)
        assert wait is None or 0 <= wait <= waits.total_ms
    if waits.first_audio_ms is not None:
        assert waits.first_audible_ms is not None and waits.first_audible_ms >= waits.first_audio_ms


def check_usage(turn: Turn) -> None:
    """Counts that can be, whose parts are not more than the whole."""
    usage = turn.usage
    counts = {name: getattr(usage, name) for name in type(usage).__dataclass_fields__}
    assert all(count is None or (type(count) is int and count >= 0) for count in counts.values()), counts
    for whole, parts in {
        usage.input_tokens: (usage.input_text_tokens, usage.input_audio_tokens, usage.input_image_tokens),
        usage.output_tokens: (usage.output_text_tokens, usage.output_audio_tokens),
    }.items():
        assert whole is None or sum(part or 0 for part in parts) <= whole


def check_sentence(error: BaseException | str) -> str:
    """The words of an error: one or two sentences in one line that name the next step."""
    said = str(error)
    assert isinstance(error, str | AigwError), type(error)
    assert 20 <= len(said) <= MAX_SENTENCE and said.splitlines() == [said], said
    assert any(mark in said for mark in (": ", "; ", ", ")), said
    assert "Traceback" not in said and "object at 0x" not in said
    return said


def words_of(turn: aigw.Turn) -> str:
    """The words of a turn, whoever said them."""
    return turn.text or turn.user_text or ""
