// Plays blocks of samples without a gap, on the audio thread, and knows exactly how much of each item was heard.
// The text of this function is a module of its own there: it can use nothing from outside itself.

export function playerWorklet() {
  const REPORT_QUANTA = 8;

  // Messages in: push {item, samples}, begin {item}, end {item}, flush {id}, preRoll {frames}, hold {on}.
  // Messages out: at {item, played, queued, underruns, peak}, started {item}, drained {item, played}, flushed {id, …}.
  class AigwPlayer extends AudioWorkletProcessor {
    constructor() {
      super();
      this.queue = [];
      this.played = new Map();
      this.item = null; // the one heard last
      this.open = null; // the one that is still being made
      this.drained = null; // the one that was last heard to its end
      this.late = false; // the queue ran dry before the open one was over
      this.held = false;
      this.preRoll = 0;
      this.queued = 0;
      this.running = false;
      this.underruns = 0;
      this.quanta = 0;
      this.peak = 0;
      this.port.onmessage = ({ data }) => this[`on_${data.op}`]?.(data);
    }

    on_push({ item, samples }) {
      if (this.late && item === this.open) this.underruns += 1;
      if (item === this.drained) this.drained = null;
      this.late = false;
      this.queue.push({ item, samples, at: 0 });
      this.queued += samples.length;
    }

    on_begin({ item }) {
      this.open = item;
    }

    on_end({ item }) {
      if (this.open === item) this.open = null;
      this.late = false;
      if (!this.queue.some((block) => block.item === item)) this.drain(item);
    }

    // Silence that keeps the queue, until it is let go.
    on_hold({ on }) {
      this.held = on;
    }

    on_preRoll({ frames }) {
      this.preRoll = frames;
    }

    on_flush({ id }) {
      const item = this.queue.length > 0 && this.running ? this.queue[0].item : this.item;
      const dropped = this.queued;
      this.queue = [];
      this.queued = 0;
      this.running = this.held = this.late = false;
      this.open = null;
      this.drained = item;
      this.port.postMessage({ op: "flushed", id, item, played: this.played.get(item) ?? 0, dropped });
    }

    process(inputs, outputs) {
      const channels = outputs[0];
      const out = channels[0];
      const filled = this.held ? 0 : this.fill(out);
      if (this.running && filled < out.length && !this.held) this.runDry();
      for (let c = 1; c < channels.length; c += 1) channels[c].set(out);
      for (let i = 0; i < filled; i += 1) this.peak = Math.max(this.peak, Math.abs(out[i]));
      this.quanta += 1;
      if (filled > 0 && this.quanta % REPORT_QUANTA === 0) this.report();
      return true;
    }

    fill(out) {
      if (!this.running) {
        const enough = this.queued > 0 && (this.queued >= this.preRoll || this.open === null);
        if (!enough) return 0;
        this.running = true;
      }
      let filled = 0;
      while (filled < out.length && this.queue.length > 0) {
        const block = this.queue[0];
        if (block.item !== this.item) this.start(block.item);
        const count = Math.min(out.length - filled, block.samples.length - block.at);
        out.set(block.samples.subarray(block.at, block.at + count), filled);
        block.at += count;
        filled += count;
        this.queued -= count;
        this.played.set(block.item, (this.played.get(block.item) ?? 0) + count);
        if (block.at === block.samples.length) this.queue.shift();
        if (this.queue.length > 0 && this.queue[0].item !== block.item && block.item !== this.open) this.drain(block.item);
      }
      return filled;
    }

    start(item) {
      this.item = item;
      this.port.postMessage({ op: "started", item, time: currentTime });
      while (this.played.size > 64) this.played.delete(this.played.keys().next().value);
    }

    // The queue is empty: the end of the answer, or its next piece is late.
    runDry() {
      this.running = false;
      this.late = this.open === this.item;
      this.report();
      if (!this.late) this.drain(this.item);
    }

    drain(item) {
      if (this.drained === item) return;
      this.drained = item;
      this.port.postMessage({ op: "drained", item, played: this.played.get(item) ?? 0 });
    }

    report() {
      const { item, queued, underruns, peak } = this;
      this.port.postMessage({ op: "at", item, played: this.played.get(item) ?? 0, queued, underruns, peak });
      this.peak = 0;
    }
  }

  registerProcessor("aigw-player", AigwPlayer);
}
