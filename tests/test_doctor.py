"""What the doctor tells, and what it keeps to itself."""

from __future__ import annotations

import pytest

from aigw_notebook import __version__, cli
from aigw_notebook.doctor import engines, findings


def test_it_tells_what_is_installed_and_which_engines_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    told = capsys.readouterr().out
    for expected in (__version__, "websockets", "[local]", "hibari-tts", "engine for voice", "chords"):
        assert expected in told
    assert "none: keyless sessions go to the embedded gateway" in told


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "secret-1")
    monkeypatch.setenv("CF_AIG_TOKEN", "secret-2")
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "0123")
    told = dict(findings())
    assert told["CLOUDFLARE_API_TOKEN"] == told["CF_AIG_TOKEN"] == "is set"
    assert told["CLOUDFLARE_ACCOUNT_ID"] == "0123" and "secret" not in str(told)


def test_engines_that_are_not_there_are_a_finding_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_NOTEBOOK_ENGINES", "parrot")
    assert "parrot" in dict(findings())["engines"]


def test_every_job_has_its_engine() -> None:
    assert [row["job"] for row in engines()] == ["answers", "voice", "listening"]
