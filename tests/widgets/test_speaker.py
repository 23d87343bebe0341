"""The speaker without a page: what it sends, and what it makes of what a page says."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np
import pytest

import aigw_notebook as aigw
from aigw_notebook.audio import PCM16_24K, ULAW_8K
from aigw_notebook.audio.convert import convert
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.portal import portal
from aigw_notebook.widgets.speaker import Played, Speaker


class Deaf:
    """A speaker's page, played by the test."""

    def __init__(self, *, ready: bool = True, **traits: Any) -> None:
        self.speaker = Speaker(**traits)
        self.sent: list[tuple[dict[str, Any], bytes]] = []
        self.heard: tuple[str, float] | None = None
        """What a flush is answered with at once."""
        self.speaker.send = self.take
        if ready:
            self.say("ready", have=None)

    def take(self, content: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        self.sent.append((content, b"".join(buffers)))
        if content["kind"] == "flush" and self.heard is not None:
            self.flushed(*self.heard, 0.0)

    def say(self, kind: str, page: str = "page", **content: Any) -> None:
        self.speaker._handle_custom_msg({"kind": kind, "page": page, "state": "running", **content}, [])

    def at(self, item: str, played_ms: float, *, sounding: bool = True, underruns: int = 0) -> None:
        self.say("at", item=item, played_ms=played_ms, have=0, underruns=underruns, sounding=sounding, latency_ms=30.0)

    def flushed(self, item: str | None, played_ms: float, dropped_ms: float, **more: Any) -> None:
        number = next((c["id"] for c, _ in reversed(self.sent) if c["kind"] == "flush"), None)
        values = {"id": number, "waiting_ms": 0.0, "exact": True, **more}
        self.say("flushed", item=item, played_ms=played_ms, dropped_ms=dropped_ms, **values)

    @property
    def kinds(self) -> list[str]:
        return [content["kind"] for content, _ in self.sent]

    def data(self, item: str) -> bytes:
        return b"".join(data for content, data in self.sent if content.get("item") == item)


TONE = (8000 * np.sin(np.arange(24_000) / 20)).astype("<i2")


def test_sound_goes_out_as_pcm16_of_its_own_rate() -> None:
    page = Deaf()
    item = page.speaker.play(TONE.tobytes(), 16_000)
    assert (page.kinds[0], page.kinds[-1]) == ("begin", "end")
    assert page.data(item) == TONE.tobytes()
    assert {content["rate"] for content, _ in page.sent if content["kind"] == "push"} == {16_000}


def test_clips_arrays_and_other_encodings_are_decoded_here() -> None:
    page = Deaf()
    clip = aigw.Clip(TONE.tobytes(), PCM16_24K).converted(ULAW_8K)
    item = page.speaker.play(clip)
    assert page.data(item) == convert(clip.data, ULAW_8K, aigw.AudioFormat("pcm16", 8_000))
    assert page.data(page.speaker.play(TONE, 24_000)) == TONE.tobytes()


def test_pieces_may_end_in_the_middle_of_a_sample() -> None:
    page = Deaf()
    data = TONE.tobytes()
    page.speaker.begin("a")
    for start in range(0, len(data), 333):
        page.speaker.push("a", data[start : start + 333], PCM16_24K)
    page.speaker.end("a")
    assert page.data("a") == data


def test_what_is_played_before_a_page_is_there_is_sent_when_it_is() -> None:
    page = Deaf(ready=False)
    page.speaker.play(TONE.tobytes(), 24_000, item_id="early")
    assert page.sent == []
    page.say("ready", have=None)
    assert page.data("early") == TONE.tobytes()


def test_sound_longer_than_a_page_queues_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="play a part"):
        Speaker().play(aigw.Clip(bytes(8_000 * 301), ULAW_8K))


def test_the_counts_of_a_page_are_kept_per_item() -> None:
    page = Deaf()
    told: list[Played] = []
    page.speaker.on_played(told.append)
    page.speaker.begin("a")
    page.at("a", 120.0, underruns=2)
    assert (page.speaker.playing, page.speaker.underruns, page.speaker.context_state) == (True, 2, "running")
    assert (page.speaker.played_ms("a"), page.speaker.played_ms("b"), page.speaker.latency_ms) == (120.0, 0.0, 30.0)
    page.say("drained", item="a", played_ms=500.0)
    assert [(played.played_ms, played.state) for played in told] == [(120.0, "playing"), (500.0, "drained")]
    page.speaker.on_played(told.append, remove=True)
    page.at("a", 500.0, sounding=False)
    assert len(told) == 2
    assert page.speaker.playing is False


def test_another_tab_of_the_notebook_is_not_listened_to() -> None:
    page = Deaf()
    page.speaker.begin("a")
    page.say("drained", page="other", item="a", played_ms=500.0)
    assert page.speaker.played_ms("a") == 0.0


def test_a_flush_tells_what_was_heard_and_what_was_not() -> None:
    page = Deaf()
    page.speaker.play(TONE.tobytes(), 24_000, item_id="a")
    page.speaker.play(TONE.tobytes(), 24_000, item_id="b")
    future = page.speaker.silence()
    assert page.kinds[-1] == "flush"
    assert not future.done()
    page.flushed("a", 250.0, 1750.0)
    assert future.result(0) == Played("a", 250.0, 1750.0, "flushed")
    page.at("a", 100.0)
    assert (page.speaker.played_ms("a"), page.speaker.played_ms("b")) == (250.0, 0.0)


def test_a_flush_without_a_page_tells_at_once() -> None:
    page = Deaf(ready=False)
    page.speaker.play(TONE.tobytes(), 24_000, item_id="a")
    assert page.speaker.flush() == Played("a", 0.0, 1000.0, "flushed")
    page.say("ready", have=None)
    assert page.data("a") == b""


def test_a_page_that_does_not_answer_leaves_the_last_count() -> None:
    page = Deaf()
    page.speaker.begin("a")
    page.at("a", 120.0)
    assert page.speaker.flush(timeout_s=0.0) == Played("a", 120.0, 0.0, "flushed", exact=False)


def test_one_waits_for_the_end_of_an_item() -> None:
    page = Deaf()
    page.speaker.begin("a")

    async def wait() -> Played:
        task = asyncio.ensure_future(page.speaker.finished("a", 5))
        await asyncio.sleep(0)
        page.say("drained", item="a", played_ms=500.0)
        return await task

    assert run(wait()) == Played("a", 500.0, state="drained")
    assert run(page.speaker.finished("a", 5)).state == "drained"
    assert run(page.speaker.finished("never", 0.0)).exact is False


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_a_reloaded_page_ends_what_the_old_one_played() -> None:
    page = Deaf()
    page.speaker.begin("a")
    page.at("a", 120.0)
    page.say("ready", page="new", have=None)
    assert run(page.speaker.finished("a", 0.0)) == Played("a", 120.0, state="flushed", exact=False)
    assert page.speaker.playing is False


def test_garbage_from_a_page_is_ignored() -> None:
    page = Deaf()
    page.speaker._handle_custom_msg("hello", [])
    page.say("nothing known")
    assert page.speaker.playing is False


def test_the_front_ends_choice_of_subshell_stands() -> None:
    """Without it a flush's answer would wait until a blocking cell has ended."""

    class Comm:
        def _reply_subshell_for(self, data: Any, default: Any) -> Any:
            return "elsewhere"

    from aigw_notebook.widgets.live import keep_front_end_route

    widget = type("Widget", (), {"comm": Comm()})()
    keep_front_end_route(widget)
    assert widget.comm._reply_subshell_for({}, "own") == "own"
    keep_front_end_route(type("Widget", (), {"comm": object()})())


def test_the_pinned_kernel_has_the_route_that_is_overridden() -> None:
    from ipykernel.comm import Comm

    assert callable(getattr(Comm, "_reply_subshell_for", None))


def test_a_connection_that_is_not_open_yet_cannot_be_attached_to() -> None:
    for widget in (Speaker(), aigw.Microphone()):
        with pytest.raises(ConfigurationError, match="attach inside"):
            widget.attach(aigw.connect("openai"))


def test_a_speaker_shows_itself_briefly_and_holds_no_secret() -> None:
    speaker = Speaker(volume=0.5)
    bundle = speaker._repr_mimebundle_()[0]
    assert bundle["text/plain"] == "<Speaker silent, volume 50%>"
    assert set(speaker.get_state()) >= {"volume", "muted", "pre_roll_ms"}


def test_the_answers_of_a_session_are_played_and_their_end_is_told(gateway: LocalGateway) -> None:
    page = Deaf()
    with aigw.connect("openai", gateway=gateway.url, token=gateway.token) as session:
        page.speaker.attach(session).attach(session)
        turn = session.ask("Count from 1 to 3")
        assert turn.audio is not None
        item = next(content["item"] for content, _ in page.sent if content["kind"] == "begin")
        assert page.data(item) == turn.audio.data
        assert page.kinds.count("end") == 1
        page.say("drained", item=item, played_ms=turn.audio.duration_ms)
        portal().run(asyncio.sleep(0))
        spoken = next(row for row in session.records if row["role"] == "assistant")
        assert spoken["heard_ms"] == pytest.approx(turn.audio.duration_ms)
        page.speaker.detach(session)
        page.sent.clear()
        session.ask("Count from 1 to 3")
    assert page.sent == []


def test_stop_in_the_page_cuts_the_answer_to_what_was_heard(gateway: LocalGateway) -> None:
    page = Deaf()
    with aigw.connect("openai", gateway=gateway.url, token=gateway.token) as session:
        page.speaker.attach(session)
        turn = session.ask("Count from 1 to 9")
        assert turn.audio is not None
        item = next(content["item"] for content, _ in page.sent if content["kind"] == "begin")
        page.at(item, 400.0)
        page.heard = item, 500.0
        page.flushed(item, 500.0, turn.audio.duration_ms - 500.0, id=None)
        session.interrupt()  # comes after the click, and waits for its count
        spoken = next(row for row in session.records if row["role"] == "assistant")
    assert spoken["heard_ms"] == 500.0
