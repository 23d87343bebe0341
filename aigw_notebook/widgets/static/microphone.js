// The microphone. Kernel side: widgets/microphone.py, which holds the message format.

import { Recorder, decodeFile, microphoneTrouble, pageIsSounding, pageName, toPcm16 } from "./audio.js";
import { meter, part, seconds } from "./controls.js";
import { Outbox } from "./outbox.js";

const SILENT = { kind: "off", message: "" };

/** One page's microphone for one model, whatever number of views it has; `watch` adds a listener to its state. */
export class Listening {
  constructor(model, { makeRecorder = (options) => new Recorder(options), isSounding = pageIsSounding } = {}) {
    this.model = model;
    this.isSounding = isSounding;
    this.watchers = new Set();
    this.trouble = SILENT;
    this.level = 0;
    this.sentMs = 0;
    this.mutedChunks = 0;
    this.wanted = false;
    this.source = null; // "microphone", the name of a file, or null
    this.page = pageName();
    this.outbox = new Outbox((seq, buffer) => this.tell("chunk", { seq, t_ms: Date.now(), ...this.counts() }, [buffer]));
    this.recorder = makeRecorder({ onChunk: (buffer) => this.onChunk(buffer), onLevel: (level) => this.onLevel(level) });
    this.listener = (message) => this[`on_${message.kind}`]?.(message);
    model.on("msg:custom", this.listener);
    this.tell("ready", {});
  }

  on_ack({ page, seq }) {
    if (page === this.page) this.outbox.acknowledge(seq);
  }

  on_start({ page }) {
    if (page === undefined || page === this.page) return this.start();
    return undefined;
  }

  on_stop() {
    return this.stop();
  }

  async start() {
    if (this.wanted) return;
    this.wanted = true;
    this.trouble = SILENT;
    const rate = this.model.get("sample_rate");
    try {
      const echoCancellation = this.model.get("echo_cancellation");
      await this.recorder.start({ sampleRate: rate, chunkMs: this.model.get("chunk_ms"), echoCancellation });
      if (!this.wanted) return await this.recorder.stop(); // released before the browser had asked
      this.begin("microphone", rate);
    } catch (trouble) {
      this.fail(trouble);
    }
  }

  async stop() {
    if (!this.wanted) return;
    this.wanted = false;
    const stopped = this.recorder.stop(); // no chunk comes any more; to close the device takes a while
    this.end();
    await stopped;
  }

  counts() {
    return { dropped: this.outbox.dropped, muted: this.mutedChunks };
  }

  /** Sends an audio file of any kind that the browser can read, as fast as the kernel takes it. */
  async sendFile(file, decode = decodeFile) {
    await this.stop();
    const rate = this.model.get("sample_rate");
    try {
      const samples = await decode(await file.arrayBuffer(), rate);
      this.begin(file.name, rate);
      const size = Math.round((rate * this.model.get("chunk_ms")) / 1000);
      for (let at = 0; at < samples.length; at += size) {
        await this.outbox.hasRoom();
        this.put(toPcm16(samples.subarray(at, at + size)), samples.subarray(at, at + size).length / rate);
      }
      this.end();
    } catch {
      this.fail({ kind: "file", message: `${file.name} could not be read as sound: take a WAV, MP3, OGG or M4A file.` });
    }
  }

  begin(source, rate) {
    this.source = source;
    this.sentMs = 0;
    this.tell("begin", { source, rate, chunk_ms: this.model.get("chunk_ms") });
    this.show();
  }

  end() {
    if (this.source === null) return;
    this.tell("end", { source: this.source, ...this.counts() });
    this.source = null;
    this.level = 0;
    this.show();
  }

  fail(trouble) {
    this.wanted = false;
    this.trouble = trouble.kind ? trouble : microphoneTrouble(trouble);
    this.tell("trouble", { trouble: this.trouble.kind, message: this.trouble.message });
    this.show();
  }

  // With half duplex, silence takes the place of what is said while the page speaks: the provider's clock goes on.
  onChunk(buffer) {
    const muted = this.model.get("half_duplex") && this.isSounding();
    if (muted) this.mutedChunks += 1;
    this.put(muted ? new ArrayBuffer(buffer.byteLength) : buffer, buffer.byteLength / 2 / this.model.get("sample_rate"));
  }

  put(buffer, durationS) {
    this.sentMs += 1000 * durationS;
    this.outbox.put(buffer);
    this.show();
  }

  onLevel(level) {
    this.level = level;
  }

  tell(kind, content, buffers) {
    this.model.send({ kind, page: this.page, ...content }, undefined, buffers);
  }

  show() {
    for (const watcher of this.watchers) watcher(this);
  }

  watch(watcher) {
    this.watchers.add(watcher);
    watcher(this);
    return () => this.watchers.delete(watcher);
  }

  close() {
    this.model.off("msg:custom", this.listener);
    return this.stop();
  }
}

/** What the line of a view says. */
export function microphoneLine({ source, sentMs, outbox, mutedChunks }, halfDuplex) {
  const marks = [source === null ? "off" : source === "microphone" ? "listening" : `sending ${source}`];
  if (sentMs > 0) marks.push(seconds(sentMs));
  if (outbox.dropped > 0) marks.push(`${outbox.dropped} chunks lost`);
  if (halfDuplex && mutedChunks > 0) marks.push(`${mutedChunks} muted`);
  return marks.join(" · ");
}

function pushToTalk(button, listening) {
  const isKey = (event) => (event.key === " " || event.key === "Enter") && !event.repeat;
  const press = (event) => {
    event.preventDefault();
    if (event.pointerId !== undefined) button.setPointerCapture?.(event.pointerId);
    listening.start();
  };
  button.addEventListener("pointerdown", press);
  button.addEventListener("keydown", (event) => {
    if (event.key === " " || event.key === "Enter") event.stopPropagation(); // the notebook has uses of its own for them
    if (isKey(event)) press(event);
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) button.addEventListener(name, () => listening.stop());
  button.addEventListener("keyup", (event) => isKey(event) && listening.stop());
}

function renderMicrophone(listening, model, el) {
  const root = part(el, "div", "aigw-sound", { role: "group", "aria-label": "Microphone" });
  const talk = part(root, "button", "aigw-sound-talk", { type: "button" });
  const level = meter(root, "Microphone level");
  const file = part(root, "label", "aigw-sound-file", {}, "Send a file …");
  const chooser = part(file, "input", "", { type: "file", accept: "audio/*", "aria-label": "Send a sound file" });
  const line = part(root, "span", "aigw-sound-line");
  const trouble = part(root, "div", "aigw-sound-trouble", { role: "alert" });
  const push = model.get("mode") === "push";
  const show = (state) => {
    const on = state.source === "microphone";
    talk.textContent = push ? "Hold to talk" : on ? "Stop listening" : "Listen";
    talk.setAttribute("aria-pressed", String(on));
    level.show(state.level);
    line.textContent = microphoneLine(state, model.get("half_duplex"));
    trouble.textContent = state.trouble.message;
  };
  if (push) pushToTalk(talk, listening);
  else talk.addEventListener("click", () => (listening.wanted ? listening.stop() : listening.start()));
  chooser.addEventListener("change", () => {
    const [chosen] = chooser.files;
    chooser.value = "";
    if (chosen) listening.sendFile(chosen);
  });
  return listening.watch(show);
}

/** One widget: the microphone belongs to the model, so that several views do not record twice. */
export default () => {
  let listening;
  return {
    initialize({ model }) {
      listening = new Listening(model);
      return () => listening.close();
    },
    render: ({ model, el }) => renderMicrophone(listening, model, el),
  };
};
