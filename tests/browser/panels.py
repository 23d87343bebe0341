"""Chat panels in a page, for tests: how they are found, asked, looked at, and spoken to."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.browser_harness import wait_until

__all__ = ["SETUP", "TAP", "ask", "fresh", "last", "mouth", "panel", "ready", "shoot", "until"]

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"

SETUP = "import aigw_notebook as aigw\nfrom IPython.display import display"

TAP = """() => {
  window.heard = 0;
  window.holds = [];
  const post = MessagePort.prototype.postMessage;
  MessagePort.prototype.postMessage = function (message, ...rest) {
    if (message?.op === "push") window.heard += message.samples.length;
    if (message?.op === "flush") window.flushed = (window.flushed ?? 0) + 1;
    if (message?.op === "hold") window.holds.push(message.on);
    return post.call(this, message, ...rest);
  };
}"""
"""Counts the samples that are handed to the players of a page, the flushes and the holds."""

MOUTH = """() => {
  let gain;
  window.microphone = {
    asked: 0,
    refused: null,
    speak: (on) => { gain.gain.value = on ? 1 : 0; },
  };
  navigator.mediaDevices.getUserMedia = async () => {
    window.microphone.asked += 1;
    if (window.microphone.refused) throw new DOMException("no", window.microphone.refused);
    const context = new AudioContext({ sampleRate: 48000 });
    const throat = new OscillatorNode(context, { type: "sawtooth", frequency: 150 });
    const tongue = new OscillatorNode(context, { type: "triangle", frequency: 4 });
    const vowels = new BiquadFilterNode(context, { type: "bandpass", frequency: 1000, Q: 2 });
    gain = new GainNode(context, { gain: 0 });
    const room = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    tongue.connect(new GainNode(context, { gain: 700 })).connect(vowels.frequency);
    throat.connect(vowels).connect(gain).connect(room);
    for (const part of [throat, tongue]) part.start();
    return room.stream;
  };
}"""
"""A microphone that hears silence, or vowels while the test says so, or is refused."""


def panel(page: Page, number: int = 0) -> Locator:
    """One panel of the page, in sight."""
    found = page.locator(".aigw-chat").nth(number)
    found.scroll_into_view_if_needed()
    return found


def mouth(page: Page, *, speaks: bool | None = None, refused: str | None = None) -> None:
    """Give the page a microphone that is played by the test; with `speaks`, say what it hears from now on."""
    if speaks is None:
        page.evaluate(MOUTH)
        page.evaluate("(name) => { window.microphone.refused = name; }", refused)
    else:
        page.evaluate("(on) => window.microphone.speak(on)", speaks)


def until(shown: Locator, expression: str) -> None:
    """Wait until that holds for the panel, which the expression calls `el`."""
    wait_until(shown.page, f"(el) => {expression}", shown.element_handle())


def ready(shown: Locator) -> None:
    until(shown, "el.dataset.status === 'ready'")


def ask(shown: Locator, text: str) -> None:
    box = shown.locator(".aigw-chat-composer textarea")
    box.fill(text)
    box.press("Enter")


def last(shown: Locator, start: str) -> None:
    """Wait until the last answer begins like this."""
    words = "[...el.querySelectorAll('.aigw-chat-assistant .aigw-chat-text')].at(-1)?.textContent ?? ''"
    until(shown, f"({words}).startsWith({start!r})")


def shoot(shown: Locator, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shown.screenshot(path=SCREENSHOTS / f"chat-{name}.png")


def fresh(shown: Locator) -> None:
    """Begin a new conversation."""
    if shown.locator(".aigw-chat-bubble").count():
        shown.get_by_role("button", name="More").click()
        shown.get_by_role("button", name="New conversation").click()
        until(shown, "el.querySelectorAll('.aigw-chat-bubble').length === 0")
