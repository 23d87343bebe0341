// The speaker. Kernel side: widgets/speaker.py, which holds the message format.

import { Player } from "./audio.js";
import { meter, part, seconds } from "./controls.js";
import { Inbox } from "./inbox.js";

const REPORT_MS = 450;

/** One page's player for one model, whatever number of views it has; `watch` adds a listener to its state. */
export class Speaking {
  constructor(model, { makePlayer = (options) => new Player(options), now = () => performance.now() } = {}) {
    this.model = model;
    this.now = now;
    this.watchers = new Set();
    this.reportedAt = -Infinity;
    this.reported = {};
    this.state = null;
    this.player = makePlayer({
      preRollMs: model.get("pre_roll_ms"),
      onState: (state) => this.onState(state),
      onDrained: ({ itemId, playedMs }) => this.tell("drained", { item: itemId, played_ms: playedMs }),
    });
    this.inbox = new Inbox(model, (message, buffers) => this[`on_${message.kind}`]?.(message, buffers), now);
    this.onTraits = () => this.followTraits();
    for (const name of ["volume", "muted", "pre_roll_ms"]) model.on(`change:${name}`, this.onTraits);
    this.followTraits();
    this.inbox.ready();
  }

  followTraits() {
    this.player.volume = this.model.get("volume");
    this.player.muted = this.model.get("muted");
    this.player.preRollMs = this.model.get("pre_roll_ms");
  }

  on_begin({ item }) {
    this.player.begin(item);
  }

  on_push({ item, rate }, buffers) {
    this.player.push(item, buffers[0], rate);
  }

  on_end({ item }) {
    this.player.end(item);
  }

  on_hold({ on }) {
    this.player.hold(on);
  }

  on_flush({ id, waiting_ms }) {
    return this.flush(id, waiting_ms);
  }

  /** Silence, by the kernel's wish (then it has a number) or by a click. */
  async flush(id = null, waiting_ms = 0) {
    const { itemId, playedMs, droppedFrames, exact } = await this.player.flush();
    const dropped_ms = this.player.toMs(droppedFrames);
    this.tell("flushed", { id, item: itemId, played_ms: playedMs, dropped_ms, waiting_ms, exact });
  }

  onState(state) {
    this.state = state;
    for (const watcher of this.watchers) watcher(state);
    const changed = state.state !== this.reported.state || state.sounding !== this.reported.sounding;
    if (!changed && this.now() - this.reportedAt < REPORT_MS) return;
    this.reportedAt = this.now();
    this.reported = state;
    const { itemId, playedMs, underruns, sounding } = state;
    this.tell("at", { item: itemId, played_ms: playedMs, underruns, sounding });
  }

  tell(kind, content) {
    const { context } = this.player;
    const latency_ms = 1000 * ((context.baseLatency ?? 0) + (context.outputLatency ?? 0));
    this.inbox?.send({ kind, state: context.state, latency_ms, ...content });
  }

  watch(watcher) {
    this.watchers.add(watcher);
    if (this.state) watcher(this.state);
    return () => this.watchers.delete(watcher);
  }

  close() {
    for (const name of ["volume", "muted", "pre_roll_ms"]) this.model.off(`change:${name}`, this.onTraits);
    this.inbox.close();
    this.player.close();
  }
}

/** What the line of a view says. */
export function speakerLine({ sounding, playedMs, queuedMs, underruns, refusedMs = 0 }) {
  const marks = [sounding ? `playing ${seconds(playedMs)}` : "silent"];
  if (queuedMs > 0) marks.push(`${seconds(queuedMs)} queued`);
  if (underruns > 0) marks.push(`${underruns} gap${underruns === 1 ? "" : "s"}`);
  if (refusedMs > 0) marks.push(`${seconds(refusedMs)} too much`);
  return marks.join(" · ");
}

function renderSpeaker(speaking, model, el) {
  const root = part(el, "div", "aigw-sound", { role: "group", "aria-label": "Speaker" });
  const enable = part(root, "button", "aigw-sound-enable", { type: "button" }, "Enable audio");
  const stop = part(root, "button", "aigw-sound-stop", { type: "button", title: "Silence, and forget what is queued" }, "Stop");
  const mute = part(root, "button", "aigw-sound-mute", { type: "button" }, "Mute");
  const volume = part(root, "input", "aigw-sound-volume", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": "Volume" });
  const level = meter(root, "Speaker level");
  const line = part(root, "span", "aigw-sound-line");
  const paint = () => {
    mute.setAttribute("aria-pressed", String(model.get("muted")));
    volume.value = model.get("volume");
  };
  const show = (state) => {
    enable.hidden = state.state === "running";
    stop.disabled = !state.sounding && state.queuedMs === 0;
    level.show(state.level);
    line.textContent = speakerLine(state);
  };
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  enable.addEventListener("click", () => speaking.player.resume());
  stop.addEventListener("click", () => speaking.flush());
  mute.addEventListener("click", () => change("muted", !model.get("muted")));
  volume.addEventListener("input", () => change("volume", Number(volume.value)));
  for (const name of ["volume", "muted"]) model.on(`change:${name}`, paint);
  const unwatch = speaking.watch(show);
  paint();
  speaking.player.tell();
  return () => {
    unwatch();
    for (const name of ["volume", "muted"]) model.off(`change:${name}`, paint);
  };
}

/** One widget: the player belongs to the model, so that several views do not play twice. */
export default () => {
  let speaking;
  return {
    initialize({ model }) {
      speaking = new Speaking(model);
      return () => speaking.close();
    },
    render: ({ model, el }) => renderSpeaker(speaking, model, el),
  };
};
