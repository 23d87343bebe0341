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
 * An element named `<id>-<n>` is a segment: it is hidden and played by an element outside the page, after the segment
 * before it. The element named `<id>` is the whole answer: it goes on, in sight, at the place that was reached.
 */
export class Voice {
  constructor(id, { makePlayer = (src) => new Audio(src), begin = () => {} } = {}) {
    this.id = id;
    this.makePlayer = makePlayer;
    this.begin = begin; // called once, when the turn is about to be heard
    this.current = null;
    this.queue = [];
    this.endedMs = 0;
    this.hushed = false;
    this.finished = false;
  }

  /** Milliseconds that have been heard, or null before the first sound. */
  playedMs() {
    if (!this.current) return this.endedMs || null;
    return Math.round(this.endedMs + this.current.currentTime * 1000);
  }

  /** Takes an element that has just come into the page; others than this turn's are left alone. */
  adopt(element) {
    if (this.finished) return;
    if (element.id === this.id) this.resumeIn(element);
    else if (element.id.startsWith(`${this.id}-`)) this.enqueue(element);
  }

  enqueue(element) {
    element.autoplay = false;
    element.pause();
    element.style.display = "none";
    const player = this.makePlayer(element.querySelector("source")?.src ?? element.src);
    player.preload = "auto";
    this.queue.push(player);
    if (!this.current) this.next();
  }

  next() {
    const player = this.hushed ? undefined : this.queue.shift();
    this.current = player ?? null;
    if (!player) return;
    this.speak();
    const ended = () => {
      this.endedMs += player.duration * 1000;
      this.next();
    };
    player.addEventListener("ended", ended, { once: true });
    play(player);
  }

  resumeIn(element) {
    const before = this.current;
    const seek = () => (element.currentTime = (this.playedMs() ?? 0) / 1000);
    this.finished = true;
    this.queue = [];
    seek();
    if (this.hushed) return;
    this.speak();
    if (before) this.handOver(before, element, seek);
    play(element);
  }

  speak() {
    this.begin();
    this.begin = () => {};
  }

  /** The segment goes on until the final player, silent at first, has caught up with it. */
  handOver(before, element, seek) {
    const caughtUp = () => {
      element.muted = false;
      before.pause();
    };
    element.muted = true;
    element.addEventListener("playing", () => {
      element.addEventListener("seeked", caughtUp, { once: true });
      seek();
    }, { once: true });
  }

  /** Silence, for good: the listener gave up. */
  hush() {
    this.hushed = true;
    this.queue = [];
    this.current?.pause();
  }
}

/** Starts a player. A page that nobody has clicked yet may refuse; the final player has its controls. */
function play(player) {
  player.play()?.catch?.(() => {});
}

const AFTER_CLOSE_MS = 10_000; // the last display update may be rendered after the widget is gone

/** A new answer silences the older ones: two voices at once cannot be understood. */
function silenceOthers(id) {
  for (const element of document.querySelectorAll("audio[id^='aigw-']")) if (!element.id.startsWith(id)) element.pause();
}

function follow(voice) {
  const take = (node) => {
    if (node.nodeName === "AUDIO") voice.adopt(node);
    else node.querySelectorAll?.("audio").forEach((element) => voice.adopt(element));
  };
  const observer = new MutationObserver((changes) => {
    for (const change of changes) change.addedNodes.forEach(take);
    if (voice.finished) observer.disconnect();
  });
  observer.observe(document.body, { childList: true, subtree: true });
  return observer;
}

// A turn has an id for its sound from the moment it is known that its sound comes in segments, or never.
function initialize({ model }) {
  let end = () => {};
  const begin = () => {
    model.off("change:sound_id", begin);
    if (model.get("sound_id")) end = playSegments(model);
  };
  model.on("change:sound_id", begin);
  if (model.get("sound_id")) begin();
  return () => end();
}

function playSegments(model) {
  const id = model.get("sound_id");
  const voice = new Voice(id, { begin: () => silenceOthers(id) });
  const observer = follow(voice);
  voices.set(voice.id, voice);
  model.on("msg:custom", (message) => message.kind === "hush" && voice.hush());
  return () =>
    setTimeout(() => {
      observer.disconnect();
      if (!voice.finished) voice.hush();
      voices.delete(voice.id);
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
  let begun = performance.now();
  const paint = () => (line.textContent = statusLine(model.get("state"), performance.now() - begun));
  const onMessage = (message) => {
    if (message.kind !== "text") return;
    if (message.elapsed_ms != null) begun = performance.now() - message.elapsed_ms;
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
