// The live view of one turn. Kernel side: widgets/live.py, which holds the message format.

/** Applies a text message to a view that has `have` pieces: what to append, or from where to ask again. */
export function accept(have, { seq, parts }) {
  if (seq > have) return { have, text: "", missing: true };
  const fresh = parts.slice(have - seq);
  return { have: have + fresh.length, text: fresh.join(""), missing: false };
}

/** The status line: seconds so far, then what has been reached. */
export function statusLine(state, elapsedMs) {
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  const marks = [seconds(elapsedMs)];
  if (state.first_text_ms != null) marks.push(`first words ${Math.round(state.first_text_ms)} ms`);
  if (state.first_audio_ms != null) marks.push(`first audio ${Math.round(state.first_audio_ms)} ms`);
  if (state.tool) marks.push(`tool ${state.tool}`);
  return marks.join(" · ");
}

/**
 * Plays the audio elements of one turn without a break, although each display update replaces the last element.
 *
 * An element named `<id>-<n>` is a segment: it is taken over, kept playing when it leaves the page, and the next one
 * starts when it has ended. The element named `<id>` is the whole answer: it goes on at the place that was reached.
 */
export class Voice {
  constructor(id, host) {
    this.id = id;
    this.host = host;
    this.current = null;
    this.queue = [];
    this.playedBefore = 0;
    this.paused = false;
    this.finished = false;
  }

  /** Milliseconds that have been heard, or null before the first sound. */
  playedMs() {
    if (!this.current) return null;
    return Math.round((this.playedBefore + this.current.currentTime) * 1000);
  }

  /** Takes an element that has just come into the page. */
  adopt(element) {
    if (this.finished) return;
    if (element.id === this.id) this.resumeIn(element);
    else if (element.id.startsWith(`${this.id}-`)) this.enqueue(element);
    this.keep();
  }

  enqueue(element) {
    element.autoplay = false;
    element.pause();
    this.queue.push(element);
    if (!this.current || this.current.ended) this.next();
  }

  next() {
    if (this.current && this.current.ended) {
      this.playedBefore += this.current.duration;
      this.drop(this.current);
      this.current = null;
    }
    if (this.current || !this.queue.length || this.paused) return;
    const element = (this.current = this.queue.shift());
    element.addEventListener("ended", () => this.next(), { once: true });
    element.addEventListener("pause", () => this.onPause(element));
    element.addEventListener("play", () => (this.paused = false));
    this.play(element);
  }

  /** The listener's own pause, in the page; one that follows from moving the element is none. */
  onPause(element) {
    if (element === this.current && !element.ended && element.parentNode !== this.host) this.paused = true;
  }

  /** An element that a display update has thrown out of the page falls silent; in the host it goes on. */
  keep() {
    const element = this.current;
    if (!element || element.isConnected || this.finished) return;
    this.host.appendChild(element);
    if (element.paused && !element.ended && !this.paused) this.play(element);
  }

  play(element) {
    element.play()?.catch?.(() => {}); // refused before the first click in a page: the controls are there
  }

  resumeIn(element) {
    const heard = this.playedMs();
    const old = this.current;
    this.finished = true;
    this.queue = [];
    if (heard !== null) element.currentTime = heard / 1000;
    if (this.paused) return this.drop(old);
    element.addEventListener("playing", () => this.drop(old), { once: true });
    element.addEventListener("error", () => this.drop(old), { once: true });
    this.play(element);
  }

  /** Silence, for good: the listener gave up. */
  hush() {
    this.paused = true;
    this.queue = [];
    this.current?.pause();
  }

  drop(element) {
    if (!element) return;
    element.pause();
    if (element.parentNode === this.host) this.host.removeChild(element);
  }
}

const AFTER_CLOSE_MS = 10_000; // the last display update may be rendered after the widget is gone

function follow(voice, document) {
  const take = (node) => {
    if (node.nodeName === "AUDIO") voice.adopt(node);
    else node.querySelectorAll?.("audio").forEach((element) => voice.adopt(element));
  };
  const observer = new MutationObserver((changes) => {
    for (const change of changes) change.addedNodes.forEach(take);
    voice.keep();
    if (voice.finished) observer.disconnect();
  });
  observer.observe(document.body, { childList: true, subtree: true });
  return observer;
}

function initialize({ model }) {
  const host = document.createElement("div");
  host.hidden = true;
  document.body.appendChild(host);
  const voice = new Voice(model.get("sound_id"), host);
  const observer = follow(voice, document);
  voices.set(model.get("sound_id"), voice);
  model.on("msg:custom", (message) => message.kind === "hush" && voice.hush());
  return () =>
    setTimeout(() => {
      observer.disconnect();
      if (!voice.finished) voice.hush();
      voices.delete(voice.id);
      host.remove();
    }, AFTER_CLOSE_MS);
}

const voices = new Map();

function make(parent, name, className, attributes = {}) {
  const element = document.createElement(name);
  element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.appendChild(element);
  return element;
}

function render({ model, el }) {
  const root = make(el, "div", "aigw-live");
  const text = make(root, "div", "aigw-live-text", { "aria-live": "polite", "aria-label": "Answer" });
  const status = make(root, "div", "aigw-live-status");
  const line = make(status, "span", "aigw-live-line");
  const button = make(status, "button", "aigw-live-stop", { type: "button" });
  button.textContent = "Stop";
  let have = 0;
  const begun = performance.now() - (model.get("state").elapsed_ms ?? 0);
  const paint = () => (line.textContent = statusLine(model.get("state"), performance.now() - begun));
  const onMessage = (message) => {
    if (message.kind !== "text") return;
    const result = accept(have, message);
    have = result.have;
    if (result.text) text.appendChild(document.createTextNode(result.text));
    if (result.missing) model.send({ kind: "ready", have });
  };
  button.addEventListener("click", () => {
    button.disabled = true;
    const voice = voices.get(model.get("sound_id"));
    model.send({ kind: "stop", played_ms: voice?.playedMs() ?? null });
    voice?.hush();
  });
  model.on("msg:custom", onMessage);
  model.on("change:state", paint);
  const clock = setInterval(paint, 100);
  paint();
  model.send({ kind: "ready", have });
  return () => {
    clearInterval(clock);
    model.off("msg:custom", onMessage);
    model.off("change:state", paint);
  };
}

export default { initialize, render };
