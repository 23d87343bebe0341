// The chat panel. Kernel side: widgets/chat.py, which holds the messages. What is heard belongs to the model, so that
// several views of one panel speak once; what is seen belongs to each view.

import { Composer } from "./chat_composer.js";
import { copyText, iconButton, chatPart, saveFile, setIcon } from "./chat_parts.js";
import { ChatSound } from "./chat_sound.js";
import { ChatState, conversationText, statusWord, timeLeft } from "./chat_state.js";
import { ConversationElement } from "./chat_view.js";

const panelSounds = new Map(); // by panel: its sound in this page

function beginSound(model) {
  const sound = new ChatSound({ tell: (message) => model.send(message) });
  const id = model.get("panel_id");
  const does = {
    audio: ({ item, rate }, [buffer]) => sound.push(item, buffer, rate),
    spoken: ({ item }) => sound.end(item),
    hold: ({ on }) => sound.hold(on),
    hush: ({ id }) => void sound.answerHush(id),
    clip: (content, [buffer]) => void sound.playClip(content.id, buffer, content.rate),
  };
  const onMessage = (message, buffers) => message.page === sound.page && does[message.kind]?.(message, buffers);
  const onMuted = () => sound.mute(model.get("muted"));
  panelSounds.set(id, sound);
  onMuted();
  model.on("msg:custom", onMessage);
  model.on("change:muted", onMuted);
  model.send({ kind: "listening", page: sound.page });
  return () => {
    model.off("msg:custom", onMessage);
    model.off("change:muted", onMuted);
    sound.close();
    panelSounds.delete(id);
  };
}

class PanelView {
  constructor(model, el) {
    this.model = model;
    this.view = Math.random().toString(36).slice(2);
    this.state = new ChatState();
    this.sound = panelSounds.get(model.get("panel_id")) ?? new ChatSound();
    this.conversation = new ConversationElement(this.actions(), this.suggestions());
    this.composer = new Composer({
      ask: (text, picture) => this.ask(text, picture),
      stop: () => this.stop(),
      microphone: (on, push, rate) => this.tell("microphone", { on, push, rate }),
      chunk: (buffer, seq) => this.tell("chunk", { seq }, [buffer]),
      say: (text) => this.say(text),
      answers: () => this.sound.audible,
    });
    this.root = chatPart("section", { className: "aigw-chat", "aria-label": "Chat", "data-lm-suppress-shortcuts": "true" }, [
      this.bar(),
      this.settings(),
      this.conversation.root,
      this.trouble(),
      this.composer.root,
    ]);
    el.append(this.root);
    this.listen();
  }

  // ------------------------------------------------------------------------------------------------------- the parts

  bar() {
    this.light = chatPart("span", { className: "aigw-chat-light", "aria-hidden": "true" });
    this.word = chatPart("span", { className: "aigw-chat-status", role: "status" });
    this.left = chatPart("span", { className: "aigw-chat-left" });
    this.where = chatPart("div", { className: "aigw-chat-where" });
    this.mute = iconButton("sound", "Mute", { className: "aigw-chat-small", onclick: () => this.set({ muted: !this.model.get("muted") }) });
    this.undo = iconButton("undo", "Take the last turn back", { className: "aigw-chat-small", onclick: () => this.tell("undo") });
    this.gear = iconButton("settings", "Settings", { className: "aigw-chat-small", "aria-expanded": "false", onclick: () => this.toggle(this.gear, this.form) });
    this.more = iconButton("more", "More", { className: "aigw-chat-small", "aria-expanded": "false", onclick: () => this.toggle(this.more, this.menu) });
    return chatPart("header", { className: "aigw-chat-bar" }, [
      chatPart("div", { className: "aigw-chat-row" }, [this.light, this.word, this.left, this.undo, this.mute, this.gear, this.more, this.menuList()]),
      this.where,
    ]);
  }

  menuList() {
    const entry = (text, onclick) =>
      chatPart("button", { type: "button", onclick: () => (this.toggle(this.more, this.menu), onclick()) }, [text]);
    this.menu = chatPart("div", { className: "aigw-chat-menu", hidden: true, onkeydown: (event) => this.onEscape(event, this.more, this.menu) }, [
      entry("Copy all", () => copyText(conversationText(this.state.bubbles.values()))),
      entry("Save as Markdown", () => this.tell("export", { suffix: ".md", view: this.view })),
      entry("Save as JSON", () => this.tell("export", { suffix: ".json", view: this.view })),
      entry("New conversation", () => this.tell("clear")),
    ]);
    return this.menu;
  }

  settings() {
    this.fields = {
      provider: chatPart("select", { onchange: () => this.set({ provider: this.fields.provider.value }) }),
      model: chatPart("select", { onchange: () => this.set({ model: this.fields.model.value }) }),
      voice: chatPart("select", { onchange: () => this.set({ voice: this.fields.voice.value }) }),
      microphone: chatPart("select", { onchange: () => this.set({ microphone: this.fields.microphone.value }) }),
      half_duplex: chatPart("input", { type: "checkbox", onchange: () => this.set({ half_duplex: this.fields.half_duplex.checked }) }),
      instructions: chatPart("textarea", { rows: 2, placeholder: "How should it answer?", onchange: () => this.set({ instructions: this.fields.instructions.value }) }),
    };
    const names = { provider: "Provider", model: "Model", voice: "Voice", microphone: "Microphone", half_duplex: "Hear nothing while it speaks", instructions: "Instructions" };
    const labels = Object.entries(names).map(([key, name]) =>
      chatPart("label", { className: `aigw-chat-field aigw-chat-field-${key}` }, [chatPart("span", {}, [name]), this.fields[key]]));
    const onkeydown = (event) => this.onEscape(event, this.gear, this.form);
    this.form = chatPart("div", { className: "aigw-chat-settings", hidden: true, onkeydown }, labels);
    return this.form;
  }

  suggestions() {
    const offers = this.model.get("suggestions").map((text) =>
      chatPart("button", { type: "button", className: "aigw-chat-offer", onclick: () => this.ask(text, null) }, [text]));
    return chatPart("div", { className: "aigw-chat-empty" }, [chatPart("p", {}, ["Type or speak. For a start:"]), chatPart("div", {}, offers)]);
  }

  trouble() {
    this.sentence = chatPart("span", { className: "aigw-chat-sentence" });
    this.again = chatPart("button", { type: "button", onclick: () => this.tell("reconnect") }, ["Reconnect"]);
    this.enable = chatPart("button", { type: "button", onclick: () => this.sound.resume() }, ["Enable sound"]);
    this.alert = chatPart("div", { className: "aigw-chat-alert", role: "alert", hidden: true }, [this.sentence, this.enable, this.again]);
    return this.alert;
  }

  actions() {
    return {
      edit: (id, text) => this.askAnew("edit", { id, text }),
      regenerate: () => this.askAnew("regenerate"),
      approve: (id, yes) => this.tell("approve", { id, yes }),
      picture: (ref) => this.tell("picture", { ref }),
      play: (id, on) => (on ? this.tell("clip", { id }) : this.sound.hush()),
    };
  }

  // ---------------------------------------------------------------------------------------------------------- doing

  tell(kind, more = {}, buffers = undefined) {
    this.model.send({ kind, page: this.sound.page, ...more }, undefined, buffers);
  }

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  // What was pressed for it is about to leave the screen.
  askAnew(kind, more) {
    this.say("");
    this.composer.text.focus();
    this.tell(kind, more);
  }

  async ask(text, picture) {
    this.say("");
    this.composer.text.focus();
    this.conversation.scrollToEnd();
    void this.sound.resume().catch(() => {});
    await this.sound.hush();
    this.tell("ask", { text }, picture === null ? undefined : [picture]);
  }

  async stop() {
    await this.sound.hush();
    this.tell("stop");
  }

  say(text) {
    this.said = text;
    this.paintState();
  }

  toggle(button, box) {
    box.hidden = !box.hidden;
    button.setAttribute("aria-expanded", String(!box.hidden));
    if (!box.hidden) box.querySelector("button, select, textarea")?.focus();
  }

  onEscape(event, button, box) {
    if (event.key !== "Escape") return;
    this.toggle(button, box);
    button.focus();
  }

  // A click beside the open menu closes it.
  onPress(event) {
    if (!this.menu.hidden && !this.menu.contains(event.target) && !this.more.contains(event.target)) this.toggle(this.more, this.menu);
  }

  // --------------------------------------------------------------------------------------------------------- showing

  listen() {
    const { model } = this;
    const changes = {
      "change:transcript": () => this.paintWhole(model.get("transcript")),
      "change:state": () => this.paintState(),
      "change:status": () => this.paintState(),
      "change:muted": () => this.paintState(),
      "change:controls": () => this.paintControls(),
      "change:provider": () => this.paintControls(),
      "change:model": () => this.paintControls(),
      "change:voice": () => this.paintControls(),
      "change:microphone": () => this.paintControls(),
      "change:half_duplex": () => this.paintControls(),
      "change:instructions": () => this.paintControls(),
      "msg:custom": (message, buffers) => this.onMessage(message, buffers),
    };
    for (const [name, listener] of Object.entries(changes)) model.on(name, listener);
    const onSound = () => this.paintState();
    this.sound.listeners.add(onSound);
    this.root.addEventListener("pointerdown", (event) => this.onPress(event));
    this.root.addEventListener("keydown", (event) => {
      event.stopPropagation(); // JupyterLab, where it learns of a key, lets nothing in a cell break a line
      this.composer.onPanelKey(event, true);
    });
    this.root.addEventListener("keyup", (event) => this.composer.onPanelKey(event, false));
    const clock = setInterval(() => this.paintTime(), 1000);
    this.close = () => {
      clearInterval(clock);
      this.composer.close();
      this.sound.listeners.delete(onSound);
      for (const [name, listener] of Object.entries(changes)) model.off(name, listener);
    };
    this.paintWhole(model.get("transcript"));
    this.paintControls();
    this.paintState();
    this.tell("ready", { have: this.state.have });
  }

  onMessage(message, buffers) {
    const on = {
      delta: () => this.paintBatch(message),
      whole: () => this.paintWhole(message.snapshot),
      picture: () => this.conversation.setPicture(message.ref, URL.createObjectURL(new Blob([buffers[0]]))),
      file: () => message.view === this.view && saveFile(message.name, message.text),
    };
    on[message.kind]?.();
  }

  paintWhole(snapshot) {
    if (this.state.take(snapshot)) this.conversation.show(this.state.bubbles);
  }

  paintBatch(batch) {
    const ids = this.state.apply(batch);
    if (ids === null) this.tell("ready", { have: this.state.have });
    else if (ids.length > 0) this.conversation.show(this.state.bubbles, ids);
  }

  paintState() {
    const { model } = this;
    const state = model.get("state");
    const status = this.sound.audible && model.get("status") === "ready" ? "speaking" : model.get("status");
    this.root.dataset.status = status;
    this.word.textContent = statusWord(status);
    this.where.textContent = state.where ?? "";
    this.composer.setBusy(Boolean(state.running) || this.sound.audible);
    this.conversation.setPlaying(this.sound.clipId);
    const muted = model.get("muted");
    setIcon(this.mute, muted ? "muted" : "sound", muted ? "Sound is off" : "Sound is on");
    const suspended = this.sound.audible && this.sound.context !== "running";
    const over = status === "ended" || status === "failed";
    const ended = status === "ended" ? `The session has ended${state.ended ? ` (${state.ended})` : ""}.` : "";
    const sentence = this.said || state.error || ended || (suspended ? "The browser waits for a click before it plays sound." : "");
    if (this.sentence.textContent !== sentence) this.sentence.textContent = sentence; // what is said anew is read aloud anew
    this.enable.hidden = !suspended;
    this.again.hidden = !over;
    this.alert.hidden = this.sentence.textContent === "";
    this.alert.classList.toggle("aigw-chat-calm", !this.said && !state.error);
    this.paintTime();
  }

  paintTime() {
    const left = timeLeft(this.model.get("state").ends_at, Date.now());
    this.left.textContent = left?.text ?? "";
    this.left.classList.toggle("aigw-chat-soon", Boolean(left?.soon));
  }

  paintControls() {
    const controls = this.model.get("controls");
    const choose = (name, choices, first) => this.choices(name, choices, first, controls[name]);
    choose("provider", controls.providers.map((provider) => [provider.name, provider.title]));
    choose("model", (controls.model?.choices ?? []).map((model) => [model, model]), "the provider's usual");
    choose("voice", (controls.voice?.choices ?? []).map((voice) => [voice, voice]), "the provider's usual");
    const open = controls.mic?.open.on ? [["open", "Open: answers when you pause"]] : [];
    choose("microphone", controls.mic?.on ? [["push", "Hold to talk"], ...open] : []);
    const { instructions, half_duplex: deaf } = this.fields;
    deaf.checked = this.model.get("half_duplex");
    deaf.closest("label").hidden = !controls.mic?.open.on || this.model.get("microphone") !== "open";
    if (document.activeElement !== instructions) instructions.value = this.model.get("instructions");
    instructions.disabled = controls.fixed || !controls.instructions?.on;
    instructions.title = instructions.disabled ? (controls.instructions?.why ?? "") : "";
    this.mute.hidden = controls.sound?.on === false;
    this.undo.hidden = Boolean(controls.fixed);
    this.composer.configure(controls, this.model.get("microphone"), this.model.get("half_duplex"));
  }

  choices(name, choices, first, control) {
    const field = this.fields[name];
    const value = this.model.get(name);
    const known = [...(first ? [["", first]] : []), ...choices];
    if (value && !known.some(([key]) => key === value)) known.push([value, value]);
    field.replaceChildren(...known.map(([key, text]) => chatPart("option", { value: key }, [text])));
    field.value = value;
    field.disabled = known.length < 2 || control?.on === false || (this.model.get("controls").fixed && name !== "microphone");
    field.title = field.disabled ? (control?.why ?? "") : "";
    field.closest("label").hidden = choices.length === 0;
  }
}

export default {
  initialize: ({ model }) => beginSound(model),
  render({ model, el }) {
    const panel = new PanelView(model, el);
    return () => panel.close();
  },
};
