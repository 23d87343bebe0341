// What a view of the chat panel knows, and how it is worded. No page is needed here. Kernel side: chat_model.py.

export class ChatState {
  constructor() {
    this.have = 0; // number of the next batch
    this.bubbles = new Map(); // by id, the oldest first
  }

  // Takes the whole conversation unless something newer is known; tells whether it did.
  take(snapshot) {
    const { seq, bubbles } = JSON.parse(snapshot);
    if (seq <= this.have) return false;
    this.have = seq;
    this.bubbles = new Map(bubbles.map((bubble) => [bubble.id, bubble]));
    return true;
  }

  // Applies a batch: the ids that changed, null when an earlier batch is missing.
  apply({ seq, ops }) {
    if (seq > this.have) return null;
    if (seq < this.have) return [];
    this.have += 1;
    return ops.flatMap((op) => applyOperation(this.bubbles, op));
  }
}

const OPERATIONS = {
  put: (bubbles, { bubble }) => {
    bubbles.set(bubble.id, bubble);
    return [bubble.id];
  },
  text: (bubbles, { id, text }) => change(bubbles, id, (bubble) => ({ text: bubble.text + text })),
  set: (bubbles, { id, changes }) => change(bubbles, id, () => changes),
  drop: (bubbles, { ids }) => ids.filter((id) => bubbles.delete(id)),
  clear: (bubbles) => {
    const ids = [...bubbles.keys()];
    bubbles.clear();
    return ids;
  },
};

function applyOperation(bubbles, operation) {
  return OPERATIONS[operation.op]?.(bubbles, operation) ?? [];
}

function change(bubbles, id, changes) {
  const bubble = bubbles.get(id);
  if (bubble === undefined) return [];
  bubbles.set(id, { ...bubble, ...changes(bubble) });
  return [id];
}

export function wait(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function money(usd) {
  if (usd === 0) return "no cost";
  if (usd < 0.0001) return "under $0.0001";
  return `$${usd < 0.1 ? usd.toFixed(4) : usd.toFixed(2)}`;
}

// The line below an answer: waits, tokens, money; what is not known is left out.
export function factsLine(facts) {
  if (!facts) return "";
  const told = [];
  if (facts.first_token_ms != null) told.push(`first words ${wait(facts.first_token_ms)}`);
  if (facts.first_audio_ms != null) told.push(`first sound ${wait(facts.first_audio_ms)}`);
  if (facts.total_ms != null) told.push(`done ${wait(facts.total_ms)}`);
  if (facts.input_tokens != null || facts.output_tokens != null)
    told.push(`${facts.input_tokens ?? "?"} → ${facts.output_tokens ?? "?"} tokens`);
  if (facts.cost_usd != null) told.push(money(facts.cost_usd));
  return told.join(" · ");
}

// Length of a sound, or time left of a session, as m:ss.
export function clockTime(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// How much of the session is left: {text, soon}; null where nobody knows.
export function timeLeft(endsAt, now) {
  if (endsAt == null) return null;
  const ms = endsAt * 1000 - now;
  if (ms <= 0) return { text: "session ends now", soon: true };
  const minutes = Math.floor(ms / 60000);
  return { text: minutes >= 5 ? `${minutes} min left` : `${clockTime(ms)} left`, soon: minutes < 2 };
}

const STATUS_WORDS = {
  idle: "not connected",
  connecting: "connecting …",
  ready: "ready",
  listening: "listening",
  thinking: "thinking …",
  speaking: "answering",
  approval: "a tool waits for you",
  ended: "session ended",
  failed: "no connection",
};

export function statusWord(status) {
  return STATUS_WORDS[status] ?? status;
}

const SPEAKERS = { user: "You", assistant: "Model", tool: "Tool", notice: "Note" };

export function speakerOf(bubble) {
  return SPEAKERS[bubble.role] ?? bubble.role;
}

// One bubble, or all, as text for the clipboard.
export function plainText(bubble) {
  if (bubble.role !== "tool") return bubble.text;
  return `${bubble.name}(${bubble.text})${bubble.output == null ? "" : ` → ${bubble.output}`}`;
}

export function conversationText(bubbles) {
  return [...bubbles].map((bubble) => `${speakerOf(bubble)}: ${plainText(bubble)}`).join("\n\n");
}

// The words that a stopped answer was heard to say, and those that nobody heard.
export function heardParts(bubble) {
  const { text, heard_text: heard } = bubble;
  if (heard == null || !text.startsWith(heard) || heard.length >= text.length) return [text, ""];
  return [heard, text.slice(heard.length)];
}

// A tool's arguments, readable: JSON is laid out, anything else stays.
export function laidOut(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}

const TOOL_WORDS = {
  waiting: "waits for you",
  refused: "refused",
  expired: "nobody answered",
};

export function toolWord(bubble) {
  if (bubble.output == null) return TOOL_WORDS[bubble.approval] ?? (bubble.status === "running" ? "running …" : "called");
  if (bubble.approval === "refused" || bubble.approval === "expired") return TOOL_WORDS[bubble.approval];
  const took = bubble.duration_ms == null ? "" : ` in ${wait(bubble.duration_ms)}`;
  return bubble.failed ? `failed${took}` : `done${took}`;
}
