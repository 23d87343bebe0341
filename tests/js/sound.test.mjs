// The worklets sample by sample, the resampler by what it lets through, and the player on a context that is not there.

import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";

import { Player, ScheduledNode, microphoneTrouble, pageIsSounding, toFloat, toPcm16 } from "../../aigw_notebook/widgets/static/audio.js";
import { playerWorklet } from "../../aigw_notebook/widgets/static/player_worklet.js";
import { recorderWorklet } from "../../aigw_notebook/widgets/static/recorder_worklet.js";
import { Resampler, resampling } from "../../aigw_notebook/widgets/static/resample.js";

const processors = {};
globalThis.currentTime = 0;
globalThis.AudioWorkletProcessor = class {
  constructor() {
    this.sent = [];
    this.port = { postMessage: (message) => this.sent.push(message) };
  }
};
globalThis.registerProcessor = (name, type) => {
  processors[name] = type;
};
playerWorklet();
recorderWorklet(Resampler);

function player() {
  const made = new processors["aigw-player"]();
  made.tell = (data) => made.port.onmessage({ data });
  made.pull = (quanta = 1) => {
    const heard = [];
    for (let i = 0; i < quanta; i += 1) {
      const out = new Float32Array(128);
      assert.equal(made.process([], [[out]]), true);
      heard.push(...out);
    }
    return heard;
  };
  made.said = (op) => made.sent.filter((message) => message.op === op);
  return made;
}

const ramp = (count, from = 1) => Float32Array.from({ length: count }, (_, i) => (from + i) / 65536);

test("what is played is what was given, across blocks of any length", () => {
  const p = player();
  const samples = ramp(1000);
  p.tell({ op: "begin", item: "a" });
  for (let at = 0; at < 1000; at += 77) p.tell({ op: "push", item: "a", samples: samples.slice(at, at + 77) });
  p.tell({ op: "end", item: "a" });
  const heard = p.pull(8);
  assert.deepEqual(heard.slice(0, 1000), [...samples]);
  assert.ok(heard.slice(1000).every((sample) => sample === 0));
  assert.deepEqual(p.said("drained"), [{ op: "drained", item: "a", played: 1000 }]);
  assert.equal(p.said("at").at(-1).underruns, 0);
});

test("a flush silences the next quantum and counts what was heard and what was dropped", () => {
  const p = player();
  p.tell({ op: "begin", item: "a" });
  p.tell({ op: "push", item: "a", samples: ramp(1280) });
  p.pull(3);
  p.tell({ op: "flush", id: "f" });
  assert.ok(p.pull(2).every((sample) => sample === 0));
  assert.deepEqual(p.said("flushed"), [{ op: "flushed", id: "f", item: "a", played: 384, dropped: 896 }]);
});

test("a late piece is an underrun, the end of an answer and an idle player are not", () => {
  const p = player();
  p.pull(50);
  p.tell({ op: "begin", item: "a" });
  p.tell({ op: "push", item: "a", samples: ramp(100) });
  p.pull(10);
  assert.equal(p.said("at").at(-1).underruns, 0);
  p.tell({ op: "push", item: "a", samples: ramp(200) });
  p.tell({ op: "end", item: "a" });
  p.pull(50);
  assert.equal(p.said("at").at(-1).underruns, 1);
  assert.equal(p.said("drained").length, 1);
});

test("an item that was complete only after it had run dry is drained once", () => {
  const p = player();
  p.tell({ op: "begin", item: "a" });
  p.tell({ op: "push", item: "a", samples: ramp(100) });
  p.pull(3);
  assert.equal(p.said("drained").length, 0);
  p.tell({ op: "end", item: "a" });
  p.tell({ op: "end", item: "a" });
  p.pull(3);
  assert.deepEqual(p.said("drained"), [{ op: "drained", item: "a", played: 100 }]);
});

test("each of two items in a row is drained at its own end", () => {
  const p = player();
  for (const item of ["a", "b"]) {
    p.tell({ op: "begin", item });
    p.tell({ op: "push", item, samples: ramp(200) });
    p.tell({ op: "end", item });
  }
  p.pull(2);
  assert.deepEqual(p.said("drained"), [{ op: "drained", item: "a", played: 200 }]);
  p.pull(2);
  assert.deepEqual(p.said("drained")[1], { op: "drained", item: "b", played: 200 });
});

test("held sound is silent, is not counted, and goes on at the same sample", () => {
  const p = player();
  p.tell({ op: "begin", item: "a" });
  p.tell({ op: "push", item: "a", samples: ramp(512) });
  p.pull(1);
  p.tell({ op: "hold", on: true });
  assert.ok(p.pull(5).every((sample) => sample === 0));
  p.tell({ op: "hold", on: false });
  assert.deepEqual(p.pull(1), [...ramp(128, 129)]);
  p.tell({ op: "flush", id: 1 });
  assert.deepEqual(p.said("flushed")[0], { op: "flushed", id: 1, item: "a", played: 256, dropped: 256 });
});

test("a flush ends a hold", () => {
  const p = player();
  p.tell({ op: "hold", on: true });
  p.tell({ op: "flush", id: 1 });
  p.tell({ op: "push", item: "b", samples: ramp(128) });
  assert.deepEqual(p.pull(1), [...ramp(128)]);
});

test("the pre-roll is waited for, unless the answer is shorter", () => {
  const p = player();
  p.tell({ op: "preRoll", frames: 500 });
  p.tell({ op: "begin", item: "a" });
  p.tell({ op: "push", item: "a", samples: ramp(300) });
  assert.ok(p.pull(1).every((sample) => sample === 0));
  p.tell({ op: "push", item: "a", samples: ramp(300) });
  assert.ok(p.pull(1).every((sample) => sample !== 0));
  const short = player();
  short.tell({ op: "preRoll", frames: 500 });
  short.tell({ op: "begin", item: "b" });
  short.tell({ op: "push", item: "b", samples: ramp(128) });
  short.tell({ op: "end", item: "b" });
  assert.ok(short.pull(1).every((sample) => sample !== 0));
});

test("each item has a count of its own", () => {
  const p = player();
  p.tell({ op: "push", item: "a", samples: ramp(100) });
  p.tell({ op: "push", item: "b", samples: ramp(100) });
  p.pull(1);
  p.tell({ op: "flush", id: 1 });
  assert.deepEqual(p.said("started").map(({ item }) => item), ["a", "b"]);
  assert.deepEqual(p.said("flushed")[0], { op: "flushed", id: 1, item: "b", played: 28, dropped: 72 });
});

test("the recorder hands over blocks of one size, stereo mixed down", () => {
  const r = new processors["aigw-recorder"]({ processorOptions: { frames: 200, from: 24000, to: 24000 } });
  const quantum = (value) => [new Float32Array(128).fill(value), new Float32Array(128).fill(0)];
  for (let i = 0; i < 4; i += 1) assert.equal(r.process([quantum(0.5)]), true);
  assert.deepEqual(r.sent.map((block) => block.length), [200, 200]);
  assert.ok(r.sent.every((block) => block.every((sample) => sample === 0.25)));
  assert.equal(r.process([[]]), true);
  r.port.onmessage({ data: { op: "stop" } });
  assert.equal(r.process([[]]), false);
});

test("the recorder resamples on the audio thread, with nothing but its own text", () => {
  const scope = vm.createContext({
    AudioWorkletProcessor,
    registerProcessor: (name, type) => {
      scope.Recorder = type;
    },
  });
  vm.runInContext(`(${recorderWorklet})((${resampling})())`, scope);
  const r = new scope.Recorder({ processorOptions: { frames: 960, from: 48000, to: 24000 } });
  const spoken = tone(1000, 48000, 48000);
  for (let at = 0; at < spoken.length; at += 128) r.process([[spoken.subarray(at, at + 128)]]);
  const heard = r.sent.flatMap((block) => [...block]);
  const wanted = tone(1000, 24000, 24000);
  assert.ok(r.sent.length >= 24 && r.sent.every((block) => block.length === 960));
  assert.ok(heard.slice(200, 20000).every((sample, i) => Math.abs(sample - wanted[i + 200]) < 1e-3));
});

const tone = (hertz, rate, count) => Float32Array.from({ length: count }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));

function error(from, to, hertz, pieces) {
  const resampler = new Resampler(from, to);
  const input = tone(hertz, from, from);
  const out = [];
  for (let at = 0; at < input.length; at += pieces) out.push(...resampler.process(input.slice(at, at + pieces)));
  out.push(...resampler.flush());
  const middle = out.slice(to / 4, (3 * to) / 4);
  const wanted = tone(hertz, to, to).slice(to / 4, (3 * to) / 4);
  return Math.max(...middle.map((sample, i) => Math.abs(sample - wanted[i])));
}

test("a tone keeps its pitch and its level at every pair of rates", () => {
  for (const [from, to] of [[16000, 24000], [48000, 24000], [44100, 16000], [8000, 24000], [24000, 48000]]) {
    assert.ok(error(from, to, 1000, 777) < 1e-3, `${from} to ${to}: ${error(from, to, 1000, 777)}`);
  }
});

test("what the new rate cannot hold is taken out", () => {
  const resampler = new Resampler(48000, 16000);
  const out = resampler.process(tone(11000, 48000, 48000));
  assert.ok(Math.max(...out.slice(2000, -2000).map(Math.abs)) < 1e-3);
});

test("pieces give the same samples as the whole", () => {
  const input = tone(440, 44100, 4410);
  const whole = new Resampler(44100, 24000).process(input);
  const stream = new Resampler(44100, 24000);
  const parts = [];
  for (let at = 0; at < input.length; at += 100) parts.push(...stream.process(input.slice(at, at + 100)));
  assert.deepEqual(parts, [...whole]);
});

test("PCM16 goes through floats unchanged", () => {
  const pcm = Int16Array.from([0, 1, -1, 32767, -32768, 12345]);
  assert.deepEqual([...new Int16Array(toPcm16(toFloat(pcm.buffer)))], [...pcm]);
});

class Gain {
  gain = { value: 1 };
  connect() {}
  disconnect() {}
}

class Context {
  sampleRate = 24000;
  state = "suspended";
  currentTime = 0;
  sources = [];
  audioWorklet = { addModule: () => Promise.reject(new Error("forbidden")) };
  createGain() {
    return new Gain();
  }
  createBuffer(channels, length) {
    return { length, copyToChannel() {} };
  }
  createBufferSource() {
    const source = { connect() {}, start(at) { this.at = at; }, stop() { this.stopped = true; } }; // prettier-ignore
    this.sources.push(source);
    return source;
  }
  async resume() {
    this.state = "running";
  }
}

test("where the worklet is refused, sound is scheduled and still counted", async () => {
  const context = new Context();
  const states = [];
  const drained = [];
  const p = new Player({ context, onState: (s) => states.push(s), onDrained: (d) => drained.push(d) });
  p.begin("a");
  p.push("a", new Int16Array(2400).buffer, 24000);
  p.push("a", new Int16Array(2400).buffer, 24000);
  await p.ready;
  assert.ok(p.node instanceof ScheduledNode);
  assert.equal(states.at(-1).state, "suspended");
  assert.equal(context.sources.length, 2);
  assert.ok(Math.abs(context.sources[1].at - context.sources[0].at - 0.1) < 1e-9);
  context.sources[0].onended();
  assert.equal(p.played("a"), 100);
  p.end("a");
  context.sources[1].onended();
  assert.deepEqual(drained, [{ itemId: "a", playedMs: 200, playedFrames: 4800 }]);
});

test("a scheduled player that is flushed says how much was heard", async () => {
  const context = new Context();
  const p = new Player({ context });
  p.push("a", new Int16Array(24000).buffer, 24000);
  await p.ready;
  context.currentTime = 0.52;
  assert.deepEqual(await p.flush(), { itemId: "a", playedFrames: 12000, playedMs: 500, droppedFrames: 12000, exact: true });
  assert.equal(context.sources[0].stopped, true);
});

test("what comes for an item after a flush is not played, unless it is begun anew", async () => {
  const context = new Context();
  const p = new Player({ context });
  await p.ready;
  p.begin("a");
  p.push("a", new Int16Array(2400).buffer, 24000);
  await p.flush();
  p.push("a", new Int16Array(2400).buffer, 24000);
  assert.equal(context.sources.length, 1);
  p.begin("a");
  p.push("a", new Int16Array(2400).buffer, 24000);
  assert.equal(context.sources.length, 2);
});

test("a player that nobody hears queues five minutes and counts the rest", async () => {
  const p = new Player({ context: new Context() });
  await p.ready;
  for (let i = 0; i < 11; i += 1) p.push("a", new Int16Array(30 * 24000).buffer, 24000);
  assert.equal(p.toMs(p.refusedFrames), 30_000);
});

test("a worklet that does not answer does not keep a flush waiting", async () => {
  const context = new Context();
  context.audioWorklet = { addModule: async () => {} };
  globalThis.AudioWorkletNode = class {
    port = { postMessage() {} };
    connect() {}
  };
  URL.createObjectURL ??= () => "blob:";
  const keepAlive = setTimeout(() => {}, 5000);
  const p = new Player({ context });
  await p.ready;
  p.push("a", new Int16Array(2400).buffer, 24000);
  const { exact, droppedFrames } = await p.flush();
  clearTimeout(keepAlive);
  assert.deepEqual({ exact, droppedFrames }, { exact: false, droppedFrames: 2400 });
});

test("the page knows whether it is heard", async () => {
  const context = new Context();
  const p = new Player({ context });
  await p.ready;
  p.push("a", new Int16Array(2400).buffer, 24000);
  assert.equal(pageIsSounding(), true);
  await p.flush();
  assert.equal(p.sounding, false);
  assert.equal(pageIsSounding(), true, "the room is not silent at once");
});

test("a click starts a context that the browser had suspended", async () => {
  const context = new Context();
  const states = [];
  const p = new Player({ context, onState: ({ state }) => states.push(state) });
  await p.ready;
  p.tell();
  await p.resume();
  p.tell();
  assert.deepEqual(states, ["suspended", "running"]);
});

test("mute is silence and keeps the volume", async () => {
  const p = new Player({ context: new Context() });
  p.volume = 0.5;
  p.muted = true;
  assert.equal(p.gain.gain.value, 0);
  p.muted = false;
  assert.equal(p.gain.gain.value, 0.5);
});

test("every way of having no microphone has words and a way out", () => {
  for (const name of ["NotAllowedError", "NotFoundError", "NotReadableError", "OddError"]) {
    const { kind, message } = microphoneTrouble({ name });
    assert.match(message, /file instead, or type\.$/);
    assert.ok(kind);
  }
  assert.equal(microphoneTrouble().kind, "unsupported");
});
