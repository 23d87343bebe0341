// Sound in and out of a page: one AudioContext for everybody, a player that counts what was heard, a recorder.

import { playerWorklet } from "./player_worklet.js";
import { recorderWorklet } from "./recorder_worklet.js";
import { Resampler, resampling } from "./resample.js";

const RATE = 24000; // most providers speak at this rate, so their samples are played as they are
const PAGE_KEY = Symbol.for("aigw_notebook.audio");
const MAX_QUEUED_S = 300;
const ANSWER_MS = 250; // a context that does not run may leave a worklet deaf
const ECHO_MS = 250; // what the speakers said is still in the room, and in the device's buffers, for so long

function thisPage() {
  return (globalThis[PAGE_KEY] ??= { modules: new Map(), sounding: new Set(), silentSince: -Infinity });
}

// A name for this page, by which the kernel can address it.
export function pageName() {
  return globalThis.crypto?.randomUUID?.() ?? String(Math.random());
}

// Whether any player of the page is heard, or was a moment ago.
export function pageIsSounding() {
  const page = thisPage();
  return page.sounding.size > 0 || performance.now() - page.silentSince < ECHO_MS;
}

// The page's context, made when first asked for. It is suspended until the page has seen a gesture.
export function sharedContext() {
  const page = thisPage();
  if (page.context === undefined || page.context.state === "closed") {
    page.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    page.modules = new Map();
  }
  return page.context;
}

// Resolves when the worklet that `define` is the text of can be used; rejects where the page's policy forbids it. It is
// given what the functions `parts` return there.
function loaded(context, define, ...parts) {
  const modules = globalThis[PAGE_KEY]?.context === context ? globalThis[PAGE_KEY].modules : new Map();
  if (!modules.has(define.name)) {
    const url = URL.createObjectURL(new Blob([`(${define})(${parts.map((part) => `(${part})()`)});`], { type: "text/javascript" }));
    modules.set(
      define.name,
      context.audioWorklet.addModule(url).finally(() => URL.revokeObjectURL(url)),
    );
  }
  return modules.get(define.name);
}

export function toFloat(buffer) {
  const view = buffer instanceof DataView ? buffer : new DataView(buffer);
  const samples = new Float32Array(view.byteLength >> 1);
  for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(2 * i, true) / 32768;
  return samples;
}

export function toPcm16(samples) {
  const out = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    out[i] = Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32768)));
  }
  return out.buffer;
}

// Plays PCM16 mono of any rate, item after item. `onState` is told {state, itemId, playedMs, queuedMs, underruns, level,
// refusedMs, sounding} when something changed; `onDrained` is told {itemId, playedMs, playedFrames} when an item that was
// ended has been heard to its end. What comes for an item after a flush is not played, unless it is begun anew.
export class Player {
  constructor({ preRollMs = 0, onState = () => {}, onDrained = () => {}, context = sharedContext() } = {}) {
    this.context = context;
    this.onState = onState;
    this.onDrained = onDrained;
    this.preRoll = preRollMs;
    this.gain = context.createGain();
    this.gain.connect(context.destination);
    this.frames = new Map(); // played, by item
    this.queuedFrames = 0;
    this.underruns = 0;
    this.level = 0;
    this.itemId = null;
    this.loudness = 1;
    this.silent = false;
    this.flushes = new Map();
    this.flushCount = 0;
    this.live = new Set(); // begun or queued, and neither drained nor flushed
    this.refused = new Set(); // flushed
    this.refusedFrames = 0;
    this.sounding = false;
    this.resampler = null;
    this.waiting = [];
    this.node = null;
    this.ready = this.connect();
    this.onContext = () => this.tell();
    context.addEventListener?.("statechange", this.onContext);
  }

  async connect() {
    try {
      await loaded(this.context, playerWorklet);
      this.node = new AudioWorkletNode(this.context, "aigw-player", { numberOfInputs: 0, outputChannelCount: [1] });
      this.node.port.onmessage = ({ data }) => this[`on_${data.op}`]?.(data);
    } catch {
      this.node = new ScheduledNode(this.context, (data) => this[`on_${data.op}`]?.(data));
    }
    this.node.connect(this.gain);
    this.preRollMs = this.preRoll;
    for (const message of this.waiting.splice(0)) this.post(message);
  }

  get state() {
    return this.context.state;
  }

  resume() {
    return this.context.resume();
  }

  begin(itemId) {
    this.refused.delete(itemId);
    this.live.add(itemId);
    this.send({ op: "begin", item: itemId });
  }

  push(itemId, buffer, sampleRate) {
    if (this.refused.has(itemId)) return;
    const samples = this.atContextRate(itemId, toFloat(buffer), sampleRate);
    if (this.queuedFrames + samples.length > MAX_QUEUED_S * this.context.sampleRate) {
      this.refusedFrames += samples.length;
      return;
    }
    this.live.add(itemId);
    this.queuedFrames += samples.length;
    if (samples.length > 0) this.send({ op: "push", item: itemId, samples });
  }

  // Silence at once that keeps the queue; `hold(false)` goes on where it stopped.
  hold(on) {
    this.send({ op: "hold", on });
    if (on) this.setSounding(false);
  }

  end(itemId) {
    if (this.resampler?.itemId === itemId) {
      const samples = this.resampler.stream.flush();
      this.resampler = null;
      if (samples.length > 0) this.send({ op: "push", item: itemId, samples });
    }
    this.send({ op: "end", item: itemId });
  }

  // Silence at once; tells what was heard of the item that was playing, and how much was thrown away:
  // {itemId, playedMs, playedFrames, droppedFrames, exact}, the latter false when the worklet did not answer.
  flush() {
    const queued = this.queuedFrames;
    this.resampler = null;
    this.queuedFrames = 0;
    for (const itemId of this.live) this.refused.add(itemId);
    this.live.clear();
    while (this.refused.size > 64) this.refused.delete(this.refused.values().next().value);
    const id = this.flushCount++;
    const { itemId } = this;
    return new Promise((resolve) => {
      this.flushes.set(id, resolve);
      this.send({ op: "flush", id });
      const played = () => this.frames.get(itemId) ?? 0;
      const late = () => this.on_flushed({ id, item: itemId, played: played(), dropped: queued, exact: false });
      setTimeout(late, ANSWER_MS).unref?.();
    });
  }

  played(itemId) {
    return this.toMs(this.frames.get(itemId) ?? 0);
  }

  get preRollMs() {
    return this.preRoll;
  }

  set preRollMs(value) {
    this.preRoll = value;
    if (this.node !== null) this.post({ op: "preRoll", frames: Math.round((value * this.context.sampleRate) / 1000) });
  }

  get volume() {
    return this.loudness;
  }

  set volume(value) {
    this.loudness = Math.max(0, Math.min(1, value));
    this.setGain();
  }

  get muted() {
    return this.silent;
  }

  set muted(value) {
    this.silent = value;
    this.setGain();
  }

  close() {
    this.context.removeEventListener?.("statechange", this.onContext);
    this.setSounding(false);
    this.node?.disconnect();
    this.gain.disconnect();
  }

  setSounding(sounding) {
    const page = thisPage();
    this.sounding = sounding;
    if (sounding) page.sounding.add(this);
    else if (page.sounding.delete(this)) page.silentSince = performance.now();
  }

  setGain() {
    this.gain.gain.value = this.silent ? 0 : this.loudness;
  }

  atContextRate(itemId, samples, sampleRate) {
    if (sampleRate === this.context.sampleRate) return samples;
    if (this.resampler?.itemId !== itemId || this.resampler.rate !== sampleRate) {
      const stream = new Resampler(sampleRate, this.context.sampleRate);
      this.resampler = { itemId, rate: sampleRate, stream };
    }
    return this.resampler.stream.process(samples);
  }

  send(message) {
    if (this.node === null) this.waiting.push(message);
    else this.post(message);
  }

  post(message) {
    this.node.port.postMessage(message, message.samples ? [message.samples.buffer] : []);
  }

  toMs(frames) {
    return (frames * 1000) / this.context.sampleRate;
  }

  on_started({ item }) {
    this.itemId = item;
    this.setSounding(true);
    this.tell();
  }

  on_at({ item, played, queued, underruns, peak }) {
    this.itemId = item;
    this.count(item, played);
    this.setSounding(queued > 0);
    this.queuedFrames = queued;
    this.underruns = underruns;
    this.level = peak;
    this.tell();
  }

  on_drained({ item, played }) {
    this.count(item, played);
    this.live.delete(item);
    if (item === this.itemId) {
      this.level = 0;
      this.setSounding(false);
    }
    this.onDrained({ itemId: item, playedMs: this.toMs(played), playedFrames: played });
    this.tell();
  }

  on_flushed({ id, item, played, dropped, exact = true }) {
    if (!this.flushes.has(id)) return;
    if (item !== null) this.count(item, played);
    this.setSounding(false);
    this.level = 0;
    const told = { itemId: item, playedFrames: played, playedMs: this.toMs(played), droppedFrames: dropped, exact };
    this.flushes.get(id)(told);
    this.flushes.delete(id);
    this.tell();
  }

  count(item, played) {
    this.frames.set(item, played);
    while (this.frames.size > 64) this.frames.delete(this.frames.keys().next().value);
  }

  tell() {
    this.onState({
      state: this.state,
      itemId: this.itemId,
      playedMs: this.played(this.itemId),
      queuedMs: this.toMs(this.queuedFrames),
      underruns: this.underruns,
      level: this.level,
      refusedMs: this.toMs(this.refusedFrames),
      sounding: this.sounding,
    });
  }
}

// Speaks the player worklet's language where there is no worklet: blocks become scheduled buffer sources.
export class ScheduledNode {
  constructor(context, onMessage) {
    this.context = context;
    this.onMessage = onMessage;
    this.sources = [];
    this.until = 0;
    this.open = null;
    this.underruns = 0;
    this.played = new Map();
    this.output = context.createGain();
    this.port = { postMessage: (message) => this[`on_${message.op}`]?.(message) };
  }

  connect(node) {
    this.output.connect(node);
  }

  disconnect() {
    this.on_flush({ id: null });
    this.output.disconnect();
  }

  on_begin({ item }) {
    this.open = item;
  }

  on_end({ item }) {
    if (this.open === item) this.open = null;
    this.settle(item);
  }

  on_push({ item, samples }) {
    const { context } = this;
    if (this.until <= context.currentTime) {
      if (this.open === item && this.played.has(item)) this.underruns += 1;
      this.until = context.currentTime + 0.02;
    }
    const buffer = context.createBuffer(1, samples.length, context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.output);
    const entry = { source, item, from: this.until, frames: samples.length };
    source.onended = () => this.over(entry);
    source.start(this.until);
    this.until += samples.length / context.sampleRate;
    this.sources.push(entry);
    if (!this.played.has(item)) {
      this.played.set(item, 0);
      this.onMessage({ op: "started", item, time: entry.from });
    }
  }

  on_hold({ on }) {
    if (on) this.context.suspend();
    else this.context.resume();
  }

  on_flush({ id }) {
    const now = this.context.currentTime;
    const current = this.sources.find((entry) => entry.from + entry.frames / this.context.sampleRate > now);
    let dropped = 0;
    for (const { source, item, from, frames } of this.sources.splice(0)) {
      const heard = Math.max(0, Math.min(frames, Math.floor((now - from) * this.context.sampleRate)));
      this.played.set(item, this.played.get(item) + heard);
      dropped += frames - heard;
      source.onended = null;
      source.stop();
    }
    this.until = 0;
    this.open = null;
    const item = current?.item ?? [...this.played.keys()].at(-1) ?? null;
    this.onMessage({ op: "flushed", id, item, played: this.played.get(item) ?? 0, dropped });
  }

  over(entry) {
    this.sources.splice(this.sources.indexOf(entry), 1);
    this.played.set(entry.item, this.played.get(entry.item) + entry.frames);
    const queued = this.sources.reduce((sum, { frames }) => sum + frames, 0);
    const played = this.played.get(entry.item);
    this.onMessage({ op: "at", item: entry.item, played, queued, underruns: this.underruns, peak: 0 });
    this.settle(entry.item);
  }

  settle(item) {
    if (this.open === item || !this.played.has(item) || this.sources.some((entry) => entry.item === item)) return;
    this.onMessage({ op: "drained", item, played: this.played.get(item) });
  }
}

// A sound file's samples, mono at `rate`; rejects for what the browser cannot read.
export async function decodeFile(bytes, rate) {
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  const mono = new Float32Array(sound.length);
  for (let c = 0; c < sound.numberOfChannels; c += 1) {
    const channel = sound.getChannelData(c);
    for (let i = 0; i < mono.length; i += 1) mono[i] += channel[i] / sound.numberOfChannels;
  }
  return mono;
}

// Why there is no microphone, for people: {kind, message}.
export function microphoneTrouble(error) {
  const wayOut = "Send a sound file instead, or type.";
  if (globalThis.location?.protocol === "vscode-webview:") {
    return { kind: "vscode", message: `Visual Studio Code gives no microphone to notebooks. ${wayOut}` };
  }
  if (error === undefined) {
    const insecure = globalThis.isSecureContext === false;
    return insecure
      ? { kind: "insecure", message: `A browser gives the microphone only to https or localhost pages. ${wayOut}` }
      : { kind: "unsupported", message: `This front end gives no microphone to notebook outputs. ${wayOut}` };
  }
  const known = {
    SecurityError: ["policy", `This page may not use the microphone. ${wayOut}`],
    NotAllowedError: ["denied", `The microphone was not allowed: allow it in the browser's address bar. ${wayOut}`],
    NotFoundError: ["missing", `No microphone was found: connect one. ${wayOut}`],
    NotReadableError: ["busy", `The microphone is in use by another program. ${wayOut}`],
  };
  const [kind, message] = known[error.name] ?? ["failed", `The microphone failed (${error.name}). ${wayOut}`];
  return { kind, message };
}

// Microphone to PCM16 mono at `sampleRate` in chunks of `chunkMs`. `onChunk(buffer, seq)` gets each chunk once.
export class Recorder {
  constructor({ onChunk = () => {}, onLevel = () => {} } = {}) {
    this.onChunk = onChunk;
    this.onLevel = onLevel;
    this.seq = 0;
    this.level = 0;
    this.running = false;
  }

  // Rejects with {kind, message} when there is no microphone to be had.
  async start({ sampleRate = RATE, chunkMs = 40, echoCancellation = true } = {}) {
    if (this.running) return;
    if (!globalThis.navigator?.mediaDevices?.getUserMedia) throw microphoneTrouble();
    this.running = true;
    try {
      const wanted = { echoCancellation, noiseSuppression: echoCancellation, autoGainControl: echoCancellation };
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { ...wanted, channelCount: 1 } });
      await this.connect(sampleRate, chunkMs);
    } catch (error) {
      await this.stop();
      throw error instanceof Error || error instanceof DOMException ? microphoneTrouble(error) : error;
    }
  }

  async connect(sampleRate, chunkMs) {
    let source;
    try {
      this.context = new AudioContext({ sampleRate });
      source = this.context.createMediaStreamSource(this.stream);
    } catch {
      await this.context?.close(); // Firefox connects a microphone only at the device's own rate
      this.context = new AudioContext();
      source = this.context.createMediaStreamSource(this.stream);
    }
    await loaded(this.context, recorderWorklet, resampling);
    const frames = Math.round((sampleRate * chunkMs) / 1000);
    const processorOptions = { frames, from: this.context.sampleRate, to: sampleRate };
    this.context.resume().catch(() => {});
    this.node = new AudioWorkletNode(this.context, "aigw-recorder", { numberOfOutputs: 0, processorOptions });
    this.node.port.onmessage = ({ data }) => this.take(data);
    source.connect(this.node);
  }

  take(samples) {
    if (!this.running) return;
    this.level = samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
    this.onLevel(this.level);
    this.onChunk(toPcm16(samples), this.seq);
    this.seq += 1;
  }

  async stop() {
    this.running = false;
    this.level = 0;
    this.node?.port.postMessage({ op: "stop" });
    this.node?.disconnect();
    this.stream?.getTracks().forEach((track) => track.stop());
    const { context } = this;
    this.node = this.stream = this.context = undefined;
    if (context && context.state !== "closed") await context.close();
  }
}
