"""The command `aigw-notebook`: one subcommand a row of `COMMANDS`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, NoReturn

from . import __version__, providers
from .errors import AigwError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .gateway import LocalGateway
    from .gateway.upstreams import UpstreamsLike

__all__ = ["COMMANDS", "Command", "main"]

PROGRAM = "aigw-notebook"


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: its help line, what declares its arguments, and what runs it and returns the exit status."""

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (None: the process's own) and return the exit status; 2 for a user error."""
    chosen = _parser().parse_args(arguments)
    try:
        return COMMANDS[chosen.command].run(chosen)
    except AigwError as error:
        _say(f"{PROGRAM}: {error}")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Realtime AI sessions through AI Gateway, or without any key.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, command in COMMANDS.items():
        command.arguments(subparsers.add_parser(name, help=command.help, description=command.help))
    return parser


def _say(line: str) -> None:
    """A line for the human, on stderr: stdout is for what a program reads."""
    print(line, file=sys.stderr, flush=True)


# serve


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--token", help="gateway token clients must show (default: a new random one)")
    parser.add_argument("--no-authentication", action="store_true", help="let anybody in who can reach the port")
    parser.add_argument("--account", default="local", help="account in the URL (default: %(default)s)")
    parser.add_argument("--gateway", default="notebook", help="gateway in the URL (default: %(default)s)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="[ROUTE=]SWITCHES",
        help="make something go wrong, as in `drop_in=2`, on all routes or one; the switches are in docs/faults.md",
    )
    behind = parser.add_mutually_exclusive_group()
    behind.add_argument("--live", action="store_true", help="relay every route to the provider itself; costs money")
    behind.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="[ROUTE=]URL",
        help="relay a route to a ws:// or wss:// URL, or to `live`; without a route: all routes to another gateway",
    )
    parser.add_argument(
        "--upstream-token-env", metavar="NAME", help="environment variable with the token of that other gateway"
    )


def _serve(chosen: argparse.Namespace) -> int:
    from .gateway import LocalGateway
    from .gateway.faults import faults_by_route

    gateway = LocalGateway(
        host=chosen.host,
        port=chosen.port,
        token=chosen.token,
        account=chosen.account,
        gateway=chosen.gateway,
        authentication=not chosen.no_authentication,
        upstreams=_upstreams(chosen),
        faults=faults_by_route(chosen.fault),
    )
    with _stop_signals() as stop, gateway:
        _announce(gateway, chosen)
        while not stop.wait(1.0):  # with a time-out: a wait without one cannot be interrupted on Windows
            pass
    return 0


def _announce(gateway: LocalGateway, chosen: argparse.Namespace) -> None:
    print(gateway.url, flush=True)
    if not _is_loopback(chosen.host):
        _say(f"warning: {chosen.host} can be reached from other machines, and nothing on the way is encrypted")
    if chosen.no_authentication:
        _say("authentication is off: any token, or none, is accepted")
    elif chosen.token is None:
        _say(f"token: {gateway.token}")
    for route in gateway.describe()["routes"]:
        _say(f"{route['route'] or '/'}: {route['behind']}, {route['to']}")
    for fault in chosen.fault:
        _say(f"made to go wrong: {fault}")
    _say("stop with Ctrl+C")


def _upstreams(chosen: argparse.Namespace) -> UpstreamsLike:
    if chosen.live:
        return "live"
    pairs = dict(_route_and_address(value) for value in chosen.upstream)
    base = pairs.pop("", None)
    if base is None:
        if chosen.upstream_token_env:
            raise ConfigurationError("--upstream-token-env goes with --upstream URL, the address of another gateway")
        return pairs or None
    if pairs or len(chosen.upstream) > 1:
        raise ConfigurationError("give either one --upstream URL for all routes, or --upstream ROUTE=URL for each")
    return _other_gateway(base, chosen.upstream_token_env)


def _other_gateway(url: str, token_env: str | None) -> UpstreamsLike:
    from .gateway import Upstream

    if token_env is None:
        return Upstream(url=url)
    token = os.environ.get(token_env)
    if not token:
        raise ConfigurationError(f"the environment variable {token_env} is empty: set it to the other gateway's token")
    return Upstream(url=url, token=token)


def _route_and_address(value: str) -> tuple[str, str]:
    if value.startswith(("ws://", "wss://")):
        return "", value
    route, equals, address = value.partition("=")
    if not equals or not route:
        raise ConfigurationError("--upstream takes ROUTE=URL, or the ws:// or wss:// URL of another gateway")
    return route, address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that is set by SIGINT or SIGTERM; the former handlers come back afterwards."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


# replay


def _replay_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.aigw", help="the recording, as `session.save` has written it")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster than it was; 0: at once")
    parser.add_argument("--match", default="loose", help="loose, strict or ignore: how exactly clients must follow it")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--token", help="gateway token clients must show (default: a new random one)")


def _replay(chosen: argparse.Namespace) -> int:
    from .gateway.replay import replay

    gateway = replay(chosen.file, speed=chosen.speed, match=chosen.match, port=chosen.port, token=chosen.token)
    told = 0
    with _stop_signals() as stop, gateway:
        print(gateway.url, flush=True)
        if chosen.token is None:
            _say(f"token: {gateway.token}")
        _say(f"plays a session with {gateway.recording.header.provider}; stop with Ctrl+C")
        while not stop.wait(0.5):
            for divergence in gateway.divergences[told:]:
                _say(str(divergence))
                told += 1
    return 0


# providers


def _providers_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def _providers(chosen: argparse.Namespace) -> int:
    rows = [("name", "title", "route", "model", "key"), *(_provider_row(name) for name in providers.names())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _provider_row(name: str) -> tuple[str, ...]:
    provider = providers.get(name)
    return name, provider.title, provider.route, provider.default_model or "-", _key_state(provider.auth.env)


def _key_state(variables: Sequence[str]) -> str:
    """Whether a key is at hand, and by which environment variable; never the key."""
    found = next((variable for variable in variables if os.environ.get(variable)), None)
    return f"{found} is set" if found else " or ".join(variables) or "-"


# doctor


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def _doctor(chosen: argparse.Namespace) -> int:
    from .doctor import findings

    rows = list(findings())
    width = max(len(subject) for subject, _ in rows)
    for subject, finding in rows:
        print(f"{subject.ljust(width)}  {finding}")
    return 0


# purge


def _purge_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--older-than", type=float, metavar="DAYS", help="delete sessions that began before that")
    what.add_argument("--session", metavar="ID", help="delete this session")
    what.add_argument("--all", action="store_true", help="delete every session that is not open")


def _purge(chosen: argparse.Namespace) -> int:
    from .log import log_path, purge

    count = purge(older_than=0 if chosen.all else chosen.older_than, session=chosen.session)
    print(f"{count} deleted from {log_path()}")
    return 0


COMMANDS: Mapping[str, Command] = {
    "serve": Command("run the embedded gateway until Ctrl+C", _serve_arguments, _serve),
    "replay": Command("play a recorded session to whoever connects, until Ctrl+C", _replay_arguments, _replay),
    "providers": Command("list the providers and where their keys come from", _providers_arguments, _providers),
    "purge": Command("delete sessions from the log of this user", _purge_arguments, _purge),
    "doctor": Command("tell what is installed and set, without any secret", _doctor_arguments, _doctor),
}
