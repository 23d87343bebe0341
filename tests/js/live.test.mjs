// The pure parts of the live view: text without gaps, and sound without breaks on players that only the test moves.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const source = readFileSync(new URL("../../aigw_notebook/widgets/static/live.js", import.meta.url));
const { accept, statusLine, Voice } = await import(`data:text/javascript;base64,${source.toString("base64")}`);

test("pieces are appended in order", () => {
  assert.deepEqual(accept(0, { seq: 0, parts: ["a", "b"] }), { have: 2, text: "ab", missing: false });
  assert.deepEqual(accept(2, { seq: 2, parts: ["c"] }), { have: 3, text: "c", missing: false });
});

test("what is known already is left out", () => {
  assert.deepEqual(accept(2, { seq: 0, parts: ["a", "b", "c"] }), { have: 3, text: "c", missing: false });
  assert.deepEqual(accept(3, { seq: 1, parts: ["b"] }), { have: 3, text: "", missing: false });
});

test("a gap is asked for and nothing is put in the wrong place", () => {
  assert.deepEqual(accept(1, { seq: 3, parts: ["d"] }), { have: 1, text: "", missing: true });
});

test("any order of messages and repeats gives the text once", () => {
  const parts = ["Lis", "bon ", "is ", "the ", "cap", "ital"];
  let have = 0;
  let text = "";
  for (const seq of [0, 2, 1, 1, 4, 0, 3, 5]) {
    const message = seq === 3 ? { seq: 1, parts: parts.slice(1) } : { seq, parts: [parts[seq]] };
    const result = accept(have, message);
    have = result.have;
    text += result.text;
  }
  assert.equal(text, parts.join(""));
});

test("the status line tells what has been reached", () => {
  assert.equal(statusLine({}, 1234), "1.2 s");
  const reached = { first_text_ms: 180.4, first_audio_ms: 240.6, tool: "weather" };
  assert.equal(statusLine(reached, 0), "0.0 s · first words 180 ms · first audio 241 ms · tool weather");
  assert.equal(statusLine({ tool: null }, 50), "0.1 s");
});

class Player {
  constructor(src, duration = 1) {
    Object.assign(this, { src, duration, currentTime: 0, playing: false, muted: false, autoplay: true, heard: {} });
  }
  addEventListener(name, listener) {
    (this.heard[name] ??= []).push(listener);
  }
  emit(name) {
    const listeners = this.heard[name] ?? [];
    this.heard[name] = [];
    listeners.forEach((listener) => listener());
  }
  play() {
    this.playing = true;
    return Promise.resolve();
  }
  pause() {
    this.playing = false;
  }
  end() {
    this.playing = false;
    this.currentTime = this.duration;
    this.emit("ended");
  }
}

class Element extends Player {
  constructor(id) {
    super(`data:${id}`);
    Object.assign(this, { id, style: {} });
  }
  querySelector() {
    return null;
  }
}

function voice() {
  const players = [];
  let begun = 0;
  const made = new Voice("aigw-1", {
    makePlayer: (src) => (players.push(new Player(src)), players.at(-1)),
    begin: () => begun++,
  });
  return { voice: made, players, begun: () => begun };
}

test("segments play one after the other, out of sight", () => {
  const { voice: it, players } = voice();
  const first = new Element("aigw-1-1");
  it.adopt(first);
  it.adopt(new Element("aigw-1-2"));
  assert.deepEqual([first.autoplay, first.style.display], [false, "none"]);
  assert.deepEqual(players.map((player) => player.playing), [true, false]);
  players[0].end();
  assert.deepEqual(players.map((player) => player.playing), [false, true]);
});

test("other turns' elements are left alone", () => {
  const { voice: it, players } = voice();
  for (const id of ["", "aigw-12", "aigw-12-1", "other"]) it.adopt(new Element(id));
  assert.equal(players.length, 0);
});

test("after a break the next segment plays at once", () => {
  const { voice: it, players } = voice();
  it.adopt(new Element("aigw-1-1"));
  players[0].end();
  it.adopt(new Element("aigw-1-2"));
  assert.equal(players[1].playing, true);
});

test("what was heard is counted over all segments", () => {
  const { voice: it, players } = voice();
  assert.equal(it.playedMs(), null);
  it.adopt(new Element("aigw-1-1"));
  players[0].currentTime = 0.25;
  assert.equal(it.playedMs(), 250);
  players[0].end();
  assert.equal(it.playedMs(), 1000);
  it.adopt(new Element("aigw-1-2"));
  players[1].currentTime = 0.5;
  assert.equal(it.playedMs(), 1500);
});

test("the whole answer goes on where the segment is, and is silent until it has caught up", () => {
  const { voice: it, players } = voice();
  it.adopt(new Element("aigw-1-1"));
  it.adopt(new Element("aigw-1-2"));
  players[0].currentTime = 0.4;
  const whole = new Element("aigw-1");
  it.adopt(whole);
  assert.deepEqual([whole.currentTime, whole.muted, whole.playing, players[0].playing], [0.4, true, true, true]);
  players[0].currentTime = 0.5;
  whole.emit("playing");
  assert.deepEqual([whole.currentTime, whole.muted, players[0].playing], [0.5, true, true]);
  whole.emit("seeked");
  assert.deepEqual([whole.muted, players[0].playing], [false, false]);
  assert.equal(it.finished, true);
  it.adopt(new Element("aigw-1-3"));
  assert.equal(players.length, 2);
});

test("a segment that ends while the whole answer starts is not followed by the next", () => {
  const { voice: it, players } = voice();
  it.adopt(new Element("aigw-1-1"));
  it.adopt(new Element("aigw-1-2"));
  const whole = new Element("aigw-1");
  it.adopt(whole);
  players[0].end();
  whole.emit("playing");
  whole.emit("seeked");
  assert.deepEqual([whole.currentTime, whole.muted, players[1].playing], [1, false, false]);
});

test("an answer too short for a segment is played from its beginning", () => {
  const { voice: it } = voice();
  const whole = new Element("aigw-1");
  it.adopt(whole);
  assert.deepEqual([whole.currentTime, whole.muted, whole.playing], [0, false, true]);
});

test("after Stop nothing is played, and the whole answer waits at what was heard", () => {
  const { voice: it, players } = voice();
  it.adopt(new Element("aigw-1-1"));
  it.adopt(new Element("aigw-1-2"));
  players[0].currentTime = 0.75;
  it.hush();
  assert.equal(players[0].playing, false);
  it.adopt(new Element("aigw-1-3"));
  const whole = new Element("aigw-1");
  it.adopt(whole);
  assert.deepEqual([whole.currentTime, whole.playing], [0.75, false]);
  assert.ok(players.every((player) => !player.playing));
});

test("others are silenced once, when the first sound begins", () => {
  const { voice: it, begun } = voice();
  assert.equal(begun(), 0);
  it.adopt(new Element("aigw-1-1"));
  it.adopt(new Element("aigw-1-2"));
  it.adopt(new Element("aigw-1"));
  assert.equal(begun(), 1);
});

test("a page that refuses to play keeps the controls and raises nothing", async () => {
  const refusing = { makePlayer: () => Object.assign(new Player(""), { play: () => Promise.reject(new Error("no")) }) };
  new Voice("aigw-1", refusing).adopt(new Element("aigw-1-1"));
  await new Promise((done) => setTimeout(done));
});
