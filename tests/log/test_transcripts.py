"""What the log keeps, asked for across sessions: the same rows and the same tables as the sessions had."""

from __future__ import annotations

import aigw_notebook as aigw
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.tables import SCHEMAS, Table


def asked(gateway: LocalGateway, provider: str, question: str) -> aigw.Session:
    """A closed session that was asked one thing."""
    with aigw.connect(provider, gateway=gateway, quiet=True) as session:
        session.ask(question)
    return session


def test_rows_and_tables_of_all_sessions_are_those_the_sessions_had(gateway: LocalGateway) -> None:
    sessions = [asked(gateway, "openai", "Count to three."), asked(gateway, "google", "Name the papaya.")]
    found = aigw.transcripts()
    assert found.sessions == [session.session_id for session in sessions]
    assert found.records == [row for session in sessions for row in session.records]
    assert len(found) == len(found.turns) == len(found.to_pandas())
    for name in sorted(SCHEMAS.keys() - {"events"}):
        parts = [row for session in sessions for row in getattr(session.tables, name)]
        assert getattr(found.tables, name) == Table.of(SCHEMAS[name], parts), name
    told = found.tables.events.where(direction="event")
    assert told["type"] == [t for s in sessions for t in s.tables.events.where(direction="event")["type"]]


def test_rows_are_found_by_what_they_are(gateway: LocalGateway) -> None:
    first = asked(gateway, "openai", "Count to three.")
    second = asked(gateway, "google", "Name the papaya.")
    assert {row["provider"] for row in aigw.transcripts(provider="google")} == {"google"}
    assert aigw.transcripts(text="papaya", limit=1).sessions == [second.session_id]
    assert aigw.transcripts(session=first.session_id).records == first.records
    assert aigw.transcripts(since="2999-01-01").records == aigw.transcripts(until="2000-01-01").records == []
    assert aigw.transcripts(model=first.model).sessions == [first.session_id]


def test_an_empty_log_has_empty_tables() -> None:
    found = aigw.transcripts()
    assert (len(found), found.sessions, len(found.tables.latency)) == (0, [], 0)
    assert list(found.to_pandas().columns) == SCHEMAS["turns"].names
    assert repr(found) == "<Transcripts: 0 rows of 0 sessions>"
