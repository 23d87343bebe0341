"""The microphone in a real page, with a device that hears a tone: pace, losses, files, troubles."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from aigw_notebook import Clip
from tests.browser_harness import IDLE, SHOTS, SHOWN, lab_url, opened, run_all, told, wait_until
from tests.notebook_files import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SETUP = """
import asyncio, json, time
import numpy as np
import aigw_notebook as aigw
mic = aigw.Microphone(echo_cancellation=False)
def tell(name, **values):
    with open(name, "w") as file:
        json.dump(values, file)
def pitch(clip):
    samples = clip.to_numpy()
    return float(np.abs(np.fft.rfft(samples)).argmax() * clip.sample_rate / len(samples))
"""

LINE = "document.querySelector('.aigw-sound-line').textContent"
TROUBLE = "document.querySelector('.aigw-sound-trouble').textContent"


RECORD = """
at, sizes = [], []
async for data in mic.chunks():
    at.append(time.time())
    sizes.append(len(data))
    if at[-1] - at[0] >= 5:
        break
mic.stop()
await asyncio.sleep(0.3)
clip = await mic.record(1.0)
await asyncio.sleep(0.3)
mic.sample_rate = 16_000
other = await mic.record(1.0)
await asyncio.sleep(0.3)
tell("mic.json", other=[other.sample_rate, other.duration_ms, pitch(other)],
     per_s=(len(at) - 1) / (at[-1] - at[0]), sizes=sorted(set(sizes)), lost=mic.lost, dropped=mic.dropped,
     received=mic.received, clip_ms=clip.duration_ms, pitch=pitch(clip), on=mic.recording)
"""

REFUSE_16_KHZ = """() => {
  const connect = AudioContext.prototype.createMediaStreamSource;
  AudioContext.prototype.createMediaStreamSource = function (stream) {
    if (this.sampleRate === 16000) throw new DOMException("another rate", "NotSupportedError");
    return connect.call(this, stream);
  };
}"""

BLOCKED = """
mic.start()
deadline = time.time() + 20
while mic.received < 40 and time.time() < deadline:
    time.sleep(0.02)
mic.stop()
tell("blocked.json", received=mic.received, lost=mic.lost)
"""


def test_chunks_come_in_time_and_none_is_lost(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "mic.ipynb", SETUP, "mic", "await asyncio.sleep(1)", RECORD)
    with opened(browser, lab_url(lab, path.name), "mic-chunks") as page:
        page.evaluate(REFUSE_16_KHZ)
        run_all(page)
        wait_until(page, IDLE, 4)
    values = told(folder / "mic.json")
    print(values)
    assert values["per_s"] >= 24.0
    assert (values["lost"], values["dropped"], values["on"]) == (0, 0, False)
    assert values["sizes"] == [1920]
    assert values["clip_ms"] == 1000.0
    assert abs(values["pitch"] - 500.0) < 3.0
    rate, ms, pitch = values["other"]
    assert (rate, ms) == (16_000, 1000.0) and abs(pitch - 500.0) < 3.0, "resampled where the browser refuses the rate"


def test_chunks_come_while_a_cell_blocks(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "blocked.ipynb", SETUP, "mic", "await asyncio.sleep(1)", BLOCKED)
    with opened(browser, lab_url(lab, path.name), "mic-blocked") as page:
        run_all(page)
        wait_until(page, IDLE, 4)
    values = told(folder / "blocked.json")
    assert values["received"] >= 40
    assert values["lost"] == 0


def test_a_refused_microphone_is_said_in_words_and_a_file_does_instead(
    browser: Browser, lab: str, folder: Path
) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 700 * np.arange(48_000 * 12) / 48_000)
    sound = Clip.from_any(np.stack([tone, tone], axis=1), sample_rate=48_000).save(folder / "question.wav")
    wait = "while not (mic.received and not mic.recording):\n    await asyncio.sleep(0.05)"
    tell = 'tell("file.json", ms=mic.clip.duration_ms, pitch=pitch(mic.clip), lost=mic.lost, dropped=mic.dropped)'
    path = write_notebook(folder, "file.ipynb", SETUP, "mic", f"{wait}\n{tell}")
    with opened(browser, lab_url(lab, path.name), "mic-file") as page:
        page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = "
            "() => Promise.reject(new DOMException('no', 'NotAllowedError')); }"
        )
        run_all(page)
        wait_until(page, "() => document.querySelector('.aigw-sound-talk')")
        page.locator(".aigw-sound-talk").click()
        wait_until(page, f"() => {TROUBLE}.includes('was not allowed')")
        page.screenshot(path=SHOTS / "mic-refused.png")
        page.locator(".aigw-sound-file input").set_input_files(sound)
        wait_until(page, IDLE, 3)
    values = told(folder / "file.json")
    assert (values["lost"], values["dropped"]) == (0, 0)
    assert abs(values["ms"] - 12_000) < 1
    assert abs(values["pitch"] - 700) < 1


def test_push_to_talk_listens_while_the_key_is_held(browser: Browser, lab: str, folder: Path) -> None:
    cells = 'mic.mode = "push"\nmic', "while not mic.recording:\n    await asyncio.sleep(0.02)"
    path = write_notebook(folder, "push.ipynb", SETUP, *cells)
    with opened(browser, lab_url(lab, path.name), "mic-push") as page:
        run_all(page)
        wait_until(page, "() => document.querySelector('.aigw-sound-talk')")
        page.locator(".aigw-sound-talk").focus()
        page.keyboard.down(" ")
        wait_until(page, IDLE, 3)
        wait_until(page, f"() => {LINE}.startsWith('listening')")
        page.screenshot(path=SHOTS / "mic-push-held.png")
        page.keyboard.up(" ")
        wait_until(page, f"() => {LINE}.startsWith('off')")


HALF_DUPLEX = """
speaker = aigw.Speaker()
mic.half_duplex = True
display(mic, speaker)
"""

SPEAK = """
item = speaker.play(np.full(48_000, 1000, "<i2").tobytes(), 24_000)
mic.start()
while mic.received < 5:
    await asyncio.sleep(0.02)
await speaker.finished(item)
await asyncio.sleep(1.5)
mic.stop()
while mic.recording:
    await asyncio.sleep(0.02)
data = mic.clip.data
chunks = [any(data[at : at + 1920]) for at in range(0, len(data), 1920)]
tell("half.json", chunks=chunks, muted=mic.muted_chunks)
"""


def test_half_duplex_is_silence_while_the_page_speaks(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "half.ipynb", SETUP, HALF_DUPLEX, SHOWN, SPEAK)
    with opened(browser, lab_url(lab, path.name), "mic-half-duplex") as page:
        run_all(page)
        wait_until(page, IDLE, 4)
    values = told(folder / "half.json")
    runs = [(heard, len(list(group))) for heard, group in itertools.groupby(values["chunks"])]
    print(runs)
    assert [heard for heard, _ in runs] == [False, True]
    assert values["muted"] == runs[0][1] >= 25
