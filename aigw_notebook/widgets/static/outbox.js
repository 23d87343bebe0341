// Chunks on their way from the page to the kernel: numbered, acknowledged, bounded. Kernel side: widgets/microphone.py.

const WINDOW = 50; // sent and not acknowledged; the kernel may be busy
const WAITING = 100; // behind those; of a live microphone the oldest is dropped

export class Outbox {
  constructor(send, { window = WINDOW, waiting = WAITING } = {}) {
    this.sendNow = send; // (seq, buffer)
    this.window = window;
    this.limit = waiting;
    this.seq = 0;
    this.acknowledged = 0;
    this.queue = [];
    this.dropped = 0;
    this.room = [];
  }

  get unacknowledged() {
    return this.seq - this.acknowledged;
  }

  put(buffer) {
    this.queue.push(buffer);
    this.pump();
    while (this.queue.length > this.limit) {
      this.queue.shift();
      this.dropped += 1;
    }
  }

  // Resolves when all that was put is with the kernel or in its window: for what must not be dropped.
  hasRoom() {
    if (this.queue.length === 0 && this.unacknowledged < this.window) return Promise.resolve();
    return new Promise((resolve) => this.room.push(resolve));
  }

  // The kernel has taken all before number `seq`.
  acknowledge(seq) {
    this.acknowledged = Math.max(this.acknowledged, seq);
    this.pump();
    if (this.queue.length === 0 && this.unacknowledged < this.window) this.room.splice(0).forEach((resolve) => resolve());
  }

  pump() {
    while (this.queue.length > 0 && this.unacknowledged < this.window) {
      this.sendNow(this.seq, this.queue.shift());
      this.seq += 1;
    }
  }
}
