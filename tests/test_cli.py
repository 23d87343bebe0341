"""The command: as a function, and as a process with signals."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from aigw_notebook import __version__, cli
from aigw_notebook.endpoint import SILENT
from aigw_notebook.gateway import LocalGateway

COMMAND = [sys.executable, "-W", "error", "-m", "aigw_notebook"]


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `serve` and the URL it printed."""
    process = subprocess.Popen(
        [*COMMAND, "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], by: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(by)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


async def knock(url: str, token: str | None) -> int:
    headers = {"cf-aig-authorization": token} if token is not None else {}
    try:
        async with connect(url, additional_headers=headers, proxy=None, logger=SILENT):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.processes
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_its_url_and_stops_cleanly(by: signal.Signals) -> None:
    with serving() as (process, url):
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/v1/local/notebook", url)
        assert asyncio.run(knock(f"{url}/nobody", "wrong")) == 401
        status, out, err = stop(process, by)
    assert (status, out) == (0, "")
    token = re.search(r"^token: (\S+)$", err, re.MULTILINE)
    assert token is not None and len(token[1]) >= 40
    assert "not the provider's model" in err and "Traceback" not in err and "warning" not in err


@pytest.mark.processes
def test_the_printed_token_opens_the_gateway() -> None:
    with serving() as (process, url):
        assert process.stderr is not None
        token = process.stderr.readline().removeprefix("token: ").strip()
        assert asyncio.run(knock(f"{url}/nobody", token)) == 400
        assert stop(process, signal.SIGTERM)[0] == 0


@pytest.mark.processes
def test_a_given_token_is_not_printed() -> None:
    with serving("--token", "g1ven-t0ken", "--account", "acct", "--gateway", "gate") as (process, url):
        assert url.endswith("/v1/acct/gate")
        assert asyncio.run(knock(f"{url}/nobody", "g1ven-t0ken")) == 400
        status, out, err = stop(process, signal.SIGINT)
    assert status == 0 and "g1ven-t0ken" not in out + err and "token:" not in err


def test_other_machines_are_warned_about() -> None:
    with serving("--host", "0.0.0.0", "--no-authentication") as (process, url):
        assert url.startswith("ws://127.0.0.1:")
        _, _, err = stop(process, signal.SIGTERM)
    assert err.startswith("warning: 0.0.0.0 can be reached from other machines")
    assert "authentication is off" in err


def test_faults_are_said_and_made() -> None:
    with serving("--token", "t", "--fault", "refuse=2045", "--fault", "openai=refuse=2003") as (process, url):
        assert asyncio.run(knock(f"{url}/openai?model=m", "t")) == 429
        assert asyncio.run(knock(f"{url}/openai?model=m&aigw_fault=refuse=2021", "t")) == 402
        _, _, err = stop(process, signal.SIGTERM)
    assert "made to go wrong: refuse=2045\nmade to go wrong: openai=refuse=2003\n" in err


@pytest.mark.processes
def test_live_and_upstreams_are_said() -> None:
    with serving("--upstream", "own=wss://u:s3cret@h.example/p?key=s3cret") as (process, _):
        _, _, err = stop(process, signal.SIGTERM)
    assert "own: relay, wss://h.example/p\n" in err and "s3cret" not in err
    with serving("--live") as (process, _):
        _, _, err = stop(process, signal.SIGTERM)
    assert ": live, wss://" in err and "emulator" not in err


@pytest.mark.processes
def test_another_gateway_gets_the_token_of_the_named_variable() -> None:
    with LocalGateway(token="0ther-token") as other:
        arguments = ("--upstream", other.url, "--upstream-token-env", "OTHER", "--token", "t0ken")
        with serving(*arguments, OTHER="0ther-token") as (process, url):
            assert asyncio.run(knock(f"{url}/nobody", "t0ken")) == 400
            status, out, err = stop(process, signal.SIGTERM)
        assert f"*: relay, {other.url}" in err
    assert status == 0 and "0ther-token" not in out + err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: command"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["serve", "--port", "x"], "invalid int value: 'x'"),
        (["serve", "--port", "70000"], "70000 is not a port"),
        (["serve", "--host", "192.0.2.1"], "cannot listen on port 0 on 192.0.2.1"),
        (["serve", "--upstream", "nonsense"], "--upstream takes ROUTE=URL"),
        (["serve", "--upstream", "own=https://h"], "ws:// or wss:// URL"),
        (["serve", "--upstream", "ws://a", "--upstream", "b=ws://b"], "either one --upstream URL"),
        (["serve", "--upstream", "ws://a", "--upstream", "ws://b"], "either one --upstream URL"),
        (["serve", "--upstream", "ws://a", "--upstream-token-env", "NOT_SET"], "NOT_SET is empty"),
        (["serve", "--upstream-token-env", "NOT_SET"], "goes with --upstream URL"),
        (["serve", "--fault", "dropin=2"], "unknown fault '2'"),
        (["serve", "--fault", "drop_in=none"], "drop_in takes a number of frames"),
        (["serve", "--live", "--upstream", "ws://a"], "not allowed with"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("aigw-notebook") and message in captured.err


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LocalGateway() as gateway:
        assert run(["serve", "--port", str(gateway.address[1])]) == 2
    assert "is taken" in capsys.readouterr().err


def run(arguments: list[str]) -> Any:
    try:
        return cli.main(arguments)
    except SystemExit as ended:
        return ended.code


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"aigw-notebook {__version__}\n"


def test_providers_are_listed_with_the_state_of_their_keys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from aigw_notebook import providers

    first = providers.get(providers.names()[0])
    assert run(["providers"]) == 0
    before = capsys.readouterr().out.splitlines()
    assert before[0].split() == ["name", "title", "route", "model", "key"]
    assert len(before) == 1 + len(providers.names())
    assert first.auth.env[0] in before[1] and "is set" not in before[1]
    monkeypatch.setenv(first.auth.env[0], "k3y-s3cret")
    assert run(["providers"]) == 0
    after = capsys.readouterr().out
    assert f"{first.auth.env[0]} is set" in after and "s3cret" not in after


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert cli.COMMANDS[name].help in " ".join(capsys.readouterr().out.split())


def test_signal_handlers_come_back() -> None:
    former: Callable[..., Any] | int | None = signal.getsignal(signal.SIGTERM)
    with cli._stop_signals() as event:
        signal.raise_signal(signal.SIGTERM)
        assert event.is_set()
    assert signal.getsignal(signal.SIGTERM) is former
