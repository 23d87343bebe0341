// The speaker's and the microphone's page side, on models, players and recorders that are not there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { levelPercent } from "../../aigw_notebook/widgets/static/controls.js";
import { Inbox } from "../../aigw_notebook/widgets/static/inbox.js";
import { Listening, microphoneLine } from "../../aigw_notebook/widgets/static/microphone.js";
import { Outbox } from "../../aigw_notebook/widgets/static/outbox.js";
import { Speaking, speakerLine } from "../../aigw_notebook/widgets/static/speaker.js";

class Model {
  constructor(traits = {}) {
    this.traits = traits;
    this.sent = [];
    this.listeners = new Map();
  }
  get(name) {
    return this.traits[name];
  }
  on(name, listener) {
    this.listeners.set(listener, name);
  }
  off(name, listener) {
    this.listeners.delete(listener);
  }
  send(content, callbacks, buffers) {
    this.sent.push({ ...content, buffers });
  }
  say(message, buffers = []) {
    for (const [listener, name] of this.listeners) if (name === "msg:custom") listener(message, buffers);
  }
  said(kind) {
    return this.sent.filter((content) => content.kind === kind);
  }
}

function inbox() {
  const model = new Model();
  const taken = [];
  const clock = { ms: 0 };
  const box = new Inbox(model, (message) => taken.push(message.seq), () => clock.ms);
  const say = (seq, oldest = 0, page = box.page) => model.say({ seq, oldest, page });
  return { model, taken, clock, box, say };
}

test("messages for this page are taken once and in order", () => {
  const { taken, say } = inbox();
  say(4);
  say(5);
  say(4);
  say(6, 0, "another page");
  say(6);
  assert.deepEqual(taken, [4, 5, 6]);
});

test("a gap is asked for once, and what comes before it is filled is left to the replay", () => {
  const { taken, say, model, clock } = inbox();
  say(0);
  say(2);
  say(3);
  assert.deepEqual(model.said("ready").map(({ have }) => have), [1]);
  clock.ms = 600;
  say(4);
  assert.equal(model.said("ready").length, 2);
  for (const seq of [1, 2, 3, 4]) say(seq);
  assert.deepEqual(taken, [0, 1, 2, 3, 4]);
});

test("what the kernel has no more is counted as lost", () => {
  const { taken, say, box } = inbox();
  say(0);
  say(5, 5);
  assert.deepEqual(taken, [0, 5]);
  assert.equal(box.lost, 4);
});

test("a busy kernel gets a window of chunks; behind it the oldest are dropped and counted", () => {
  const sent = [];
  const outbox = new Outbox((seq, buffer) => sent.push([seq, buffer]), { window: 2, waiting: 2 });
  for (const name of ["a", "b", "c", "d", "e"]) outbox.put(name);
  assert.deepEqual(sent, [[0, "a"], [1, "b"]]);
  assert.equal(outbox.dropped, 1);
  outbox.acknowledge(2);
  assert.deepEqual(sent.slice(2), [[2, "d"], [3, "e"]]);
});

test("what must not be dropped waits for room", async () => {
  const outbox = new Outbox(() => {}, { window: 1, waiting: 10 });
  outbox.put("a");
  let free = false;
  const waiting = outbox.hasRoom().then(() => (free = true));
  await Promise.resolve();
  assert.equal(free, false);
  outbox.acknowledge(1);
  await waiting;
  assert.equal(free, true);
});

class FakePlayer {
  constructor(options) {
    Object.assign(this, options, { context: { state: "running", outputLatency: 0.03 }, calls: [] });
  }
  begin(...args) {
    this.calls.push(["begin", ...args]);
  }
  push(...args) {
    this.calls.push(["push", ...args]);
  }
  end(...args) {
    this.calls.push(["end", ...args]);
  }
  hold(...args) {
    this.calls.push(["hold", ...args]);
  }
  async flush() {
    return { itemId: "a", playedMs: 10, droppedFrames: 240, exact: true };
  }
  toMs(frames) {
    return frames / 24;
  }
  close() {
    this.closed = true;
  }
}

function speaking() {
  const model = new Model({ volume: 0.5, muted: false, pre_roll_ms: 40 });
  const clock = { ms: 1000 };
  const made = new Speaking(model, { makePlayer: (options) => new FakePlayer(options), now: () => clock.ms });
  const { page } = made.inbox;
  let seq = 0;
  const say = (content, buffers) => model.say({ ...content, page, seq: seq++, oldest: 0 }, buffers);
  return { model, made, say, clock };
}

test("a speaker says that it is ready, and does what the kernel says", async () => {
  const { model, made, say } = speaking();
  assert.equal(model.sent[0].kind, "ready");
  assert.equal(made.player.volume, 0.5);
  say({ kind: "begin", item: "a" });
  say({ kind: "push", item: "a", rate: 16000 }, ["bytes"]);
  say({ kind: "hold", on: true });
  say({ kind: "end", item: "a" });
  assert.deepEqual(made.player.calls, [["begin", "a"], ["push", "a", "bytes", 16000], ["hold", true], ["end", "a"]]);
  say({ kind: "flush", id: 7, waiting_ms: 5 });
  await new Promise((resolve) => setImmediate(resolve));
  const { id, item, played_ms, dropped_ms, waiting_ms, exact } = model.said("flushed")[0];
  assert.deepEqual([id, item, played_ms, dropped_ms, waiting_ms, exact], [7, "a", 10, 10, 5, true]);
});

test("a position goes to the kernel about twice a second, a change at once", () => {
  const { model, made, clock } = speaking();
  const state = { state: "running", itemId: "a", playedMs: 0, queuedMs: 1, underruns: 0, sounding: true, level: 0 };
  for (let i = 0; i < 50; i += 1) {
    clock.ms += 43;
    made.player.onState({ ...state, playedMs: 43 * i });
  }
  assert.ok(model.said("at").length >= 4 && model.said("at").length <= 6, `${model.said("at").length}`);
  const before = model.said("at").length;
  made.player.onState({ ...state, sounding: false });
  assert.equal(model.said("at").length, before + 1);
  made.player.onDrained({ itemId: "a", playedMs: 2150 });
  assert.equal(model.said("drained")[0].played_ms, 2150);
  assert.equal(model.said("drained")[0].latency_ms, 30);
});

test("a speaker that is closed leaves nothing behind", () => {
  const { model, made } = speaking();
  made.close();
  assert.equal(model.listeners.size, 0);
  assert.equal(made.player.closed, true);
});

class FakeRecorder {
  constructor(options) {
    Object.assign(this, options);
  }
  async start(options) {
    if (this.refuse) throw this.refuse;
    this.options = options;
  }
  async stop() {
    this.stopped = true;
  }
}

function listening(traits = {}, options = {}) {
  const model = new Model({ sample_rate: 16000, chunk_ms: 40, echo_cancellation: true, half_duplex: false, ...traits });
  const made = new Listening(model, { makeRecorder: (o) => new FakeRecorder(o), isSounding: () => false, ...options });
  return { model, made };
}

test("a microphone sends numbered chunks between its beginning and its end", async () => {
  const { model, made } = listening();
  await made.start();
  assert.deepEqual(made.recorder.options, { sampleRate: 16000, chunkMs: 40, echoCancellation: true });
  made.recorder.onChunk(new ArrayBuffer(1280));
  made.recorder.onChunk(new ArrayBuffer(1280));
  await made.stop();
  assert.deepEqual(model.sent.map(({ kind }) => kind), ["ready", "begin", "chunk", "chunk", "end"]);
  assert.deepEqual(model.said("chunk").map(({ seq }) => seq), [0, 1]);
  assert.equal(made.sentMs, 80);
  assert.equal(made.recorder.stopped, true);
});

test("a button let go before the microphone was there leaves it off", async () => {
  const { model, made } = listening();
  const starting = made.start();
  await made.stop();
  await starting;
  assert.deepEqual(model.said("begin"), []);
  assert.equal(made.source, null);
});

test("half duplex sends silence of the same length while the page speaks", async () => {
  let sounding = true;
  const { model, made } = listening({ half_duplex: true }, { isSounding: () => sounding });
  await made.start();
  made.recorder.onChunk(Int16Array.from([1, 2]).buffer);
  sounding = false;
  made.recorder.onChunk(Int16Array.from([1, 2]).buffer);
  const sent = model.said("chunk").map(({ buffers }) => [...new Int16Array(buffers[0])]);
  assert.deepEqual(sent, [[0, 0], [1, 2]]);
  assert.equal(made.mutedChunks, 1);
});

test("a refusal is told to the kernel and shown, and the next try begins anew", async () => {
  const { model, made } = listening();
  made.recorder.refuse = { kind: "denied", message: "not allowed" };
  await made.start();
  assert.equal(model.said("trouble")[0].message, "not allowed");
  assert.equal(made.trouble.kind, "denied");
  made.recorder.refuse = undefined;
  await made.start();
  assert.equal(made.trouble.message, "");
});

test("a file is sent whole, as fast as the kernel takes it", async () => {
  const { model, made } = listening({}, {});
  const samples = Float32Array.from({ length: 64_000 }, (_, i) => (i % 100) / 200);
  const file = { name: "a.mp3", arrayBuffer: async () => new ArrayBuffer(0) };
  const sending = made.sendFile(file, async () => samples);
  const timer = setInterval(() => model.say({ kind: "ack", page: made.page, seq: made.outbox.seq }), 1);
  await sending;
  clearInterval(timer);
  const sent = model.said("chunk");
  assert.equal(sent.length, 100);
  assert.equal(made.outbox.dropped, 0);
  const all = sent.flatMap(({ buffers }) => [...new Int16Array(buffers[0])]);
  assert.deepEqual(all, [...samples].map((sample) => Math.round(sample * 32768)));
});

test("a file that is no sound is said in words", async () => {
  const { made } = listening();
  await made.sendFile({ name: "a.txt", arrayBuffer: async () => new ArrayBuffer(0) }, () => Promise.reject(new Error()));
  assert.match(made.trouble.message, /^a\.txt could not be read as sound: take a WAV/);
});

test("the lines say what happens", () => {
  const state = { sounding: true, playedMs: 3210, queuedMs: 1500, underruns: 1 };
  assert.equal(speakerLine(state), "playing 3.2 s · 1.5 s queued · 1 gap");
  assert.equal(speakerLine({ ...state, sounding: false, queuedMs: 0, underruns: 0 }), "silent");
  const mic = { source: "microphone", sentMs: 2000, outbox: { dropped: 2 }, mutedChunks: 3 };
  assert.equal(microphoneLine(mic, true), "listening · 2.0 s · 2 chunks lost · 3 muted");
  assert.equal(microphoneLine({ ...mic, source: null, sentMs: 0, outbox: { dropped: 0 } }, false), "off");
});

test("a level is shown over 60 dB", () => {
  assert.deepEqual([0, 0.001, 0.0316, 1].map(levelPercent), [0, 0, 50, 100]);
});
