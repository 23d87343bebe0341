"""Drives the emulators whose frames are not all JSON, and plays the wire fixtures to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aigw_notebook.gateway.emulators.base import Close, Emulator, Job, Output
from aigw_notebook.gateway.engines import Engines, default_engines
from aigw_notebook.gateway.engines.base import Reply
from tests.gateway.emulators.playing import Frame, Player
from tests.wire import Line

__all__ = ["BINARY", "TEXT", "Client", "Scripted", "replay", "scripted_engines"]

BINARY, TEXT = "(binary)", "(text)"


class Client(Player):
    """Like `Player`. A binary frame is `{"type": BINARY, "data": …}`, text that is no message `{"type": TEXT, …}`."""

    def __init__(self, emulator: type[Emulator], route: str, **options: Any) -> None:
        super().__init__(emulator, route, **options)

    def sound(self) -> bytes:
        """All binary frames that have arrived, joined."""
        return b"".join(frame["data"] for frame in self.all(BINARY))

    def _take_output(self, output: Output) -> None:
        if isinstance(output, Close | Job):
            super()._take_output(output)
            return
        assert self.closed is None, "something follows the close"
        self.frames.append(_frame(output))
        if self.frames[-1]["type"] not in (BINARY, TEXT):
            self._check(self.frames[-1])


def _frame(output: str | bytes) -> Frame:
    if isinstance(output, bytes):
        return {"type": BINARY, "data": output}
    try:
        parsed = json.loads(output)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) and "type" in parsed else {"type": TEXT, "text": output}


class Scripted:
    """Hears the same words in whatever is not silent, and answers with two."""

    def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
        return "The quick fox." if any(pcm16) else ""

    def answer(self, conversation: Any, **options: Any) -> Reply:
        return Reply(text="Hello there.")


def scripted_engines() -> Engines:
    """Engines whose ears and answers are known, with the usual voice."""
    scripted = Scripted()
    return Engines(responder=scripted, voice=default_engines().voice, listener=scripted)


def replay(client: Client, lines: list[Line], *, repeats: Callable[[Frame], bool]) -> None:
    """Say what the client says in a flow; the emulator must answer with the same frames in the same order.

    Of a frame that `repeats` there may be more or fewer; each other has the same keys all the way down.
    """
    for number, line in enumerate(lines, 1):
        if line.close is not None:
            client.wait(3_600_000)
            assert client.closed is not None
            assert (client.closed.code, client.closed.reason) == (line.close["code"], line.close["reason"])
        elif line.dir == ">":
            if line.frame is not None:
                client.raw(line.frame)
        else:
            _expect(client, _wanted(line), repeats, f"line {number}")
    client.wait(0)
    assert [frame for frame in client.frames if not repeats(frame)] == []


def _wanted(line: Line) -> Frame:
    frame = line.frame
    assert frame is not None
    return _frame(frame)


def _expect(client: Client, wanted: Frame, repeats: Callable[[Frame], bool], where: str) -> None:
    while True:
        while not client.frames and client.emulator.next_wake_ms is not None:
            client.wait(max(0.0, client.emulator.next_wake_ms - client.now_ms))
        if repeats(wanted) and not (client.frames and repeats(client.frames[0])):
            return
        assert client.frames, f"{where}: nothing more is said"
        frame = client.frames.pop(0)
        if frame["type"] == wanted["type"] and repeats(frame) == repeats(wanted):
            assert _alike(frame, wanted), f"{where}: {frame} is not like {wanted}"
            return
        assert repeats(frame), f"{where}: {frame['type']} where {wanted['type']} belongs"


def _alike(ours: Any, theirs: Any) -> bool:
    """Whether two frames have the same keys, all the way down; an empty list is like any, JSON in text is read."""
    if isinstance(ours, str) and isinstance(theirs, str):
        ours, theirs = _read(ours), _read(theirs)
    if type(ours) is not type(theirs):
        return isinstance(ours, int | float) and isinstance(theirs, int | float)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_alike(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and ours and theirs:
        return _alike(ours[0], theirs[0])
    return True


def _read(text: str) -> Any:
    """The JSON that a piece of text holds, behind the name of its field if it is a server-sent event."""
    try:
        return json.loads(text.removeprefix("data: "))
    except ValueError:
        return text
