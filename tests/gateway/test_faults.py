"""The fault switches: how they are written, and what each does to a client, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway import Faults, LocalGateway
from aigw_notebook.gateway.faults import FaultTable, faults_by_route, take_switches
from aigw_notebook.gateway.faulty import FaultySocket
from aigw_notebook.gateway.rate import RateLimiter
from aigw_notebook.gateway.refusals import ANSWERS, Refusal
from aigw_notebook.gateway.request import ClientRequest

TOKEN = {"cf-aig-authorization": "Bearer t0ken"}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


# ------------------------------------------------------------------------------------------------------- the syntax


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", Faults()),
        (" , ", Faults()),
        ("drop_first_frame", Faults(drop_first_frame=True)),
        ("drop_in=2, no_ids ,frame_ms=1.5", Faults(drop_in=2, no_ids=True, frame_ms=1.5)),
        ("close=4001,close_reason=your%20key%2C+please", Faults(close=4001, close_reason="your key,+please")),
        ("drop_in=1,drop_in=3", Faults(drop_in=3)),
        ("off", Faults()),
        ("off,refuse=2003", Faults(refuse=2003)),
    ],
)
def test_switches_are_read(text: str, faults: Faults) -> None:
    assert Faults.of(text) == faults


def test_switches_lie_over_those_of_the_gateway() -> None:
    base = Faults(drop_in=2, no_ids=True)
    assert Faults.of("drop_in=3", base) == Faults(drop_in=3, no_ids=True)
    assert Faults.of("off,drop_in=3", base) == Faults(drop_in=3)
    assert Faults.of("", base) == base


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dropfirst", "unknown fault 'dropfirst': the switches are refuse"),
        ("x" * 60, f"unknown fault '{'x' * 40}…'"),
        ("no_ids=1", "no_ids takes no value"),
        ("drop_in", "drop_in takes a number of frames"),
        ("drop_in=0", "drop_in takes a number of frames"),
        ("drop_in=two", "drop_in takes a number of frames"),
        ("refuse=2", "refuse takes one of 2001"),
        ("close=999", "close takes a close code"),
        ("close_after=3", "go with close"),
        ("frame_ms=60001", "frame_ms takes milliseconds from 0 to 60000"),
        ("frame_ms=-1", "frame_ms takes milliseconds"),
        ("frame_ms=nan", "frame_ms takes milliseconds"),
        ("no_ids," * 200, "longer than 1000 characters"),
    ],
)
def test_a_switch_that_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        Faults.of(text)


def test_faults_from_python_are_checked_too() -> None:
    with pytest.raises(ConfigurationError, match="drop_out takes a number of frames"):
        Faults(drop_out=True)
    with pytest.raises(ConfigurationError, match="refuse takes one of"):
        LocalGateway(faults="refuse=1")


def test_faults_are_found_by_the_longest_route() -> None:
    table = FaultTable({"a": "drop_in=1", "/a/b/": Faults(drop_in=2), "*": "drop_in=3"})
    assert [table.at(route).drop_in for route in ("a", "a/x", "a/b", "a/b/c", "ab", "")] == [1, 1, 2, 2, 3, 3]
    table.given = None
    assert table.at("a") == Faults()


def test_texts_of_a_command_line_are_sorted_by_route() -> None:
    given = ["drop_in=2", "echo/deep=refuse=2003", "no_ids,seed=1", "echo/deep=no_ids", "ulid_ids"]
    assert faults_by_route(given) == {"*": "drop_in=2,no_ids,seed=1,ulid_ids", "echo/deep": "refuse=2003,no_ids"}
    with pytest.raises(ConfigurationError, match="unknown fault 'drop'"):
        LocalGateway(faults=faults_by_route(["drop"]))


def test_switches_are_taken_out_of_a_request_and_the_rest_stays_as_it_was() -> None:
    headers = [("aigw-fault", "no_ids"), ("x", "1"), ("Aigw-Fault", "drop_in=1")]
    asked = ClientRequest.parse("/v1/a/g/r?m=%20&aigw_fault=ulid_ids&aigw%5Ffault=drop_in%3D2&n", headers)
    switches, left = take_switches(asked)
    assert switches == "no_ids,drop_in=1,ulid_ids,drop_in=2"
    assert (left.query, left.headers) == ("m=%20&n", (("x", "1"),))
    untouched = ClientRequest.parse("/v1/a/g/r?m=aigw_fault", [])
    assert take_switches(untouched) == ("", untouched)


def test_every_switch_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert {field.name for field in fields(Faults)} | {"off"} == documented


# -------------------------------------------------------------------------------------------------- before the upgrade


def refused(dial: Callable[..., Any], url: str, **named: Any) -> Any:
    async def main() -> Any:
        with pytest.raises(InvalidStatus) as error:
            await dial(url, **named)
        return error.value.response

    return asyncio.run(main())


WITHOUT_REDIRECT = [code for code in ANSWERS if code != 302]  # this client would follow it; see test_trouble.py


@pytest.mark.parametrize("code", WITHOUT_REDIRECT)
def test_each_refusal_comes_with_its_status_and_body(gateway: LocalGateway, dial: Any, code: int) -> None:
    gateway.faults = f"refuse={code}"
    answer, response = ANSWERS[code], refused(dial, f"{gateway.url}/echo")
    assert response.status_code == answer.status
    if isinstance(answer, Refusal):
        assert json.loads(response.body)["error"] == [{"code": code, "message": answer.message}]
        assert response.headers["cf-aig-log-id"]
    else:
        assert "cf-aig-log-id" not in response.headers and response.body == answer.text.encode()
    assert gateway.counters["refused"] == 1 and not gateway.counters["connections"]


@pytest.mark.parametrize("by", ["header", "query"])
def test_a_switch_holds_for_its_connection_only(gateway: LocalGateway, dial: Any, by: str) -> None:
    async def main() -> None:
        with pytest.raises(InvalidStatus) as error:
            if by == "header":
                await dial(f"{gateway.url}/echo", additional_headers={**TOKEN, "aigw-fault": "refuse=2045"})
            else:
                await dial(f"{gateway.url}/echo?aigw_fault=refuse%3D2045")
        assert json.loads(error.value.response.body)["internalCode"] == 2045
        async with dial(f"{gateway.url}/echo") as socket:
            assert await socket.recv() == "hello"

    asyncio.run(main())


def test_a_bad_switch_is_refused_and_named(gateway: LocalGateway, dial: Any) -> None:
    response = refused(dial, f"{gateway.url}/echo?aigw_fault=explode")
    [error] = json.loads(response.body)["error"]
    assert response.status_code == 400 and error["code"] == 9400
    assert error["message"].startswith("unknown fault 'explode': the switches are refuse, no_stored_key")


def test_the_token_is_looked_at_before_the_switches(gateway: LocalGateway, dial: Any) -> None:
    response = refused(dial, f"{gateway.url}/echo?aigw_fault=explode", additional_headers={})
    assert response.status_code == 401


def test_the_emulator_never_sees_a_switch(gateway: LocalGateway, dial: Any, echo: list[Any]) -> None:
    async def main() -> None:
        headers = {**TOKEN, "aigw-fault": "no_ids"}
        async with dial(f"{gateway.url}/echo?x=1&aigw_fault=no_subprotocol", additional_headers=headers) as socket:
            await socket.recv()

    asyncio.run(main())
    assert echo[0].handshake.query == {"x": "1"} and "aigw-fault" not in echo[0].handshake.headers


def test_what_the_answer_may_lack(make_gateway: Callable[..., LocalGateway], dial: Any) -> None:
    gateway = make_gateway(faults={"echo": "no_subprotocol,no_ids"})

    async def main(**named: Any) -> Any:
        async with dial(f"{gateway.url}/echo", **named) as socket:
            await socket.recv()
            return socket

    socket = asyncio.run(main(subprotocols=["realtime"]))
    assert socket.subprotocol is None
    assert not [name for name in socket.response.headers if name.lower().startswith("cf-aig-")]
    gateway.faults = {"echo": "ulid_ids"}
    headers = asyncio.run(main()).response.headers
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", headers["cf-aig-log-id"])
    assert len({headers["cf-aig-log-id"], headers["cf-aig-request-id"], headers["cf-aig-event-id"]}) == 3


# ----------------------------------------------------------------------------------------------------- the rate limit


def test_the_limit_holds_in_any_stretch_of_its_time() -> None:
    now = [0.0]
    limiter = RateLimiter((2, 1.0), lambda: now[0])
    allowed = []
    for now[0] in (0.0, 900.0, 950.0, 1000.0, 1100.0, 1900.0):
        allowed.append(limiter.allows())
    assert allowed == [True, True, False, True, False, True]


def test_more_connections_than_the_limit_are_refused(make_gateway: Callable[..., LocalGateway], dial: Any) -> None:
    now = [0.0]
    gateway = make_gateway(rate_limit=(1, 60))
    gateway._current.server._limiter._clock = lambda: now[0]  # type: ignore[union-attr]

    async def greeting() -> Any:
        async with dial(f"{gateway.url}/echo") as socket:
            return await socket.recv()

    assert asyncio.run(greeting()) == "hello"
    assert json.loads(refused(dial, f"{gateway.url}/echo").body)["internalCode"] == 2003
    now[0] = 60_000.0
    assert asyncio.run(greeting()) == "hello"


@pytest.mark.parametrize("limit", [(0, 1), (1, 0), (1.5, 1), (1, float("inf")), (1_000_000, 1)])
def test_a_limit_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="rate_limit is"):
        LocalGateway(rate_limit=limit)


# --------------------------------------------------------------------------------------------------- after the upgrade


def talk(dial: Callable[..., Any], gateway: LocalGateway, switches: str, *said: str) -> tuple[list[Any], int, str]:
    """What a client hears that says `said` at once, and the close code and reason it ends with."""

    async def main() -> tuple[list[Any], int, str]:
        heard: list[Any] = []
        async with dial(f"{gateway.url}/echo", additional_headers={**TOKEN, "aigw-fault": switches}) as socket:
            try:
                for message in said:
                    await socket.send(message)
                async with asyncio.timeout(10):
                    while True:
                        heard.append(await socket.recv())
            except ConnectionClosed:
                return heard, socket.close_code, socket.close_reason

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("switches", "said", "heard"),
    [
        ("drop_first_frame", ["a"], ([], 1006, "")),
        ("drop_in=1", ["a"], (["hello"], 1006, "")),
        ("drop_out=1", [], (["hello"], 1006, "")),
        ("drop_out=3", ["burst:5"], (["hello", "burst 0", "burst 1"], 1006, "")),
        ("close=4001,close_reason=no key", ["a"], ([], 4001, "no key")),
        ("close=1011,close_after=2", ["a"], (["hello", "a"], 1011, "")),
        ("close=1005,close_after=1", [], (["hello"], 1005, "")),
    ],
)
def test_a_connection_ends_as_it_is_told_to(
    gateway: LocalGateway, dial: Any, switches: str, said: list[str], heard: tuple[list[str], int, str]
) -> None:
    assert talk(dial, gateway, switches, *said) == heard


def test_a_connection_ends_in_its_time(gateway: LocalGateway, dial: Any) -> None:
    heard, *end = talk(dial, gateway, "close=1008,close_reason=over,close_after_ms=1")
    assert end == [1008, "over"] and heard in ([], ["hello"])


def test_late_frames_keep_their_order_and_the_close_comes_last(gateway: LocalGateway, dial: Any) -> None:
    found = talk(dial, gateway, "first_frame_ms=2,frame_ms=0.5,jitter_ms=1", "burst:20", "close:4000:done")
    assert found == (["hello", *(f"burst {n}" for n in range(20)), "last words"], 4000, "done")


def test_a_gateway_stops_while_frames_are_late(make_gateway: Callable[..., LocalGateway], dial: Any) -> None:
    gateway = make_gateway(faults="first_frame_ms=60000")

    async def main() -> int:
        async with dial(f"{gateway.url}/echo") as socket:
            await socket.send("close:1000:")
            await asyncio.to_thread(gateway.stop)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            return int(socket.close_code)

    assert asyncio.run(main()) == 1001


class Wire:
    """The other side of a `FaultySocket`, in memory."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed: list[tuple[int, str]] = []
        self._over = asyncio.Event()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))
        self._over.set()

    async def wait_closed(self) -> None:
        await self._over.wait()


def waits_of(faults: Faults, frames: int) -> list[float]:
    """The seconds that each frame is held back."""

    async def main() -> list[float]:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        wire: Any = Wire()
        socket = FaultySocket(wire, faults, sleep=sleep)
        socket.start()
        for number in range(frames):
            await socket.send(str(number))
        await socket.close(1000, "bye")
        await socket.send("into the void")
        await socket.stop()
        assert wire.sent == [str(number) for number in range(frames)] and wire.closed == [(1000, "bye")]
        return slept

    return asyncio.run(main())


def test_frames_wait_as_long_as_they_are_told_to() -> None:
    assert waits_of(Faults(first_frame_ms=250, frame_ms=50), 3) == [0.3, 0.05, 0.05]
    assert waits_of(Faults(first_frame_ms=250), 3) == [0.25]
    jittery = waits_of(Faults(frame_ms=50, jitter_ms=20), 100)
    assert all(0.05 <= wait <= 0.07 for wait in jittery) and len(set(jittery)) > 50
    assert jittery == waits_of(Faults(frame_ms=50, jitter_ms=20), 100)
    assert jittery != waits_of(Faults(frame_ms=50, jitter_ms=20, seed=1), 100)
