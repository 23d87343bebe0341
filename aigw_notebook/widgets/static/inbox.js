// The page's end of a feed of numbered messages. Kernel side: widgets/feed.py.

import { pageName } from "./audio.js";

const ASK_AGAIN_MS = 500;

// Hands each message that is for this page to `take(message, buffers)` once and in order, and asks for what is missing.
export class Inbox {
  constructor(model, take, now = () => performance.now()) {
    this.page = pageName();
    this.have = null; // the number of the next message; null before the first
    this.model = model;
    this.take = take;
    this.now = now;
    this.askedAt = -Infinity;
    this.lost = 0;
    this.listener = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.listener);
  }

  // Says that this page listens.
  ready() {
    this.model.send({ kind: "ready", page: this.page, have: this.have });
  }

  receive(message, buffers) {
    if (message.page !== this.page) return;
    const have = this.have ?? message.seq;
    if (message.seq < have) return;
    if (message.seq > have && message.oldest <= have) {
      if (this.now() - this.askedAt < ASK_AGAIN_MS) return;
      this.askedAt = this.now();
      this.ready();
      return;
    }
    this.askedAt = -Infinity;
    this.lost += message.seq - have; // the kernel does not have them any more
    this.have = message.seq + 1;
    this.take(message, buffers);
  }

  send(content) {
    this.model.send({ ...content, page: this.page, have: this.have ?? 0 });
  }

  close() {
    this.model.off("msg:custom", this.listener);
  }
}
