"""What every test runs in: an environment without credentials, and nothing of ours left over afterwards."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests.frames import FrameTap

SETTINGS = re.compile(r"^(CLOUDFLARE|CF|AIGW)_|_(API_)?(KEY|TOKEN)$|_PROXY$", re.IGNORECASE)
"""Environment variables that could lead a test to the real service, or away from this machine's own."""

OWN_PROCESSES = ("kernel", "browser")
"""Marks of tests whose sockets belong to kernels and browsers; they shut those down themselves."""

SETTLE_S = 3.0

PORTAL = re.compile(r"aigw.portal", re.IGNORECASE)
"""The one thread that outlives a test by design: there is one portal in a process."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credential and no setting of the person who runs the tests; a test plants its own with `monkeypatch`."""
    for name in [name for name in os.environ if SETTINGS.search(name)]:
        monkeypatch.delenv(name)


# ---------------------------------------------------------------------------------------------------- leftovers


def our_threads() -> set[str]:
    """Threads that run code of this package, by name and number; the portal's is not counted."""
    return {
        f"thread {thread.name} ({thread.ident})"
        for thread in threading.enumerate()
        if "aigw" in thread.name.lower() and not PORTAL.search(thread.name)
    }


def sockets() -> set[str]:
    """The process's sockets on the network side, by descriptor and port."""
    return {
        f"socket {c.fd} on port {c.laddr.port}"
        for c in psutil.Process().net_connections(kind="tcp")
        if c.laddr and c.status in (psutil.CONN_ESTABLISHED, psutil.CONN_LISTEN)
    }


def portal_tasks() -> set[str]:
    """Tasks that still run on the portal's loop."""
    module: Any = sys.modules.get("aigw_notebook.portal")
    if module is None or module._portal is None or module._portal.loop.is_closed():
        return set()
    return {f"task {task.get_name()} {id(task):x}" for task in asyncio.all_tasks(module._portal.loop)}


def leftovers() -> set[str]:
    return our_threads() | sockets() | portal_tasks()


def stop_embedded_gateway() -> None:
    """The gateway that keyless sessions share lives as long as its process; a test gives it back."""
    module: Any = sys.modules.get("aigw_notebook.connection")
    if module is not None and module._embedded is not None:
        module._embedded.stop()


@pytest.fixture(autouse=True)
def nothing_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a thread, a socket or a portal task of ours behind, after a short time to settle."""
    if any(request.node.get_closest_marker(mark) for mark in OWN_PROCESSES):
        yield
        return
    before = leftovers()
    yield
    stop_embedded_gateway()
    deadline = time.monotonic() + SETTLE_S
    while (left := leftovers() - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, f"left behind: {', '.join(sorted(left))}"


# ------------------------------------------------------------------------------------------------------- frames


@pytest.fixture(autouse=True)
def frames(request: pytest.FixtureRequest) -> Iterator[FrameTap]:
    """Fails a test in which an emulator or a session sent a frame that the official SDK's types refuse.

    A test that sends such frames on purpose says so, and why: `@pytest.mark.bad_frames(reason=…)`. The SDK is imported
    when a frame was seen, so tests without sockets pay nothing.
    """
    tap = FrameTap()
    with tap.watching():
        yield tap
    allowed = request.node.get_closest_marker("bad_frames")
    if allowed is not None:
        assert allowed.kwargs.get("reason"), "bad_frames needs a reason"
        return
    verdict = tap.verdict()
    if verdict is not None:
        pytest.fail(verdict, pytrace=False)


# ---------------------------------------------------------------------------------------------------- a gateway


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A running gateway whose emulators answer as fast as they can."""
    pace = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
    with LocalGateway(pace=pace) as running:
        yield running
