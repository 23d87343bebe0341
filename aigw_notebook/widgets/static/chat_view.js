// The conversation on the screen: one element for each bubble, patched in place.

import { clockTime, factsLine, heardParts, laidOut, plainText, speakerOf, toolWord } from "./chat_state.js";
import { MarkdownText } from "./chat_markdown.js";
import { copyText, iconButton, chatPart, setIcon } from "./chat_parts.js";

const NOTES = { interrupted: "stopped", cancelled: "stopped", incomplete: "cut short", failed: "failed", timeout: "no answer", lost: "lost" };

// `act` is what a person can do with a bubble: {edit, regenerate, play, approve, picture}.
class BubbleElement {
  constructor(bubble, act) {
    this.act = act;
    this.body = chatPart("div", { className: "aigw-chat-body" });
    this.foot = chatPart("div", { className: "aigw-chat-foot" });
    this.who = chatPart("span", { className: "aigw-chat-who" });
    this.root = chatPart("article", { className: `aigw-chat-bubble aigw-chat-${bubble.role}` }, [this.who, this.body, this.foot]);
    this.root.dataset.id = bubble.id;
    this.pictures = new Map();
    this.show(bubble);
  }

  show(bubble) {
    this.bubble = bubble;
    this.who.textContent = speakerOf(bubble);
    this.root.classList.toggle("aigw-chat-provisional", Boolean(bubble.provisional));
    this.root.classList.toggle("aigw-chat-error", bubble.level === "error");
    this.root.setAttribute("aria-busy", String(bubble.status === "running"));
    this.root.setAttribute("aria-label", `${speakerOf(bubble)}${bubble.provisional ? ", not final" : ""}`);
    (this[`show_${bubble.role}`] ?? this.show_notice).call(this, bubble);
  }

  show_user(bubble) {
    const words = bubble.text || (bubble.spoken ? (bubble.status === "running" ? "…" : "(spoken)") : "");
    this.text ??= this.body.appendChild(chatPart("div", { className: "aigw-chat-plain" }));
    this.text.textContent = words;
    this.text.hidden = words === "";
    this.showPictures(bubble);
    const actions = [this.playButton(bubble), this.copyButton(bubble)];
    if (bubble.status !== "running" && !bubble.spoken && bubble.turn > 0) actions.push(this.button("edit", "Change and ask again", () => this.edit()));
    this.showFoot(bubble.provisional ? "listening, not final" : "", actions, bubble);
  }

  show_assistant(bubble) {
    const [heard, unheard] = heardParts(bubble);
    this.markdown ??= new MarkdownText(this.body.appendChild(chatPart("div", { className: "aigw-chat-text" })), chatPart);
    this.markdown.show(heard);
    this.rest ??= this.body.appendChild(chatPart("span", { className: "aigw-chat-unheard", title: "nobody heard this" }));
    this.rest.textContent = unheard;
    this.showPictures(bubble);
    const note = NOTES[bubble.status] ?? "";
    const facts = [note, factsLine(bubble.facts)].filter(Boolean).join(" · ");
    const done = bubble.status !== "running";
    const again = done && bubble.facts ? this.button("again", "Answer again", () => this.act.regenerate(), "aigw-chat-last-only") : null;
    this.showFoot(facts, done ? [this.playButton(bubble), this.copyButton(bubble), again] : [], bubble);
  }

  show_tool(bubble) {
    if (this.details === undefined) {
      this.name = chatPart("code");
      this.word = chatPart("span", { className: "aigw-chat-word" });
      this.arguments = chatPart("pre", { tabIndex: 0, "aria-label": "arguments" });
      this.output = chatPart("pre", { tabIndex: 0, "aria-label": "result" });
      this.summary = chatPart("summary", {}, [this.name, this.word]);
      this.details = chatPart("details", {}, [this.summary, this.arguments, this.output]);
      this.choice = chatPart("div", { className: "aigw-chat-choice" }, [
        chatPart("button", { type: "button", className: "aigw-chat-primary", onclick: () => this.decide(true) }, ["Approve"]),
        chatPart("button", { type: "button", onclick: () => this.decide(false) }, ["Refuse"]),
      ]);
      this.body.append(this.details, this.choice);
    }
    const waiting = bubble.approval === "waiting" && bubble.output == null;
    this.name.textContent = bubble.name;
    this.word.textContent = toolWord(bubble);
    this.arguments.textContent = laidOut(bubble.text);
    this.output.textContent = bubble.output ?? "";
    this.output.hidden = bubble.output == null;
    this.choice.hidden = !waiting;
    if (waiting) this.details.open = true;
    this.root.classList.toggle("aigw-chat-waiting", waiting);
    this.root.classList.toggle("aigw-chat-failed", Boolean(bubble.failed));
  }

  show_notice(bubble) {
    this.body.textContent = bubble.text;
  }

  decide(yes) {
    this.summary.focus(); // the button that has the focus goes away
    this.choice.hidden = true;
    this.act.approve(this.bubble.call_id, yes);
  }

  showPictures({ pictures = [] }) {
    for (const ref of pictures) {
      if (this.pictures.has(ref)) continue;
      const picture = chatPart("img", { className: "aigw-chat-picture", alt: "picture" });
      this.pictures.set(ref, picture);
      this.body.prepend(picture);
      this.act.picture(ref);
    }
  }

  showFoot(text, actions, bubble) {
    const key = JSON.stringify([text, bubble.status, bubble.audio_ref, this.playing]);
    if (key === this.footKey) return;
    this.footKey = key;
    const held = actions.filter(Boolean);
    this.foot.replaceChildren(chatPart("span", { className: "aigw-chat-facts" }, [text]), ...held);
  }

  button(name, label, onclick, className = "") {
    return iconButton(name, label, { className: `aigw-chat-small ${className}`, onclick });
  }

  playButton(bubble) {
    if (!bubble.audio_ref) return null;
    const length = bubble.audio_ms ? ` (${clockTime(bubble.audio_ms)})` : "";
    const [name, label] = this.playing ? ["stop", "Stop"] : ["play", `Hear it${length}`];
    return this.button(name, label, () => this.act.play(bubble.id, !this.playing));
  }

  copyButton(bubble) {
    if (!bubble.text) return null;
    const button = this.button("copy", "Copy", async () => {
      await copyText(plainText(this.bubble));
      setIcon(button, "done", "Copied");
      setTimeout(() => setIcon(button, "copy", "Copy"), 1500);
    });
    return button;
  }

  setPlaying(playing) {
    if (this.playing === playing) return;
    this.playing = playing;
    this.show(this.bubble);
  }

  edit() {
    const area = chatPart("textarea", { value: this.bubble.text, rows: 2, "aria-label": "The question in other words" });
    const over = () => {
      this.text.hidden = false;
      form.remove();
    };
    const cancel = () => {
      this.foot.querySelector("button:last-of-type")?.focus();
      over();
    };
    const send = () => {
      if (!area.value.trim() || area.value === this.bubble.text) return cancel();
      this.act.edit(this.bubble.id, area.value);
      return over();
    };
    const form = chatPart("div", { className: "aigw-chat-edit" }, [
      area,
      chatPart("div", { className: "aigw-chat-choice" }, [
        chatPart("button", { type: "button", className: "aigw-chat-primary", onclick: send }, ["Ask"]),
        chatPart("button", { type: "button", onclick: cancel }, ["Cancel"]),
      ]),
    ]);
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") cancel();
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send();
      else return;
      event.preventDefault();
    });
    this.text.hidden = true;
    this.body.append(form);
    area.focus();
  }
}

// The list of all bubbles. It follows the newest words unless a person has scrolled up.
export class ConversationElement {
  constructor(act, empty) {
    this.act = act;
    this.empty = empty;
    this.elements = new Map();
    this.images = new Map();
    this.root = chatPart("div", {
      className: "aigw-chat-log",
      role: "log",
      "aria-live": "polite",
      "aria-label": "Conversation",
      tabIndex: 0,
    }, [empty]);
  }

  // Shows these ids as they are now in `bubbles`; all of them without `ids`.
  show(bubbles, ids = null) {
    const atEnd = this.root.scrollHeight - this.root.scrollTop - this.root.clientHeight < 48;
    for (const id of ids ?? [...new Set([...this.elements.keys(), ...bubbles.keys()])]) this.showOne(id, bubbles.get(id));
    if (ids === null) this.root.append(...[...bubbles.keys()].map((id) => this.elements.get(id).root));
    this.empty.hidden = bubbles.size > 0;
    if (atEnd) this.root.scrollTop = this.root.scrollHeight;
  }

  showOne(id, bubble) {
    const known = this.elements.get(id);
    if (bubble === undefined) {
      known?.root.remove();
      this.elements.delete(id);
    } else if (known) {
      known.show(bubble);
    } else {
      const element = new BubbleElement(bubble, this.act);
      this.elements.set(id, element);
      this.root.append(element.root);
    }
  }

  setPlaying(id) {
    for (const [known, element] of this.elements) element.setPlaying(known === id);
  }

  setPicture(ref, url) {
    for (const { pictures } of this.elements.values()) {
      const picture = pictures.get(ref);
      if (picture) picture.src = url;
    }
  }

  scrollToEnd() {
    this.root.scrollTop = this.root.scrollHeight;
  }
}
