"""Fixtures for the tests of whoever uses this package: a gateway that answers at once, and cassettes of sessions.

pytest loads this module at its start, so it imports nothing else of the package before a fixture is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .faces import AsyncSession, Session
    from .gateway.local import LocalGateway

__all__ = ["MODES", "Cassette", "aigw_cassette", "aigw_gateway", "pytest_addoption", "pytest_configure"]

MODES = ("once", "replay", "record")
"""`once` plays the cassette that is there and records one that is not; `replay` never records, `record` always does."""

OPTION = "--aigw-record"
MARK = "aigw_cassette"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--aigw-record` and the ini value `aigw_record`."""
    group = parser.getgroup("aigw-notebook")
    group.addoption(OPTION, choices=MODES, default=None, help="when `aigw_cassette` records a session (default: once)")
    parser.addini("aigw_record", "as --aigw-record, for every run", default="once")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", f"{MARK}(mode, match, speed, path): how this test's `aigw_cassette` is used")


@pytest.fixture
def aigw_gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGateway]:
    """A running gateway whose emulators answer at once, without a model; `connect` finds it by the environment."""
    with _fast_gateway(monkeypatch) as gateway:
        yield gateway


@pytest.fixture
def aigw_cassette(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cassette]:
    """The recorded session of this test: played where it is there, else recorded, beside the test.

    `connect` finds what plays it by the environment. Where the environment names a gateway, that is recorded; else
    the emulators are.
    """
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "memory")
    mark = request.node.get_closest_marker(MARK)
    options = dict(mark.kwargs) if mark is not None else {}
    mode = options.pop("mode", None) or request.config.getoption(OPTION) or request.config.getini("aigw_record")
    if mode not in MODES:
        raise pytest.UsageError(f"aigw_record is {mode!r}; give one of: {', '.join(MODES)}")
    path = Path(options.pop("path", None) or _beside(request))
    path = path if path.is_absolute() else request.path.parent / path
    if mode == "replay" and not path.exists():
        pytest.fail(f"there is no cassette {path.name}: run once with {OPTION}=once to record it", pytrace=False)
    if mode == "record" or not path.exists():
        yield from _recording(Cassette(path, is_recording=True), monkeypatch)
    else:
        yield from _playing(path, options, monkeypatch)


class Cassette:
    """The recorded session of a test, which is `is_recording` or else played.

    While it is recorded, the test hands over its session with `keep`; while it is played that does nothing.
    """

    def __init__(self, path: Path, *, is_recording: bool, gateway: LocalGateway | None = None) -> None:
        self.path = path
        self.is_recording = is_recording
        self.gateway = gateway
        """What plays the cassette, or the emulators; None where a real gateway is recorded."""
        self.kept: Session | AsyncSession | None = None

    def keep(self, session: Session | AsyncSession) -> None:
        """Have this session written to the cassette when the test has passed."""
        self.kept = session


def _beside(request: pytest.FixtureRequest) -> Path:
    """`cassettes/<module>/<test>.aigw` beside the test's file."""
    name = re.sub(r"[^\w.-]+", "_", request.node.name).strip("_")
    return request.path.parent / "cassettes" / request.path.stem / f"{name}.aigw"


def _playing(path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cassette]:
    from .gateway.replay import replay

    with replay(path, **{"speed": 0, **options}) as gateway:
        _point_at(gateway, monkeypatch)
        yield Cassette(path, is_recording=False, gateway=gateway)
        told = "\n".join(str(divergence) for divergence in gateway.divergences)
    if told:
        pytest.fail(f"{told}\nrecord the cassette again with {OPTION}=record if that is meant", pytrace=False)


def _recording(cassette: Cassette, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cassette]:
    from .endpoint import Gateway

    if Gateway.from_env(os.environ) is None:
        with _fast_gateway(monkeypatch) as cassette.gateway:
            yield cassette
    else:
        yield cassette
    if cassette.kept is None:
        pytest.fail("nothing was recorded: hand the session over with `aigw_cassette.keep(session)`", pytrace=False)
    cassette.path.parent.mkdir(parents=True, exist_ok=True)
    cassette.kept.save(cassette.path)


@contextmanager
def _fast_gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGateway]:
    from .gateway.emulators.base import Pace
    from .gateway.local import LocalGateway

    monkeypatch.setenv("AIGW_NOTEBOOK_ENGINES", "placeholder")
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "memory")
    with LocalGateway(pace=Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)) as gateway:
        _point_at(gateway, monkeypatch)
        yield gateway


def _point_at(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("CF_AIG_TOKEN", gateway.token)
