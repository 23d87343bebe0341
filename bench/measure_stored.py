"""Bytes of a saved session of two voices against what crossed the wire: 24 kHz, base64 deltas of 100 ms both ways.

The speech is that of the local voice, one side speaking after the other; the microphone stays open, and hears a faint
noise while the model speaks. The reference is the wire's own bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.events import AudioDelta
from aigw_notebook.lines import Line
from aigw_notebook.recording import Header, Recording
from aigw_notebook.recording_file import pack, unpack
from bench.core import Goal, Row, absolute

GOAL = Goal(firm=0.35, stretch=0.27)
DELTA_BYTES = PCM16_24K.byte_count(100)
SENTENCES = (
    "Good morning. I have an appointment at nine, and I would like to know where to wait.",
    "Please take a seat in the room on your left; somebody will call you within ten minutes.",
    "Thank you. Could you also tell me whether there is a place to charge my telephone?",
    "There is a socket below the window, and the coffee beside it costs nothing.",
)


def run(quick: bool) -> list[Row]:
    rooms = {"a quiet room": 4.0, "a muted microphone": 0.0}
    return [measured(conversation(1 if quick else 4, noise), room) for room, noise in rooms.items()]


def measured(recording: Recording, room: str) -> Row:
    wire = sum(len(line.value) for line in recording.lines if line.kind in ("received", "sent"))
    stored = pack(recording)
    assert unpack(stored) == recording
    minutes = sum(_length_ms(line) for line in recording.lines) / 60_000
    note = f"{minutes:.1f} min of sound"
    return absolute(f"stored bytes, two voices, {room}", "x wire", GOAL, len(stored) / wire, note)


def _length_ms(line: Line) -> float:
    return PCM16_24K.duration_ms(line.value[0]) if line.kind == "voice" else _answer_ms(line)


def _answer_ms(line: Line) -> float:
    return PCM16_24K.duration_ms(line.value.data) if isinstance(line.value, AudioDelta) else 0.0


def conversation(rounds: int, noise: float) -> Recording:
    """The sentences in turn, said by the user and by the model; `noise` is that of the room, in steps of a sample."""
    lines: list[Line] = []
    for number, sound in enumerate(speech(sentence) for sentence in SENTENCES * rounds):
        if number % 2:
            lines += asked(hiss(len(sound), noise, number))
            lines += answered(number, sound)
        else:
            lines += asked(sound)
    started_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Recording(header=Header(session_id="s1", provider="openai", started_at=started_at), lines=lines)


def speech(text: str) -> bytes:
    from aigw_notebook.gateway.engines.selection import choose_engines

    return b"".join(choose_engines().voice.speak(text, sample_rate=PCM16_24K.sample_rate))


def asked(sound: bytes) -> Iterator[Line]:
    for at, piece in pieces(sound):
        audio = b64encode(piece).decode()
        yield Line(at, "voice", (piece, PCM16_24K))
        event = {"type": "input_audio_buffer.append", "event_id": f"event_{at:.0f}", "audio": audio}
        yield Line(at, "sent", json.dumps(event))


def answered(number: int, sound: bytes) -> Iterator[Line]:
    for at, piece in pieces(sound):
        event = {
            "type": "response.output_audio.delta",
            "event_id": f"event_{number}{at:09.0f}",
            "response_id": f"resp_{number}",
            "item_id": f"item_{number}",
            "output_index": 0,
            "content_index": 0,
            "delta": b64encode(piece).decode(),
        }
        yield Line(at, "received", json.dumps(event))
        yield Line(at, "event", AudioDelta(data=piece, format=PCM16_24K, item_id=f"item_{number}"))


def hiss(size: int, noise: float, seed: int) -> bytes:
    """A room in which nobody speaks."""
    import numpy as np

    return np.random.default_rng(seed).normal(0, noise, size // 2).astype("<i2").tobytes()


def pieces(sound: bytes) -> Iterator[tuple[float, bytes]]:
    for at in range(0, len(sound), DELTA_BYTES):
        yield PCM16_24K.duration_ms(at), sound[at : at + DELTA_BYTES]
