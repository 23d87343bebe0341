"""The user's speech stands where it was spoken: by its place in the sent audio, and by when that was sent."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from aigw_notebook.audio.formats import PCM16_16K
from aigw_notebook.events import InputCommitted, InputTranscript, SpeechStarted, SpeechStopped
from aigw_notebook.providers.base import TurnDetection
from aigw_notebook.session.user_input import AudioRing
from aigw_notebook.session.voice import VoiceInput
from aigw_notebook.transcript import Transcript

PIECE = bytes(3_200)  # 100 ms


class Clock:
    """A session's clock that a test moves."""

    now_ms = 0.0

    def __call__(self) -> float:
        return self.now_ms


def listening(clock: Clock) -> tuple[VoiceInput, Transcript]:
    """The voice of a session whose provider ends the turns, and its transcript."""
    transcript = Transcript(session_id="s", provider="acme", model=None)
    codec: Any = SimpleNamespace(input_format=PCM16_16K)

    async def send_slowly(event: object) -> None:
        del event

    voice = VoiceInput(
        codec,
        transcript,
        automatic=TurnDetection,
        can_switch=True,
        send=lambda event: None,
        send_slowly=send_slowly,
        now_ms=clock,
    )
    return voice, transcript


def test_a_row_begins_when_its_speech_did_and_not_when_the_provider_told() -> None:
    clock = Clock()
    voice, transcript = listening(clock)
    for n in range(1, 11):  # a microphone that was switched on at 5,000 ms
        clock.now_ms = 5_000 + 100.0 * n
        asyncio.run(voice.chunk(PIECE, None))
    clock.now_ms = 6_050.0
    transcript.start_turn(clock.now_ms)
    started = SpeechStarted(at_ms=250.0, item_id="u1")
    voice.on_speech_started(started)
    transcript.receive(started, clock.now_ms)
    stopped = SpeechStopped(at_ms=950.0, item_id="u1")
    voice.on_speech_stopped(stopped)
    transcript.receive(stopped, 6_100.0)
    transcript.receive(InputCommitted(item_id="u1"), 6_101.0)
    transcript.receive(InputTranscript(text="hello", item_id="u1", final=True), 9_000.0)
    (row,) = transcript.records
    assert (row["start_ms"], row["audio_ms"], row["text"]) == (5_250.0, 700.0, "hello")


def test_speech_whose_place_is_not_told_stands_where_it_was_noticed() -> None:
    clock = Clock()
    voice, transcript = listening(clock)
    clock.now_ms = 700.0
    transcript.start_turn(clock.now_ms)
    started = SpeechStarted(item_id="u1")
    voice.on_speech_started(started)
    transcript.receive(started, clock.now_ms)
    assert transcript.records[0]["start_ms"] == 700.0


@pytest.mark.parametrize(
    ("at_ms", "spoken_ms"),
    [
        (50.0, 950.0),  # inside the first piece, which was sent at 1,000 ms
        (100.0, 1_000.0),
        (150.0, 1_050.0),
        (450.0, 3_950.0),  # a piece after a pause was spoken at the end of it
        (650.0, 4_000.0),  # two pieces at once: the second was not spoken before the first was sent
        (9_999.0, None),
    ],
)
def test_a_piece_was_spoken_just_before_it_was_sent(at_ms: float, spoken_ms: float | None) -> None:
    ring = AudioRing(PCM16_16K)
    ring.append(PIECE, 1_000.0)
    ring.append(PIECE, 1_100.0)
    ring.append(PIECE * 3, 4_000.0)
    ring.append(PIECE * 3, 4_000.0)
    assert ring.spoken_ms(at_ms) == spoken_ms
