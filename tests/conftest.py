"""What every test runs in: an environment without credentials, and nothing of ours left over afterwards."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psutil
import pytest

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from tests.frames import FrameTap

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

SETTINGS = re.compile(r"^(CLOUDFLARE|CF|AIGW)_|_(API_)?(KEY|TOKEN)$|_PROXY$", re.IGNORECASE)
"""Environment variables that could lead a test to the real service, or away from this machine's own."""

OWN_PROCESSES = ("kernel", "browser", "quiet")
"""Marks of tests whose sockets belong to kernels and browsers; they shut those down themselves."""

SETTLE_S = 3.0
FDS = Path("/proc/self/fd")

PORTAL = re.compile(r"aigw.portal", re.IGNORECASE)
"""The one thread that outlives a test by design: there is one portal in a process."""


def pytest_configure(config: pytest.Config) -> None:
    """No session of a test reaches the log of who runs them, one of a kernel that outlives its test neither.

    No example fails for having taken long: how busy the machine is says nothing of the code. With the profile "quick"
    there are fewer of them.
    """
    os.environ["AIGW_NOTEBOOK_LOG"] = "memory"
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.register_profile("quick", deadline=None, max_examples=20)
    if not config.getoption("hypothesis_profile"):
        hypothesis.settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """The tests themselves are no garbage: whoever looks for some need not go through thousands of them."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No credential and no setting of the person who runs the tests; a test plants its own with `monkeypatch`.

    The placeholder engines answer everywhere, in kernels and other processes too: they are the same on every machine.
    Sessions are kept in memory; a test of the log file asks for it, and finds it in a folder of its own.
    """
    for name in [name for name in os.environ if SETTINGS.search(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIGW_NOTEBOOK_ENGINES", "placeholder")
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "memory")
    monkeypatch.setenv("AIGW_NOTEBOOK_HOME", str(tmp_path_factory.getbasetemp() / "home"))


# ---------------------------------------------------------------------------------------------------- leftovers


def our_threads() -> set[str]:
    """Threads that run code of this package, by name and number; the portal's is not counted."""
    return {
        f"thread {thread.name} ({thread.ident})"
        for thread in threading.enumerate()
        if "aigw" in thread.name.lower() and not PORTAL.search(thread.name)
    }


def connections() -> dict[int, str]:
    """The process's sockets on the network side by their descriptor, in words."""
    return {
        c.fd: f"socket {c.fd} on port {c.laddr.port}"
        for c in psutil.Process().net_connections(kind="tcp")
        if c.laddr and c.status in (psutil.CONN_ESTABLISHED, psutil.CONN_LISTEN)
    }


def open_sockets() -> dict[int, str]:
    """The system's names for the process's sockets by their descriptor, cheaply where the system has `/proc`."""
    if not FDS.is_dir():
        return connections()
    links = {int(fd): _link(fd) for fd in os.listdir(FDS)}  # noqa: PTH208 - this is asked twice a test
    return {fd: link for fd, link in links.items() if link.startswith("socket:")}


def _link(fd: str) -> str:
    try:
        return os.readlink(FDS / fd)  # noqa: PTH115
    except OSError:
        return ""  # closed meanwhile


def portal_tasks() -> set[str]:
    """Tasks that still run on the portal's loop."""
    module: Any = sys.modules.get("aigw_notebook.portal")
    if module is None or module._portal is None or module._portal.loop.is_closed():
        return set()
    return {f"task {task.get_name()} {id(task):x}" for task in asyncio.all_tasks(module._portal.loop)}


class Leftovers:
    """What there is of ours before a test, and what is more of it afterwards.

    Which sockets are connections is asked only when some are open that were not before: it is slow.
    """

    def __init__(self) -> None:
        self._sockets = set(open_sockets().values())
        self._rest = our_threads() | portal_tasks()

    def more(self) -> set[str]:
        """What was not there before."""
        new = {fd for fd, name in open_sockets().items() if name not in self._sockets}
        left = {words for fd, words in connections().items() if fd in new} if new else set()
        return left | ((our_threads() | portal_tasks()) - self._rest)


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
    before = Leftovers()
    yield
    stop_embedded_gateway()
    deadline = time.monotonic() + SETTLE_S
    while (left := before.more()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, f"left behind: {', '.join(sorted(left))}"


# ------------------------------------------------------------------------------------------------------- frames


@pytest.fixture(autouse=True)
def frames(request: pytest.FixtureRequest) -> Iterator[FrameTap]:
    """Fails a test in which an emulator or a session sent a frame that the provider's own types refuse.

    A test that sends such frames on purpose says so, and why: `@pytest.mark.bad_frames(reason=…)`. What judges a
    provider's frames is imported when one was seen, so tests without frames pay nothing.
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


# ------------------------------------------------------------------------------------- a gateway and a shell


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A running gateway whose emulators answer as fast as they can."""
    pace = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
    with LocalGateway(pace=pace) as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """IPython with the magics, in the folder `tmp_path`, which is gone with the test: nothing is left for the end."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "aigw_notebook")
    yield shell
    shell.run_line_magic("unload_ext", "aigw_notebook")
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)
