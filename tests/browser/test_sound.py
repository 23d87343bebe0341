"""The speaker in a real page: every sample, the time it takes, and what is counted."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from tests.browser.tapping import TAP, heard
from tests.browser_harness import IDLE, SHOTS, SHOWN, lab_url, opened, run_all, told, wait_until
from tests.notebook_files import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SETUP = """
import asyncio, json, random, time
import numpy as np
import aigw_notebook as aigw
from aigw_notebook.audio import PCM16_24K
speaker = aigw.Speaker()
signal = ((np.arange(96_000) * 7919) % 65_521 - 32_760).astype("<i2") | 1
def span(clip, frames):
    sounding = np.flatnonzero(np.frombuffer(clip.data, "<i2")[:frames])
    return int(sounding[-1] - sounding[0]) + 1
def tell(name, **values):
    with open(name, "w") as file:
        json.dump(values, file)
"""

SHOW = "display(speaker)\ndisplay(speaker)"

TAPPED = f"{SHOWN}await asyncio.sleep(0.3)"

QUIET = "() => window.tap.onsets.length > 0 && window.tap.silences.length >= window.tap.onsets.length"


def signal() -> NDArray[np.int16]:
    """What the kernel sends; no sample of it is zero."""
    return ((np.arange(96_000) * 7919) % 65_521 - 32_760).astype("<i2") | np.int16(1)


def notebook(folder: Path, name: str, *cells: str) -> Path:
    return write_notebook(folder, name, SETUP, SHOW, TAPPED, *cells)


@contextmanager
def sounded(browser: Browser, lab: str, folder: Path, name: str, cell: str) -> Iterator[Page]:
    """A page with a tap, in which that cell has run and its sound is over."""
    path = notebook(folder, f"{name}.ipynb", cell)
    with opened(browser, lab_url(lab, path.name), f"sound-{name}") as page:
        page.evaluate(TAP)
        run_all(page)
        wait_until(page, IDLE, 4)
        wait_until(page, QUIET)
        yield page


BURST = """
speaker.begin("burst")
for at in range(0, 96_000, 960):
    speaker.push("burst", signal[at : at + 960].tobytes(), PCM16_24K)
speaker.end("burst")
played = await speaker.finished("burst", 20)
tell("burst.json", played_ms=played.played_ms, state=played.state, underruns=speaker.underruns)
"""

JITTERED = """
speaker.pre_roll_ms = 500
speaker.begin("jitter")
for at in range(0, 96_000, 2400):
    speaker.push("jitter", signal[at : at + 2400].tobytes(), PCM16_24K)
    await asyncio.sleep(0.06 + random.random() * 0.08)
speaker.end("jitter")
played = await speaker.finished("jitter", 20)
tell("jitter.json", played_ms=played.played_ms, state=played.state, underruns=speaker.underruns)
"""


@pytest.mark.parametrize(("name", "cell"), [("burst", BURST), ("jitter", JITTERED)])
def test_every_sample_is_heard_as_it_was_sent(browser: Browser, lab: str, folder: Path, name: str, cell: str) -> None:
    path = notebook(folder, f"exact-{name}.ipynb", cell)
    with opened(browser, lab_url(lab, path.name), f"sound-{name}") as page:
        page.evaluate(TAP)
        run_all(page)
        wait_until(page, IDLE, 4)
        samples = heard(page)
        assert page.evaluate("() => window.tap.players") == 1
        assert page.evaluate("() => document.querySelectorAll('.aigw-sound-stop').length") == 2
    error = float(np.abs(samples * 32768.0 - signal()).max())
    told_ = told(folder / f"{name}.json")
    print(f"{name}: {len(samples)} samples, largest error {error}, {told_}")
    assert error == 0.0
    assert told_ == {"played_ms": 4000.0, "state": "drained", "underruns": 0}


LATENCY = """
stamps = []
for k in range(21):
    stamps.append(time.time() * 1000)
    speaker.play(signal[:1200].tobytes(), 24_000)
    await asyncio.sleep(0.25)
tell("latency.json", stamps=stamps)
"""

FLUSH = """
speaker.play(np.tile(signal, 3).tobytes(), 24_000, item_id="long")
await asyncio.sleep(1.0)
played = await speaker.flushed()
speaker.push("long", signal.tobytes(), PCM16_24K)
await asyncio.sleep(0.5)
tell("flush.json", played_ms=played.played_ms, dropped_ms=played.dropped_ms, item=played.item_id,
     exact=played.exact, known=speaker.played_ms("long"))
"""


FLUSHES = """
asked = []
for number in range(7):
    speaker.play(signal.tobytes(), 24_000)
    await asyncio.sleep(0.4)
    asked.append(time.time() * 1000)
    await speaker.flushed()
    await asyncio.sleep(0.2)
tell("flushes.json", asked=asked)
"""


def test_sound_begins_soon(browser: Browser, lab: str, folder: Path) -> None:
    with sounded(browser, lab, folder, "latency", LATENCY) as page:
        onsets = page.evaluate("() => window.tap.onsets")
    stamps = told(folder / "latency.json")["stamps"]
    assert len(onsets) == len(stamps)
    waits_ms = [onset - stamp for onset, stamp in zip(onsets, stamps, strict=True)][1:]
    print(f"send to sound: p50 {statistics.median(waits_ms):.1f} ms, longest {max(waits_ms):.1f} ms")
    assert statistics.median(waits_ms) <= 15.0


def test_a_flush_is_silence_soon(browser: Browser, lab: str, folder: Path) -> None:
    with sounded(browser, lab, folder, "flushes", FLUSHES) as page:
        silences = page.evaluate("() => window.tap.silences")
    asked = told(folder / "flushes.json")["asked"]
    waits_ms = [silence - stamp for silence, stamp in zip(silences, asked, strict=True)]
    print(f"flush to silence: p50 {statistics.median(waits_ms):.1f} ms, longest {max(waits_ms):.1f} ms")
    assert statistics.median(waits_ms) <= 30.0


def test_a_flush_is_an_exact_count(browser: Browser, lab: str, folder: Path) -> None:
    with sounded(browser, lab, folder, "flush", FLUSH) as page:
        silences = page.evaluate("() => window.tap.silences")
        frames = len(heard(page))
    told_ = told(folder / "flush.json")
    print(f"flush: {frames} frames heard, {told_}")
    assert len(silences) == 1
    assert abs(told_["played_ms"] * 24 - frames) <= 128
    assert told_["played_ms"] + told_["dropped_ms"] == pytest.approx(12_000)
    assert (told_["item"], told_["exact"], told_["known"]) == ("long", True, told_["played_ms"])


TALK = """
async with aigw.connect("openai") as session:
    speaker.attach(session)
    turn = await session.ask("Count from 1 to 5")
    spoken = next(row for row in session.records if row["role"] == "assistant")
    played = await speaker.finished(spoken["item_id"])
    await asyncio.sleep(0.2)
    spoken = next(row for row in session.records if row["role"] == "assistant")
tell("talk.json", played_ms=played.played_ms, audio_ms=turn.audio.duration_ms, heard_ms=spoken["heard_ms"],
     frames=span(turn.audio, None))
"""

STOPPED = """
async with aigw.connect("openai") as session:
    speaker.attach(session)
    turn = await session.ask("Count from 1 to 90")
    await asyncio.sleep(0.5)
    spoken = next(row for row in session.records if row["role"] == "assistant")
tell("stopped.json", status=turn.status, heard_ms=spoken["heard_ms"], text=turn.text,
     frames=span(turn.audio, round(spoken["heard_ms"] * 24)))
"""


def test_a_sessions_answer_is_heard_and_the_records_say_how_much(browser: Browser, lab: str, folder: Path) -> None:
    path = notebook(folder, "talk.ipynb", TALK)
    with opened(browser, lab_url(lab, path.name), "speaker-session") as page:
        page.evaluate(TAP)
        run_all(page)
        wait_until(page, IDLE, 4)
        frames = len(heard(page))
    values = told(folder / "talk.json")
    assert values["played_ms"] == pytest.approx(values["audio_ms"], abs=0.1)
    assert values["heard_ms"] == pytest.approx(values["audio_ms"], abs=0.1)
    assert frames == values["frames"]


def test_stop_in_the_page_ends_the_answer_at_what_was_heard(browser: Browser, lab: str, folder: Path) -> None:
    path = notebook(folder, "stopped.ipynb", STOPPED)
    with opened(browser, lab_url(lab, path.name), "speaker-stopped") as page:
        page.evaluate(TAP)
        run_all(page)
        wait_until(page, "() => document.querySelector('.aigw-sound-line')?.textContent.startsWith('playing 1.')")
        page.screenshot(path=SHOTS / "speaker-playing.png")
        page.locator(".aigw-sound-stop").first.click()
        wait_until(page, IDLE, 4)
        frames = len(heard(page))
    values = told(folder / "stopped.json")
    print(f"{frames} frames heard, {values['frames']} recorded")
    assert values["status"] == "interrupted"
    assert abs(values["frames"] - frames) <= 128
    assert "90" not in values["text"]
