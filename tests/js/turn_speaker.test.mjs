// The control at the page's edge, on a page of three functions: there while something is heard, gone after it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../aigw_notebook/widgets/static/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");
const source = `${read("controls.js").replaceAll("export ", "")}\n${read("turn_speaker.js").replace(/^import .*$/gm, "")}`;
const { EdgeControl, edgeState } = await import(`data:text/javascript;base64,${Buffer.from(source).toString("base64")}`);

class Element {
  constructor(name) {
    Object.assign(this, { name, children: [], attributes: {}, textContent: "", parent: null, onclick: null });
  }
  setAttribute(key, value) {
    this.attributes[key] = value;
  }
  appendChild(child) {
    child.parent = this;
    this.children.push(child);
  }
  addEventListener(_, listener) {
    this.onclick = listener;
  }
  remove() {
    this.parent.children.splice(this.parent.children.indexOf(this), 1);
  }
}

globalThis.document = { createElement: (name) => new Element(name) };

const PLAYING = { state: "running", sounding: true, playedMs: 1234, queuedMs: 500 };
const SILENT = { state: "running", sounding: false, playedMs: 1234, queuedMs: 0 };
const REFUSED = { state: "suspended", sounding: false, playedMs: 0, queuedMs: 2500 };

function edge() {
  const done = [];
  let watcher;
  const speaking = {
    watch: (listener) => ((watcher = listener), () => done.push("unwatch")),
    flush: () => done.push("flush"),
    player: { resume: () => done.push("resume") },
  };
  const page = new Element("body");
  const control = new EdgeControl(speaking, page);
  return { control, page, done, tell: (state) => watcher(state) };
}

test("it says what is heard, what waits for a click, and nothing else", () => {
  assert.equal(edgeState(SILENT), null);
  assert.deepEqual(edgeState(PLAYING), { line: "playing 1.2 s", button: "Stop" });
  assert.deepEqual(edgeState(REFUSED), { line: "2.5 s of speech waits", button: "Enable audio" });
});

test("its button stops, or lets the page play", () => {
  const { page, done, tell } = edge();
  tell(REFUSED);
  const [, button] = page.children[0].children;
  button.onclick();
  tell(PLAYING);
  button.onclick();
  assert.deepEqual(done, ["resume", "flush"]);
});

test("it stays between two answers and goes after the last", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { page, tell } = edge();
  tell(PLAYING);
  const [first] = page.children;
  tell(SILENT);
  t.mock.timers.tick(100);
  tell(PLAYING);
  t.mock.timers.tick(1000);
  assert.deepEqual(page.children, [first]);
  tell(SILENT);
  t.mock.timers.tick(1000);
  assert.deepEqual(page.children, []);
  tell(PLAYING);
  assert.equal(page.children.length, 1);
});

test("it goes with its speaker", () => {
  const { control, page, done, tell } = edge();
  tell(PLAYING);
  control.close();
  assert.deepEqual([page.children.length, done], [0, ["unwatch"]]);
});
