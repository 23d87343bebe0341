"""This package, as its users run it: the contestant of every measure."""

from __future__ import annotations

import time
from collections.abc import Mapping

from aigw_notebook import Connection, connect
from aigw_notebook.events import AnyEvent, AudioDelta, ResponseDone, TextDelta

KEY = "sk-local"
SETUP = "%load_ext aigw_notebook"


def address(port: int) -> str:
    return f"ws://127.0.0.1:{port}/v1/account/gateway"


def environment(port: int) -> Mapping[str, str]:
    """Variables that lead a kernel's sessions to a local server."""
    return {"AIGW_GATEWAY_URL": address(port), "OPENAI_API_KEY": KEY}


def cell(model: str) -> str:
    """One turn with a new session, as a cell."""
    return f"%%aigw openai --model {model} --new\nGo."


def session(port: int, model: str) -> Connection:
    return connect("openai", gateway=address(port), token="t", api_key=KEY, model=model, modalities="text", quiet=True)


def deltas_per_second(port: int, kind: str, count: int) -> float:
    """One turn, every delta to the records and to a sink that looks at it."""
    size, seen, ended = 0, 0, 0.0

    def sink(event: AnyEvent) -> None:
        nonlocal size, seen, ended
        if type(event) is TextDelta:
            size += len(event.text)
            seen += 1
        elif type(event) is AudioDelta:
            size += len(event.data)
            seen += 1
        elif type(event) is ResponseDone:
            ended = time.perf_counter()

    with session(port, f"{kind}-{count}-0") as open_session:
        open_session.core.add_sink(sink)
        start = time.perf_counter()
        turn = open_session.ask("Go.")
        assert seen == count, f"{seen} of {count} deltas"
        kept = turn.audio.data if kind == "audio" and turn.audio else turn.text
        assert len(kept) == size, f"{len(kept)} of {size} kept"
    return count / (ended - start)


def connect_times_ms(port: int, times: int) -> list[float]:
    """On the session's own loop: from `open` to the decoded `session.created`."""

    def once(connection: Connection) -> float:
        with connection as opened:
            assert opened.core.created_ms is not None
            return opened.core.created_ms

    return [once(session(port, "text-1-0")) for _ in range(times + 1)][1:]


def blocking_connect_times_ms(port: int, times: int) -> list[float]:
    """From the call of `open` on another thread until it returns: connected, configured, ready to be asked."""
    connections = [session(port, "text-1-0") for _ in range(times + 1)]

    def once(connection: Connection) -> float:
        start = time.perf_counter()
        opened = connection.open()
        took = time.perf_counter() - start
        opened.close()
        return took * 1000

    return [once(connection) for connection in connections][1:]
