"""Conversations that are killed: forks processes that talk to a gateway of their own, and ends them in mid-word.

Usage: talker.py FOLDER SEED COUNT. Each process has a folder of its own, with its log, and in `said.txt` a line for
each turn whose end it saw. One more way to be called, talker.py FOLDER, talks for ten turns and ends by itself.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from aigw_notebook import LocalGateway, connect, portal, providers
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.server import GatewayServer
from aigw_notebook.log import close_writers

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
PARALLEL = 5
LATEST_S = 0.4
"""Up to when after its first word a process is killed."""


def talk(folder: Path, turns: int, *, opened: int | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["AIGW_NOTEBOOK_HOME"] = str(folder)
    said = os.open(folder / f"said-{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT)
    with LocalGateway(pace=AT_ONCE) as gateway, connect("openai", gateway=gateway, quiet=True) as session:
        if opened is not None:
            os.close(opened)
        for number in range(1, turns + 1):
            turn = session.ask(f"Count to {number % 7 + 1}.")
            os.write(said, f"{session.session_id}\t{turn.number}\t{turn.text}\n".encode())
    close_writers()


def talking(folder: Path) -> tuple[int, int]:
    """A process that talks until it is killed: its number, and a pipe that ends when its session is open."""
    opened, mine = os.pipe()
    number = os.fork()
    if number == 0:
        try:
            talk(folder, 100_000, opened=mine)
        finally:
            os._exit(1)
    os.close(mine)
    return number, opened


def kill(number: int, opened: int, after_s: float) -> None:
    """Kill the process so long after its session was open."""
    os.read(opened, 1)
    os.close(opened)
    time.sleep(after_s)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) == 2:
        talk(folder, 10)
        return
    assert portal and providers.get("openai") and GatewayServer  # all is loaded before the forks, none is started
    moments = random.Random(int(sys.argv[2]))
    count = int(sys.argv[3])
    for first in range(0, count, PARALLEL):
        for number, opened in [talking(folder / str(n)) for n in range(first, first + PARALLEL)]:
            kill(number, opened, moments.uniform(0.0, LATEST_S))


if __name__ == "__main__":
    main()
