"""A tap behind the player of a page: an audio worklet that writes down what is heard, and when."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

__all__ = ["TAP", "heard"]

TAP = """() => {
  const processor = () => {
    class Tap extends AudioWorkletProcessor {
      process([input]) {
        const samples = input[0];
        const heard = samples !== undefined && samples.some((sample) => sample !== 0);
        this.begun ||= heard;
        if (this.begun) this.port.postMessage({ heard, samples: samples?.slice() ?? new Float32Array(128) });
        return true;
      }
    }
    registerProcessor("test-tap", Tap);
  };
  window.tap = { ready: false, quanta: [], onsets: [], silences: [], players: 0 };
  const connect = AudioNode.prototype.connect;
  const listen = async (player) => {
    const url = URL.createObjectURL(new Blob([`(${processor})()`], { type: "text/javascript" }));
    await player.context.audioWorklet.addModule(url);
    const node = new AudioWorkletNode(player.context, "test-tap", { numberOfOutputs: 0 });
    let quiet = true;
    node.port.onmessage = ({ data }) => {
      window.tap.quanta.push(data.samples);
      if (data.heard && quiet) window.tap.onsets.push(Date.now());
      if (!data.heard && !quiet) window.tap.silences.push(Date.now());
      quiet = !data.heard;
    };
    connect.call(player, node);
    window.tap.ready = true;
  };
  AudioNode.prototype.connect = function (...to) {
    if (this instanceof AudioWorkletNode && this.numberOfOutputs > 0) {
      window.tap.players += 1;
      if (window.tap.players === 1) listen(this);
    }
    return connect.apply(this, to);
  };
}"""

HEARD = """() => {
  const all = new Float32Array(window.tap.quanta.length * 128);
  window.tap.quanta.forEach((quantum, i) => all.set(quantum, 128 * i));
  const bytes = new Uint8Array(all.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  window.tap.quanta = [];
  return btoa(text);
}"""


def heard(page: Page) -> NDArray[np.float32]:
    """What the tap took since it was last asked, silence before and behind it left out."""
    samples = np.frombuffer(base64.b64decode(page.evaluate(HEARD)), "<f4")
    sounding = np.flatnonzero(samples)
    return samples[sounding[0] : sounding[-1] + 1]
