// The voice of one chat panel in this page: one player however many views, and one voice at a time among panels.

import { Player, pageName } from "./audio.js";

const FOCUS_KEY = Symbol.for("aigw_notebook.speaking");
const DUCKED = 0.15;

// The newest speaks at full volume; who spoke before goes on quietly until it has ended.
export class SpeakingFocus {
  constructor() {
    this.speakers = []; // the newest last
  }

  take(speaker) {
    if (this.speakers.at(-1) === speaker) return;
    this.speakers = [...this.speakers.filter((other) => other !== speaker), speaker];
    this.setVolumes();
  }

  leave(speaker) {
    if (!this.speakers.includes(speaker)) return;
    this.speakers = this.speakers.filter((other) => other !== speaker);
    speaker.volume = 1;
    this.setVolumes();
  }

  setVolumes() {
    this.speakers.forEach((speaker, i) => {
      speaker.volume = i === this.speakers.length - 1 ? 1 : DUCKED;
    });
  }
}

function pageFocus() {
  return (globalThis[FOCUS_KEY] ??= new SpeakingFocus());
}

const MAX_HEARD_ITEMS = 64;
const HEARD_REPORT_MS = 500;

// Items are named by the kernel. `tell(message)` sends to it what was heard; `listeners` are called on every change.
export class ChatSound {
  constructor({ makePlayer = (options) => new Player(options), focus = pageFocus(), tell = () => {} } = {}) {
    this.focus = focus;
    this.listeners = new Set();
    this.makePlayer = makePlayer;
    this.tell = tell;
    this.page = pageName();
    this.player = null;
    this.open = new Set(); // items that are still being made
    this.items = []; // answers begun, the newest last
    this.sentMs = new Map(); // ms of each that came
    this.audible = false;
    this.clipId = null;
    this.muted = false;
    this.context = "running";
    this.reportedAt = 0;
  }

  voice() {
    this.player ??= this.makePlayer({
      onState: (state) => this.onState(state),
      onDrained: (drained) => this.onDrained(drained),
    });
    this.player.muted = this.muted;
    this.context = this.player.state;
    return this.player;
  }

  // A piece of an answer, or of an old one that is heard again.
  push(item, buffer, rate) {
    const player = this.voice();
    if (!this.open.has(item)) this.begin(item, player);
    player.push(item, buffer, rate);
    this.sentMs.set(item, (this.sentMs.get(item) ?? 0) + (buffer.byteLength * 500) / rate);
  }

  begin(item, player) {
    this.open.add(item);
    this.items = [...this.items.filter((known) => known !== item), item].slice(-MAX_HEARD_ITEMS);
    for (const known of this.sentMs.keys()) if (!this.items.includes(known)) this.sentMs.delete(known);
    player.begin(item);
    this.audible = true;
    this.focus.take(player);
    this.changed();
  }

  end(item) {
    if (this.open.delete(item)) this.player?.end(item);
  }

  hold(on) {
    this.player?.hold(on);
  }

  // Silence at once.
  async hush() {
    if (this.player === null || !this.audible) return;
    this.open.clear();
    this.quiet();
    await this.player.flush();
  }

  // Silence, and the counts, for the kernel's question of that id.
  async answerHush(id) {
    await this.hush();
    this.tell({ kind: "heard", id, items: this.counts() });
  }

  // Ms heard of each answer. On a page that may not play it was read: then all that came counts.
  counts() {
    const answers = this.items.filter((item) => !item.startsWith("clip:"));
    const silent = this.player === null || this.context !== "running";
    const heard = (item) => (silent ? this.sentMs.get(item) : this.player.played(item));
    return Object.fromEntries(answers.map((item) => [item, heard(item) ?? 0]));
  }

  async playClip(id, buffer, rate) {
    await this.hush();
    const item = `clip:${id}:${performance.now()}`;
    this.clipId = id;
    this.push(item, buffer, rate);
    this.end(item);
  }

  mute(muted) {
    this.muted = muted;
    if (this.player !== null) this.player.muted = muted;
  }

  resume() {
    return this.voice().resume();
  }

  close() {
    if (this.player === null) return;
    this.focus.leave(this.player);
    this.player.flush();
    this.player.close();
    this.player = null;
  }

  onState({ state, itemId }) {
    const now = performance.now();
    if (itemId !== null && this.audible && now - this.reportedAt >= HEARD_REPORT_MS) {
      this.reportedAt = now;
      this.tell({ kind: "heard", items: this.counts() });
    }
    if (state === this.context) return;
    this.context = state;
    this.changed();
  }

  onDrained({ itemId, playedMs }) {
    if (itemId !== null && !String(itemId).startsWith("clip:"))
      this.tell({ kind: "drained", item: itemId, played_ms: playedMs });
    if (this.open.size === 0) this.quiet();
  }

  quiet() {
    this.audible = false;
    this.clipId = null;
    this.focus.leave(this.player);
    this.changed();
  }

  changed() {
    for (const listener of this.listeners) listener();
  }
}
