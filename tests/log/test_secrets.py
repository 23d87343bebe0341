"""No credential reaches the disk: planted in every place of a session, it is nowhere in the bytes of the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aigw_notebook import connect, log
from aigw_notebook.events import SessionError, TextDelta, ToolCall, ToolFinished
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.log import SessionLog
from aigw_notebook.log.writer import Writer
from aigw_notebook.recording import Header
from tests.log.making import NOON, begun, file_bytes, header, transcript_of, written

TAIL = "Zq7Yp3Xw9Vu5Ts1Rr8Nm4"
KINDS = {
    "openai": f"sk-{TAIL}",
    "openai project": f"sk-proj-{TAIL}",
    "ephemeral": f"ek_{TAIL}",
    "cartesia": f"sk_car_{TAIL}",
    "elevenlabs": f"sk_{TAIL.lower()}0123",
    "google": f"AIza{TAIL}-{TAIL}",
    "google oauth": f"ya29.{TAIL}",
    "google ephemeral": f"auth_tokens/{TAIL}",
    "groq": f"gsk_{TAIL}",
    "cloudflare user": f"cfut_{TAIL}",
    "cloudflare account": f"cfat_{TAIL}",
    "jwt": f"eyJ{TAIL}.eyJ{TAIL}.{TAIL}",
}
FIELDS = {
    "xi": '"xi_api_key": "%s"',
    "api key": '"api_key": "%s"',
    "x-api-key": '"x-api-key": "%s"',
    "authorization": '"authorization": "Bearer %s"',
    "cf-aig": '"cf-aig-authorization": "Bearer %s"',
    "token": '"token": "%s"',
    "access token": '"access_token": "%s"',
    "client secret": '"client_secret": "%s"',
}
SECRETS = KINDS | dict.fromkeys(FIELDS, TAIL)
assert len(SECRETS) == 20


def written_out(kind: str) -> str:
    """How a peer, a header or an error would quote a secret of that kind."""
    return (
        "{" + FIELDS[kind] % TAIL + "}" if kind in FIELDS else f'{{"message": "Incorrect key {KINDS[kind]} was shown"}}'
    )


PLACES: dict[str, Callable[[SessionLog, str], object]] = {
    "received": lambda session, text: session.add(0.0, "received", text),
    "sent": lambda session, text: session.add(0.0, "sent", text),
    "binary": lambda session, text: session.add(0.0, "received", text.encode()),
    "said": lambda session, text: transcript_of(session).user_said(text, 0.0),
    "error": lambda session, text: transcript_of(session).receive(SessionError(message=text, code="c"), 0.0),
    "words": lambda session, text: session.add(0.0, "event", TextDelta(text=text, item_id="i")),
    "tool": lambda session, text: transcript_of(session).receive(
        ToolFinished(call_id="c", name="n", output=text, error=text), 0.0
    ),
    "call": lambda session, text: transcript_of(session).receive(ToolCall(call_id="c", name="n", arguments=text), 0.0),
    "noted": lambda session, text: session.add(0.0, "noted", {"gateway_log_id": text}),
    "ended": lambda session, text: session.add(0.0, "ended", {"turn": 1, "status": "failed", "error": text}),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_credential_is_nowhere_in_the_bytes(kind: str, home: Path) -> None:
    writer = Writer(home / "log.sqlite3")
    session = begun(writer, Header(session_id="s1", provider="openai", where=written_out(kind), started_at=NOON))
    for plant in PLACES.values():
        plant(session, written_out(kind))
    written(session)
    secret = SECRETS[kind].encode()
    assert secret not in file_bytes(home)
    assert secret.decode() not in str(session.lines())
    session.close()
    writer.close()
    with log.LogReader(writer.path) as reader:
        assert secret.decode() not in str(reader.records()) + str(reader.sessions()) + str(reader.lines("s1"))
        assert any("***" in str(row["text"]) for row in reader.records())
    assert secret not in file_bytes(home)


def test_a_secret_of_the_session_is_hidden_whatever_it_looks_like(home: Path) -> None:
    secret = "only known because it was given"
    writer = Writer(home / "log.sqlite3")
    session = begun(writer, header(), secrets=[secret])
    for plant in PLACES.values():
        plant(session, json.dumps({"text": f"so {secret} it is"}))
    session.add(0.0, "sent", b"\x00\x01" + secret.encode() + b"\x02")
    written(session)
    writer.close()
    assert secret.encode() not in file_bytes(home)


def test_a_line_that_was_scrubbed_is_marked(home: Path) -> None:
    writer = Writer(home / "log.sqlite3")
    session = begun(writer)
    session.add(0.0, "sent", written_out("xi"))
    session.add(0.0, "sent", '{"harmless": true}')
    written(session)
    assert writer._file is not None
    assert writer._file.db.execute("SELECT scrubbed FROM lines ORDER BY seq").fetchall() == [(1,), (0,)]
    writer.close()


def test_a_live_session_gives_no_secret_away(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "memory")
    with connect("openai", gateway=gateway, quiet=True) as session:
        session.ask(f"My key is sk-{TAIL}, and the gateway's is {gateway.token}.")
        told = str(session.recording().lines)
    assert f"sk-{TAIL}" not in told and str(gateway.token) not in told and "***" in told


def test_the_gateways_token_is_nowhere_in_the_bytes(home: Path, gateway: LocalGateway) -> None:
    with connect("openai", gateway=gateway, quiet=True) as session:
        session.ask(f"The gateway's token is {gateway.token}.")
    assert str(gateway.token).encode() not in file_bytes(home)
