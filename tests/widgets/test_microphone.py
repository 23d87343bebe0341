"""The microphone without a page: what it makes of chunks, and what it tells the page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.audio import PCM16_24K
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.providers.base import TurnDetection
from aigw_notebook.widgets import microphone as microphones
from aigw_notebook.widgets.microphone import Microphone
from tests.speech import spoken_clip


class Mouth:
    """A microphone's page, played by the test."""

    def __init__(self, **traits: Any) -> None:
        self.microphone = Microphone(**traits)
        self.sent: list[dict[str, Any]] = []
        self.microphone.send = lambda content, buffers=(): self.sent.append(content)
        self.seq = 0
        self.say("ready")

    def say(self, kind: str, data: bytes | None = None, page: str = "page", **content: Any) -> None:
        message = {"kind": kind, "page": page, **content}
        self.microphone._handle_custom_msg(message, [] if data is None else [memoryview(data)])

    def begin(self, rate: int = 24_000) -> None:
        self.say("begin", source="microphone", rate=rate, chunk_ms=40)

    def chunk(self, data: bytes, seq: int | None = None) -> None:
        self.seq = self.seq if seq is None else seq
        self.say("chunk", data, seq=self.seq, t_ms=0, dropped=0, muted=0)
        self.seq += 1

    def end(self, **counts: int) -> None:
        self.say("end", source="microphone", **{"dropped": 0, "muted": 0, **counts})

    def acknowledged(self) -> list[int]:
        return [content["seq"] for content in self.sent if content["kind"] == "ack"]


def test_what_was_recorded_is_a_clip() -> None:
    page = Mouth()
    page.begin(16_000)
    for n in range(3):
        page.chunk(bytes([n, 0]) * 4)
    assert page.microphone.recording is True
    page.end()
    clip = page.microphone.clip
    assert (clip.data, clip.sample_rate) == (b"\0\0" * 4 + b"\1\0" * 4 + b"\2\0" * 4, 16_000)
    assert (page.microphone.recording, page.microphone.received, page.acknowledged()) == (False, 3, [1, 2, 3])
    page.begin()
    assert not page.microphone.clip


def test_missing_numbers_and_dropped_chunks_are_counted() -> None:
    page = Mouth()
    page.begin()
    page.chunk(b"ab", 0)
    page.chunk(b"ab", 3)
    page.end(dropped=7, muted=2)
    assert (page.microphone.lost, page.microphone.dropped, page.microphone.muted_chunks) == (2, 7, 2)


def test_a_long_recording_keeps_its_newest_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphones, "KEPT_MS", 100.0)
    page = Mouth()
    page.begin()
    for n in range(5):
        page.chunk(bytes([n]) * PCM16_24K.byte_count(40))
    assert page.microphone.clip.data[0] == 3
    assert page.microphone.clip.duration_ms == 80.0


def test_chunks_come_until_the_microphone_is_off() -> None:
    page = Mouth()

    async def read() -> list[bytes]:
        got = []
        async for data in page.microphone.chunks():
            got.append(data)
            if len(got) == 1:
                page.chunk(b"cd")
                page.end()
        return got

    async def both() -> list[bytes]:
        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        page.begin()
        page.chunk(b"ab")
        return await reading

    assert asyncio.run(both()) == [b"ab", b"cd"]
    assert [content["kind"] for content in page.sent if content["kind"] != "ack"] == ["start"]
    assert page.microphone._readers == []


def test_so_many_seconds_are_recorded() -> None:
    page = Mouth()

    async def speak() -> aigw.Clip:
        recording = asyncio.ensure_future(page.microphone.record(0.1))
        await asyncio.sleep(0)
        page.begin()
        for _ in range(4):
            page.chunk(bytes(PCM16_24K.byte_count(40)))
        return await recording

    clip = asyncio.run(speak())
    assert clip.duration_ms == 100.0
    assert page.sent[-1] == {"kind": "stop"}


def test_trouble_is_raised_in_the_pages_words() -> None:
    page = Mouth()

    async def fail() -> None:
        recording = asyncio.ensure_future(page.microphone.record(1))
        await asyncio.sleep(0)
        page.say("trouble", trouble="denied", message="The microphone was not allowed.")
        with pytest.raises(ConfigurationError, match="was not allowed"):
            await recording

    asyncio.run(fail())
    assert page.microphone.trouble == "The microphone was not allowed."


def test_without_a_page_recording_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphones, "PERMISSION_S", 0.0)
    with pytest.raises(ConfigurationError, match="show the widget"):
        asyncio.run(Microphone().record(1))


def test_a_slow_reader_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphones, "QUEUED_CHUNKS", 3)
    page = Mouth()

    async def read() -> list[bytes]:
        queue, _ = page.microphone._reader()
        page.begin()
        for n in range(5):
            page.chunk(bytes([n, 0]))
        await asyncio.sleep(0)
        return [queue.get_nowait() or b"" for _ in range(queue.qsize())]

    assert asyncio.run(read()) == [b"\2\0", b"\3\0", b"\4\0"]
    assert page.microphone.dropped == 2


def test_a_reloaded_page_ends_the_recording() -> None:
    page = Mouth()
    page.begin()
    page.chunk(b"ab")
    page.say("ready", page="new")
    assert page.microphone.recording is False
    page.chunk(b"cd")
    assert page.microphone.received == 1


def halves(data: bytes, size: int) -> Sequence[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_a_session_hears_what_is_said_and_answers_when_the_button_is_let_go(gateway: LocalGateway) -> None:
    page = Mouth(mode="push")
    manual = TurnDetection(mode="manual")
    clip = spoken_clip("count from one to three")
    with aigw.connect("openai", gateway=gateway.url, token=gateway.token, turn_detection=manual) as session:
        page.microphone.attach(session).attach(session)
        page.begin()
        for data in halves(clip.data, PCM16_24K.byte_count(40)):
            page.chunk(data)
        page.end()
        turn = session.next_turn()
        heard = next(row for row in session.records if row["role"] == "user")
        assert page.acknowledged()[-1] == page.seq
        assert page.seq == len(page.acknowledged())
        page.microphone.detach(session)
    assert turn.status == "completed"
    assert heard["audio_ms"] == pytest.approx(clip.duration_ms, abs=1.0)


def test_a_session_that_takes_no_sound_says_why_and_lets_the_page_go_on(gateway: LocalGateway) -> None:
    page = Mouth()
    with aigw.connect("openai", gateway=gateway.url, token=gateway.token) as session:
        page.microphone.attach(session)
        session.close()
        page.begin()
        page.chunk(b"ab")
    assert page.acknowledged() == [1]


def test_start_and_stop_from_python() -> None:
    page = Mouth()
    page.microphone.start()
    page.microphone.stop()
    assert page.sent == [{"kind": "start", "page": "page"}, {"kind": "stop"}]
    assert repr(page.microphone) == "<Microphone off, 24000 Hz, 0 chunks, 0 lost>"
