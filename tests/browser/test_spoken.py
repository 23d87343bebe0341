"""A conversation by voice alone: Chromium's microphone hears a person, the chat panel answers, the person breaks in.

The embedded gateway of the kernel does the talking, with the neural voice and a real recognizer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from playwright.sync_api import Browser

from aigw_notebook import Clip
from tests.browser.tapping import TAP, heard
from tests.browser_harness import chromium, jupyter, lab_url, opened, run_all, wait_until
from tests.notebook_files import write_notebook
from tests.real_speech import said, word_error_rate

pytestmark = [pytest.mark.quiet, pytest.mark.timeout(240)]

RATE = 48_000
FRAMES_A_MS = 24
MISSED_FRAMES = 500 * FRAMES_A_MS
ASKED, BROKE_IN = "tell me a long story", "how much does it cost"
ASKED_AT_MS, BROKE_IN_AT_MS = 1_000, 16_000
"""Since the microphone was switched on. The story takes half a minute and begins within a few seconds."""

PANEL = """
import asyncio, json, time
import aigw_notebook as aigw
panel = aigw.ChatPanel("openai", microphone="open")
chunks = []
def listen(widget, content, buffers):
    if content.get("kind") == "chunk":
        chunks.append((time.time(), content["seq"], len(buffers[0])))
panel.on_msg(listen)
panel
"""

TELL = """
def spoken():
    return [row for row in panel.records if row["role"] == "assistant"]
deadline = time.time() + 90
while not (len(spoken()) == 2 and spoken()[1]["heard_ms"] is not None) and time.time() < deadline:
    await asyncio.sleep(0.1)
for turn in panel.turns:
    with open(f"answer-{turn.number}.pcm", "wb") as file:
        file.write(turn.audio.data)
with open("spoken.json", "w") as file:
    json.dump({"chunks": chunks, **panel.microphone_counts, "heard_ms": [row["heard_ms"] for row in spoken()],
               "status": [row["status"] for row in spoken()]}, file)
"""

STATUS = "document.querySelector('.aigw-chat')?.dataset.status"
STOPPED = "() => [...document.querySelectorAll('.aigw-chat-facts')].some((f) => f.textContent.includes('stopped'))"
DONE = """() => [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].at(-1).textContent.match(/\\[\\d+\\]/)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spoken")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    with jupyter("lab", folder, {"AIGW_NOTEBOOK_ENGINES": "auto"}) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    question, other = (np.frombuffer(said(text, RATE), "<i2") / 32768 for text in (ASKED, BROKE_IN))
    samples = np.zeros(RATE * BROKE_IN_AT_MS // 1000 + len(other) + RATE)
    for at_ms, words in ((ASKED_AT_MS, question), (BROKE_IN_AT_MS, other)):
        start = RATE * at_ms // 1000
        samples[start : start + len(words)] = words
    path = Clip.from_any(samples, sample_rate=RATE).save(tmp_path_factory.mktemp("mic") / "person.wav")
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}%noloop",
    )
    with chromium(*flags) as browser:
        yield browser


def spoken(path: Path) -> NDArray[np.int16]:
    """An answer as the kernel had it."""
    return np.frombuffer(path.read_bytes(), "<i2")


def story_heard(tapped: NDArray[np.float32], story: NDArray[np.int16], rest: NDArray[np.int16]) -> tuple[int, int]:
    """How many frames of the story the tap took, at least and at most: silence at the end may be part of it or not.

    What was heard must be the story's own samples in their order, and then all of the other answer. Zeros are left out
    on both sides: a page that has to wait for more plays some. The tap is put in as the first sound comes, and may miss
    the very first.
    """
    sounds, at = np.round(tapped[tapped != 0] * 32768).astype("<i2"), np.flatnonzero(story)
    count = len(sounds) - np.count_nonzero(rest)
    begins = sliding_window_view(story[at[: MISSED_FRAMES + 64]], 64) == sounds[:64]
    first = int(np.flatnonzero(begins.all(axis=1))[0])
    assert np.array_equal(sounds, np.concatenate([story[at[first : first + count]], rest[rest != 0]]))
    return int(at[first + count - 1]) + 1, int([*at, len(story)][first + count])


def test_a_person_asks_hears_the_answer_and_breaks_in(browser: Browser, lab: str, folder: Path) -> None:
    path = write_notebook(folder, "spoken.ipynb", PANEL, TELL)
    with opened(browser, lab_url(lab, path.name), "spoken", permissions=("microphone",)) as page:
        page.evaluate(TAP)
        run_all(page)
        wait_until(page, f"() => {STATUS} === 'ready'")
        page.locator(".aigw-chat-mic").click()
        wait_until(page, STOPPED)
        wait_until(page, DONE)
        tapped = heard(page)
        asked = page.locator(".aigw-chat-user .aigw-chat-body").all_inner_texts()
        answered = page.locator(".aigw-chat-assistant .aigw-chat-text").all_inner_texts()
        page.locator(".aigw-chat-mic").click()
    told = json.loads((folder / "spoken.json").read_text())
    at, numbers, sizes = zip(*told["chunks"], strict=True)
    per_s = (len(at) - 1) / (at[-1] - at[0])
    least, most = story_heard(tapped, *(spoken(folder / f"answer-{n}.pcm") for n in (1, 2)))
    frames = told["heard_ms"][0] * FRAMES_A_MS
    off_ms = max(least - frames, frames - most, 0.0) / FRAMES_A_MS
    print(f"{per_s:.2f} chunks a second, {told['received']} received, {told['lost']} lost; transcripts {asked}")
    print(f"{least / FRAMES_A_MS:.1f} ms of the story heard; records {off_ms:.1f} ms off")
    assert per_s >= 24.0 and set(sizes) == {1920}
    assert (told["lost"], told["dropped"], numbers[-1] - numbers[0]) == (0, 0, len(numbers) - 1)
    assert [word_error_rate(*pair) for pair in zip((ASKED, BROKE_IN), asked, strict=True)] == [0.0, 0.0]
    assert answered[0].startswith("Once upon a time") and "costs nothing" in answered[1]
    assert told["status"] == ["interrupted", "completed"]
    assert least > FRAMES_A_MS * 1_000 and off_ms <= 60.0
