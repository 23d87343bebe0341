// A small, safe part of Markdown. Text becomes a tree of plain values and text nodes, never HTML; links go to the web only.

const MAX_SPAN = 2000; // characters a span of bold or code may have: keeps odd texts cheap
const MAX_DEPTH = 6;

// The blocks of a text: each {kind, source, …}. Blocks that did not change have the same source as before.
export function markdownBlocks(text) {
  const lines = text.split("\n");
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    const make = BLOCKS.find(([starts]) => starts(lines[at]))?.[1] ?? paragraph;
    const { end, block } = make(lines, at);
    if (block) blocks.push({ ...block, source: lines.slice(at, end).join("\n") });
    at = end;
  }
  return blocks;
}

const FENCE = /^\s{0,3}(`{3,}|~{3,})\s*([\w+#.-]*)\s*$/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const BULLET = /^\s{0,8}[-*+]\s+(.*)$/;
const NUMBERED = /^\s{0,8}(\d{1,9})[.)]\s+(.*)$/;
const QUOTE = /^\s{0,3}>\s?(.*)$/;
const RULE = /^\s{0,3}([-*_])(\s*\1){2,}\s*$/;

const BLOCKS = [
  [(line) => line.trim() === "", (lines, at) => ({ end: at + 1 })],
  [(line) => FENCE.test(line), fenced],
  [(line) => RULE.test(line), (lines, at) => ({ end: at + 1, block: { kind: "rule" } })],
  [(line) => HEADING.test(line), heading],
  [(line) => BULLET.test(line), (lines, at) => listOf(lines, at, BULLET, "bullets")],
  [(line) => NUMBERED.test(line), (lines, at) => listOf(lines, at, NUMBERED, "numbers")],
  [(line) => QUOTE.test(line), quote],
];

function fenced(lines, at) {
  const [, fence, language] = FENCE.exec(lines[at]);
  let end = at + 1;
  while (end < lines.length && !(lines[end].trim().startsWith(fence) && /^[`~\s]*$/.test(lines[end]))) end += 1;
  const text = lines.slice(at + 1, end).join("\n");
  return { end: Math.min(end + 1, lines.length), block: { kind: "code", language, text } };
}

function heading(lines, at) {
  const [, marks, text] = HEADING.exec(lines[at]);
  return { end: at + 1, block: { kind: "heading", level: marks.length, spans: markdownSpans(text) } };
}

function listOf(lines, at, pattern, kind) {
  const items = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const found = pattern.exec(lines[end]);
    if (found) items.push(found.at(-1));
    else if (/^\s{2,}\S/.test(lines[end]) && items.length > 0) items[items.length - 1] += `\n${lines[end].trim()}`;
    else break;
  }
  const start = kind === "numbers" ? Number(pattern.exec(lines[at])[1]) : undefined;
  return { end, block: { kind, start, items: items.map((item) => markdownSpans(item)) } };
}

function quote(lines, at) {
  let end = at;
  const inner = [];
  for (; end < lines.length && QUOTE.test(lines[end]); end += 1) inner.push(QUOTE.exec(lines[end])[1]);
  return { end, block: { kind: "quote", spans: markdownSpans(inner.join("\n")) } };
}

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && !BLOCKS.some(([starts]) => starts(lines[end]))) end += 1;
  return { end, block: { kind: "paragraph", spans: markdownSpans(lines.slice(at, end).join("\n")) } };
}

// The spans of a line: strings, and {tag, children} or {tag: "a", href, children}.
export function markdownSpans(text, depth = 0) {
  const spans = [];
  let plain = "";
  let at = 0;
  while (at < text.length) {
    const found = depth < MAX_DEPTH ? SPANS[text[at]]?.(text, at, depth) : undefined;
    if (found) {
      if (plain) spans.push(plain);
      plain = "";
      spans.push(found.span);
      at = found.end;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  if (plain) spans.push(plain);
  return spans;
}

const SPANS = {
  "`": codeSpan,
  "*": emphasis,
  _: emphasis,
  "[": linkSpan,
  h: bareLink,
  "\\": (text, at) => (/[\\`*_[\]()#+.!>~-]/.test(text[at + 1] ?? "") ? { span: text[at + 1], end: at + 2 } : undefined),
};

function closing(text, mark, from) {
  const end = text.slice(from, from + MAX_SPAN).indexOf(mark);
  return end < 0 ? -1 : from + end;
}

function codeSpan(text, at) {
  const mark = /^`+/.exec(text.slice(at, at + 8))[0];
  const end = closing(text, mark, at + mark.length);
  if (end <= at + mark.length) return undefined;
  return { span: { tag: "code", children: [text.slice(at + mark.length, end)] }, end: end + mark.length };
}

function emphasis(text, at, depth) {
  const mark = text[at];
  const strong = text[at + 1] === mark;
  const whole = strong ? mark + mark : mark;
  const from = at + whole.length;
  const inWord = mark === "_" && /\w/.test(text[at - 1] ?? "");
  const end = closing(text, whole, from);
  if (inWord || end <= from || /\s/.test(text[from]) || /\s/.test(text[end - 1])) return undefined;
  if (mark === "_" && /\w/.test(text[end + whole.length] ?? "")) return undefined;
  const children = markdownSpans(text.slice(from, end), depth + 1);
  return { span: { tag: strong ? "strong" : "em", children }, end: end + whole.length };
}

function linkSpan(text, at, depth) {
  const middle = closing(text, "](", at);
  const end = middle < 0 ? -1 : closing(text, ")", middle + 2);
  const href = end < 0 ? null : webAddress(text.slice(middle + 2, end).trim());
  if (href === null) return undefined;
  const children = markdownSpans(text.slice(at + 1, middle), depth + 1);
  return { span: { tag: "a", href, children }, end: end + 1 };
}

function bareLink(text, at) {
  const found = /^https?:\/\/[^\s<>"'`\])}]+/.exec(text.slice(at, at + MAX_SPAN));
  if (!found || /\w/.test(text[at - 1] ?? "")) return undefined;
  const shown = found[0].replace(/[.,;:!?*_]+$/, "");
  const href = webAddress(shown);
  return href === null ? undefined : { span: { tag: "a", href, children: [shown] }, end: at + shown.length };
}

// The address if it is one of the web, null for every other scheme and for what is none.
export function webAddress(text) {
  if (!/^https?:\/\//i.test(text)) return null;
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

// A block as an element; `make(tag, properties, children)` makes one, strings among the children are text.
export function markdownElement(block, make) {
  return ELEMENTS[block.kind](block, (spans) => spanElements(spans, make), make);
}

const ELEMENTS = {
  rule: (block, spans, make) => make("hr", {}, []),
  code: (block, spans, make) => make("pre", { tabIndex: 0 }, [make("code", {}, [block.text])]),
  heading: (block, spans, make) => make("p", { className: "aigw-chat-heading" }, spans(block.spans)),
  paragraph: (block, spans, make) => make("p", {}, spans(block.spans)),
  quote: (block, spans, make) => make("blockquote", {}, spans(block.spans)),
  bullets: (block, spans, make) => make("ul", {}, block.items.map((item) => make("li", {}, spans(item)))),
  numbers: (block, spans, make) =>
    make("ol", { start: block.start }, block.items.map((item) => make("li", {}, spans(item)))),
};

function spanElements(spans, make) {
  return spans.map((span) => {
    if (typeof span === "string") return span;
    const children = spanElements(span.children, make);
    if (span.tag !== "a") return make(span.tag, {}, children);
    return make("a", { href: span.href, target: "_blank", rel: "noopener noreferrer" }, children);
  });
}

// Keeps an element showing a growing text: only blocks whose source changed are made anew.
export class MarkdownText {
  constructor(root, make) {
    this.root = root;
    this.make = make;
    this.sources = [];
  }

  show(text) {
    const blocks = markdownBlocks(text);
    let same = 0;
    while (same < blocks.length && blocks[same].source === this.sources[same]) same += 1;
    while (this.root.childNodes.length > same) this.root.lastChild.remove();
    for (const block of blocks.slice(same)) this.root.append(markdownElement(block, this.make));
    this.sources = blocks.map((block) => block.source);
  }
}
