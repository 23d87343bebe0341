"""Lines and logs for the tests of the log, without a socket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aigw_notebook.lines import Line
from aigw_notebook.log import SessionLog
from aigw_notebook.log.writer import Writer
from aigw_notebook.recording import Header, Recording
from aigw_notebook.transcript import Transcript

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def header(session_id: str = "s1", started_at: datetime = NOON, provider: str = "openai") -> Header:
    return Header(session_id=session_id, provider=provider, model="some-model", where="nowhere", started_at=started_at)


def begun(writer: Writer, head: Header | None = None, secrets: Sequence[str] = (), **bounds: Any) -> SessionLog:
    """The log of a session that has begun, and its transcript, told through `transcript_of`."""
    log = SessionLog(writer, **bounds)
    head = head or header()
    transcript = Transcript(
        session_id=head.session_id,
        provider=head.provider,
        model=head.model,
        where=head.where,
        started_at=head.started_at,
        log=log,
    )
    log.begin(transcript, head, secrets)
    return log


def transcript_of(log: SessionLog) -> Transcript:
    assert log._transcript is not None
    return log._transcript


def turn(log: SessionLog, question: str, t_ms: float = 0.0) -> None:
    """One turn that is over, with a question and no answer."""
    transcript = transcript_of(log)
    running = transcript.start_turn(t_ms)
    transcript.user_said(question, t_ms + 1)
    transcript.finish_turn(running, "completed", t_ms + 2)
    written(log)


def written(log: SessionLog) -> None:
    """Wait until all lines are where they are kept."""
    kept = log.kept()
    assert kept is not None
    kept.result(20.0)


def add(log: SessionLog, lines: Iterable[Line]) -> None:
    for line in lines:
        log.add(*line)
    written(log)


def plain(recording: Recording) -> list[tuple[float, str, Any]]:
    return [tuple(line) for line in recording.lines]


def file_bytes(folder: Path) -> bytes:
    """All that lies in the folder of the log, write-ahead log and shared memory too."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
