"""The user breaks in: silence at once, and records and the provider's memory cut to what a player says was heard.

The players here are played by the test: each hears exactly as much as the test says.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import aigw_notebook as aigw
from aigw_notebook.audio.formats import AudioFormat
from aigw_notebook.errors import ConfigurationError, Unsupported
from aigw_notebook.events import (
    AudioDelta,
    InputCommitted,
    InputTranscript,
    ItemDeleted,
    ItemTruncated,
    OutputCorrected,
    PlaybackEnded,
    PlaybackInterrupted,
    ResponseDone,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    TurnFinished,
)
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.session import playback
from tests.speech import spoken

pytestmark = pytest.mark.sessions

NO_GREETING: dict[str, Any] = {"conversation_config_override": {"agent": {"first_message": ""}}}
STORY = "Say: " + "one two three four five six seven eight nine ten " * 6
OPTIONS: dict[str, dict[str, Any]] = {"elevenlabs": {"options": NO_GREETING}}
RATES = {"openai": 24_000, "google": 16_000, "elevenlabs": 16_000}


class Listener:
    """A player whose listener has heard `heard_ms` of all that it was given, in order."""

    def __init__(self) -> None:
        self.heard_ms = 0.0
        self.given: dict[str | None, float] = {}
        self.calls: list[tuple[Any, ...]] = []

    def begin(self, item_id: str | None) -> None:
        self.calls.append(("begin", item_id))

    def add(self, item_id: str | None, data: bytes, format: AudioFormat) -> None:
        self.given[item_id] = self.given.get(item_id, 0.0) + format.duration_ms(data)
        self.calls.append(("add", item_id))

    def end(self, item_id: str | None) -> None:
        self.calls.append(("end", item_id))

    def hold(self, on: bool) -> None:
        self.calls.append(("hold", on))

    def flush(self) -> Awaitable[Mapping[str | None, float]]:
        self.calls.append(("flush",))
        counts = {item: self.played_ms(item) or 0.0 for item in self.given}
        return self._told(counts)

    async def _told(self, counts: Mapping[str | None, float]) -> Mapping[str | None, float]:
        return counts

    def played_ms(self, item_id: str | None) -> float | None:
        left = self.heard_ms
        for item, ms in self.given.items():
            if item == item_id:
                return max(0.0, min(left, ms))
            left -= ms
        return None

    @property
    def kinds(self) -> list[str]:
        return [call[0] for call in self.calls]


class Talk:
    """A session with a listener, and all its events."""

    def __init__(self, session: aigw.Session, rate: int) -> None:
        self.session, self.rate = session, rate
        self.listener = Listener()
        self.events: list[Any] = []
        self._news = threading.Condition()
        session.add_player(self.listener)
        session.core.add_sink(self._take)

    def _take(self, event: Any) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def until(self, reached: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(reached, 15), self.kinds

    def event(self, kind: type, number: int = 1) -> Any:
        """The event of that kind and number, once it has come."""
        self.until(lambda: len(self.of(kind)) >= number)
        return self.of(kind)[number - 1]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def ask(self, text: str = STORY) -> Callable[[], aigw.Turn]:
        """Asks in another thread; call what is given for the turn."""
        turns: list[aigw.Turn] = []
        thread = threading.Thread(target=lambda: turns.append(self.session.ask(text)))
        thread.start()

        def turn() -> aigw.Turn:
            thread.join(15)
            return turns[0]

        return turn

    def received(self, ms: float) -> None:
        """Return when that much of the answer is there."""
        self.until(lambda: sum(e.format.duration_ms(e.data) for e in self.of(AudioDelta)) >= ms)

    def say(self, text: str, *, silence_ms: int = 800) -> None:
        self.send(spoken(text, self.rate, silence_ms=silence_ms))

    def send(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), self.rate // 25 * 2):
            self.session.send_audio(pcm[start : start + self.rate // 25 * 2])

    def cough(self) -> None:
        """A sound that is taken for speech and holds no word."""
        hum = np.sin(2 * np.pi * 500 * np.arange(self.rate // 4) / self.rate) * 9_000
        self.send(hum.astype("<i2").tobytes() + bytes(2 * self.rate))


@contextmanager
def talk(provider: str, speed: float, **settings: Any) -> Iterator[Talk]:
    with (
        aigw.LocalGateway(pace=Pace(first_token_ms=0, text_delta_ms=0, audio_speed=speed)) as gateway,
        aigw.connect(provider, gateway=gateway, quiet=True, log="memory", **OPTIONS.get(provider, {}), **settings) as s,
    ):
        yield Talk(s, RATES.get(provider, 24_000))


def answer_of(turn: aigw.Turn) -> dict[str, Any]:
    return next(row for row in turn.records if row["role"] == "assistant")


# -------------------------------------------------------------------------------------------------------- by voice


@pytest.mark.parametrize("provider", ["openai", "google", "elevenlabs"])
def test_speaking_silences_the_answer_and_cuts_it_to_what_was_heard(provider: str) -> None:
    with talk(provider, speed=2.0) as it:
        asked = it.ask()
        it.received(1_000)
        it.listener.heard_ms = 400.0
        it.say("what is 2 plus 2?")
        turn = asked()
        row = answer_of(turn)
        assert turn.status == "interrupted" and row["status"] == "interrupted"
        assert row["heard_ms"] == 400.0 < row["audio_ms"]
        assert [(e.item_id, e.played_ms) for e in it.of(PlaybackInterrupted)] == [(row["item_id"], 400.0)]
        flushed = it.listener.kinds.index("flush")
        assert ("add", row["item_id"]) not in it.listener.calls[flushed:], "late audio is not played"
        second = it.session.next_turn(timeout_s=15)
        assert "4" in second.text and second.status == "completed"
        assert ("begin", answer_of(second)["item_id"]) in it.listener.calls[flushed:]
        if provider == "openai":
            assert [e.audio_end_ms for e in it.of(ItemTruncated)] == [400]
        if provider == "elevenlabs":
            corrected = it.event(OutputCorrected).text
            assert answer_of(turn)["heard_text"] == corrected
        else:
            assert row["text"].startswith(row["heard_text"]) and len(row["heard_text"]) < len(row["text"])


def test_the_players_are_silent_before_anybody_hears_of_the_speech() -> None:
    """Nothing lies between the provider's word and silence: the call that brings the one makes the other."""
    with talk("openai", speed=2.0) as it:
        seen: list[bool] = []
        it.session.core.add_sink(
            lambda e: seen.append("flush" in it.listener.kinds) if isinstance(e, SpeechStarted) else None
        )
        asked = it.ask()
        it.received(500)
        it.say("what is 2 plus 2?")
        asked()
        assert seen == [True]


@pytest.mark.parametrize("provider", ["openai", "google", "elevenlabs"])
def test_an_answer_that_is_complete_and_still_played_can_be_interrupted(provider: str) -> None:
    with talk(provider, speed=40.0) as it:
        turn = it.session.ask(STORY)
        it.listener.heard_ms = 700.0
        it.say("what is 2 plus 2?")
        it.event(PlaybackInterrupted)
        assert turn.status == "completed"
        row = answer_of(turn)
        assert (row["status"], row["heard_ms"]) == ("interrupted", 700.0) and len(row["heard_text"]) < len(row["text"])
        assert "4" in it.session.next_turn(timeout_s=15).text
        assert [e.audio_end_ms for e in it.of(ItemTruncated)] == ([700] if provider == "openai" else [])


def test_a_player_may_take_its_time_to_say_what_was_heard_when_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Listener):
        async def _told(self, counts: Any) -> Any:
            await asyncio.sleep(0.05)
            return dict.fromkeys(counts, 400.0)

    monkeypatch.setattr(playback, "STOP_S", 0.0)
    with talk("openai", speed=2.0) as it:
        it.session.remove_player(it.listener)
        it.session.add_player(Slow())
        asked = it.ask()
        it.received(1_000)
        it.say("what is 2 plus 2?")
        assert answer_of(asked())["heard_ms"] == 400.0


def test_an_answer_that_was_heard_to_its_end_is_not_cut() -> None:
    with talk("openai", speed=0) as it:
        turn = it.session.ask("Say: one two three")
        it.listener.heard_ms = 1e6
        it.say("what is 2 plus 2?")
        assert "4" in it.session.next_turn(timeout_s=15).text
        assert answer_of(turn)["status"] == "completed" and it.of(PlaybackInterrupted) == []
        assert "flush" not in it.listener.kinds


# ------------------------------------------------------------------------------------------------------------ Stop


@pytest.mark.parametrize("provider", ["openai", "google", "elevenlabs", "cartesia"])
def test_stop_is_counted_by_the_player(provider: str) -> None:
    with talk(provider, speed=8.0) as it:
        asked = it.ask()
        it.received(600)
        it.listener.heard_ms = 250.0
        it.session.interrupt()
        turn = asked()
        assert turn.status == "interrupted" and answer_of(turn)["heard_ms"] == 250.0
        added = it.listener.kinds.count("add")
        assert it.session.ask("Say: yes").status == "completed"
        assert it.listener.kinds.count("add") > added, "the next answer is played"
        assert [e.audio_end_ms for e in it.of(ItemTruncated)] == ([250] if provider == "openai" else [])


def test_nothing_heard_is_nothing_remembered() -> None:
    """The provider refuses to keep no audio at all of an item: it is taken out."""
    with talk("openai", speed=2.0) as it:
        asked = it.ask()
        it.received(600)
        it.session.interrupt()
        row = answer_of(asked())
        assert row["heard_ms"] == 0.0 and row["heard_text"] == ""
        assert it.event(ItemDeleted).item_id == row["item_id"] and it.of(ItemTruncated) == []
        assert it.session.ask("Say: yes").status == "completed"


def test_stop_before_the_first_sound_leaves_the_answer_before_it_alone() -> None:
    with talk("openai", speed=0, modalities="text") as it:
        first = it.session.ask("Say: yes", modalities=["audio"])
        it.session.core.played(answer_of(first)["item_id"], answer_of(first)["audio_ms"])
        it.session.send(aigw.events.AppendText(text=STORY))
        it.session.core.transcript.receive(PlaybackInterrupted(played_ms=0.0), 1.0)
        assert (
            answer_of(first)["status"] == "completed" and answer_of(first)["heard_ms"] == answer_of(first)["audio_ms"]
        )


def test_of_several_players_the_one_that_played_most_counts_and_one_that_fails_is_dropped(caplog: Any) -> None:
    class Broken(Listener):
        def flush(self) -> Any:
            raise OSError("no device")

    with talk("openai", speed=2.0) as it:
        second, broken = Listener(), Broken()
        it.session.add_player(second)
        it.session.add_player(broken)
        asked = it.ask()
        it.received(600)
        it.listener.heard_ms, second.heard_ms, broken.heard_ms = 100.0, 300.0, 900.0
        it.session.interrupt()
        assert answer_of(asked())["heard_ms"] == 300.0
        assert "dropped" in caplog.text
        it.session.remove_player(second)
        it.session.ask("Say: yes")
        assert second.kinds[-1] == "flush" and broken.kinds[-1] == "add"


def test_a_player_that_comes_in_mid_answer_has_it_from_its_beginning() -> None:
    with talk("openai", speed=2.0) as it:
        asked = it.ask()
        it.received(600)
        late = Listener()
        it.session.add_player(late)
        it.received(1_200)
        it.session.interrupt()
        asked()
        assert late.given == it.listener.given


def test_a_player_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute(Listener):
        async def _told(self, counts: Any) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr(playback, "STOP_S", 0.01)
    with talk("openai", speed=2.0) as it:
        it.session.remove_player(it.listener)
        it.listener = Mute()
        it.session.add_player(it.listener)
        asked = it.ask()
        it.received(600)
        it.listener.heard_ms = 200.0
        it.session.interrupt()
        assert answer_of(asked())["heard_ms"] == 200.0, "its last count holds"


def test_what_was_heard_to_its_end_is_told_by_the_player() -> None:
    with talk("openai", speed=0) as it:
        row = answer_of(it.session.ask("Say: yes"))
        assert row["heard_ms"] is None
        it.session.core.played(row["item_id"], row["audio_ms"])
        (ended,) = it.of(PlaybackEnded)
        row = answer_of(it.session.turns[0])
        assert ended.item_id == row["item_id"] and row["heard_ms"] == row["audio_ms"] and row["status"] == "completed"
        again = it.session.recording().transcript()
        assert [r["heard_ms"] for r in again.records] == [r["heard_ms"] for r in it.session.records]


# ------------------------------------------------------------------------------------------------------ false alarms


def test_a_cough_pauses_the_answer_and_no_more() -> None:
    with talk("openai", speed=8.0, barge_in="hold", hold_s=0.3) as it:
        asked = it.ask()
        it.received(300)
        it.cough()
        it.until(lambda: ("hold", False) in it.listener.calls)
        turn = asked()
        assert turn.status == "completed" and answer_of(turn)["status"] == "completed"
        assert ("hold", True) in it.listener.calls and "flush" not in it.listener.kinds
        assert it.of(PlaybackInterrupted) == [] and len(it.of(ResponseDone)) == 1, "nobody answers a cough"
        assert [e.status for e in it.of(TurnFinished)] == ["cancelled", "completed"]
        it.listener.heard_ms = 1e6
        it.say("what is 2 plus 2?")
        assert "4" in it.session.next_turn(timeout_s=15).text


def test_words_end_the_pause_and_the_answer() -> None:
    with talk("openai", speed=1.0, barge_in="hold", hold_s=5.0) as it:
        asked = it.ask()
        it.received(600)
        it.listener.heard_ms = 300.0
        it.say("what is 2 plus 2?")
        assert asked().status == "interrupted" and answer_of(it.session.turns[0])["heard_ms"] == 300.0
        second = it.session.next_turn(timeout_s=15)
        assert "4" in second.text and second.number == 2
        order = it.listener.kinds
        assert order.index("hold") < order.index("flush")
        assert [e.audio_end_ms for e in it.of(ItemTruncated)] == [300]
        kinds = it.kinds
        assert kinds.index(SpeechStopped.__name__) < kinds.index(PlaybackInterrupted.__name__)


def test_who_goes_on_speaking_is_no_cough() -> None:
    with talk("openai", speed=1.0, barge_in="hold", hold_s=0.05) as it:
        asked = it.ask()
        it.received(300)
        it.send(spoken("what is 2 plus", 24_000))
        assert asked().status == "interrupted"
        assert it.of(SpeechStopped) == it.of(InputCommitted) == it.of(InputTranscript) == []
        it.say("3?")
        it.event(ResponseStarted, 2)
        assert it.session.turns[1].status == "running"


def test_with_barge_in_off_the_answer_is_played_and_the_question_answered_after_it() -> None:
    with talk("openai", speed=12.0, barge_in="off") as it:
        asked = it.ask()
        it.received(300)
        it.say("what is 2 plus 2?")
        assert asked().status == "completed" and "flush" not in it.listener.kinds
        assert "4" in it.session.next_turn(timeout_s=15).text


def test_loudness_on_this_side_pauses_until_the_provider_agrees() -> None:
    with talk("openai", speed=2.0) as it:
        it.session.user_speaks()
        assert it.listener.calls == [], "nothing is being played"
        asked = it.ask()
        it.received(300)
        it.session.user_speaks()
        assert ("hold", True) in it.listener.calls
        it.say("what is 2 plus 2?")
        assert asked().status == "interrupted" and "flush" in it.listener.kinds


def test_loudness_that_the_provider_does_not_hear_is_forgotten() -> None:
    with talk("google", speed=8.0, hold_s=0.05) as it:
        asked = it.ask()
        it.received(300)
        it.session.user_speaks()
        it.until(lambda: ("hold", False) in it.listener.calls)
        assert asked().status == "completed" and "flush" not in it.listener.kinds


def test_loudness_is_a_barge_in_where_the_provider_does_not_listen() -> None:
    with talk("openai", speed=2.0, turn_detection="manual") as it:
        asked = it.ask()
        it.received(600)
        it.listener.heard_ms = 150.0
        it.session.user_speaks()
        assert asked().status == "interrupted" and answer_of(it.session.turns[0])["heard_ms"] == 150.0


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        ({"barge_in": "hold"}, Unsupported, "openai"),
        ({"barge_in": "off"}, Unsupported, "openai or google|google or openai"),
        ({"barge_in": "never"}, ConfigurationError, "hold"),
        ({"hold_s": 0}, ConfigurationError, "hold_s is 0"),
    ],
)
def test_what_cannot_be_had_is_refused_at_once(wish: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        aigw.connect("elevenlabs", **wish)


def test_a_provider_told_not_to_be_interrupted_is_played_on() -> None:
    detection = aigw.TurnDetection(interrupt_response=False)
    with talk("google", speed=12.0, turn_detection=detection) as it:
        asked = it.ask()
        it.received(300)
        it.say("what is 2 plus 2?")
        assert asked().status == "completed" and "flush" not in it.listener.kinds
        assert "4" in it.session.next_turn(timeout_s=15).text
