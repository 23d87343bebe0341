// The chat panel without a page: what a view knows, how texts become elements, whose voice is heard.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../aigw_notebook/widgets/static/", import.meta.url);
const load = (name, replaced = (text) => text) =>
  import(`data:text/javascript;base64,${Buffer.from(replaced(readFileSync(new URL(name, folder), "utf8"))).toString("base64")}`);

const state = await load("chat_state.js");
const markdown = await load("chat_markdown.js");
const { ChatSound, SpeakingFocus } = await load("chat_sound.js", (text) => text.replace(/^import .*$/m, "const Player = null, pageName = () => 'page';"));

// --------------------------------------------------------------------------------------------------------- the state

const bubble = (id, text = "", more = {}) => ({ id, role: "assistant", status: "running", text, ...more });

test("batches are applied once, in order, and a gap is noticed", () => {
  const it = new state.ChatState();
  assert.deepEqual(it.apply({ seq: 0, ops: [{ op: "put", bubble: bubble("a", "Li") }] }), ["a"]);
  assert.deepEqual(it.apply({ seq: 1, ops: [{ op: "text", id: "a", text: "sbon" }] }), ["a"]);
  assert.deepEqual(it.apply({ seq: 1, ops: [{ op: "text", id: "a", text: "sbon" }] }), []);
  assert.equal(it.apply({ seq: 3, ops: [{ op: "clear" }] }), null);
  assert.equal(it.bubbles.get("a").text, "Lisbon");
  assert.deepEqual(it.apply({ seq: 2, ops: [{ op: "set", id: "a", changes: { status: "completed" } }] }), ["a"]);
  assert.equal(it.bubbles.get("a").status, "completed");
});

test("bubbles are dropped and cleared, and unknown operations change nothing", () => {
  const it = new state.ChatState();
  it.apply({ seq: 0, ops: ["a", "b", "c"].map((id) => ({ op: "put", bubble: bubble(id) })) });
  assert.deepEqual(it.apply({ seq: 1, ops: [{ op: "drop", ids: ["b", "x"] }, { op: "new" }, { op: "text", id: "x", text: "?" }] }), ["b"]);
  assert.deepEqual([...it.bubbles.keys()], ["a", "c"]);
  assert.deepEqual(it.apply({ seq: 2, ops: [{ op: "clear" }] }), ["a", "c"]);
  assert.equal(it.bubbles.size, 0);
});

test("a whole conversation is taken only when it is newer", () => {
  const it = new state.ChatState();
  assert.equal(it.take(JSON.stringify({ seq: 2, bubbles: [bubble("a", "new")] })), true);
  assert.equal(it.take(JSON.stringify({ seq: 1, bubbles: [bubble("a", "old")] })), false);
  assert.equal(it.bubbles.get("a").text, "new");
  assert.equal(it.have, 2);
});

test("waits, tokens and money are worded, and what is unknown is left out", () => {
  const all = { first_token_ms: 127.1, first_audio_ms: 830.2, total_ms: 1482, input_tokens: 98, output_tokens: 57, cost_usd: 0.0123 };
  assert.equal(state.factsLine(all), "first words 127 ms · first sound 830 ms · done 1.5 s · 98 → 57 tokens · $0.0123");
  assert.equal(state.factsLine({ output_tokens: 3, cost_usd: 0 }), "? → 3 tokens · no cost");
  assert.equal(state.factsLine({}), "");
  assert.equal(state.factsLine(null), "");
  assert.deepEqual([state.money(0.00001), state.money(1.5)], ["under $0.0001", "$1.50"]);
});

test("the time left is told in minutes, then in seconds, then as urgent", () => {
  assert.equal(state.timeLeft(null, 0), null);
  assert.deepEqual(state.timeLeft(3540, 0), { text: "59 min left", soon: false });
  assert.deepEqual(state.timeLeft(200, 0), { text: "3:20 left", soon: false });
  assert.deepEqual(state.timeLeft(65, 0), { text: "1:05 left", soon: true });
  assert.equal(state.timeLeft(1, 2000).soon, true);
});

test("words that nobody heard are set apart", () => {
  assert.deepEqual(state.heardParts({ text: "One, two, three", heard_text: "One," }), ["One,", " two, three"]);
  assert.deepEqual(state.heardParts({ text: "One", heard_text: null }), ["One", ""]);
  assert.deepEqual(state.heardParts({ text: "One", heard_text: "Uno" }), ["One", ""]);
});

test("a tool call says how it stands", () => {
  const call = { role: "tool", name: "f", text: "{}", output: null, status: "completed" };
  assert.equal(state.toolWord({ ...call, approval: "waiting" }), "waits for you");
  assert.equal(state.toolWord({ ...call, approval: "refused", output: "no" }), "refused");
  assert.equal(state.toolWord({ ...call, output: "x", duration_ms: 12 }), "done in 12 ms");
  assert.equal(state.toolWord({ ...call, output: "x", failed: true }), "failed");
  assert.equal(state.plainText({ ...call, output: "3" }), "f({}) → 3");
  assert.equal(state.laidOut("{broken"), "{broken");
});

// --------------------------------------------------------------------------------------------------------- markdown

const element = (tag, properties, children) => ({ tag, ...properties, children });
const tree = (text) => markdown.markdownBlocks(text).map((block) => markdown.markdownElement(block, element));
const all = (node) => (typeof node === "string" ? [] : [node, ...node.children.flatMap(all)]);
const words = (node) => (typeof node === "string" ? node : node.children.map(words).join(""));

test("paragraphs, lists, code and emphasis", () => {
  const made = tree("# Fruits\n\n1. **Apple** `a*b`\n2. *Pear*\n\n- x\n- y\n\n> said\n\n```py\na < b\n```\nlast line\nof it\n\n---");
  assert.deepEqual(made.map(({ tag }) => tag), ["p", "ol", "ul", "blockquote", "pre", "p", "hr"]);
  assert.deepEqual(all(made[1]).map(({ tag }) => tag), ["ol", "li", "strong", "code", "li", "em"]);
  assert.equal(words(made[4]), "a < b");
  assert.equal(words(made[5]), "last line\nof it");
});

test("what is no Markdown stays as it was written", () => {
  for (const text of ["2 * 3 * 4", "snake_case_name", "a ** b", "`open", "[x](y", "**", "a ````` b", "f(x)_", "<b>bold</b> &amp;", "\\* not"])
    assert.equal(tree(text).map(words).join(""), text.replace("\\*", "*"));
});

const HOSTILE = [
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](data:text/html,<script>1</script>)",
  "[x](vbscript:1)",
  "[x](//evil.example)",
  "[x](\tjavascript:alert(1))",
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "![x](https://evil.example/track.png)",
  "`<svg onload=alert(1)>`",
  "```html\n<iframe src=javascript:1>\n```",
  '[x](https://a.example/" onclick="alert(1))',
  "**<b onmouseover=alert(1)>**",
  "https://a.example/<script>",
];
const TAGS = new Set(["p", "strong", "em", "code", "pre", "a", "ul", "ol", "li", "blockquote", "hr"]);

test("hostile text makes no element, address or property but the harmless ones", () => {
  for (const text of HOSTILE) {
    for (const node of tree(text).flatMap(all)) {
      assert.ok(TAGS.has(node.tag), `${node.tag} of ${text}`);
      const properties = Object.keys(node).filter((key) => node[key] !== undefined);
      assert.ok(properties.every((key) => ["tag", "children", "className", "href", "target", "rel", "tabIndex", "start"].includes(key)));
      if (node.tag !== "a") assert.equal(node.href, undefined);
      else {
        assert.match(node.href, /^https?:\/\/[^"<>\s]+$/);
        assert.equal(node.rel, "noopener noreferrer");
      }
    }
  }
});

test("links of the web are links, with what stands behind them left outside", () => {
  const [paragraph] = tree("See [the page](https://a.example/x) or https://b.example/y.");
  assert.deepEqual(all(paragraph).filter(({ tag }) => tag === "a").map(({ href }) => href), ["https://a.example/x", "https://b.example/y"]);
  assert.equal(words(paragraph), "See the page or https://b.example/y.");
});

test("long runs of marks come to an end and are all shown", () => {
  for (const text of ["*x".repeat(10000), "[".repeat(20000), "`".repeat(20000), "_a".repeat(10000), "> ".repeat(10000), "**a".repeat(7000)])
    assert.ok(tree(`a ${text}`).map(words).join("").length >= text.length / 6);
});

test("a growing text makes anew only the blocks that changed", () => {
  const made = [];
  const root = {
    childNodes: [],
    append(node) {
      node.remove = () => this.childNodes.splice(this.childNodes.indexOf(node), 1);
      this.childNodes.push(node);
    },
    get lastChild() {
      return this.childNodes.at(-1);
    },
  };
  const text = new markdown.MarkdownText(root, (tag, properties, children) => (made.push(tag), { tag, children }));
  text.show("One.\n\nTwo");
  const first = root.childNodes[0];
  text.show("One.\n\nTwo, three.");
  assert.equal(root.childNodes[0], first);
  assert.deepEqual(root.childNodes.map(words), ["One.", "Two, three."]);
  assert.equal(made.length, 3);
});

// ------------------------------------------------------------------------------------------------------------ sound

class FakePlayer {
  constructor({ onState, onDrained }) {
    Object.assign(this, { onState, onDrained, told: [], heard: {}, volume: 1, state: "running" });
  }
  begin(item) {
    this.told.push(`begin ${item}`);
  }
  push(item) {
    this.told.push(`push ${item}`);
  }
  end(item) {
    this.told.push(`end ${item}`);
  }
  async flush() {
    this.told.push("flush");
  }
  played(item) {
    return this.heard[item] ?? 0;
  }
  hold(on) {
    this.told.push(`hold ${on}`);
  }
  close() {
    this.told.push("close");
  }
}

function sound(focus = new SpeakingFocus()) {
  const told = [];
  let player;
  const it = new ChatSound({ focus, tell: (message) => told.push(message), makePlayer: (options) => (player = new FakePlayer(options)) });
  return { it, told, player: () => player };
}

const pcm = new DataView(new ArrayBuffer(4800));

test("an answer is begun once, ended once, and its end is told", () => {
  const { it, told, player } = sound();
  it.push("i1", pcm, 24000);
  it.push("i1", pcm, 24000);
  it.end("i1");
  it.end("i1");
  assert.deepEqual(player().told, ["begin i1", "push i1", "push i1", "end i1"]);
  assert.equal(it.audible, true);
  player().onDrained({ itemId: "i1", playedMs: 200 });
  assert.deepEqual(told, [{ kind: "drained", item: "i1", played_ms: 200 }]);
  assert.equal(it.audible, false);
});

test("silence is answered with what was heard of each answer, not of replayed clips", async () => {
  const { it, told, player } = sound();
  it.push("i1", pcm, 24000);
  player().heard = { i1: 40 };
  await it.answerHush(7);
  assert.deepEqual(told, [{ kind: "heard", id: 7, items: { i1: 40 } }]);
  await it.playClip("0.2", pcm, 24000);
  assert.equal(it.clipId, "0.2");
  await it.answerHush(8);
  assert.deepEqual(told[1].items, { i1: 40 });
});

test("on a page that may not play, what came counts as known", async () => {
  const { it, told, player } = sound();
  it.push("i1", pcm, 24000);
  player().onState({ state: "suspended", itemId: "i1" });
  told.length = 0;
  await it.answerHush(1);
  assert.deepEqual(told, [{ kind: "heard", id: 1, items: { i1: 100 } }]);
});

test("the newest voice is loud, the one before goes on quietly until it is alone again", () => {
  const focus = new SpeakingFocus();
  const [first, second] = [sound(focus), sound(focus)];
  first.it.push("a", pcm, 24000);
  second.it.push("b", pcm, 24000);
  assert.deepEqual([first.player().volume, second.player().volume], [0.15, 1]);
  second.it.end("b");
  second.player().onDrained({ itemId: "b", playedMs: 1 });
  assert.deepEqual([first.player().volume, second.player().volume], [1, 1]);
});
