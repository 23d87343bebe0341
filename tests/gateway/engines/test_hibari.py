"""The neural voice itself: early, intelligible in its timing, always the same, and never on the network."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from aigw_notebook.errors import MissingExtra
from aigw_notebook.gateway.emulators.letters import Letters
from aigw_notebook.gateway.engines import hibari
from aigw_notebook.gateway.engines.base import Sound
from aigw_notebook.gateway.engines.hibari import HibariVoice
from aigw_notebook.gateway.engines.phrases import FIRST_PHRASE, MAX_PHRASE, phrases
from aigw_notebook.gateway.engines.timbre import TIMBRES, timbre_of

pytestmark = pytest.mark.speech

RATE = 16_000
TEXT = "The gateway is open, and it stays open. Ask it anything!"


@pytest.fixture(scope="module")
def voice() -> HibariVoice:
    return HibariVoice()


def said(engine: HibariVoice, text: str, **options: Any) -> list[Sound]:
    return list(engine.say(text, **{"sample_rate": RATE, **options}))


def sound(engine: HibariVoice, text: str, **options: Any) -> bytes:
    return b"".join(each.pcm16 for each in said(engine, text, **options))


def loudness(pcm16: bytes) -> float:
    return float(np.sqrt(np.mean((np.frombuffer(pcm16, "<i2") / 32768.0) ** 2)))


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100])
def test_pieces_are_short_and_end_with_the_text(voice: HibariVoice, rate: int) -> None:
    sounds = said(voice, TEXT, sample_rate=rate)
    lengths_ms = [1_000 * len(each.pcm16) / 2 / rate for each in sounds]
    assert max(lengths_ms) <= 101 and 2_500 < sum(lengths_ms) < 6_000
    ends = [each.end_char for each in sounds]
    assert ends == sorted(ends) and ends[-1] == len(TEXT)


def test_the_same_call_gives_the_same_bytes_in_any_thread(voice: HibariVoice) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: sound(voice, TEXT), range(4)))
    assert made == {sound(HibariVoice(), TEXT)}


@pytest.mark.parametrize("text", ["", "   ", "🙂", "日本語", "---"])
def test_nothing_to_say_is_no_sound(voice: HibariVoice, text: str) -> None:
    assert said(voice, text) == []


def test_speed_and_voice_change_the_sound(voice: HibariVoice) -> None:
    usual = len(sound(voice, TEXT))
    assert len(sound(voice, TEXT, speed=2.0)) < 0.65 * usual
    assert len(sound(voice, TEXT, speed=0.5)) > 1.5 * usual
    assert len(sound(voice, TEXT, speed=9.0)) == len(sound(voice, TEXT, speed=2.0))
    assert len({sound(voice, TEXT, voice=name) for name in ("", "marin", "Puck", "thalia")}) == 4


def test_a_voice_always_has_one_timbre_and_names_spread_over_all() -> None:
    assert timbre_of("marin") == timbre_of("marin") and timbre_of("") == TIMBRES[0]
    many = [timbre_of(f"voice {number}") for number in range(200)]
    assert {(timbre.size, timbre.pace) for timbre in many} == {(timbre.size, timbre.pace) for timbre in TIMBRES}
    assert len(set(many)) > 60


def test_the_pause_after_a_sentence_is_where_the_times_say(voice: HibariVoice) -> None:
    letters, pcm = Letters(TEXT), b""
    for each in said(voice, TEXT):
        letters.add(len(each.pcm16) / 32, each.end_char)
        pcm += each.pcm16
    stop = TEXT.index(".")
    begin_ms, end_ms = letters.span_ms(stop, stop + 1, letters.made_ms)
    middle = pcm[32 * round((begin_ms + end_ms) / 2 - 50) : 32 * round((begin_ms + end_ms) / 2 + 50)]
    assert end_ms - begin_ms > 150
    assert loudness(middle) < 0.1 * loudness(pcm)


def test_words_come_one_after_the_other(voice: HibariVoice) -> None:
    letters = Letters(TEXT)
    for each in said(voice, TEXT):
        letters.add(len(each.pcm16) / 32, each.end_char)
    spans = [letters.span_ms(at, at + 1, letters.made_ms) for at in range(len(TEXT))]
    assert all(begin <= end <= later + 1e-6 for (begin, end), (later, _) in pairwise(spans))
    assert spans[-1][1] == pytest.approx(letters.made_ms)


def test_signs_and_marks_keep_their_places(voice: HibariVoice) -> None:
    text = "So x=3*4 is **12**. See https://www.example.com/a/b for $9.99!"
    ends = [each.end_char for each in said(voice, text)]
    assert ends == sorted(ends) and ends[-1] == len(text)
    assert text.index("See") in range(min(ends), max(ends))


def test_an_abandoned_answer_leaves_the_voice_usable(voice: HibariVoice) -> None:
    began = voice.say(TEXT, sample_rate=RATE)
    first = next(began)
    began.close()
    assert said(voice, TEXT)[0] == first


def test_it_never_asks_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    fresh = HibariVoice()
    fresh.warm_up()
    assert sound(fresh, "Zarglebot says hello.", voice="emma")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hibari, "is_installed", lambda: False)
    with pytest.raises(MissingExtra, match=r"aigw-notebook\[local\]"):
        HibariVoice()


@pytest.mark.parametrize("name", [b"/No_such_output_0", b"lh"], ids=["no such value", "a value of another length"])
def test_without_durations_words_are_timed_by_an_estimate(monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    monkeypatch.setattr(hibari, "DURATIONS", name)
    other = HibariVoice()
    assert sound(other, TEXT)[-RATE:] == sound(HibariVoice(), TEXT)[-RATE:]
    ends = [each.end_char for each in said(other, TEXT)]
    assert ends == sorted(ends) and ends[-1] == len(TEXT) and len(set(ends)) > 20


def test_what_is_said_in_one_go_is_bounded() -> None:
    text = "word " * 200 + "x" * 500 + ". Dr. Smith met J. K. Rowling. The end, e.g. here."
    parts = list(phrases(text))
    assert [start for start, _ in parts[1:]] == [end for _, end in parts[:-1]]
    assert parts[0][1] <= FIRST_PHRASE and max(end - start for start, end in parts) <= MAX_PHRASE
    assert [text[start:end].strip() for start, end in parts[-2:]] == [
        "Dr. Smith met J. K. Rowling.",
        "The end, e.g. here.",
    ]
