"""An hour of talk, both sides at 24 kHz, told to a transcript as fast as the log takes it.

Prints the process's memory after its first minute and its last, in bytes, and how often a turn's sound was wrong when
it was asked for again. Usage: hour.py FOLDER MINUTES.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import psutil

from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.events import AudioDelta, ResponseDone, ResponseStarted
from aigw_notebook.log.writer import Writer
from tests.log.making import begun, transcript_of, written

PIECE = bytes(range(240)) * 20
PIECES_IN_TURN = 100
TURN_MS = 10_000.0


def piece(turn: int, number: int, side: int) -> bytes:
    """0.1 s of sound that is like no other piece."""
    return (turn * 1_000_003 + number * 2 + side).to_bytes(8) + PIECE[8:]


def main() -> None:
    writer = Writer(Path(sys.argv[1]) / "log.sqlite3")
    session = begun(writer)
    transcript, process = transcript_of(session), psutil.Process()
    count, first = int(sys.argv[2]) * 6, 0
    for turn in range(count):
        running = transcript.start_turn(turn * TURN_MS)
        transcript.receive(ResponseStarted(response_id=f"r{turn}"), turn * TURN_MS)
        for number in range(PIECES_IN_TURN):
            t_ms = turn * TURN_MS + number * 100.0
            heard, said = piece(turn, number, 0), piece(turn, number, 1)
            session.add(t_ms, "sent", json.dumps({"type": "append", "audio": base64.b64encode(heard).decode()}))
            transcript.user_audio(heard, PCM16_24K, t_ms)
            session.add(t_ms, "received", json.dumps({"type": "delta", "delta": base64.b64encode(said).decode()}))
            event = AudioDelta(data=said, format=PCM16_24K, item_id=f"i{turn}", response_id=f"r{turn}")
            transcript.receive(event, t_ms)
        transcript.receive(ResponseDone(response_id=f"r{turn}", status="completed"), t_ms)
        transcript.finish_turn(running, "completed", t_ms)
        transcript._unbound = None
        written(session)
        if turn == 5:
            first = process.memory_info().rss
    last = process.memory_info().rss
    wrong = sum(
        turn.audio is None or turn.audio.data != b"".join(piece(n, part, 1) for part in range(PIECES_IN_TURN))
        for n, turn in list(enumerate(transcript.turns))[:: max(1, count // 10)]
    )
    print(first, last, wrong, session.dropped)
    writer.closed = True  # the hour is not packed: that is another test's


if __name__ == "__main__":
    main()
